//! A hundred thousand objects: ConfigMaps of a kilobyte in a hundred namespaces, made by requests.

use std::sync::OnceLock;

use gitops_engine_testkit::Cluster;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::harness::{Line, held, measure, once, per_item};
use crate::requests::map;
use crate::target::{Request, cluster, runtime, send_all};

const OBJECTS: usize = 100_000;
const NAMESPACES: usize = 100;
const PAGE: usize = 500;
const ALL: &str = "/api/v1/configmaps";

fn loading(count: usize) -> Vec<Request> {
    let namespaces = (0..NAMESPACES).map(|n| {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("team-{n}")}});
        Request::post("/api/v1/namespaces", &body)
    });
    let maps = (0..count).map(|i| {
        Request::post(format!("/api/v1/namespaces/team-{}/configmaps", i % NAMESPACES), &map(&format!("map-{i:06}")))
    });
    namespaces.chain(maps).collect()
}

fn loaded(runtime: &Runtime, requests: Vec<Request>) -> (Cluster, u64) {
    runtime.block_on(async {
        let cluster = cluster();
        let good = send_all(&cluster.client(), requests).await;
        (cluster, good)
    })
}

/// The cluster that all cases but the first read.
fn full() -> &'static (Runtime, Cluster) {
    static FULL: OnceLock<(Runtime, Cluster)> = OnceLock::new();
    FULL.get_or_init(|| {
        let runtime = runtime();
        let (cluster, _) = loaded(&runtime, loading(OBJECTS));
        (runtime, cluster)
    })
}

/// All of them are created, sixteen requests at once. The time is of one; the result is how many were.
pub(crate) fn load(name: &'static str) -> Line {
    let (runtime, requests) = (runtime(), loading(OBJECTS));
    per_item(once(name, || loaded(&runtime, requests), |(_, good)| *good), OBJECTS + NAMESPACES)
}

/// All of them in one answer. The result is its bytes.
pub(crate) fn list(name: &'static str) -> Line {
    let (runtime, cluster) = full();
    let client = runtime.block_on(async { cluster.client() });
    let ask = |()| runtime.block_on(Request::get(ALL).send(&client)).unwrap();
    measure(name, 5, || {}, ask, |answer| answer.len() as u64)
}

/// All of them in pages of 500. The result is the number of pages.
pub(crate) fn pages(name: &'static str) -> Line {
    let (runtime, cluster) = full();
    let client = runtime.block_on(async { cluster.client() });
    let work = |()| {
        runtime.block_on(async {
            let (mut pages, mut next) = (0_u64, String::new());
            loop {
                let page = Request::get(format!("{ALL}?limit={PAGE}&continue={next}")).send(&client).await.unwrap();
                pages += 1;
                // The token stands in the list's metadata, before or after the items: only what is parsed tells.
                let list: Page<'_> = serde_json::from_slice(&page).unwrap();
                match list.metadata.next {
                    Some(token) if !token.is_empty() => next = token.to_owned(),
                    _ => return pages,
                }
            }
        })
    };
    measure(name, 5, || {}, work, |pages| *pages)
}

#[derive(serde::Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    metadata: ListMeta<'a>,
}

#[derive(serde::Deserialize)]
struct ListMeta<'a> {
    #[serde(rename = "continue")]
    next: Option<&'a str>,
}

/// A streaming list: all of them as events, until the bookmark that ends them. The result is the number of lines.
pub(crate) fn watch(name: &'static str) -> Line {
    let (runtime, cluster) = full();
    let client = runtime.block_on(async { cluster.client() });
    let watch = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    let work = |()| {
        let end = |_: u64, line: &[u8]| line.starts_with(br#"{"type":"BOOKMARK""#);
        runtime.block_on(Request::get(format!("{ALL}?{watch}")).lines_until(&client, end))
    };
    measure(name, 5, || {}, work, |lines| *lines)
}

/// What a stored object of a kilobyte holds, with its place in the history and in the request log.
pub(crate) fn bytes_per_object(name: &'static str) -> Line {
    const FEWER: usize = 10_000;
    let runtime = runtime();
    // The requests come and go within what is counted.
    held(name, || (loaded(&runtime, loading(FEWER)), FEWER))
}
