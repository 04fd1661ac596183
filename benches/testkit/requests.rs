//! The same requests to each server, sixteen under way at once. Times are of one request, or of one event.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::harness::{Line, measure, per_item};
use crate::target::{Request, Target};

/// Requests in one iteration.
const REQUESTS: usize = 1_000;
const ITERATIONS: usize = 3;
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A ConfigMap of about one kilobyte.
pub(crate) fn map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "data": {"settings.yaml": "mode: fast\nlevel: info\n".repeat(30), "owner": "bench"},
    })
}

/// A Deployment as Git has one, applied. Every round wants another image.
pub(crate) fn application(index: usize, round: usize) -> Request {
    let name = format!("web-{index}");
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "web", "image": format!("registry.example.com/web:{round}"),
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "env": [{"name": "MODE", "value": "fast"}, {"name": "LEVEL", "value": "info"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                }]},
            },
        },
    });
    Request::apply(format!("/apis/apps/v1/namespaces/default/deployments/{name}?fieldManager=bench&force=true"), &body)
}

fn repeated(name: &'static str, target: &Target, requests: impl Fn(usize) -> Vec<Request>) -> Line {
    let round = Cell::new(0);
    let prepare = || {
        round.set(round.get() + 1);
        requests(round.get())
    };
    per_item(measure(name, ITERATIONS, prepare, |requests| target.send_all(requests), |good| *good), REQUESTS)
}

/// Makes a namespace of that many ConfigMaps, for what reads them.
fn fill(target: &Target, namespace: &str, count: usize) {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let mut made = target.send_all(vec![Request::post("/api/v1/namespaces", &body)]);
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    made += target.send_all((0..count).map(|i| Request::post(&path, &map(&format!("map-{i:06}")))).collect());
    assert_eq!(made, count as u64 + 1, "objects that could not be made");
}

/// GET of one ConfigMap of a kilobyte. The result is how many answers are successes.
pub(crate) fn get(name: &'static str, target: &Target) -> Line {
    target.send_all(vec![Request::post(MAPS, &map("read"))]);
    repeated(name, target, |_| vec![Request::get(format!("{MAPS}/read")); REQUESTS])
}

/// POST of ConfigMaps of a kilobyte.
pub(crate) fn create(name: &'static str, target: &Target) -> Line {
    repeated(name, target, |round| {
        (0..REQUESTS).map(|i| Request::post(MAPS, &map(&format!("made-{round}-{i}")))).collect()
    })
}

/// Server-side apply to Deployments, each of which changes its image every round.
pub(crate) fn apply(name: &'static str, target: &Target) -> Line {
    repeated(name, target, |round| (0..REQUESTS).map(|i| application(i % 100, round * 100 + i / 100)).collect())
}

/// A list of a hundred ConfigMaps of a kilobyte.
pub(crate) fn list(name: &'static str, target: &Target) -> Line {
    fill(target, "hundred", 100);
    repeated(name, target, |_| vec![Request::get("/api/v1/namespaces/hundred/configmaps"); REQUESTS])
}

/// A list of five thousand, in one answer. The time is of one answer.
pub(crate) fn long_list(name: &'static str, target: &Target) -> Line {
    fill(target, "thousands", 5_000);
    let ask = |()| target.send_all(vec![Request::get("/api/v1/namespaces/thousands/configmaps")]);
    measure(name, 10, || {}, ask, |good| *good)
}

/// Ten watches of a namespace in which a thousand ConfigMaps are made. The time is of one event at one watch, with the
/// write that it is of; the result is the number of events.
pub(crate) fn events(name: &'static str, target: &Target) -> Line {
    const WATCHES: usize = 10;
    let round = Cell::new(0_usize);
    let prepare = || {
        round.set(round.get() + 1);
        let namespace = format!("watched-{}", round.get());
        fill(target, &namespace, 0);
        namespace
    };
    let work = |namespace: String| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let watches: Vec<_> = (0..WATCHES)
            .map(|_| {
                let (client, watch) = (target.client.clone(), Request::get(format!("{path}?watch=true")));
                let all = |count: u64, _: &[u8]| count == REQUESTS as u64;
                target.runtime.spawn(async move { watch.lines_until(&client, all).await })
            })
            .collect();
        target.send_all((0..REQUESTS).map(|i| Request::post(&path, &map(&format!("map-{i}")))).collect());
        target.runtime.block_on(async {
            let mut events = 0;
            for watch in watches {
                events += watch.await.unwrap();
            }
            events
        })
    };
    per_item(measure(name, ITERATIONS, prepare, work, |events| *events), REQUESTS * WATCHES)
}
