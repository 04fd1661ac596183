//! Garbage collection.

use serde_json::{Value, json};

use super::{ensure, workload};
use crate::conformance::{Failure, Lab, Outcome, Reply, cases::cases};

cases!("garbage":
    dependents_go_after_their_owner (needs_controllers),
    in_the_foreground_the_owner_waits (needs_controllers),
    orphans_stay_without_their_owner (needs_controllers),
    one_of_two_owners_is_enough (needs_controllers),
    an_owner_that_never_was_is_gone (needs_controllers),
    an_owner_of_another_name_is_another (needs_controllers),
    a_dependent_with_a_finalizer_holds_up_its_owner (needs_controllers),
    a_dependent_that_does_not_block_is_not_waited_for (needs_controllers),
    a_deployment_takes_its_replica_sets_and_pods (needs_controllers),
);

async fn map(lab: &Lab, name: &str, metadata: Value) -> Result<Reply, Failure> {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    json_patch::merge(&mut object["metadata"], &metadata);
    lab.create(&lab.maps(""), object).await
}

fn owner(reply: &Reply) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": reply.name_of(), "uid": reply.uid()})
}

fn owned(owners: &[Value]) -> Value {
    json!({"ownerReferences": owners})
}

async fn delete(lab: &Lab, name: &str, policy: &str) -> Result<Reply, Failure> {
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy});
    lab.delete_with(&lab.maps(&format!("/{name}")), &options).await?.expect(200)
}

async fn gone(lab: &Lab, name: &str) -> Outcome {
    lab.until_gone("v1", &format!("configmaps/{name}")).await
}

async fn dependents_go_after_their_owner(lab: &Lab) -> Outcome {
    let a = map(lab, "a", json!({})).await?;
    let b = map(lab, "b", owned(&[owner(&a)])).await?;
    map(lab, "c", owned(&[owner(&b)])).await?;
    delete(lab, "a", "Background").await?;
    lab.get(&lab.maps("/a")).await?.expect(404)?;
    gone(lab, "b").await?;
    gone(lab, "c").await
}

async fn in_the_foreground_the_owner_waits(lab: &Lab) -> Outcome {
    let a = map(lab, "a", json!({})).await?;
    let mut blocking = owner(&a);
    blocking["blockOwnerDeletion"] = true.into();
    map(lab, "b", owned(&[blocking])).await?;
    let mut watch = lab.watch(&lab.maps("")).await?;
    let reply = delete(lab, "a", "Foreground").await?;
    reply
        .expect_at("/metadata/finalizers", json!(["foregroundDeletion"]))?
        .expect_at("/metadata/deletionGracePeriodSeconds", 0)?;
    watch.until("the dependent's end", |e| e.kind == "DELETED" && e.name() == "b").await?;
    watch.until("the owner's end after it", |e| e.kind == "DELETED" && e.name() == "a").await.map(drop)
}

async fn orphans_stay_without_their_owner(lab: &Lab) -> Outcome {
    let a = map(lab, "a", json!({})).await?;
    map(lab, "b", owned(&[owner(&a)])).await?;
    let reply = delete(lab, "a", "Orphan").await?;
    reply.expect_at("/metadata/finalizers", json!(["orphan"]))?;
    gone(lab, "a").await?;
    lab.read(&lab.maps("/b")).await?.expect_at("/metadata/ownerReferences", Value::Null).map(drop)
}

async fn one_of_two_owners_is_enough(lab: &Lab) -> Outcome {
    let a = map(lab, "a", json!({})).await?;
    let b = map(lab, "b", json!({})).await?;
    map(lab, "c", owned(&[owner(&a), owner(&b)])).await?;
    delete(lab, "a", "Background").await?;
    let left = json!([owner(&b)]);
    lab.until("v1", "configmaps/c", "the owner that is left", |c| c["metadata"]["ownerReferences"] == left).await?;
    delete(lab, "b", "Background").await?;
    gone(lab, "c").await
}

async fn an_owner_that_never_was_is_gone(lab: &Lab) -> Outcome {
    let nobody = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "7b3c2d5a-1111-4222-8333-444455556666"});
    map(lab, "a", owned(&[nobody])).await?;
    gone(lab, "a").await
}

async fn an_owner_of_another_name_is_another(lab: &Lab) -> Outcome {
    let a = map(lab, "a", json!({})).await?;
    let mut wrong = owner(&a);
    wrong["name"] = "other".into();
    map(lab, "b", owned(&[wrong])).await?;
    gone(lab, "b").await?;
    lab.read(&lab.maps("/a")).await.map(drop)
}

async fn a_dependent_with_a_finalizer_holds_up_its_owner(lab: &Lab) -> Outcome {
    let a = map(lab, "a", json!({})).await?;
    let mut blocking = owner(&a);
    blocking["blockOwnerDeletion"] = true.into();
    let mut metadata = owned(&[blocking]);
    metadata["finalizers"] = json!(["example.com/hold"]);
    map(lab, "b", metadata).await?;
    delete(lab, "a", "Foreground").await?;
    lab.until("v1", "configmaps/b", "a dependent that is going", |b| b["metadata"]["deletionTimestamp"].is_string())
        .await?;
    lab.read(&lab.maps("/a")).await?;
    lab.change("v1", "configmaps/b", json!({"metadata": {"finalizers": null}})).await?;
    gone(lab, "b").await?;
    gone(lab, "a").await
}

async fn a_dependent_that_does_not_block_is_not_waited_for(lab: &Lab) -> Outcome {
    let a = map(lab, "a", json!({})).await?;
    let mut metadata = owned(&[owner(&a)]);
    metadata["finalizers"] = json!(["example.com/hold"]);
    map(lab, "b", metadata).await?;
    delete(lab, "a", "Foreground").await?;
    gone(lab, "a").await?;
    lab.until("v1", "configmaps/b", "a dependent that is going", |b| b["metadata"]["deletionTimestamp"].is_string())
        .await?;
    lab.change("v1", "configmaps/b", json!({"metadata": {"finalizers": null}})).await?;
    gone(lab, "b").await
}

async fn a_deployment_takes_its_replica_sets_and_pods(lab: &Lab) -> Outcome {
    lab.start("apps/v1", "deployments", workload("Deployment", "web", json!({"replicas": 2}))).await?;
    lab.until("apps/v1", "deployments/web", "its Pods", |d| super::count(d, "readyReplicas") == 2).await?;
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"});
    let reply = lab.delete_with(&lab.path("apps/v1", "deployments/web"), &options).await?.expect(200)?;
    ensure(
        reply.value(),
        reply.at("/metadata/finalizers") == &json!(["foregroundDeletion"]),
        "a Deployment that waits",
    )?;
    lab.until_gone("apps/v1", "deployments/web").await?;
    for (version, plural) in [("apps/v1", "replicasets"), ("v1", "pods")] {
        let path = lab.path(version, &format!("{plural}?labelSelector=app%3Dweb"));
        lab.eventually(&path, "nothing left", |r| r.items().is_empty()).await?;
    }
    Ok(())
}
