//! RBAC from the objects of the cluster: <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>

use std::sync::Arc;

use serde_json::{Value, json};

use super::{AUTHENTICATED, Grant, MASTERS, Rule, User};
use crate::{
    json::{get, list_at, str_at},
    resources::GroupResource,
    state::State,
    store::{Stored, selector::LabelSelector},
};

pub(super) const GROUP: &str = "rbac.authorization.k8s.io";
const DISCOVERY: [&str; 11] = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
];
const PUBLIC: [&str; 5] = ["/healthz", "/livez", "/readyz", "/version", "/version/"];

/// The roles that everybody who logs in has, by name.
fn roles_of_everybody() -> [(&'static str, Vec<Rule>); 3] {
    [
        (
            "system:basic-user",
            vec![
                Rule::verbs(["create"])
                    .on("authorization.k8s.io", ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
                Rule::verbs(["create"]).on("authentication.k8s.io", ["selfsubjectreviews"]),
            ],
        ),
        ("system:discovery", vec![Rule::verbs(["get"]).urls(DISCOVERY)]),
        ("system:public-info-viewer", vec![Rule::verbs(["get"]).urls(PUBLIC)]),
    ]
}

/// What everybody who logs in may do.
pub(super) fn basics(user: &User) -> Vec<Grant> {
    if !user.is_in(AUTHENTICATED) {
        return Vec::new();
    }
    let grant = |(role, rules): (&str, Vec<Rule>)| {
        let source = format!("ClusterRoleBinding {role:?} of ClusterRole {role:?} to Group {AUTHENTICATED:?}");
        rules.into_iter().map(move |rule| Grant { rule, source: source.clone() })
    };
    roles_of_everybody().into_iter().flat_map(grant).collect()
}

/// The objects that a server makes for itself, as far as they matter here.
pub(crate) fn bootstrap() -> Vec<Value> {
    let everything = ("cluster-admin", Rule::everything().to_vec());
    let all = std::iter::once((everything, MASTERS)).chain(roles_of_everybody().map(|role| (role, AUTHENTICATED)));
    all.flat_map(|((name, rules), group)| {
        let metadata = json!({
            "name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        });
        let rules: Vec<Value> = rules.iter().map(to_value).collect();
        [
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata,
                "rules": rules,
            }),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
                "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": group}],
            }),
        ]
    })
    .collect()
}

pub(super) fn to_value(rule: &Rule) -> Value {
    let mut value = json!({"verbs": rule.verbs});
    for (key, list) in [
        ("apiGroups", &rule.groups),
        ("resources", &rule.resources),
        ("resourceNames", &rule.names),
        ("nonResourceURLs", &rule.urls),
    ] {
        if !list.is_empty() {
            value[key] = json!(list);
        }
    }
    value
}

fn of_value(value: &Value) -> Rule {
    let list = |key: &str| list_at(value, &[key]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Rule {
        verbs: list("verbs"),
        groups: list("apiGroups"),
        resources: list("resources"),
        names: list("resourceNames"),
        urls: list("nonResourceURLs"),
    }
}

fn objects<'a>(state: &'a State, resource: &str, namespace: Option<&str>) -> Vec<&'a Arc<Stored>> {
    state.store.objects(&GroupResource::new(GROUP, resource), namespace)
}

/// The rules of an object; those of a role that is made of others are theirs.
pub(super) fn rules_of(state: &State, role: &Value) -> Vec<Rule> {
    let Some(selectors) = get(role, &["aggregationRule", "clusterRoleSelectors"]).and_then(Value::as_array) else {
        return list_at(role, &["rules"]).iter().map(of_value).collect();
    };
    let mut rules = Vec::new();
    for part in objects(state, "clusterroles", None) {
        let itself = str_at(role, &["metadata", "name"]) == part.name();
        if itself || !selectors.iter().any(|s| LabelSelector::from_object(s).matches(&part.value)) {
            continue;
        }
        for rule in rules_of_part(&part.value) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    rules
}

/// A part that is itself made of others counts with what a controller has written into it: no recursion.
fn rules_of_part(role: &Value) -> Vec<Rule> {
    list_at(role, &["rules"]).iter().map(of_value).collect()
}

/// The rules that a binding refers to; the error is the one of RBAC.
pub(super) fn referred(state: &State, role_ref: &Value, namespace: &str) -> Result<Vec<Rule>, String> {
    let (kind, name) = (str_at(role_ref, &["kind"]), str_at(role_ref, &["name"]));
    let (resource, namespace) = if kind == "Role" { ("roles", namespace) } else { ("clusterroles", "") };
    match state.store.get(&GroupResource::new(GROUP, resource), namespace, name) {
        Some(role) => Ok(rules_of(state, &role.value)),
        None => Err(format!("{}.{GROUP} {name:?} not found", kind.to_lowercase())),
    }
}

/// The subject of a binding that is the user, as RBAC describes it.
fn subject_of(binding: &Value, user: &User, namespace: &str) -> Option<String> {
    list_at(binding, &["subjects"]).iter().find_map(|subject| {
        let (kind, name) = (str_at(subject, &["kind"]), str_at(subject, &["name"]));
        match kind {
            "User" if name == user.name => Some(format!("User {name:?}")),
            "Group" if user.is_in(name) => Some(format!("Group {name:?}")),
            "ServiceAccount" => {
                let of = match str_at(subject, &["namespace"]) {
                    "" => namespace,
                    of => of,
                };
                (user.service_account() == Some((of, name))).then(|| format!("ServiceAccount \"{name}/{of}\""))
            }
            _ => None,
        }
    })
}

/// What the bindings of the cluster, and those of a namespace, give a user.
pub(super) fn grants(
    state: &State,
    user: &User,
    namespace: Option<&str>,
    grants: &mut Vec<Grant>,
    errors: &mut Vec<String>,
) {
    let everywhere = objects(state, "clusterrolebindings", None).into_iter().map(|b| (b, "ClusterRoleBinding"));
    let here = namespace.map(|ns| objects(state, "rolebindings", Some(ns))).unwrap_or_default();
    for (binding, kind) in everywhere.chain(here.into_iter().map(|b| (b, "RoleBinding"))) {
        let within = binding.namespace();
        let Some(subject) = subject_of(&binding.value, user, within) else {
            continue;
        };
        let role_ref = &binding.value["roleRef"];
        match referred(state, role_ref, within) {
            Err(error) => errors.push(error),
            Ok(rules) => {
                let name = match within {
                    "" => binding.name().to_owned(),
                    ns => format!("{}/{ns}", binding.name()),
                };
                let role = (str_at(role_ref, &["kind"]), str_at(role_ref, &["name"]));
                let source = format!("{kind} {name:?} of {} {:?} to {subject}", role.0, role.1);
                grants.extend(rules.into_iter().map(|rule| Grant { rule, source: source.clone() }));
            }
        }
    }
}
