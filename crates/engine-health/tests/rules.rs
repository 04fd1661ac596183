//! Every row of the table of rules, and no panic whatever an object holds.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use gitops_engine_core::{Health, HealthAssessor, HealthStatus, ManagedFields, Manifest, Timestamp, Value};
use gitops_engine_health::KindRules;
use proptest::prelude::*;

use HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};

fn assess(api_version: &str, kind: &str, metadata: &str, rest: &str) -> Option<Health> {
    let metadata = if metadata.is_empty() { String::new() } else { format!(",{metadata}") };
    let rest = if rest.is_empty() { String::new() } else { format!(",{rest}") };
    let text = format!(r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"x"{metadata}}}{rest}}}"#);
    let object =
        Manifest::from_json(text.as_bytes(), ManagedFields::Drop).unwrap_or_else(|error| panic!("{error}: {text}"));
    KindRules::default().assess(&object, Timestamp::UNIX_EPOCH)
}

#[track_caller]
fn check(kind: &str, metadata: &str, rows: &[(&str, HealthStatus, &str)]) {
    let (api_version, kind) = kind.rsplit_once('/').unwrap();
    for (rest, status, message) in rows {
        let health = assess(api_version, kind, metadata, rest).unwrap();
        assert_eq!((health.status, &*health.message), (*status, *message), "{kind} {rest}");
    }
}

#[test]
fn deployments() {
    check(
        "apps/v1/Deployment",
        r#""generation":2"#,
        &[
            (r#""spec":{"paused":true},"status":{}"#, Suspended, "Deployment is paused"),
            (
                r#""spec":{"replicas":1},"status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"availableReplicas":1}"#,
                Progressing,
                "Waiting for rollout to finish: observed deployment generation less than desired generation",
            ),
            (
                "",
                Progressing,
                "Waiting for rollout to finish: observed deployment generation less than desired generation",
            ),
            (
                r#""status":{"observedGeneration":2,"conditions":[{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded"}]}"#,
                Degraded,
                r#"Deployment "x" exceeded its progress deadline"#,
            ),
            (
                r#""spec":{"replicas":3},"status":{"observedGeneration":2,"replicas":3,"updatedReplicas":1,"availableReplicas":3}"#,
                Progressing,
                "Waiting for rollout to finish: 1 out of 3 new replicas have been updated...",
            ),
            (
                r#""spec":{"replicas":3},"status":{"observedGeneration":2,"replicas":5,"updatedReplicas":3,"availableReplicas":3}"#,
                Progressing,
                "Waiting for rollout to finish: 2 old replicas are pending termination...",
            ),
            (
                r#""spec":{"replicas":3},"status":{"observedGeneration":2,"replicas":3,"updatedReplicas":3,"availableReplicas":1}"#,
                Progressing,
                "Waiting for rollout to finish: 1 of 3 updated replicas are available...",
            ),
            (
                r#""spec":{"replicas":3},"status":{"observedGeneration":2,"replicas":3,"updatedReplicas":3,"availableReplicas":3}"#,
                Healthy,
                "",
            ),
            (r#""spec":{"replicas":0},"status":{"observedGeneration":2}"#, Healthy, ""),
            (
                r#""spec":{"replicas":"3"},"status":{"observedGeneration":2}"#,
                Unknown,
                "spec.replicas must be an integer and is a text",
            ),
            (r#""spec":[],"status":{}"#, Unknown, "spec must be a map and is a list"),
            (
                r#""status":{"observedGeneration":2,"conditions":"none"}"#,
                Unknown,
                "status.conditions must be a list and is a text",
            ),
        ],
    );
    // An unknown version is judged all the same.
    check("apps/v2/Deployment", r#""generation":1"#, &[(r#""status":{"observedGeneration":1}"#, Healthy, "")]);
}

#[test]
fn stateful_sets() {
    check(
        "apps/v1/StatefulSet",
        r#""generation":2"#,
        &[
            (r#""status":{}"#, Progressing, "Waiting for statefulset spec update to be observed..."),
            (
                r#""status":{"observedGeneration":1}"#,
                Progressing,
                "Waiting for statefulset spec update to be observed...",
            ),
            (
                r#""spec":{"replicas":3},"status":{"observedGeneration":2,"readyReplicas":1}"#,
                Progressing,
                "Waiting for 2 pods to be ready...",
            ),
            (
                r#""spec":{"replicas":3,"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":1}}},"status":{"observedGeneration":2,"readyReplicas":3,"updatedReplicas":1}"#,
                Progressing,
                "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...",
            ),
            (
                r#""spec":{"replicas":3,"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":1}}},"status":{"observedGeneration":2,"readyReplicas":3,"updatedReplicas":2,"updateRevision":"b","currentRevision":"a"}"#,
                Healthy,
                "partitioned roll out complete: 2 new pods have been updated...",
            ),
            (
                r#""spec":{"replicas":1,"updateStrategy":{"type":"OnDelete"}},"status":{"observedGeneration":2,"readyReplicas":1}"#,
                Healthy,
                "statefulset has 1 ready pods",
            ),
            (
                r#""spec":{"replicas":1,"updateStrategy":{"type":"RollingUpdate"}},"status":{"observedGeneration":2,"readyReplicas":1,"updatedReplicas":0,"updateRevision":"b","currentRevision":"a"}"#,
                Progressing,
                "waiting for statefulset rolling update to complete 0 pods at revision b...",
            ),
            (
                r#""spec":{"replicas":1},"status":{"observedGeneration":2,"readyReplicas":1,"currentReplicas":1,"updateRevision":"a","currentRevision":"a"}"#,
                Healthy,
                "statefulset rolling update complete 1 pods at revision a...",
            ),
        ],
    );
}

#[test]
fn daemon_sets() {
    check(
        "apps/v1/DaemonSet",
        r#""generation":2"#,
        &[
            (
                r#""status":{"observedGeneration":1}"#,
                Progressing,
                "Waiting for rollout to finish: observed daemon set generation less than desired generation",
            ),
            (
                r#""spec":{"updateStrategy":{"type":"OnDelete"}},"status":{"observedGeneration":2,"updatedNumberScheduled":1,"desiredNumberScheduled":2}"#,
                Healthy,
                "daemon set 1 out of 2 new pods have been updated",
            ),
            (
                r#""status":{"observedGeneration":2,"updatedNumberScheduled":1,"desiredNumberScheduled":2}"#,
                Progressing,
                r#"Waiting for daemon set "x" rollout to finish: 1 out of 2 new pods have been updated..."#,
            ),
            (
                r#""status":{"observedGeneration":2,"updatedNumberScheduled":2,"desiredNumberScheduled":2,"numberAvailable":1}"#,
                Progressing,
                r#"Waiting for daemon set "x" rollout to finish: 1 of 2 updated pods are available..."#,
            ),
            (
                r#""status":{"observedGeneration":2,"updatedNumberScheduled":2,"desiredNumberScheduled":2,"numberAvailable":2}"#,
                Healthy,
                "",
            ),
        ],
    );
}

#[test]
fn replica_sets() {
    check(
        "apps/v1/ReplicaSet",
        r#""generation":2"#,
        &[
            (
                r#""status":{"observedGeneration":1}"#,
                Progressing,
                "Waiting for rollout to finish: observed replica set generation less than desired generation",
            ),
            (
                r#""status":{"observedGeneration":2,"conditions":[{"type":"ReplicaFailure","status":"True","message":"quota"}]}"#,
                Degraded,
                "quota",
            ),
            (
                r#""spec":{"replicas":2},"status":{"observedGeneration":2,"availableReplicas":1,"conditions":[{"type":"ReplicaFailure","status":"False"}]}"#,
                Progressing,
                "Waiting for rollout to finish: 1 out of 2 new replicas are available...",
            ),
            (r#""spec":{"replicas":2},"status":{"observedGeneration":2,"availableReplicas":2}"#, Healthy, ""),
        ],
    );
}

#[test]
fn pods() {
    check(
        "v1/Pod",
        "",
        &[
            (
                r#""spec":{"restartPolicy":"Always"},"status":{"phase":"Pending","containerStatuses":[
                {"state":{"waiting":{"reason":"ErrImagePull","message":"no such image"}}},
                {"state":{"waiting":{"reason":"ContainerCreating","message":"wait"}}},
                {"state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off"}}},
                {"state":{"waiting":{"reason":"CreateContainerConfigError","message":"no secret"}}}]}"#,
                Degraded,
                "no such image, back-off, no secret",
            ),
            (
                r#""spec":{"restartPolicy":"Never"},"status":{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull"}}}]}"#,
                Progressing,
                "",
            ),
            (r#""status":{"phase":"Pending","message":"m"}"#, Progressing, "m"),
            (r#""status":{"phase":"Succeeded","message":"m"}"#, Healthy, "m"),
            (r#""status":{"phase":"Failed","message":"evicted"}"#, Degraded, "evicted"),
            (
                r#""status":{"phase":"Failed","initContainerStatuses":[{"name":"i","state":{"terminated":{"message":"told","exitCode":1}}}]}"#,
                Degraded,
                "told",
            ),
            (
                r#""status":{"phase":"Failed","containerStatuses":[{"name":"c","state":{"terminated":{"reason":"OOMKilled","exitCode":137}}}]}"#,
                Degraded,
                "OOMKilled",
            ),
            (
                r#""status":{"phase":"Failed","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0}}},{"name":"c","state":{"terminated":{"exitCode":2}}}]}"#,
                Degraded,
                r#"container "c" failed with exit code 2"#,
            ),
            (r#""status":{"phase":"Failed"}"#, Degraded, ""),
            (
                r#""spec":{"restartPolicy":"Always"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}"#,
                Healthy,
                "",
            ),
            (
                r#""spec":{"restartPolicy":"Always"},"status":{"phase":"Running","containerStatuses":[{"lastState":{"terminated":{"exitCode":1}}}]}"#,
                Degraded,
                "",
            ),
            (r#""spec":{"restartPolicy":"Always"},"status":{"phase":"Running"}"#, Progressing, ""),
            (
                r#""spec":{"restartPolicy":"OnFailure"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}"#,
                Progressing,
                "",
            ),
            (r#""spec":{"restartPolicy":"Never"},"status":{"phase":"Running"}"#, Progressing, ""),
            (r#""spec":{"restartPolicy":"Sometimes"},"status":{"phase":"Running"}"#, Unknown, ""),
            (r#""status":{"phase":"Unknown"}"#, Unknown, ""),
            ("", Unknown, ""),
        ],
    );
    let stuck = r#""spec":{"restartPolicy":"Never"},"status":{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull","message":"no"}}}]}"#;
    check("v1/Pod", r#""annotations":{"argocd.argoproj.io/ignore-restart-policy":"true"}"#, &[(stuck, Degraded, "no")]);
    check(
        "v1/Pod",
        r#""annotations":{"argocd.argoproj.io/ignore-restart-policy":"true","argocd.argoproj.io/hook":"PreSync"}"#,
        &[(stuck, Progressing, "")],
    );
}

#[test]
fn network() {
    let address = r#""status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}"#;
    let with_type = |status: &str| format!(r#""spec":{{"type":"LoadBalancer"}},{status}"#);
    check(
        "v1/Service",
        "",
        &[
            (&with_type(address), Healthy, ""),
            (&with_type(r#""status":{"loadBalancer":{}}"#), Progressing, ""),
            (r#""spec":{"type":"ClusterIP"}"#, Healthy, ""),
            ("", Healthy, ""),
        ],
    );
    for kind in ["networking.k8s.io/v1/Ingress", "extensions/v1beta1/Ingress"] {
        check(
            kind,
            "",
            &[
                (address, Healthy, ""),
                (r#""status":{"loadBalancer":{"ingress":[]}}"#, Progressing, ""),
                ("", Progressing, ""),
            ],
        );
    }
}

#[test]
fn claims_and_namespaces() {
    check(
        "v1/PersistentVolumeClaim",
        "",
        &[
            (r#""status":{"phase":"Lost"}"#, Degraded, ""),
            (r#""status":{"phase":"Pending"}"#, Progressing, ""),
            (r#""status":{"phase":"Bound"}"#, Healthy, ""),
            ("", Unknown, ""),
        ],
    );
    check(
        "v1/Namespace",
        "",
        &[
            (r#""status":{"phase":"Terminating"}"#, Progressing, "Namespace is terminating"),
            (r#""status":{"phase":"Active"}"#, Healthy, ""),
        ],
    );
}

#[test]
fn jobs_and_workflows() {
    check(
        "batch/v1/Job",
        "",
        &[
            ("", Progressing, ""),
            (r#""status":{"conditions":[{"type":"Failed","status":"True","message":"limit"}]}"#, Degraded, "limit"),
            (r#""status":{"conditions":[{"type":"Complete","status":"True","message":"done"}]}"#, Healthy, "done"),
            (r#""status":{"conditions":[{"type":"Suspended","status":"True","message":"s"}]}"#, Suspended, ""),
            (r#""status":{"conditions":[{"type":"Suspended","status":"False","message":"s"}]}"#, Healthy, "s"),
            (
                r#""status":{"conditions":[{"type":"Suspended","status":"True"},{"type":"Failed","status":"True","message":"f"}]}"#,
                Degraded,
                "f",
            ),
        ],
    );
    check(
        "argoproj.io/v1alpha1/Workflow",
        "",
        &[
            ("", Progressing, ""),
            (r#""status":{"phase":"Pending"}"#, Progressing, ""),
            (r#""status":{"phase":"Running","message":"m"}"#, Progressing, "m"),
            (r#""status":{"phase":"Succeeded"}"#, Healthy, ""),
            (r#""status":{"phase":"Failed"}"#, Degraded, ""),
            (r#""status":{"phase":"Error","message":"m"}"#, Degraded, "m"),
            (r#""status":{"phase":"New"}"#, Unknown, ""),
        ],
    );
}

#[test]
fn autoscalers() {
    let conditions = |kind: &str, status: &str, reason: &str| {
        format!(r#"[{{"type":"{kind}","status":"{status}","reason":"{reason}","message":"m"}}]"#)
    };
    let mut rows = vec![
        ("[]".to_owned(), Progressing, "Waiting to Autoscale"),
        (conditions("AbleToScale", "True", "SucceededGetScale"), Healthy, "m"),
        (conditions("ScalingLimited", "True", "TooFewReplicas"), Healthy, "m"),
        (conditions("AbleToScale", "False", "BackoffBoth"), Progressing, "Waiting to Autoscale"),
        (conditions("ScalingActive", "True", "ValidMetricFound"), Progressing, "Waiting to Autoscale"),
    ];
    for (kind, reason) in [
        ("AbleToScale", "FailedGetScale"),
        ("AbleToScale", "FailedUpdateScale"),
        ("ScalingActive", "FailedGetResourceMetric"),
        ("ScalingActive", "FailedGetObjectMetric"),
        ("ScalingActive", "FailedGetPodsMetric"),
        ("ScalingActive", "FailedGetExternalMetric"),
        ("ScalingActive", "FailedComputeMetricsReplicas"),
        ("ScalingActive", "InvalidSelector"),
    ] {
        rows.push((conditions(kind, "False", reason), Degraded, "m"));
    }
    for (conditions, status, message) in &rows {
        check(
            "autoscaling/v2/HorizontalPodAutoscaler",
            "",
            &[(&format!(r#""status":{{"conditions":{conditions}}}"#), *status, message)],
        );
        let annotation = Value::from(conditions.as_str());
        check(
            "autoscaling/v1/HorizontalPodAutoscaler",
            &format!(r#""annotations":{{"autoscaling.alpha.kubernetes.io/conditions":{annotation}}}"#),
            &[("", *status, message)],
        );
    }
    check("autoscaling/v1/HorizontalPodAutoscaler", "", &[("", Progressing, "Waiting to Autoscale")]);
    check(
        "autoscaling/v1/HorizontalPodAutoscaler",
        r#""annotations":{"autoscaling.alpha.kubernetes.io/conditions":"{"}"#,
        &[("", Unknown, "the annotation autoscaling.alpha.kubernetes.io/conditions is not a JSON list of conditions")],
    );
}

#[test]
fn kinds_that_add_kinds() {
    for kind in ["apiregistration.k8s.io/v1/APIService", "apiregistration.k8s.io/v1beta1/APIService"] {
        check(
            kind,
            "",
            &[
                (
                    r#""status":{"conditions":[{"type":"Available","status":"True","reason":"Passed","message":"ok"}]}"#,
                    Healthy,
                    "Passed: ok",
                ),
                (
                    r#""status":{"conditions":[{"type":"Available","status":"False","reason":"Missing","message":"no"}]}"#,
                    Progressing,
                    "Missing: no",
                ),
                ("", Progressing, "Waiting to be processed"),
            ],
        );
    }
    check(
        "apiextensions.k8s.io/v1/CustomResourceDefinition",
        "",
        &[
            ("", Progressing, "Waiting for the kind to be established"),
            (
                r#""status":{"conditions":[{"type":"NamesAccepted","status":"True"},{"type":"Established","status":"False","reason":"Installing"}]}"#,
                Progressing,
                "Waiting for the kind to be established",
            ),
            (
                r#""status":{"conditions":[{"type":"NamesAccepted","status":"True"},{"type":"Established","status":"True"}]}"#,
                Healthy,
                "",
            ),
            (
                r#""status":{"conditions":[{"type":"NamesAccepted","status":"False","message":"taken"},{"type":"Established","status":"False","reason":"NotAccepted","message":"n"}]}"#,
                Degraded,
                "taken",
            ),
            (
                r#""status":{"conditions":[{"type":"Established","status":"False","reason":"NotAccepted","message":"n"}]}"#,
                Degraded,
                "n",
            ),
        ],
    );
}

#[test]
fn objects_that_are_being_deleted() {
    let deleting = r#""deletionTimestamp":"2026-01-01T00:00:00Z""#;
    for kind in ["v1/Service", "v1/ConfigMap", "example.com/v1/Anything"] {
        check(kind, deleting, &[("", Progressing, "Pending deletion")]);
    }
    // A hook is held until its outcome is read.
    let held = format!(r#"{deleting},"finalizers":["a","argocd.argoproj.io/hook-finalizer"]"#);
    check("batch/v1/Job", &held, &[(r#""status":{"conditions":[{"type":"Complete","status":"True"}]}"#, Healthy, "")]);
}

#[test]
fn kinds_without_a_rule_have_no_health() {
    for (api_version, kind) in [
        ("v1", "ConfigMap"),
        ("example.com/v1", "Shop"),
        ("serving.knative.dev/v1", "Service"),
        ("argoproj.io/v1alpha1", "Application"),
        ("example.com/v1", "Deployment"),
    ] {
        assert_eq!(assess(api_version, kind, "", r#""status":{"conditions":[]}"#), None, "{kind}");
    }
}

const KINDS: &[&str] = &[
    "apps/v1/Deployment",
    "apps/v1/StatefulSet",
    "apps/v1/DaemonSet",
    "apps/v1/ReplicaSet",
    "v1/Pod",
    "v1/Service",
    "v1/PersistentVolumeClaim",
    "v1/Namespace",
    "batch/v1/Job",
    "autoscaling/v1/HorizontalPodAutoscaler",
    "autoscaling/v2/HorizontalPodAutoscaler",
    "networking.k8s.io/v1/Ingress",
    "apiregistration.k8s.io/v1/APIService",
    "apiextensions.k8s.io/v1/CustomResourceDefinition",
    "argoproj.io/v1alpha1/Workflow",
];

/// Keys that the rules read, with anything behind them.
fn any_value() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "replicas",
        "paused",
        "restartPolicy",
        "updateStrategy",
        "rollingUpdate",
        "partition",
        "type",
        "phase",
        "conditions",
        "status",
        "reason",
        "message",
        "observedGeneration",
        "readyReplicas",
        "updatedReplicas",
        "containerStatuses",
        "initContainerStatuses",
        "state",
        "waiting",
        "terminated",
        "exitCode",
        "lastState",
        "loadBalancer",
        "ingress",
        "currentRevision",
        "updateRevision",
        "availableReplicas",
        "numberAvailable",
        "desiredNumberScheduled",
        "updatedNumberScheduled",
    ]);
    let text = prop::sample::select(vec![
        "",
        "True",
        "False",
        "Always",
        "Never",
        "Running",
        "Failed",
        "Pending",
        "RollingUpdate",
        "OnDelete",
        "LoadBalancer",
        "Progressing",
        "Ready",
        "Available",
        "Established",
        "Complete",
        "Suspended",
        "é",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), -3_i64..4].prop_map(Value::from),
        Just(Value::Float(0.5)),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::vec((key.clone(), inner), 0..12)
                .prop_map(|entries| Value::object(entries.into_iter().map(|(key, value)| (key.into(), value)))),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_makes_a_rule_panic(
        kind in prop::sample::select(KINDS),
        spec in any_value(),
        status in any_value(),
        generation in any_value(),
        finalizers in any_value(),
        annotation in any_value(),
    ) {
        let (api_version, kind) = kind.rsplit_once('/').unwrap();
        let mut body = Value::Null;
        body.set(&["apiVersion"], api_version.into());
        body.set(&["kind"], kind.into());
        body.set(&["metadata", "name"], "x".into());
        body.set(&["metadata", "generation"], generation);
        body.set(&["metadata", "finalizers"], finalizers);
        body.set(&["metadata", "annotations", "autoscaling.alpha.kubernetes.io/conditions"], annotation.to_string().into());
        body.set(&["spec"], spec);
        body.set(&["status"], status);
        let health = KindRules::default().assess(&Manifest::from_value(body).unwrap(), Timestamp::UNIX_EPOCH);
        prop_assert!(health.is_some());
    }
}
