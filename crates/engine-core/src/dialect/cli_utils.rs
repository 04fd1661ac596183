//! [cli-utils](https://github.com/kubernetes-sigs/cli-utils): `depends-on`, and removal guards.

use super::{Dependency, Intent, list, object};
use crate::{Manifest, ObjectId};

pub(super) const DOMAINS: &[&str] =
    &["config.kubernetes.io", "cli-utils.sigs.k8s.io", "client.lifecycle.config.k8s.io"];

const DEPENDS_ON: &str = "config.kubernetes.io/depends-on";
const ON_REMOVE: &str = "cli-utils.sigs.k8s.io/on-remove";
const DELETION: &str = "client.lifecycle.config.k8s.io/deletion";

pub(super) fn read(manifest: &Manifest, intent: &mut Intent) {
    for (name, protects) in [(ON_REMOVE, "keep"), (DELETION, "detach")] {
        if let Some(value) = manifest.annotation(name).map(str::trim) {
            if value == protects {
                intent.keep(name, value);
            } else {
                intent.notice(name, format!("{value:?} is not {protects:?}; it has no effect"));
            }
        }
    }
    let Some(value) = manifest.annotation(DEPENDS_ON) else { return };
    for part in list(value) {
        match parse(part) {
            Some(object) => intent.depends_on.push(Dependency { object, annotation: DEPENDS_ON }),
            None => intent.notice(
                DEPENDS_ON,
                format!("{part:?} is neither GROUP/KIND/NAME nor GROUP/namespaces/NAMESPACE/KIND/NAME"),
            ),
        }
    }
}

/// `group/kind/name` for a cluster-scoped object, `group/namespaces/namespace/kind/name` for a namespaced one; the core
/// group is written as nothing, so its references begin with a slash.
fn parse(text: &str) -> Option<ObjectId> {
    let parts: Vec<_> = text.split('/').map(str::trim).collect();
    let id = match parts.as_slice() {
        [group, kind, name] => object(group, kind, None, name),
        [group, "namespaces", namespace, kind, name] => object(group, kind, Some(namespace), name),
        _ => return None,
    };
    let empty = id.name.is_empty() || id.kind.kind.is_empty() || id.namespace.as_deref() == Some("");
    (!empty).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::super::tests::intent;
    use super::*;
    use crate::dialect::PruneIntent;

    #[test]
    fn references() {
        for (text, id) in [
            ("apps/namespaces/shop/Deployment/db", Some(ObjectId::namespaced("apps", "Deployment", "shop", "db"))),
            ("/namespaces/shop/ConfigMap/c", Some(ObjectId::namespaced("", "ConfigMap", "shop", "c"))),
            ("/Namespace/shop", Some(ObjectId::cluster("", "Namespace", "shop"))),
            ("Deployment/db", None),
            ("apps/namespaces/shop/Deployment/", None),
        ] {
            assert_eq!(parse(text), id, "{text}");
        }
        let read = intent(&[(DEPENDS_ON, "/Namespace/a, nonsense , /Namespace/a")]);
        assert_eq!((read.depends_on.len(), read.notices.len()), (1, 1));
    }

    #[test]
    fn guards() {
        assert!(matches!(intent(&[(ON_REMOVE, "keep")]).prune, PruneIntent::Keep(_)));
        assert!(matches!(intent(&[(DELETION, "detach")]).prune, PruneIntent::Keep(_)));
        assert_eq!(intent(&[(DELETION, "delete")]).notices.len(), 1);
    }
}
