//! What a server warns about although it accepts it.

use serde_json::Value;

use super::{names, pod, quantity};
use crate::{
    crd,
    json::{get, i64_at, list_at, str_at},
    resources::Resource,
};

/// Warnings about an object that was accepted; `before` is the stored one on an update.
pub(crate) fn warnings(resource: &Resource, object: &Value, before: Option<&Value>) -> Vec<String> {
    let mut out = Vec::new();
    if resource.is_custom() {
        finalizers(object, before, &mut out);
    }
    match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "persistentvolumes") => pod::warnings_of_volume(object, &mut out),
        ("", "pods") if before.is_none() => pod::warnings(object, None, &mut out),
        ("apps", _) | ("batch", "jobs" | "cronjobs") | ("", "replicationcontrollers") => {
            workload(resource, before, object, &mut out)
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            let had = before.map(crd::unknown_formats).unwrap_or_default();
            let fresh = crd::unknown_formats(object).into_iter().filter(|format| !had.contains(format));
            out.extend(fresh.map(|format| format!("unrecognized format {format:?}")));
        }
        _ => {}
    }
    out
}

/// Warnings about a status that was accepted.
pub(crate) fn warnings_of_status(resource: &Resource, object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    if resource.is("", "pods") {
        pod::warnings_of_status(object, &mut out);
    }
    out
}

/// Names of finalizers that somebody else may use, too, as far as they are new.
fn finalizers(object: &Value, before: Option<&Value>, out: &mut Vec<String>) {
    const AT: &str = "metadata.finalizers";
    let had = before.map_or(&[][..], |b| list_at(b, &["metadata", "finalizers"]));
    let all = list_at(object, &["metadata", "finalizers"]).iter();
    let mut fresh: Vec<&str> = all.filter(|f| !had.contains(f)).filter_map(Value::as_str).collect();
    fresh.sort_unstable();
    fresh.dedup();
    for name in fresh {
        out.extend(names::key_complaints(name).into_iter().map(|c| format!("{AT}: {name:?}: {c}")));
        if !name.contains('/') && !matches!(name, "orphan" | "foregroundDeletion" | "kubernetes") {
            let path = if name.contains('.') { " including a path (/)" } else { "" };
            out.push(format!(
                "{AT}: {name:?}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other \
                 finalizer writers"
            ));
        }
    }
}

/// A template is looked at when it may have changed.
fn workload(resource: &Resource, before: Option<&Value>, object: &Value, out: &mut Vec<String>) {
    let kind = &*resource.gr.resource;
    if before.is_none()
        && matches!(kind, "deployments" | "replicasets" | "replicationcontrollers" | "jobs" | "cronjobs")
    {
        let complaints = names::complaints(str_at(object, &["metadata", "name"]), names::Rule::Label);
        if !complaints.is_empty() {
            out.push(format!(
                "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a \
                 DNS label is recommended: [{}]",
                complaints.join(" ")
            ));
        }
    }
    let counter: &[&str] = match kind {
        "daemonsets" => &["metadata", "annotations", super::TEMPLATE_GENERATION],
        _ => &["metadata", "generation"],
    };
    if before.is_none_or(|before| get(before, counter) != get(object, counter)) {
        match kind {
            "cronjobs" => job(&object["spec"]["jobTemplate"]["spec"], "spec.jobTemplate.spec", out),
            "jobs" => job(&object["spec"], "spec", out),
            // A real server looks at the template that was there before.
            "replicationcontrollers" => {
                template(&before.unwrap_or(object)["spec"]["template"], "spec.template", out);
            }
            _ => template(&object["spec"]["template"], "spec.template", out),
        }
    }
    if kind == "statefulsets" {
        claims_and_history(before.is_none(), object, out);
    }
    if kind == "cronjobs" && before.is_some() && str_at(object, &["spec", "schedule"]).contains("TZ") {
        out.push(
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                .to_owned(),
        );
    }
}

fn template(template: &Value, path: &str, out: &mut Vec<String>) {
    pod::warnings(template, Some(path), out);
}

fn job(spec: &Value, path: &str, out: &mut Vec<String>) {
    let number = |field: &str| i64_at(spec, &[field]).unwrap_or(0);
    if spec["completionMode"] == "Indexed" && number("completions") > 100_000 && number("parallelism") > 10_000 {
        out.push(format!(
            "{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than \
             10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        ));
    }
    template(&spec["template"], &format!("{path}.template"), out);
}

fn claims_and_history(is_new: bool, object: &Value, out: &mut Vec<String>) {
    const BILLION: i128 = 1_000_000_000;
    for (i, claim) in list_at(object, &["spec", "volumeClaimTemplates"]).iter().enumerate() {
        let path = format!("spec.volumeClaimTemplates[{i}]{}", if is_new { "" } else { ".Spec" });
        for which in ["requests", "limits"] {
            let text = str_at(claim, &["spec", "resources", which, "storage"]);
            if quantity::value(text).is_some_and(|billionths| billionths % BILLION != 0) {
                out.push(format!(
                    "{path}.resources.{which}[storage]: fractional byte value {text:?} is invalid, must be an integer"
                ));
            }
        }
    }
    if i64_at(object, &["spec", "revisionHistoryLimit"]).is_some_and(|n| n < 0) {
        out.push(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
                .to_owned(),
        );
    }
}
