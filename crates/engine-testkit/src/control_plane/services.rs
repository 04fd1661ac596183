//! What a cloud adds to a control plane: addresses for load balancers, and volumes for claims.
//!
//! Everything else is left to the real components. A volume is made for its claim and bound to it by the
//! real controller (<https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reserving-a-persistentvolume>).

use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::settings::HARNESS;

/// The StorageClass that claims get when they name none.
const STORAGE_CLASS: &str = "standard";
const PROVISIONER: &str = "testkit.gitops-engine.dev/volumes";
const TO_PROVISION: &str = "volume.kubernetes.io/storage-provisioner";
const DYNAMICALLY_PROVISIONED: &str = "pv.kubernetes.io/provisioned-by";

pub(super) fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "Immediate",
    })
}

/// Plays the cloud until it is dropped.
pub(super) async fn run(client: kube::Client) {
    let services = Api::<Service>::all(client.clone());
    let ingresses = Api::<Ingress>::all(client.clone());
    let claims = Api::<PersistentVolumeClaim>::all(client.clone());
    let volumes = Api::<PersistentVolume>::all(client.clone());
    tokio::join!(
        follow(&services, async |service: Service| {
            let wanted = service.spec.as_ref().is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer"));
            let ingress = service
                .status
                .as_ref()
                .and_then(|status| status.load_balancer.as_ref())
                .and_then(|balancer| balancer.ingress.as_ref());
            if wanted && ingress.is_none_or(Vec::is_empty) { address(&client, &service).await } else { Ok(()) }
        }),
        follow(&ingresses, async |ingress: Ingress| {
            let addresses = ingress
                .status
                .as_ref()
                .and_then(|status| status.load_balancer.as_ref())
                .and_then(|balancer| balancer.ingress.as_ref());
            if addresses.is_none_or(Vec::is_empty) { address(&client, &ingress).await } else { Ok(()) }
        }),
        follow(&claims, async |claim: PersistentVolumeClaim| {
            let spec = claim.spec.clone().unwrap_or_default();
            // The controller says by an annotation when it is our turn: not for a claim that waits for its first consumer,
            // or whose class makes no volumes.
            let ours = claim.annotations().get(TO_PROVISION).is_some_and(|by| by == PROVISIONER);
            if !ours || spec.volume_name.is_some() || claim.metadata.deletion_timestamp.is_some() {
                return Ok(());
            }
            match serde_json::from_value(volume(&claim)) {
                Ok(volume) => volumes.create(&PostParams::default(), &volume).await.map(drop),
                Err(error) => Err(kube::Error::SerdeError(error)),
            }
        }),
        follow(&volumes, async |volume: PersistentVolume| {
            let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
            let ours = volume.annotations().get(DYNAMICALLY_PROVISIONED).is_some_and(|by| by == PROVISIONER);
            if ours && phase == Some("Released") && volume.metadata.deletion_timestamp.is_none() {
                volumes.delete(&volume.name_any(), &DeleteParams::default()).await.map(drop)
            } else {
                Ok(())
            }
        }),
    );
}

/// Hands every object to `act`, now and after each of its changes.
async fn follow<K>(api: &Api<K>, act: impl AsyncFn(K) -> Result<(), kube::Error>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let act = async |object: K| {
        let name = object.name_any();
        match act(object).await {
            Ok(()) => {}
            // Gone, changed or made meanwhile: the next event tells.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), name, %error, "cannot play the cloud for an object");
            }
        }
    };
    loop {
        if let Ok(list) = api.list(&ListParams::default()).await {
            let mut version = list.metadata.resource_version.unwrap_or_default();
            for object in list.items {
                act(object).await;
            }
            // A watch ends after some minutes, and is then taken up again where it was.
            'watch: while let Ok(events) = api.watch(&WatchParams::default(), &version).await {
                let mut events = std::pin::pin!(events);
                while let Some(event) = events.next().await {
                    match event {
                        Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                            version = object.resource_version().unwrap_or(version);
                            act(object).await;
                        }
                        Ok(WatchEvent::Deleted(object)) => {
                            version = object.resource_version().unwrap_or(version);
                        }
                        Ok(WatchEvent::Bookmark(bookmark)) => {
                            version = bookmark.metadata.resource_version;
                        }
                        // Too old, or broken: list again.
                        Ok(WatchEvent::Error(_)) | Err(_) => break 'watch,
                    }
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Gives a Service or an Ingress an address of 198.18.0.0/15, which RFC 2544 keeps for tests.
async fn address<K>(client: &kube::Client, object: &K) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let namespace = object.namespace().unwrap_or_default();
    let unique = object.uid().unwrap_or_default();
    // From the UID: the same object keeps its address, and different ones hardly ever share one.
    let number = unique.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let base = u32::from(Ipv4Addr::new(198, 18, 0, 0));
    let address = Ipv4Addr::from(base | (number & 0x0001_ffff));
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address.to_string()}]}}});
    Api::<K>::namespaced(client.clone(), &namespace)
        .patch_status(
            &object.name_any(),
            &PatchParams { field_manager: Some(HARNESS.to_owned()), ..PatchParams::default() },
            &Patch::Merge(status),
        )
        .await
        .map(drop)
}

/// A volume that only this claim can have.
fn volume(claim: &PersistentVolumeClaim) -> Value {
    let spec = claim.spec.clone().unwrap_or_default();
    let unique = claim.uid().unwrap_or_default();
    let size = spec
        .resources
        .and_then(|resources| resources.requests)
        .and_then(|requests| requests.get("storage").cloned())
        .map_or_else(|| "1Gi".to_owned(), |quantity| quantity.0);
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": format!("pvc-{unique}"),
            "annotations": {DYNAMICALLY_PROVISIONED: PROVISIONER},
        },
        "spec": {
            "capacity": {"storage": size},
            "accessModes": spec.access_modes.unwrap_or_else(|| vec!["ReadWriteOnce".to_owned()]),
            "volumeMode": spec.volume_mode.unwrap_or_else(|| "Filesystem".to_owned()),
            "storageClassName": spec.storage_class_name.unwrap_or_default(),
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace().unwrap_or_default(),
                "name": claim.name_any(),
                "uid": unique,
            },
            // Never mounted: no kubelet looks at it.
            "hostPath": {"path": format!("/var/lib/testkit/{unique}")},
        },
    })
}
