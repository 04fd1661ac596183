//! What a watch tells about changes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{cases, lease, leases, leases_named};
use crate::conformance::{Failure, Lab, Outcome, Patch, Watch, WatchedEvent};

cases!("watch-changes":
    a_creation_is_added,
    a_change_is_modified,
    a_deletion_is_deleted,
    a_deletion_has_the_version_of_the_deletion,
    a_deletion_shows_the_last_state,
    a_write_that_changes_nothing_is_not_told,
    a_dry_run_is_not_told,
    events_come_in_the_order_of_versions,
    other_namespaces_are_not_told,
    a_watch_over_all_namespaces_tells_of_each,
    a_change_into_the_selection_is_added,
    a_change_out_of_the_selection_is_deleted,
    what_leaves_the_selection_is_shown_as_selected,
    a_change_within_the_selection_is_modified,
    a_change_outside_of_the_selection_is_not_told,
    a_field_selects_one_object,
    a_status_field_moves_objects_in_and_out,
    a_deletion_outside_of_the_selection_is_not_told,
    a_finalizer_makes_a_deletion_a_change_first,
    metadata_alone_is_told_as_asked,
    metadata_bookmarks_are_metadata,
    a_table_is_told_as_asked,
    columns_of_a_table_come_once,
    a_table_may_have_whole_objects,
    a_list_of_metadata_is_no_form_of_a_watch,
    other_media_types_are_refused,
    two_watches_see_the_same,
    a_change_of_the_past_is_told_as_it_was,
    many_changes_are_all_told,
    a_namespace_is_told_when_it_is_created,
    deletecollection_tells_of_each,
);

/// A watch of what comes from now on.
async fn from_now(lab: &Lab, query: &str) -> Result<Watch, Failure> {
    let list = lab.read(&leases(lab, "")).await?;
    lab.watch(&leases(lab, &format!("?resourceVersion={}{query}", list.version()))).await
}

async fn label(lab: &Lab, name: &str, labels: Value) -> Result<String, Failure> {
    let patch = json!({"metadata": {"labels": labels}});
    let reply = lab.patch(&leases(lab, &format!("/{name}")), Patch::Merge, &patch).await?.expect(200)?;
    Ok(reply.version().to_owned())
}

async fn delete(lab: &Lab, name: &str) -> Outcome {
    lab.delete(&leases(lab, &format!("/{name}"))).await?.expect(200)?;
    Ok(())
}

fn is(watch: &Watch, holds: bool, expected: &str) -> Outcome {
    if holds { Ok(()) } else { Err(watch.failure(expected)) }
}

async fn a_creation_is_added(lab: &Lab) -> Outcome {
    let mut watch = from_now(lab, "").await?;
    let created = lease(lab, "a", json!({})).await?;
    let event = watch.expect("ADDED", "a").await?;
    is(&watch, event.object == *created.value(), "the object that the creation answered with")
}

async fn a_change_is_modified(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let mut watch = from_now(lab, "").await?;
    let version = label(lab, "a", json!({"new": "yes"})).await?;
    let event = watch.expect("MODIFIED", "a").await?;
    is(&watch, event.version() == version && event.object["metadata"]["labels"]["new"] == "yes", "the new state")
}

async fn a_deletion_is_deleted(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let mut watch = from_now(lab, "").await?;
    delete(lab, "a").await?;
    watch.expect("DELETED", "a").await?;
    Ok(())
}

async fn a_deletion_has_the_version_of_the_deletion(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({})).await?;
    let mut watch = from_now(lab, "").await?;
    delete(lab, "a").await?;
    let event = watch.expect("DELETED", "a").await?;
    let number = |v: &str| v.parse::<u64>().unwrap_or(0);
    is(&watch, number(event.version()) > number(created.version()), "a greater version than that of the object")?;
    // A client that goes on from there misses nothing and sees nothing twice.
    let mut next = lab.watch(&leases(lab, &format!("?resourceVersion={}", event.version()))).await?;
    leases_named(lab, &["b"]).await?;
    next.expect("ADDED", "b").await?;
    Ok(())
}

async fn a_deletion_shows_the_last_state(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    label(lab, "a", json!({"last": "state"})).await?;
    let mut watch = from_now(lab, "").await?;
    delete(lab, "a").await?;
    let event = watch.expect("DELETED", "a").await?;
    is(&watch, event.object["metadata"]["labels"]["last"] == "state", "the last labels")
}

async fn a_write_that_changes_nothing_is_not_told(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({"half": "x"})).await?;
    let mut watch = from_now(lab, "").await?;
    lab.update(&leases(lab, "/a"), created.value()).await?;
    label(lab, "a", json!({"half": "x"})).await?;
    leases_named(lab, &["b"]).await?;
    watch.expect("ADDED", "b").await?;
    Ok(())
}

async fn a_dry_run_is_not_told(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let mut watch = from_now(lab, "").await?;
    lab.post(&leases(lab, "?dryRun=All"), &super::lease_object("x", json!({}))).await?.expect(201)?;
    lab.delete(&leases(lab, "/a?dryRun=All")).await?.expect(200)?;
    leases_named(lab, &["b"]).await?;
    watch.expect("ADDED", "b").await?;
    Ok(())
}

async fn events_come_in_the_order_of_versions(lab: &Lab) -> Outcome {
    let mut watch = from_now(lab, "").await?;
    leases_named(lab, &["b", "a"]).await?;
    label(lab, "b", json!({"new": "yes"})).await?;
    delete(lab, "a").await?;
    let mut versions = Vec::new();
    for (kind, name) in [("ADDED", "b"), ("ADDED", "a"), ("MODIFIED", "b"), ("DELETED", "a")] {
        versions.push(watch.expect(kind, name).await?.version().parse::<u64>().unwrap_or(0));
    }
    is(&watch, versions.windows(2).all(|pair| pair[0] < pair[1]), "versions that grow")
}

async fn other_namespaces_are_not_told(lab: &Lab) -> Outcome {
    let other = lab.name("other");
    lab.create("/api/v1/namespaces", json!({"metadata": {"name": other}})).await?;
    let mut watch = from_now(lab, "").await?;
    let elsewhere = format!("/apis/coordination.k8s.io/v1/namespaces/{other}/leases");
    lab.create(&elsewhere, super::lease_object("x", json!({}))).await?;
    leases_named(lab, &["a"]).await?;
    watch.expect("ADDED", "a").await?;
    Ok(())
}

async fn a_watch_over_all_namespaces_tells_of_each(lab: &Lab) -> Outcome {
    let other = lab.name("other");
    lab.create("/api/v1/namespaces", json!({"metadata": {"name": other}})).await?;
    let of = json!({"of": lab.namespace()});
    let path = format!("/apis/coordination.k8s.io/v1/leases?labelSelector=of%3D{}", lab.namespace());
    let mut watch = lab.watch(&path).await?;
    lab.create(
        &format!("/apis/coordination.k8s.io/v1/namespaces/{other}/leases"),
        super::lease_object("x", of.clone()),
    )
    .await?;
    lease(lab, "a", of).await?;
    let first = watch.expect("ADDED", "x").await?;
    is(&watch, first.object["metadata"]["namespace"] == other.as_str(), "the other namespace's object")?;
    watch.expect("ADDED", "a").await?;
    Ok(())
}

async fn a_change_into_the_selection_is_added(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let mut watch = from_now(lab, "&labelSelector=half%3Dx").await?;
    let version = label(lab, "a", json!({"half": "x"})).await?;
    let event = watch.expect("ADDED", "a").await?;
    is(&watch, event.version() == version, "the version of the change")
}

async fn a_change_out_of_the_selection_is_deleted(lab: &Lab) -> Outcome {
    lease(lab, "a", json!({"half": "x"})).await?;
    let mut watch = from_now(lab, "&labelSelector=half%3Dx").await?;
    let version = label(lab, "a", json!({"half": "y"})).await?;
    let event = watch.expect("DELETED", "a").await?;
    is(&watch, event.version() == version, "the version of the change")
}

async fn what_leaves_the_selection_is_shown_as_selected(lab: &Lab) -> Outcome {
    lease(lab, "a", json!({"half": "x"})).await?;
    let mut watch = from_now(lab, "&labelSelector=half%3Dx").await?;
    label(lab, "a", json!({"half": "y", "more": "yes"})).await?;
    let event = watch.expect("DELETED", "a").await?;
    is(&watch, event.object["metadata"]["labels"] == json!({"half": "x"}), "the labels that were selected")
}

async fn a_change_within_the_selection_is_modified(lab: &Lab) -> Outcome {
    lease(lab, "a", json!({"half": "x"})).await?;
    let mut watch = from_now(lab, "&labelSelector=half%3Dx").await?;
    label(lab, "a", json!({"more": "yes"})).await?;
    watch.expect("MODIFIED", "a").await?;
    Ok(())
}

async fn a_change_outside_of_the_selection_is_not_told(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let mut watch = from_now(lab, "&labelSelector=half%3Dx").await?;
    label(lab, "a", json!({"half": "y"})).await?;
    lease(lab, "b", json!({"half": "x"})).await?;
    watch.expect("ADDED", "b").await?;
    Ok(())
}

async fn a_field_selects_one_object(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let mut watch = from_now(lab, "&fieldSelector=metadata.name%3Db").await?;
    label(lab, "a", json!({"new": "yes"})).await?;
    label(lab, "b", json!({"new": "yes"})).await?;
    watch.expect("MODIFIED", "b").await?;
    delete(lab, "a").await?;
    delete(lab, "b").await?;
    watch.expect("DELETED", "b").await?;
    leases_named(lab, &["b"]).await?;
    watch.expect("ADDED", "b").await?;
    Ok(())
}

async fn a_status_field_moves_objects_in_and_out(lab: &Lab) -> Outcome {
    lab.allow_pods().await?;
    let path = lab.path("v1", "pods");
    let spec = json!({"schedulerName": "nobody", "containers": [{"name": "c", "image": "registry.example/c:1"}]});
    lab.create(&path, json!({"metadata": {"name": "a"}, "spec": spec})).await?;
    let mut watch = lab.watch(&format!("{path}?fieldSelector=status.phase%3DFailed")).await?;
    let phase = async |phase: &str| {
        let status = json!({"status": {"phase": phase}});
        lab.patch(&format!("{path}/a/status"), Patch::Merge, &status).await?.expect(200)
    };
    phase("Failed").await?;
    watch.expect("ADDED", "a").await?;
    phase("Pending").await?;
    let event = watch.expect("DELETED", "a").await?;
    is(&watch, event.object["status"]["phase"] == "Failed", "the phase that was selected")
}

async fn a_deletion_outside_of_the_selection_is_not_told(lab: &Lab) -> Outcome {
    lease(lab, "a", json!({"half": "y"})).await?;
    lease(lab, "b", json!({"half": "x"})).await?;
    let mut watch = from_now(lab, "&labelSelector=half%3Dx").await?;
    delete(lab, "a").await?;
    delete(lab, "b").await?;
    watch.expect("DELETED", "b").await?;
    Ok(())
}

async fn a_finalizer_makes_a_deletion_a_change_first(lab: &Lab) -> Outcome {
    let mut object = super::lease_object("a", json!({}));
    object["metadata"]["finalizers"] = json!(["example.com/wait"]);
    lab.create(&leases(lab, ""), object).await?;
    let mut watch = from_now(lab, "").await?;
    delete(lab, "a").await?;
    let event = watch.expect("MODIFIED", "a").await?;
    is(&watch, event.object["metadata"]["deletionTimestamp"].is_string(), "the time of the deletion")?;
    let patch = json!({"metadata": {"finalizers": null}});
    lab.patch(&leases(lab, "/a"), Patch::Merge, &patch).await?.expect(200)?;
    // The write that takes the last finalizer away is not one of its own: what was stored is deleted.
    let event = watch.expect("DELETED", "a").await?;
    is(&watch, event.object["metadata"]["finalizers"][0] == "example.com/wait", "the last state that was stored")
}

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";

async fn metadata_alone_is_told_as_asked(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({"half": "x"})).await?;
    let mut watch = lab.request("GET", &leases(lab, "?watch=true")).accept(METADATA).watch().await?;
    let event = watch.expect("ADDED", "a").await?;
    let expected =
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": created.at("/metadata")});
    is(&watch, event.object == expected, "metadata and nothing else")?;
    delete(lab, "a").await?;
    let event = watch.expect("DELETED", "a").await?;
    is(&watch, event.object["kind"] == "PartialObjectMetadata", "metadata for deletions too")
}

async fn metadata_bookmarks_are_metadata(lab: &Lab) -> Outcome {
    let path = leases(lab, "?watch=true&allowWatchBookmarks=true");
    let mut watch = lab.request("GET", &path).accept(METADATA).watch().await?;
    let mark = watch.expect("BOOKMARK", "").await?;
    is(&watch, mark.object["kind"] == "PartialObjectMetadata" && !mark.version().is_empty(), "PartialObjectMetadata")
}

fn cell(event: &WatchedEvent) -> &str {
    event.object["rows"][0]["cells"][0].as_str().unwrap_or_default()
}

async fn a_table_is_told_as_asked(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let mut watch = lab.request("GET", &leases(lab, "?watch=true")).accept(TABLE).watch().await?;
    let event = watch.event().await?;
    let row = &event.object["rows"][0];
    let good = event.kind == "ADDED"
        && event.object["kind"] == "Table"
        && event.object["apiVersion"] == "meta.k8s.io/v1"
        && cell(&event) == "a"
        && row["object"]["kind"] == "PartialObjectMetadata"
        && row["object"]["metadata"]["name"] == "a";
    is(&watch, good, "a Table of one row with the object's metadata")?;
    let version = row["object"]["metadata"]["resourceVersion"].clone();
    is(&watch, event.object["metadata"]["resourceVersion"] == version, "the object's version on the table")
}

async fn columns_of_a_table_come_once(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let mut watch = lab.request("GET", &leases(lab, "?watch=true")).accept(TABLE).watch().await?;
    let first = watch.event().await?;
    let second = watch.event().await?;
    let columns = |e: &WatchedEvent| e.object["columnDefinitions"].as_array().map_or(0, Vec::len);
    is(&watch, columns(&first) > 0 && columns(&second) == 0, "columns in the first event only")
}

async fn a_table_may_have_whole_objects(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({})).await?;
    let path = leases(lab, "?watch=true&includeObject=Object");
    let mut watch = lab.request("GET", &path).accept(TABLE).watch().await?;
    let event = watch.event().await?;
    is(&watch, event.object["rows"][0]["object"] == *created.value(), "the whole object in the row")
}

async fn a_list_of_metadata_is_no_form_of_a_watch(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let reply = lab.request("GET", &leases(lab, "?watch=true&timeoutSeconds=1")).accept(accept).send().await?;
    // The first object cannot be shown so, which ends the watch.
    reply.expect(200)?.expect_text("")?;
    Ok(())
}

async fn other_media_types_are_refused(lab: &Lab) -> Outcome {
    let path = leases(lab, "?watch=true&timeoutSeconds=1");
    let reply = lab.request("GET", &path).accept("application/xml").send().await?;
    reply.expect_error(406, "NotAcceptable")?;
    let reply = lab.request("GET", &path).accept("application/yaml").send().await?.expect(406)?;
    reply.ensure(reply.text().contains("only the following media types are accepted"), "the media types")
}

async fn two_watches_see_the_same(lab: &Lab) -> Outcome {
    let mut one = from_now(lab, "").await?;
    let mut other = from_now(lab, "").await?;
    leases_named(lab, &["a"]).await?;
    delete(lab, "a").await?;
    for kind in ["ADDED", "DELETED"] {
        let (a, b) = (one.expect(kind, "a").await?, other.expect(kind, "a").await?);
        is(&other, a == b, "the same event on both")?;
    }
    Ok(())
}

async fn a_change_of_the_past_is_told_as_it_was(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({"half": "x"})).await?;
    label(lab, "a", json!({"half": "y"})).await?;
    label(lab, "a", json!({"half": "z"})).await?;
    let path = leases(lab, &format!("?resourceVersion={}&labelSelector=half%20in%20(x,y)", created.version()));
    let mut watch = lab.watch(&path).await?;
    let event = watch.expect("MODIFIED", "a").await?;
    is(&watch, event.object["metadata"]["labels"]["half"] == "y", "the first change")?;
    let event = watch.expect("DELETED", "a").await?;
    is(&watch, event.object["metadata"]["labels"]["half"] == "y", "the last state that was selected")
}

async fn many_changes_are_all_told(lab: &Lab) -> Outcome {
    let mut watch = from_now(lab, "").await?;
    let mut expected = BTreeSet::new();
    for i in 0..60 {
        let name = format!("l-{i}");
        leases_named(lab, &[&name]).await?;
        expected.insert(name);
    }
    while !expected.is_empty() {
        let event = watch.event().await?;
        if event.kind != "ADDED" || !expected.remove(event.name()) {
            return Err(watch.failure("each object once"));
        }
    }
    Ok(())
}

async fn a_namespace_is_told_when_it_is_created(lab: &Lab) -> Outcome {
    let name = lab.name("new");
    let mut watch = lab.watch(&format!("/api/v1/namespaces?fieldSelector=metadata.name%3D{name}")).await?;
    lab.create("/api/v1/namespaces", json!({"metadata": {"name": name}})).await?;
    let event = watch.expect("ADDED", &name).await?;
    is(&watch, event.object["status"]["phase"] == "Active", "an active namespace")
}

async fn deletecollection_tells_of_each(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c"]).await?;
    let mut watch = from_now(lab, "").await?;
    lab.delete(&leases(lab, "")).await?.expect(200)?;
    let mut gone = BTreeSet::new();
    for _ in 0..3 {
        let event = watch.event().await?;
        is(&watch, event.kind == "DELETED", "deletions")?;
        gone.insert(event.name().to_owned());
    }
    is(&watch, gone.len() == 3, "each of them once")
}
