//! Pods: the scheduler and the node.

use serde_json::{Value, json};

use super::{FATE, condition, ensure, says};
use crate::conformance::{Failure, Lab, Outcome, cases::cases};

cases!("pod":
    it_runs_and_is_ready (needs_controllers),
    it_is_bound_to_a_node_in_one_write (needs_controllers),
    one_that_is_not_restarted_succeeds (needs_controllers),
    one_that_fits_no_node_is_unschedulable (needs_controllers),
    one_that_asks_for_too_much_is_unschedulable (needs_controllers),
    one_behind_a_gate_is_not_scheduled (needs_controllers),
    a_missing_claim_holds_it_up (needs_controllers),
    one_that_never_gets_ready_runs (needs_controllers),
    one_that_crashes_is_restarted (needs_controllers),
    a_missing_image_holds_it_up (needs_controllers),
    one_that_fails_says_how (needs_controllers),
    one_that_is_deleted_ends_gracefully (needs_controllers),
    init_containers_have_ended (needs_controllers),
);

async fn pod(lab: &Lab, extra: Value) -> Result<(), Failure> {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]},
    });
    json_patch::merge(&mut object, &extra);
    lab.start("v1", "pods", object).await.map(drop)
}

async fn until(lab: &Lab, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
    lab.until("v1", "pods/a", what, wanted).await
}

fn with_fate(fate: &str) -> Value {
    json!({"metadata": {"annotations": {FATE: fate}}})
}

async fn it_runs_and_is_ready(lab: &Lab) -> Outcome {
    pod(lab, json!({})).await?;
    let a = until(lab, "a Pod that is ready", |p| condition(p, "Ready")["status"] == "True").await?;
    ensure(&a, a["status"]["phase"] == "Running", "a Pod that runs")?;
    for kind in ["PodScheduled", "Initialized", "ContainersReady"] {
        ensure(&a, condition(&a, kind)["status"] == "True", kind)?;
    }
    let container = &a["status"]["containerStatuses"][0];
    ensure(&a, container["name"] == "main" && container["image"] == "example.com/app:1", "its container")?;
    ensure(
        &a,
        container["ready"] == true && container["started"] == true && container["restartCount"] == 0,
        "at work",
    )?;
    ensure(&a, container["state"]["running"]["startedAt"].is_string(), "running")?;
    ensure(
        &a,
        a["status"]["podIP"] == a["status"]["podIPs"][0]["ip"] && a["status"]["podIP"].is_string(),
        "an address",
    )?;
    ensure(&a, a["status"]["startTime"].is_string() && a["status"]["qosClass"] == "BestEffort", "its start and class")
}

async fn it_is_bound_to_a_node_in_one_write(lab: &Lab) -> Outcome {
    let mut watch = lab.watch(&lab.path("v1", "pods")).await?;
    pod(lab, json!({})).await?;
    let event = watch.until("a node", |e| e.object["spec"]["nodeName"].is_string()).await?;
    ensure(&event.object, condition(&event.object, "PodScheduled")["status"] == "True", "the condition with it")?;
    ensure(&event.object, event.object["metadata"]["generation"] == 1, "the first generation")?;
    let reported = lab.event("Pod", "a", "Scheduled").await?;
    let node = event.object["spec"]["nodeName"].as_str().unwrap_or_default();
    let message = format!("Successfully assigned {}/a to {node}", lab.namespace());
    ensure(&reported, reported["message"] == message, &message)?;
    ensure(
        &reported,
        reported["reportingComponent"] == "default-scheduler" && reported["action"] == "Binding",
        "its reporter",
    )?;
    ensure(&reported, reported["source"] == json!({}) && reported["eventTime"].is_string(), "the newer form")
}

async fn one_that_is_not_restarted_succeeds(lab: &Lab) -> Outcome {
    pod(lab, json!({"spec": {"restartPolicy": "Never"}})).await?;
    let a = until(lab, "a Pod that succeeded", |p| p["status"]["phase"] == "Succeeded").await?;
    ensure(&a, says(&a, "Ready", "False", "PodCompleted"), "not ready, because it is complete")?;
    let over = &a["status"]["containerStatuses"][0]["state"]["terminated"];
    ensure(&a, over["exitCode"] == 0 && over["reason"] == "Completed", "an exit code of 0")
}

async fn one_that_fits_no_node_is_unschedulable(lab: &Lab) -> Outcome {
    pod(lab, json!({"spec": {"nodeSelector": {"example.com/there-is": "none"}}})).await?;
    let a = until(lab, "a condition", |p| says(p, "PodScheduled", "False", "Unschedulable")).await?;
    let message = condition(&a, "PodScheduled")["message"].as_str().unwrap_or_default().to_owned();
    ensure(&a, message.contains("node(s) didn't match Pod's node affinity/selector"), "why")?;
    ensure(&a, message.starts_with("0/") && message.contains("nodes are available: "), "on how many nodes")?;
    ensure(&a, condition(&a, "PodScheduled")["observedGeneration"] == 1, "the generation")?;
    ensure(&a, a["status"]["phase"] == "Pending" && a["spec"].get("nodeName").is_none(), "a Pod that waits")?;
    let event = lab.event("Pod", "a", "FailedScheduling").await?;
    ensure(&event, event["type"] == "Warning", "a warning")
}

async fn one_that_asks_for_too_much_is_unschedulable(lab: &Lab) -> Outcome {
    let containers =
        json!([{"name": "main", "image": "example.com/app:1", "resources": {"requests": {"cpu": "100000"}}}]);
    pod(lab, json!({"spec": {"containers": containers}})).await?;
    let a = until(lab, "a condition", |p| says(p, "PodScheduled", "False", "Unschedulable")).await?;
    let message = condition(&a, "PodScheduled")["message"].as_str().unwrap_or_default().to_owned();
    ensure(&a, message.contains("Insufficient cpu"), "why")
}

async fn one_behind_a_gate_is_not_scheduled(lab: &Lab) -> Outcome {
    pod(lab, json!({"spec": {"schedulingGates": [{"name": "example.com/wait"}]}})).await?;
    let a = until(lab, "a condition", |p| says(p, "PodScheduled", "False", "SchedulingGated")).await?;
    let message = "Scheduling is blocked due to non-empty scheduling gates";
    ensure(&a, condition(&a, "PodScheduled")["message"] == message, message)?;
    lab.change("v1", "pods/a", json!({"spec": {"schedulingGates": null}})).await?;
    until(lab, "a Pod that runs", |p| p["status"]["phase"] == "Running").await.map(drop)
}

async fn a_missing_claim_holds_it_up(lab: &Lab) -> Outcome {
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "later"}}]);
    pod(lab, json!({"spec": {"volumes": volumes}})).await?;
    let a = until(lab, "a condition", |p| says(p, "PodScheduled", "False", "Unschedulable")).await?;
    let message = condition(&a, "PodScheduled")["message"].as_str().unwrap_or_default().to_owned();
    ensure(&a, message.contains("persistentvolumeclaim \"later\" not found"), "why")?;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "later"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    lab.create(&lab.path("v1", "persistentvolumeclaims"), claim).await?;
    until(lab, "a Pod that runs", |p| p["status"]["phase"] == "Running").await.map(drop)
}

async fn one_that_never_gets_ready_runs(lab: &Lab) -> Outcome {
    pod(lab, with_fate("never-ready")).await?;
    let a = until(lab, "a Pod that runs", |p| p["status"]["phase"] == "Running").await?;
    ensure(&a, says(&a, "Ready", "False", "ContainersNotReady"), "not ready")?;
    let container = &a["status"]["containerStatuses"][0];
    ensure(&a, container["ready"] == false && container["started"] == true, "a container that is not ready")
}

async fn one_that_crashes_is_restarted(lab: &Lab) -> Outcome {
    pod(lab, with_fate("crash-looping")).await?;
    let waits = |p: &Value| p["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    let a = until(lab, "a crash loop", waits).await?;
    let container = &a["status"]["containerStatuses"][0];
    let message = container["state"]["waiting"]["message"].as_str().unwrap_or_default();
    ensure(&a, message.starts_with("back-off 10s restarting failed container"), "how long it waits")?;
    ensure(&a, a["status"]["phase"] == "Running" && says(&a, "Ready", "False", "ContainersNotReady"), "not ready")?;
    let last = &container["lastState"]["terminated"];
    ensure(&a, last["exitCode"] == 1 && last["reason"] == "Error", "how it ended")?;
    let restarts = container["restartCount"].as_i64().unwrap_or(0);
    ensure(&a, restarts >= 1, "a restart")?;
    until(lab, "another restart", |p| {
        p["status"]["containerStatuses"][0]["restartCount"].as_i64().is_some_and(|n| n > restarts)
    })
    .await
    .map(drop)
}

async fn a_missing_image_holds_it_up(lab: &Lab) -> Outcome {
    pod(lab, with_fate("image-missing")).await?;
    let waits = |p: &Value| p["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff";
    let a = until(lab, "an image that is not there", waits).await?;
    ensure(
        &a,
        a["status"]["phase"] == "Pending" && says(&a, "Ready", "False", "ContainersNotReady"),
        "a Pod that waits",
    )?;
    ensure(&a, a["status"]["containerStatuses"][0]["restartCount"] == 0, "no restart")
}

async fn one_that_fails_says_how(lab: &Lab) -> Outcome {
    let mut extra = with_fate("failing");
    extra["spec"] = json!({"restartPolicy": "Never"});
    pod(lab, extra).await?;
    let a = until(lab, "a Pod that failed", |p| p["status"]["phase"] == "Failed").await?;
    let over = &a["status"]["containerStatuses"][0]["state"]["terminated"];
    ensure(&a, over["exitCode"] == 1 && over["reason"] == "Error", "an exit code of 1")?;
    ensure(&a, says(&a, "Ready", "False", "PodFailed"), "not ready")
}

async fn one_that_is_deleted_ends_gracefully(lab: &Lab) -> Outcome {
    pod(lab, json!({})).await?;
    until(lab, "a Pod that runs", |p| p["status"]["phase"] == "Running").await?;
    let mut watch = lab.watch(&lab.path("v1", "pods")).await?;
    let reply = lab.delete(&lab.path("v1", "pods/a")).await?.expect(200)?;
    reply.ensure(reply.at("/metadata/deletionGracePeriodSeconds") == 30, "half a minute of grace")?;
    watch.until("its end", |e| e.kind == "DELETED").await?;
    lab.get(&lab.path("v1", "pods/a")).await?.expect(404).map(drop)
}

async fn init_containers_have_ended(lab: &Lab) -> Outcome {
    let init = json!([
        {"name": "first", "image": "example.com/init:1"},
        {"name": "beside", "image": "example.com/proxy:1", "restartPolicy": "Always"},
    ]);
    pod(lab, json!({"spec": {"initContainers": init}})).await?;
    let a = until(lab, "a Pod that is ready", |p| condition(p, "Ready")["status"] == "True").await?;
    let statuses = &a["status"]["initContainerStatuses"];
    let over = &statuses[0]["state"]["terminated"];
    ensure(&a, over["exitCode"] == 0 && over["reason"] == "Completed", "the first one's end")?;
    ensure(&a, statuses[1]["state"]["running"].is_object() && statuses[1]["ready"] == true, "the one that stays")
}
