//! `resourceVersion` and `resourceVersionMatch` of reads, in every combination that the table of the API concepts has:
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>

use serde_json::Value;

use super::{cases, lease, leases, leases_named};
use crate::conformance::{Failure, Lab, Outcome, Reply};

cases!("versions":
    a_list_without_a_version_is_the_newest,
    a_list_of_version_zero_may_be_any,
    a_list_of_an_older_version_is_not_older_than_it,
    a_list_not_older_than_a_version_is_not,
    a_list_not_older_than_zero_may_be_any,
    a_list_of_exactly_a_version_is_as_it_was,
    an_exact_list_shows_objects_as_they_were,
    an_exact_list_of_the_newest_version,
    a_limited_list_of_a_version_is_exact,
    a_limited_list_not_older_than_a_version_is_not_exact,
    a_limited_list_of_version_zero_may_be_any,
    an_exact_limited_list_goes_on_at_its_version,
    an_exact_list_of_zero_is_refused,
    a_match_without_a_version_is_refused,
    an_unknown_match_is_refused,
    an_unknown_match_without_a_version_has_two_causes,
    an_empty_version_is_no_version,
    a_version_that_is_no_number_is_refused,
    a_bad_match_goes_before_a_bad_version,
    a_version_with_leading_zeros_is_a_number,
    a_list_of_the_future_is_a_timeout,
    an_exact_list_of_the_future_is_a_timeout,
    a_limited_list_of_the_future_is_a_timeout,
    an_exact_list_of_a_forgotten_version_is_gone(needs_compaction),
    a_limited_list_of_a_forgotten_version_is_gone(needs_compaction),
    a_list_not_older_than_a_forgotten_version_is_fine(needs_compaction),
    a_get_of_a_version_is_not_older,
    a_get_of_the_future_is_a_timeout,
    a_get_of_no_version_number_is_an_unnamed_error,
    a_get_does_not_look_at_the_match,
    initial_events_are_refused_for_lists,
    every_write_has_a_greater_version,
    versions_are_of_the_whole_server,
);

/// Four Leases of which one was deleted and one changed. The answer is the version of the second.
async fn history(lab: &Lab) -> Result<String, Failure> {
    leases_named(lab, &["a"]).await?;
    let version = lease(lab, "b", serde_json::json!({})).await?.version().to_owned();
    leases_named(lab, &["c", "d"]).await?;
    lab.delete(&leases(lab, "/a")).await?.expect(200)?;
    let mut changed = lab.read(&leases(lab, "/b")).await?.into_value();
    changed["metadata"]["labels"] = serde_json::json!({"new": "yes"});
    lab.update(&leases(lab, "/b"), &changed).await?;
    Ok(version)
}

const NOW: &[&str] = &["b", "c", "d"];
const FUTURE: u64 = 1 << 50;

async fn list(lab: &Lab, query: &str) -> Result<Reply, Failure> {
    lab.get(&leases(lab, &format!("?{query}"))).await
}

fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

fn not_older(reply: &Reply, version: &str) -> Outcome {
    reply.ensure(number(reply.version()) >= number(version), format!("a version of at least {version}"))
}

async fn a_list_without_a_version_is_the_newest(lab: &Lab) -> Outcome {
    history(lab).await?;
    let newest = lease(lab, "e", serde_json::json!({})).await?;
    let reply = lab.read(&leases(lab, "")).await?.expect_names(&["b", "c", "d", "e"])?;
    not_older(&reply, newest.version())
}

async fn a_list_of_version_zero_may_be_any(lab: &Lab) -> Outcome {
    history(lab).await?;
    let reply = list(lab, "resourceVersion=0").await?.expect(200)?.expect_at("/kind", "LeaseList")?;
    reply.ensure(number(reply.version()) > 0, "a version")
}

async fn a_list_of_an_older_version_is_not_older_than_it(lab: &Lab) -> Outcome {
    let version = history(lab).await?;
    let newest = lab.read(&leases(lab, "")).await?;
    // A version alone is a lower bound; the newest is one that everybody has to wait for.
    let reply = list(lab, &format!("resourceVersion={}", newest.version())).await?.expect(200)?.expect_names(NOW)?;
    not_older(&reply, newest.version())?;
    not_older(&list(lab, &format!("resourceVersion={version}")).await?.expect(200)?, &version)
}

async fn a_list_not_older_than_a_version_is_not(lab: &Lab) -> Outcome {
    history(lab).await?;
    let newest = lab.read(&leases(lab, "")).await?;
    let query = format!("resourceVersion={}&resourceVersionMatch=NotOlderThan", newest.version());
    let reply = list(lab, &query).await?.expect(200)?.expect_names(NOW)?;
    not_older(&reply, newest.version())
}

async fn a_list_not_older_than_zero_may_be_any(lab: &Lab) -> Outcome {
    list(lab, "resourceVersion=0&resourceVersionMatch=NotOlderThan")
        .await?
        .expect(200)?
        .expect_at("/kind", "LeaseList")?;
    Ok(())
}

async fn a_list_of_exactly_a_version_is_as_it_was(lab: &Lab) -> Outcome {
    let version = history(lab).await?;
    let reply = list(lab, &format!("resourceVersion={version}&resourceVersionMatch=Exact")).await?.expect(200)?;
    reply.expect_names(&["a", "b"])?.expect_at("/metadata/resourceVersion", version)?;
    Ok(())
}

async fn an_exact_list_shows_objects_as_they_were(lab: &Lab) -> Outcome {
    let version = history(lab).await?;
    let reply = list(lab, &format!("resourceVersion={version}&resourceVersionMatch=Exact")).await?.expect(200)?;
    let reply = reply.expect_at("/items/1/metadata/labels", Value::Null)?;
    reply.expect_at("/items/1/metadata/resourceVersion", version)?;
    Ok(())
}

async fn an_exact_list_of_the_newest_version(lab: &Lab) -> Outcome {
    history(lab).await?;
    let newest = lab.read(&leases(lab, "")).await?;
    let query = format!("resourceVersion={}&resourceVersionMatch=Exact", newest.version());
    list(lab, &query).await?.expect_names(NOW)?.expect_at("/metadata/resourceVersion", newest.version())?;
    Ok(())
}

async fn a_limited_list_of_a_version_is_exact(lab: &Lab) -> Outcome {
    let version = history(lab).await?;
    let reply = list(lab, &format!("limit=5&resourceVersion={version}")).await?.expect(200)?;
    reply.expect_names(&["a", "b"])?.expect_at("/metadata/resourceVersion", version)?;
    Ok(())
}

async fn a_limited_list_not_older_than_a_version_is_not_exact(lab: &Lab) -> Outcome {
    history(lab).await?;
    let newest = lab.read(&leases(lab, "")).await?;
    let query = format!("limit=2&resourceVersion={}&resourceVersionMatch=NotOlderThan", newest.version());
    let reply = list(lab, &query).await?.expect(200)?.expect_names(&["b", "c"])?;
    not_older(&reply, newest.version())
}

async fn a_limited_list_of_version_zero_may_be_any(lab: &Lab) -> Outcome {
    history(lab).await?;
    list(lab, "limit=2&resourceVersion=0").await?.expect(200)?.expect_at("/kind", "LeaseList")?;
    Ok(())
}

async fn an_exact_limited_list_goes_on_at_its_version(lab: &Lab) -> Outcome {
    let version = history(lab).await?;
    let query = format!("limit=1&resourceVersion={version}&resourceVersionMatch=Exact");
    let first = list(lab, &query).await?.expect_names(&["a"])?;
    let query = format!("limit=1&continue={}", first.str_at("/metadata/continue"));
    list(lab, &query).await?.expect_names(&["b"])?.expect_at("/metadata/resourceVersion", version)?;
    Ok(())
}

const FORBIDDEN: (&str, &str) = ("FieldValueForbidden", "resourceVersionMatch");
const UNSUPPORTED: (&str, &str) = ("FieldValueNotSupported", "resourceVersionMatch");

async fn an_exact_list_of_zero_is_refused(lab: &Lab) -> Outcome {
    let reply = list(lab, "resourceVersion=0&resourceVersionMatch=Exact").await?.expect_error(422, "Invalid")?;
    let reply = reply.expect_message(
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is \
         forbidden for resourceVersion \"0\"",
    )?;
    reply.expect_causes(&[FORBIDDEN])?;
    Ok(())
}

async fn a_match_without_a_version_is_refused(lab: &Lab) -> Outcome {
    for rule in ["Exact", "NotOlderThan"] {
        for query in [format!("resourceVersionMatch={rule}"), format!("resourceVersionMatch={rule}&limit=1")] {
            let reply = list(lab, &query).await?.expect_error(422, "Invalid")?;
            let reply = reply.expect_message(
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is \
                 forbidden unless resourceVersion is provided",
            )?;
            reply.expect_causes(&[FORBIDDEN])?.expect_at("/details/kind", "ListOptions")?;
        }
    }
    Ok(())
}

async fn an_unknown_match_is_refused(lab: &Lab) -> Outcome {
    for rule in ["Newest", "exact"] {
        let reply = list(lab, &format!("resourceVersion=0&resourceVersionMatch={rule}")).await?;
        let reply = reply.expect_error(422, "Invalid")?.expect_message(&format!(
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Unsupported value: {rule:?}: supported values: \
             \"Exact\", \"NotOlderThan\", \"\""
        ))?;
        reply.expect_causes(&[UNSUPPORTED])?;
    }
    Ok(())
}

async fn an_unknown_match_without_a_version_has_two_causes(lab: &Lab) -> Outcome {
    let reply = list(lab, "resourceVersionMatch=Newest").await?.expect_error(422, "Invalid")?;
    reply.expect_causes(&[FORBIDDEN, UNSUPPORTED])?;
    Ok(())
}

async fn an_empty_version_is_no_version(lab: &Lab) -> Outcome {
    history(lab).await?;
    list(lab, "resourceVersion=").await?.expect(200)?.expect_names(NOW)?;
    list(lab, "resourceVersion=&resourceVersionMatch=Exact").await?.expect_error(422, "Invalid")?;
    list(lab, "resourceVersion=&resourceVersionMatch=").await?.expect(200)?.expect_names(NOW)?;
    Ok(())
}

async fn a_version_that_is_no_number_is_refused(lab: &Lab) -> Outcome {
    for version in ["x", "-1", "0x1", "1.5"] {
        for query in ["", "&limit=2", "&resourceVersionMatch=Exact", "&resourceVersionMatch=NotOlderThan"] {
            let reply =
                list(lab, &format!("resourceVersion={version}{query}")).await?.expect_error(400, "BadRequest")?;
            reply.expect_message(&format!(
                "invalid resource version: resourceVersion: Invalid value: {version:?}: strconv.ParseUint: parsing \
                 {version:?}: invalid syntax"
            ))?;
        }
    }
    Ok(())
}

async fn a_bad_match_goes_before_a_bad_version(lab: &Lab) -> Outcome {
    let reply = list(lab, "resourceVersion=x&resourceVersionMatch=Newest").await?.expect_error(422, "Invalid")?;
    reply.expect_causes(&[UNSUPPORTED])?;
    Ok(())
}

async fn a_version_with_leading_zeros_is_a_number(lab: &Lab) -> Outcome {
    let version = history(lab).await?;
    let reply = list(lab, &format!("limit=5&resourceVersion=00{version}")).await?.expect(200)?;
    reply.expect_names(&["a", "b"])?.expect_at("/metadata/resourceVersion", version)?;
    Ok(())
}

fn of_the_future(reply: Reply) -> Outcome {
    let reply = reply.expect_error(504, "Timeout")?;
    let reply = reply.expect_in_message(&format!("Timeout: Too large resource version: {FUTURE}, current: "))?;
    let reply = reply.expect_at(
        "/details/causes",
        serde_json::json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]),
    )?;
    reply.expect_at("/details/retryAfterSeconds", 1)?.expect_header("retry-after", "1")?;
    Ok(())
}

async fn a_list_of_the_future_is_a_timeout(lab: &Lab) -> Outcome {
    of_the_future(list(lab, &format!("resourceVersion={FUTURE}")).await?)
}

async fn an_exact_list_of_the_future_is_a_timeout(lab: &Lab) -> Outcome {
    of_the_future(list(lab, &format!("resourceVersion={FUTURE}&resourceVersionMatch=Exact")).await?)
}

async fn a_limited_list_of_the_future_is_a_timeout(lab: &Lab) -> Outcome {
    of_the_future(list(lab, &format!("limit=2&resourceVersion={FUTURE}")).await?)
}

async fn gone(lab: &Lab, query: &str) -> Outcome {
    leases_named(lab, &["a"]).await?;
    lab.forget_history().await?;
    let reply = list(lab, query).await?.expect_error(410, "Expired")?;
    reply.expect_message("The resourceVersion for the provided list is too old.")?;
    Ok(())
}

async fn an_exact_list_of_a_forgotten_version_is_gone(lab: &Lab) -> Outcome {
    gone(lab, "resourceVersion=1&resourceVersionMatch=Exact").await
}

async fn a_limited_list_of_a_forgotten_version_is_gone(lab: &Lab) -> Outcome {
    gone(lab, "limit=1&resourceVersion=1").await
}

async fn a_list_not_older_than_a_forgotten_version_is_fine(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    lab.forget_history().await?;
    list(lab, "resourceVersion=1&resourceVersionMatch=NotOlderThan").await?.expect(200)?;
    list(lab, "resourceVersion=1").await?.expect(200)?;
    Ok(())
}

async fn a_get_of_a_version_is_not_older(lab: &Lab) -> Outcome {
    history(lab).await?;
    let newest = lab.read(&leases(lab, "/b")).await?;
    for version in ["0", "1", newest.version()] {
        let reply = lab.read(&leases(lab, &format!("/b?resourceVersion={version}"))).await?;
        reply.expect_at("/metadata/name", "b")?;
    }
    let reply = lab.read(&leases(lab, &format!("/b?resourceVersion={}", newest.version()))).await?;
    reply.expect_at("/metadata/resourceVersion", newest.version())?;
    Ok(())
}

async fn a_get_of_the_future_is_a_timeout(lab: &Lab) -> Outcome {
    history(lab).await?;
    of_the_future(lab.get(&leases(lab, &format!("/b?resourceVersion={FUTURE}"))).await?)
}

async fn a_get_of_no_version_number_is_an_unnamed_error(lab: &Lab) -> Outcome {
    history(lab).await?;
    let reply = lab.get(&leases(lab, "/b?resourceVersion=x")).await?.expect_error(500, "")?;
    reply.expect_message("resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax")?;
    Ok(())
}

async fn a_get_does_not_look_at_the_match(lab: &Lab) -> Outcome {
    history(lab).await?;
    for query in ["resourceVersionMatch=Exact", "resourceVersionMatch=Newest&resourceVersion=0", "limit=x"] {
        lab.read(&leases(lab, &format!("/b?{query}"))).await?.expect_at("/metadata/name", "b")?;
    }
    Ok(())
}

async fn initial_events_are_refused_for_lists(lab: &Lab) -> Outcome {
    for value in ["true", "false", "x"] {
        let reply = list(lab, &format!("sendInitialEvents={value}")).await?.expect_error(422, "Invalid")?;
        let reply = reply.expect_message(
            "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        )?;
        reply.expect_causes(&[("FieldValueForbidden", "sendInitialEvents")])?;
    }
    let reply = list(lab, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan").await?;
    reply.expect_error(422, "Invalid")?.expect_causes(&[FORBIDDEN, ("FieldValueForbidden", "sendInitialEvents")])?;
    Ok(())
}

async fn every_write_has_a_greater_version(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", serde_json::json!({})).await?;
    let mut changed = created.value().clone();
    changed["metadata"]["labels"] = serde_json::json!({"new": "yes"});
    let updated = lab.update(&leases(lab, "/a"), &changed).await?;
    updated.ensure(number(updated.version()) > number(created.version()), "a greater version than at creation")?;
    let mut same = updated.value().clone();
    same["metadata"]["managedFields"] = Value::Null;
    let again = lab.update(&leases(lab, "/a"), updated.value()).await?;
    again.ensure(again.version() == updated.version(), "the same version, since nothing changed")
}

async fn versions_are_of_the_whole_server(lab: &Lab) -> Outcome {
    let first = lease(lab, "a", serde_json::json!({})).await?;
    let second = lab.config_map("a", serde_json::json!({})).await?;
    let third = lease(lab, "b", serde_json::json!({})).await?;
    second
        .ensure(number(second.version()) > number(first.version()), "a greater version than another kind's before")?;
    third.ensure(number(third.version()) > number(second.version()), "a greater version than another kind's before")
}
