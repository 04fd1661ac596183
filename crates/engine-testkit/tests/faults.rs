//! What a `kube::Client` sees of each fault.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod common;

use std::{pin::pin, time::Duration};

use common::{api, cluster_api, config_map, object, seen, status_of};
use futures::{StreamExt, TryStreamExt};
use gitops_engine_testkit::{Chaos, ClockJump, Cluster, Fault, Injection, Requests, WatchEnd};
use kube::{
    Api,
    api::{
        DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, VersionMatch, WatchEvent, WatchParams,
    },
    core::params::GetParams,
};
use serde_json::json;
use tokio::time::Instant;

fn cluster() -> Cluster {
    let cluster = Cluster::default();
    // The only other one is `kube-root-ca.crt`, which stands last.
    for name in ["a", "b", "c"] {
        cluster.create(config_map(name, json!({"v": "0"}))).unwrap();
    }
    cluster
}

fn config_maps(cluster: &Cluster) -> Api<DynamicObject> {
    api(cluster, "v1", "ConfigMap")
}

fn of_config_maps() -> Requests {
    Requests::any().resource("", "configmaps")
}

fn no_bookmarks(seconds: u32) -> WatchParams {
    WatchParams::default().disable_bookmarks().timeout(seconds)
}

fn set(cluster: &Cluster, name: &str, value: &str) {
    cluster.edit("configmaps", "default", name, |o| o["data"]["v"] = value.into()).unwrap();
}

fn value(object: &DynamicObject) -> String {
    object.data["data"]["v"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn refusals_are_those_of_a_server() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    for (fault, code, reason) in [
        (Fault::Forbidden, 403, "Forbidden"),
        (Fault::Conflict, 409, "Conflict"),
        (Fault::TooManyRequests { retry_after: 3 }, 429, "TooManyRequests"),
        (Fault::InternalError, 500, "InternalError"),
        (Fault::Unavailable, 503, "ServiceUnavailable"),
    ] {
        cluster.inject(Injection::new(of_config_maps(), fault).times(1));
        let mark = cluster.request_count();
        assert_eq!(status_of(api.get("a").await), (code, reason.to_owned()));
        assert_eq!(cluster.requests_since(mark)[0].status, Some(code));
        api.get("a").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_the_write_done_or_not() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    let patch = |v: &str| Patch::Merge(json!({"data": {"v": v}}));
    let is = |v: &str| cluster.get("cm", "default", "a").unwrap()["data"]["v"] == v;
    let one = |fault| cluster.inject(Injection::new(Requests::writes(), fault).times(1));

    one(Fault::TimeoutAfterCommit);
    assert_eq!(status_of(api.patch("a", &PatchParams::default(), &patch("1")).await), (504, "Timeout".to_owned()));
    assert!(is("1"));
    for (fault, after) in [(Fault::CutBeforeCommit, "1"), (Fault::CutAfterCommit, "3"), (Fault::CutBody, "4")] {
        let name = format!("{fault:?}");
        one(fault);
        let next = if name == "CutBeforeCommit" { "2" } else { after };
        let lost = api.patch("a", &PatchParams::default(), &patch(next)).await.unwrap_err();
        assert!(!matches!(lost, kube::Error::Api(_)), "{name}: {lost}");
        assert!(is(after), "{name}");
        let last = cluster.requests().pop().unwrap();
        assert_eq!((last.status, last.faults.as_slice()), ((name == "CutBody").then_some(200), &[&*name][..]));
    }
}

#[tokio::test(start_paused = true)]
async fn latency_is_on_the_clock_and_in_the_log() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    let second = Duration::from_secs(1);
    cluster.inject(Injection::new(of_config_maps(), Fault::Delay(5 * second)).times(1));
    let begun = Instant::now();
    api.get("a").await.unwrap();
    assert_eq!(begun.elapsed(), 5 * second);
    assert_eq!(cluster.requests().pop().unwrap().took, Some(5 * second));

    cluster.inject(Injection::new(of_config_maps(), Fault::DelayBetween(second, 3 * second)));
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        api.get("a").await.unwrap();
        times.push(begun.elapsed());
    }
    assert!(times.iter().all(|t| (second..3 * second + Duration::from_millis(1)).contains(t)), "{times:?}");
    times.dedup();
    assert!(times.len() > 10, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn rules_choose_by_everything_that_a_request_has() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    let fails = async |requests: Requests| {
        cluster.heal();
        cluster.inject(Injection::new(requests, Fault::InternalError));
        let apply = |dry: bool| {
            let mut how = PatchParams::apply("me").force();
            how.dry_run = dry;
            how
        };
        let body = Patch::Apply(config_map("a", json!({"x": "1"})));
        [
            api.get("a").await.is_err(),
            api.list(&ListParams::default()).await.is_err(),
            api.patch("a", &apply(false), &body).await.is_err(),
            api.patch("a", &apply(true), &body).await.is_err(),
        ]
    };
    assert_eq!(fails(Requests::any()).await, [true; 4]);
    assert_eq!(fails(Requests::reads()).await, [true, true, false, false]);
    assert_eq!(fails(Requests::writes()).await, [false, false, true, true]);
    assert_eq!(fails(Requests::writes().kept()).await, [false, false, true, false]);
    assert_eq!(fails(Requests::any().dry_runs()).await, [false, false, false, true]);
    assert_eq!(fails(Requests::any().kind("ConfigMap").manager("me")).await, [false, false, true, true]);
    assert_eq!(fails(Requests::any().kind("Secret")).await, [false; 4]);
    assert_eq!(fails(Requests::any().name("a")).await, [true, false, true, true]);
    assert_eq!(fails(Requests::any().namespace("default").verbs(["list"])).await, [false, true, false, false]);
    assert_eq!(fails(Requests::any().subresource("status")).await, [false; 4]);
    assert_eq!(fails(Requests::any().resource("*", "*")).await, [true; 4]);
    assert_eq!(fails(Requests::any().user("nobody")).await, [false; 4]);
}

#[tokio::test(start_paused = true)]
async fn rules_choose_by_number_by_chance_and_by_time() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    let outcomes = async |n: usize| {
        let mut failed = Vec::new();
        for i in 0..n {
            if api.get("a").await.is_err() {
                failed.push(i);
            }
        }
        failed
    };
    cluster.inject(Injection::new(Requests::any(), Fault::InternalError).nth(3));
    assert_eq!(outcomes(6).await, [2]);
    cluster.heal();
    cluster.inject(Injection::new(Requests::any(), Fault::InternalError).one_in(4));
    let hit = outcomes(400).await.len();
    assert!((60..140).contains(&hit), "{hit} of 400");
    cluster.heal();
    let at = Instant::now().elapsed();
    assert_eq!(at, Duration::ZERO);
    let (from, until) = (Duration::from_secs(60), Duration::from_secs(120));
    cluster.inject(Injection::new(Requests::any(), Fault::InternalError).between(from, until));
    assert!(outcomes(1).await.is_empty());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(outcomes(2).await.len(), 2);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(outcomes(1).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_past_may_be_gone() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    cluster.inject(Injection::new(of_config_maps(), Fault::Gone));
    // What names no past is not hit.
    api.get("a").await.unwrap();
    let page = api.list(&ListParams::default().limit(1)).await.unwrap();
    let token = page.metadata.continue_.unwrap();
    let kube::Error::Api(status) = api.list(&ListParams::default().limit(1).continue_token(&token)).await.unwrap_err()
    else {
        panic!("not an answer of the API")
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    let version = page.metadata.resource_version.unwrap();
    let mut watch = pin!(api.watch(&WatchParams::default(), &version).await.unwrap());
    let Some(Ok(WatchEvent::Error(status))) = watch.next().await else { panic!("no error") };
    assert_eq!(status.code, 410);
    assert!(watch.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn watches_end_as_they_are_told() {
    for (how, events) in [(WatchEnd::Close, 1), (WatchEnd::Drop, 2), (WatchEnd::Expire, 2)] {
        let cluster = cluster();
        let api = config_maps(&cluster);
        let after = Duration::from_secs(10);
        cluster.inject(Injection::new(of_config_maps(), Fault::EndWatch { after, how }).times(1));
        let begun = Instant::now();
        let watch = api.watch(&WatchParams::default(), &cluster.revision().to_string()).await.unwrap();
        set(&cluster, "a", "1");
        let all: Vec<_> = watch.collect().await;
        assert_eq!((begun.elapsed(), all.len()), (after, events), "{how:?}: {all:?}");
        match (how, all.last().unwrap()) {
            (WatchEnd::Close, Ok(WatchEvent::Modified(_))) | (WatchEnd::Drop, Err(_)) => {}
            (WatchEnd::Expire, Ok(WatchEvent::Error(status))) => assert_eq!(status.code, 410),
            (how, last) => panic!("{how:?}: {last:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_watch_is_silent_and_then_catches_up_or_dies() {
    let second = Duration::from_secs(1);
    for then in [None, Some(WatchEnd::Drop), Some(WatchEnd::Expire)] {
        let cluster = cluster();
        let api = config_maps(&cluster);
        cluster.inject(Injection::new(
            of_config_maps(),
            Fault::StallWatch { after: 5 * second, lasts: 60 * second, then },
        ));
        let how = no_bookmarks(90);
        let mut watch = pin!(api.watch(&how, &cluster.revision().to_string()).await.unwrap());
        set(&cluster, "a", "1");
        assert_eq!(seen(watch.next().await.unwrap().unwrap()), "MODIFIED a");
        tokio::time::sleep(10 * second).await;
        set(&cluster, "a", "2");
        set(&cluster, "b", "2");
        let begun = Instant::now();
        let next = watch.next().await.unwrap();
        assert_eq!(begun.elapsed(), 55 * second, "{then:?}");
        match then {
            None => {
                assert_eq!(seen(next.unwrap()), "MODIFIED a");
                assert_eq!(seen(watch.next().await.unwrap().unwrap()), "MODIFIED b");
            }
            Some(WatchEnd::Drop) => assert!(next.is_err()),
            _ => assert!(matches!(next, Ok(WatchEvent::Error(status)) if status.code == 410)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_still_ends_with_its_connection() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    let for_ever = Fault::StallWatch { after: Duration::ZERO, lasts: Duration::MAX, then: None };
    cluster.inject(Injection::new(of_config_maps(), for_ever));
    let mut watch = pin!(api.watch(&WatchParams::default().timeout(10), "0").await.unwrap());
    let silence = tokio::time::timeout(Duration::from_secs(100_000), watch.next()).await;
    assert!(silence.is_err());
    cluster.drop_watches();
    assert!(watch.next().await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn only_reads_that_allow_it_are_stale() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    set(&cluster, "a", "1");
    let middle = cluster.revision().to_string();
    set(&cluster, "a", "2");
    cluster.delete("configmaps", "default", "b").unwrap();
    cluster.inject(Injection::new(of_config_maps(), Fault::StaleByRevisions(3)));

    assert_eq!(value(&api.get("a").await.unwrap()), "2");
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 3);
    assert!(cluster.requests().iter().all(|r| r.faults.is_empty()));

    assert_eq!(value(&api.get_with("a", &GetParams::any()).await.unwrap()), "0");
    let any = ListParams::default().matching(VersionMatch::NotOlderThan);
    let old = api.list(&any.clone().at("0")).await.unwrap();
    assert_eq!((old.items.len(), value(&old.items[0])), (4, "0".to_owned()));
    // Not behind what the request names.
    let newer = api.list(&any.at(&middle)).await.unwrap();
    assert_eq!((newer.items.len(), value(&newer.items[0])), (4, "1".to_owned()));

    // A watch begins with the past and goes on from there.
    let watch = api.watch(&no_bookmarks(1), "0").await.unwrap();
    let events: Vec<String> = watch.map_ok(seen).try_collect().await.unwrap();
    assert_eq!(
        events,
        ["ADDED a", "ADDED b", "ADDED c", "ADDED kube-root-ca.crt", "MODIFIED a", "MODIFIED a", "DELETED b"]
    );
    // And so does one from the version of the stale list.
    let version = old.metadata.resource_version.unwrap();
    let watch = api.watch(&no_bookmarks(1), &version).await.unwrap();
    assert_eq!(watch.collect::<Vec<_>>().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn reads_are_stale_by_time() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    cluster.inject(Injection::new(of_config_maps(), Fault::StaleBy(Duration::from_secs(5))));
    let mut values = Vec::new();
    for i in 1..=8 {
        api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"v": i.to_string()}}))).await.unwrap();
        values.push(value(&api.get_with("a", &GetParams::any()).await.unwrap()));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    // Five seconds ago is two writes and a second ago.
    assert_eq!(values[3..], ["1", "2", "3", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn somebody_else_writes_in_between() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    let again = cluster.clone();
    // The closure may ask the cluster: no lock is held.
    let meddle = Fault::concurrent_write(move |o| {
        o["data"]["other"] = again.objects("configmaps").len().to_string().into();
    });
    cluster.inject(Injection::new(Requests::writes().name("a"), meddle.clone()).times(1));
    let mut read = api.get("a").await.unwrap();
    read.data["data"]["v"] = "1".into();
    assert_eq!(status_of(api.replace("a", &PostParams::default(), &read).await).0, 409);
    let now = api.get("a").await.unwrap();
    assert_eq!((value(&now), now.data["data"]["other"].is_string()), ("0".to_owned(), true));

    // After a read: what the client got is outdated at once.
    cluster.inject(Injection::new(Requests::reads().name("b"), meddle).times(1));
    let mut read = api.get("b").await.unwrap();
    read.data["data"]["v"] = "1".into();
    assert_eq!(status_of(api.replace("b", &PostParams::default(), &read).await).0, 409);
}

#[tokio::test(start_paused = true)]
async fn the_wall_clock_jumps_and_the_timers_do_not() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    let create = async |name: &str| {
        let made = api.create(&PostParams::default(), &object(config_map(name, json!({})))).await.unwrap();
        made.metadata.creation_timestamp.unwrap().0.to_string()
    };
    assert_eq!(create("one").await, "2026-01-01T00:00:00Z");
    cluster.jump_clock(ClockJump::Forwards(Duration::from_secs(3600)));
    assert_eq!(create("two").await, "2026-01-01T01:00:00Z");
    let back = Fault::ClockJump(ClockJump::Backwards(Duration::from_secs(7200)));
    cluster.inject(Injection::new(Requests::any().verbs(["create"]), back).times(1));
    assert_eq!(create("three").await, "2025-12-31T23:00:00Z");
    // A Pod still takes its five milliseconds.
    cluster
        .create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}}))
        .unwrap();
    let begun = Instant::now();
    common::wait(&cluster, "pods", "p", |p| p["status"]["phase"] == "Running").await;
    assert!(begun.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_broken_group_is_in_discovery_and_answers_nothing() {
    let cluster = cluster();
    cluster.break_group("metrics.k8s.io", "v1beta1");
    let client = cluster.client();
    let groups = client.list_api_groups().await.unwrap();
    assert!(groups.groups.iter().any(|g| g.name == "metrics.k8s.io"));
    let resources = client.list_api_group_resources("metrics.k8s.io/v1beta1").await.unwrap_err();
    assert!(matches!(resources, kube::Error::Api(status) if status.code == 503));
    let text = client
        .request_text(
            http::Request::get("/apis")
                .header("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
                .body(Vec::new())
                .unwrap(),
        )
        .await
        .unwrap();
    assert!(text.contains(r#""versions":[{"freshness":"Stale","version":"v1beta1"}]"#), "{text}");
    let pods = cluster_api(&cluster, "metrics.k8s.io/v1beta1", "PodMetrics");
    assert!(matches!(pods.list(&ListParams::default()).await, Err(kube::Error::Api(status)) if status.code == 503));
    cluster.heal();
    assert!(!client.list_api_groups().await.unwrap().groups.iter().any(|g| g.name == "metrics.k8s.io"));
}

#[tokio::test(start_paused = true)]
async fn chaos_is_the_same_for_the_same_seed() {
    let run = async |seed: u64| {
        let cluster = cluster();
        cluster.inject_all(Chaos::new(seed).one_in(5));
        let api = config_maps(&cluster);
        for i in 0..200 {
            let how = PatchParams::apply("me").force();
            drop(api.patch("a", &how, &Patch::Apply(config_map("a", json!({"i": i.to_string()})))).await);
            drop(api.list(&ListParams::default().at("0")).await);
        }
        drop(api.delete("a", &DeleteParams::default()).await);
        cluster.request_log()
    };
    let mut logs = Vec::new();
    for seed in 0..8 {
        let log = run(seed).await;
        assert_eq!(log, run(seed).await);
        assert!(log.contains('['), "seed {seed} brings no trouble");
        logs.push(log);
    }
    logs.sort();
    logs.dedup();
    assert_eq!(logs.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn the_log_and_the_counters_say_what_happened() {
    let cluster = cluster();
    let api = config_maps(&cluster);
    api.get("a").await.unwrap();
    drop(api.get("none").await);
    let watch = api.watch(&no_bookmarks(3), "0").await.unwrap();
    assert_eq!(watch.collect::<Vec<_>>().await.len(), 4);
    api.patch("a", &PatchParams::apply("me").force(), &Patch::Apply(config_map("a", json!({"x": "y"})))).await.unwrap();
    let counters = cluster.counters();
    assert_eq!((counters.total.requests, counters.total.refused), (4, 1));
    assert_eq!(counters.verbs["get"].requests, 2);
    assert_eq!(counters.kinds["ConfigMap"].requests, 4);
    assert!(counters.verbs["watch"].bytes_out > 300 && counters.verbs["patch"].bytes_in > 50);
    let requests = cluster.requests();
    assert_eq!(requests[2].took, Some(Duration::from_secs(3)));
    assert_eq!(requests.iter().map(|r| r.bytes_out).sum::<u64>(), counters.total.bytes_out);
    assert_eq!(cluster.requests_like(&Requests::writes().manager("me")).len(), 1);
    let log = cluster.request_log();
    assert_eq!(log.lines().count(), 4);
    let agent = &requests[0].user_agent;
    let first = format!(
        "000000 0ns testkit-user {} GET /api/v1/namespaces/default/configmaps/a in=0 -> 200 out={} took=0ns",
        if agent.is_empty() { "-" } else { agent },
        requests[0].bytes_out
    );
    assert_eq!(log.lines().next(), Some(first.as_str()));
}
