//! Pods ([life cycle](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/)).

use std::borrow::Cow;

use gitops_engine_core::{Health, HealthStatus, Manifest, Value};

use crate::fields::{Judgement, Malformed, Part, part, verdict};

use HealthStatus::{Degraded, Healthy, Progressing, Unknown};

/// Judges a Pod that may run to an end as if it were to run for ever. Argo CD's annotation.
const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

pub(super) fn pod(object: &Manifest) -> Judgement {
    let (spec, status) = (part(object, "spec")?, part(object, "status")?);
    let restart = spec.text(&["restartPolicy"])?;
    // A Pod of a hook that cannot start is not yet failed: once the image can be pulled after all, the hook would run
    // although its sync has ended.
    let runs_on = restart == "Always"
        || object.annotation(IGNORE_RESTART_POLICY) == Some("true")
            && ["argocd.argoproj.io/hook", "helm.sh/hook"].iter().all(|hook| object.annotation(hook).is_none());
    if runs_on && let Some(message) = stuck(status)? {
        return Ok(Health { status: Degraded, message });
    }
    let message = status.text(&["message"])?;
    match status.text(&["phase"])? {
        "Pending" => Ok(verdict(Progressing, message)),
        "Succeeded" => Ok(verdict(Healthy, message)),
        "Failed" if !message.is_empty() => Ok(verdict(Degraded, message)),
        "Failed" => Ok(Health { status: Degraded, message: failure(status)? }),
        "Running" => match restart {
            "Always" if status.condition("Ready")?.is_some_and(|ready| ready.is_true()) => {
                Ok(verdict(Healthy, message))
            }
            "Always" if restarted(status)? => Ok(verdict(Degraded, message)),
            "Always" | "OnFailure" | "Never" => Ok(verdict(Progressing, message)),
            _ => Ok(verdict(Unknown, message)),
        },
        _ => Ok(verdict(Unknown, message)),
    }
}

/// What keeps containers from starting: `ErrImagePull`, `CreateContainerConfigError`, `CrashLoopBackOff` and the like.
fn stuck(status: Part<'_>) -> Result<Option<Cow<'static, str>>, Malformed> {
    let mut messages: Option<String> = None;
    for container in status.list(&["containerStatuses"])? {
        let reason = container.text(["state", "waiting", "reason"]).unwrap_or("");
        if reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff") {
            let message = container.text(["state", "waiting", "message"]).unwrap_or("");
            match &mut messages {
                Some(messages) => {
                    messages.push_str(", ");
                    messages.push_str(message);
                }
                None => messages = Some(message.to_owned()),
            }
        }
    }
    Ok(messages.map(Cow::Owned))
}

/// Why the first container that failed did so.
fn failure(status: Part<'_>) -> Result<Cow<'static, str>, Malformed> {
    let containers = status.list(&["initContainerStatuses"])?.iter().chain(status.list(&["containerStatuses"])?);
    for container in containers {
        let Some(terminated) = container.path(["state", "terminated"]) else { continue };
        if let Some(message) = terminated.text(["message"]).filter(|message| !message.is_empty()) {
            return Ok(Cow::Owned(message.to_owned()));
        }
        if terminated.text(["reason"]) == Some("OOMKilled") {
            return Ok(Cow::Borrowed("OOMKilled"));
        }
        if let Some(code) = terminated.int(["exitCode"]).filter(|code| *code != 0) {
            let name = container.text(["name"]).unwrap_or("");
            return Ok(Cow::Owned(format!("container {name:?} failed with exit code {code}")));
        }
    }
    Ok(Cow::Borrowed(""))
}

fn restarted(status: Part<'_>) -> Result<bool, Malformed> {
    let ended = |container: &Value| matches!(container.path(["lastState", "terminated"]), Some(Value::Object(_)));
    Ok(status.list(&["containerStatuses"])?.iter().any(ended))
}
