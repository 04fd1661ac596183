//! Nobody gives away what they do not have:
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Rule, User, decide, grants, rbac};
use crate::{json::str_at, record::RequestRecord, state::State, status::ApiError, write::Target};

/// Checks a role or binding that a user is about to store.
pub(crate) fn check(
    state: &State,
    user: &User,
    target: &Target<'_>,
    before: Option<&Value>,
    object: &Value,
) -> Result<(), ApiError> {
    if !state.access.rbac || &*target.resource.gr.group != rbac::GROUP {
        return Ok(());
    }
    let may = |verb: &str, resource: &str, name: &str| {
        let ask = RequestRecord {
            verb: verb.to_owned(),
            group: rbac::GROUP.to_owned(),
            resource: resource.to_owned(),
            namespace: Some(target.namespace.to_owned()).filter(|ns| !ns.is_empty()),
            name: Some(name.to_owned()),
            ..RequestRecord::default()
        };
        decide(state, user, &ask).0
    };
    let resource = &*target.resource.gr.resource;
    let wanted = match resource {
        "roles" | "clusterroles" => {
            let same = before.is_some_and(|b| b["rules"] == object["rules"]);
            if same || may("escalate", resource, target.name) {
                return Ok(());
            }
            rbac::rules_of(state, object)
        }
        "rolebindings" | "clusterrolebindings" => {
            let role_ref = &object["roleRef"];
            let same = before.is_some_and(|b| b["subjects"] == object["subjects"] && b["roleRef"] == *role_ref);
            let of = if str_at(role_ref, &["kind"]) == "Role" { "roles" } else { "clusterroles" };
            let name = str_at(role_ref, &["name"]);
            if same || may("bind", of, name) {
                return Ok(());
            }
            rbac::referred(state, role_ref, target.namespace)
                .map_err(|_| ApiError::not_found(crate::status::About { group: rbac::GROUP, resource, name }))?
        }
        _ => return Ok(()),
    };
    let namespace = Some(target.namespace).filter(|ns| !ns.is_empty());
    let (held, _) = grants(state, user, namespace);
    let missing = missing(&wanted, &held.into_iter().map(|g| g.rule).collect::<Vec<_>>());
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = user.groups.iter().map(|g| format!("{g:?}")).collect();
    Err(ApiError::forbidden(
        target.about(),
        format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            groups.join(" "),
            missing.into_iter().collect::<Vec<_>>().join("\n")
        ),
    ))
}

/// What is wanted and not held, each as RBAC writes it, by group, resource and name, or by path.
fn missing(wanted: &[Rule], held: &[Rule]) -> BTreeSet<String> {
    let mut by_subject: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |subject: String, verb: &str| {
        let verbs = by_subject.entry(subject).or_default();
        if !verbs.iter().any(|v| v == verb) {
            verbs.push(verb.to_owned());
        }
    };
    for rule in wanted {
        let names: Vec<Option<&String>> =
            if rule.names.is_empty() { vec![None] } else { rule.names.iter().map(Some).collect() };
        for verb in &rule.verbs {
            for group in &rule.groups {
                for resource in &rule.resources {
                    for name in &names {
                        if held.iter().any(|h| covers(h, verb, group, resource, name.map(String::as_str))) {
                            continue;
                        }
                        let named = name.map(|n| format!(", ResourceNames:[{n:?}]")).unwrap_or_default();
                        add(format!("APIGroups:[{group:?}], Resources:[{resource:?}]{named}"), verb);
                    }
                }
            }
            for url in &rule.urls {
                let has = |list: &[String], v: &str| list.iter().any(|h| h == v || h == "*");
                let covered = |h: &Rule| {
                    has(&h.verbs, verb)
                        && h.urls.iter().any(|u| u == url || u.strip_suffix('*').is_some_and(|p| url.starts_with(p)))
                };
                if !held.iter().any(covered) {
                    add(format!("NonResourceURLs:[{url:?}]"), verb);
                }
            }
        }
    }
    let quoted = |verbs: Vec<String>| verbs.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(" ");
    by_subject.into_iter().map(|(subject, verbs)| format!("{{{subject}, Verbs:[{}]}}", quoted(verbs))).collect()
}

fn covers(held: &Rule, verb: &str, group: &str, resource: &str, name: Option<&str>) -> bool {
    let has = |list: &[String], wanted: &str| list.iter().any(|h| h == wanted || h == "*");
    let sub = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    has(&held.verbs, verb)
        && has(&held.groups, group)
        && (has(&held.resources, resource) || sub.is_some_and(|s| held.resources.contains(&s)))
        && (held.names.is_empty() || name.is_some_and(|n| held.names.iter().any(|h| h == n)))
}
