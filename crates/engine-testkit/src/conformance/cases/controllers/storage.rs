//! Claims and volumes.

use serde_json::{Value, json};

use super::ensure;
use crate::conformance::{Failure, Lab, Outcome, cases::cases};

cases!("volume":
    a_claim_is_bound_to_a_volume_made_for_it (needs_controllers),
    a_volume_that_fits_is_taken (needs_controllers),
    a_volume_that_is_too_small_is_left (needs_controllers),
    a_new_volume_is_available (needs_controllers),
    a_claim_waits_for_its_first_consumer (needs_controllers),
    a_claim_in_use_stays_until_its_pod_is_gone (needs_controllers),
    a_volume_that_is_kept_is_released (needs_controllers),
);

fn claim(name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    json_patch::merge(&mut object["spec"], &spec);
    object
}

async fn claimed(lab: &Lab, spec: Value) -> Result<(), Failure> {
    lab.create(&lab.path("v1", "persistentvolumeclaims"), claim("data", spec)).await.map(drop)
}

async fn bound(lab: &Lab) -> Result<Value, Failure> {
    lab.until("v1", "persistentvolumeclaims/data", "a bound claim", |c| c["status"]["phase"] == "Bound").await
}

/// A volume of a class of this case's own, which nobody makes volumes for.
async fn volume(lab: &Lab, size: &str) -> Result<String, Failure> {
    let name = lab.name("volume");
    let object = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"},
            "storageClassName": lab.name("class"),
        },
    });
    lab.create("/api/v1/persistentvolumes", object).await?;
    Ok(name)
}

async fn phase(lab: &Lab, volume: &str, phase: &str) -> Result<Value, Failure> {
    let path = format!("/api/v1/persistentvolumes/{volume}");
    Ok(lab
        .eventually(&path, &format!("a volume that is {phase}"), |v| v.at("/status/phase") == phase)
        .await?
        .into_value())
}

async fn a_claim_is_bound_to_a_volume_made_for_it(lab: &Lab) -> Outcome {
    claimed(lab, json!({})).await?;
    let data = bound(lab).await?;
    let name = format!("pvc-{}", data["metadata"]["uid"].as_str().unwrap_or_default());
    ensure(&data, data["spec"]["volumeName"] == name, "a volume named after the claim")?;
    ensure(
        &data,
        data["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] == "yes",
        "an annotation that says so",
    )?;
    ensure(&data, data["status"]["capacity"] == json!({"storage": "1Gi"}), "its size")?;
    ensure(&data, data["status"]["accessModes"] == json!(["ReadWriteOnce"]), "its modes")?;
    ensure(&data, data["metadata"]["finalizers"] == json!(["kubernetes.io/pvc-protection"]), "its protection")?;
    let volume = phase(lab, &name, "Bound").await?;
    let claim = &volume["spec"]["claimRef"];
    ensure(&volume, claim["uid"] == data["metadata"]["uid"] && claim["name"] == "data", "the claim in the volume")
}

async fn a_volume_that_fits_is_taken(lab: &Lab) -> Outcome {
    let name = volume(lab, "5Gi").await?;
    phase(lab, &name, "Available").await?;
    claimed(lab, json!({"storageClassName": lab.name("class")})).await?;
    let data = bound(lab).await?;
    ensure(&data, data["spec"]["volumeName"] == name, "that volume")?;
    ensure(&data, data["status"]["capacity"] == json!({"storage": "5Gi"}), "all of its size")?;
    let key = "pv.kubernetes.io/bound-by-controller";
    ensure(&data, data["metadata"]["annotations"][key] == "yes", "an annotation of who did it")?;
    let volume = phase(lab, &name, "Bound").await?;
    ensure(&volume, volume["metadata"]["annotations"][key] == "yes", "an annotation of who did it")?;
    ensure(&volume, volume["spec"]["claimRef"]["uid"] == data["metadata"]["uid"], "the claim in the volume")
}

async fn a_volume_that_is_too_small_is_left(lab: &Lab) -> Outcome {
    let name = volume(lab, "1Mi").await?;
    claimed(lab, json!({"storageClassName": lab.name("class")})).await?;
    phase(lab, &name, "Available").await?;
    lab.event("PersistentVolumeClaim", "data", "ProvisioningFailed").await?;
    let data = lab.read(&lab.path("v1", "persistentvolumeclaims/data")).await?;
    data.expect_at("/status/phase", "Pending")?.expect_at("/spec/volumeName", Value::Null).map(drop)
}

async fn a_new_volume_is_available(lab: &Lab) -> Outcome {
    let name = volume(lab, "1Gi").await?;
    let volume = phase(lab, &name, "Available").await?;
    ensure(&volume, volume["metadata"]["finalizers"] == json!(["kubernetes.io/pv-protection"]), "its protection")?;
    ensure(&volume, volume["status"]["lastPhaseTransitionTime"].is_string(), "the time of its phase")
}

async fn a_claim_waits_for_its_first_consumer(lab: &Lab) -> Outcome {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": lab.name("class")},
        "provisioner": "example.com/nobody", "volumeBindingMode": "WaitForFirstConsumer",
    });
    lab.create("/apis/storage.k8s.io/v1/storageclasses", class).await?;
    claimed(lab, json!({"storageClassName": lab.name("class")})).await?;
    let event = lab.event("PersistentVolumeClaim", "data", "WaitForFirstConsumer").await?;
    let message = "waiting for first consumer to be created before binding";
    ensure(&event, event["message"] == message, message)?;
    let data = lab.read(&lab.path("v1", "persistentvolumeclaims/data")).await?;
    data.expect_at("/status/phase", "Pending").map(drop)
}

async fn a_claim_in_use_stays_until_its_pod_is_gone(lab: &Lab) -> Outcome {
    claimed(lab, json!({})).await?;
    bound(lab).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"},
        "spec": {
            "containers": [{"name": "main", "image": "example.com/app:1"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    });
    lab.start("v1", "pods", pod).await?;
    lab.until("v1", "pods/user", "a Pod that runs", |p| p["status"]["phase"] == "Running").await?;
    lab.delete(&lab.path("v1", "persistentvolumeclaims/data")).await?;
    let data = lab.read(&lab.path("v1", "persistentvolumeclaims/data")).await?;
    data.ensure(data.at("/metadata/deletionTimestamp").is_string(), "a claim that is going")?;
    lab.delete(&lab.path("v1", "pods/user")).await?;
    lab.until_gone("v1", "persistentvolumeclaims/data").await
}

async fn a_volume_that_is_kept_is_released(lab: &Lab) -> Outcome {
    let name = volume(lab, "1Gi").await?;
    claimed(lab, json!({"storageClassName": lab.name("class")})).await?;
    bound(lab).await?;
    lab.delete(&lab.path("v1", "persistentvolumeclaims/data")).await?;
    lab.until_gone("v1", "persistentvolumeclaims/data").await?;
    let volume = phase(lab, &name, "Released").await?;
    ensure(&volume, volume["spec"]["claimRef"]["name"] == "data", "the claim that it was of")
}
