//! What controllers do where what they make is refused, mostly by a quota: they say so, and go on when it is raised.

use serde_json::{Value, json};

use super::{condition, count, ensure, job, says, workload};
use crate::conformance::{
    Failure, Lab, Outcome, Patch,
    cases::{cases, gadget, group_of, serve_gadgets},
};

cases!("quotas":
    a_replica_set_makes_what_a_quota_allows (needs_controllers),
    a_deployment_says_that_pods_are_refused (needs_controllers),
    a_deployment_says_that_its_replica_set_is_refused (needs_controllers),
    a_stateful_set_waits_for_a_quota (needs_controllers),
    a_daemon_set_reports_what_is_refused (needs_controllers),
    a_job_waits_for_a_quota (needs_controllers),
    custom_resources_are_counted,
    a_replica_set_says_that_its_pods_are_not_secure (needs_controllers),
);

const APPS: &str = "apps/v1";

/// A quota without room for some objects, once the server knows it. Leases are what that is tried with.
async fn quota(lab: &Lab, name: &str, amount: &str) -> Outcome {
    const LEASES: &str = "count/leases.coordination.k8s.io";
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {name: amount, LEASES: "0"}},
    });
    lab.create(&lab.path("v1", "resourcequotas"), quota).await?;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "trial"}});
    let trial = lab.path("coordination.k8s.io/v1", "leases?dryRun=All");
    for _ in 0..TRIALS {
        if lab.post(&trial, &lease).await?.status() == 403 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Failure::new("a quota that is known"))
}

const TRIALS: u32 = 600;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

async fn raise(lab: &Lab, name: &str, amount: &str) -> Outcome {
    lab.change("v1", "resourcequotas/q", json!({"spec": {"hard": {name: amount}}})).await.map(drop)
}

fn tells(text: &Value, what: &str) -> bool {
    text.as_str().is_some_and(|text| text.contains(what))
}

const NO_POD: &str = "is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0";

async fn a_replica_set_makes_what_a_quota_allows(lab: &Lab) -> Outcome {
    quota(lab, "pods", "1").await?;
    lab.start(APPS, "replicasets", workload("ReplicaSet", "web", json!({"replicas": 3}))).await?;
    let set = lab
        .until(APPS, "replicasets/web", "to say that Pods are refused", |s| {
            count(s, "replicas") == 1 && says(s, "ReplicaFailure", "True", "FailedCreate")
        })
        .await?;
    let message = &condition(&set, "ReplicaFailure")["message"];
    ensure(&set, tells(message, "pods \"web-"), "the name of the Pod")?;
    let why = "is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1";
    ensure(&set, tells(message, why), "how the quota refuses it")?;
    let event = lab.event("ReplicaSet", "web", "FailedCreate").await?;
    ensure(&event, tells(&event["message"], "Error creating: pods \"web-") && event["type"] == "Warning", "an event")?;
    raise(lab, "pods", "3").await?;
    lab.until(APPS, "replicasets/web", "all Pods", |s| {
        count(s, "replicas") == 3 && condition(s, "ReplicaFailure").is_null()
    })
    .await
    .map(drop)
}

async fn a_deployment_says_that_pods_are_refused(lab: &Lab) -> Outcome {
    quota(lab, "pods", "0").await?;
    lab.start(APPS, "deployments", workload("Deployment", "web", json!({"replicas": 1}))).await?;
    let web = lab
        .until(APPS, "deployments/web", "to say that Pods are refused", |d| {
            says(d, "ReplicaFailure", "True", "FailedCreate")
        })
        .await?;
    ensure(&web, tells(&condition(&web, "ReplicaFailure")["message"], NO_POD), "how the quota refuses it")?;
    raise(lab, "pods", "1").await?;
    lab.until(APPS, "deployments/web", "its Pod", |d| {
        count(d, "readyReplicas") == 1 && condition(d, "ReplicaFailure").is_null()
    })
    .await
    .map(drop)
}

async fn a_deployment_says_that_its_replica_set_is_refused(lab: &Lab) -> Outcome {
    const SETS: &str = "count/replicasets.apps";
    quota(lab, SETS, "0").await?;
    lab.start(APPS, "deployments", workload("Deployment", "web", json!({"replicas": 1}))).await?;
    let web = lab
        .until(APPS, "deployments/web", "to say that its ReplicaSet is refused", |d| {
            says(d, "Progressing", "False", "ReplicaSetCreateError")
        })
        .await?;
    let message = &condition(&web, "Progressing")["message"];
    ensure(&web, tells(message, "Failed to create new replica set \"web-"), "what is refused")?;
    ensure(&web, tells(message, "is forbidden: exceeded quota: q, requested: count/replicasets.apps=1"), "why")?;
    lab.event("Deployment", "web", "ReplicaSetCreateError").await?;
    raise(lab, SETS, "1").await?;
    lab.until(APPS, "deployments/web", "its Pod", |d| count(d, "readyReplicas") == 1).await.map(drop)
}

async fn a_stateful_set_waits_for_a_quota(lab: &Lab) -> Outcome {
    quota(lab, "pods", "0").await?;
    lab.start(APPS, "statefulsets", workload("StatefulSet", "web", json!({"replicas": 1, "serviceName": "web"})))
        .await?;
    let event = lab.event("StatefulSet", "web", "FailedCreate").await?;
    let told = tells(&event["message"], "Pod web-0 in StatefulSet web failed error: pods \"web-0\" is forbidden");
    ensure(&event, told && tells(&event["message"], NO_POD), "an event about the Pod")?;
    raise(lab, "pods", "1").await?;
    lab.until(APPS, "statefulsets/web", "its Pod", |s| count(s, "readyReplicas") == 1).await.map(drop)
}

async fn a_daemon_set_reports_what_is_refused(lab: &Lab) -> Outcome {
    quota(lab, "pods", "0").await?;
    lab.start(APPS, "daemonsets", workload("DaemonSet", "web", json!({}))).await?;
    let event = lab.event("DaemonSet", "web", "FailedCreate").await?;
    ensure(&event, tells(&event["message"], "Error creating: pods \"web-"), "an event")?;
    ensure(&event, tells(&event["message"], NO_POD), "how the quota refuses it")
}

async fn a_job_waits_for_a_quota(lab: &Lab) -> Outcome {
    quota(lab, "pods", "0").await?;
    lab.start("batch/v1", "jobs", job("one", json!({}))).await?;
    let event = lab.event("Job", "one", "FailedCreate").await?;
    ensure(&event, tells(&event["message"], "Error creating: pods \"one-"), "an event")?;
    raise(lab, "pods", "1").await?;
    lab.until("batch/v1", "jobs/one", "to complete", |j| count(j, "succeeded") == 1).await.map(drop)
}

async fn custom_resources_are_counted(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    let name = format!("count/gadgets.{}", group_of(lab));
    quota(lab, &name, "0").await?;
    // Controllers take their time to hear of new kinds.
    lab.change("v1", "resourcequotas/q/status", json!({"status": {"used": {&name: "0"}}})).await?;
    let trial = format!("{path}?dryRun=All");
    for _ in 0..TRIALS {
        let reply = lab.post(&trial, &gadget(lab, "a", json!({}))).await?;
        let message = reply.at("/message").clone();
        if reply.status() == 403 && tells(&message, &format!("exceeded quota: q, requested: {name}=1, used: {name}=0"))
        {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Failure::new("a gadget to be too much"))
}

async fn a_replica_set_says_that_its_pods_are_not_secure(lab: &Lab) -> Outcome {
    let namespace = lab.cluster_path("v1", &format!("namespaces/{}", lab.namespace()));
    let labels = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    lab.patch(&namespace, Patch::Merge, &labels).await?.expect(200)?;
    let mut set = workload("ReplicaSet", "web", json!({"replicas": 1}));
    set["spec"]["template"]["spec"]["hostPID"] = true.into();
    lab.allow_pods().await?;
    let trial = lab.path(APPS, "replicasets?dryRun=All");
    for _ in 0..TRIALS {
        if !lab.post(&trial, &set).await?.headers("warning").is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    lab.start(APPS, "replicasets", set).await?;
    let set = lab
        .until(APPS, "replicasets/web", "to say that Pods are refused", |s| {
            says(s, "ReplicaFailure", "True", "FailedCreate")
        })
        .await?;
    let why = "is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true)";
    ensure(&set, tells(&condition(&set, "ReplicaFailure")["message"], why), "why")
}
