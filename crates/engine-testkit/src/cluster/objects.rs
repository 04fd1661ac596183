//! Objects, past the API: what a test prepares and asserts.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Cluster, Refused,
    yaml::{describe, in_namespace},
};
use crate::{
    controllers, json,
    resources::Resource,
    state::State,
    status::{About, ApiError},
    write::{self, Options, Target, create, delete},
};

impl Cluster {
    /// One object, by any name of its kind (`deploy`, `deployments.apps`, `Deployment`), its namespace (empty for
    /// cluster-scoped objects) and name.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let state = self.inner.state.lock();
        let resource = state.registry.by_any_name(kind)?;
        state.store.get(&resource.gr, namespace, name).map(|s| s.value.clone())
    }

    /// All objects of a kind, in the order of lists.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        let state = self.inner.state.lock();
        let Some(resource) = state.registry.by_any_name(kind) else {
            return Vec::new();
        };
        state.store.objects(&resource.gr, None).into_iter().map(|s| s.value.clone()).collect()
    }

    /// Creates an object as somebody else would, without a request in the log. Namespaced objects without a namespace
    /// go to `default`. Fields that the kind does not have are refused.
    ///
    /// # Errors
    ///
    /// When the API would refuse it.
    pub fn create(&self, object: Value) -> Result<Value, Refused> {
        let what = describe(&object);
        let mut state = self.inner.state.lock();
        let (resource, version) = state.registry.of_object(&object).map_err(|e| Refused::new(&what, &e))?;
        let namespace = match json::str_at(&object, &["metadata", "namespace"]) {
            "" if resource.namespaced => "default".to_owned(),
            other => other.to_owned(),
        };
        let target =
            Target { resource: &resource, version: &version, namespace: &namespace, name: "", subresource: "" };
        let answer = create::create(&mut state, target, object, &self.options(), create::How::Posted)
            .map_err(|e| Refused::new(&what, &e))?;
        drop(state);
        self.inner.wake_controllers();
        Ok(answer.outcome.value().clone())
    }

    /// Changes an object as somebody else would, without a request in the log: drift. The closure gets the whole object
    /// and may change its status too; it runs outside the cluster's lock.
    ///
    /// # Errors
    ///
    /// When there is no such object, or the API would refuse the change; then nothing is changed.
    pub fn edit(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<(), Refused> {
        let refused = |e: ApiError| Refused::new(&format!("a change of {kind} {}", in_namespace(namespace, name)), &e);
        let resource = self.kind(kind).map_err(refused)?;
        let find = |state: &State| {
            let found = state.store.get(&resource.gr, namespace, name).cloned();
            found.ok_or_else(|| {
                ApiError::not_found(About { group: &resource.gr.group, resource: &resource.gr.resource, name })
            })
        };
        let mut value = find(&self.inner.state.lock()).map_err(refused)?.value.clone();
        change(&mut value);
        let mut state = self.inner.state.lock();
        let stored = find(&state).map_err(refused)?;
        write::edit(&mut state, &resource, &stored, value, &self.options()).map_err(refused)?;
        drop(state);
        self.inner.wake_controllers();
        Ok(())
    }

    /// Deletes an object as somebody else would, in the background, without a request in the log.
    ///
    /// # Errors
    ///
    /// When there is no such object, or the API would refuse to delete it.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<(), Refused> {
        let refused = |e: ApiError| Refused::new(&format!("to delete {kind} {}", in_namespace(namespace, name)), &e);
        let resource = self.kind(kind).map_err(refused)?;
        let version = resource.storage_version.clone();
        let target = Target { resource: &resource, version: &version, namespace, name, subresource: "" };
        let how = delete::DeleteOptions { propagation: Some(delete::Propagation::Background), ..Default::default() };
        let mut state = self.inner.state.lock();
        delete::delete(&mut state, target, &how, &self.options()).map_err(refused)?;
        drop(state);
        self.inner.wake_controllers();
        Ok(())
    }

    fn kind(&self, kind: &str) -> Result<Arc<Resource>, ApiError> {
        let found = self.inner.state.lock().registry.by_any_name(kind).cloned();
        found.ok_or_else(|| ApiError::bad_request(format!("there is no kind {kind:?}")))
    }

    pub(super) fn options(&self) -> Options {
        Options::of_somebody(self.inner.clock.now())
    }

    /// Every object of the cluster, by group, resource, namespace and name.
    #[must_use]
    pub fn dump(&self) -> Vec<Value> {
        let state = self.inner.state.lock();
        let kinds = state.store.kinds();
        kinds.iter().flat_map(|gr| state.store.objects(gr, None)).map(|s| s.value.clone()).collect()
    }

    /// The current revision: the resourceVersion of the latest change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.inner.state.lock().store.revision()
    }

    /// Forgets all history: every older resourceVersion and page token is `410 Gone`. Watches under way are not hit.
    pub fn force_compaction(&self) {
        self.inner.state.lock().store.compact();
    }

    /// Runs the controllers until nothing is left to do at the current time, without waiting. Reactions that are due
    /// later (a Pod that starts) need the clock to advance.
    pub fn settle(&self) {
        controllers::settle(&self.inner);
    }
}
