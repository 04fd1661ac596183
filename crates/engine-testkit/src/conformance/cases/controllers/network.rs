//! Services, their endpoints, and Ingresses.

use serde_json::{Value, json};

use super::{ensure, fate, workload};
use crate::conformance::{Failure, Lab, Outcome, cases::cases};

cases!("endpoints":
    pods_of_a_service_are_its_endpoints (needs_controllers),
    a_pod_that_is_not_ready_is_not_an_address (needs_controllers),
    a_service_of_nobody_has_empty_ones (needs_controllers),
    a_service_without_a_selector_has_none (needs_controllers),
    they_go_with_their_service (needs_controllers),
    a_headless_service_is_marked (needs_controllers),
    a_named_port_is_looked_up (needs_controllers),
    they_follow_the_scale (needs_controllers),
    a_load_balancer_gets_an_address (needs_controllers),
    an_ingress_gets_an_address (needs_controllers),
);

const SLICES: &str = "endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dweb";

async fn service(lab: &Lab, spec: Value) -> Result<(), Failure> {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"tier": "front"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    });
    json_patch::merge(&mut object["spec"], &spec);
    lab.create(&lab.path("v1", "services"), object).await.map(drop)
}

async fn pods(lab: &Lab, replicas: i64, mut spec: Value) -> Result<(), Failure> {
    spec["replicas"] = replicas.into();
    lab.start("apps/v1", "deployments", workload("Deployment", "web", spec)).await.map(drop)
}

fn addresses(endpoints: &Value, field: &str) -> usize {
    endpoints["subsets"][0][field].as_array().map_or(0, Vec::len)
}

async fn slice(lab: &Lab, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
    let path = lab.path("discovery.k8s.io/v1", SLICES);
    let reply = lab.eventually(&path, what, |r| r.items().iter().any(&wanted)).await?;
    Ok(reply.items().iter().find(|s| wanted(s)).cloned().unwrap_or_default())
}

async fn pods_of_a_service_are_its_endpoints(lab: &Lab) -> Outcome {
    pods(lab, 2, json!({})).await?;
    service(lab, json!({})).await?;
    let web = lab.until("v1", "endpoints/web", "two addresses", |e| addresses(e, "addresses") == 2).await?;
    ensure(&web, web["subsets"][0]["ports"] == json!([{"name": "http", "port": 8080, "protocol": "TCP"}]), "the port")?;
    let address = &web["subsets"][0]["addresses"][0];
    ensure(&web, address["targetRef"]["kind"] == "Pod" && address["nodeName"].is_string(), "the Pod and its node")?;
    let labels = json!({"tier": "front", "endpoints.kubernetes.io/managed-by": "endpoint-controller"});
    ensure(&web, web["metadata"]["labels"] == labels, &labels.to_string())?;
    let ready = |s: &Value| {
        s["endpoints"]
            .as_array()
            .is_some_and(|all| all.len() == 2 && all.iter().all(|e| e["conditions"]["ready"] == true))
    };
    let slice = slice(lab, "two that are ready", ready).await?;
    ensure(&slice, slice["ports"] == json!([{"name": "http", "port": 8080, "protocol": "TCP"}]), "the port")?;
    let labels = json!({
        "tier": "front", "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
    ensure(&slice, slice["metadata"]["labels"] == labels, &labels.to_string())?;
    ensure(&slice, super::controlled_by(&slice, "Service", "web"), "the Service as its controller")?;
    let conditions = json!({"ready": true, "serving": true, "terminating": false});
    ensure(&slice, slice["endpoints"][0]["conditions"] == conditions, &conditions.to_string())
}

async fn a_pod_that_is_not_ready_is_not_an_address(lab: &Lab) -> Outcome {
    pods(lab, 1, fate("never-ready")).await?;
    service(lab, json!({})).await?;
    let web = lab
        .until("v1", "endpoints/web", "an address that is not ready", |e| addresses(e, "notReadyAddresses") == 1)
        .await?;
    ensure(&web, addresses(&web, "addresses") == 0, "no address that is")?;
    let conditions = json!({"ready": false, "serving": false, "terminating": false});
    slice(lab, "one that is not ready", |s| s["endpoints"][0]["conditions"] == conditions).await.map(drop)
}

async fn a_service_of_nobody_has_empty_ones(lab: &Lab) -> Outcome {
    service(lab, json!({})).await?;
    let web = lab.until("v1", "endpoints/web", "endpoints", |e| e["metadata"]["name"] == "web").await?;
    ensure(&web, web.get("subsets").is_none(), "no addresses")?;
    let slice = slice(lab, "a slice", |s| s["addressType"] == "IPv4").await?;
    ensure(&slice, slice["endpoints"].is_null() && slice["ports"].is_null(), "nothing in it")
}

async fn a_service_without_a_selector_has_none(lab: &Lab) -> Outcome {
    service(lab, json!({"selector": null})).await?;
    let other = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 1}]}});
    lab.create(&lab.path("v1", "services"), other).await?;
    lab.until("v1", "endpoints/other", "those of a later one", |e| e["metadata"]["name"] == "other").await?;
    lab.get(&lab.path("v1", "endpoints/web")).await?.expect(404).map(drop)
}

async fn they_go_with_their_service(lab: &Lab) -> Outcome {
    service(lab, json!({})).await?;
    lab.until("v1", "endpoints/web", "endpoints", |e| e["metadata"]["name"] == "web").await?;
    slice(lab, "a slice", |s| s["addressType"] == "IPv4").await?;
    lab.delete(&lab.path("v1", "services/web")).await?.expect(200)?;
    lab.until_gone("v1", "endpoints/web").await?;
    lab.eventually(&lab.path("discovery.k8s.io/v1", SLICES), "no slice", |r| r.items().is_empty()).await.map(drop)
}

async fn a_headless_service_is_marked(lab: &Lab) -> Outcome {
    service(lab, json!({"clusterIP": "None"})).await?;
    let web = lab.until("v1", "endpoints/web", "endpoints", |e| e["metadata"]["name"] == "web").await?;
    ensure(&web, web["metadata"]["labels"]["service.kubernetes.io/headless"] == "", "a label that says so")?;
    slice(lab, "a label that says so", |s| s["metadata"]["labels"]["service.kubernetes.io/headless"] == "")
        .await
        .map(drop)
}

async fn a_named_port_is_looked_up(lab: &Lab) -> Outcome {
    let containers =
        json!([{"name": "main", "image": "example.com/app:1", "ports": [{"name": "web", "containerPort": 3000}]}]);
    pods(lab, 1, json!({"template": {"spec": {"containers": containers}}})).await?;
    service(lab, json!({"ports": [{"port": 80, "targetPort": "web"}]})).await?;
    let web = lab.until("v1", "endpoints/web", "an address", |e| addresses(e, "addresses") == 1).await?;
    ensure(&web, web["subsets"][0]["ports"] == json!([{"port": 3000, "protocol": "TCP"}]), "the container's port")
}

async fn they_follow_the_scale(lab: &Lab) -> Outcome {
    pods(lab, 1, json!({})).await?;
    service(lab, json!({})).await?;
    lab.until("v1", "endpoints/web", "an address", |e| addresses(e, "addresses") == 1).await?;
    for replicas in [3_usize, 0] {
        lab.change("apps/v1", "deployments/web", json!({"spec": {"replicas": replicas}})).await?;
        lab.until("v1", "endpoints/web", "as many addresses", |e| addresses(e, "addresses") == replicas).await?;
    }
    Ok(())
}

async fn a_load_balancer_gets_an_address(lab: &Lab) -> Outcome {
    service(lab, json!({"type": "LoadBalancer"})).await?;
    let web = lab
        .until("v1", "services/web", "an address", |s| s["status"]["loadBalancer"]["ingress"][0]["ip"].is_string())
        .await?;
    ensure(&web, web["status"]["loadBalancer"]["ingress"][0]["ipMode"] == "VIP", "its mode")
}

async fn an_ingress_gets_an_address(lab: &Lab) -> Outcome {
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
    });
    lab.create(&lab.path("networking.k8s.io/v1", "ingresses"), ingress).await?;
    lab.until("networking.k8s.io/v1", "ingresses/web", "an address", |i| {
        i["status"]["loadBalancer"]["ingress"][0]["ip"].is_string()
    })
    .await
    .map(drop)
}
