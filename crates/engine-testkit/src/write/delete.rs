//! Deleting objects.

use serde_json::{Value, json};

use super::{Answer, Options, Outcome, Target, grace, update};
use crate::{
    crd,
    json::{self, i64_at, list_at, str_at},
    resources::Resource,
    state::State,
    status::{About, ApiError, Cause},
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
    /// Nothing is what the kind does by default.
    pub(crate) propagation: Option<Propagation>,
    /// Whether `orphanDependents` says that dependents go, too.
    pub(crate) cascades: bool,
    pub(crate) grace: Option<i64>,
    pub(crate) dry_run: bool,
}

pub(crate) const FOREGROUND: &str = "foregroundDeletion";
pub(crate) const ORPHAN: &str = "orphan";

impl DeleteOptions {
    /// From the body, or from the query where there is no body.
    pub(crate) fn parse(body: &Value, params: &crate::http::params::Params) -> Result<Self, ApiError> {
        if body.is_null() {
            return Self::from_query(params);
        }
        let (read, causes) = Self::read(body);
        if causes.is_empty() { Ok(read) } else { Err(Self::invalid(&causes)) }
    }

    /// From a body, with what is wrong with it.
    pub(crate) fn read(body: &Value) -> (Self, Vec<Cause>) {
        let text = |path: &[&str]| json::get(body, path).and_then(Value::as_str).map(str::to_owned);
        let dry_run: Vec<&str> = list_at(body, &["dryRun"]).iter().filter_map(Value::as_str).collect();
        let orphan = json::get(body, &["orphanDependents"]).and_then(Value::as_bool);
        Self {
            uid: text(&["preconditions", "uid"]),
            resource_version: text(&["preconditions", "resourceVersion"]),
            grace: i64_at(body, &["gracePeriodSeconds"]),
            ..Self::default()
        }
        .checked(text(&["propagationPolicy"]).as_deref(), orphan, &dry_run)
    }

    /// The answer to options that make no sense.
    pub(crate) fn invalid(causes: &[Cause]) -> ApiError {
        ApiError::invalid(About { group: "meta.k8s.io", resource: "DeleteOptions", name: "" }, causes)
    }

    fn from_query(params: &crate::http::params::Params) -> Result<Self, ApiError> {
        let dry_run = params.all("dryRun");
        let text = |name: &str| params.get(name).map(str::to_owned);
        let asked = Self {
            grace: params.number("gracePeriodSeconds")?,
            uid: text("uid"),
            // Also where a list is asked for by one.
            resource_version: text("resourceVersion"),
            ..Self::default()
        };
        let (policy, orphan) = (params.raw("propagationPolicy"), params.choice("orphanDependents"));
        let (read, causes) = asked.checked(policy, orphan, &dry_run);
        if causes.is_empty() { Ok(read) } else { Err(Self::invalid(&causes)) }
    }

    fn checked(mut self, policy: Option<&str>, orphan: Option<bool>, dry_run: &[&str]) -> (Self, Vec<Cause>) {
        let mut causes = Vec::new();
        if let (Some(policy), Some(_)) = (policy, orphan) {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            causes.push(Cause::invalid("propagationPolicy", &policy.into(), detail));
        }
        self.propagation = match policy {
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some(other) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                causes.push(Cause::unsupported("propagationPolicy", &other.into(), &known));
                None
            }
            None => orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
        };
        self.cascades = orphan == Some(false);
        self.dry_run = !dry_run.is_empty();
        if dry_run.iter().any(|v| *v != "All") {
            causes.push(Cause::unsupported("dryRun", &json!(dry_run), &["All"]));
        }
        (self, causes)
    }
}

/// DELETE of one object.
pub(crate) fn delete(
    state: &mut State,
    target: Target<'_>,
    delete: &DeleteOptions,
    options: &Options,
) -> Result<Answer, ApiError> {
    options.warn(warning(target.resource, delete));
    let before = state
        .store
        .get(&target.resource.gr, target.namespace, target.name)
        .cloned()
        .ok_or_else(|| ApiError::not_found(target.about()))?;
    check_preconditions(&target, &before, delete)?;
    let resource = target.resource;
    if resource.is("", "namespaces") && matches!(target.name, "default" | "kube-system" | "kube-public") {
        return Err(ApiError::forbidden(target.about(), "this namespace may not be deleted"));
    }
    options.admit(state, &target, Some(&before), None)?;
    let in_use = resource.is("", "namespaces") && !list_at(&before.value, &["spec", "finalizers"]).is_empty();
    if in_use && before.is_terminating() {
        // It goes when it is empty, however often that is asked.
        return Ok(answer(delete, Outcome::Stored(before), false));
    }
    let mut after = before.whole().into_owned();
    let mut finalizers = finalizers_for(resource, &after, delete.propagation);
    let cleanup = crate::controllers::CRD_CLEANUP;
    let defines = resource.is("apiextensions.k8s.io", "customresourcedefinitions");
    if defines && !before.is_terminating() {
        // A definition is held for its objects, whatever is asked about what it owns.
        finalizers = list_at(&after, &["metadata", "finalizers"]).to_vec();
        if !finalizers.iter().any(|f| f == cleanup) {
            finalizers.push(cleanup.into());
        }
    }
    if resource.is("", "pods") {
        match grace::ask(&before.value, &mut after, delete.grace, &options.now) {
            grace::Ending::Already => return Ok(answer(delete, Outcome::Stored(before), false)),
            grace::Ending::Over => {}
            grace::Ending::In(seconds) => {
                let gone = seconds == 0 && finalizers.is_empty();
                hold(&mut after, finalizers);
                if delete.dry_run {
                    return Ok(answer(delete, Outcome::Value(after), gone));
                }
                // Also what ends at once is marked before it goes.
                let marked = state.store.put(&resource.gr, after);
                if !gone {
                    return Ok(answer(delete, Outcome::Stored(marked), false));
                }
                let at = ObjectKey::new(&resource.gr, target.namespace, target.name);
                let last = state.remove(&at).unwrap_or(marked);
                return Ok(answer(delete, Outcome::Value(last.value.clone()), true));
            }
        }
    }
    if finalizers.is_empty() && !in_use {
        let held = !list_at(&before.value, &["metadata", "finalizers"]).is_empty();
        if held && delete.resource_version.is_some() && !delete.dry_run {
            // What the finalizers were taken from is forgotten, and so the version does not match.
            let version = str_at(&before.value, &["metadata", "resourceVersion"]);
            return Err(update::precondition_failed(&target, "ResourceVersion", "", version, options));
        }
        // A deletion is a change too, and what is shown of it says so.
        let mut last = before.clone();
        if !delete.dry_run {
            let at = ObjectKey::new(&resource.gr, target.namespace, target.name);
            last = state.remove(&at).unwrap_or(last);
        }
        return Ok(answer(delete, Outcome::Value(deleted(&target, &last)), true));
    }

    hold(&mut after, finalizers);
    if !before.is_terminating() {
        json::set(&mut after, &["metadata", "deletionTimestamp"], options.now.rfc3339());
        if defines {
            crate::controllers::mark_for_deletion(&mut after, options.now);
        } else if !resource.is("", "namespaces") {
            json::set(&mut after, &["metadata", "deletionGracePeriodSeconds"], 0);
        } else {
            json::set(&mut after, &["status", "phase"], "Terminating");
        }
        let counted = !defines && !resource.is("", "namespaces");
        if let Some(generation) = i64_at(&after, &["metadata", "generation"]).filter(|g| counted && *g > 0) {
            json::set(&mut after, &["metadata", "generation"], generation + 1);
        }
    }
    // What waits for something is shown whole, with what reads leave out.
    let unchanged = before.is_stored_as_read() && after == *before.whole();
    let mut shown = after;
    if !delete.dry_run && !unchanged {
        shown = state.store.put(&resource.gr, shown).whole().into_owned();
    }
    if resource.is_custom() && target.version != resource.storage_version {
        shown = crd::read_as(resource, &shown, target.version);
    }
    Ok(answer(delete, Outcome::Value(shown), false))
}

fn answer(delete: &DeleteOptions, outcome: Outcome, gone: bool) -> Answer {
    Answer { accepted: !gone && delete.cascades, ..Answer::of(outcome) }
}

/// What a client should know that leaves it to the kind what becomes of dependents.
pub(crate) fn warning(resource: &Resource, delete: &DeleteOptions) -> Option<String> {
    (resource.is("batch", "jobs") && delete.propagation.is_none()).then(|| {
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or \
         set propagationPolicy=Orphan to suppress this warning"
            .to_owned()
    })
}

/// Whether the object is the one that the client means.
pub(super) fn check_preconditions(
    target: &Target<'_>,
    before: &Stored,
    delete: &DeleteOptions,
) -> Result<(), ApiError> {
    let version = str_at(&before.value, &["metadata", "resourceVersion"]);
    for (name, wanted, have, hint) in [
        ("UID", &delete.uid, before.uid(), "The object might have been deleted and then recreated"),
        ("ResourceVersion", &delete.resource_version, version, "The object might have been modified"),
    ] {
        let Some(wanted) = wanted.as_deref().filter(|w| *w != have) else { continue };
        if target.resource.is("", "namespaces") {
            return Err(ApiError::conflict(
                target.about(),
                format!("Precondition failed: {name} in precondition: {wanted}, {name} in object meta: {have}"),
            ));
        }
        return Err(ApiError::conflict(
            target.about_kind(),
            format!("the {name} in the precondition ({wanted}) does not match the {name} in record ({have}). {hint}"),
        ));
    }
    Ok(())
}

/// The finalizers of an object that is to be deleted. What nobody says is what the object is held for already, or what its
/// kind does by default.
fn finalizers_for(resource: &Resource, object: &Value, asked: Option<Propagation>) -> Vec<Value> {
    let had = list_at(object, &["metadata", "finalizers"]);
    let rest = had.iter().filter(|f| !matches!(f.as_str(), Some(FOREGROUND | ORPHAN)));
    let mut finalizers: Vec<Value> = rest.cloned().collect();
    // Nothing is owned by an event.
    if &*resource.gr.resource == "events" && matches!(&*resource.gr.group, "" | "events.k8s.io") {
        return finalizers;
    }
    let held = || {
        had.iter().find_map(|f| match f.as_str() {
            Some(FOREGROUND) => Some(Propagation::Foreground),
            Some(ORPHAN) => Some(Propagation::Orphan),
            _ => None,
        })
    };
    let orphans = resource.is("batch", "jobs") || resource.is("", "replicationcontrollers");
    let default = if orphans { Propagation::Orphan } else { Propagation::Background };
    match asked.or_else(held).unwrap_or(default) {
        Propagation::Foreground => finalizers.push(FOREGROUND.into()),
        Propagation::Orphan => finalizers.push(ORPHAN.into()),
        Propagation::Background => {}
    }
    finalizers
}

/// Sets the finalizers unless they are the same in another order.
fn hold(object: &mut Value, finalizers: Vec<Value>) {
    let had = list_at(object, &["metadata", "finalizers"]);
    if finalizers.len() != had.len() || !finalizers.iter().all(|f| had.contains(f)) {
        json::set(object, &["metadata", "finalizers"], finalizers);
    }
    if list_at(object, &["metadata", "finalizers"]).is_empty() {
        json::remove(object, &["metadata", "finalizers"]);
    }
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
                | "namespaces"
        ) | ("resource.k8s.io", _)
            | (
                "storage.k8s.io",
                "csidrivers" | "csinodes" | "storageclasses" | "volumeattachments" | "volumeattributesclasses"
            )
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
