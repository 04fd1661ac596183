//! The suite of [`HealthAssessor`].

use super::report::{Outcome, Report, Suite, contract, same};
use crate::{HealthAssessor, Key, Manifest, Result, Timestamp, Value};

contract! { "../health.rs";
    PURE = "A pure function of its arguments: no I/O, no clock of its own, never a panic whatever the object holds.";
}

/// Kinds that assessors have rules for, and some that they do not.
const KINDS: [(&str, &str); 24] = [
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Namespace"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "Node"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("extensions/v1beta1", "Deployment"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
    ("autoscaling/v1", "HorizontalPodAutoscaler"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("argoproj.io/v1alpha1", "Application"),
    ("argoproj.io/v1alpha1", "Rollout"),
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
    ("example.com/v1", "Shop"),
];

/// Fields that rules read.
const FIELDS: [&str; 42] = [
    "metadata",
    "generation",
    "annotations",
    "finalizers",
    "deletionTimestamp",
    "creationTimestamp",
    "spec",
    "replicas",
    "paused",
    "suspend",
    "type",
    "updateStrategy",
    "strategy",
    "rollingUpdate",
    "partition",
    "restartPolicy",
    "containers",
    "completions",
    "progressDeadlineSeconds",
    "externalIPs",
    "status",
    "observedGeneration",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "currentReplicas",
    "desiredNumberScheduled",
    "updatedNumberScheduled",
    "numberAvailable",
    "currentRevision",
    "updateRevision",
    "phase",
    "message",
    "reason",
    "conditions",
    "containerStatuses",
    "initContainerStatuses",
    "state",
    "waiting",
    "terminated",
    "loadBalancer",
    "ingress",
];

/// Words that rules compare with.
const WORDS: [&str; 20] = [
    "",
    "True",
    "False",
    "Unknown",
    "Ready",
    "Progressing",
    "Available",
    "Complete",
    "Failed",
    "ProgressDeadlineExceeded",
    "Running",
    "Succeeded",
    "Pending",
    "Terminating",
    "Bound",
    "LoadBalancer",
    "OnDelete",
    "Always",
    "2026-01-01T00:00:00Z",
    "\u{2603}\0\u{202e}",
];

/// Holds a [`HealthAssessor`] against its contract: objects of no sense, of every kind that has rules and of some that
/// have none, are judged twice and at several times.
pub fn health_assessor(assessor: &dyn HealthAssessor) -> Report {
    let mut suite = Suite::new("HealthAssessor");
    let now = Timestamp::from_second(1_700_000_000).unwrap_or_default();
    suite.case("health_of_bare_objects", PURE, || judged(assessor, bare()?, now));
    suite.case("health_of_objects_with_fields_of_wrong_types", PURE, || judged(assessor, mistyped()?, now));
    suite.case("health_of_objects_with_extreme_numbers", PURE, || judged(assessor, extremes()?, now));
    suite.case("health_of_objects_of_no_sense", PURE, || judged(assessor, nonsense(2500)?, now));
    suite.case("health_at_the_ends_of_time", PURE, || {
        judged(assessor, nonsense(300)?, Timestamp::MIN)?;
        judged(assessor, nonsense(300)?, Timestamp::MAX)
    });
    suite.case("health_depends_on_the_content_only", PURE, || rebuilt(assessor, now));
    suite.report()
}

fn judged(assessor: &dyn HealthAssessor, objects: Vec<Manifest>, now: Timestamp) -> Outcome {
    let first: Vec<_> = objects.iter().map(|object| assessor.assess(object, now)).collect();
    // The second round goes the other way: a memory of what came before would show.
    for (object, first) in objects.iter().zip(first).rev() {
        same(&format!("the second judgement of {}", object.id()), &assessor.assess(object, now), &first)?;
    }
    Ok(())
}

fn header(api_version: &str, kind: &str) -> Value {
    let mut body = Value::empty_object();
    body.set(&["apiVersion"], api_version.into());
    body.set(&["kind"], kind.into());
    body.set(&["metadata", "name"], "conformance".into());
    body
}

fn bare() -> Result<Vec<Manifest>> {
    KINDS.iter().map(|(api_version, kind)| Manifest::from_value(header(api_version, kind))).collect()
}

/// Values where rules expect another type.
fn wrong() -> Vec<Value> {
    let deep = (0..60).fold(Value::Null, |inner, _| Value::object([(Key::new("status"), inner)]));
    vec![
        Value::Null,
        Value::Bool(true),
        Value::Int(-1),
        Value::number(1e300),
        "text".into(),
        Value::from(Vec::new()),
        Value::from(vec![Value::Null, Value::Int(1), "Ready".into(), Value::empty_object()]),
        Value::empty_object(),
        deep,
    ]
}

fn mistyped() -> Result<Vec<Manifest>> {
    let mut objects = Vec::new();
    for (api_version, kind) in KINDS {
        for value in wrong() {
            for parent in ["spec", "status"] {
                let mut body = header(api_version, kind);
                body.set(&[parent], value.clone());
                objects.push(Manifest::from_value(body)?);
                let mut body = header(api_version, kind);
                FIELDS.iter().for_each(|field| body.set(&[parent, field], value.clone()));
                objects.push(Manifest::from_value(body)?);
            }
            let mut body = header(api_version, kind);
            for field in ["generation", "annotations", "finalizers", "deletionTimestamp", "creationTimestamp"] {
                body.set(&["metadata", field], value.clone());
            }
            objects.push(Manifest::from_value(body)?);
        }
    }
    Ok(objects)
}

fn extremes() -> Result<Vec<Manifest>> {
    let numbers = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::from(i32::MAX), i64::MAX];
    let mut objects = Vec::new();
    for (api_version, kind) in KINDS {
        for low in numbers {
            for high in numbers {
                objects.push(Manifest::from_value(extreme(header(api_version, kind), low, high, 0))?);
                objects.push(Manifest::from_value(extreme(header(api_version, kind), low, high, 1))?);
            }
        }
    }
    Ok(objects)
}

/// Sets every number that rules count with: wishes to `low`, and every second of what came of them to `high`.
fn extreme(mut body: Value, low: i64, high: i64, first: usize) -> Value {
    body.set(&["metadata", "generation"], Value::Int(low));
    for (at, field) in FIELDS.iter().enumerate() {
        let wish = ["replicas", "completions", "partition"].contains(field);
        if wish {
            body.set(&["spec", field], Value::Int(low));
        }
        if wish || field.contains("eplicas") || field.contains("umber") || *field == "observedGeneration" {
            body.set(&["status", field], Value::Int(if at % 2 == first { high } else { low }));
        }
    }
    body.set(&["spec", "updateStrategy", "rollingUpdate", "partition"], Value::Int(high));
    body.set(&["spec", "updateStrategy", "type"], "RollingUpdate".into());
    body
}

/// A sequence that looks random and is the same each time (a linear congruential generator; its upper half).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2 => Value::Int([i64::MIN, -1, 0, 1, 2, 3, i64::MAX][self.below(7)]),
            3 | 4 => WORDS[self.below(WORDS.len())].into(),
            5 | 6 => Value::from((0..self.below(4)).map(|_| self.value(depth - 1)).collect::<Vec<_>>()),
            _ => self.map(depth - 1),
        }
    }

    fn map(&mut self, depth: usize) -> Value {
        let count = self.below(9);
        Value::object((0..count).map(|_| (Key::new(FIELDS[self.below(FIELDS.len())]), self.value(depth))))
    }

    fn object(&mut self) -> Result<Manifest> {
        let (api_version, kind) = KINDS[self.below(KINDS.len())];
        let mut body = header(api_version, kind);
        body.set(&["spec"], self.map(4));
        body.set(&["status"], self.map(4));
        // Conditions of a right shape get further into the rules than others.
        let conditions = (0..self.below(4)).map(|_| {
            let mut words = |name: &str| (Key::new(name), Value::from(WORDS[self.below(WORDS.len())]));
            Value::object([
                words("type"),
                words("status"),
                words("reason"),
                words("message"),
                words("lastTransitionTime"),
            ])
        });
        let conditions = conditions.collect::<Vec<_>>();
        body.set(&["status", "conditions"], Value::from(conditions));
        if self.below(3) > 0 {
            body.set(&["metadata", "generation"], Value::Int(1));
            body.set(&["status", "observedGeneration"], Value::Int([0, 1, 2][self.below(3)]));
        }
        Manifest::from_value(body)
    }
}

fn nonsense(count: usize) -> Result<Vec<Manifest>> {
    let mut dice = Dice(1);
    (0..count).map(|_| dice.object()).collect()
}

fn rebuilt(assessor: &dyn HealthAssessor, now: Timestamp) -> Outcome {
    for object in nonsense(300)? {
        // The same content, parsed from text: another object in memory, with another history.
        let copy = Manifest::from_json(&object.body().to_json(), crate::ManagedFields::Keep)?;
        let (one, other) = (assessor.assess(&object, now), assessor.assess(&copy, now));
        same(&format!("the judgement of a copy of {}", object.id()), &other, &one)?;
    }
    Ok(())
}
