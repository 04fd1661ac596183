//! Whatever happens to objects, watches and the server: in the end the snapshot is what the server has.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use gitops_engine_cache::{Cache, CacheOptions};
use gitops_engine_core::{ClusterCache, ObjectId, Snapshot};
use proptest::prelude::*;
use serde_json::json;
use support::{Api, config_map, until};

#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    Delete(u8),
    Pod(u8),
    DropWatches,
    Compact,
    Bookmark,
    Down(bool),
    Fail(u16),
    ExpirePages,
    Garbage,
    Custom(bool),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..20_u8).prop_map(Step::Put),
        4 => (0..20_u8).prop_map(Step::Delete),
        4 => (0..20_u8).prop_map(Step::Pod),
        2 => Just(Step::DropWatches),
        2 => Just(Step::Compact),
        1 => Just(Step::Bookmark),
        2 => any::<bool>().prop_map(Step::Down),
        1 => prop::sample::select(vec![410_u16, 429, 500, 503]).prop_map(Step::Fail),
        1 => Just(Step::ExpirePages),
        1 => Just(Step::Garbage),
        1 => any::<bool>().prop_map(Step::Custom),
        4 => (0..2000_u16).prop_map(Step::Wait),
    ]
}

/// The one cluster-scoped object.
fn things() -> ObjectId {
    ObjectId::cluster("apiextensions.k8s.io", "CustomResourceDefinition", "things.custom.example")
}

/// A kind that comes and goes with its CRD.
fn custom(api: &Api, there: bool) {
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.custom.example"},
        "spec": {"group": "custom.example", "names": {"kind": "Thing"}, "versions": [{"name": "v1", "served": true}]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]}});
    if there {
        api.put(crd);
        api.serve("custom.example", "v1", "Thing", true);
        api.put(
            json!({"apiVersion": "custom.example/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": "shop"}}),
        );
    } else {
        api.delete(&things());
        api.unserve("custom.example", "v1", "Thing");
    }
}

async fn play(steps: Vec<Step>) {
    let api = Api::new();
    let mut options = CacheOptions::default();
    options.page_size = 7;
    let cache = Cache::start(api.client(), options);
    let mut changes = cache.changes();
    let mut announced: BTreeMap<ObjectId, Option<String>> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Put(n) => drop(api.put(config_map(["shop", "other"][usize::from(n % 2)], &format!("c{n}"), "x"))),
            Step::Delete(n) => api.delete(&ObjectId::namespaced("", "ConfigMap", ["shop", "other"][usize::from(n % 2)], format!("c{n}"))),
            Step::Pod(n) => drop(api.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}"), "namespace": "shop",
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": format!("u{}", n % 3), "controller": true}]}}))),
            Step::DropWatches => api.drop_watches(),
            Step::Compact => api.compact(),
            Step::Bookmark => api.bookmark(),
            Step::Down(down) => api.set_down(down),
            Step::Fail(code) => api.fail("/api/v1/configmaps", code, 2),
            Step::ExpirePages => api.expire_pages(2),
            Step::Garbage => api.send_raw("/api/v1/configmaps", "{\"type\":\n"),
            Step::Custom(there) => custom(&api, there),
            Step::Wait(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds.into())).await,
        }
    }
    api.set_down(false);
    let model = api.model();
    let picture = |now: &dyn Snapshot| -> BTreeMap<ObjectId, String> {
        let all = ["shop", "other"].iter().flat_map(|namespace| now.in_namespace(namespace));
        let mut out: BTreeMap<_, _> =
            all.map(|object| (object.id.clone(), object.resource_version.to_string())).collect();
        // Also when it must not be there any more.
        out.extend(now.get(&things()).map(|object| (things(), object.resource_version.to_string())));
        out
    };
    let end = until(&cache, "the server's state", |now| now.holes().is_empty() && picture(now) == model).await;
    for n in 0..3 {
        let owner = gitops_engine_core::Uid::new(format!("u{n}"));
        let mine = |id: &&ObjectId| &*id.kind.kind == "Pod" && id.name[1..].parse::<u8>().unwrap() % 3 == n;
        let children: Vec<_> = end.children(&owner).iter().map(|child| child.id.clone()).collect();
        assert_eq!(children, model.keys().filter(mine).cloned().collect::<Vec<_>>());
    }
    // Whoever followed the stream from the start, and looked up what it named, has the same picture.
    while let Ok(Some(batch)) = tokio::time::timeout(Duration::from_secs(1), changes.next()).await {
        assert!(!batch.lagged);
        let now = cache.snapshot();
        assert!(now.generation() >= batch.generation, "announced before it was published");
        for id in batch.objects {
            let version = now.get(&id).map(|object| object.resource_version.to_string());
            announced.insert(id, version);
        }
    }
    let followed: BTreeMap<_, _> = announced.into_iter().filter_map(|(id, version)| Some((id, version?))).collect();
    assert_eq!(followed, model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_picture_converges(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(steps));
    }
}
