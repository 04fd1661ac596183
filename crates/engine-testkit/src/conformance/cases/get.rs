//! Reading one object.

use serde_json::json;

use super::cases;
use crate::conformance::{Lab, Outcome};

cases!("get":
    an_object_comes_back_with_its_kind,
    an_object_that_is_not_there_is_named_in_the_answer,
    an_object_of_another_namespace_is_not_found,
    a_path_of_no_kind_is_not_found,
    a_group_that_nobody_serves_is_a_plain_page,
    a_cluster_scoped_kind_in_a_namespace_is_not_found,
    a_namespaced_kind_by_name_without_a_namespace_is_not_found,
    an_unknown_subresource_is_not_found,
    the_scale_of_a_deployment_is_shown,
    the_status_subresource_is_the_whole_object,
    unknown_query_parameters_are_ignored,
    an_object_is_the_same_in_every_served_version,
    answers_are_not_cached,
);

async fn an_object_comes_back_with_its_kind(lab: &Lab) -> Outcome {
    lab.config_map("a", json!({})).await?;
    let reply = lab.read(&lab.maps("/a")).await?;
    let reply = reply.expect_at("/kind", "ConfigMap")?.expect_at("/apiVersion", "v1")?;
    reply.expect_at("/metadata/name", "a")?.expect_at("/metadata/namespace", lab.namespace())?;
    Ok(())
}

async fn an_object_that_is_not_there_is_named_in_the_answer(lab: &Lab) -> Outcome {
    let reply = lab.get(&lab.maps("/missing")).await?.expect_error(404, "NotFound")?;
    let reply = reply.expect_message("configmaps \"missing\" not found")?;
    reply.expect_at("/details", json!({"name": "missing", "kind": "configmaps"}))?;
    let reply = lab.get(&lab.path("apps/v1", "deployments/missing")).await?.expect_error(404, "NotFound")?;
    let reply = reply.expect_message("deployments.apps \"missing\" not found")?;
    reply.expect_at("/details", json!({"name": "missing", "group": "apps", "kind": "deployments"}))?;
    Ok(())
}

async fn an_object_of_another_namespace_is_not_found(lab: &Lab) -> Outcome {
    lab.config_map("a", json!({})).await?;
    lab.get("/api/v1/namespaces/default/configmaps/a").await?.expect_error(404, "NotFound")?;
    // A namespace that does not exist is like an empty one.
    lab.get("/api/v1/namespaces/there-is-none/configmaps/a").await?.expect_error(404, "NotFound")?;
    lab.get("/api/v1/namespaces/there-is-none/configmaps").await?.expect(200)?.expect_names(&[])?;
    Ok(())
}

async fn a_path_of_no_kind_is_not_found(lab: &Lab) -> Outcome {
    for path in [lab.path("v1", "gadgets"), lab.path("v1", "gadgets/a"), lab.cluster_path("v1", "gadgets")] {
        let reply = lab.get(&path).await?.expect_error(404, "NotFound")?;
        let reply = reply.expect_message("the server could not find the requested resource")?;
        reply.expect_at("/details", json!({}))?;
    }
    Ok(())
}

async fn a_group_that_nobody_serves_is_a_plain_page(lab: &Lab) -> Outcome {
    for path in ["/apis/nobody.example.com/v1/gadgets", "/apis/nobody.example.com/v1/namespaces/default/gadgets/a"] {
        let reply = lab.get(path).await?.expect(404)?.expect_text("404 page not found\n")?;
        reply.expect_header("content-type", "text/plain; charset=utf-8")?;
    }
    // A version that a known group does not have is the group's own answer.
    for path in ["/apis/apps/v7/deployments", "/api/v2/pods"] {
        lab.get(path).await?.expect_error(404, "NotFound")?;
    }
    Ok(())
}

async fn a_cluster_scoped_kind_in_a_namespace_is_not_found(lab: &Lab) -> Outcome {
    lab.get(&lab.path("v1", "nodes")).await?.expect_error(404, "NotFound")?;
    lab.get(&lab.path("v1", "nodes/a")).await?.expect_error(404, "NotFound")?;
    Ok(())
}

async fn a_namespaced_kind_by_name_without_a_namespace_is_not_found(lab: &Lab) -> Outcome {
    lab.get("/api/v1/configmaps/a").await?.expect_error(404, "NotFound")?;
    Ok(())
}

async fn an_unknown_subresource_is_not_found(lab: &Lab) -> Outcome {
    lab.config_map("a", json!({})).await?;
    for sub in ["status", "scale", "gadget", "status/more"] {
        let reply = lab.get(&lab.maps(&format!("/a/{sub}"))).await?.expect_error(404, "NotFound")?;
        reply.expect_message("the server could not find the requested resource")?;
    }
    Ok(())
}

/// A Deployment whose Pods nobody starts.
fn deployment(name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "registry.example/c:1"}]},
            },
        },
    })
}

async fn the_scale_of_a_deployment_is_shown(lab: &Lab) -> Outcome {
    let created = lab.create(&lab.path("apps/v1", "deployments"), deployment("d")).await?;
    let scale = lab.read(&lab.path("apps/v1", "deployments/d/scale")).await?;
    let scale = scale.expect_at("/kind", "Scale")?.expect_at("/apiVersion", "autoscaling/v1")?;
    let scale = scale.expect_at("/metadata/uid", created.uid())?.expect_at("/status/selector", "app=d")?;
    scale.expect_at("/status/replicas", 0)?;
    Ok(())
}

async fn the_status_subresource_is_the_whole_object(lab: &Lab) -> Outcome {
    lab.create(&lab.path("apps/v1", "deployments"), deployment("d")).await?;
    let status = lab.read(&lab.path("apps/v1", "deployments/d/status")).await?;
    let status = status.expect_at("/kind", "Deployment")?.expect_at("/apiVersion", "apps/v1")?;
    status.expect_at("/spec/selector/matchLabels/app", "d")?;
    Ok(())
}

async fn unknown_query_parameters_are_ignored(lab: &Lab) -> Outcome {
    lab.config_map("a", json!({})).await?;
    lab.read(&lab.maps("/a?gadget=1&exact=%zz")).await?.expect_at("/metadata/name", "a")?;
    lab.read(&lab.maps("?gadget=1")).await?.ensure(true, "a list")
}

async fn an_object_is_the_same_in_every_served_version(lab: &Lab) -> Outcome {
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}},
    });
    let created = lab.create(&lab.path("autoscaling/v2", "horizontalpodautoscalers"), autoscaler).await?;
    for version in ["autoscaling/v1", "autoscaling/v2"] {
        let reply = lab.read(&lab.path(version, "horizontalpodautoscalers/h")).await?;
        let reply = reply.expect_at("/apiVersion", version)?.expect_at("/kind", "HorizontalPodAutoscaler")?;
        reply.expect_at("/metadata/uid", created.uid())?.expect_at("/spec/maxReplicas", 2)?;
    }
    Ok(())
}

async fn answers_are_not_cached(lab: &Lab) -> Outcome {
    lab.config_map("a", json!({})).await?;
    let reply = lab.read(&lab.maps("/a")).await?.expect_header("cache-control", "no-cache, private")?;
    reply.expect_header("content-type", "application/json")?;
    lab.get(&lab.maps("/b")).await?.expect(404)?.expect_header("cache-control", "no-cache, private")?;
    Ok(())
}
