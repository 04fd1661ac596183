//! Pod security: what the labels of a namespace let Pods do, and what they warn of.
//! <https://kubernetes.io/docs/concepts/security/pod-security-admission/>

mod baseline;
mod checks;
mod policy;
mod restricted;
mod words;

use std::collections::BTreeMap;

use serde_json::Value;

use self::{
    checks::Verdict,
    policy::{Grade, Level, Policy},
};
use crate::{
    json::{get, list_at, map_at, str_at},
    resources::GroupResource,
    state::State,
    status::ApiError,
    write::{Options, Target},
};

/// So many Pods of a namespace are looked at when its labels change.
const MOST_PODS: usize = 3000;

/// Refuses what is not allowed, and warns of what is told to be warned of.
pub(super) fn check(
    state: &State,
    target: &Target<'_>,
    before: Option<&Value>,
    after: &Value,
    options: &Options,
) -> Result<(), ApiError> {
    match (&*target.resource.gr.group, &*target.resource.gr.resource) {
        ("", "namespaces") if target.subresource.is_empty() => {
            let pods = || state.store.objects(&GroupResource::new("", "pods"), Some(target.name));
            options.warn(namespace(target, before, after, || pods().iter().map(|pod| &pod.value).collect())?);
        }
        ("", "pods") if matches!(target.subresource, "" | "resize" | "ephemeralcontainers") => {
            if before.is_some_and(|before| !is_significant(before, after)) {
                return Ok(());
            }
            let policy = policy_of(state, target);
            if let Some(why) = violation(policy.enforce, after) {
                return Err(ApiError::forbidden(target.about(), format!("violates {why}")));
            }
            options.warn(warning(policy, after));
        }
        _ if target.subresource.is_empty() => {
            if let Some(template) = template(target.resource, after) {
                options.warn(warning(policy_of(state, target), template));
            }
        }
        _ => {}
    }
    Ok(())
}

fn policy_of(state: &State, target: &Target<'_>) -> Policy {
    state.namespace(target.namespace).map_or(Policy::NONE, |namespace| Policy::of(&namespace.value).0)
}

/// The template of the Pods that an object is to make.
fn template<'v>(resource: &crate::resources::Resource, object: &'v Value) -> Option<&'v Value> {
    let path: &[&str] = match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "podtemplates") => &["template"],
        ("", "replicationcontrollers")
        | ("apps", "replicasets" | "deployments" | "statefulsets" | "daemonsets")
        | ("batch", "jobs") => &["spec", "template"],
        ("batch", "cronjobs") => &["spec", "jobTemplate", "spec", "template"],
        _ => return None,
    };
    get(object, path)
}

/// What a Pod may not do, if it is too much.
fn violation(grade: Grade, pod: &Value) -> Option<String> {
    let found = checks::violations(grade, pod);
    let said: Vec<String> = found.iter().map(Verdict::whole).collect();
    (!said.is_empty()).then(|| format!("PodSecurity \"{grade}\": {}", said.join(", ")))
}

fn warning(policy: Policy, pod: &Value) -> Option<String> {
    violation(policy.warn, pod).map(|why| format!("would violate {why}"))
}

/// Whether a change of a Pod is one of what runs in it.
fn is_significant(before: &Value, after: &Value) -> bool {
    let image = |container: &Value| str_at(container, &["image"]).to_owned();
    let images = |pod: &Value, list: &str| -> Vec<String> { list_at(pod, &["spec", list]).iter().map(image).collect() };
    let debuggers = list_at(before, &["spec", "ephemeralContainers"]);
    ["containers", "initContainers"].iter().any(|list| images(before, list) != images(after, list))
        || list_at(after, &["spec", "ephemeralContainers"]).iter().any(|container| {
            let old = debuggers.iter().find(|old| old["name"] == container["name"]);
            old.is_none_or(|old| image(old) != image(container))
        })
}

/// Judges the labels of a namespace. Pods that are there are not refused any more: they are warned of.
fn namespace<'p>(
    target: &Target<'_>,
    before: Option<&Value>,
    after: &Value,
    pods: impl Fn() -> Vec<&'p Value>,
) -> Result<Vec<String>, ApiError> {
    let (new, wrong) = Policy::of(after);
    let old = before.map(Policy::of);
    if !wrong.is_empty() && old.as_ref().is_none_or(|(_, before)| *before != wrong) {
        let causes: Vec<_> = wrong.iter().map(policy::Wrong::cause).collect();
        return Err(ApiError::invalid(target.about_kind(), &causes));
    }
    let Some((old, _)) = old else { return Ok(Vec::new()) };
    let (old, new) = (old.enforce, new.enforce);
    let relaxed = new.version == old.version && new.level <= old.level;
    if new == old || new.level == Level::Privileged || relaxed {
        return Ok(Vec::new());
    }
    Ok(of_pods(target.name, new, pods()))
}

/// What Pods of a namespace violate: those that violate the same are told of together.
fn of_pods(namespace: &str, grade: Grade, pods: Vec<&Value>) -> Vec<String> {
    let mut warnings = Vec::new();
    let (all, looked_at) = (pods.len(), pods.len().min(MOST_PODS));
    if looked_at < all {
        warnings.push(format!(
            "new PodSecurity enforce level only checked against the first {looked_at} of {all} existing pods"
        ));
    }
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for pod in pods.into_iter().take(looked_at) {
        let reasons: Vec<&str> = checks::violations(grade, pod).into_iter().map(|verdict| verdict.reason).collect();
        if !reasons.is_empty() {
            by_reason.entry(reasons.join(", ")).or_default().push(str_at(pod, &["metadata", "name"]));
        }
    }
    let mut said: Vec<String> = by_reason
        .iter()
        .map(|(reasons, names)| {
            let first = names.iter().min().copied().unwrap_or_default();
            match names.len() - 1 {
                0 => format!("{first}: {reasons}"),
                1 => format!("{first} (and 1 other pod): {reasons}"),
                others => format!("{first} (and {others} other pods): {reasons}"),
            }
        })
        .collect();
    said.sort();
    if !said.is_empty() {
        warnings.push(format!(
            "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{grade}\""
        ));
    }
    warnings.extend(said);
    warnings
}

/// The annotations of a Pod.
fn annotations(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = map_at(pod, &["metadata", "annotations"]).into_iter().flatten();
    all.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}
