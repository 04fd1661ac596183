//! DaemonSets.

use serde_json::{Value, json};

use super::{controlled_by, count, ensure, fate, is_hash, observed, workload};
use crate::conformance::{Failure, Lab, Outcome, cases::cases};

cases!("daemonset":
    a_pod_runs_on_the_node (needs_controllers),
    its_pods_ask_for_their_node_and_bear_its_troubles (needs_controllers),
    without_a_fitting_node_it_is_complete (needs_controllers),
    a_new_template_replaces_its_pods (needs_controllers),
    on_delete_waits_for_deletions (needs_controllers),
    a_pod_that_is_not_ready_is_unavailable (needs_controllers),
    its_revision_is_kept (needs_controllers),
);

const APPS: &str = "apps/v1";

fn complete(d: &Value) -> bool {
    observed(d)
        && count(d, "desiredNumberScheduled") > 0
        && ["currentNumberScheduled", "numberReady", "numberAvailable", "updatedNumberScheduled"]
            .iter()
            .all(|f| count(d, f) == count(d, "desiredNumberScheduled"))
}

async fn started(lab: &Lab, spec: Value) -> Result<Value, Failure> {
    // Not on the nodes that other cases make, which have no room.
    let mut object = workload("DaemonSet", "agent", spec);
    object["spec"]["template"]["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "linux"});
    lab.start(APPS, "daemonsets", object).await?;
    lab.until(APPS, "daemonsets/agent", "a set that is complete", complete).await
}

async fn pods(lab: &Lab) -> Result<Vec<Value>, Failure> {
    lab.all("v1", "pods", "app%3Dagent").await
}

async fn a_pod_runs_on_the_node(lab: &Lab) -> Outcome {
    let set = started(lab, json!({})).await?;
    ensure(&set, set["status"]["numberMisscheduled"] == 0, "none misscheduled")?;
    ensure(&set, set["status"].get("numberUnavailable").is_none(), "none unavailable")?;
    let pod = pods(lab).await?.remove(0);
    ensure(&pod, controlled_by(&pod, "DaemonSet", "agent"), "the set as its controller")?;
    ensure(&pod, pod["spec"]["nodeName"].is_string(), "a node")
}

async fn its_pods_ask_for_their_node_and_bear_its_troubles(lab: &Lab) -> Outcome {
    started(lab, json!({})).await?;
    let pod = pods(lab).await?.remove(0);
    let terms =
        &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    let wanted =
        json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [pod["spec"]["nodeName"]]}]}]);
    ensure(&pod, *terms == wanted, "its node by name")?;
    let tolerations = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    for (key, effect) in [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ] {
        let toleration = json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect});
        ensure(&pod, tolerations.contains(&toleration), &toleration.to_string())?;
    }
    ensure(&pod, is_hash(&pod["metadata"]["labels"]["controller-revision-hash"]), "a hash as a label")?;
    ensure(&pod, pod["metadata"]["labels"]["pod-template-generation"] == "1", "the template's generation")
}

async fn without_a_fitting_node_it_is_complete(lab: &Lab) -> Outcome {
    let spec = json!({"template": {"spec": {"nodeSelector": {"example.com/there-is": "none"}}}});
    lab.start(APPS, "daemonsets", workload("DaemonSet", "agent", spec)).await?;
    let set = lab.until(APPS, "daemonsets/agent", "an observed set", observed).await?;
    let status = json!({
        "observedGeneration": 1, "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0,
        "numberReady": 0,
    });
    ensure(&set, set["status"] == status, &status.to_string())
}

async fn a_new_template_replaces_its_pods(lab: &Lab) -> Outcome {
    started(lab, json!({})).await?;
    let before = pods(lab).await?.remove(0);
    let containers = json!([{"name": "main", "image": "example.com/app:2"}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let set = lab.change(APPS, "daemonsets/agent", patch).await?;
    let annotation = &set["metadata"]["annotations"]["deprecated.daemonset.template.generation"];
    ensure(&set, annotation == "2", "the template's generation as an annotation")?;
    lab.until(APPS, "daemonsets/agent", "a set that is complete", |d| {
        d["status"]["observedGeneration"] == 2 && complete(d)
    })
    .await?;
    let path = lab.path("v1", "pods?labelSelector=app%3Dagent");
    let after = lab
        .eventually(&path, "other Pods", |r| {
            r.items().iter().all(|p| p["metadata"]["uid"] != before["metadata"]["uid"]) && !r.items().is_empty()
        })
        .await?;
    ensure(after.value(), after.items()[0]["spec"]["containers"][0]["image"] == "example.com/app:2", "the new image")
}

async fn on_delete_waits_for_deletions(lab: &Lab) -> Outcome {
    started(lab, json!({"updateStrategy": {"type": "OnDelete"}})).await?;
    let before = pods(lab).await?.remove(0);
    let containers = json!([{"name": "main", "image": "example.com/app:2"}]);
    lab.change(APPS, "daemonsets/agent", json!({"spec": {"template": {"spec": {"containers": containers}}}})).await?;
    lab.until(APPS, "daemonsets/agent", "none of the new template", |d| {
        observed(d) && count(d, "updatedNumberScheduled") == 0 && count(d, "numberReady") > 0
    })
    .await?;
    let after = pods(lab).await?.remove(0);
    ensure(&after, after["metadata"]["uid"] == before["metadata"]["uid"], "the old Pod")
}

async fn a_pod_that_is_not_ready_is_unavailable(lab: &Lab) -> Outcome {
    lab.start(APPS, "daemonsets", workload("DaemonSet", "agent", fate("never-ready"))).await?;
    let set = lab
        .until(APPS, "daemonsets/agent", "Pods that are scheduled", |d| {
            count(d, "currentNumberScheduled") > 0
                && count(d, "currentNumberScheduled") == count(d, "numberUnavailable")
        })
        .await?;
    ensure(&set, set["status"]["numberReady"] == 0, "none ready")
}

async fn its_revision_is_kept(lab: &Lab) -> Outcome {
    started(lab, json!({})).await?;
    let revision = lab.all(APPS, "controllerrevisions", "app%3Dagent").await?.remove(0);
    let hash = &revision["metadata"]["labels"]["controller-revision-hash"];
    let name = format!("agent-{}", hash.as_str().unwrap_or_default());
    ensure(&revision, is_hash(hash) && revision["metadata"]["name"] == name, "the hash in the name")?;
    ensure(&revision, revision["revision"] == 1, "number 1")?;
    let pod = pods(lab).await?.remove(0);
    ensure(&pod, pod["metadata"]["labels"]["controller-revision-hash"] == *hash, "the hash on the Pod")
}
