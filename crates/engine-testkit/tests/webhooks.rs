//! Admission webhooks: where they stand, and what a client sees of them.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{api, config_map, deployment, object};
use gitops_engine_testkit::{AdmissionAnswer, AdmissionRequest, Cluster, Requests, Webhook};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::time::Instant;

fn config_maps(cluster: &Cluster) -> Api<DynamicObject> {
    api(cluster, "v1", "ConfigMap")
}

fn hooked() -> Requests {
    Requests::writes().resource("", "configmaps")
}

async fn create(cluster: &Cluster, name: &str) -> Result<DynamicObject, kube::Error> {
    config_maps(cluster).create(&PostParams::default(), &object(config_map(name, json!({"a": "1"})))).await
}

async fn refused(cluster: &Cluster, answer: AdmissionAnswer) -> (u16, String, String) {
    cluster.add_webhook(Webhook::validating("val.example.com", hooked(), move |_| answer.clone()));
    match create(cluster, "refused").await.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_have_the_form_of_a_real_server() {
    let cluster = Cluster::default();
    let denied = "admission webhook \"val.example.com\" denied the request";
    let failed = "Internal error occurred: failed calling webhook \"val.example.com\": failed to call webhook:";
    let internal = |why: &str| (500, "InternalError".to_owned(), format!("{failed} {why}"));
    let deny = |code: u16, reason: &str, rest: &str| (code, reason.to_owned(), format!("{denied}{rest}"));
    assert_eq!(refused(&cluster, AdmissionAnswer::deny("no")).await, deny(400, "", ": no"));
    assert_eq!(
        refused(&cluster, AdmissionAnswer::deny("no").code(422).reason("Invalid")).await,
        deny(422, "Invalid", ": no")
    );
    assert_eq!(refused(&cluster, AdmissionAnswer::deny("").reason("Because")).await, deny(400, "Because", ": Because"));
    assert_eq!(refused(&cluster, AdmissionAnswer::deny("")).await, deny(400, "", " without explanation"));
    let refusal = "dial tcp 127.0.0.1:1: connect: connection refused";
    assert_eq!(refused(&cluster, AdmissionAnswer::fail(refusal)).await, internal(refusal));
    let begun = Instant::now();
    assert_eq!(
        refused(&cluster, AdmissionAnswer::time_out()).await,
        internal("Post \"https://val.example.com/?timeout=10s\": context deadline exceeded")
    );
    assert_eq!(begun.elapsed(), Duration::from_secs(10));

    // Failures may be ignored, refusals not.
    let patient = |answer: AdmissionAnswer| {
        let hook = Webhook::validating("val.example.com", hooked(), move |_| answer.clone());
        cluster.add_webhook(hook.ignore_failures().timeout(Duration::from_secs(2)));
    };
    patient(AdmissionAnswer::time_out());
    create(&cluster, "slow").await.unwrap();
    patient(AdmissionAnswer::deny("no"));
    assert!(create(&cluster, "no").await.is_err());
    cluster.remove_webhook("val.example.com");
    create(&cluster, "no").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_owns_what_a_webhook_sets() {
    let cluster = Cluster::default();
    cluster.add_webhook(Webhook::mutating("mut.example.com", hooked(), |request| {
        let mut object = request.object.clone().unwrap();
        object["metadata"]["labels"] = json!({"mutated": "yes"});
        object["data"]["injected"] = "1".into();
        AdmissionAnswer::rewrite(object)
    }));
    let api = config_maps(&cluster);
    let me = PatchParams::apply("me");
    let one = Patch::Apply(config_map("a", json!({"mine": "1"})));
    let created = api.patch("a", &me, &one).await.unwrap();
    assert_eq!(created.data["data"], json!({"mine": "1", "injected": "1"}));
    assert_eq!(created.metadata.labels.as_ref().unwrap()["mutated"], "yes");
    let managed = created.metadata.managed_fields.unwrap();
    assert_eq!((managed.len(), json!(managed[0].fields_v1)), (1, json!({"f:data": {"f:mine": {}}})));
    // Nothing changes when it is applied again.
    let again = api.patch("a", &me, &one).await.unwrap();
    assert_eq!(again.metadata.resource_version, created.metadata.resource_version);
    let updated = create(&cluster, "b").await.unwrap();
    assert_eq!(updated.data["data"]["injected"], "1");
    // In a dry run too, and then it is not kept.
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let seen = api.create(&dry, &object(config_map("c", json!({"x": "y"})))).await.unwrap();
    assert_eq!(seen.data["data"]["injected"], "1");
    assert!(cluster.get("cm", "default", "c").is_none());
}

#[tokio::test(start_paused = true)]
async fn webhooks_see_what_a_real_server_shows_them() {
    let cluster = Cluster::default();
    let seen = Arc::new(Mutex::new(Vec::<(&'static str, AdmissionRequest)>::new()));
    for which in ["mutating", "validating"] {
        let (seen, again) = (seen.clone(), cluster.clone());
        let note = move |request: &AdmissionRequest| {
            // No lock is held: the cluster answers.
            assert!(again.get("namespaces", "", "default").is_some());
            seen.lock().unwrap().push((which, request.clone()));
            AdmissionAnswer::allow().warning("careful now")
        };
        let name = format!("{which}.example.com");
        cluster.add_webhook(match which {
            "mutating" => Webhook::mutating(&name, hooked(), note),
            _ => Webhook::validating(&name, hooked(), note),
        });
    }
    let api = config_maps(&cluster);
    let made: DynamicObject =
        object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-"}}));
    let made = api.create(&PostParams::default(), &made).await.unwrap();
    let name = made.metadata.name.clone().unwrap();
    api.patch(&name, &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "v"}}))).await.unwrap();
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    create(&cluster, "one").await.unwrap();
    create(&cluster, "two").await.unwrap();
    api.delete_collection(&DeleteParams::default(), &ListParams::default().fields("metadata.name=one")).await.unwrap();

    let seen = seen.lock().unwrap();
    let of = |i: usize| (seen[i].0, seen[i].1.operation, seen[i].1.name.as_str());
    assert_eq!(of(0), ("mutating", "CREATE", ""));
    assert_eq!(of(1), ("validating", "CREATE", name.as_str()));
    // One draw of a name and a uid, however often the write was begun.
    assert_eq!(seen[1].1.object.as_ref().unwrap()["metadata"]["uid"], json!(made.metadata.uid.unwrap()));
    assert!(seen[0].1.object.as_ref().unwrap()["metadata"].get("uid").is_none());
    assert_eq!(of(2), ("mutating", "UPDATE", name.as_str()));
    assert_eq!(seen[2].1.object.as_ref().unwrap()["data"]["k"], "v");
    assert!(seen[2].1.old_object.as_ref().unwrap().get("data").is_none());
    assert_eq!((of(4), seen[4].1.object.is_none()), (("validating", "DELETE", name.as_str()), true));
    assert_eq!(of(9), ("validating", "DELETE", "one"));
    assert_eq!(seen.len(), 10);
    assert_eq!(seen[0].1.user, "testkit-user");
    assert!(cluster.get("cm", "default", "one").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_asked_again_when_the_object_changes_under_it() {
    let cluster = Cluster::default();
    create(&cluster, "a").await.unwrap();
    let again = cluster.clone();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    cluster.add_webhook(Webhook::validating("val.example.com", hooked(), move |request| {
        let mut seen = seen.lock().unwrap();
        seen.push(request.object.as_ref().unwrap()["data"].clone());
        if seen.len() == 1 {
            again.edit("configmaps", "default", "a", |o| o["data"]["other"] = "2".into()).unwrap();
        }
        AdmissionAnswer::allow()
    }));
    let done =
        config_maps(&cluster).patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"a": "3"}}))).await;
    assert_eq!(done.unwrap().data["data"], json!({"a": "3", "other": "2"}));
    assert_eq!(*asked.lock().unwrap(), [json!({"a": "3"}), json!({"a": "3", "other": "2"})]);
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_makes_is_held_to_the_rules() {
    let cluster = Cluster::default();
    let deployments = Requests::writes().kind("Deployment");
    cluster.add_webhook(Webhook::mutating("mut.example.com", deployments.clone(), |request| {
        let mut object = request.object.clone().unwrap();
        object["spec"]["template"]["spec"]["containers"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "sidecar", "image": "mesh:1"}));
        AdmissionAnswer::rewrite(object)
    }));
    let api = api(&cluster, "apps/v1", "Deployment");
    let made = api.create(&PostParams::default(), &object(deployment("web", 1, "web:1"))).await.unwrap();
    let sidecar = &made.data["spec"]["template"]["spec"]["containers"][1];
    assert_eq!(sidecar["terminationMessagePath"], "/dev/termination-log", "defaulted: {sidecar}");
    common::wait(&cluster, "deployments", "web", common::available(1)).await;

    cluster.add_webhook(Webhook::mutating("mut.example.com", deployments, |request| {
        let mut object = request.object.clone().unwrap();
        object["spec"]["selector"]["matchLabels"]["other"] = "x".into();
        AdmissionAnswer::rewrite(object)
    }));
    let patch = Patch::Merge(json!({"spec": {"replicas": 2}}));
    let refused = api.patch("web", &PatchParams::default(), &patch).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 422));
}
