//! StatefulSets.

use serde_json::{Value, json};

use super::{controlled_by, count, ensure, fate, is_hash, managers, observed, workload};
use crate::conformance::{Failure, Lab, Outcome, cases::cases};

cases!("statefulset":
    pods_are_numbered_and_made_in_order (needs_controllers),
    pods_know_their_number_and_revision (needs_controllers),
    its_revision_is_kept (needs_controllers),
    a_pod_that_is_not_ready_holds_up_the_next (needs_controllers),
    in_parallel_none_waits_for_another (needs_controllers),
    it_shrinks_from_the_highest_number (needs_controllers),
    a_new_template_replaces_all_pods (needs_controllers),
    a_partition_keeps_lower_numbers (needs_controllers),
    on_delete_waits_for_deletions (needs_controllers),
    a_broken_pod_holds_up_its_own_repair (needs_controllers),
    numbers_may_start_later (needs_controllers),
    claims_outlive_their_pods (needs_controllers),
    claims_go_with_what_is_scaled_away (needs_controllers),
    a_claim_is_named_after_its_template_and_pod (needs_controllers),
    going_back_takes_the_revision_again (needs_controllers),
);

const APPS: &str = "apps/v1";

fn complete(s: &Value, replicas: i64) -> bool {
    observed(s)
        && ["replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "currentReplicas"]
            .iter()
            .all(|f| count(s, f) == replicas)
        && s["status"]["currentRevision"] == s["status"]["updateRevision"]
}

async fn done(lab: &Lab, replicas: i64) -> Result<Value, Failure> {
    lab.until(APPS, "statefulsets/db", "a set that is complete", |s| complete(s, replicas)).await
}

async fn start(lab: &Lab, mut spec: Value) -> Result<(), Failure> {
    spec["serviceName"] = "db".into();
    lab.start(APPS, "statefulsets", workload("StatefulSet", "db", spec)).await.map(drop)
}

async fn started(lab: &Lab, replicas: i64, mut spec: Value) -> Result<Value, Failure> {
    spec["replicas"] = replicas.into();
    start(lab, spec).await?;
    done(lab, replicas).await
}

async fn names(lab: &Lab) -> Result<Vec<String>, Failure> {
    let pods = lab.all("v1", "pods", "app%3Ddb").await?;
    Ok(pods.iter().map(|p| p["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect())
}

async fn set_image(lab: &Lab, tag: u32) -> Result<Value, Failure> {
    let containers = json!([{"name": "main", "image": format!("example.com/app:{tag}")}]);
    lab.change(APPS, "statefulsets/db", json!({"spec": {"template": {"spec": {"containers": containers}}}})).await
}

async fn image_of(lab: &Lab, pod: &str) -> Result<String, Failure> {
    let pod = lab.read(&lab.path("v1", &format!("pods/{pod}"))).await?;
    Ok(pod.str_at("/spec/containers/0/image").to_owned())
}

fn claims() -> Value {
    json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}])
}

async fn pods_are_numbered_and_made_in_order(lab: &Lab) -> Outcome {
    let mut watch = lab.watch(&lab.path("v1", "pods?labelSelector=app%3Ddb")).await?;
    started(lab, 2, json!({})).await?;
    let ready = |p: &Value| super::condition(p, "Ready")["status"] == "True";
    let mut first_is_ready = false;
    loop {
        let event = watch.event().await?;
        first_is_ready |= event.name() == "db-0" && ready(&event.object);
        if event.name() == "db-1" {
            return ensure(&event.object, first_is_ready, "db-0 to be ready before db-1 is there");
        }
    }
}

async fn pods_know_their_number_and_revision(lab: &Lab) -> Outcome {
    let set = started(lab, 1, json!({})).await?;
    let pod = lab.read(&lab.path("v1", "pods/db-0")).await?.into_value();
    let labels = json!({
        "app": "db", "apps.kubernetes.io/pod-index": "0", "controller-revision-hash": set["status"]["updateRevision"],
        "statefulset.kubernetes.io/pod-name": "db-0",
    });
    ensure(&pod, pod["metadata"]["labels"] == labels, &labels.to_string())?;
    ensure(&pod, pod["spec"]["hostname"] == "db-0" && pod["spec"]["subdomain"] == "db", "a name in the network")?;
    ensure(&pod, controlled_by(&pod, "StatefulSet", "db"), "the set as its controller")
}

async fn its_revision_is_kept(lab: &Lab) -> Outcome {
    let set = started(lab, 1, json!({})).await?;
    let revision = lab.all(APPS, "controllerrevisions", "app%3Ddb").await?.remove(0);
    ensure(&revision, revision["metadata"]["name"] == set["status"]["updateRevision"], "the name in the status")?;
    ensure(&revision, revision["revision"] == 1, "number 1")?;
    let hash = &revision["metadata"]["labels"]["controller.kubernetes.io/hash"];
    ensure(&revision, is_hash(hash), "a hash as a label")?;
    let name = format!("db-{}", hash.as_str().unwrap_or_default());
    ensure(&revision, revision["metadata"]["name"] == name, "the hash in the name")?;
    ensure(&revision, controlled_by(&revision, "StatefulSet", "db"), "the set as its controller")?;
    let template = &revision["data"]["spec"]["template"];
    ensure(&revision, template["spec"]["containers"][0]["image"] == "example.com/app:1", "the template")?;
    ensure(&revision, template["$patch"] == "replace", "how the template is put back")?;
    ensure(&revision, managers(&revision) == [("kube-controller-manager".to_owned(), String::new())], "one manager")
}

async fn a_pod_that_is_not_ready_holds_up_the_next(lab: &Lab) -> Outcome {
    let mut spec = fate("never-ready");
    spec["replicas"] = 2.into();
    start(lab, spec).await?;
    lab.until("v1", "pods/db-0", "a Pod that runs", |p| p["status"]["phase"] == "Running").await?;
    let set = lab.until(APPS, "statefulsets/db", "one Pod", |s| observed(s) && count(s, "replicas") == 1).await?;
    ensure(&set, count(&set, "readyReplicas") == 0 && set["status"]["availableReplicas"] == 0, "none ready")?;
    lab.get(&lab.path("v1", "pods/db-1")).await?.expect(404).map(drop)
}

async fn in_parallel_none_waits_for_another(lab: &Lab) -> Outcome {
    let mut spec = fate("never-ready");
    (spec["replicas"], spec["podManagementPolicy"]) = (3.into(), "Parallel".into());
    start(lab, spec).await?;
    lab.until(APPS, "statefulsets/db", "all Pods", |s| count(s, "replicas") == 3).await?;
    let names = names(lab).await?;
    ensure(&json!(names), names == ["db-0", "db-1", "db-2"], "three Pods")
}

async fn it_shrinks_from_the_highest_number(lab: &Lab) -> Outcome {
    started(lab, 3, json!({})).await?;
    lab.change(APPS, "statefulsets/db", json!({"spec": {"replicas": 1}})).await?;
    done(lab, 1).await?;
    lab.until_gone("v1", "pods/db-1").await?;
    let names = names(lab).await?;
    ensure(&json!(names), names == ["db-0"], "the first Pod")
}

async fn a_new_template_replaces_all_pods(lab: &Lab) -> Outcome {
    let before = started(lab, 2, json!({})).await?;
    set_image(lab, 2).await?;
    let after = lab
        .until(APPS, "statefulsets/db", "the new revision everywhere", |s| {
            complete(s, 2) && s["status"]["currentRevision"] != before["status"]["currentRevision"]
        })
        .await?;
    let images = [image_of(lab, "db-0").await?, image_of(lab, "db-1").await?];
    ensure(&after, images == ["example.com/app:2", "example.com/app:2"], "the new image")?;
    let revisions = lab.all(APPS, "controllerrevisions", "app%3Ddb").await?;
    ensure(&json!(revisions), revisions.len() == 2, "two revisions")
}

async fn a_partition_keeps_lower_numbers(lab: &Lab) -> Outcome {
    started(lab, 2, json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}})).await?;
    set_image(lab, 2).await?;
    lab.until(APPS, "statefulsets/db", "one new Pod", |s| {
        observed(s)
            && count(s, "updatedReplicas") == 1
            && count(s, "currentReplicas") == 1
            && count(s, "readyReplicas") == 2
    })
    .await?;
    let images = [image_of(lab, "db-0").await?, image_of(lab, "db-1").await?];
    ensure(&json!(images), images == ["example.com/app:1", "example.com/app:2"], "the new image above the partition")?;
    // Below it, a Pod is made of the old template again. The set's status may never be seen without it: its uid tells.
    let old = lab.read(&lab.path("v1", "pods/db-0")).await?.into_value();
    lab.delete(&lab.path("v1", "pods/db-0")).await?.expect(200)?;
    lab.until("v1", "pods/db-0", "another Pod that is ready", |p| {
        p["metadata"]["uid"] != old["metadata"]["uid"] && super::condition(p, "Ready")["status"] == "True"
    })
    .await?;
    let image = image_of(lab, "db-0").await?;
    ensure(&json!(image), image == "example.com/app:1", "the old image below the partition")
}

async fn on_delete_waits_for_deletions(lab: &Lab) -> Outcome {
    started(lab, 1, json!({"updateStrategy": {"type": "OnDelete"}})).await?;
    set_image(lab, 2).await?;
    let set = lab.until(APPS, "statefulsets/db", "an observed change", observed).await?;
    ensure(&set, count(&set, "updatedReplicas") == 0 && count(&set, "currentReplicas") == 1, "no new Pod")?;
    lab.delete(&lab.path("v1", "pods/db-0")).await?.expect(200)?;
    lab.until(APPS, "statefulsets/db", "a new Pod", |s| {
        count(s, "updatedReplicas") == 1 && count(s, "readyReplicas") == 1
    })
    .await?;
    let image = image_of(lab, "db-0").await?;
    ensure(&json!(image), image == "example.com/app:2", "the new image")
}

async fn a_broken_pod_holds_up_its_own_repair(lab: &Lab) -> Outcome {
    let mut spec = fate("never-ready");
    spec["replicas"] = 1.into();
    start(lab, spec).await?;
    let broken = lab.until("v1", "pods/db-0", "a Pod that runs", |p| p["status"]["phase"] == "Running").await?;
    let old = lab.until(APPS, "statefulsets/db", "a status", |s| observed(s) && count(s, "replicas") == 1).await?;
    lab.change(APPS, "statefulsets/db", json!({"spec": fate("")})).await?;
    lab.until(APPS, "statefulsets/db", "another revision to come", |s| {
        observed(s) && s["status"]["updateRevision"] != old["status"]["updateRevision"]
    })
    .await?;
    let pod = lab.read(&lab.path("v1", "pods/db-0")).await?.into_value();
    ensure(&pod, pod["metadata"]["uid"] == broken["metadata"]["uid"], "the broken Pod")?;
    lab.delete(&lab.path("v1", "pods/db-0")).await?.expect(200)?;
    done(lab, 1).await.map(drop)
}

async fn numbers_may_start_later(lab: &Lab) -> Outcome {
    started(lab, 2, json!({"ordinals": {"start": 5}})).await?;
    let names = names(lab).await?;
    ensure(&json!(names), names == ["db-5", "db-6"], "numbers from 5 on")
}

async fn claims_outlive_their_pods(lab: &Lab) -> Outcome {
    started(lab, 1, json!({"volumeClaimTemplates": claims()})).await?;
    let claim = lab
        .until("v1", "persistentvolumeclaims/data-db-0", "a bound claim", |c| c["status"]["phase"] == "Bound")
        .await?;
    lab.change(APPS, "statefulsets/db", json!({"spec": {"replicas": 0}})).await?;
    lab.until_gone("v1", "pods/db-0").await?;
    lab.change(APPS, "statefulsets/db", json!({"spec": {"replicas": 1}})).await?;
    done(lab, 1).await?;
    let again = lab.read(&lab.path("v1", "persistentvolumeclaims/data-db-0")).await?;
    again.ensure(again.uid() == claim["metadata"]["uid"], "the same claim")
}

async fn claims_go_with_what_is_scaled_away(lab: &Lab) -> Outcome {
    let policy = json!({"whenScaled": "Delete", "whenDeleted": "Retain"});
    started(lab, 2, json!({"volumeClaimTemplates": claims(), "persistentVolumeClaimRetentionPolicy": policy})).await?;
    lab.change(APPS, "statefulsets/db", json!({"spec": {"replicas": 1}})).await?;
    lab.until_gone("v1", "persistentvolumeclaims/data-db-1").await?;
    lab.read(&lab.path("v1", "persistentvolumeclaims/data-db-0")).await.map(drop)
}

async fn a_claim_is_named_after_its_template_and_pod(lab: &Lab) -> Outcome {
    started(lab, 1, json!({"volumeClaimTemplates": claims()})).await?;
    let pod = lab.read(&lab.path("v1", "pods/db-0")).await?.into_value();
    let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    let volume = json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}});
    ensure(&pod, volumes.contains(&volume), "the claim as a volume")?;
    let claim = lab.read(&lab.path("v1", "persistentvolumeclaims/data-db-0")).await?;
    claim
        .expect_at("/metadata/labels", json!({"app": "db"}))?
        .expect_at("/metadata/ownerReferences", Value::Null)
        .map(drop)
}

async fn going_back_takes_the_revision_again(lab: &Lab) -> Outcome {
    let first = started(lab, 1, json!({})).await?;
    set_image(lab, 2).await?;
    lab.until(APPS, "statefulsets/db", "the second revision", |s| {
        complete(s, 1) && s["status"]["currentRevision"] != first["status"]["currentRevision"]
    })
    .await?;
    set_image(lab, 1).await?;
    lab.until(APPS, "statefulsets/db", "the first revision", |s| {
        complete(s, 1) && s["status"]["currentRevision"] == first["status"]["currentRevision"]
    })
    .await?;
    let name = first["status"]["currentRevision"].as_str().unwrap_or_default();
    let revision = lab.read(&lab.path(APPS, &format!("controllerrevisions/{name}"))).await?;
    revision.expect_at("/revision", 3).map(drop)
}
