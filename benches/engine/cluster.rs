//! A cache over a cluster in this process, to weigh what it keeps of Pods that controllers made.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use gitops_engine_cache::{Cache, CacheOptions, Client};
use gitops_engine_core::ClusterCache;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};

use crate::harness::{Line, held};
use crate::objects::{self, NAMESPACE};

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// What one Pod of a ReplicaSet holds in a cache: an index node, and its place under its owner.
pub(crate) fn index_node(name: &'static str, count: usize) -> Line {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let list = Arc::new(list(count));
    // The first cache fills tables that are shared by all.
    let ready = || {
        runtime.block_on(async {
            let cache = Cache::start(client(list.clone()), CacheOptions::default());
            cache.ready().await.unwrap();
            let pods = cache.snapshot().in_namespace(NAMESPACE).len();
            assert_eq!(pods, count, "the cache has not listed all Pods");
            // What was under way while it listed is dropped.
            tokio::task::yield_now().await;
            (cache, pods)
        })
    };
    drop(ready());
    runtime.block_on(tokio::task::yield_now());
    held(name, ready)
}

/// An API server with Pods that never change.
fn client(list: Arc<Bytes>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer(&request, &list);
        async move { Ok::<_, Infallible>(answer) }
    });
    Client::new(service, NAMESPACE)
}

fn answer(request: &Request<Body>, list: &Bytes) -> Answer {
    let watches = request.uri().query().is_some_and(|query| query.contains("watch="));
    match request.uri().path() {
        "/version" => found(&json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3"})),
        "/api" => groups(&json!([{"metadata": {"name": ""}, "versions": [{
            "version": "v1", "freshness": "Current", "resources": [{
                "resource": "pods", "singularResource": "", "scope": "Namespaced", "verbs": ["get", "list", "watch"],
                "responseKind": {"group": "", "version": "v1", "kind": "Pod"},
            }],
        }]}])),
        "/apis" => groups(&json!([])),
        "/api/v1/pods" if watches => Response::new(StreamBody::new(silence().boxed()).boxed_unsync()),
        "/api/v1/pods" => Response::new(Full::from(list.clone()).boxed_unsync()),
        _ => {
            let mut answer = found(&json!({"kind": "Status", "code": 404, "reason": "NotFound"}));
            *answer.status_mut() = http::StatusCode::NOT_FOUND;
            answer
        }
    }
}

fn silence() -> impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    futures::stream::pending()
}

fn groups(items: &Value) -> Answer {
    found(&json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}))
}

fn found(body: &Value) -> Answer {
    Response::new(Full::from(body.to_string()).boxed_unsync())
}

/// The list of all Pods, in one page.
fn list(count: usize) -> Bytes {
    let item = |index| {
        let mut pod = objects::pod(index);
        for field in ["apiVersion", "kind"] {
            pod.as_object_mut().unwrap().remove(field);
        }
        pod.to_string()
    };
    let items: Vec<String> = (0..count).map(item).collect();
    let items = items.join(",");
    format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"200000"}},"items":[{items}]}}"#)
        .into()
}
