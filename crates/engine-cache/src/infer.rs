//! Owners that Kubernetes does not write down.
//!
//! The rules are [Argo CD's](https://github.com/argoproj/argo-cd/blob/master/gitops-engine/pkg/cache/references.go), with one
//! difference: a claim belongs to a StatefulSet only if its whole name is `TEMPLATE-STATEFULSET-ORDINAL`
//! ([how the controller names it](https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage))
//! for a template that the StatefulSet really has.

use gitops_engine_core::{GroupKind, Manifest, ObjectId, OwnerReference, Value};

/// What one object says about owners, beyond its `ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Its owner is the object with this identity, whatever uid it has.
    OwnedBy(ObjectId),
    /// It is a StatefulSet with these claim templates.
    ClaimTemplates(Box<[Box<str>]>),
}

/// The hint of an object, and owners that it names completely elsewhere than in `ownerReferences`.
pub(crate) fn read(manifest: &Manifest) -> (Option<Hint>, Option<OwnerReference>) {
    let id = manifest.id();
    let sibling = |group: &str, kind: &str, name: &str| ObjectId {
        kind: GroupKind::new(group, kind),
        namespace: id.namespace.clone(),
        name: name.into(),
    };
    match (&*id.kind.group, &*id.kind.kind) {
        ("", "Endpoints") => (Some(Hint::OwnedBy(sibling("", "Service", &id.name))), None),
        ("operators.coreos.com", "ClusterServiceVersion") => {
            let group = manifest.annotation("olm.operatorGroup").filter(|name| !name.is_empty());
            (group.map(|name| Hint::OwnedBy(sibling("operators.coreos.com", "OperatorGroup", name))), None)
        }
        ("", "Secret") => (None, service_account(manifest)),
        ("apps", "StatefulSet") => {
            let template = |template: &Value| template.text(["metadata", "name"]).map(Box::from);
            let templates = manifest.body().items(["spec", "volumeClaimTemplates"]);
            let names: Box<[Box<str>]> = templates.iter().filter_map(template).collect();
            ((!names.is_empty()).then_some(Hint::ClaimTemplates(names)), None)
        }
        _ => (None, None),
    }
}

/// A [token Secret](https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets) names its
/// ServiceAccount with uid.
fn service_account(secret: &Manifest) -> Option<OwnerReference> {
    if secret.get("type").and_then(Value::as_str) != Some("kubernetes.io/service-account-token") {
        return None;
    }
    let text = |name: &str| secret.annotation(name).filter(|text| !text.is_empty());
    Some(OwnerReference {
        kind: GroupKind::new("", "ServiceAccount"),
        name: text("kubernetes.io/service-account.name")?.into(),
        uid: text("kubernetes.io/service-account.uid")?.into(),
    })
}

/// Whether the claim of this name belongs to that template of that StatefulSet.
pub(crate) fn is_claim_of(claim: &str, template: &str, stateful_set: &str) -> bool {
    let ordinal = claim
        .strip_prefix(template)
        .and_then(|rest| rest.strip_prefix('-')?.strip_prefix(stateful_set)?.strip_prefix('-'));
    ordinal.is_some_and(is_ordinal)
}

/// Decimal, as the controller prints it: no sign, no leading zero.
fn is_ordinal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

/// The names that a StatefulSet of this claim may have, longest first: each end of the name without its ordinal.
pub(crate) fn possible_owners(claim: &str) -> impl Iterator<Item = &str> {
    let stem = claim.rsplit_once('-').filter(|(_, ordinal)| is_ordinal(ordinal)).map_or("", |(stem, _)| stem);
    stem.match_indices('-').map(move |(at, _)| &stem[at + 1..]).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use gitops_engine_core::ManagedFields;

    #[test]
    fn claims() {
        for (claim, template, stateful_set, expected) in [
            ("data-web-0", "data", "web", true),
            ("data-web-17", "data", "web", true),
            ("data-web", "data", "web", false),
            ("data-web-", "data", "web", false),
            ("data-web-x", "data", "web", false),
            ("data-web-01", "data", "web", false),
            ("data-web-+1", "data", "web", false),
            ("data-web-0-0", "data", "web", false),
            // Not anchored, and not escaped, these would match.
            ("x-data-web-0", "data", "web", false),
            ("data-web-0-old", "data", "web", false),
            ("datax-web-0", "data.", "web", false),
            ("data-my-web-0", "data", "web", false),
            ("data-my-web-0", "data", "my-web", true),
            ("data-my-web-0", "data-my", "web", true),
        ] {
            assert_eq!(is_claim_of(claim, template, stateful_set), expected, "{claim} {template} {stateful_set}");
            let found = possible_owners(claim).any(|name| is_claim_of(claim, template, name) && name == stateful_set);
            assert_eq!(found, expected, "{claim} {template} {stateful_set}");
        }
        assert_eq!(possible_owners("data-my-web-0").collect::<Vec<_>>(), ["my-web", "web"]);
    }

    #[test]
    fn hints() {
        let read = |text: &str| read(&Manifest::from_json(text.as_bytes(), ManagedFields::Drop).unwrap());
        let service = ObjectId::namespaced("", "Service", "n", "x");
        let endpoints = r#"{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"x","namespace":"n"}}"#;
        assert_eq!(read(endpoints), (Some(Hint::OwnedBy(service)), None));
        let csv = r#"{"apiVersion":"operators.coreos.com/v1alpha1","kind":"ClusterServiceVersion",
            "metadata":{"name":"x","namespace":"n","annotations":{"olm.operatorGroup":"og"}}}"#;
        let group = ObjectId::namespaced("operators.coreos.com", "OperatorGroup", "n", "og");
        assert_eq!(read(csv), (Some(Hint::OwnedBy(group)), None));
        let token = r#"{"apiVersion":"v1","kind":"Secret","type":"kubernetes.io/service-account-token","metadata":{"name":"t",
            "namespace":"n","annotations":{"kubernetes.io/service-account.name":"sa","kubernetes.io/service-account.uid":"u"}}}"#;
        let account = OwnerReference { kind: GroupKind::new("", "ServiceAccount"), name: "sa".into(), uid: "u".into() };
        assert_eq!(read(token), (None, Some(account)));
        assert_eq!(read(&token.replace("service-account-token", "other")), (None, None));
        assert_eq!(read(&token.replace(".uid", ".x")), (None, None));
        let set = r#"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"x","namespace":"n"},
            "spec":{"volumeClaimTemplates":[{"metadata":{"name":"a"}},{"metadata":{}},{"metadata":{"name":"b"}}]}}"#;
        assert_eq!(read(set), (Some(Hint::ClaimTemplates(["a".into(), "b".into()].into())), None));
    }
}
