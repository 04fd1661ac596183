//! Where a watch begins and how it ends:
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

use serde_json::{Value, json};

use super::{cases, gadget, lease, leases, leases_named, serve_gadgets};
use crate::conformance::{Failure, Lab, Outcome, Reply, WatchedEvent};

cases!("watch":
    without_a_version_begins_with_what_is_there,
    from_zero_begins_with_what_is_there,
    from_a_version_has_only_what_came_later,
    from_the_newest_version_has_nothing_yet,
    from_the_future_waits,
    from_a_forgotten_version_is_an_error_event(needs_compaction),
    of_no_version_number_is_an_unnamed_error,
    any_value_but_false_and_zero_asks_for_a_watch,
    the_timeout_ends_it,
    a_timeout_that_is_no_number_is_refused,
    the_answer_is_json_line_by_line,
    events_carry_whole_objects_with_their_kind,
    bookmarks_end_what_was_there_at_first,
    a_bookmark_has_a_version_and_nothing_else,
    initial_events_need_a_match,
    initial_events_of_no_kind_need_a_match_too,
    initial_events_not_older_than_nothing,
    initial_events_not_older_than_a_version,
    initial_events_without_bookmarks_have_no_end,
    no_initial_events_begin_at_once,
    no_initial_events_from_a_version,
    initial_events_exactly_at_a_version_are_refused,
    initial_events_of_the_future_are_a_timeout_event,
    initial_events_go_on_with_changes,
    initial_events_follow_the_selector,
    a_match_without_initial_events_is_refused,
    a_token_is_refused,
    a_limit_is_not_looked_at,
    of_an_object_is_the_object,
    of_an_unknown_kind_is_not_found,
    of_an_unknown_field_is_refused,
    of_a_namespace_that_is_not_there_waits,
    of_a_subresource_is_no_watch,
    the_old_path_of_watches_is_a_watch,
    the_old_path_of_one_object_watches_it,
    of_a_custom_kind_begins_with_what_is_there,
    a_bookmark_comes_before_the_timeout,
);

/// A watch that lasts a second, as a whole.
async fn second(lab: &Lab, query: &str) -> Result<Reply, Failure> {
    let separator = if query.is_empty() { "" } else { "&" };
    lab.read(&leases(lab, &format!("?watch=true&timeoutSeconds=1{separator}{query}"))).await
}

fn told(events: &[WatchedEvent]) -> Vec<String> {
    events.iter().map(|e| format!("{} {}", e.kind, e.name()).trim_end().to_owned()).collect()
}

fn tells(reply: &Reply, expected: &[&str]) -> Outcome {
    let came = told(&reply.events());
    reply.ensure(came == expected, format!("the events {expected:?}, not {came:?}"))
}

async fn without_a_version_begins_with_what_is_there(lab: &Lab) -> Outcome {
    leases_named(lab, &["b", "a"]).await?;
    let mut watch = lab.watch(&leases(lab, "")).await?;
    watch.expect("ADDED", "a").await?;
    watch.expect("ADDED", "b").await?;
    leases_named(lab, &["c"]).await?;
    watch.expect("ADDED", "c").await?;
    Ok(())
}

async fn from_zero_begins_with_what_is_there(lab: &Lab) -> Outcome {
    leases_named(lab, &["b", "a"]).await?;
    // What a server may know by then: the newest, when somebody asks for it first.
    lab.read(&leases(lab, "")).await?;
    let mut watch = lab.watch(&leases(lab, "?resourceVersion=0")).await?;
    watch.expect("ADDED", "a").await?;
    watch.expect("ADDED", "b").await?;
    Ok(())
}

async fn from_a_version_has_only_what_came_later(lab: &Lab) -> Outcome {
    let first = lease(lab, "a", json!({})).await?;
    leases_named(lab, &["c", "b"]).await?;
    lab.delete(&leases(lab, "/a")).await?.expect(200)?;
    let mut watch = lab.watch(&leases(lab, &format!("?resourceVersion={}", first.version()))).await?;
    watch.expect("ADDED", "c").await?;
    watch.expect("ADDED", "b").await?;
    watch.expect("DELETED", "a").await?;
    Ok(())
}

async fn from_the_newest_version_has_nothing_yet(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let list = lab.read(&leases(lab, "")).await?;
    tells(&second(lab, &format!("resourceVersion={}", list.version())).await?, &[])
}

async fn from_the_future_waits(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    tells(&second(lab, &format!("resourceVersion={}", 1_u64 << 50)).await?, &[])
}

async fn from_a_forgotten_version_is_an_error_event(lab: &Lab) -> Outcome {
    // A kind that has come late: no server has anything of it from before.
    let path = serve_gadgets(lab, json!({})).await?;
    lab.forget_history().await?;
    let mut watch = lab.watch(&format!("{path}?resourceVersion=1")).await?;
    let event = watch.event().await?;
    let status = &event.object;
    let good = event.kind == "ERROR"
        && status["kind"] == "Status"
        && status["code"] == 410
        && status["reason"] == "Expired"
        && status["message"].as_str().is_some_and(|m| m.starts_with("too old resource version: 1 ("));
    if !good {
        return Err(watch.failure("an ERROR with 410 Expired"));
    }
    watch.expect_end().await
}

async fn of_no_version_number_is_an_unnamed_error(lab: &Lab) -> Outcome {
    let reply = lab.get(&leases(lab, "?watch=true&resourceVersion=x")).await?.expect_error(500, "")?;
    reply.expect_message("resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax")?;
    Ok(())
}

async fn any_value_but_false_and_zero_asks_for_a_watch(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for value in ["=1", "=true", "=x", "=", ""] {
        let reply = lab.read(&leases(lab, &format!("?watch{value}&timeoutSeconds=1"))).await?;
        tells(&reply, &["ADDED a"])?;
    }
    for value in ["false", "0", "FALSE", "False"] {
        lab.read(&leases(lab, &format!("?watch={value}"))).await?.expect_at("/kind", "LeaseList")?;
    }
    Ok(())
}

async fn the_timeout_ends_it(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let mut watch = lab.watch(&leases(lab, "?timeoutSeconds=1")).await?;
    watch.expect("ADDED", "a").await?;
    watch.expect_end().await
}

async fn a_timeout_that_is_no_number_is_refused(lab: &Lab) -> Outcome {
    for query in ["?timeoutSeconds=x", "?watch=true&timeoutSeconds=x"] {
        let reply = lab.get(&leases(lab, query)).await?.expect_error(400, "BadRequest")?;
        reply.expect_message("strconv.ParseInt: parsing \"x\": invalid syntax")?;
    }
    Ok(())
}

async fn the_answer_is_json_line_by_line(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let reply = second(lab, "").await?.expect_header("content-type", "application/json")?;
    let text = reply.text();
    let lines: Vec<&str> = text.lines().collect();
    let each = lines.iter().all(|l| serde_json::from_str::<Value>(l).is_ok_and(|v| v["type"] == "ADDED"));
    reply.ensure(lines.len() == 2 && each && text.ends_with('\n'), "two lines")
}

async fn events_carry_whole_objects_with_their_kind(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({"half": "x"})).await?;
    let mut watch = lab.watch(&leases(lab, "")).await?;
    let event = watch.expect("ADDED", "a").await?;
    if event.object != *created.value() {
        return Err(watch.failure(format!("the object {}", created.value())));
    }
    Ok(())
}

const END: &str = "k8s.io/initial-events-end";

async fn bookmarks_end_what_was_there_at_first(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for query in ["allowWatchBookmarks=true", "allowWatchBookmarks=true&resourceVersion="] {
        let reply = second(lab, query).await?;
        let events = reply.events();
        let ended =
            events.get(1).is_some_and(|e| e.kind == "BOOKMARK" && e.object["metadata"]["annotations"][END] == "true");
        reply
            .ensure(events.first().is_some_and(|e| e.name() == "a") && ended, "the object, then the mark of the end")?;
    }
    Ok(())
}

async fn a_bookmark_has_a_version_and_nothing_else(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let list = lab.read(&leases(lab, "")).await?;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = lab.watch(&leases(lab, &format!("?{query}"))).await?;
    let mark = watch.until("a bookmark", |e| e.kind == "BOOKMARK").await?;
    let metadata = json!({"resourceVersion": mark.version(), "annotations": {END: "true"}});
    let number = |v: &str| v.parse::<u64>().unwrap_or(0);
    let good = mark.object["kind"] == "Lease"
        && mark.object["apiVersion"] == "coordination.k8s.io/v1"
        && without_nulls(&mark.object["metadata"]) == metadata
        && number(mark.version()) >= number(list.version());
    if good { Ok(()) } else { Err(watch.failure(format!("a bookmark of a Lease with {metadata}"))) }
}

/// Some versions write a creation time of `null`.
fn without_nulls(value: &Value) -> Value {
    let Some(map) = value.as_object() else {
        return value.clone();
    };
    map.iter()
        .filter(|(_, v)| !v.is_null())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

const NEEDS: &str =
    "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";

async fn initial_events_need_a_match(lab: &Lab) -> Outcome {
    for query in ["sendInitialEvents=true", "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersion=0"] {
        let reply = lab.get(&leases(lab, &format!("?watch=true&{query}"))).await?.expect_error(422, "Invalid")?;
        let reply = reply.expect_message(&format!("ListOptions.meta.k8s.io \"\" is invalid: {NEEDS}"))?;
        reply.expect_causes(&[("FieldValueForbidden", "resourceVersionMatch")])?;
    }
    Ok(())
}

async fn initial_events_of_no_kind_need_a_match_too(lab: &Lab) -> Outcome {
    let reply = lab.get(&leases(lab, "?watch=true&sendInitialEvents=false")).await?.expect_error(422, "Invalid")?;
    reply.expect_message(&format!("ListOptions.meta.k8s.io \"\" is invalid: {NEEDS}"))?;
    Ok(())
}

async fn initial_events_not_older_than_nothing(lab: &Lab) -> Outcome {
    leases_named(lab, &["b", "a"]).await?;
    let reply =
        second(lab, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true").await?;
    let came = told(&reply.events());
    reply.ensure(
        came.starts_with(&["ADDED a".into(), "ADDED b".into(), "BOOKMARK".into()]),
        "two objects and a bookmark",
    )
}

async fn initial_events_not_older_than_a_version(lab: &Lab) -> Outcome {
    let first = lease(lab, "a", json!({})).await?;
    leases_named(lab, &["b"]).await?;
    let newest = lab.read(&leases(lab, "")).await?;
    for version in ["0", "1", first.version(), newest.version()] {
        let query = format!(
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion={version}"
        );
        let reply = second(lab, &query).await?;
        let came = told(&reply.events());
        reply
            .ensure(came.starts_with(&["ADDED a".into(), "ADDED b".into(), "BOOKMARK".into()]), "all that is there")?;
    }
    Ok(())
}

async fn initial_events_without_bookmarks_have_no_end(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    tells(&second(lab, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan").await?, &["ADDED a"])
}

async fn no_initial_events_begin_at_once(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    tells(&second(lab, "sendInitialEvents=false&resourceVersionMatch=NotOlderThan").await?, &[])
}

async fn no_initial_events_from_a_version(lab: &Lab) -> Outcome {
    let first = lease(lab, "a", json!({})).await?;
    leases_named(lab, &["b"]).await?;
    let query =
        format!("sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion={}", first.version());
    tells(&second(lab, &query).await?, &["ADDED b"])
}

async fn initial_events_exactly_at_a_version_are_refused(lab: &Lab) -> Outcome {
    let list = lab.read(&leases(lab, "")).await?;
    let query =
        format!("?watch=true&sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion={}", list.version());
    let reply = lab.get(&leases(lab, &query)).await?.expect_error(422, "Invalid")?;
    let field = "resourceVersionMatch";
    reply.expect_causes(&[("FieldValueForbidden", field), ("FieldValueNotSupported", field)])?.expect_message(&format!(
        "ListOptions.meta.k8s.io \"\" is invalid: [{NEEDS}, resourceVersionMatch: Unsupported value: \"Exact\": supported \
         values: \"NotOlderThan\"]"
    ))?;
    Ok(())
}

async fn initial_events_of_the_future_are_a_timeout_event(lab: &Lab) -> Outcome {
    let query = format!(
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion={}",
        1_u64 << 50
    );
    let mut watch = lab.watch(&leases(lab, &format!("?{query}"))).await?;
    let event = watch.event().await?;
    let status = &event.object;
    let good = event.kind == "ERROR"
        && status["code"] == 504
        && status["reason"] == "Timeout"
        && status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge";
    if good { Ok(()) } else { Err(watch.failure("an ERROR with 504 Timeout")) }
}

async fn initial_events_go_on_with_changes(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = lab.watch(&leases(lab, &format!("?{query}"))).await?;
    watch.expect("ADDED", "a").await?;
    let mark = watch.expect("BOOKMARK", "").await?;
    lab.delete(&leases(lab, "/a")).await?.expect(200)?;
    let event = watch.until("the deletion", |e| e.kind != "BOOKMARK").await?;
    let number = |v: &str| v.parse::<u64>().unwrap_or(0);
    if event.kind == "DELETED" && number(event.version()) > number(mark.version()) {
        return Ok(());
    }
    Err(watch.failure("the deletion, after the bookmark's version"))
}

async fn initial_events_follow_the_selector(lab: &Lab) -> Outcome {
    lease(lab, "a", json!({"half": "x"})).await?;
    lease(lab, "b", json!({})).await?;
    let query =
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=half%3Dx";
    let mut watch = lab.watch(&leases(lab, &format!("?{query}"))).await?;
    watch.expect("ADDED", "a").await?;
    watch.expect("BOOKMARK", "").await?;
    Ok(())
}

async fn a_match_without_initial_events_is_refused(lab: &Lab) -> Outcome {
    let forbidden = ("FieldValueForbidden", "resourceVersionMatch");
    for query in ["resourceVersionMatch=NotOlderThan", "resourceVersionMatch=NotOlderThan&resourceVersion=0"] {
        let reply = lab.get(&leases(lab, &format!("?watch=true&{query}"))).await?.expect_error(422, "Invalid")?;
        reply.expect_causes(&[forbidden])?.expect_message(
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for \
             watch unless sendInitialEvents is provided",
        )?;
    }
    let reply = lab.get(&leases(lab, "?watch=true&resourceVersionMatch=Exact&resourceVersion=1")).await?;
    reply
        .expect_error(422, "Invalid")?
        .expect_causes(&[forbidden, ("FieldValueNotSupported", "resourceVersionMatch")])?;
    Ok(())
}

async fn a_token_is_refused(lab: &Lab) -> Outcome {
    let reply = lab.get(&leases(lab, "?watch=true&continue=x")).await?.expect_error(422, "Invalid")?;
    reply.expect_message(
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when \
         continue is provided",
    )?;
    Ok(())
}

async fn a_limit_is_not_looked_at(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c"]).await?;
    tells(&second(lab, "limit=1").await?, &["ADDED a", "ADDED b", "ADDED c"])
}

async fn of_an_object_is_the_object(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    lab.read(&leases(lab, "/a?watch=true&timeoutSeconds=1")).await?.expect_at("/kind", "Lease")?;
    lab.read(&leases(lab, "/a?watch=true&fieldSelector=metadata.name%3Db")).await?.expect_at("/metadata/name", "a")?;
    let reply = lab.get(&leases(lab, "/missing?watch=true&timeoutSeconds=1")).await?;
    reply.expect_error(404, "NotFound")?.expect_message("leases.coordination.k8s.io \"missing\" not found")?;
    Ok(())
}

async fn of_an_unknown_kind_is_not_found(lab: &Lab) -> Outcome {
    lab.get(&lab.path("v1", "gadgets?watch=true")).await?.expect_error(404, "NotFound")?;
    Ok(())
}

async fn of_an_unknown_field_is_refused(lab: &Lab) -> Outcome {
    let reply = lab.get(&leases(lab, "?watch=true&fieldSelector=foo%3Da")).await?.expect_error(400, "BadRequest")?;
    reply.expect_message("\"foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")?;
    Ok(())
}

async fn of_a_namespace_that_is_not_there_waits(lab: &Lab) -> Outcome {
    let path = "/apis/coordination.k8s.io/v1/namespaces/there-is-none/leases?watch=true&timeoutSeconds=1";
    tells(&lab.read(path).await?, &[])
}

async fn of_a_subresource_is_no_watch(lab: &Lab) -> Outcome {
    lab.get(&leases(lab, "/a/status?watch=true")).await?.expect_error(404, "NotFound")?;
    Ok(())
}

async fn the_old_path_of_watches_is_a_watch(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let own = format!("/apis/coordination.k8s.io/v1/watch/namespaces/{}/leases", lab.namespace());
    tells(&lab.read(&format!("{own}?timeoutSeconds=1")).await?, &["ADDED a"])?;
    let all = "/apis/coordination.k8s.io/v1/watch/leases";
    let query = format!("timeoutSeconds=1&fieldSelector=metadata.namespace%3D{}", lab.namespace());
    tells(&lab.read(&format!("{all}?{query}")).await?, &["ADDED a"])
}

async fn the_old_path_of_one_object_watches_it(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let path = format!("/apis/coordination.k8s.io/v1/watch/namespaces/{}/leases/b", lab.namespace());
    tells(&lab.read(&format!("{path}?timeoutSeconds=1")).await?, &["ADDED b"])
}

async fn of_a_custom_kind_begins_with_what_is_there(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    lab.create(&path, gadget(lab, "a", json!({}))).await?;
    let mut watch = lab.watch(&path).await?;
    let event = watch.expect("ADDED", "a").await?;
    if event.object["kind"] != "Gadget" {
        return Err(watch.failure("a Gadget"));
    }
    lab.create(&path, gadget(lab, "b", json!({}))).await?;
    watch.expect("ADDED", "b").await?;
    lab.delete(&format!("{path}/a")).await?.expect(200)?;
    watch.expect("DELETED", "a").await?;
    Ok(())
}

async fn a_bookmark_comes_before_the_timeout(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let list = lab.read(&leases(lab, "")).await?;
    // A server sends one some two seconds before it ends the watch.
    let query = format!("?timeoutSeconds=4&allowWatchBookmarks=true&resourceVersion={}", list.version());
    let mut watch = lab.watch(&leases(lab, &query)).await?;
    leases_named(lab, &["b"]).await?;
    watch.expect("ADDED", "b").await?;
    let mark = watch.expect("BOOKMARK", "").await?;
    if mark.object["metadata"]["annotations"].is_null() {
        return Ok(());
    }
    Err(watch.failure("a bookmark without annotations"))
}
