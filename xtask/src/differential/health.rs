//! Health of one object: `health.GetResourceHealth` against [`KindRules`].

use gitops_engine_core::{HealthAssessor as _, ManagedFields, Manifest, Timestamp};
use gitops_engine_health::KindRules;
use serde_json::{Map, Value, json};

use super::random::Random;
use super::{Deviation, Judgement, Subject, refusal};

pub(super) struct Health;

const NO_RULE: &str = "kinds without a rule";
const UNOBSERVED: &str = "workloads that nobody has looked at";
const VERSIONS: &str = "versions";
const MALFORMED: &str = "malformed objects";
const RESTARTS: &str = "ignore-restart-policy";

impl Subject for Health {
    fn name(&self) -> &'static str {
        "health"
    }

    fn usual(&self) -> usize {
        5_000
    }

    fn question(&self, random: &mut Random) -> Value {
        let (api_version, kind) = KINDS[random.below(KINDS.len())];
        let mut body = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": random.pick(&["web", "a\"b", "ünï"]), "namespace": "shop"},
        });
        metadata(&mut body["metadata"], random);
        let (spec, status) = fields(kind, api_version, &mut body["metadata"], random);
        for (key, mut part) in [("spec", spec), ("status", status)] {
            if random.one_in(25) {
                break_something(&mut part, random);
            }
            if !random.one_in(20) {
                body[key] = part;
            }
        }
        body
    }

    fn judge(&self, question: &Value, answer: &Value) -> Option<Judgement> {
        let object = Manifest::from_json(question.to_string().as_bytes(), ManagedFields::Drop).ok()?;
        let ours = KindRules::default().assess(&object, Timestamp::UNIX_EPOCH);
        let kind = (&*object.id().kind.group, &*object.id().kind.kind);
        let no_rule = [("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition")].contains(&kind);
        let unknown = ours.as_ref().is_some_and(|ours| ours.status.to_string() == "Unknown");
        let (status, message) = match &ours {
            None => ("-".to_owned(), String::new()),
            Some(ours) => (ours.status.to_string(), ours.message.to_string()),
        };
        let shown = format!("{status}: {message}");
        if let Some(error) = refusal(answer) {
            return Some(match &ours {
                _ if error.contains("unsupported") => Judgement::Deviates(VERSIONS),
                // A field that decides is malformed: both say Unknown. One that decides nothing is none of our business.
                _ if error.contains("convert") || error.contains("Unstructured") => Judgement::Deviates(MALFORMED),
                _ if unknown => Judgement::Same,
                _ => Judgement::differs(format!("{} {status}, theirs an error", kind.1), shown, error),
            });
        }
        let field = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let their_status = if answer.is_null() { "-" } else { field("status") };
        // Rust and Go quote what cannot be printed in their own ways.
        let their_message = field("message").replace("\\x7f", "\\u{7f}").replace("\\u200b", "\\u{200b}");
        if status == their_status && message == their_message {
            return Some(Judgement::Same);
        }
        if no_rule && their_status == "-" {
            return Some(Judgement::Deviates(NO_RULE));
        }
        let observed = question.pointer("/status/observedGeneration").is_some_and(|observed| !observed.is_null());
        if kind.0 == "apps" && !observed && status == "Progressing" && message.contains("observed") {
            return Some(Judgement::Deviates(UNOBSERVED));
        }
        let annotation = "argocd.argoproj.io/ignore-restart-policy";
        if kind.1 == "Pod" && object.annotation(annotation).is_some() && status == "Degraded" {
            return Some(Judgement::Deviates(RESTARTS));
        }
        if unknown && message.contains(" must be ") {
            return Some(Judgement::Deviates(MALFORMED));
        }
        if is_beyond_32_bits(question) {
            return Some(Judgement::Deviates(MALFORMED));
        }
        let theirs = format!("{their_status}: {}", field("message"));
        Some(Judgement::differs(format!("{} {status}, theirs {their_status}", kind.1), shown, theirs))
    }

    fn deviations(&self) -> &'static [Deviation] {
        &[
            Deviation {
                name: NO_RULE,
                reason: "CustomResourceDefinition and Namespace have rules here: objects must not be applied before \
                         their kind is served, nor into a namespace that is going",
            },
            Deviation {
                name: UNOBSERVED,
                reason: "without status.observedGeneration a workload is progressing, not healthy by the absence of \
                         numbers",
            },
            Deviation { name: VERSIONS, reason: "any version of a known kind is judged by its fields" },
            Deviation {
                name: MALFORMED,
                reason: "the peer refuses an object for any field of the wrong type, we only for fields that decide; a \
                         number of more than 32 bits is cut by it and read by us",
            },
            Deviation {
                name: RESTARTS,
                reason: "the annotation argocd.argoproj.io/ignore-restart-policy is not in this release of the peer",
            },
        ]
    }
}

const KINDS: [(&str, &str); 24] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1beta1", "Deployment"),
    ("v1", "Pod"),
    ("v1", "Pod"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Namespace"),
    ("v1", "ConfigMap"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("autoscaling/v1", "HorizontalPodAutoscaler"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("networking.k8s.io/v1", "Ingress"),
    ("extensions/v1beta1", "Ingress"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("apiregistration.k8s.io/v1beta1", "APIService"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("argoproj.io/v1alpha1", "Workflow"),
];

const MESSAGES: [&str; 5] = ["", "all is well", "quota \"x\" exceeded", "50% done", "größer\nzweite Zeile"];

fn metadata(metadata: &mut Value, random: &mut Random) {
    if !random.one_in(6) {
        metadata["generation"] = json!(random.number(&[0, 1, 1, 2, 3]));
    }
    if random.one_in(8) {
        metadata["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    }
    if random.one_in(6) {
        metadata["finalizers"] = match random.below(3) {
            0 => json!(["argocd.argoproj.io/hook-finalizer"]),
            1 => json!(["kubernetes.io/pvc-protection", "argocd.argoproj.io/hook-finalizer"]),
            _ => json!(["example.com/wait"]),
        };
    }
    for (name, values) in [
        ("argocd.argoproj.io/ignore-restart-policy", ["true", "false"]),
        ("argocd.argoproj.io/hook", ["Sync", "PostSync"]),
    ] {
        if random.one_in(6) {
            metadata["annotations"][name] = json!(random.pick(&values));
        }
    }
}

/// Fields of a map, each of them sometimes missing.
fn some(random: &mut Random, fields: Vec<(&str, Value)>) -> Value {
    let mut map = Map::new();
    for (key, value) in fields {
        if !random.one_in(7) {
            map.insert(key.to_owned(), value);
        }
    }
    Value::Object(map)
}

fn count(random: &mut Random) -> Value {
    json!(random.number(&[0, 1, 2, 3, 3, 3]))
}

fn condition(random: &mut Random, kinds: &[&str], reasons: &[&str]) -> Value {
    let fields = vec![
        ("type", json!(random.pick(kinds))),
        ("status", json!(random.pick(&["True", "True", "False", "Unknown", "true"]))),
        ("reason", json!(random.pick(reasons))),
        ("message", json!(random.pick(&MESSAGES))),
        ("lastTransitionTime", json!("2026-01-02T03:04:05Z")),
    ];
    some(random, fields)
}

fn conditions(random: &mut Random, kinds: &[&str], reasons: &[&str]) -> Value {
    (0..random.below(4)).map(|_| condition(random, kinds, reasons)).collect()
}

fn ingress(random: &mut Random) -> Value {
    match random.below(5) {
        0 => json!([]),
        1 => json!([{"ip": "192.0.2.1"}]),
        2 => json!([{"hostname": "lb.example.com"}, {"ip": "192.0.2.1"}]),
        3 => json!([{}]),
        _ => Value::Null,
    }
}

/// `spec` and `status` of a kind.
fn fields(kind: &str, api_version: &str, metadata: &mut Value, random: &mut Random) -> (Value, Value) {
    let replicas = count(random);
    let observed = json!(random.number(&[0, 1, 2, 3]));
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
            let strategy = json!({"type": random.pick(&["RollingUpdate", "RollingUpdate", "OnDelete", ""]),
            "rollingUpdate": match random.below(4) {
                0 => Value::Null,
                1 => json!({}),
                _ => json!({"partition": random.number(&[0, 1, 2, 5])}),
            }});
            let strategy = if kind == "DaemonSet" { json!({"type": strategy["type"]}) } else { strategy };
            let paused = json!(random.one_in(6));
            let spec = match kind {
                "Deployment" => vec![("replicas", replicas), ("paused", paused)],
                "ReplicaSet" => vec![("replicas", replicas)],
                _ => vec![("replicas", replicas), ("updateStrategy", strategy)],
            };
            let mut status = vec![("observedGeneration", observed)];
            for name in [
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
                "currentReplicas",
                "updatedNumberScheduled",
                "desiredNumberScheduled",
                "numberAvailable",
            ] {
                status.push((name, count(random)));
            }
            for name in ["updateRevision", "currentRevision"] {
                status.push((name, json!(random.pick(&["web-1", "web-1", "web-2"]))));
            }
            let kinds = ["Progressing", "Progressing", "Available", "ReplicaFailure"];
            let reasons = ["NewReplicaSetAvailable", "ProgressDeadlineExceeded", "FailedCreate", ""];
            status.push(("conditions", conditions(random, &kinds, &reasons)));
            (some(random, spec), some(random, status))
        }
        "Pod" => pod(random),
        "Service" => {
            let spec = vec![("type", json!(random.pick(&["ClusterIP", "LoadBalancer", "LoadBalancer", "NodePort"])))];
            (some(random, spec), json!({"loadBalancer": {"ingress": ingress(random)}}))
        }
        "Ingress" => (json!({}), json!({"loadBalancer": {"ingress": ingress(random)}})),
        "PersistentVolumeClaim" | "Namespace" => {
            let phase = random.pick(&["Bound", "Pending", "Lost", "Active", "Terminating", ""]);
            (json!({}), some(random, vec![("phase", json!(phase))]))
        }
        "Job" | "CronJob" => {
            let kinds = ["Complete", "Failed", "Suspended", "SuccessCriteriaMet", "FailureTarget"];
            let list = conditions(random, &kinds, &["BackoffLimitExceeded", "JobResumed", ""]);
            let suspend = json!(random.one_in(2));
            (some(random, vec![("suspend", suspend)]), some(random, vec![("conditions", list)]))
        }
        "HorizontalPodAutoscaler" => {
            let reasons = [
                "FailedGetScale",
                "FailedUpdateScale",
                "FailedGetResourceMetric",
                "FailedComputeMetricsReplicas",
                "InvalidSelector",
                "ReadyForNewScale",
                "ValidMetricFound",
                "",
            ];
            let list = conditions(random, &["AbleToScale", "ScalingActive", "ScalingLimited", "Other"], &reasons);
            if api_version == "autoscaling/v2" {
                return (json!({}), json!({"conditions": list}));
            }
            let text = match random.below(8) {
                0 => "not json".to_owned(),
                1 => "[]".to_owned(),
                2 => "{}".to_owned(),
                3 => "null".to_owned(),
                _ => list.to_string(),
            };
            if !random.one_in(8) {
                metadata["annotations"]["autoscaling.alpha.kubernetes.io/conditions"] = json!(text);
            }
            (json!({}), json!({}))
        }
        "APIService" => {
            let list = conditions(random, &["Available", "Other"], &["Passed", "ServiceNotFound"]);
            (json!({}), some(random, vec![("conditions", list)]))
        }
        "CustomResourceDefinition" => {
            let kinds = ["Established", "NamesAccepted", "Terminating"];
            (json!({}), json!({"conditions": conditions(random, &kinds, &["Installing", "InitialNamesAccepted"])}))
        }
        "Workflow" => {
            let phase = random.pick(&["", "Pending", "Running", "Succeeded", "Failed", "Error", "Omitted"]);
            let status = vec![("phase", json!(phase)), ("message", json!(random.pick(&MESSAGES)))];
            (json!({}), some(random, status))
        }
        _ => (json!({}), json!({})),
    }
}

fn pod(random: &mut Random) -> (Value, Value) {
    let restart = random.pick(&["Always", "Always", "OnFailure", "Never", ""]);
    let phase = random.pick(&["Pending", "Running", "Running", "Succeeded", "Failed", "Unknown", ""]);
    let list = conditions(random, &["Ready", "Ready", "PodScheduled", "ContainersReady"], &["", "ContainersNotReady"]);
    let containers: Value = (0..random.below(3)).map(|_| container(random)).collect();
    let before: Value = (0..random.below(2)).map(|_| container(random)).collect();
    let status = vec![
        ("phase", json!(phase)),
        ("message", json!(random.pick(&MESSAGES))),
        ("conditions", list),
        ("containerStatuses", containers),
        ("initContainerStatuses", before),
    ];
    (some(random, vec![("restartPolicy", json!(restart))]), some(random, status))
}

fn container(random: &mut Random) -> Value {
    let state = match random.below(4) {
        0 => json!({"running": {"startedAt": "2026-01-02T03:04:05Z"}}),
        1 => {
            let reasons = [
                "ErrImagePull",
                "ImagePullBackOff",
                "CrashLoopBackOff",
                "CreateContainerConfigError",
                "ContainerCreating",
                "PodInitializing",
                "",
            ];
            let fields = vec![("reason", json!(random.pick(&reasons))), ("message", json!(random.pick(&MESSAGES)))];
            json!({"waiting": some(random, fields)})
        }
        2 => json!({"terminated": terminated(random)}),
        _ => json!({}),
    };
    let last = match random.below(3) {
        0 => json!({"terminated": terminated(random)}),
        1 => json!({"terminated": null}),
        _ => json!({}),
    };
    let fields = vec![
        ("name", json!(random.pick(&["app", "side car", "a\"b\u{7f}", "ünï\u{200b}\t"]))),
        ("ready", json!(random.one_in(2))),
        ("restartCount", json!(1)),
        ("state", state),
        ("lastState", last),
    ];
    some(random, fields)
}

fn terminated(random: &mut Random) -> Value {
    let fields = vec![
        ("exitCode", json!(random.number(&[0, 1, 137, -1]))),
        ("reason", json!(random.pick(&["OOMKilled", "Error", "Completed", ""]))),
        ("message", json!(random.pick(&MESSAGES))),
    ];
    some(random, fields)
}

fn is_beyond_32_bits(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_i64().is_none_or(|number| i32::try_from(number).is_err()),
        Value::Array(items) => items.iter().any(is_beyond_32_bits),
        Value::Object(map) => map.values().any(is_beyond_32_bits),
        _ => false,
    }
}

/// Puts something that no API server would hold in the place of one field.
fn break_something(part: &mut Value, random: &mut Random) {
    let Value::Object(map) = part else { return };
    let keys: Vec<_> = map.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let odd = match random.below(6) {
        0 => Value::Null,
        1 => json!("many"),
        2 => json!(-1),
        3 => json!([]),
        4 => json!({}),
        _ => json!(9_000_000_000_i64),
    };
    map.insert(keys[random.below(keys.len())].clone(), odd);
}
