//! Roles and who has them. <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>

use super::At;
use crate::{admission::names, status::Cause};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn role(kind: &str, root: &At<'_>, causes: &mut Vec<Cause>) {
    for rule in root.field("rules").items() {
        policy_rule(&rule, kind == "roles", causes);
    }
    let aggregation = root.field("aggregationRule");
    if aggregation.is_set() {
        let selectors = aggregation.field("clusterRoleSelectors");
        if selectors.len() == 0 {
            selectors.required("at least one clusterRoleSelector required if aggregationRule is non-nil", causes);
        }
        for selector in selectors.items() {
            let found = causes.len();
            selector.selector(causes);
            if causes.len() > found {
                causes.push(Cause::invalid(selector.path.clone(), &serde_json::Value::Null, "invalid label selector."));
            }
        }
    }
}

fn policy_rule(rule: &At<'_>, namespaced: bool, causes: &mut Vec<Cause>) {
    let (verbs, urls) = (rule.field("verbs"), rule.field("nonResourceURLs"));
    if verbs.len() == 0 {
        verbs.required("verbs must contain at least one value", causes);
    }
    let (groups, resources) = (rule.field("apiGroups"), rule.field("resources"));
    if urls.len() > 0 {
        if namespaced {
            urls.invalid("namespaced rules cannot apply to non-resource URLs", causes);
        }
        if groups.len() > 0 || resources.len() > 0 || rule.field("resourceNames").len() > 0 {
            urls.invalid("rules cannot apply to both regular resources and non-resource URLs", causes);
        }
        return;
    }
    if groups.len() == 0 {
        groups.required("resource rules must supply at least one api group", causes);
    }
    if resources.len() == 0 {
        resources.required("resource rules must supply at least one resource", causes);
    }
}

pub(super) fn binding(kind: &str, root: &At<'_>, causes: &mut Vec<Cause>) {
    let role = root.field("roleRef");
    let group = role.field("apiGroup");
    if group.text() != GROUP {
        group.unsupported(&[GROUP], causes);
    }
    let namespaced = kind == "rolebindings";
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&role.field("kind").text()) {
        role.field("kind").unsupported(kinds, causes);
    }
    let name = role.field("name");
    if name.must_be_there(causes) {
        name.name(names::Rule::PathSegment, causes);
    }
    for subject in root.field("subjects").items() {
        let (name, group) = (subject.field("name"), subject.field("apiGroup"));
        let named = name.must_be_there(causes);
        match subject.field("kind").text() {
            "ServiceAccount" => {
                if named {
                    name.name(names::Rule::Subdomain, causes);
                }
                if !group.text().is_empty() {
                    group.unsupported(&[""], causes);
                }
                // In a namespace it is that of the binding when it is left out.
                if !namespaced {
                    subject.field("namespace").must_be_there(causes);
                }
            }
            "User" | "Group" => {
                if group.text() != GROUP {
                    group.unsupported(&[GROUP], causes);
                }
            }
            _ => subject.field("kind").unsupported(&["ServiceAccount", "User", "Group"], causes),
        }
    }
}

/// What of a binding cannot change any more.
pub(super) fn binding_change(root: &At<'_>, before: &serde_json::Value, causes: &mut Vec<Cause>) {
    let (old, new) = (before.get("roleRef"), root.field("roleRef"));
    if old != Some(new.value) {
        let text = |field: &str| new.field(field).text();
        let shown = serde_json::json!({"APIGroup": text("apiGroup"), "Kind": text("kind"), "Name": text("name")});
        causes.push(Cause::invalid("roleRef", &shown, "cannot change roleRef"));
    }
}
