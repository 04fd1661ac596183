//! Inventories as ConfigMaps of the cluster that they describe.

use std::sync::Arc;

use async_trait::async_trait;
use gitops_engine_core::{
    ApiFault, ApiFaultKind, ApplicationName, ApplyOptions, Cluster, Error, ErrorKind, GroupKind, Inventory,
    InventoryStore, InventoryVersion, Manifest, ObjectId, ResourceType, Result, Scope, Value, Versioned,
};

use crate::application::APPLICATION;

/// The API server refuses objects above some 1.5 MiB; a ConfigMap's data may have
/// [1 MiB](https://kubernetes.io/docs/concepts/configuration/configmap/#motivation).
const LARGEST: usize = 1024 * 1024;
const KEY: &str = "inventory.json";

/// Keeps each inventory in a ConfigMap `gitops-engine-inventory-NAME` of one namespace, which must exist.
///
/// Compare-and-swap is the API server's: `save` replaces exactly the resourceVersion that `load` or `save` returned.
#[derive(Clone)]
pub struct ClusterInventory {
    cluster: Arc<dyn Cluster>,
    namespace: Arc<str>,
    resource: Arc<ResourceType>,
}

impl ClusterInventory {
    /// Keeps inventories in a namespace.
    pub fn new(cluster: Arc<dyn Cluster>, namespace: &str) -> Self {
        let resource = ResourceType {
            kind: GroupKind::new("", "ConfigMap"),
            version: "v1".into(),
            plural: "configmaps".into(),
            scope: Scope::Namespaced,
        };
        Self { cluster, namespace: namespace.into(), resource: Arc::new(resource) }
    }

    /// The ConfigMap of an application.
    pub fn object(&self, application: &ApplicationName) -> ObjectId {
        let name = format!("gitops-engine-inventory-{application}");
        ObjectId::namespaced("", "ConfigMap", self.namespace.clone(), name)
    }

    fn manifest(&self, inventory: &Inventory, expected: Option<&InventoryVersion>) -> Result<Manifest> {
        let id = self.object(&inventory.application);
        let text = serde_json::to_string(inventory).map_err(|error| {
            Error::new(ErrorKind::Internal, "an inventory does not serialise").object(id.clone()).caused_by(error)
        })?;
        if text.len() > LARGEST {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the inventory needs {} bytes, a ConfigMap holds {LARGEST}", text.len()),
            )
            .object(id)
            .help("split the application, or keep inventories in another store"));
        }
        let mut body = Value::empty_object();
        body.set(&["apiVersion"], "v1".into());
        body.set(&["kind"], "ConfigMap".into());
        body.set(&["metadata", "namespace"], Value::from(&*self.namespace));
        body.set(&["metadata", "name"], Value::from(&*id.name));
        body.set(&["metadata", "labels", "app.kubernetes.io/managed-by"], "gitops-engine".into());
        body.set(&["metadata", "labels", APPLICATION], Value::from(inventory.application.as_str()));
        if let Some(InventoryVersion(version)) = expected {
            body.set(&["metadata", "resourceVersion"], Value::from(version.as_str()));
        }
        body.set(&["data", KEY], Value::from(text));
        Manifest::from_value(body)
    }

    fn fault(&self, application: &ApplicationName, doing: &str, fault: ApiFault) -> Error {
        let kind = ErrorKind::from(fault.kind);
        let error =
            Error::new(kind, format!("the inventory could not be {doing}: {fault}")).object(self.object(application));
        match kind {
            ErrorKind::Conflict => error.help("somebody else works on the same application; it is read again"),
            ErrorKind::NotFound => error.help("the namespace for inventories must exist"),
            ErrorKind::PermissionDenied => error.help("allow get, create and update of configmaps in this namespace"),
            _ => error,
        }
        .caused_by(fault)
    }
}

#[async_trait]
impl InventoryStore for ClusterInventory {
    async fn load(&self, application: &ApplicationName) -> Result<Versioned> {
        let id = self.object(application);
        let found = self.cluster.get(&self.resource, &id).await;
        let Some(object) = found.map_err(|fault| self.fault(application, "read", fault))? else {
            return Ok(Versioned { inventory: Inventory::new(application.clone()), version: None });
        };
        let damaged = |why: &str| {
            Error::new(ErrorKind::Corrupt, format!("the inventory is damaged: {why}"))
                .object(id.clone())
                .help("restore it, or delete it: what it listed is then no longer removed, and adopted where declared")
        };
        let text = object.body().text(["data", KEY]).ok_or_else(|| damaged("it has no data"))?;
        let inventory: Inventory = serde_json::from_str(text).map_err(|error| damaged(&error.to_string()))?;
        if inventory.application != *application {
            return Err(damaged("it belongs to another application"));
        }
        let version = object.resource_version().map(|version| InventoryVersion(version.to_owned()));
        Ok(Versioned { inventory, version })
    }

    async fn save(&self, inventory: &Inventory, expected: Option<&InventoryVersion>) -> Result<InventoryVersion> {
        let manifest = self.manifest(inventory, expected)?;
        let options = ApplyOptions::new("gitops-engine");
        let written = match expected {
            None => self.cluster.create(&self.resource, &manifest, &options).await,
            Some(_) => self.cluster.replace(&self.resource, &manifest, &options).await,
        };
        let written = written.map_err(|mut fault| {
            // The version to replace is gone with its object. Where the namespace is, the next first save says so.
            if expected.is_some() && fault.kind == ApiFaultKind::NotFound {
                fault.kind = ApiFaultKind::Conflict;
            }
            self.fault(&inventory.application, "written", fault)
        })?;
        let version = written.object.resource_version().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the server returned an object without a resourceVersion")
                .object(manifest.id().clone())
        })?;
        Ok(InventoryVersion(version.to_owned()))
    }
}
