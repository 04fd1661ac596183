//! Paths and methods that nobody serves.

use serde_json::json;

use super::{cases, gadget, lease, leases, leases_named, serve_gadgets};
use crate::conformance::{Lab, Outcome, Patch};

cases!("methods":
    an_unknown_path_is_a_plain_page,
    an_unknown_resource_is_a_status,
    a_path_with_a_slash_at_its_end_is_the_same,
    a_path_with_an_empty_part_is_not_found,
    a_path_that_goes_on_after_a_subresource_is_not_found,
    unknown_methods_are_not_allowed,
    head_is_not_allowed_for_resources,
    options_is_not_allowed_for_resources,
    methods_have_capital_letters,
    an_object_takes_no_post,
    a_collection_takes_no_put_and_no_patch,
    a_subresource_takes_no_delete,
    services_are_deleted_together,
    discovery_takes_any_method,
    groups_take_any_method,
    versions_take_only_get,
    health_takes_any_method,
    a_namespaced_kind_without_a_namespace_takes_no_post,
    an_unknown_method_on_an_unknown_kind_is_not_found,
    a_custom_kind_takes_no_unknown_method,
    a_custom_kind_knows_verbs_rather_than_methods,
    a_custom_kind_without_a_namespace_is_only_read,
    a_version_that_goes_away_is_told_of_where_nothing_is,
    paths_of_custom_groups_that_are_unknown_are_plain_pages,
    a_custom_kind_has_no_status_unless_it_says_so,
    names_in_paths_are_decoded,
    a_name_that_no_object_can_have_is_not_found,
);

const NOT_ALLOWED: &str = "the server does not allow this method on the requested resource";

async fn not_allowed(lab: &Lab, method: &str, path: &str) -> Outcome {
    let reply = lab.request(method, path).send().await?;
    if method == "HEAD" {
        reply.expect(405)?;
        return Ok(());
    }
    reply.expect_error(405, "MethodNotAllowed")?.expect_message(NOT_ALLOWED)?.expect_at("/details", json!({}))?;
    Ok(())
}

async fn an_unknown_path_is_a_plain_page(lab: &Lab) -> Outcome {
    for path in
        ["/gadgets", "/apis/nobody.example.com", "/apis/nobody.example.com/v1", "/readyz/nothing", "/logs", "/ui"]
    {
        let reply = lab.get(path).await?.expect(404)?.expect_text("404 page not found\n")?;
        let reply = reply.expect_header("content-type", "text/plain; charset=utf-8")?;
        reply.expect_header("x-content-type-options", "nosniff")?;
    }
    Ok(())
}

async fn an_unknown_resource_is_a_status(lab: &Lab) -> Outcome {
    for path in [
        "/apis/apps/v1/gadgets",
        "/apis/apps/v7",
        "/apis/apps/v7/deployments",
        "/api/v2",
        "/api/v2/pods",
        "/api/v1/gadgets/a",
    ] {
        let reply = lab.get(path).await?.expect_error(404, "NotFound")?.expect_at("/details", json!({}))?;
        reply.expect_message("the server could not find the requested resource")?;
    }
    Ok(())
}

async fn a_path_with_a_slash_at_its_end_is_the_same(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    lab.read(&leases(lab, "/")).await?.expect_at("/kind", "LeaseList")?;
    for (path, kind) in [
        ("/api/", "APIVersions"),
        ("/apis/", "APIGroupList"),
        ("/apis/apps/", "APIGroup"),
        ("/apis/apps/v1/", "APIResourceList"),
    ] {
        lab.read(path).await?.expect_at("/kind", kind)?;
    }
    lab.read("/version/").await?.ensure(true, "the version")
}

async fn a_path_with_an_empty_part_is_not_found(lab: &Lab) -> Outcome {
    lab.get("/api/v1//configmaps").await?.expect_error(404, "NotFound")?;
    Ok(())
}

async fn a_path_that_goes_on_after_a_subresource_is_not_found(lab: &Lab) -> Outcome {
    for rest in ["pods/a/status/more", "pods/a/b/c/d", "configmaps/a/status"] {
        lab.get(&lab.path("v1", rest)).await?.expect_error(404, "NotFound")?;
    }
    Ok(())
}

async fn unknown_methods_are_not_allowed(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for method in ["TRACE", "PROPFIND", "FOO"] {
        not_allowed(lab, method, &leases(lab, "")).await?;
        not_allowed(lab, method, &leases(lab, "/a")).await?;
    }
    Ok(())
}

async fn head_is_not_allowed_for_resources(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    not_allowed(lab, "HEAD", &leases(lab, "")).await?;
    not_allowed(lab, "HEAD", &leases(lab, "/a")).await
}

async fn options_is_not_allowed_for_resources(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    not_allowed(lab, "OPTIONS", &leases(lab, "")).await?;
    not_allowed(lab, "OPTIONS", &leases(lab, "/a")).await
}

async fn methods_have_capital_letters(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    not_allowed(lab, "get", &leases(lab, "/a")).await
}

async fn an_object_takes_no_post(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let reply = lab.post(&leases(lab, "/a"), &super::lease_object("a", json!({}))).await?;
    reply.expect_error(405, "MethodNotAllowed")?.expect_message(NOT_ALLOWED)?;
    Ok(())
}

async fn a_collection_takes_no_put_and_no_patch(lab: &Lab) -> Outcome {
    let object = super::lease_object("a", json!({}));
    lab.put(&leases(lab, ""), &object).await?.expect_error(405, "MethodNotAllowed")?;
    lab.patch(&leases(lab, ""), Patch::Merge, &object).await?.expect_error(405, "MethodNotAllowed")?;
    Ok(())
}

async fn a_subresource_takes_no_delete(lab: &Lab) -> Outcome {
    lab.delete(&lab.path("apps/v1", "deployments/a/status")).await?.expect_error(405, "MethodNotAllowed")?;
    lab.delete(&lab.path("apps/v1", "deployments/a/scale")).await?.expect_error(405, "MethodNotAllowed")?;
    Ok(())
}

async fn services_are_deleted_together(lab: &Lab) -> Outcome {
    lab.delete(&lab.path("v1", "services")).await?.expect(200)?.expect_at("/kind", "ServiceList")?;
    // But namespaces are not.
    lab.delete("/api/v1/namespaces").await?.expect_error(405, "MethodNotAllowed")?;
    Ok(())
}

async fn discovery_takes_any_method(lab: &Lab) -> Outcome {
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "FOO"] {
        lab.request(method, "/apis").send().await?.expect(200)?.expect_at("/kind", "APIGroupList")?;
    }
    lab.request("HEAD", "/apis").send().await?.expect(200)?;
    Ok(())
}

async fn groups_take_any_method(lab: &Lab) -> Outcome {
    for method in ["GET", "POST", "DELETE", "FOO"] {
        lab.request(method, "/apis/apps").send().await?.expect(200)?.expect_at("/kind", "APIGroup")?;
    }
    Ok(())
}

async fn versions_take_only_get(lab: &Lab) -> Outcome {
    for path in ["/api/v1", "/apis/apps/v1", "/version"] {
        for method in ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            not_allowed(lab, method, path).await?;
        }
    }
    Ok(())
}

async fn health_takes_any_method(lab: &Lab) -> Outcome {
    for path in ["/healthz", "/livez", "/readyz"] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let reply = lab.request(method, path).send().await?.expect(200)?.expect_text("ok")?;
            reply.expect_header("content-type", "text/plain; charset=utf-8")?;
        }
    }
    Ok(())
}

async fn a_namespaced_kind_without_a_namespace_takes_no_post(lab: &Lab) -> Outcome {
    let path = "/apis/coordination.k8s.io/v1/leases";
    lab.post(path, &super::lease_object("a", json!({}))).await?.expect_error(405, "MethodNotAllowed")?;
    lab.delete(path).await?.expect_error(405, "MethodNotAllowed")?;
    lab.get(&format!("{path}/a")).await?.expect_error(404, "NotFound")?;
    Ok(())
}

async fn an_unknown_method_on_an_unknown_kind_is_not_found(lab: &Lab) -> Outcome {
    for method in ["POST", "PUT", "DELETE", "FOO", "OPTIONS"] {
        lab.request(method, &lab.path("v1", "gadgets")).send().await?.expect_error(404, "NotFound")?;
    }
    Ok(())
}

async fn a_custom_kind_takes_no_unknown_method(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    lab.request("OPTIONS", &path).send().await?.expect_error(405, "MethodNotAllowed")?;
    lab.request("FOO", &path).send().await?.expect_error(405, "MethodNotAllowed")?;
    Ok(())
}

async fn paths_of_custom_groups_that_are_unknown_are_plain_pages(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    let group = super::group_of(lab);
    for path in [
        format!("/apis/{group}/v2/gadgets"),
        format!("/apis/{group}/v1/widgets"),
        format!("/apis/{group}/v1/gadgets/a"),
        path.replace("/v1/", "/v7/"),
        path.replace("gadgets", "widgets"),
    ] {
        lab.get(&path).await?.expect(404)?.expect_text("404 page not found\n")?;
    }
    Ok(())
}

async fn a_custom_kind_knows_verbs_rather_than_methods(lab: &Lab) -> Outcome {
    let scale = json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"});
    let path = serve_gadgets(lab, json!({"subresources": {"scale": scale}})).await?;
    lab.create(&path, gadget(lab, "a", json!({}))).await?;
    let kind = format!("gadgets.{}", super::group_of(lab));
    for (method, rest, verb) in
        [("OPTIONS", "", ""), ("FOO", "/a", ""), ("DELETE", "/a/scale", "delete"), ("POST", "/a/scale", "create")]
    {
        let reply = lab.request(method, &format!("{path}{rest}")).send().await?;
        let reply = reply.expect_error(405, "MethodNotAllowed")?;
        reply
            .expect_message(&format!("{verb} is not supported on resources of kind \"{kind}\""))?
            .expect_at("/details", json!({"group": super::group_of(lab), "kind": "gadgets"}))?;
    }
    for path in [path.clone(), format!("{path}/a")] {
        lab.request("HEAD", &path).send().await?.expect(200)?;
    }
    let reply = lab.request("PUT", &path).json(&gadget(lab, "a", json!({}))).send().await?;
    reply.expect_error(400, "BadRequest")?.expect_message("name must be provided")?;
    // An object is created under any path.
    lab.create(&format!("{path}/a"), gadget(lab, "b", json!({}))).await?;
    Ok(())
}

async fn a_custom_kind_without_a_namespace_is_only_read(lab: &Lab) -> Outcome {
    serve_gadgets(lab, json!({})).await?;
    let path = format!("/apis/{}/v1/gadgets", super::group_of(lab));
    lab.read(&path).await?.expect_at("/kind", "GadgetList")?;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        lab.request(method, &path).send().await?.expect(404)?.expect_text("404 page not found\n")?;
    }
    lab.get(&format!("{path}/a")).await?.expect(404)?.expect_text("404 page not found\n")?;
    Ok(())
}

async fn a_version_that_goes_away_is_told_of_where_nothing_is(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({"deprecated": true})).await?;
    let warning = format!("{}/v1 Gadget is deprecated", super::group_of(lab));
    let reply = lab.get(&format!("{path}/none/status")).await?.expect_error(404, "NotFound")?;
    reply.expect_header("warning", &format!("299 - \"{warning}\""))?;
    Ok(())
}

async fn a_custom_kind_has_no_status_unless_it_says_so(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    lab.create(&path, gadget(lab, "a", json!({}))).await?;
    for sub in ["status", "scale"] {
        let reply = lab.get(&format!("{path}/a/{sub}")).await?.expect_error(404, "NotFound")?;
        reply.expect_message(&format!("gadgets.{} \"a\" not found", super::group_of(lab)))?;
    }
    Ok(())
}

async fn names_in_paths_are_decoded(lab: &Lab) -> Outcome {
    lease(lab, "a.b-c", json!({})).await?;
    lab.read(&leases(lab, "/a%2Eb%2Dc")).await?.expect_at("/metadata/name", "a.b-c")?;
    Ok(())
}

async fn a_name_that_no_object_can_have_is_not_found(lab: &Lab) -> Outcome {
    for (path, name) in [("/A%20B", "A B"), ("/%C3%A9", "é"), ("/a:b", "a:b")] {
        let reply = lab.get(&leases(lab, path)).await?.expect_error(404, "NotFound")?;
        reply.expect_message(&format!("leases.coordination.k8s.io {name:?} not found"))?;
    }
    let long = "x".repeat(600);
    lab.get(&leases(lab, &format!("/{long}"))).await?.expect_error(404, "NotFound")?;
    Ok(())
}
