//! How violations are said.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::json::{get, list_at, str_at};

/// Every container of a Pod, also those that prepare it and those that debug it.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| list_at(pod, &["spec", list]))
}

/// The names of the containers for which something holds.
pub(super) fn named(pod: &Value, mut holds: impl FnMut(&Value) -> bool) -> Vec<String> {
    containers(pod).filter(|c| holds(c)).map(|c| str_at(c, &["name"]).to_owned()).collect()
}

pub(super) fn quoted<'t>(items: impl IntoIterator<Item = &'t String>) -> String {
    let items: Vec<&str> = items.into_iter().map(String::as_str).collect();
    if items.is_empty() { String::new() } else { format!("\"{}\"", items.join("\", \"")) }
}

pub(super) fn plural(count: usize, one: &str) -> String {
    if count == 1 { one.to_owned() } else { format!("{one}s") }
}

/// `container "a"`, `containers "a", "b"`.
pub(super) fn containers_called(names: &[String]) -> String {
    format!("{} {}", plural(names.len(), "container"), quoted(names))
}

/// Who sets something: the Pod, some of its containers, or both.
pub(super) fn setters(pod: bool, containers: &[String]) -> Option<String> {
    let mut out = Vec::new();
    if pod {
        out.push("pod".to_owned());
    }
    if !containers.is_empty() {
        out.push(containers_called(containers));
    }
    (!out.is_empty()).then(|| out.join(" and "))
}

/// A field of the security context of a Pod's spec or of a container.
pub(super) fn context<'v>(of: &'v Value, path: &[&str]) -> Option<&'v Value> {
    get(of, &["securityContext"]).and_then(|context| get(context, path))
}

/// Who sets a field of the security context to something that is not allowed, and to what.
pub(super) fn bad_values(
    pod: &Value,
    path: &[&str],
    is_allowed: impl Fn(&str) -> bool,
) -> (bool, Vec<String>, BTreeSet<String>) {
    let mut values = BTreeSet::new();
    let mut is_bad = |of: &Value| {
        let set = context(of, &path[..path.len() - 1]).map(|parent| str_at(parent, &path[path.len() - 1..]));
        let bad = set.filter(|value| !is_allowed(value));
        values.extend(bad.map(str::to_owned));
        bad.is_some()
    };
    let of_pod = is_bad(&pod["spec"]);
    let containers = named(pod, is_bad);
    (of_pod, containers, values)
}

pub(super) fn is_windows(pod: &Value) -> bool {
    str_at(pod, &["spec", "os", "name"]) == "windows"
}

/// Whether the Pod's users are not those of its node.
pub(super) fn has_own_users(pod: &Value) -> bool {
    pod["spec"]["hostUsers"] == false
}
