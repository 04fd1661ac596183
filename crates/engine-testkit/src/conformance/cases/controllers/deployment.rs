//! Deployments.

use serde_json::{Value, json};

use super::{condition, controlled_by, count, ensure, fate, is_hash, managers, observed, says, workload};
use crate::conformance::{Failure, Lab, Outcome, cases::cases};

cases!("deployment":
    a_rollout_ends_with_equal_counts (needs_controllers),
    the_end_of_a_rollout_is_a_condition (needs_controllers),
    minimum_availability_is_a_condition (needs_controllers),
    its_replica_set_is_named_by_the_hash_of_the_template (needs_controllers),
    its_replica_set_knows_the_bounds (needs_controllers),
    its_annotations_go_to_the_replica_set (needs_controllers),
    the_revision_is_an_annotation_on_both (needs_controllers),
    a_new_template_is_a_new_revision (needs_controllers),
    the_old_replica_set_stays_with_no_pods (needs_controllers),
    going_back_to_a_template_takes_its_replica_set_again (needs_controllers),
    a_change_of_the_scale_is_no_revision (needs_controllers),
    the_history_is_as_long_as_its_limit (needs_controllers),
    a_paused_one_makes_no_replica_set (needs_controllers),
    a_paused_one_is_scaled_all_the_same (needs_controllers),
    recreate_has_no_pods_of_two_templates (needs_controllers),
    a_rollout_of_broken_pods_stands_still (needs_controllers),
    a_rollout_that_stands_still_exceeds_its_deadline (needs_controllers),
    the_surge_is_made_when_none_may_be_unavailable (needs_controllers),
    pods_are_available_after_their_minimal_time (needs_controllers),
    none_wanted_is_a_rollout_that_is_complete (needs_controllers),
    scaling_is_reported (needs_controllers),
    the_status_is_written_by_the_controller_manager (needs_controllers),
    replica_sets_without_an_owner_are_adopted (needs_controllers),
    a_deleted_replica_set_is_made_again (needs_controllers),
    a_rollout_in_progress_is_scaled_in_proportion (needs_controllers),
);

const APPS: &str = "apps/v1";

fn complete(d: &Value, replicas: i64) -> bool {
    observed(d)
        && ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"].iter().all(|f| count(d, f) == replicas)
}

async fn deploy(lab: &Lab, spec: Value) -> Result<(), Failure> {
    lab.start(APPS, "deployments", workload("Deployment", "web", spec)).await.map(drop)
}

async fn done(lab: &Lab, replicas: i64) -> Result<Value, Failure> {
    lab.until(APPS, "deployments/web", "a rollout that is complete", |d| {
        complete(d, replicas) && says(d, "Progressing", "True", "NewReplicaSetAvailable")
    })
    .await
}

async fn deployed(lab: &Lab, replicas: i64, mut spec: Value) -> Result<Value, Failure> {
    spec["replicas"] = replicas.into();
    deploy(lab, spec).await?;
    done(lab, replicas).await
}

fn image(tag: u32) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": format!("example.com/app:{tag}")}]}}}})
}

async fn set_image(lab: &Lab, tag: u32) -> Result<Value, Failure> {
    lab.change(APPS, "deployments/web", image(tag)).await
}

async fn sets(lab: &Lab) -> Result<Vec<Value>, Failure> {
    let mut sets = lab.all(APPS, "replicasets", "app%3Dweb").await?;
    let revision = |s: &Value| -> i64 {
        s["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            .as_str()
            .and_then(|r| r.parse().ok())
            .unwrap_or(0)
    };
    sets.sort_by_key(|s| revision(s));
    Ok(sets)
}

async fn a_rollout_ends_with_equal_counts(lab: &Lab) -> Outcome {
    let web = deployed(lab, 3, json!({})).await?;
    ensure(&web, web["status"].get("unavailableReplicas").is_none(), "no unavailableReplicas")?;
    ensure(&web, web["status"]["observedGeneration"] == 1, "the first generation")?;
    let pods = lab.all("v1", "pods", "app%3Dweb").await?;
    ensure(&json!(pods), pods.len() == 3, "three Pods")
}

async fn the_end_of_a_rollout_is_a_condition(lab: &Lab) -> Outcome {
    let web = deployed(lab, 1, json!({})).await?;
    let set = &sets(lab).await?[0]["metadata"]["name"];
    let message = format!("ReplicaSet {set} has successfully progressed.");
    ensure(&web, condition(&web, "Progressing")["message"] == message, &message)
}

async fn minimum_availability_is_a_condition(lab: &Lab) -> Outcome {
    let mut spec = fate("never-ready");
    spec["replicas"] = 2.into();
    deploy(lab, spec).await?;
    let web = lab
        .until(APPS, "deployments/web", "Pods that are not available", |d| {
            count(d, "unavailableReplicas") == 2 && count(d, "updatedReplicas") == 2
        })
        .await?;
    ensure(&web, says(&web, "Available", "False", "MinimumReplicasUnavailable"), "Available to be False")?;
    lab.change(APPS, "deployments/web", json!({"spec": {"replicas": 0}})).await?;
    lab.until(APPS, "deployments/web", "Available to be True", |d| {
        says(d, "Available", "True", "MinimumReplicasAvailable")
    })
    .await
    .map(drop)
}

async fn its_replica_set_is_named_by_the_hash_of_the_template(lab: &Lab) -> Outcome {
    deployed(lab, 1, json!({})).await?;
    let set = sets(lab).await?.remove(0);
    let hash = &set["metadata"]["labels"]["pod-template-hash"];
    ensure(&set, is_hash(hash), "a hash as a label")?;
    let name = format!("web-{}", hash.as_str().unwrap_or_default());
    ensure(&set, set["metadata"]["name"] == name, "the hash in the name")?;
    ensure(
        &set,
        set["spec"]["selector"]["matchLabels"] == json!({"app": "web", "pod-template-hash": hash}),
        "the hash in the selector",
    )?;
    ensure(
        &set,
        set["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == *hash,
        "the hash in the template",
    )?;
    ensure(&set, controlled_by(&set, "Deployment", "web"), "the Deployment as its controller")?;
    let pod = lab.all("v1", "pods", "app%3Dweb").await?.remove(0);
    ensure(&pod, pod["metadata"]["labels"]["pod-template-hash"] == *hash, "the hash on the Pod")?;
    ensure(&pod, pod["metadata"]["generateName"] == format!("{name}-"), "a generated name")?;
    ensure(&pod, controlled_by(&pod, "ReplicaSet", &name), "the ReplicaSet as its controller")
}

async fn its_replica_set_knows_the_bounds(lab: &Lab) -> Outcome {
    deployed(lab, 4, json!({"strategy": {"rollingUpdate": {"maxSurge": "30%"}}})).await?;
    let set = sets(lab).await?.remove(0);
    let annotations = &set["metadata"]["annotations"];
    ensure(&set, annotations["deployment.kubernetes.io/desired-replicas"] == "4", "the number that is wanted")?;
    ensure(&set, annotations["deployment.kubernetes.io/max-replicas"] == "6", "the number that may be")
}

async fn its_annotations_go_to_the_replica_set(lab: &Lab) -> Outcome {
    let mut object = workload("Deployment", "web", json!({"replicas": 1}));
    object["metadata"]["annotations"] =
        json!({"example.com/note": "a", "kubectl.kubernetes.io/last-applied-configuration": "{}"});
    lab.start(APPS, "deployments", object).await?;
    done(lab, 1).await?;
    let set = sets(lab).await?.remove(0);
    ensure(&set, set["metadata"]["annotations"]["example.com/note"] == "a", "the annotation")?;
    let kubectl = &set["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    ensure(&set, kubectl.is_null(), "no annotation of kubectl's")?;
    lab.change(APPS, "deployments/web", json!({"metadata": {"annotations": {"example.com/note": "b"}}})).await?;
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    lab.until(APPS, &format!("replicasets/{name}"), "the new annotation", |s| {
        s["metadata"]["annotations"]["example.com/note"] == "b"
    })
    .await
    .map(drop)
}

async fn the_revision_is_an_annotation_on_both(lab: &Lab) -> Outcome {
    let web = deployed(lab, 1, json!({})).await?;
    let key = "deployment.kubernetes.io/revision";
    ensure(&web, web["metadata"]["annotations"][key] == "1", "revision 1")?;
    let set = sets(lab).await?.remove(0);
    ensure(&set, set["metadata"]["annotations"][key] == "1", "revision 1")
}

async fn a_new_template_is_a_new_revision(lab: &Lab) -> Outcome {
    deployed(lab, 1, json!({})).await?;
    set_image(lab, 2).await?;
    let web = done(lab, 1).await?;
    ensure(&web, web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2", "revision 2")?;
    ensure(&web, web["metadata"]["generation"] == 2, "generation 2")?;
    let all = sets(lab).await?;
    ensure(&json!(all), all.len() == 2, "two ReplicaSets")?;
    let image = &all[1]["spec"]["template"]["spec"]["containers"][0]["image"];
    ensure(&all[1], image == "example.com/app:2", "the new image in the second")
}

async fn the_old_replica_set_stays_with_no_pods(lab: &Lab) -> Outcome {
    deployed(lab, 2, json!({})).await?;
    set_image(lab, 2).await?;
    done(lab, 2).await?;
    let old = sets(lab).await?.remove(0);
    ensure(&old, old["spec"]["replicas"] == 0, "no replicas wanted")?;
    let name = old["metadata"]["name"].as_str().unwrap_or_default();
    lab.until(APPS, &format!("replicasets/{name}"), "no replicas left", |s| {
        s["status"]["replicas"] == 0 && s["status"].get("readyReplicas").is_none() && observed(s)
    })
    .await
    .map(drop)
}

async fn going_back_to_a_template_takes_its_replica_set_again(lab: &Lab) -> Outcome {
    deployed(lab, 1, json!({})).await?;
    let first = sets(lab).await?.remove(0);
    set_image(lab, 2).await?;
    done(lab, 1).await?;
    set_image(lab, 1).await?;
    lab.until(APPS, "deployments/web", "revision 3", |d| {
        d["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3" && complete(d, 1)
    })
    .await?;
    let all = sets(lab).await?;
    ensure(&json!(all), all.len() == 2, "no third ReplicaSet")?;
    ensure(&all[1], all[1]["metadata"]["uid"] == first["metadata"]["uid"], "the first one as the newest")?;
    let annotations = &all[1]["metadata"]["annotations"];
    ensure(&all[1], annotations["deployment.kubernetes.io/revision-history"] == "1", "its history")
}

async fn a_change_of_the_scale_is_no_revision(lab: &Lab) -> Outcome {
    deployed(lab, 1, json!({})).await?;
    lab.change(APPS, "deployments/web", json!({"spec": {"replicas": 3}})).await?;
    let web = done(lab, 3).await?;
    ensure(&web, web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1", "revision 1")?;
    ensure(&web, web["metadata"]["generation"] == 2, "generation 2")?;
    let all = sets(lab).await?;
    ensure(&json!(all), all.len() == 1, "one ReplicaSet")?;
    ensure(
        &all[0],
        all[0]["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == "3",
        "the new number",
    )
}

async fn the_history_is_as_long_as_its_limit(lab: &Lab) -> Outcome {
    deployed(lab, 1, json!({"revisionHistoryLimit": 1})).await?;
    for tag in 2..=4 {
        set_image(lab, tag).await?;
        done(lab, 1).await?;
    }
    let path = lab.path(APPS, "replicasets?labelSelector=app%3Dweb");
    lab.eventually(&path, "the newest and one old ReplicaSet", |r| r.items().len() == 2).await.map(drop)
}

async fn a_paused_one_makes_no_replica_set(lab: &Lab) -> Outcome {
    deploy(lab, json!({"replicas": 1, "paused": true})).await?;
    let web = lab.until(APPS, "deployments/web", "an observed pause", observed).await?;
    ensure(&web, says(&web, "Progressing", "Unknown", "DeploymentPaused"), "the pause as a condition")?;
    let all = sets(lab).await?;
    ensure(&json!(all), all.is_empty(), "no ReplicaSet")?;
    lab.change(APPS, "deployments/web", json!({"spec": {"paused": false}})).await?;
    done(lab, 1).await.map(drop)
}

async fn a_paused_one_is_scaled_all_the_same(lab: &Lab) -> Outcome {
    deployed(lab, 1, json!({})).await?;
    lab.change(APPS, "deployments/web", json!({"spec": {"paused": true}})).await?;
    set_image(lab, 2).await?;
    lab.change(APPS, "deployments/web", json!({"spec": {"replicas": 2}})).await?;
    let web = lab
        .until(APPS, "deployments/web", "two of the old template", |d| observed(d) && count(d, "readyReplicas") == 2)
        .await?;
    ensure(&web, count(&web, "updatedReplicas") == 0, "none of the new template")?;
    ensure(&web, says(&web, "Progressing", "Unknown", "DeploymentPaused"), "the pause as a condition")
}

async fn recreate_has_no_pods_of_two_templates(lab: &Lab) -> Outcome {
    deployed(lab, 2, json!({"strategy": {"type": "Recreate"}})).await?;
    let mut watch = lab.watch(&lab.path("v1", "pods?labelSelector=app%3Dweb")).await?;
    set_image(lab, 2).await?;
    done(lab, 2).await?;
    // Pods of the first template are all gone before one of the second comes.
    let mut gone = 0;
    loop {
        let event = watch.event().await?;
        let second = event.object["spec"]["containers"][0]["image"] == "example.com/app:2";
        gone += usize::from(event.kind == "DELETED" && !second);
        if second {
            return ensure(&event.object, gone == 2, "two Pods of the first template to be gone");
        }
    }
}

async fn a_rollout_of_broken_pods_stands_still(lab: &Lab) -> Outcome {
    deployed(lab, 4, json!({"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}})).await?;
    lab.change(APPS, "deployments/web", json!({"spec": fate("never-ready")})).await?;
    let web = lab
        .until(APPS, "deployments/web", "as many new Pods as there may be", |d| {
            count(d, "updatedReplicas") == 2 && count(d, "availableReplicas") == 3 && count(d, "replicas") == 5
        })
        .await?;
    ensure(&web, count(&web, "unavailableReplicas") == 2, "two that are not available")?;
    ensure(&web, says(&web, "Available", "True", "MinimumReplicasAvailable"), "enough that are")
}

async fn a_rollout_that_stands_still_exceeds_its_deadline(lab: &Lab) -> Outcome {
    let mut spec = fate("never-ready");
    spec["replicas"] = 1.into();
    spec["progressDeadlineSeconds"] = 1.into();
    deploy(lab, spec).await?;
    let web = lab
        .until(APPS, "deployments/web", "an exceeded deadline", |d| {
            says(d, "Progressing", "False", "ProgressDeadlineExceeded")
        })
        .await?;
    let message = condition(&web, "Progressing")["message"].as_str().unwrap_or_default().to_owned();
    ensure(&web, message.ends_with("has timed out progressing."), "a message that says so")?;
    lab.change(APPS, "deployments/web", json!({"spec": fate("")})).await?;
    done(lab, 1).await.map(drop)
}

async fn the_surge_is_made_when_none_may_be_unavailable(lab: &Lab) -> Outcome {
    deployed(lab, 2, json!({"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}})).await?;
    lab.change(APPS, "deployments/web", json!({"spec": fate("never-ready")})).await?;
    let web = lab
        .until(APPS, "deployments/web", "one more Pod", |d| {
            count(d, "replicas") == 3 && count(d, "updatedReplicas") == 1
        })
        .await?;
    ensure(&web, count(&web, "availableReplicas") == 2, "all old ones at work")
}

async fn pods_are_available_after_their_minimal_time(lab: &Lab) -> Outcome {
    deploy(lab, json!({"replicas": 1, "minReadySeconds": 3})).await?;
    let web = lab.until(APPS, "deployments/web", "a ready Pod", |d| count(d, "readyReplicas") == 1).await?;
    ensure(&web, count(&web, "availableReplicas") == 0, "a Pod that is ready and not available")?;
    let set = sets(lab).await?.remove(0);
    ensure(&set, set["spec"]["minReadySeconds"] == 3, "the time in the ReplicaSet")?;
    done(lab, 1).await.map(drop)
}

async fn none_wanted_is_a_rollout_that_is_complete(lab: &Lab) -> Outcome {
    let web = deployed(lab, 0, json!({})).await?;
    ensure(&web, says(&web, "Available", "True", "MinimumReplicasAvailable"), "Available to be True")?;
    ensure(&web, web["status"].get("replicas").is_none(), "no counts")
}

async fn scaling_is_reported(lab: &Lab) -> Outcome {
    deployed(lab, 2, json!({})).await?;
    let event = lab.event("Deployment", "web", "ScalingReplicaSet").await?;
    let set = sets(lab).await?.remove(0);
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    ensure(&event, event["message"] == format!("Scaled up replica set {name} from 0 to 2"), "a message that says how")?;
    ensure(&event, event["type"] == "Normal" && event["count"] == 1, "a normal event, once")?;
    ensure(&event, event["source"] == json!({"component": "deployment-controller"}), "its source")?;
    ensure(&event, event["reportingComponent"] == "deployment-controller", "its reporter")?;
    let name = event["metadata"]["name"].as_str().and_then(|n| n.strip_prefix("web.")).unwrap_or_default();
    ensure(&event, name.len() == 16 && name.chars().all(|c| c.is_ascii_hexdigit()), "a name of the time")
}

async fn the_status_is_written_by_the_controller_manager(lab: &Lab) -> Outcome {
    let web = deployed(lab, 1, json!({})).await?;
    let expected = ("kube-controller-manager".to_owned(), "status".to_owned());
    ensure(&web, managers(&web).contains(&expected), "the manager of the status")?;
    let set = sets(lab).await?.remove(0);
    ensure(&set, managers(&set).iter().all(|(m, _)| m == "kube-controller-manager"), "one manager")
}

async fn replica_sets_without_an_owner_are_adopted(lab: &Lab) -> Outcome {
    deployed(lab, 1, json!({})).await?;
    let set = sets(lab).await?.remove(0);
    lab.delete_with(
        &lab.path(APPS, "deployments/web"),
        &json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"}),
    )
    .await?
    .expect(200)?;
    let name = set["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let path = format!("replicasets/{name}");
    lab.until(APPS, &path, "no owner", |s| s["metadata"].get("ownerReferences").is_none()).await?;
    lab.until_gone(APPS, "deployments/web").await?;
    deploy(lab, json!({"replicas": 1})).await?;
    lab.until(APPS, &path, "its owner", |s| controlled_by(s, "Deployment", "web")).await?;
    done(lab, 1).await?;
    let all = sets(lab).await?;
    ensure(&json!(all), all.len() == 1, "no other ReplicaSet")
}

async fn a_deleted_replica_set_is_made_again(lab: &Lab) -> Outcome {
    deployed(lab, 1, json!({})).await?;
    let set = sets(lab).await?.remove(0);
    let path = format!("replicasets/{}", set["metadata"]["name"].as_str().unwrap_or_default());
    lab.delete(&lab.path(APPS, &path)).await?.expect(200)?;
    lab.until(APPS, &path, "another object of the same name", |s| {
        s["metadata"]["uid"].is_string() && s["metadata"]["uid"] != set["metadata"]["uid"]
    })
    .await?;
    lab.until(APPS, "deployments/web", "its Pod", |d| complete(d, 1)).await.map(drop)
}

async fn a_rollout_in_progress_is_scaled_in_proportion(lab: &Lab) -> Outcome {
    deployed(lab, 2, json!({"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}})).await?;
    lab.change(APPS, "deployments/web", json!({"spec": fate("never-ready")})).await?;
    lab.until(APPS, "deployments/web", "one new Pod", |d| count(d, "updatedReplicas") == 1 && observed(d)).await?;
    lab.change(APPS, "deployments/web", json!({"spec": {"replicas": 5}})).await?;
    lab.until(APPS, "deployments/web", "six Pods", |d| observed(d) && count(d, "replicas") == 6).await?;
    let sizes: Vec<_> = sets(lab).await?.iter().map(|s| s["spec"]["replicas"].clone()).collect();
    ensure(&json!(sizes), sizes == [json!(4), json!(2)], "4 old ones and 2 new ones")
}
