//! Annotations of many tools, read into one typed intent.
//!
//! The planner knows no annotation of any tool: it sees an [`Intent`]. Each tool has a module of its own here, so that
//! a tool that moves to this engine keeps its users' manifests. Values that a dialect does not understand are reported,
//! never ignored in silence.

mod argo;
mod cli_utils;
mod flux;
mod helm;
mod kapp;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{GroupKind, Manifest, ObjectId};

/// The phases of a sync, in order. `SyncFail` runs only after a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Before anything else.
    PreSync,
    /// The objects themselves, and hooks beside them.
    #[default]
    Sync,
    /// After every object of the sync is healthy.
    PostSync,
    /// After a failure.
    SyncFail,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// When a hook's object is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookDeletePolicy {
    /// Before it is created again. The default.
    BeforeCreation,
    /// At the end of a sync that succeeded.
    Succeeded,
    /// At the end of a sync that failed.
    Failed,
}

/// What makes an object a hook: it runs in each sync, instead of being kept in its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// In which phases, sorted; at least one.
    pub phases: Vec<Phase>,
    /// When its object is deleted, sorted; at least one.
    pub delete: Vec<HookDeletePolicy>,
}

/// Whether an object may be removed when the desired state no longer holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PruneIntent {
    /// It may.
    #[default]
    Allowed,
    /// It may not. The annotation that says so, as `name=value`.
    Keep(String),
    /// Only after a person approved.
    Confirm(String),
}

/// An object that another one depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dependency {
    /// The object. Without a namespace it is cluster-scoped.
    pub object: ObjectId,
    /// The annotation that says so.
    pub annotation: &'static str,
}

/// Something about an annotation that its author should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// The name of the annotation.
    pub annotation: String,
    /// What is wrong with it, and what the engine does about it.
    pub message: String,
}

/// What the annotations of an object ask of the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Intent {
    /// Set for a hook.
    pub hook: Option<Hook>,
    /// The object is never applied, and the annotation that says so.
    pub skip: Option<String>,
    /// The wave, 0 where none is given. Lower waves are healthy before higher ones begin.
    pub wave: i32,
    /// The objects that must be healthy first, sorted.
    pub depends_on: Vec<Dependency>,
    /// Whether it may be removed.
    pub prune: PruneIntent,
    /// The removal waits until all else of the sync is healthy.
    pub prune_last: bool,
    /// What its author should know, sorted.
    pub notices: Vec<Notice>,
}

/// The dialects in the order of their precedence: where their annotations (and labels) live, and their reader.
const DIALECTS: [Dialect; 5] = [
    (argo::DOMAINS, argo::read),
    (helm::DOMAINS, helm::read),
    (flux::DOMAINS, flux::read),
    (cli_utils::DOMAINS, cli_utils::read),
    (kapp::DOMAINS, kapp::read),
];

type Dialect = (&'static [&'static str], fn(&Manifest, &mut Intent));

/// For each dialect, whether an annotation or a label of the object is of one of its domains.
fn spoken(manifest: &Manifest) -> [bool; DIALECTS.len()] {
    let mut spoken = [false; DIALECTS.len()];
    let metadata = manifest.get("metadata");
    let notes = ["annotations", "labels"].into_iter().filter_map(|field| metadata?.get(field)?.as_object());
    for (key, _) in notes.flatten() {
        let key = key.as_str().as_bytes();
        let is_of = |domain: &&str| key.get(domain.len()) == Some(&b'/') && key.starts_with(domain.as_bytes());
        for ((domains, _), spoken) in DIALECTS.iter().zip(&mut spoken) {
            *spoken |= domains.iter().any(is_of);
        }
    }
    spoken
}

impl Intent {
    /// Reads the annotations of an object in every dialect.
    ///
    /// Where two dialects speak about the same thing the native one of Argo CD wins over Helm's, as in Argo CD; any
    /// dialect that protects an object from removal wins over all that do not.
    pub fn read(manifest: &Manifest) -> Self {
        let mut intent = Self::default();
        // Most objects speak no dialect or one: the others are not asked.
        for ((_, read), spoken) in DIALECTS.iter().zip(spoken(manifest)) {
            if spoken {
                read(manifest, &mut intent);
            }
        }
        intent.read_delete_policies(manifest);
        intent.depends_on.sort();
        intent.depends_on.dedup();
        intent.notices.sort();
        intent
    }

    /// Those of both dialects together, as in Argo CD; without any, the default.
    fn read_delete_policies(&mut self, manifest: &Manifest) {
        if self.hook.is_none() {
            return;
        }
        let mut delete = argo::delete_policies(manifest, self);
        delete.extend(helm::delete_policies(manifest, self));
        if delete.is_empty() {
            delete.push(HookDeletePolicy::BeforeCreation);
        }
        delete.sort();
        delete.dedup();
        if let Some(hook) = &mut self.hook {
            hook.delete = delete;
        }
    }

    fn notice(&mut self, annotation: &str, message: impl Into<String>) {
        self.notices.push(Notice { annotation: annotation.to_owned(), message: message.into() });
    }

    fn keep(&mut self, annotation: &str, value: &str) {
        self.prune = PruneIntent::Keep(format!("{annotation}={value}"));
    }
}

/// The parts of a comma-separated value, trimmed, without empty ones.
fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// An object from its parts; the core group may be written as nothing.
fn object(group: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectId {
    ObjectId { kind: GroupKind::new(group, kind), namespace: namespace.map(Arc::from), name: name.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::Value;

    pub(super) fn intent(annotations: &[(&str, &str)]) -> Intent {
        let mut body = Value::Null;
        body.set(&["apiVersion"], "v1".into());
        body.set(&["kind"], "ConfigMap".into());
        body.set(&["metadata", "name"], "x".into());
        body.set(&["metadata", "namespace"], "shop".into());
        for (name, value) in annotations {
            body.set(&["metadata", "annotations", name], (*value).into());
        }
        Intent::read(&Manifest::from_value(body).unwrap())
    }

    #[test]
    fn an_object_without_annotations_has_the_default_intent() {
        assert_eq!(intent(&[]), Intent::default());
        assert_eq!(intent(&[("example.com/wave", "3")]), Intent::default());
    }

    #[test]
    fn protection_wins_over_permission() {
        let read = intent(&[("helm.sh/resource-policy", "keep"), ("argocd.argoproj.io/sync-options", "Prune=true")]);
        assert_eq!(read.prune, PruneIntent::Keep("helm.sh/resource-policy=keep".into()));
    }
}
