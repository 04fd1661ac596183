//! ReplicaSets.

use serde_json::{Value, json};

use super::{controlled_by, count, ensure, fate, observed, template, workload};
use crate::conformance::{Failure, Lab, Outcome, cases::cases};

cases!("replicaset":
    it_makes_as_many_pods_as_wanted (needs_controllers),
    a_deleted_pod_is_made_again (needs_controllers),
    pods_with_its_labels_are_adopted (needs_controllers),
    a_pod_that_loses_its_labels_is_released (needs_controllers),
    pods_that_are_not_ready_go_first (needs_controllers),
    a_pod_that_failed_is_replaced (needs_controllers),
    pods_are_reported (needs_controllers),
);

const APPS: &str = "apps/v1";

async fn settled(lab: &Lab, replicas: i64) -> Result<Value, Failure> {
    lab.until(APPS, "replicasets/web", "as many ready Pods as wanted", |s| {
        observed(s) && count(s, "replicas") == replicas && count(s, "readyReplicas") == replicas
    })
    .await
}

async fn started(lab: &Lab, replicas: i64) -> Result<Value, Failure> {
    lab.start(APPS, "replicasets", workload("ReplicaSet", "web", json!({"replicas": replicas}))).await?;
    settled(lab, replicas).await
}

async fn pods(lab: &Lab) -> Result<Vec<Value>, Failure> {
    lab.all("v1", "pods", "app%3Dweb").await
}

async fn it_makes_as_many_pods_as_wanted(lab: &Lab) -> Outcome {
    let set = started(lab, 2).await?;
    let set = lab
        .until(APPS, "replicasets/web", "available Pods", |s| count(s, "availableReplicas") == 2)
        .await
        .or(Ok::<_, Failure>(set))?;
    ensure(&set, count(&set, "fullyLabeledReplicas") == 2 && set["status"]["terminatingReplicas"] == 0, "all counts")?;
    for pod in pods(lab).await? {
        ensure(&pod, controlled_by(&pod, "ReplicaSet", "web"), "the ReplicaSet as its controller")?;
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        ensure(&pod, name.len() == "web-12345".len() && name.starts_with("web-"), "a name with five letters more")?;
    }
    Ok(())
}

async fn a_deleted_pod_is_made_again(lab: &Lab) -> Outcome {
    started(lab, 1).await?;
    let pod = pods(lab).await?.remove(0);
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    lab.delete(&lab.path("v1", &format!("pods/{name}"))).await?.expect(200)?;
    lab.until_gone("v1", &format!("pods/{name}")).await?;
    settled(lab, 1).await.map(drop)
}

async fn pods_with_its_labels_are_adopted(lab: &Lab) -> Outcome {
    let mut pod = template("web", "example.com/app:1");
    pod["metadata"]["name"] = "lonely".into();
    lab.start("v1", "pods", pod).await?;
    lab.until("v1", "pods/lonely", "a Pod that runs", |p| p["status"]["phase"] == "Running").await?;
    started(lab, 1).await?;
    lab.until("v1", "pods/lonely", "its owner", |p| controlled_by(p, "ReplicaSet", "web")).await?;
    let all = pods(lab).await?;
    ensure(&json!(all), all.len() == 1, "no other Pod")
}

async fn a_pod_that_loses_its_labels_is_released(lab: &Lab) -> Outcome {
    started(lab, 1).await?;
    let pod = pods(lab).await?.remove(0);
    let path = format!("pods/{}", pod["metadata"]["name"].as_str().unwrap_or_default());
    lab.change("v1", &path, json!({"metadata": {"labels": {"app": "other"}}})).await?;
    lab.until("v1", &path, "no owner", |p| p["metadata"].get("ownerReferences").is_none()).await?;
    settled(lab, 1).await?;
    let all = pods(lab).await?;
    ensure(
        &json!(all),
        all.len() == 1 && all[0]["metadata"]["uid"] != pod["metadata"]["uid"],
        "another Pod in its place",
    )
}

async fn pods_that_are_not_ready_go_first(lab: &Lab) -> Outcome {
    started(lab, 1).await?;
    let first = pods(lab).await?.remove(0);
    lab.change(APPS, "replicasets/web", json!({"spec": fate("never-ready")})).await?;
    lab.change(APPS, "replicasets/web", json!({"spec": {"replicas": 2}})).await?;
    lab.until(APPS, "replicasets/web", "a second Pod", |s| observed(s) && count(s, "replicas") == 2).await?;
    let path = lab.path("v1", "pods?labelSelector=app%3Dweb");
    lab.eventually(&path, "two that run", |r| {
        r.items().iter().filter(|p| p["status"]["phase"] == "Running").count() == 2
    })
    .await?;
    lab.change(APPS, "replicasets/web", json!({"spec": {"replicas": 1}})).await?;
    let left = lab.eventually(&path, "one Pod", |r| r.items().len() == 1).await?;
    ensure(left.value(), left.items()[0]["metadata"]["uid"] == first["metadata"]["uid"], "the one that is ready")
}

async fn a_pod_that_failed_is_replaced(lab: &Lab) -> Outcome {
    started(lab, 1).await?;
    let pod = pods(lab).await?.remove(0);
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    lab.change("v1", &format!("pods/{name}/status"), json!({"status": {"phase": "Failed", "reason": "Evicted"}}))
        .await?;
    let path = lab.path("v1", "pods?labelSelector=app%3Dweb");
    lab.eventually(&path, "another Pod that runs", |r| {
        r.items().iter().any(|p| p["metadata"]["name"] != name && p["status"]["phase"] == "Running")
    })
    .await?;
    let old = lab.read(&lab.path("v1", &format!("pods/{name}"))).await?;
    old.ensure(old.at("/status/phase") == "Failed", "the old Pod to stay")
}

async fn pods_are_reported(lab: &Lab) -> Outcome {
    started(lab, 1).await?;
    let pod = pods(lab).await?.remove(0);
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let event = lab.event("ReplicaSet", "web", "SuccessfulCreate").await?;
    ensure(&event, event["message"] == format!("Created pod: {name}"), "the Pod's name")?;
    lab.change(APPS, "replicasets/web", json!({"spec": {"replicas": 0}})).await?;
    let event = lab.event("ReplicaSet", "web", "SuccessfulDelete").await?;
    ensure(&event, event["message"] == format!("Deleted pod: {name}"), "the Pod's name")
}
