//! Where a case works: a client, a namespace of its own, and helpers.

use std::{fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Failure, Outcome, Patch, Reply, Sending, Watch};

/// How long [`Lab::eventually`] waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks: short at first, so that what is fast stays fast.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Makes the server forget its past.
pub(super) type Compact = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A client and a namespace that is made for the case and goes with it.
///
/// What a case creates outside of its namespace is deleted after it, too.
pub struct Lab {
    pub(super) client: kube::Client,
    namespace: String,
    compact: Option<Compact>,
    /// Paths of cluster-scoped objects that were created, and of namespaces.
    made: Mutex<Vec<String>>,
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Lab {
    /// Makes the namespace.
    pub(super) async fn open(client: kube::Client, compact: Option<Compact>) -> Result<Self, Failure> {
        let mut lab = Self { client, namespace: String::new(), compact, made: Mutex::default() };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "conformance-"}});
        lab.namespace = lab.create("/api/v1/namespaces", namespace).await?.name_of().to_owned();
        Ok(lab)
    }

    /// Deletes what the case left, best effort: whatever fails here is not what the case is about.
    pub(super) async fn close(self) {
        let made = std::mem::take(&mut *self.made.lock());
        for path in made.iter().rev() {
            let _best_effort = self.delete(path).await;
        }
    }

    /// Keeps what has to be deleted after the case.
    pub(super) fn remember(&self, method: &str, path: &str, reply: &Reply) {
        let path = path.split('?').next().unwrap_or_default();
        let of_own = format!("/namespaces/{}/", self.namespace);
        if reply.status() != 201 || reply.at("/metadata/uid").is_null() || path.contains(&of_own) {
            return;
        }
        let made = match method {
            "POST" => format!("{}/{}", path.trim_end_matches('/'), reply.str_at("/metadata/name")),
            _ => path.to_owned(),
        };
        self.made.lock().push(made);
    }

    // --- Names and paths ---

    /// The namespace of this case.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A name for a cluster-scoped object that no other case uses.
    #[must_use]
    pub fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.namespace)
    }

    /// The path of a collection in this namespace: `path("v1", "configmaps")`, `path("apps/v1", "deployments")`. A second
    /// argument with slashes goes on from there: `path("v1", "configmaps/a?pretty=true")`.
    #[must_use]
    pub fn path(&self, api_version: &str, rest: &str) -> String {
        let root = if api_version.contains('/') { "/apis" } else { "/api" };
        format!("{root}/{api_version}/namespaces/{}/{rest}", self.namespace)
    }

    /// The path of a cluster-scoped collection, or of one over all namespaces.
    #[must_use]
    pub fn cluster_path(&self, api_version: &str, rest: &str) -> String {
        let root = if api_version.contains('/') { "/apis" } else { "/api" };
        format!("{root}/{api_version}/{rest}")
    }

    /// The path of this namespace's ConfigMaps, or of what follows it: the kind of the cases for which any kind will do.
    #[must_use]
    pub fn maps(&self, rest: &str) -> String {
        self.path("v1", &format!("configmaps{rest}"))
    }

    // --- Requests ---

    /// A request of any kind: the path carries the query, percent-encoded.
    pub fn request(&self, method: &str, path: &str) -> Sending<'_> {
        Sending::new(self, method, path)
    }

    /// GET, whatever comes back.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.request("GET", path).send().await
    }

    /// GET of what must be there.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn read(&self, path: &str) -> Result<Reply, Failure> {
        self.get(path).await?.expect(200)
    }

    /// POST, whatever comes back.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, path: &str, object: &Value) -> Result<Reply, Failure> {
        self.request("POST", path).json(object).send().await
    }

    /// POST of an object that must be accepted.
    ///
    /// # Errors
    /// When the answer is not 201.
    pub async fn create(&self, path: &str, object: Value) -> Result<Reply, Failure> {
        self.post(path, &object).await?.expect(201)
    }

    /// PUT, whatever comes back.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn put(&self, path: &str, object: &Value) -> Result<Reply, Failure> {
        self.request("PUT", path).json(object).send().await
    }

    /// PUT of an object that must be accepted.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn update(&self, path: &str, object: &Value) -> Result<Reply, Failure> {
        self.put(path, object).await?.expect(200)
    }

    /// PATCH, whatever comes back. An apply needs its field manager in the path, or use [`Lab::apply`].
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn patch(&self, path: &str, kind: Patch, patch: &Value) -> Result<Reply, Failure> {
        self.request("PATCH", path).body(kind.media_type(), patch.to_string()).send().await
    }

    /// A server-side apply without force, whatever comes back.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn apply(&self, path: &str, manager: &str, object: &Value) -> Result<Reply, Failure> {
        let separator = if path.contains('?') { '&' } else { '?' };
        self.patch(&format!("{path}{separator}fieldManager={manager}"), Patch::Apply, object).await
    }

    /// DELETE without a body, whatever comes back.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn delete(&self, path: &str) -> Result<Reply, Failure> {
        self.request("DELETE", path).send().await
    }

    /// DELETE with options, whatever comes back.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn delete_with(&self, path: &str, options: &Value) -> Result<Reply, Failure> {
        self.request("DELETE", path).json(options).send().await
    }

    /// A watch of a collection: adds `watch=true` to the path's query.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn watch(&self, path: &str) -> Result<Watch, Failure> {
        let separator = if path.contains('?') { '&' } else { '?' };
        self.request("GET", &format!("{path}{separator}watch=true")).watch().await
    }

    // --- Objects ---

    /// Creates a ConfigMap with labels and no data.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn config_map(&self, name: &str, labels: Value) -> Result<Reply, Failure> {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}});
        self.create(&self.maps(""), map).await
    }

    /// Makes sure that Pods can be created: a real server refuses them until the namespace has its ServiceAccount.
    ///
    /// # Errors
    /// When it cannot be created.
    pub async fn allow_pods(&self) -> Outcome {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        let reply = self.post(&self.path("v1", "serviceaccounts"), &account).await?;
        reply.ensure(matches!(reply.status(), 201 | 409), "a ServiceAccount")
    }

    // --- Waiting ---

    /// Reads a path again and again until what is there is as wanted.
    ///
    /// # Errors
    /// When it is not for half a minute; the failure has the last answer.
    pub async fn eventually(&self, path: &str, what: &str, wanted: impl Fn(&Reply) -> bool) -> Result<Reply, Failure> {
        self.eventually_as(path, "application/json", what, wanted).await
    }

    /// The same in a form of the answer that is asked for with `Accept`.
    ///
    /// # Errors
    /// As those of [`Lab::eventually`].
    pub async fn eventually_as(
        &self,
        path: &str,
        accept: &str,
        what: &str,
        wanted: impl Fn(&Reply) -> bool,
    ) -> Result<Reply, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let reply = self.request("GET", path).accept(accept).send().await?;
            if wanted(&reply) {
                return Ok(reply);
            }
            if Instant::now() >= deadline {
                return Err(reply.failure(format!("{what} within {} s", PATIENCE.as_secs())));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes the server forget its past: only for cases that need it, see [`Case::needs_compaction`](super::Case).
    ///
    /// # Errors
    /// When the suite was given no way to do that, or it failed.
    pub async fn forget_history(&self) -> Outcome {
        let compact = self.compact.as_ref().ok_or_else(|| Failure::new("a way to compact the server's history"))?;
        compact().await.map_err(|e| Failure::new(format!("the server's history to be compacted, not `{e}`")))
    }
}

impl Reply {
    /// The name of the object that came back.
    #[must_use]
    pub fn name_of(&self) -> &str {
        self.str_at("/metadata/name")
    }

    /// The resourceVersion of the object or list that came back.
    #[must_use]
    pub fn version(&self) -> &str {
        self.str_at("/metadata/resourceVersion")
    }

    /// The uid of the object that came back.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.str_at("/metadata/uid")
    }
}
