//! The classes that claims and Ingresses get when they name none.

use serde_json::Value;

use super::CLASS_OF_CLAIM;
use crate::{
    json::{default as fill, get, str_at},
    resources::{GroupResource, Resource},
    state::State,
};

/// What has a class: where it is named, the annotation that named it before there was a field, where the classes are, and
/// what makes one of them that of all who name none.
struct Classed {
    field: [&'static str; 2],
    annotation: &'static str,
    classes: (&'static str, &'static str),
    defaults: &'static [&'static str],
}

/// <https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass>
const CLAIM: Classed = Classed {
    field: ["spec", "storageClassName"],
    annotation: CLASS_OF_CLAIM,
    classes: ("storage.k8s.io", "storageclasses"),
    defaults: &["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"],
};

/// <https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class>
const INGRESS: Classed = Classed {
    field: ["spec", "ingressClassName"],
    annotation: "kubernetes.io/ingress.class",
    classes: ("networking.k8s.io", "ingressclasses"),
    defaults: &["ingressclass.kubernetes.io/is-default-class"],
};

/// Names the class of a new object that names none, if there is one for such.
pub(super) fn fill_class(state: &State, resource: &Resource, object: &mut Value) {
    let classed = match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "persistentvolumeclaims") => CLAIM,
        ("networking.k8s.io", "ingresses") => INGRESS,
        _ => return,
    };
    if get(object, &["metadata", "annotations", classed.annotation]).is_some() {
        return;
    }
    if let Some(name) = classed.default_class(state) {
        fill(object, &classed.field, name);
    }
}

impl Classed {
    /// Of several the newest, and of those that are as new the first by name.
    fn default_class(&self, state: &State) -> Option<String> {
        let (group, resource) = self.classes;
        let classes = state.store.objects(&GroupResource::new(group, resource), None);
        let is_default =
            |class: &Value| self.defaults.iter().any(|key| str_at(class, &["metadata", "annotations", key]) == "true");
        let all = classes.iter().filter(|class| is_default(&class.value));
        let age = |class: &Value| str_at(class, &["metadata", "creationTimestamp"]).to_owned();
        all.max_by(|a, b| age(&a.value).cmp(&age(&b.value)).then_with(|| b.name().cmp(a.name())))
            .map(|class| class.name().to_owned())
    }
}
