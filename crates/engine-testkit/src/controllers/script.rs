//! How single objects behave, against the habit of the cluster.
//!
//! A test says it with [`Cluster::script`](crate::Cluster::script), for all objects that [`Objects`] names:
//!
//! ```
//! use std::time::Duration;
//! use gitops_engine_testkit::{Cluster, script::{Objects, Script}};
//!
//! let cluster = Cluster::builder()
//!     .script(Objects::of_kind("Deployment").named("web"), Script::NeverReady)
//!     .build();
//! cluster.script(Objects::of_kind("Job").labelled("app", "migration"), Script::Fails { after: Duration::ZERO, times: Some(2) });
//! ```
//!
//! A manifest says it with annotations on a Pod or its template, which a real control plane of
//! `gitops_engine_testkit::control_plane` (feature `control-plane`) understands too:
//!
//! ```yaml
//! template:
//!   metadata:
//!     annotations:
//!       testkit.gitops-engine.dev/pod: never-ready
//! ```
//!
//! or, for what is not about Pods, with [`OBJECT`] and [`LOAD`] on the object itself. What an annotation says goes before
//! what a test says, and the script that was given last before earlier ones.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::View;
use crate::{
    json::{get, str_at},
    state::State,
    store::Stored,
};

/// The annotation (or label) of a Pod or its template that says how it fares.
pub const POD: &str = "testkit.gitops-engine.dev/pod";
/// Runs, and never gets ready.
pub const NEVER_READY: &str = "never-ready";
/// Ends with exit code 1; where Pods are restarted, again and again.
pub const FAILING: &str = "failing";
/// Is restarted again and again (`CrashLoopBackOff`).
pub const CRASH_LOOPING: &str = "crash-looping";
/// Takes twenty times as long as others to start.
pub const SLOW: &str = "slow";
/// Waits for an image that cannot be pulled (`ImagePullBackOff`).
pub const IMAGE_MISSING: &str = "image-missing";
/// Finds no node.
pub const UNSCHEDULABLE: &str = "unschedulable";
/// Is evicted from its node.
pub const EVICTED: &str = "evicted";
/// How long a slow Pod takes to start, a failing one to fail and an evicted one to be evicted: `500ms`, `10s`, `2m`.
pub const POD_DELAY: &str = "testkit.gitops-engine.dev/pod-delay";
/// How often a container crashes, or a Job's Pod fails, before it is well: a number. Always, when it is missing.
pub const POD_TIMES: &str = "testkit.gitops-engine.dev/pod-times";

/// The annotation of any other object that says how it fares.
pub const OBJECT: &str = "testkit.gitops-engine.dev/script";
/// A Service of type `LoadBalancer`, or an Ingress, never gets an address.
pub const NO_ADDRESS: &str = "no-address";
/// A PersistentVolumeClaim stays pending.
pub const PENDING: &str = "pending";
/// A CustomResourceDefinition is never established.
pub const NEVER_ESTABLISHED: &str = "never-established";
/// What a HorizontalPodAutoscaler measures in all Pods together, in percent of what one of them requests: a number.
pub const LOAD: &str = "testkit.gitops-engine.dev/load";

/// How an object behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Script {
    /// Pods run, and never get ready.
    NeverReady,
    /// Containers exit with code 1 so long after their start (the usual time of a Job's Pod when it is zero). Pods that
    /// are not restarted are `Failed` then. So often: as many Pods of a Job, as many times a container; always when
    /// `None`.
    Fails {
        /// From the start of the container.
        after: Duration,
        /// How often, before it goes well.
        times: Option<u32>,
    },
    /// Containers crash right after their start, so often; always when `None`. They are restarted after ten seconds,
    /// then after twice as long each time, up to five minutes, as by a kubelet.
    CrashLoops {
        /// How often, before they run.
        times: Option<u32>,
    },
    /// The images of Pods cannot be pulled.
    ImageMissing,
    /// Pods take so long to start.
    Slow(Duration),
    /// Pods find no node.
    Unschedulable,
    /// Pods are evicted so long after their start.
    Evicted(Duration),
    /// The Pods of Jobs take so long.
    Takes(Duration),
    /// A Service of type `LoadBalancer`, or an Ingress, never gets an address.
    NoAddress,
    /// A PersistentVolumeClaim stays pending.
    Pending,
    /// A CustomResourceDefinition is never established.
    NeverEstablished,
    /// What a HorizontalPodAutoscaler measures in all Pods of its target together, in percent of what one requests:
    /// with a target of 80 percent, 400 keep five Pods busy.
    Load(u32),
}

impl Script {
    /// Whether it is about Pods, and so for everything that makes Pods too.
    pub(super) fn is_for_pods(&self) -> bool {
        !matches!(self, Self::NoAddress | Self::Pending | Self::NeverEstablished | Self::Load(_))
    }
}

/// Which objects a script is for. A script about Pods is also for the Pods of all objects that it names: of a Deployment,
/// a Job, a CronJob.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    labels: BTreeMap<String, String>,
}

impl Objects {
    /// All objects.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Objects of a kind: `Deployment`.
    #[must_use]
    pub fn of_kind(kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..Self::default() }
    }

    /// Only those of a namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only those of this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only those with this label; all labels, when it is called again.
    #[must_use]
    pub fn labelled(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let is = |wanted: &Option<String>, path: &[&str]| wanted.as_deref().is_none_or(|w| w == str_at(object, path));
        is(&self.kind, &["kind"])
            && is(&self.namespace, &["metadata", "namespace"])
            && is(&self.name, &["metadata", "name"])
            && self.labels.iter().all(|(k, v)| str_at(object, &["metadata", "labels", k]) == v)
    }
}

/// The scripts of a cluster, in the order they were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scripts(pub(crate) Vec<(Objects, Script)>);

impl Scripts {
    fn find<'a>(&'a self, object: &'a Value, wanted: impl Fn(&Script) -> bool + 'a) -> Option<&'a Script> {
        self.0
            .iter()
            .rev()
            .find(|(objects, script)| wanted(script) && objects.matches(object))
            .map(|(_, script)| script)
    }
}

/// How the Pod was told to behave: by itself, or by what made it.
pub(super) fn of_pod(state: &State, pod: &Stored) -> Option<Script> {
    if let Some(script) = annotated(&pod.value) {
        return Some(script);
    }
    if state.scripts.0.is_empty() {
        return None;
    }
    let mut at = Some(&pod.value);
    // A CronJob, its Job, its Pod: chains are short, and a loop of owners has an end here.
    for _ in 0..8 {
        let object = at?;
        if let Some(script) = state.scripts.find(object, Script::is_for_pods) {
            return Some(script.clone());
        }
        let owner = super::controller_of(object)?;
        at = state.store.by_uid(str_at(owner, &["uid"])).and_then(|k| state.store.at(k)).map(|o| &o.value);
    }
    None
}

fn annotated(pod: &Value) -> Option<Script> {
    let annotation = |key: &str| get(pod, &["metadata", "annotations", key]).and_then(Value::as_str);
    let fate = annotation(POD).or_else(|| get(pod, &["metadata", "labels", POD]).and_then(Value::as_str))?;
    let delay = annotation(POD_DELAY).and_then(duration);
    let times = annotation(POD_TIMES).and_then(|t| t.parse().ok());
    Some(match fate {
        NEVER_READY => Script::NeverReady,
        FAILING => Script::Fails { after: delay.unwrap_or_default(), times },
        CRASH_LOOPING => Script::CrashLoops { times },
        IMAGE_MISSING => Script::ImageMissing,
        // Twenty times the usual, unless it says how long.
        SLOW => Script::Slow(delay.unwrap_or(Duration::MAX)),
        UNSCHEDULABLE => Script::Unschedulable,
        EVICTED => Script::Evicted(delay.unwrap_or_default()),
        _ => return None,
    })
}

impl View<'_> {
    /// Whether an object that is not a Pod was told to behave so.
    pub(super) fn is_scripted(&self, object: &Value, annotation: &str, script: &Script) -> bool {
        str_at(object, &["metadata", "annotations", OBJECT]) == annotation
            || self.state.scripts.find(object, |s| s == script).is_some()
    }

    /// The load that an autoscaler measures, in percent of one Pod's request.
    pub(super) fn load(&self, scaler: &Value) -> Option<u32> {
        let said = str_at(scaler, &["metadata", "annotations", LOAD]);
        if let Ok(load) = said.trim_end_matches('%').parse() {
            return Some(load);
        }
        match self.state.scripts.find(scaler, |s| matches!(s, Script::Load(_))) {
            Some(Script::Load(load)) => Some(*load),
            _ => None,
        }
    }
}

/// `500ms`, `10s`, `2m`, `1h`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        _ => None,
    }
}

/// Kinds whose objects may follow a script.
pub(crate) const KINDS: &[(&str, &str)] = &[
    ("", "pods"),
    ("", "services"),
    ("", "persistentvolumeclaims"),
    ("networking.k8s.io", "ingresses"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("autoscaling", "horizontalpodautoscalers"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use serde_json::json;

    use super::*;

    #[test]
    fn delays_are_read_as_kwok_reads_them() {
        for (text, millis) in [("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "5", "ms", "-1s", "1d", "99999999999999999999s", "99999999999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn objects_are_named_by_everything_that_is_said_of_them() {
        let web = json!({"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "tier": "front"}}});
        let all = Objects::of_kind("Deployment")
            .in_namespace("shop")
            .named("web")
            .labelled("app", "web")
            .labelled("tier", "front");
        assert!(all.matches(&web) && Objects::any().matches(&web));
        for other in [
            Objects::of_kind("Job"),
            Objects::any().in_namespace("other"),
            Objects::any().named("db"),
            Objects::any().labelled("app", "web").labelled("tier", "back"),
        ] {
            assert!(!other.matches(&web), "{other:?}");
        }
    }

    #[test]
    fn a_manifest_tells_how_its_pods_fare() {
        let pod = |annotations: Value| json!({"metadata": {"annotations": annotations}});
        for (annotations, script) in [
            (
                json!({POD: "failing", POD_DELAY: "3s", POD_TIMES: "2"}),
                Some(Script::Fails { after: Duration::from_secs(3), times: Some(2) }),
            ),
            (json!({POD: "crash-looping", POD_TIMES: "many"}), Some(Script::CrashLoops { times: None })),
            (json!({POD: "slow", POD_DELAY: "1m"}), Some(Script::Slow(Duration::from_secs(60)))),
            (json!({POD: "dancing"}), None),
            (json!({}), None),
        ] {
            assert_eq!(annotated(&pod(annotations.clone())), script, "{annotations}");
        }
    }
}
