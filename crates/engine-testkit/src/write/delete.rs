//! Deleting objects.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Options, Outcome, Target, has_generation};
use crate::{
    json::{self, i64_at, list_at, str_at},
    state::State,
    status::ApiError,
    store::{ObjectKey, Stored},
};

/// What happens to the objects that the deleted one owns:
/// <https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Propagation {
    #[default]
    Background,
    Foreground,
    Orphan,
}

/// `DeleteOptions`.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) propagation: Propagation,
    pub(crate) grace: Option<i64>,
    pub(crate) dry_run: bool,
}

pub(crate) const FOREGROUND: &str = "foregroundDeletion";
pub(crate) const ORPHAN: &str = "orphan";

impl DeleteOptions {
    /// From the body, and from the query where the body says nothing.
    pub(crate) fn parse(body: &Value, params: &crate::http::params::Params) -> Result<Self, ApiError> {
        let text = |path: &[&str]| json::get(body, path).and_then(Value::as_str).map(str::to_owned);
        let policy = text(&["propagationPolicy"]).or_else(|| params.get("propagationPolicy").map(str::to_owned));
        let orphan = json::get(body, &["orphanDependents"])
            .and_then(Value::as_bool)
            .or_else(|| params.get("orphanDependents").map(|v| v == "true"));
        let propagation = match (policy.as_deref(), orphan) {
            (Some("Foreground"), _) => Propagation::Foreground,
            (Some("Orphan"), _) | (None, Some(true)) => Propagation::Orphan,
            (Some("Background") | None, _) => Propagation::Background,
            (Some(other), _) => {
                return Err(ApiError::invalid(
                    crate::status::About { group: "meta.k8s.io", resource: "DeleteOptions", name: "" },
                    &[crate::status::Cause::unsupported(
                        "propagationPolicy",
                        &other.into(),
                        &["Foreground", "Background", "Orphan", "nil"],
                    )],
                ));
            }
        };
        let in_body = list_at(body, &["dryRun"]).iter().any(|v| v.as_str() == Some("All"));
        Ok(Self {
            uid: text(&["preconditions", "uid"]),
            resource_version: text(&["preconditions", "resourceVersion"]),
            propagation,
            grace: i64_at(body, &["gracePeriodSeconds"])
                .or_else(|| params.get("gracePeriodSeconds").and_then(|v| v.parse().ok())),
            dry_run: in_body || params.dry_run("DeleteOptions")?,
        })
    }
}

/// DELETE of one object.
pub(crate) fn delete(
    state: &mut State,
    target: Target<'_>,
    delete: &DeleteOptions,
    options: &Options,
) -> Result<Answer, ApiError> {
    let before = state
        .store
        .get(&target.resource.gr, target.namespace, target.name)
        .cloned()
        .ok_or_else(|| ApiError::not_found(target.about()))?;
    for (name, wanted, have, hint) in [
        ("UID", &delete.uid, before.uid(), "The object might have been deleted and then recreated"),
        (
            "ResourceVersion",
            &delete.resource_version,
            str_at(&before.value, &["metadata", "resourceVersion"]),
            "The object might have been modified",
        ),
    ] {
        if let Some(wanted) = wanted.as_deref().filter(|w| *w != have) {
            return Err(ApiError::conflict(
                target.about_kind(),
                format!(
                    "the {name} in the precondition ({wanted}) does not match the {name} in record ({have}). {hint}"
                ),
            ));
        }
    }
    let resource = target.resource;
    if resource.is("", "namespaces") && matches!(target.name, "default" | "kube-system" | "kube-public") {
        return Err(ApiError::forbidden(target.about(), "this namespace may not be deleted"));
    }
    options.admit(state, &target, Some(&before), None)?;
    let mut after = before.value.clone();
    let mut finalizers: Vec<Value> = list_at(&after, &["metadata", "finalizers"])
        .iter()
        .filter(|f| !matches!(f.as_str(), Some(FOREGROUND | ORPHAN)))
        .cloned()
        .collect();
    match delete.propagation {
        Propagation::Foreground => finalizers.push(FOREGROUND.into()),
        Propagation::Orphan => finalizers.push(ORPHAN.into()),
        Propagation::Background => {}
    }
    let cleanup = crate::controllers::CRD_CLEANUP;
    if resource.is("apiextensions.k8s.io", "customresourcedefinitions") && !finalizers.iter().any(|f| f == cleanup) {
        finalizers.push(cleanup.into());
    }
    let grace = grace_of(state, &target, &before, delete.grace);
    let in_use = resource.is("", "namespaces") && !list_at(&after, &["spec", "finalizers"]).is_empty();
    if finalizers.is_empty() && grace == 0 && !in_use {
        // A deletion is a change too, and what is shown of it says so.
        let mut last = before.clone();
        if !delete.dry_run {
            let at = ObjectKey::new(&resource.gr, target.namespace, target.name);
            last = state.remove(&at).unwrap_or(last);
        }
        return Ok(Answer::of(Outcome::Value(deleted(&target, &last))));
    }

    let had: Vec<Value> = list_at(&after, &["metadata", "finalizers"]).to_vec();
    if had != finalizers {
        json::set(&mut after, &["metadata", "finalizers"], finalizers);
    }
    let shorter = i64_at(&after, &["metadata", "deletionGracePeriodSeconds"]).is_some_and(|g| grace < g);
    if !before.is_terminating() || shorter {
        let end = options.now.timestamp.checked_add(Duration::from_secs(grace.unsigned_abs()));
        let end = end.map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        json::set(&mut after, &["metadata", "deletionTimestamp"], end.unwrap_or_else(|_| options.now.rfc3339()));
        if !resource.is("", "namespaces") {
            json::set(&mut after, &["metadata", "deletionGracePeriodSeconds"], grace);
        } else {
            json::set(&mut after, &["status", "phase"], "Terminating");
        }
        if has_generation(resource)
            && let Some(generation) = i64_at(&after, &["metadata", "generation"])
        {
            json::set(&mut after, &["metadata", "generation"], generation + 1);
        }
    }
    if after == before.value {
        return Ok(Answer::of(Outcome::Stored(before)));
    }
    if delete.dry_run {
        return Ok(Answer::of(Outcome::Value(after)));
    }
    Ok(Answer::of(Outcome::Stored(state.store.put(&resource.gr, after))))
}

/// Only Pods on a node end gracefully.
fn grace_of(state: &State, target: &Target<'_>, before: &Stored, asked: Option<i64>) -> i64 {
    let pod = target.resource.is("", "pods");
    let phase = str_at(&before.value, &["status", "phase"]);
    let runs = !str_at(&before.value, &["spec", "nodeName"]).is_empty() && !matches!(phase, "Succeeded" | "Failed");
    if !pod || !runs || !state.settings.controllers {
        return 0;
    }
    asked.or_else(|| i64_at(&before.value, &["spec", "terminationGracePeriodSeconds"])).unwrap_or(30).max(0)
}

fn deleted(target: &Target<'_>, before: &Stored) -> Value {
    let shows_object = matches!(
        (&*target.resource.gr.group, &*target.resource.gr.resource),
        (
            "",
            "pods"
                | "services"
                | "persistentvolumeclaims"
                | "persistentvolumes"
                | "serviceaccounts"
                | "podtemplates"
                | "resourcequotas"
        ) | ("storage.k8s.io", _)
    );
    if shows_object {
        return before.value.clone();
    }
    let mut details = json!({
        "name": target.name, "kind": &*target.resource.gr.resource, "uid": before.uid(),
    });
    if !target.resource.gr.group.is_empty() {
        details["group"] = (*target.resource.gr.group).into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
