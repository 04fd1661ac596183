//! In which order the options of reads are looked at, and what is made of those that say little or nothing.

use serde_json::{Value, json};

use super::{cases, lease, lease_object, leases, leases_named};
use crate::conformance::{Lab, Outcome};

cases!("options":
    numbers_are_looked_at_before_selectors,
    selectors_are_read_before_what_goes_together,
    what_goes_together_comes_before_fields_of_the_kind,
    what_a_table_shows_is_looked_at_when_the_write_is_done,
    a_parameter_with_a_semicolon_is_dropped,
    a_parameter_with_a_broken_escape_is_dropped,
    a_version_that_is_too_large_for_any_is_refused,
    a_time_that_is_no_duration_is_refused,
    a_watch_has_no_such_time,
    export_is_refused_wherever_it_is_asked_for,
    an_old_path_of_watches_has_the_rules_of_lists,
    a_watch_from_nowhere_takes_no_token,
    a_limited_list_of_version_zero_is_the_whole_list,
    a_limited_list_of_one_name_is_not_of_an_older_version,
    deletecollection_looks_at_the_list_first,
    deletecollection_of_a_version_deletes_nothing_else,
    a_bookmark_is_written_as_its_type_is,
    a_bookmark_as_a_table_shows_its_mark,
    a_service_is_told_of_as_it_is_stored_only_at_once,
    an_empty_list_of_metadata_has_no_items_at_all,
    metadata_of_a_daemonset_is_that_of_inside_the_server,
);

const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const INITIAL: &str = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

async fn numbers_are_looked_at_before_selectors(lab: &Lab) -> Outcome {
    let reply = lab.get(&leases(lab, "?labelSelector=a+b&fieldSelector=x&limit=5&timeoutSeconds=x")).await?;
    let reply = reply.expect_error(400, "BadRequest")?;
    reply.expect_message("strconv.ParseInt: parsing \"x\": invalid syntax")?;
    Ok(())
}

async fn selectors_are_read_before_what_goes_together(lab: &Lab) -> Outcome {
    for selector in ["labelSelector=a+b", "fieldSelector=x"] {
        let reply = lab.get(&leases(lab, &format!("?{selector}&resourceVersionMatch=Exact"))).await?;
        reply.expect_error(400, "BadRequest")?;
    }
    Ok(())
}

async fn what_goes_together_comes_before_fields_of_the_kind(lab: &Lab) -> Outcome {
    let reply = lab.get(&leases(lab, "?fieldSelector=spec.none%3D1&resourceVersionMatch=Exact")).await?;
    reply.expect_error(422, "Invalid")?.expect_causes(&[("FieldValueForbidden", "resourceVersionMatch")])?;
    Ok(())
}

async fn what_a_table_shows_is_looked_at_when_the_write_is_done(lab: &Lab) -> Outcome {
    let request = lab.request("POST", &leases(lab, "?includeObject=All")).accept(TABLE);
    let reply = request.json(&lease_object("a", json!({}))).send().await?.expect_error(400, "BadRequest")?;
    reply.expect_in_message("Unable to convert to Table as requested: includeObject: Invalid value: \"All\"")?;
    lab.read(&leases(lab, "/a")).await?;
    Ok(())
}

async fn a_parameter_with_a_semicolon_is_dropped(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    lab.read(&leases(lab, "?labelSelector=app;other")).await?.expect_names(&["a"])?;
    Ok(())
}

async fn a_parameter_with_a_broken_escape_is_dropped(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    lab.read(&leases(lab, "?labelSelector=%zz&fieldSelector=metadata.name%3Db")).await?.expect_names(&["b"])?;
    Ok(())
}

async fn a_version_that_is_too_large_for_any_is_refused(lab: &Lab) -> Outcome {
    let reply =
        lab.get(&leases(lab, "?resourceVersion=18446744073709551616")).await?.expect_error(400, "BadRequest")?;
    reply.expect_message(
        "invalid resource version: resourceVersion: Invalid value: \"18446744073709551616\": strconv.ParseUint: \
         parsing \"18446744073709551616\": value out of range",
    )?;
    Ok(())
}

async fn a_time_that_is_no_duration_is_refused(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    lab.get(&leases(lab, "?timeout=1m30s")).await?.expect(200)?;
    for (time, why) in
        [("x", "invalid duration"), ("10", "missing unit in duration"), ("3y", "unknown unit \"y\" in duration")]
    {
        for path in [leases(lab, ""), leases(lab, "/a"), leases(lab, "/none")] {
            let reply = lab.get(&format!("{path}?timeout={time}")).await?.expect_error(400, "BadRequest")?;
            reply.expect_message(&format!("invalid timeout specified in the request URL - time: {why} \"{time}\""))?;
        }
    }
    Ok(())
}

async fn a_watch_has_no_such_time(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    lab.watch(&leases(lab, "?timeout=x")).await?.expect("ADDED", "a").await?;
    Ok(())
}

async fn export_is_refused_wherever_it_is_asked_for(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for path in [leases(lab, "/a?export=1"), leases(lab, "/none?export=true")] {
        let reply = lab.get(&path).await?.expect_error(400, "BadRequest")?;
        reply.expect_message("the export parameter, deprecated since v1.14, is no longer supported")?;
    }
    lab.get(&leases(lab, "/a?export=false")).await?.expect(200)?;
    Ok(())
}

async fn an_old_path_of_watches_has_the_rules_of_lists(lab: &Lab) -> Outcome {
    let path = format!("/apis/coordination.k8s.io/v1/watch/namespaces/{}/leases", lab.namespace());
    let reply = lab.get(&format!("{path}?sendInitialEvents=true")).await?.expect_error(422, "Invalid")?;
    reply.expect_message(
        "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
    )?;
    Ok(())
}

async fn a_watch_from_nowhere_takes_no_token(lab: &Lab) -> Outcome {
    let reply = lab.get(&leases(lab, "?watch=true&continue=abc")).await?.expect_error(422, "Invalid")?;
    reply.expect_in_message("resourceVersionMatch is forbidden when continue is provided")?;
    Ok(())
}

async fn a_limited_list_of_version_zero_is_the_whole_list(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    // So that the cache of a real server has them.
    lab.read(&leases(lab, "")).await?;
    let list = lab.read(&leases(lab, "?limit=1&resourceVersion=0")).await?.expect_names(&["a", "b"])?;
    list.ensure(list.str_at("/metadata/continue").is_empty(), "no further page")
}

async fn a_limited_list_of_one_name_is_not_of_an_older_version(lab: &Lab) -> Outcome {
    let first = lease(lab, "a", json!({"n": "1"})).await?;
    let mut second = first.value().clone();
    second["metadata"]["labels"] = json!({"n": "2"});
    lab.update(&leases(lab, "/a"), &second).await?;
    lab.read(&leases(lab, "")).await?;
    let version = first.version();
    for (query, n) in [("", "1"), ("&fieldSelector=metadata.name%3Da", "2")] {
        let list = lab.read(&leases(lab, &format!("?limit=1&resourceVersion={version}{query}"))).await?;
        list.expect_at("/items/0/metadata/labels/n", n)?;
    }
    Ok(())
}

async fn deletecollection_looks_at_the_list_first(lab: &Lab) -> Outcome {
    let path = leases(lab, "?resourceVersionMatch=Exact&propagationPolicy=Sideways");
    let reply = lab.delete(&path).await?.expect_error(422, "Invalid")?;
    reply.expect_causes(&[("FieldValueForbidden", "resourceVersionMatch")])?;
    lab.delete(&leases(lab, "?limit=x&dryRun=some")).await?.expect_error(400, "BadRequest")?;
    lab.delete(&leases(lab, "?gracePeriodSeconds=x")).await?.expect_error(400, "BadRequest")?;
    Ok(())
}

async fn deletecollection_of_a_version_deletes_nothing_else(lab: &Lab) -> Outcome {
    let first = lease(lab, "a", json!({})).await?;
    let second = lease(lab, "b", json!({})).await?;
    // What is listed is of that version, and what is deleted must be, too.
    let reply = lab.delete(&leases(lab, &format!("?resourceVersion={}", second.version()))).await?;
    reply.expect_error(409, "Conflict")?;
    lab.delete(&leases(lab, &format!("?resourceVersion={}", first.version()))).await?.expect_names(&["a"])?;
    lab.read(&leases(lab, "")).await?.expect_names(&["b"])?;
    Ok(())
}

async fn a_bookmark_is_written_as_its_type_is(lab: &Lab) -> Outcome {
    let path = lab.path("apps/v1", &format!("deployments?{INITIAL}"));
    let mut watch = lab.watch(&path).await?;
    let mark = watch.until("a bookmark", |e| e.kind == "BOOKMARK").await?;
    let template = json!({"metadata": {}, "spec": {"containers": null}});
    let spec = json!({"replicas": 0, "selector": null, "strategy": {}, "template": template});
    if mark.object["spec"] == spec && mark.object["status"] == json!({}) {
        return Ok(());
    }
    Err(watch.failure(format!("a Deployment with {spec}")))
}

async fn a_bookmark_as_a_table_shows_its_mark(lab: &Lab) -> Outcome {
    let path = leases(lab, &format!("?watch=true&includeObject=None&{INITIAL}"));
    let mut watch = lab.request("GET", &path).accept(TABLE).watch().await?;
    let mark = watch.until("a bookmark", |e| e.kind == "BOOKMARK").await?;
    let row = &mark.object["rows"][0];
    let marked = row["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true";
    if marked && row["cells"][0] == "" && mark.object["columnDefinitions"].is_array() {
        return Ok(());
    }
    Err(watch.failure("a table of one row that carries the mark"))
}

async fn a_service_is_told_of_as_it_is_stored_only_at_once(lab: &Lab) -> Outcome {
    let path = lab.path("v1", "services");
    let from = lab.read(&path).await?.version().to_owned();
    let mut live = lab.watch(&format!("{path}?resourceVersion={from}")).await?;
    let spec = json!({"type": "ExternalName", "externalName": "a.example.com", "internalTrafficPolicy": "Local"});
    lab.create(&path, json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": spec})).await?;
    let shown = |object: &Value| object["spec"]["internalTrafficPolicy"].clone();
    let told = live.expect("ADDED", "a").await?;
    if shown(&told.object) != "Local" {
        return Err(live.failure("the policy that is stored"));
    }
    lab.read(&format!("{path}/a")).await?.expect_at("/spec/internalTrafficPolicy", Value::Null)?;
    for version in [from.as_str(), "0"] {
        let mut later = lab.watch(&format!("{path}?resourceVersion={version}")).await?;
        let told = later.expect("ADDED", "a").await?;
        if !shown(&told.object).is_null() {
            return Err(later.failure("no policy, as in a read"));
        }
    }
    Ok(())
}

async fn an_empty_list_of_metadata_has_no_items_at_all(lab: &Lab) -> Outcome {
    let list = lab.request("GET", &leases(lab, "")).accept(METADATA_LIST).send().await?.expect(200)?;
    let null = list.value().get("items") == Some(&Value::Null);
    list.ensure(null, "items of null")
}

async fn metadata_of_a_daemonset_is_that_of_inside_the_server(lab: &Lab) -> Outcome {
    const GENERATION: &str = "/metadata/annotations/deprecated.daemonset.template.generation";
    let path = lab.path("apps/v1", "daemonsets");
    let labels = json!({"app": "a"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
    let spec = json!({"selector": {"matchLabels": labels}, "template": template});
    let object = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "a"}, "spec": spec});
    lab.create(&path, object).await?.expect_at(GENERATION, "1")?;
    let list = lab.request("GET", &path).accept(METADATA_LIST).send().await?.expect(200)?;
    list.expect_at(&format!("/items/0{GENERATION}"), Value::Null)?;
    Ok(())
}
