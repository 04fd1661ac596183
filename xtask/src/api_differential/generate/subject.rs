//! What operations of a program are about.

use serde_json::{Value, json};

use super::super::rng::Rng;
use super::{custom::Definition, kinds};

/// What operations of a program are about: a built-in kind or a custom one.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) collection: String,
    pub(super) namespaced: bool,
    pub(super) status: bool,
    pub(super) scale: bool,
    pub(super) body: Source,
}

#[derive(Clone)]
pub(super) enum Source {
    BuiltIn(&'static kinds::Kind),
    Custom(Definition),
}

impl Subject {
    pub(super) fn built_in(kind: &'static kinds::Kind) -> Self {
        Self {
            api_version: kind.group_version.to_owned(),
            kind: kind.kind.to_owned(),
            collection: kind.collection(),
            namespaced: kind.namespaced,
            status: kind.status,
            scale: kind.scale,
            body: Source::BuiltIn(kind),
        }
    }

    pub(super) fn custom(definition: &Definition, version: &str) -> Self {
        Self {
            api_version: format!("{}/{version}", definition.group),
            kind: definition.kind.clone(),
            collection: definition.collection(version),
            namespaced: definition.namespaced,
            status: definition.status,
            scale: definition.scale,
            body: Source::Custom(definition.clone()),
        }
    }

    /// Names are few, so that operations meet. Those of cluster-scoped objects are the program's own.
    pub(super) fn name(&self, rng: &mut Rng) -> String {
        let name = rng.pick(&["a", "a", "a", "b"]);
        if self.namespaced { name.to_owned() } else { format!("{{{{ns}}}}-{name}") }
    }

    /// The collection, as far as it is this program's.
    pub(super) fn collection_of_its_own(&self) -> String {
        let all = "fieldSelector=metadata.name={{ns}}-a";
        if self.namespaced { self.collection.clone() } else { format!("{}?{all}", self.collection) }
    }

    /// What is compared in the end: the collection, or, where others have objects, too, those with the program's names.
    pub(super) fn final_reads(&self) -> Vec<String> {
        if self.namespaced {
            return vec![self.collection.clone()];
        }
        ["a", "b"]
            .iter()
            .map(|name| format!("{}?fieldSelector=metadata.name={{{{ns}}}}-{name}", self.collection))
            .collect()
    }

    pub(super) fn object(&self, rng: &mut Rng, name: &str) -> Value {
        let mut object = match &self.body {
            Source::BuiltIn(kind) => (kind.body)(rng),
            Source::Custom(definition) => definition.body(rng),
        };
        object["apiVersion"] = self.api_version.as_str().into();
        object["kind"] = self.kind.as_str().into();
        object["metadata"] = json!({"name": name});
        if self.namespaced && rng.chance(30) {
            object["metadata"]["namespace"] = "{{ns}}".into();
        }
        if rng.chance(30) {
            object["metadata"]["labels"] = json!({"app": rng.pick(&["web", "db"])});
        }
        if rng.chance(12) {
            object["metadata"]["annotations"] = json!({"note": "x"});
        }
        object
    }

    pub(super) fn status_object(&self, rng: &mut Rng, name: &str) -> Value {
        let status = match &self.body {
            Source::BuiltIn(kind) => (kind.status_body)(rng),
            Source::Custom(definition) => definition.status_body(rng),
        };
        json!({"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": name}, "status": status})
    }
}
