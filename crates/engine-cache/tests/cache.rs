//! The cache against a server that does what the script says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use gitops_engine_cache::{Cache, CacheOptions, Retention};
use gitops_engine_core::{
    ClusterCache, Coverage, ErrorKind, GroupKind, Health, HealthAssessor, HealthStatus, KindState, Manifest, ObjectId,
    Scope, Snapshot, Timestamp, Uid,
};
use serde_json::json;
use support::{Api, config_map, until};

fn coverage(snapshot: &dyn Snapshot, group: &str, kind: &str) -> Option<Coverage> {
    match snapshot.kind(&GroupKind::new(group, kind)) {
        KindState::Served { coverage, .. } => Some(coverage),
        _ => None,
    }
}

fn value(snapshot: &dyn Snapshot, id: &ObjectId) -> Option<String> {
    snapshot.get(id)?.manifest.as_ref()?.body().text(["data", "v"]).map(str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn it_lists_watches_and_writes_nothing() {
    let api = Api::new();
    let a = api.put(config_map("shop", "a", "1"));
    api.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    let cache = api.cache(CacheOptions::default()).await;
    let first = cache.snapshot();
    assert_eq!(value(&*first, &a).as_deref(), Some("1"));
    assert_eq!(first.holes(), []);
    assert_eq!(first.capabilities().kubernetes_version.as_deref(), Some("v1.36.3"));
    assert!(first.capabilities().api_versions.contains(&"apps/v1/StatefulSet".to_owned()));
    assert_eq!(first.kind(&GroupKind::new("", "ConfigMap")).scope(), Some(Scope::Namespaced));
    assert_eq!(first.kind(&GroupKind::new("", "Namespace")).scope(), Some(Scope::Cluster));
    assert_eq!(first.kind(&GroupKind::new("x", "Y")), KindState::NotServed);
    assert_eq!(first.in_namespace("shop").len(), 1);

    let b = api.put(config_map("shop", "b", "1"));
    api.put(config_map("shop", "a", "2"));
    let second =
        until(&cache, "b and the new a", |now| now.get(&b).is_some() && value(now, &a).as_deref() == Some("2")).await;
    assert!(second.generation() > first.generation());
    api.delete(&a);
    until(&cache, "a gone", |now| now.get(&a).is_none()).await;
    // What was handed out does not change.
    assert_eq!(value(&*first, &a).as_deref(), Some("1"));
    assert!(first.get(&b).is_none());
    assert_eq!(value(&*second, &a).as_deref(), Some("2"));
    assert!(api.requests().iter().all(|request| request.starts_with("GET ")));
}

#[tokio::test(start_paused = true)]
async fn an_idle_cluster_is_asked_nothing() {
    let api = Api::new();
    let cache = api.cache(CacheOptions::default()).await;
    let before = until(&cache, "ready", |now| now.holes().is_empty()).await.generation();
    tokio::time::sleep(Duration::from_secs(1)).await;
    api.clear_requests();
    tokio::time::sleep(Duration::from_secs(240)).await;
    assert_eq!(api.requests(), Vec::<String>::new());
    assert_eq!(cache.snapshot().generation(), before);
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_and_survive_their_expiry() {
    let api = Api::new();
    for n in 0..25 {
        api.put(config_map("shop", &format!("c{n}"), "1"));
    }
    api.expire_pages(2);
    let mut options = CacheOptions::default();
    options.page_size = 10;
    let cache = api.cache(options).await;
    assert_eq!(cache.snapshot().in_namespace("shop").len(), 25);
    let pages = |api: &Api, what: &str| {
        api.requests().iter().filter(|request| request.contains("/configmaps?") && request.contains(what)).count()
    };
    assert_eq!(pages(&api, "limit=10&continue=10"), 3, "{:?}", api.requests());
    assert_eq!(pages(&api, "limit=10&continue=20"), 1);

    // One that never gets through is asked for in one piece.
    let api = Api::new();
    for n in 0..25 {
        api.put(config_map("shop", &format!("c{n}"), "1"));
    }
    api.expire_pages(1000);
    let mut options = CacheOptions::default();
    options.page_size = 10;
    let cache = api.cache(options).await;
    assert_eq!(cache.snapshot().in_namespace("shop").len(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_watch_resumes_without_a_list() {
    let api = Api::new();
    api.put(config_map("shop", "a", "1"));
    let cache = api.cache(CacheOptions::default()).await;
    until(&cache, "all", |now| now.holes().is_empty()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    api.clear_requests();
    let b = {
        api.drop_watches();
        api.put(config_map("shop", "b", "1"))
    };
    until(&cache, "b", |now| now.get(&b).is_some()).await;
    assert!(api.requests().iter().all(|request| request.contains("watch=1")), "{:?}", api.requests());
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_saves_the_list_after_a_compaction() {
    let api = Api::new();
    let cache = api.cache(CacheOptions::default()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    api.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    api.compact();
    api.bookmark();
    tokio::time::sleep(Duration::from_secs(60)).await;
    api.clear_requests();
    api.drop_watches();
    let a = api.put(config_map("shop", "a", "1"));
    until(&cache, "a", |now| now.get(&a).is_some()).await;
    assert!(api.requests().iter().all(|request| request.contains("watch=1")), "{:?}", api.requests());
}

#[tokio::test(start_paused = true)]
async fn an_expired_watch_lists_again_and_keeps_what_did_not_change() {
    let api = Api::new();
    let [kept, changed, gone] = ["kept", "changed", "gone"].map(|name| api.put(config_map("shop", name, "1")));
    let cache = api.cache(CacheOptions::default()).await;
    let before = cache.snapshot();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut changes = cache.changes();
    // Missed by the watch: it is closed first and the history is forgotten after.
    api.set_down(true);
    api.put(config_map("shop", "changed", "2"));
    api.delete(&gone);
    let new = api.put(config_map("shop", "new", "1"));
    api.compact();
    api.set_down(false);
    let after = until(&cache, "new", |now| now.get(&new).is_some() && now.get(&gone).is_none()).await;
    assert_eq!(value(&*after, &changed).as_deref(), Some("2"));
    assert!(Arc::ptr_eq(&before.get(&kept).unwrap(), &after.get(&kept).unwrap()), "unchanged objects stay the same");
    let mut named = std::collections::BTreeSet::new();
    while let Ok(Some(batch)) = tokio::time::timeout(Duration::from_secs(5), changes.next()).await {
        named.extend(batch.objects);
    }
    assert_eq!(named, [changed, gone, new].into());
    until(&cache, "complete", |now| now.holes().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_event_410_lists_again() {
    let api = Api::new();
    let cache = api.cache(CacheOptions::default()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    api.clear_requests();
    let expired =
        json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "old"}});
    api.send_raw("/api/v1/configmaps", &format!("{expired}\n"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(api.requests().iter().any(|request| request == "GET /api/v1/configmaps?limit=500"), "{:?}", api.requests());
    assert_eq!(cache.snapshot().holes(), []);
}

#[tokio::test(start_paused = true)]
async fn garbage_in_a_watch_is_survived() {
    let api = Api::new();
    let cache = api.cache(CacheOptions::default()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let path = "/api/v1/configmaps";
    api.send_raw(path, "{not json\n");
    let a = api.put(config_map("shop", "a", "1"));
    until(&cache, "a", |now| now.get(&a).is_some() && now.holes().is_empty()).await;
    // An object that cannot be read hides no other, and nobody claims to know all.
    api.send_raw(path, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\"}}\n");
    api.send_raw(path, "{\"type\":\"NEWS\",\"object\":{}}\n");
    let b = api.put(config_map("shop", "b", "1"));
    let now = until(&cache, "b", |now| now.get(&b).is_some()).await;
    assert!(matches!(coverage(&*now, "", "ConfigMap"), Some(Coverage::Broken(why)) if why.contains("no apiVersion")));
}

#[tokio::test(start_paused = true)]
async fn one_bad_object_in_a_list_hides_no_other() {
    let api = Api::new();
    let a = api.put(config_map("shop", "a", "1"));
    api.put(config_map("shop", "bad", "1"));
    api.set_bad_item("bad");
    let cache = api.cache(CacheOptions::default()).await;
    let now = cache.snapshot();
    assert!(now.get(&a).is_some());
    assert!(matches!(coverage(&*now, "", "ConfigMap"), Some(Coverage::Broken(why)) if why.starts_with("1 objects")));
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_kind_hides_no_other_and_comes_back() {
    let api = Api::new();
    let a = api.put(config_map("shop", "a", "1"));
    let secret = api.put(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}}));
    api.set_forbidden("/api/v1/secrets", true);
    let cache = api.cache(CacheOptions::default()).await;
    let now = cache.snapshot();
    assert!(now.get(&a).is_some());
    assert!(matches!(coverage(&*now, "", "Secret"), Some(Coverage::Forbidden(why)) if why.contains("you may not")));
    assert_eq!(now.holes().len(), 1);
    // Asked again, seldom.
    api.clear_requests();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let asked = api.requests().iter().filter(|request| request.contains("/secrets")).count();
    assert!((2..=20).contains(&asked), "{asked}");
    api.set_forbidden("/api/v1/secrets", false);
    until(&cache, "the secret", |now| now.get(&secret).is_some() && now.holes().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_breaks_keeps_what_was_known() {
    let api = Api::new();
    let a = api.put(config_map("shop", "a", "1"));
    let cache = api.cache(CacheOptions::default()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    api.set_down(true);
    let now = until(&cache, "broken", |now| matches!(coverage(now, "", "ConfigMap"), Some(Coverage::Broken(_)))).await;
    assert!(now.get(&a).is_some());
    assert!(!coverage(&*now, "", "ConfigMap").unwrap().proves_absence());
    api.set_down(false);
    until(&cache, "whole", |now| now.holes().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_group_hides_no_other() {
    for legacy in [false, true] {
        let api = Api::new();
        if legacy {
            api.set_legacy();
        }
        api.serve("custom.example", "v1", "Thing", true);
        api.set_broken_group("custom.example", true);
        let a = api.put(config_map("shop", "a", "1"));
        let cache = api.cache(CacheOptions::default()).await;
        let now = cache.snapshot();
        assert!(now.get(&a).is_some());
        let thing = GroupKind::new("custom.example", "Thing");
        assert!(matches!(now.kind(&thing), KindState::Undetermined(_)), "{:?}", now.kind(&thing));
        assert_eq!(now.holes()[0].0, "group custom.example");
        // It heals, and what was known stays when it breaks again.
        api.set_broken_group("custom.example", false);
        let object =
            json!({"apiVersion": "custom.example/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": "shop"}});
        let id = api.put(object);
        until(&cache, "the thing", |now| now.get(&id).is_some() && now.holes().is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn old_servers_are_discovered_group_by_group() {
    let api = Api::new();
    api.set_legacy();
    api.serve("apps", "v1beta1", "StatefulSet", true);
    api.serve_verbs("authorization.example", "v1", "Review", false, vec!["create"]);
    let cache = api.cache(CacheOptions::default()).await;
    let now = cache.snapshot();
    let KindState::Served { preferred, versions, coverage } = now.kind(&GroupKind::new("apps", "StatefulSet")) else {
        panic!("not served")
    };
    assert_eq!((&*preferred.version, versions.len(), coverage), ("v1beta1", 2, Coverage::Complete));
    assert_eq!(coverage_of_review(&*now), Some(Coverage::NotWatched));
    assert!(now.kind(&GroupKind::new("", "Pod")).scope().is_some());
}

fn coverage_of_review(snapshot: &dyn Snapshot) -> Option<Coverage> {
    coverage(snapshot, "authorization.example", "Review")
}

fn crd(established: bool) -> serde_json::Value {
    let status = if established { "True" } else { "False" };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.custom.example"},
        "spec": {"group": "custom.example", "names": {"kind": "Thing", "plural": "things"}, "versions": [{"name": "v1", "served": true}]},
        "status": {"conditions": [{"type": "Established", "status": status}]},
    })
}

#[tokio::test(start_paused = true)]
async fn kinds_come_and_go_with_their_crds() {
    let api = Api::new();
    let cache = api.cache(CacheOptions::default()).await;
    let thing = GroupKind::new("custom.example", "Thing");
    tokio::time::sleep(Duration::from_secs(60)).await;
    api.clear_requests();
    let definition = api.put(crd(false));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(api.requests(), Vec::<String>::new(), "nothing to ask before it is established");

    // Discovery follows the CRD a moment later.
    api.put(crd(true));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cache.snapshot().kind(&thing), KindState::NotServed);
    api.serve("custom.example", "v1", "Thing", true);
    let id = api.put(
        json!({"apiVersion": "custom.example/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": "shop"}}),
    );
    until(&cache, "the thing", |now| now.get(&id).is_some() && now.holes().is_empty()).await;

    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut changes = cache.changes();
    let watches = api.open_watches();
    api.delete(&definition);
    api.unserve("custom.example", "v1", "Thing");
    let now = until(&cache, "no such kind", |now| now.kind(&thing) == KindState::NotServed).await;
    assert!(now.get(&id).is_none());
    let mut named = Vec::new();
    while let Ok(Some(batch)) = tokio::time::timeout(Duration::from_secs(5), changes.next()).await {
        named.extend(batch.objects);
    }
    assert!(named.contains(&id));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(api.open_watches(), watches - 1);
    api.clear_requests();
    tokio::time::sleep(Duration::from_secs(240)).await;
    // Watches are renewed, nothing else.
    assert!(api.requests().iter().all(|request| request.contains("watch=1")), "{:?}", api.requests());
}

#[tokio::test(start_paused = true)]
async fn excluded_kinds_are_known_and_not_watched() {
    let api = Api::new();
    api.serve("", "v1", "Event", true);
    let options = CacheOptions::default().exclude_kind("", "Secret").exclude_group("apps");
    let cache = api.cache(options).await;
    let now = cache.snapshot();
    for (group, kind) in [("", "Event"), ("", "Secret"), ("apps", "StatefulSet")] {
        assert_eq!(coverage(&*now, group, kind), Some(Coverage::NotWatched), "{kind}");
    }
    assert!(!api.requests().iter().any(|request| request.contains("/events") || request.contains("/apps/v1")));
}

struct AllDegraded;

impl HealthAssessor for AllDegraded {
    fn assess(&self, _: &Manifest, _: Timestamp) -> Option<Health> {
        Some(HealthStatus::Degraded.into())
    }
}

fn pod(name: &str, owner: Option<(&str, bool)>) -> serde_json::Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}});
    if let Some((uid, controller)) = owner {
        let reference =
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": uid, "controller": controller});
        pod["metadata"]["ownerReferences"] = json!([reference]);
    }
    pod
}

#[tokio::test(start_paused = true)]
async fn what_a_controller_made_is_an_index_node_with_health() {
    let api = Api::new();
    let alone = api.put(pod("alone", None));
    let owned = api.put(pod("owned", Some(("u-r", true))));
    let tended = api.put(pod("tended", Some(("u-r", false))));
    let cache = api.cache(CacheOptions::default().health(Arc::new(AllDegraded))).await;
    let now = cache.snapshot();
    for (id, whole) in [(&alone, true), (&owned, false), (&tended, true)] {
        let object = now.get(id).unwrap();
        assert_eq!(object.manifest.is_some(), whole, "{id}");
        assert_eq!(object.health.is_none(), whole, "{id}");
    }
    let children: Vec<_> = now.children(&Uid::from("u-r")).iter().map(|child| child.id.clone()).collect();
    assert_eq!(children, [owned.clone(), tended]);

    let cache = api.cache(CacheOptions::default().retain(|_: &Manifest| Retention::Full)).await;
    assert!(cache.snapshot().get(&owned).unwrap().manifest.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_panics_costs_one_object() {
    let api = Api::new();
    let a = api.put(config_map("shop", "a", "1"));
    let bad = api.put(config_map("shop", "bad", "1"));
    let rule = |object: &Manifest| {
        assert!(&*object.id().name != "bad", "as the script says");
        Retention::Full
    };
    let cache = api.cache(CacheOptions::default().retain(rule)).await;
    let now = cache.snapshot();
    assert!(now.get(&a).is_some() && now.get(&bad).is_none());
    assert!(matches!(coverage(&*now, "", "ConfigMap"), Some(Coverage::Broken(why)) if why.contains("panicked")));
    let b = api.put(config_map("shop", "b", "1"));
    until(&cache, "b", |now| now.get(&b).is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn claims_belong_to_their_stateful_set_in_any_order() {
    let set = |templates: &[&str]| {
        let templates: Vec<_> = templates.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"volumeClaimTemplates": templates}})
    };
    let claim = |namespace: &str, name: &str| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace}});
    let names = ["data-web-0", "data-web-10", "x-data-web-0", "data-web-0-old", "logs-web-0", "data-other-0"];
    let expected = ["data-web-0", "data-web-10"];
    let owned = |now: &dyn Snapshot, id: &ObjectId| -> Vec<String> {
        let uid = now.get(id).map(|set| set.uid.clone());
        uid.iter().flat_map(|uid| now.children(uid)).map(|child| child.id.name.to_string()).collect()
    };
    for claims_first in [true, false] {
        let api = Api::new();
        let cache = api.cache(CacheOptions::default()).await;
        let id = ObjectId::namespaced("apps", "StatefulSet", "shop", "web");
        let put_claims = || {
            for name in names {
                api.put(claim("shop", name));
            }
            api.put(claim("elsewhere", "data-web-0"));
        };
        if claims_first {
            put_claims();
            until(&cache, "claims", |now| now.in_namespace("shop").len() == names.len()).await;
            api.put(set(&["data"]));
        } else {
            api.put(set(&["data"]));
            until(&cache, "the set", |now| now.get(&id).is_some()).await;
            put_claims();
        }
        until(&cache, "ownership", |now| owned(now, &id) == expected).await;

        // Deleted without its claims, and made anew: another uid, the same claims.
        api.delete(&id);
        let now = until(&cache, "no set", |now| now.get(&id).is_none()).await;
        assert!(now.in_namespace("shop").iter().all(|object| object.owners.is_empty()));
        api.put(set(&["data"]));
        until(&cache, "ownership again", |now| owned(now, &id) == expected).await;
        // Other templates.
        api.put(set(&["logs"]));
        until(&cache, "other claims", |now| owned(now, &id) == ["logs-web-0"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_belong_to_the_service_of_their_name() {
    let api = Api::new();
    api.serve("", "v1", "Endpoints", true);
    let of = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
    let endpoints = api.put(of("Endpoints", "web"));
    api.put(of("Endpoints", "alone"));
    let cache = api.cache(CacheOptions::default().include_kind("", "Endpoints")).await;
    let owner = |now: &dyn Snapshot| now.get(&endpoints).unwrap().owners.first().map(|owner| owner.uid.clone());
    assert_eq!(owner(&*cache.snapshot()), None);
    let service = api.put(of("Service", "web"));
    let now = until(&cache, "an owner", |now| owner(now).is_some()).await;
    let uid = now.get(&service).unwrap().uid.clone();
    assert_eq!(now.children(&uid).iter().map(|child| &child.id).collect::<Vec<_>>(), [&endpoints]);
    api.delete(&service);
    until(&cache, "no owner", |now| owner(now).is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn token_secrets_belong_to_their_service_account() {
    let api = Api::new();
    let token = api.put(json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "t", "namespace": "shop", "annotations":
            {"kubernetes.io/service-account.name": "sa", "kubernetes.io/service-account.uid": "u-sa"}}}));
    let cache = api.cache(CacheOptions::default()).await;
    assert_eq!(cache.snapshot().children(&Uid::from("u-sa"))[0].id, token);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_not_there() {
    let api = Api::new();
    api.set_down(true);
    let cache = Cache::start(api.client(), CacheOptions::default().connect_deadline(Duration::from_secs(7)));
    let start = tokio::time::Instant::now();
    let error = cache.ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(start.elapsed().as_secs(), 7);
    assert!(error.to_string().contains("cannot be reached at the API server: "), "{error}");
    assert!(error.help_text().is_some());
    assert!(matches!(cache.snapshot().kind(&GroupKind::new("", "Pod")), KindState::Undetermined(_)));
    // It goes on trying.
    api.set_down(false);
    until(&cache, "whole", |now| now.kind(&GroupKind::new("", "Pod")).scope().is_some() && now.holes().is_empty())
        .await;
    cache.ready().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_told_at_once() {
    let api = Api::new();
    api.fail("/api", 401, 1000);
    let cache = Cache::start(api.client(), CacheOptions::default());
    let start = tokio::time::Instant::now();
    assert_eq!(cache.ready().await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_server_is_a_timeout() {
    let service = tower::service_fn(|_: http::Request<kube::client::Body>| {
        std::future::pending::<Result<http::Response<http_body_util::Full<bytes::Bytes>>, std::io::Error>>()
    });
    let client = gitops_engine_cache::Client::new(service, "default");
    let cache = Cache::start(client, CacheOptions::default());
    assert_eq!(cache.ready().await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_cache_ends_everything() {
    let api = Api::new();
    let cache = api.cache(CacheOptions::default()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(api.open_watches() > 5);
    let mut changes = cache.changes();
    drop(cache);
    while changes.next().await.is_some() {}
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(api.open_watches(), 0);
    api.clear_requests();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(api.requests(), Vec::<String>::new());
}
