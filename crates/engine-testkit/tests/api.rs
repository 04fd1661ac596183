//! The API as a `kube::Client` sees it.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod common;

use common::*;
use futures::{StreamExt, TryStreamExt};
use gitops_engine_testkit::{Cluster, Fault, Injection, Requests};
use kube::{
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
    },
    core::GroupVersionKind,
    discovery::{Discovery, Scope},
};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn discovery_lists_groups_kinds_and_scopes() {
    let cluster = Cluster::default();
    let client = cluster.client();
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let (deployment, caps) = discovery.resolve_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment")).unwrap();
    assert_eq!(deployment.plural, "deployments");
    assert_eq!(caps.scope, Scope::Namespaced);
    let (_, caps) = discovery.resolve_gvk(&GroupVersionKind::gvk("", "v1", "Namespace")).unwrap();
    assert_eq!(caps.scope, Scope::Cluster);
    assert_eq!(client.apiserver_version().await.unwrap().minor, "36");

    let aggregated = Discovery::new(client).run_aggregated().await.unwrap();
    assert!(aggregated.resolve_gvk(&GroupVersionKind::gvk("batch", "v1", "CronJob")).is_some());
}

#[tokio::test(start_paused = true)]
async fn create_get_update_delete() {
    let cluster = Cluster::default();
    let api = api(&cluster, "v1", "ConfigMap");
    let made = api.create(&PostParams::default(), &object(config_map("a", json!({"x": "1"})))).await.unwrap();
    assert!(made.metadata.uid.is_some() && made.metadata.resource_version.is_some());
    assert_eq!(
        status_of(api.create(&PostParams::default(), &object(config_map("a", json!({})))).await),
        (409, "AlreadyExists".into())
    );

    let mut changed = made.clone();
    changed.data["data"]["x"] = "2".into();
    let replaced = api.replace("a", &PostParams::default(), &changed).await.unwrap();
    assert_ne!(replaced.metadata.resource_version, made.metadata.resource_version);
    let e = api.replace("a", &PostParams::default(), &changed).await;
    assert_eq!(status_of(e), (409, "Conflict".into()));
    // The same again is no change.
    let again = api.replace("a", &PostParams::default(), &replaced).await.unwrap();
    assert_eq!(again.metadata.resource_version, replaced.metadata.resource_version);

    let wrong = DeleteParams {
        preconditions: Some(kube::api::Preconditions { uid: Some("no".into()), resource_version: None }),
        ..DeleteParams::default()
    };
    assert_eq!(status_of(api.delete("a", &wrong).await), (409, "Conflict".into()));
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(status_of(api.get("a").await), (404, "NotFound".into()));
}

#[tokio::test(start_paused = true)]
async fn pages_are_pinned_to_one_revision_and_expire() {
    let cluster = Cluster::default();
    let api = api(&cluster, "v1", "Secret");
    for i in 0..5 {
        cluster.create(secret(&format!("s{i}"))).unwrap();
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(names(&first.items), ["s0", "s1"]);
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    cluster.delete("secrets", "default", "s2").unwrap();
    cluster.create(secret("s25")).unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let second = api.list(&ListParams::default().limit(10).continue_token(&token)).await.unwrap();
    assert_eq!(names(&second.items), ["s2", "s3", "s4"], "as of the first page");
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    cluster.force_compaction();
    let e = api.list(&ListParams::default().limit(2).continue_token(&token)).await;
    assert_eq!(status_of(e), (410, "Expired".into()));
}

#[tokio::test(start_paused = true)]
async fn selectors() {
    let cluster = Cluster::default();
    let api = api(&cluster, "v1", "ConfigMap");
    for (name, app) in [("a", "web"), ("b", "web"), ("c", "db")] {
        let mut o = config_map(name, json!({}));
        o["metadata"]["labels"] = json!({"app": app});
        cluster.create(o).unwrap();
    }
    let list = api.list(&ListParams::default().labels("app in (web)")).await.unwrap();
    assert_eq!(names(&list.items), ["a", "b"]);
    let list = api.list(&ListParams::default().fields("metadata.name=c")).await.unwrap();
    assert_eq!(names(&list.items), ["c"]);
    assert_eq!(status_of(api.list(&ListParams::default().labels("a b c")).await).0, 400);
    assert_eq!(status_of(api.list(&ListParams::default().fields("data.x=1")).await).0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_without_loss_and_learns_that_it_is_too_old() {
    let cluster = Cluster::default();
    let api = api(&cluster, "v1", "Secret");
    cluster.create(secret("a")).unwrap();
    let start = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    cluster.create(secret("b")).unwrap();
    let mut watch = api.watch(&WatchParams::default(), &start).await.unwrap().boxed();
    assert_eq!(seen(watch.try_next().await.unwrap().unwrap()), "ADDED b");
    cluster.edit("secrets", "default", "a", |o| o["data"] = json!({"k": "dg=="})).unwrap();
    assert_eq!(seen(watch.try_next().await.unwrap().unwrap()), "MODIFIED a");
    cluster.delete("secrets", "default", "a").unwrap();
    let last = watch.try_next().await.unwrap().unwrap();
    let WatchEvent::Deleted(gone) = &last else { panic!("{last:?}") };
    let resume = gone.metadata.resource_version.clone().unwrap();

    cluster.drop_watches();
    assert!(watch.next().await.unwrap().is_err(), "the connection broke");
    cluster.create(secret("c")).unwrap();
    let mut watch = api.watch(&WatchParams::default(), &resume).await.unwrap().boxed();
    assert_eq!(seen(watch.try_next().await.unwrap().unwrap()), "ADDED c");

    cluster.force_compaction();
    let mut watch = api.watch(&WatchParams::default(), &start).await.unwrap().boxed();
    match watch.try_next().await.unwrap().unwrap() {
        WatchEvent::Error(e) => assert_eq!((e.code, e.reason.as_str()), (410, "Expired")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_with_a_selector_turns_changes_into_additions_and_deletions() {
    let cluster = Cluster::default();
    let api = api(&cluster, "v1", "Secret");
    let rv = cluster.revision().to_string();
    let mut watch = api.watch(&WatchParams::default().labels("on=yes"), &rv).await.unwrap().boxed();
    cluster.create(secret("a")).unwrap();
    cluster.edit("secrets", "default", "a", |o| o["metadata"]["labels"] = json!({"on": "yes"})).unwrap();
    assert_eq!(seen(watch.try_next().await.unwrap().unwrap()), "ADDED a");
    cluster.edit("secrets", "default", "a", |o| o["metadata"]["labels"] = json!({"on": "no"})).unwrap();
    assert_eq!(seen(watch.try_next().await.unwrap().unwrap()), "DELETED a");
}

#[tokio::test(start_paused = true)]
async fn streaming_lists_end_with_a_bookmark() {
    let cluster = Cluster::default();
    cluster.create(secret("a")).unwrap();
    let api = api(&cluster, "v1", "Secret");
    let params = WatchParams::default().initial_events();
    let mut watch = api.watch(&params, "0").await.unwrap().boxed();
    assert_eq!(seen(watch.try_next().await.unwrap().unwrap()), "ADDED a");
    match watch.try_next().await.unwrap().unwrap() {
        WatchEvent::Bookmark(b) => {
            assert_eq!(b.metadata.annotations.get("k8s.io/initial-events-end").map(String::as_str), Some("true"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn bookmarks_and_timeouts() {
    let cluster = Cluster::default();
    let api = api(&cluster, "v1", "Secret");
    let rv = cluster.revision().to_string();
    let watch = api.watch(&WatchParams::default().timeout(150), &rv).await.unwrap();
    let events: Vec<_> = watch.try_collect().await.unwrap();
    assert_eq!(events.len(), 3, "two bookmarks, one at the end: {events:?}");
    assert!(events.iter().all(|e| matches!(e, WatchEvent::Bookmark(_))));
}

#[tokio::test(start_paused = true)]
async fn apply_owns_conflicts_and_gives_up() {
    let cluster = Cluster::default();
    let api = api(&cluster, "v1", "ConfigMap");
    let apply = |manager: &'static str, force: bool, data: Value| {
        let api = api.clone();
        async move {
            let mut params = PatchParams::apply(manager);
            params.force = force;
            api.patch("a", &params, &Patch::Apply(config_map("a", data))).await
        }
    };
    let first = apply("one", false, json!({"x": "1", "y": "1"})).await.unwrap();
    let again = apply("one", false, json!({"x": "1", "y": "1"})).await.unwrap();
    assert_eq!(first, again, "an apply that changes nothing changes nothing");

    let error = apply("two", false, json!({"x": "2"})).await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!(status.code, 409);
    assert_eq!(status.message, r#"Apply failed with 1 conflict: conflict with "one": .data.x"#);
    let cause = &status.details.unwrap().causes[0];
    assert_eq!((cause.reason.as_str(), cause.field.as_str()), ("FieldManagerConflict", ".data.x"));

    apply("two", true, json!({"x": "2"})).await.unwrap();
    let left = apply("one", false, json!({})).await.unwrap();
    assert_eq!(left.data["data"], json!({"x": "2"}), "y went with its only owner, x is the other's");
}

#[tokio::test(start_paused = true)]
async fn dry_runs_show_and_keep_nothing() {
    let cluster = Cluster::default();
    let api = api(&cluster, "apps/v1", "Deployment");
    let before = cluster.revision();
    let params = PatchParams::apply("m").dry_run();
    let shown = api.patch("web", &params, &Patch::Apply(deployment("web", 2, "x:1"))).await.unwrap();
    assert_eq!(shown.data["spec"]["progressDeadlineSeconds"], 600);
    assert_eq!(cluster.revision(), before);
    assert!(cluster.get("deploy", "default", "web").is_none());
    assert_eq!(cluster.writes_since(0), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_rolls_out_through_its_intermediate_states() {
    let cluster = Cluster::default();
    let api = api(&cluster, "apps/v1", "Deployment");
    let apply = PatchParams::apply("m").force();
    api.patch("web", &apply, &Patch::Apply(deployment("web", 3, "x:1"))).await.unwrap();
    assert!(cluster.get("deploy", "default", "web").unwrap()["status"]["observedGeneration"].is_null());
    wait(&cluster, "deploy", "web", available(3)).await;
    let rv = cluster.revision();
    api.patch("web", &apply, &Patch::Apply(deployment("web", 3, "x:2"))).await.unwrap();
    let mut watch = api.watch(&WatchParams::default(), &rv.to_string()).await.unwrap().boxed();
    let mut states = Vec::new();
    while let Some(WatchEvent::Modified(d)) = watch.try_next().await.unwrap() {
        let status = &d.data["status"];
        let lags = status["observedGeneration"].as_i64() < d.metadata.generation;
        let updated = status["updatedReplicas"].as_i64().unwrap_or(0);
        let total = status["replicas"].as_i64().unwrap_or(0);
        states.push((lags, updated, total));
        let done = status["conditions"].as_array().is_some_and(|c| {
            c.iter().any(|c| {
                c["reason"] == "NewReplicaSetAvailable" && c["message"].as_str().is_some_and(|m| m.contains("web-"))
            })
        });
        if done && !lags && updated == 3 && total == 3 && states.len() > 4 {
            break;
        }
    }
    assert!(states[0].0, "the generation runs ahead of the controller: {states:?}");
    assert!(states.iter().any(|(_, updated, _)| *updated > 0 && *updated < 3), "{states:?}");
    assert!(states.iter().any(|(_, _, total)| *total > 3), "surge: {states:?}");
    let sets = cluster.objects("replicasets");
    assert_eq!(sets.len(), 2);
    assert_eq!(sets.iter().filter(|s| s["spec"]["replicas"] == 0).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_cannot_go_on_exceeds_its_deadline() {
    let cluster = Cluster::default();
    let mut object = deployment("web", 1, "x:1");
    object["spec"]["progressDeadlineSeconds"] = 10.into();
    object["spec"]["template"]["metadata"]["annotations"] =
        json!({gitops_engine_testkit::script::POD: gitops_engine_testkit::script::CRASH_LOOPING});
    let _client = cluster.client().apiserver_version().await.unwrap();
    cluster.create(object).unwrap();
    wait(&cluster, "deploy", "web", |d| {
        d["status"]["conditions"]
            .as_array()
            .is_some_and(|c| c.iter().any(|c| c["reason"] == "ProgressDeadlineExceeded"))
    })
    .await;
    let pod = &cluster.objects("pods")[0];
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "CrashLoopBackOff");
}

#[tokio::test(start_paused = true)]
async fn deleting_an_owner_takes_its_dependents() {
    for propagation in ["Background", "Foreground"] {
        let cluster = Cluster::default();
        let api = api(&cluster, "apps/v1", "Deployment");
        cluster.create(deployment("web", 2, "x:1")).unwrap();
        let _starts_controllers = api.get("web").await.unwrap();
        wait(&cluster, "deploy", "web", available(2)).await;
        let params = if propagation == "Foreground" { DeleteParams::foreground() } else { DeleteParams::background() };
        api.delete("web", &params).await.unwrap();
        assert_eq!(cluster.get("deploy", "default", "web").is_some(), propagation == "Foreground");
        until(&cluster, |c| {
            c.objects("deploy").is_empty() && c.objects("rs").is_empty() && c.objects("pods").is_empty()
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn orphans_stay() {
    let cluster = Cluster::default();
    let api = api(&cluster, "apps/v1", "Deployment");
    cluster.create(deployment("web", 2, "x:1")).unwrap();
    let _starts_controllers = api.get("web").await.unwrap();
    wait(&cluster, "deploy", "web", available(2)).await;
    api.delete("web", &DeleteParams::orphan()).await.unwrap();
    until(&cluster, |c| c.objects("deploy").is_empty()).await;
    let sets = cluster.objects("rs");
    assert_eq!(sets.len(), 1);
    assert!(sets[0]["metadata"]["ownerReferences"].is_null());
    assert_eq!(cluster.objects("pods").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn finalizers_hold_an_object() {
    let cluster = Cluster::default();
    let api = api(&cluster, "v1", "ConfigMap");
    let mut o = config_map("a", json!({}));
    o["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.create(o).unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let held = api.get("a").await.unwrap();
    assert!(held.metadata.deletion_timestamp.is_some());
    let patch = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
    assert_eq!(
        status_of(api.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await),
        (422, "Invalid".into())
    );
    let patch = json!({"metadata": {"finalizers": null}});
    api.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    assert_eq!(status_of(api.get("a").await).0, 404);
}

#[tokio::test(start_paused = true)]
async fn namespaces_have_a_life() {
    let cluster = Cluster::default();
    let namespaces = cluster_api(&cluster, "v1", "Namespace");
    let in_x = api_in(&cluster, "v1", "ConfigMap", "x");
    let mut o = config_map("a", json!({}));
    o["metadata"]["namespace"] = "x".into();
    let missing = in_x.create(&PostParams::default(), &object(o.clone())).await;
    let kube::Error::Api(status) = missing.unwrap_err() else { panic!() };
    assert_eq!((status.code, status.message.as_str()), (404, r#"namespaces "x" not found"#));
    namespaces
        .create(
            &PostParams::default(),
            &object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})),
        )
        .await
        .unwrap();
    until(&cluster, |c| c.get("sa", "x", "default").is_some() && c.get("cm", "x", "kube-root-ca.crt").is_some()).await;
    let mut held = o.clone();
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    in_x.create(&PostParams::default(), &object(held)).await.unwrap();
    namespaces.delete("x", &DeleteParams::default()).await.unwrap();
    o["metadata"]["name"] = "b".into();
    let refused = in_x.create(&PostParams::default(), &object(o)).await;
    assert_eq!(status_of(refused), (403, "Forbidden".into()));
    until(&cluster, |c| c.get("sa", "x", "default").is_none()).await;
    assert!(cluster.get("ns", "", "x").is_some(), "a finalizer holds it");
    in_x.patch("a", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await.unwrap();
    until(&cluster, |c| c.get("ns", "", "x").is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn jobs_complete_or_fail() {
    let cluster = Cluster::default();
    let api = api(&cluster, "batch/v1", "Job");
    let job = |name: &str, script: Option<&str>| {
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "default"},
            "spec": {"backoffLimit": 1, "template": {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x"}]}}},
        });
        if let Some(script) = script {
            job["spec"]["template"]["metadata"] = json!({"annotations": {gitops_engine_testkit::script::POD: script}});
        }
        object(job)
    };
    api.create(&PostParams::default(), &job("good", None)).await.unwrap();
    api.create(&PostParams::default(), &job("bad", Some("failing"))).await.unwrap();
    let has = |kind: &'static str| {
        move |j: &Value| {
            j["status"]["conditions"]
                .as_array()
                .is_some_and(|c| c.iter().any(|c| c["type"] == kind && c["status"] == "True"))
        }
    };
    wait(&cluster, "jobs", "good", has("Complete")).await;
    wait(&cluster, "jobs", "bad", has("Failed")).await;
    assert_eq!(cluster.get("jobs", "default", "bad").unwrap()["status"]["failed"], 2);
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "y"}]}}}});
    let e = api.patch("good", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap_err();
    let kube::Error::Api(status) = e else { panic!("{e}") };
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(status.message.ends_with("field is immutable"), "{}", status.message);
}

#[tokio::test(start_paused = true)]
async fn statefulsets_are_ordered_and_keep_their_claims() {
    let cluster = Cluster::default();
    let api = api(&cluster, "apps/v1", "StatefulSet");
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}],
        },
    });
    api.patch("db", &PatchParams::apply("m"), &Patch::Apply(&set)).await.unwrap();
    wait(&cluster, "sts", "db", |s| s["status"]["readyReplicas"] == 2 && s["status"]["currentReplicas"] == 2).await;
    assert_eq!(value_names(&cluster.objects("pods")), ["db-0", "db-1"]);
    until(&cluster, |c| c.objects("pvc").iter().all(|p| p["status"]["phase"] == "Bound")).await;
    assert_eq!(value_names(&cluster.objects("pvc")), ["data-db-0", "data-db-1"]);
    api.delete("db", &DeleteParams::background()).await.unwrap();
    until(&cluster, |c| c.objects("pods").is_empty()).await;
    assert_eq!(cluster.objects("pvc").len(), 2);
}

fn widget_crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {"type": "object", "required": ["size"], "properties": {
                            "size": {"type": "integer", "minimum": 1},
                            "colour": {"type": "string", "default": "red"},
                            "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
                                      "items": {"type": "object", "required": ["id"],
                                                "properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}},
                        }},
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    },
                }},
            }],
        },
    })
}

#[tokio::test(start_paused = true)]
async fn crds_come_serve_and_go() {
    let cluster = Cluster::default();
    let crds = cluster_api(&cluster, "apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let widgets = api(&cluster, "example.com/v1", "Widget");
    assert_eq!(status_of(widgets.list(&ListParams::default()).await).0, 404);
    crds.create(&PostParams::default(), &object(widget_crd())).await.unwrap();
    wait_cluster(&cluster, "crd", "widgets.example.com", |c| {
        c["status"]["conditions"]
            .as_array()
            .is_some_and(|c| c.iter().any(|c| c["type"] == "Established" && c["status"] == "True"))
    })
    .await;
    let client = cluster.client();
    let discovery = Discovery::new(client).filter(&["example.com"]).run().await.unwrap();
    assert!(discovery.resolve_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget")).is_some());

    let widget = |spec: Value| {
        object(json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec}))
    };
    let e = widgets.create(&PostParams::default(), &widget(json!({"size": 0}))).await;
    assert_eq!(status_of(e), (422, "Invalid".into()));
    let made = widgets.create(&PostParams::default(), &widget(json!({"size": 3, "unknown": true}))).await.unwrap();
    assert_eq!(made.data["spec"], json!({"size": 3, "colour": "red"}));
    assert_eq!(made.metadata.generation, Some(1));
    let status = json!({"status": {"phase": "Good"}});
    let after = widgets.patch_status("a", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    assert_eq!(after.metadata.generation, Some(1));
    assert_eq!(after.data["status"]["phase"], "Good");
    let after = widgets
        .patch("a", &PatchParams::default(), &Patch::Merge(json!({"status": {"phase": "Bad"}, "spec": {"size": 4}})))
        .await
        .unwrap();
    assert_eq!(after.data["status"]["phase"], "Good", "status has its own door");
    assert_eq!(after.metadata.generation, Some(2));

    // List items merge by the keys that the schema names.
    let part = |id: &str| json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"parts": [{"id": id, "n": 1}]}});
    widgets.patch("a", &PatchParams::apply("one"), &Patch::Apply(part("x"))).await.unwrap();
    let both = widgets.patch("a", &PatchParams::apply("two"), &Patch::Apply(part("y"))).await.unwrap();
    assert_eq!(both.data["spec"]["parts"].as_array().unwrap().len(), 2);

    crds.delete("widgets.example.com", &DeleteParams::default()).await.unwrap();
    until(&cluster, |c| c.objects("crd").is_empty()).await;
    assert_eq!(status_of(widgets.list(&ListParams::default()).await).0, 404);
}

#[tokio::test(start_paused = true)]
async fn immutable_fields_and_names() {
    let cluster = Cluster::default();
    let api = api(&cluster, "apps/v1", "Deployment");
    cluster.create(deployment("web", 1, "x:1")).unwrap();
    let mut other = deployment("web", 1, "x:1");
    other["spec"]["selector"]["matchLabels"] = json!({"app": "other"});
    other["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    let e = api.patch("web", &PatchParams::apply("m").force(), &Patch::Apply(&other)).await.unwrap_err();
    let kube::Error::Api(status) = e else { panic!("{e}") };
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let details = status.details.unwrap();
    assert_eq!(details.causes[0].field, "spec.selector");
    assert!(details.causes[0].message.ends_with("field is immutable"));
    let e = api.create(&PostParams::default(), &object(deployment("Bad_Name", 1, "x:1"))).await;
    assert_eq!(status_of(e), (422, "Invalid".into()));
}

#[tokio::test(start_paused = true)]
async fn strict_validation_names_unknown_fields() {
    let cluster = Cluster::default();
    let api = api(&cluster, "apps/v1", "Deployment");
    let mut o = deployment("web", 1, "x:1");
    o["spec"]["template"]["spec"]["containers"][0]["imagee"] = "y".into();
    // An applied configuration has to be of its type, whatever is asked for.
    let e = api.patch("web", &PatchParams::apply("m"), &Patch::Apply(&o)).await.unwrap_err();
    let expected = r#".spec.template.spec.containers[name="web"].imagee: field not declared in schema"#;
    assert!(e.to_string().contains(expected), "{e}");

    api.create(&PostParams::default(), &object(deployment("web", 1, "x:1"))).await.unwrap();
    let strict = Some(kube::api::ValidationDirective::Strict);
    let params = PatchParams { field_validation: strict, ..PatchParams::default() };
    let e = api.patch("web", &params, &Patch::Merge(&o)).await.unwrap_err();
    assert!(e.to_string().contains(r#"unknown field "spec.template.spec.containers[0].imagee""#), "{e}");
    let made = api.patch("web", &PatchParams::default(), &Patch::Merge(&o)).await.unwrap();
    assert!(made.data["spec"]["template"]["spec"]["containers"][0]["imagee"].is_null());
}

#[tokio::test(start_paused = true)]
async fn faults_hit_what_they_name() {
    let cluster = Cluster::default();
    let api = api(&cluster, "v1", "ConfigMap");
    cluster.forbid("", "configmaps", ["list"]);
    let e = api.list(&ListParams::default()).await.unwrap_err();
    let kube::Error::Api(status) = e else { panic!("{e}") };
    assert_eq!(status.code, 403);
    assert_eq!(
        status.message,
        r#"configmaps is forbidden: User "testkit-user" cannot list resource "configmaps" in API group "" in the namespace "default""#
    );
    cluster.heal();
    cluster.inject(Injection::new(Requests::writes(), Fault::CutAfterCommit).times(1));
    assert!(api.create(&PostParams::default(), &object(config_map("a", json!({})))).await.is_err());
    assert!(api.get("a").await.is_ok(), "it went through");
    cluster.cut_after(1);
    assert!(api.get("a").await.is_ok());
    assert!(api.get("a").await.is_err());
    cluster.heal();
    cluster.break_group("metrics.k8s.io", "v1beta1");
    let aggregated = Discovery::new(cluster.client()).run_aggregated().await.unwrap();
    assert!(!aggregated.has_group("nonsense"));
    let gvk = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
    let metrics: kube::Api<DynamicObject> = kube::Api::all_with(cluster.client(), &ApiResource::from_gvk(&gvk));
    assert_eq!(status_of(metrics.list(&ListParams::default()).await).0, 503);
}

#[tokio::test(start_paused = true)]
async fn scale_goes_through_to_the_object() {
    let cluster = Cluster::default();
    let api = api(&cluster, "apps/v1", "Deployment");
    cluster.create(deployment("web", 1, "x:1")).unwrap();
    let scale =
        api.patch_scale("web", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 4}}))).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(4));
    let live = cluster.get("deploy", "default", "web").unwrap();
    assert_eq!((&live["spec"]["replicas"], &live["metadata"]["generation"]), (&4.into(), &2.into()));
}

#[tokio::test(start_paused = true)]
async fn two_runs_with_one_seed_are_equal() {
    async fn run() -> (String, String) {
        let cluster = Cluster::builder().seed(42).build();
        let api = api(&cluster, "apps/v1", "Deployment");
        api.patch("web", &PatchParams::apply("m"), &Patch::Apply(deployment("web", 2, "x:1"))).await.unwrap();
        wait(&cluster, "deploy", "web", available(2)).await;
        api.delete("web", &DeleteParams::foreground()).await.unwrap();
        until(&cluster, |c| c.objects("pods").is_empty()).await;
        (format!("{:?}", cluster.requests()), serde_json::to_string(&cluster.dump()).unwrap())
    }
    assert_eq!(run().await, run().await);
}

#[tokio::test]
async fn the_same_over_a_socket() {
    let cluster = Cluster::default();
    let server = cluster.serve().await.unwrap();
    let config = kube::Config::new(server.url().parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    let api: kube::Api<DynamicObject> = kube::Api::namespaced_with(client, "default", &resource("v1", "ConfigMap"));
    let rv = cluster.revision().to_string();
    let mut watch = api.watch(&WatchParams::default(), &rv).await.unwrap().boxed();
    api.create(&PostParams::default(), &object(config_map("a", json!({"x": "1"})))).await.unwrap();
    assert_eq!(seen(watch.try_next().await.unwrap().unwrap()), "ADDED a");
    assert!(server.kubeconfig().contains(&server.url()));
}

#[test]
fn what_a_test_does_wrong_past_the_api_is_told() {
    let cluster = Cluster::default();
    let wrong = |object: Value| cluster.create(object).unwrap_err().to_string();
    assert_eq!(
        wrong(json!("text")),
        "the test cluster refused an object without a kind without a name: no matches for kind \"\" in version \"\""
    );
    assert_eq!(
        wrong(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "date": {}})),
        "the test cluster refused ConfigMap a: ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict \
         decoding error: unknown field \"date\""
    );
    cluster.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).unwrap();
    let before = cluster.get("configmaps", "default", "a").unwrap();
    let edit = |change: fn(&mut Value)| cluster.edit("configmaps", "default", "a", change).unwrap_err();
    assert_eq!(edit(|object| *object = json!("text")).code(), 400);
    assert_eq!(edit(|object| object["data"] = json!(5)).code(), 400);
    assert_eq!(edit(|object| object["metadata"]["name"] = "b".into()).code(), 400);
    assert_eq!(edit(|object| object["metadata"]["labels"] = json!({"a": "not valid!"})).code(), 422);
    assert_eq!(cluster.get("configmaps", "default", "a").unwrap(), before, "nothing is changed");
    let none = cluster.edit("configmaps", "default", "none", |_| {}).unwrap_err();
    assert_eq!(
        (none.code(), none.to_string().as_str()),
        (404, "the test cluster refused a change of configmaps default/none: configmaps \"none\" not found")
    );
    assert_eq!(cluster.delete("configmaps", "default", "none").unwrap_err().code(), 404);
    assert_eq!(cluster.delete("gadgets", "default", "a").unwrap_err().code(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_made_with_the_status_or_not_at_all() {
    let cluster = Cluster::builder().without_controllers().build();
    let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": template});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec});
    cluster.create(deployment).unwrap();
    let change = |object: &mut Value, replicas: i64| {
        object["spec"]["replicas"] = 3.into();
        object["status"]["replicas"] = replicas.into();
    };
    assert_eq!(cluster.edit("deploy", "default", "a", |o| change(o, -1)).unwrap_err().code(), 422);
    assert_eq!(cluster.get("deploy", "default", "a").unwrap()["spec"]["replicas"], 1);
    cluster.edit("deploy", "default", "a", |o| change(o, 3)).unwrap();
    let after = cluster.get("deploy", "default", "a").unwrap();
    assert_eq!((&after["spec"]["replicas"], &after["status"]["replicas"]), (&json!(3), &json!(3)));
}

#[tokio::test(start_paused = true)]
async fn no_time_is_too_long_to_wait_for() {
    let ever = std::time::Duration::MAX;
    let cluster = Cluster::builder().pod_start(ever).bookmarks_every(ever).build();
    let watch = format!("/api/v1/configmaps?watch=1&allowWatchBookmarks=1&timeoutSeconds={}", i64::MAX);
    let request = http::Request::get(watch).body(kube::client::Body::empty()).unwrap();
    assert_eq!(cluster.client().send(request).await.unwrap().status(), 200);
    let job = |name: &str| {
        let containers = json!([{"name": "c", "image": "i"}]);
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {
                "activeDeadlineSeconds": i64::MAX,
                "template": {"spec": {"restartPolicy": "Never", "containers": containers}},
            },
        })
    };
    for name in ["a", "b"] {
        cluster.create(job(name)).unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        assert_eq!(cluster.get("jobs", "default", name).unwrap()["status"]["active"], 1, "controllers go on");
    }
}
