//! A scripted API server: just enough protocol to list and watch, and every fault at a word.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use gitops_engine_cache::{Cache, CacheOptions, Client};
use gitops_engine_core::{ClusterCache, ObjectId, Snapshot};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

#[derive(Clone, Default)]
pub struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    version: u64,
    kinds: BTreeMap<String, Kind>,
    objects: BTreeMap<(String, String, String), Value>,
    events: Vec<(u64, String, String)>,
    forgotten: u64,
    watchers: Vec<(String, mpsc::UnboundedSender<String>)>,
    requests: Vec<String>,
    forbidden: BTreeSet<String>,
    broken_groups: BTreeSet<String>,
    failing: BTreeMap<String, (u16, u32)>,
    expired_pages: u32,
    legacy: bool,
    down: bool,
    bad_items: BTreeSet<String>,
}

#[derive(Clone)]
struct Kind {
    group: String,
    version: String,
    kind: String,
    namespaced: bool,
    verbs: Vec<&'static str>,
}

fn collection(group: &str, version: &str, plural: &str) -> String {
    if group.is_empty() { format!("/api/{version}/{plural}") } else { format!("/apis/{group}/{version}/{plural}") }
}

fn plural_of(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if kind.ends_with('s') { kind } else { format!("{kind}s") }
}

fn json_answer(code: u16, body: &Value) -> Answer {
    Response::builder().status(code).body(Full::from(body.to_string()).boxed_unsync()).unwrap()
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    json_answer(
        code,
        &json!({"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}),
    )
}

impl Api {
    /// Serves ConfigMaps, Secrets, Pods, Namespaces, StatefulSets, claims, services, and CRDs.
    pub fn new() -> Self {
        let api = Self::default();
        api.0.lock().unwrap().version = 100;
        for (group, kind) in [
            ("", "ConfigMap"),
            ("", "Secret"),
            ("", "Pod"),
            ("", "Service"),
            ("", "PersistentVolumeClaim"),
            ("apps", "StatefulSet"),
            ("apps", "ReplicaSet"),
        ] {
            api.serve(group, "v1", kind, true);
        }
        api.serve("", "v1", "Namespace", false);
        api.serve("apiextensions.k8s.io", "v1", "CustomResourceDefinition", false);
        api.serve("apiregistration.k8s.io", "v1", "APIService", false);
        api
    }

    pub fn serve(&self, group: &str, version: &str, kind: &str, namespaced: bool) {
        self.serve_verbs(group, version, kind, namespaced, vec!["get", "list", "watch"]);
    }

    pub fn serve_verbs(&self, group: &str, version: &str, kind: &str, namespaced: bool, verbs: Vec<&'static str>) {
        let path = collection(group, version, &plural_of(kind));
        let kind = Kind { group: group.into(), version: version.into(), kind: kind.into(), namespaced, verbs };
        self.0.lock().unwrap().kinds.insert(path, kind);
    }

    pub fn unserve(&self, group: &str, version: &str, kind: &str) {
        let path = collection(group, version, &plural_of(kind));
        let mut state = self.0.lock().unwrap();
        state.kinds.remove(&path);
        state.objects.retain(|(own, ..), _| *own != path);
        state.watchers.retain(|(own, _)| *own != path);
    }

    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                tokio::task::yield_now().await;
                api.answer(&request).ok_or_else(|| std::io::Error::other("connection refused"))
            }
        });
        Client::new(service, "default")
    }

    /// A cache of it that is ready.
    pub async fn cache(&self, options: CacheOptions) -> Cache {
        let cache = Cache::start(self.client(), options);
        cache.ready().await.unwrap();
        cache
    }

    /// Creates or changes an object; returns its identity.
    pub fn put(&self, mut object: Value) -> ObjectId {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        let version = state.version;
        let api_version = object["apiVersion"].as_str().unwrap().to_owned();
        let (group, api_version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let kind = object["kind"].as_str().unwrap().to_owned();
        let path = collection(group, api_version, &plural_of(&kind));
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let key = (path.clone(), namespace.clone(), name.clone());
        let old = state.objects.get(&key).map(|old| old["metadata"]["uid"].clone());
        let event = if old.is_some() { "MODIFIED" } else { "ADDED" };
        object["metadata"]["resourceVersion"] = version.to_string().into();
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = old.unwrap_or_else(|| format!("uid-{version}").into());
        }
        state.objects.insert(key, object.clone());
        state.emit(&path, event, &object);
        if namespace.is_empty() {
            ObjectId::cluster(group, kind, name)
        } else {
            ObjectId::namespaced(group, kind, namespace, name)
        }
    }

    pub fn delete(&self, id: &ObjectId) {
        let mut state = self.0.lock().unwrap();
        let path = state.path_of(id);
        let key = (path.clone(), id.namespace.as_deref().unwrap_or_default().to_owned(), id.name.to_string());
        let Some(mut object) = state.objects.remove(&key) else { return };
        state.version += 1;
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        state.emit(&path, "DELETED", &object);
    }

    /// Sends every watch a bookmark.
    pub fn bookmark(&self) {
        let mut state = self.0.lock().unwrap();
        let version = state.version.to_string();
        let line = json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}).to_string() + "\n";
        state.watchers.retain(|(_, sender)| sender.send(line.clone()).is_ok());
    }

    /// Sends a line to all watches of a collection, whatever it says.
    pub fn send_raw(&self, path: &str, line: &str) {
        let state = self.0.lock().unwrap();
        for (_, sender) in state.watchers.iter().filter(|(own, _)| own == path) {
            let _ = sender.send(line.to_owned());
        }
    }

    /// Closes all watches.
    pub fn drop_watches(&self) {
        self.0.lock().unwrap().watchers.clear();
    }

    /// Forgets the history: watches from before now are told so.
    pub fn compact(&self) {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        state.forgotten = state.version;
        state.events.clear();
    }

    pub fn set_forbidden(&self, path: &str, forbidden: bool) {
        let mut state = self.0.lock().unwrap();
        if forbidden {
            state.forbidden.insert(path.into())
        } else {
            state.forbidden.remove(path)
        };
    }

    pub fn set_broken_group(&self, group: &str, broken: bool) {
        let mut state = self.0.lock().unwrap();
        if broken {
            state.broken_groups.insert(group.into())
        } else {
            state.broken_groups.remove(group)
        };
    }

    /// Answers the next requests for a path with a code.
    pub fn fail(&self, path: &str, code: u16, times: u32) {
        self.0.lock().unwrap().failing.insert(path.into(), (code, times));
    }

    /// Lets the next pages after the first expire.
    pub fn expire_pages(&self, times: u32) {
        self.0.lock().unwrap().expired_pages = times;
    }

    pub fn set_legacy(&self) {
        self.0.lock().unwrap().legacy = true;
    }

    pub fn set_down(&self, down: bool) {
        let mut state = self.0.lock().unwrap();
        state.down = down;
        if down {
            state.watchers.clear();
        }
    }

    /// Damages the object of this name in lists.
    pub fn set_bad_item(&self, name: &str) {
        self.0.lock().unwrap().bad_items.insert(name.into());
    }

    pub fn requests(&self) -> Vec<String> {
        self.0.lock().unwrap().requests.clone()
    }

    pub fn clear_requests(&self) {
        self.0.lock().unwrap().requests.clear();
    }

    pub fn open_watches(&self) -> usize {
        let mut state = self.0.lock().unwrap();
        state.watchers.retain(|(_, sender)| !sender.is_closed());
        state.watchers.len()
    }

    /// All objects, as `identity → resourceVersion`.
    pub fn model(&self) -> BTreeMap<ObjectId, String> {
        let state = self.0.lock().unwrap();
        let entry = |((path, namespace, name), object): (&(String, String, String), &Value)| {
            let kind = &state.kinds[path];
            let id = if namespace.is_empty() {
                ObjectId::cluster(kind.group.as_str(), kind.kind.as_str(), name.as_str())
            } else {
                ObjectId::namespaced(kind.group.as_str(), kind.kind.as_str(), namespace.as_str(), name.as_str())
            };
            (id, object["metadata"]["resourceVersion"].as_str().unwrap().to_owned())
        };
        state.objects.iter().map(entry).collect()
    }

    fn answer(&self, request: &Request<Body>) -> Option<Answer> {
        let mut state = self.0.lock().unwrap();
        state.requests.push(format!("{} {}", request.method(), request.uri()));
        if state.down {
            return None;
        }
        let path = request.uri().path().to_owned();
        let query: BTreeMap<String, String> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.replace("%2F", "/")))
            .collect();
        if let Some((code, times)) = state.failing.get_mut(&path)
            && *times > 0
        {
            *times -= 1;
            return Some(status(*code, "Scripted", "as the script says"));
        }
        let accept = request.headers().get("accept").map_or("", |value| value.to_str().unwrap()).to_owned();
        Some(match path.as_str() {
            "/version" => json_answer(200, &json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3"})),
            "/api" | "/apis" if state.legacy || !accept.contains("APIGroupDiscoveryList") => state.legacy_root(&path),
            "/api" | "/apis" => state.aggregated(path == "/api"),
            _ if state.forbidden.contains(&path) => status(403, "Forbidden", "you may not"),
            _ if state.kinds.contains_key(&path) && query.contains_key("watch") => state.watch(&path, &query),
            _ if state.kinds.contains_key(&path) => state.list(&path, &query),
            _ => state.legacy_group(&path),
        })
    }
}

impl State {
    fn path_of(&self, id: &ObjectId) -> String {
        let matches = |(_, kind): &(&String, &Kind)| kind.group == *id.kind.group && kind.kind == *id.kind.kind;
        self.kinds.iter().find(matches).map(|(path, _)| path.clone()).unwrap_or_default()
    }

    fn emit(&mut self, path: &str, event: &str, object: &Value) {
        let line = json!({"type": event, "object": object}).to_string() + "\n";
        self.events.push((self.version, path.to_owned(), line.clone()));
        self.watchers.retain(|(own, sender)| own != path || sender.send(line.clone()).is_ok());
    }

    fn watch(&mut self, path: &str, query: &BTreeMap<String, String>) -> Answer {
        let from: u64 = query["resourceVersion"].parse().unwrap();
        if from < self.forgotten {
            return status(410, "Expired", "too old resource version");
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        for (version, own, line) in &self.events {
            if *version > from && own == path {
                sender.send(line.clone()).unwrap();
            }
        }
        self.watchers.push((path.to_owned(), sender));
        let frames = futures::stream::unfold(receiver, async |mut receiver| {
            let line = receiver.recv().await?;
            Some((Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(line))), receiver))
        });
        Response::new(StreamBody::new(frames).boxed_unsync())
    }

    fn list(&mut self, path: &str, query: &BTreeMap<String, String>) -> Answer {
        let skip: usize = query.get("continue").map_or(0, |token| token.parse().unwrap());
        if skip > 0 && self.expired_pages > 0 {
            self.expired_pages -= 1;
            return status(410, "Expired", "the provided continue parameter is too old");
        }
        let limit: usize = query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
        let all: Vec<&Value> =
            self.objects.iter().filter(|((own, ..), _)| own == path).map(|(_, object)| object).collect();
        let item = |object: &&Value| {
            let mut object = (*object).clone();
            let fields = object.as_object_mut().unwrap();
            fields.remove("apiVersion");
            fields.remove("kind");
            if self.bad_items.contains(fields["metadata"]["name"].as_str().unwrap()) {
                fields["metadata"]["name"] = json!(7);
            }
            object
        };
        let items: Vec<Value> = all.iter().skip(skip).take(limit).map(item).collect();
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if skip + items.len() < all.len() {
            metadata["continue"] = (skip + items.len()).to_string().into();
        }
        json_answer(200, &json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}))
    }

    fn aggregated(&self, core: bool) -> Answer {
        let mut groups: BTreeMap<&str, BTreeMap<&str, Vec<Value>>> = BTreeMap::new();
        for kind in self.kinds.values().filter(|kind| kind.group.is_empty() == core) {
            let resource = json!({
                "resource": plural_of(&kind.kind), "verbs": kind.verbs, "singularResource": "",
                "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
                "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
            });
            groups.entry(&kind.group).or_default().entry(&kind.version).or_default().push(resource);
        }
        let group = |(name, versions): (&str, BTreeMap<&str, Vec<Value>>)| {
            let broken = self.broken_groups.contains(name);
            let version = |(version, resources): (&str, Vec<Value>)| match broken {
                true => json!({"version": version, "freshness": "Stale", "resources": null}),
                false => json!({"version": version, "freshness": "Current", "resources": resources}),
            };
            // Higher versions are better: `v2` before `v1`.
            json!({"metadata": {"name": name}, "versions": versions.into_iter().rev().map(version).collect::<Vec<_>>()})
        };
        let items: Vec<Value> = groups.into_iter().map(group).collect();
        json_answer(
            200,
            &json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}),
        )
    }

    fn legacy_root(&self, path: &str) -> Answer {
        if path == "/api" {
            return json_answer(200, &json!({"kind": "APIVersions", "versions": ["v1"]}));
        }
        let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for kind in self.kinds.values().filter(|kind| !kind.group.is_empty()) {
            groups.entry(&kind.group).or_default().insert(&kind.version);
        }
        let group = |(name, versions): (&str, BTreeSet<&str>)| {
            let list: Vec<Value> = versions.iter().map(|version| json!({"version": version})).collect();
            json!({"name": name, "versions": list, "preferredVersion": {"version": versions.last()}})
        };
        let groups: Vec<Value> = groups.into_iter().map(group).collect();
        json_answer(200, &json!({"kind": "APIGroupList", "groups": groups}))
    }

    fn legacy_group(&self, path: &str) -> Answer {
        let under = |(own, _): &(&String, &Kind)| own.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        let kinds: Vec<&Kind> = self.kinds.iter().filter(under).map(|(_, kind)| kind).collect();
        if kinds.iter().any(|kind| self.broken_groups.contains(&kind.group)) {
            return status(503, "ServiceUnavailable", "nobody behind it");
        }
        if kinds.is_empty() {
            return Response::builder().status(404).body(Full::from("404 page not found").boxed_unsync()).unwrap();
        }
        let resource = |kind: &&Kind| json!({"name": plural_of(&kind.kind), "namespaced": kind.namespaced, "kind": kind.kind, "verbs": kind.verbs});
        let mut resources: Vec<Value> = kinds.iter().map(resource).collect();
        resources.push(json!({"name": "pods/status", "namespaced": true, "kind": "Pod", "verbs": ["get"]}));
        json_answer(200, &json!({"kind": "APIResourceList", "resources": resources}))
    }
}

/// Waits until a snapshot is as wanted. The clock of these tests jumps, so the bound costs no time.
pub async fn until(cache: &Cache, what: &str, wanted: impl Fn(&dyn Snapshot) -> bool) -> Arc<dyn Snapshot> {
    let mut changes = cache.changes();
    let wait = async {
        loop {
            let snapshot = cache.snapshot();
            if wanted(&*snapshot) {
                return snapshot;
            }
            assert!(changes.next().await.is_some(), "the cache stopped");
        }
    };
    match tokio::time::timeout(Duration::from_secs(3600), wait).await {
        Ok(snapshot) => snapshot,
        Err(_) => panic!("never came: {what}; holes: {:?}", cache.snapshot().holes()),
    }
}

pub fn config_map(namespace: &str, name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"v": value}})
}
