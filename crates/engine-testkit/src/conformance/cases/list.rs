//! Lists and their pages: <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{cases, encoded, lease, leases, leases_named};
use crate::conformance::{Failure, Lab, Outcome, Reply};

cases!("list":
    an_empty_list_has_items_and_a_version,
    items_come_in_the_order_of_their_names,
    items_over_all_namespaces_come_in_the_order_of_namespaces,
    items_of_built_in_kinds_do_not_repeat_their_kind,
    the_version_of_a_list_is_at_least_that_of_its_items,
    a_page_has_as_many_items_as_asked_and_a_token,
    a_page_says_how_many_items_are_left,
    pages_add_up_to_the_whole,
    the_last_page_has_no_token,
    a_limit_of_all_or_more_is_the_whole_list,
    a_limit_of_zero_is_no_limit,
    a_negative_limit_is_no_limit,
    a_limit_that_is_no_number_is_refused,
    a_page_is_of_the_revision_of_the_first,
    an_object_created_between_pages_is_not_in_them,
    an_object_changed_between_pages_is_shown_as_it_was,
    the_rest_may_be_read_without_a_limit,
    pages_over_all_namespaces_add_up,
    a_token_has_version_revision_and_start,
    a_token_starts_at_its_key,
    a_page_with_a_selector_does_not_say_how_many_are_left,
    a_page_with_a_selector_goes_on_while_there_are_objects,
    a_token_may_be_used_with_another_selector,
    a_token_that_is_no_base64_is_refused,
    a_token_that_is_no_json_is_refused,
    a_token_of_another_version_is_refused,
    a_token_without_a_revision_is_refused,
    a_token_without_a_start_is_refused,
    a_token_that_leaves_its_collection_is_refused,
    a_token_of_the_future_is_a_timeout,
    a_token_with_a_resource_version_is_refused,
    a_token_with_version_zero_is_accepted,
    a_token_with_a_match_is_refused,
    an_empty_token_is_no_token,
    a_token_of_revision_minus_one_reads_what_is_now,
    an_expired_token_comes_with_one_to_go_on(needs_compaction),
    deletecollection_takes_a_selector,
    deletecollection_answers_with_the_list,
);

fn token(revision: Value, start: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string())
}

fn decoded(token: &str) -> Value {
    URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
}

fn token_of(reply: &Reply) -> Result<String, Failure> {
    match reply.str_at("/metadata/continue") {
        "" => Err(reply.failure("a continue token")),
        token => Ok(token.to_owned()),
    }
}

async fn an_empty_list_has_items_and_a_version(lab: &Lab) -> Outcome {
    let list = lab.read(&leases(lab, "")).await?.expect_at("/items", json!([]))?;
    let list = list.expect_at("/kind", "LeaseList")?.expect_at("/apiVersion", "coordination.k8s.io/v1")?;
    list.ensure(list.version().parse::<u64>().is_ok_and(|v| v > 0), "a resourceVersion")?;
    list.ensure(list.at("/metadata").as_object().is_some_and(|m| m.len() == 1), "nothing but a version in metadata")
}

async fn items_come_in_the_order_of_their_names(lab: &Lab) -> Outcome {
    leases_named(lab, &["b", "a-b", "a.b", "a", "a1", "10", "9"]).await?;
    lab.read(&leases(lab, "")).await?.expect_names(&["10", "9", "a", "a-b", "a.b", "a1", "b"])?;
    Ok(())
}

async fn items_over_all_namespaces_come_in_the_order_of_namespaces(lab: &Lab) -> Outcome {
    let label = lab.namespace().to_owned();
    let (first, second) = (lab.name("1"), lab.name("1-2"));
    for namespace in [&second, &first] {
        lab.create("/api/v1/namespaces", json!({"metadata": {"name": namespace}})).await?;
        let object = super::lease_object("x", json!({"of": label}));
        lab.create(&format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"), object).await?;
    }
    lease(lab, "x", json!({"of": label})).await?;
    let list = lab.read(&format!("/apis/coordination.k8s.io/v1/leases?labelSelector=of%3D{label}")).await?;
    let order: Vec<&str> = list.items().iter().filter_map(|i| i["metadata"]["namespace"].as_str()).collect();
    // What is compared is `namespace/name`, and a dash comes before a slash.
    list.ensure(order == [second.as_str(), first.as_str(), lab.namespace()], "the order of `namespace/name`")
}

async fn items_of_built_in_kinds_do_not_repeat_their_kind(lab: &Lab) -> Outcome {
    lease(lab, "a", json!({})).await?;
    let list = lab.read(&leases(lab, "")).await?;
    list.expect_at("/items/0/kind", Value::Null)?.expect_at("/items/0/apiVersion", Value::Null)?;
    Ok(())
}

async fn the_version_of_a_list_is_at_least_that_of_its_items(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let list = lab.read(&leases(lab, "")).await?;
    let number = |v: &str| v.parse::<u64>().unwrap_or(0);
    let newest =
        list.items().iter().map(|i| number(i["metadata"]["resourceVersion"].as_str().unwrap_or_default())).max();
    list.ensure(newest.is_some_and(|n| n > 0 && n <= number(list.version())), "a list not older than its items")
}

async fn a_page_has_as_many_items_as_asked_and_a_token(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c"]).await?;
    let page = lab.read(&leases(lab, "?limit=2")).await?.expect_names(&["a", "b"])?;
    token_of(&page)?;
    Ok(())
}

async fn a_page_says_how_many_items_are_left(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c", "d"]).await?;
    let page = lab.read(&leases(lab, "?limit=1")).await?.expect_at("/metadata/remainingItemCount", 3)?;
    let next = token_of(&page)?;
    lab.read(&leases(lab, &format!("?limit=2&continue={next}"))).await?.expect_at("/metadata/remainingItemCount", 1)?;
    Ok(())
}

async fn pages_add_up_to_the_whole(lab: &Lab) -> Outcome {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    leases_named(lab, &names).await?;
    for limit in [1, 2, 3, 6, 7] {
        let mut seen = Vec::new();
        let mut query = format!("?limit={limit}");
        loop {
            let page = lab.read(&leases(lab, &query)).await?;
            seen.extend(page.names().into_iter().map(str::to_owned));
            page.ensure(seen.len() <= names.len(), "pages that end")?;
            match page.str_at("/metadata/continue") {
                "" => {
                    page.ensure(seen == names, format!("{names:?} in pages of {limit}, not {seen:?}"))?;
                    break;
                }
                token => query = format!("?limit={limit}&continue={token}"),
            }
        }
    }
    Ok(())
}

async fn the_last_page_has_no_token(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c", "d"]).await?;
    let next = token_of(&lab.read(&leases(lab, "?limit=2")).await?)?;
    let last = lab.read(&leases(lab, &format!("?limit=2&continue={next}"))).await?.expect_names(&["c", "d"])?;
    last.expect_at("/metadata/continue", Value::Null)?.expect_at("/metadata/remainingItemCount", Value::Null)?;
    Ok(())
}

async fn a_limit_of_all_or_more_is_the_whole_list(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    for limit in [2, 3, 500] {
        let list = lab.read(&leases(lab, &format!("?limit={limit}"))).await?.expect_names(&["a", "b"])?;
        list.expect_at("/metadata/continue", Value::Null)?.expect_at("/metadata/remainingItemCount", Value::Null)?;
    }
    Ok(())
}

async fn a_limit_of_zero_is_no_limit(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    lab.read(&leases(lab, "?limit=0")).await?.expect_names(&["a", "b"])?;
    Ok(())
}

async fn a_negative_limit_is_no_limit(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    lab.read(&leases(lab, "?limit=-1")).await?.expect_names(&["a", "b"])?;
    Ok(())
}

async fn a_limit_that_is_no_number_is_refused(lab: &Lab) -> Outcome {
    for (limit, why) in [
        ("", "invalid syntax"),
        ("x", "invalid syntax"),
        ("2.5", "invalid syntax"),
        ("99999999999999999999", "value out of range"),
    ] {
        let reply = lab.get(&leases(lab, &format!("?limit={limit}"))).await?.expect_error(400, "BadRequest")?;
        reply.expect_message(&format!("strconv.ParseInt: parsing {limit:?}: {why}"))?;
    }
    Ok(())
}

async fn a_page_is_of_the_revision_of_the_first(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c", "d"]).await?;
    let first = lab.read(&leases(lab, "?limit=2")).await?;
    lab.delete(&leases(lab, "/c")).await?.expect(200)?;
    let next = lab.read(&leases(lab, &format!("?limit=2&continue={}", token_of(&first)?))).await?;
    next.expect_names(&["c", "d"])?.expect_at("/metadata/resourceVersion", first.version())?;
    Ok(())
}

async fn an_object_created_between_pages_is_not_in_them(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "d"]).await?;
    let first = lab.read(&leases(lab, "?limit=1")).await?;
    lease(lab, "c", json!({})).await?;
    let next = lab.read(&leases(lab, &format!("?continue={}", token_of(&first)?))).await?;
    next.expect_names(&["b", "d"])?;
    Ok(())
}

async fn an_object_changed_between_pages_is_shown_as_it_was(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let first = lab.read(&leases(lab, "?limit=1")).await?;
    let before = lab.read(&leases(lab, "/b")).await?;
    let mut changed = before.value().clone();
    changed["metadata"]["labels"] = json!({"new": "yes"});
    lab.update(&leases(lab, "/b"), &changed).await?;
    let next = lab.read(&leases(lab, &format!("?continue={}", token_of(&first)?))).await?;
    next.expect_at("/items/0/metadata/labels", Value::Null)?
        .expect_at("/items/0/metadata/resourceVersion", before.version())?;
    Ok(())
}

async fn the_rest_may_be_read_without_a_limit(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c", "d"]).await?;
    let first = lab.read(&leases(lab, "?limit=1")).await?;
    let rest = lab.read(&leases(lab, &format!("?continue={}", token_of(&first)?))).await?;
    rest.expect_names(&["b", "c", "d"])?.expect_at("/metadata/continue", Value::Null)?;
    Ok(())
}

async fn pages_over_all_namespaces_add_up(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let mut query = "?limit=3".to_owned();
    let mut own = Vec::new();
    loop {
        let page = lab.read(&format!("/apis/coordination.k8s.io/v1/leases{query}")).await?;
        page.ensure(page.items().len() <= 3, "at most three items")?;
        let of_own = page.items().iter().filter(|i| i["metadata"]["namespace"] == lab.namespace());
        own.extend(of_own.filter_map(|i| i["metadata"]["name"].as_str()).map(str::to_owned));
        match page.str_at("/metadata/continue") {
            "" => return page.ensure(own == ["a", "b"], format!("both objects once, not {own:?}")),
            token => query = format!("?limit=3&continue={token}"),
        }
    }
}

async fn a_token_has_version_revision_and_start(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c"]).await?;
    let page = lab.read(&leases(lab, "?limit=2")).await?;
    let token = decoded(&token_of(&page)?);
    let revision = page.version().parse::<u64>().unwrap_or(0);
    let expected = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": "/b\u{0}"});
    page.ensure(token == expected, format!("a token of {expected}, not {token}"))
}

async fn a_token_starts_at_its_key(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c"]).await?;
    let list = lab.read(&leases(lab, "")).await?;
    let revision: Value = list.version().parse::<u64>().unwrap_or(0).into();
    for (start, names) in
        [("/b", &["b", "c"][..]), ("b", &["b", "c"]), ("/b\u{0}", &["c"]), ("/aa", &["b", "c"]), ("/z", &[])]
    {
        let token = token(revision.clone(), start);
        lab.read(&leases(lab, &format!("?continue={token}"))).await?.expect_names(names)?;
    }
    Ok(())
}

async fn halves(lab: &Lab) -> Outcome {
    for (name, half) in [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"), ("e", "x")] {
        lease(lab, name, json!({"half": half})).await?;
    }
    Ok(())
}

async fn a_page_with_a_selector_does_not_say_how_many_are_left(lab: &Lab) -> Outcome {
    halves(lab).await?;
    let page = lab.read(&leases(lab, "?limit=1&labelSelector=half%3Dx")).await?.expect_names(&["a"])?;
    token_of(&page)?;
    page.expect_at("/metadata/remainingItemCount", Value::Null)?;
    let page = lab.read(&leases(lab, "?limit=1&fieldSelector=metadata.name%21%3Da")).await?.expect_names(&["b"])?;
    page.expect_at("/metadata/remainingItemCount", Value::Null)?;
    Ok(())
}

async fn a_page_with_a_selector_goes_on_while_there_are_objects(lab: &Lab) -> Outcome {
    halves(lab).await?;
    // Whether a later object is selected is not known when the page is full.
    let page = lab.read(&leases(lab, "?limit=2&labelSelector=half%3Dy")).await?.expect_names(&["c", "d"])?;
    let next = token_of(&page)?;
    let last = lab.read(&leases(lab, &format!("?limit=2&labelSelector=half%3Dy&continue={next}"))).await?;
    last.expect_names(&[])?.expect_at("/metadata/continue", Value::Null)?;
    // The last object fills the page: nothing comes after it.
    let page = lab.read(&leases(lab, "?limit=3&labelSelector=half%3Dx")).await?.expect_names(&["a", "b", "e"])?;
    page.expect_at("/metadata/continue", Value::Null)?;
    Ok(())
}

async fn a_token_may_be_used_with_another_selector(lab: &Lab) -> Outcome {
    halves(lab).await?;
    let next = token_of(&lab.read(&leases(lab, "?limit=1")).await?)?;
    lab.read(&leases(lab, &format!("?continue={next}&labelSelector=half%3Dx"))).await?.expect_names(&["b", "e"])?;
    Ok(())
}

async fn refused(lab: &Lab, token: &str, message: &str) -> Outcome {
    let reply =
        lab.get(&leases(lab, &format!("?continue={}", encoded(token)))).await?.expect_error(400, "BadRequest")?;
    reply.expect_message(&format!("invalid continue token: continue key is not valid: {message}"))?;
    Ok(())
}

async fn a_token_that_is_no_base64_is_refused(lab: &Lab) -> Outcome {
    refused(lab, "!!!", "illegal base64 data at input byte 0").await?;
    refused(lab, " ", "illegal base64 data at input byte 0").await?;
    refused(lab, "abcd*", "illegal base64 data at input byte 4").await
}

async fn a_token_that_is_no_json_is_refused(lab: &Lab) -> Outcome {
    lab.get(&leases(lab, "?continue=garbage"))
        .await?
        .expect_error(400, "BadRequest")?
        .expect_in_message("invalid continue token: continue key is not valid: ")?;
    refused(lab, &URL_SAFE_NO_PAD.encode("{"), "unexpected end of JSON input").await
}

async fn a_token_of_another_version_is_refused(lab: &Lab) -> Outcome {
    let token = URL_SAFE_NO_PAD.encode(json!({"v": "v2", "rv": 1, "start": "a"}).to_string());
    refused(lab, &token, "server does not recognize this encoded version v2").await
}

async fn a_token_without_a_revision_is_refused(lab: &Lab) -> Outcome {
    let message = "incorrect encoded start resourceVersion (version meta.k8s.io/v1)";
    refused(lab, &token(json!(0), "a"), message).await
}

async fn a_token_without_a_start_is_refused(lab: &Lab) -> Outcome {
    refused(lab, &token(json!(1), ""), "encoded start key empty (version meta.k8s.io/v1)").await
}

async fn a_token_that_leaves_its_collection_is_refused(lab: &Lab) -> Outcome {
    refused(lab, &token(json!(1), "../x"), "../x").await?;
    refused(lab, &token(json!(1), "a/../../x"), "a/../../x").await
}

async fn a_token_of_the_future_is_a_timeout(lab: &Lab) -> Outcome {
    let token = token(json!(1_u64 << 50), "a");
    let reply = lab.get(&leases(lab, &format!("?continue={token}"))).await?.expect_error(504, "Timeout")?;
    reply.expect_at("/details/causes/0/reason", "ResourceVersionTooLarge")?;
    Ok(())
}

async fn a_token_with_a_resource_version_is_refused(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let page = lab.read(&leases(lab, "?limit=1")).await?;
    let query = format!("?continue={}&resourceVersion={}", token_of(&page)?, page.version());
    let reply = lab.get(&leases(lab, &query)).await?.expect_error(400, "BadRequest")?;
    reply.expect_message("specifying resource version is not allowed when using continue")?;
    Ok(())
}

async fn a_token_with_version_zero_is_accepted(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let page = lab.read(&leases(lab, "?limit=1")).await?;
    let query = format!("?continue={}&resourceVersion=0", token_of(&page)?);
    lab.read(&leases(lab, &query)).await?.expect_names(&["b"])?;
    Ok(())
}

async fn a_token_with_a_match_is_refused(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let next = token_of(&lab.read(&leases(lab, "?limit=1")).await?)?;
    let detail = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided";
    let query = format!("?continue={next}&resourceVersion=0&resourceVersionMatch=NotOlderThan");
    let reply = lab.get(&leases(lab, &query)).await?.expect_error(422, "Invalid")?;
    let reply = reply.expect_message(&format!("ListOptions.meta.k8s.io \"\" is invalid: {detail}"))?;
    reply.expect_causes(&[("FieldValueForbidden", "resourceVersionMatch")])?;
    let reply = lab.get(&leases(lab, &format!("?continue={next}&resourceVersionMatch=Exact"))).await?;
    let twice = ("FieldValueForbidden", "resourceVersionMatch");
    reply.expect_error(422, "Invalid")?.expect_causes(&[twice, twice])?;
    Ok(())
}

async fn an_empty_token_is_no_token(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    lab.read(&leases(lab, "?continue=")).await?.expect_names(&["a", "b"])?;
    Ok(())
}

async fn a_token_of_revision_minus_one_reads_what_is_now(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c"]).await?;
    lab.delete(&leases(lab, "/b")).await?.expect(200)?;
    let token = token(json!(-1), "/b");
    let rest = lab.read(&leases(lab, &format!("?continue={token}"))).await?.expect_names(&["c"])?;
    rest.ensure(rest.version().parse::<u64>().is_ok_and(|v| v > 0), "the version of now")
}

async fn an_expired_token_comes_with_one_to_go_on(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c"]).await?;
    lab.forget_history().await?;
    let reply = lab.get(&leases(lab, &format!("?continue={}", token(json!(1), "/b")))).await?;
    let reply = reply.expect_error(410, "Expired")?;
    let reply =
        reply.expect_in_message("The provided continue parameter is too old to display a consistent list result.")?;
    let fresh = token_of(&reply)?;
    let expected = json!({"v": "meta.k8s.io/v1", "rv": -1, "start": "b"});
    reply.ensure(decoded(&fresh) == expected, format!("a token of {expected}, not {}", decoded(&fresh)))?;
    lab.read(&leases(lab, &format!("?continue={fresh}"))).await?.expect_names(&["b", "c"])?;
    Ok(())
}

async fn deletecollection_takes_a_selector(lab: &Lab) -> Outcome {
    halves(lab).await?;
    lab.delete(&leases(lab, "?labelSelector=half%3Dx")).await?.expect(200)?;
    lab.read(&leases(lab, "")).await?.expect_names(&["c", "d"])?;
    lab.delete(&leases(lab, "?fieldSelector=metadata.name%3Dd")).await?.expect(200)?;
    lab.read(&leases(lab, "")).await?.expect_names(&["c"])?;
    lab.delete(&leases(lab, "?labelSelector=%3D")).await?.expect_error(400, "BadRequest")?;
    Ok(())
}

async fn deletecollection_answers_with_the_list(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let list = lab.delete(&leases(lab, "")).await?.expect(200)?.expect_at("/kind", "LeaseList")?;
    list.expect_names(&["a", "b"])?.ensure(true, "a list")?;
    lab.read(&leases(lab, "")).await?.expect_names(&[])?;
    Ok(())
}
