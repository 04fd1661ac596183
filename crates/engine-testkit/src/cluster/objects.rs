//! Objects, past the API: what a test prepares and asserts.

use serde_json::Value;

use super::{Cluster, Refused};
use crate::{
    controllers, json,
    status::ApiError,
    write::{FieldValidation, Options, Target, Warnings, create, delete},
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
    /// go to `default`.
    ///
    /// # Errors
    ///
    /// When the API would refuse it.
    pub fn create(&self, object: Value) -> Result<Value, Refused> {
        let what = format!("{} {}", json::str_at(&object, &["kind"]), json::str_at(&object, &["metadata", "name"]));
        let mut state = self.inner.state.lock();
        let api_version = json::str_at(&object, &["apiVersion"]).to_owned();
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let resource = state.registry.by_kind(group, json::str_at(&object, &["kind"])).cloned();
        let resource = resource.ok_or_else(|| Refused::new(&what, &ApiError::unknown_path()))?;
        let namespace = match json::str_at(&object, &["metadata", "namespace"]) {
            "" if resource.namespaced => "default".to_owned(),
            other => other.to_owned(),
        };
        let target = Target { resource: &resource, version, namespace: &namespace, name: "", subresource: "" };
        let answer = create::create(&mut state, target, object, &self.options(), create::How::Posted)
            .map_err(|e| Refused::new(&what, &e))?;
        drop(state);
        self.inner.wake_controllers();
        Ok(answer.outcome.value().clone())
    }

    /// Changes an object as somebody else would, without a request in the log: drift. The closure gets the whole object
    /// and may change its status too; it runs outside the cluster's lock. `false` when there is no such object.
    pub fn edit(&self, kind: &str, namespace: &str, name: &str, change: impl FnOnce(&mut Value)) -> bool {
        let found = {
            let state = self.inner.state.lock();
            let resource = state.registry.by_any_name(kind).cloned();
            resource.and_then(|r| state.store.get(&r.gr, namespace, name).cloned().map(|s| (r, s)))
        };
        let Some((resource, stored)) = found else {
            return false;
        };
        let mut value = stored.value.clone();
        change(&mut value);
        let mut state = self.inner.state.lock();
        let Some(stored) = state.store.get(&resource.gr, namespace, name).cloned() else {
            return false;
        };
        let now = self.inner.clock.now();
        controllers::replace(&mut state, &resource, &stored, value, "somebody-else", now);
        drop(state);
        self.inner.wake_controllers();
        true
    }

    /// Deletes an object as somebody else would, in the background, without a request in the log. `false` when there is
    /// no such object.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let mut state = self.inner.state.lock();
        let Some(resource) = state.registry.by_any_name(kind).cloned() else {
            return false;
        };
        let version = resource.storage_version.clone();
        let target = Target { resource: &resource, version: &version, namespace, name, subresource: "" };
        let how = delete::DeleteOptions { propagation: Some(delete::Propagation::Background), ..Default::default() };
        let deleted = delete::delete(&mut state, target, &how, &self.options()).is_ok();
        drop(state);
        self.inner.wake_controllers();
        deleted
    }

    pub(super) fn options(&self) -> Options {
        Options {
            dry_run: false,
            manager: "somebody-else".to_owned(),
            validation: FieldValidation::Ignore,
            force: false,
            noticed: Vec::new(),
            now: self.inner.clock.now(),
            course: None,
            warnings: Warnings::default(),
        }
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
