//! What a server says that it serves: <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{CRDS, cases, crd, group_of, serve_gadgets};
use crate::conformance::{Failure, Lab, Outcome, Reply};

cases!("discovery":
    the_version_is_told,
    health_is_told,
    health_has_parts,
    verbose_health_lists_its_parts,
    the_core_versions_are_listed,
    the_groups_are_listed,
    a_group_names_its_versions,
    a_group_that_nobody_serves_is_a_plain_page,
    the_kinds_of_the_core_are_listed,
    the_kinds_of_a_group_are_listed,
    subresources_are_listed,
    scale_is_of_another_group,
    kinds_have_short_names_and_categories,
    kinds_that_are_only_created_say_so,
    discovery_in_yaml,
    discovery_in_other_types_is_not_acceptable,
    the_version_has_no_yaml,
    aggregated_discovery_of_the_core,
    aggregated_discovery_of_the_groups,
    aggregated_discovery_names_subresources,
    aggregated_discovery_is_cached_by_its_tag,
    aggregated_discovery_of_an_unknown_version_is_not_acceptable,
    aggregated_discovery_wins_over_the_old_form,
    aggregated_discovery_is_not_of_one_version,
    both_forms_of_discovery_say_the_same,
    a_crd_adds_its_group,
    a_crd_adds_its_kind,
    a_crd_with_subresources_lists_them,
    a_crd_that_is_not_served_lists_nothing,
    a_crd_with_two_versions_lists_both,
    a_second_crd_joins_its_group,
    a_deleted_crd_takes_its_group_along,
    a_crd_that_changes_its_names_changes_discovery,
    a_crd_changes_the_tag(alone),
    a_crd_gets_conditions,
    an_api_service_of_each_group_version_is_there,
    an_api_service_says_who_made_it_and_its_priorities,
    an_api_service_of_a_custom_kind_comes_and_goes_with_it,
    an_api_service_is_validated,
    api_services_order_the_versions_of_their_group(alone),
    a_broken_api_service_is_listed_and_unavailable(alone),
    the_root_lists_paths,
);

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

async fn aggregated(lab: &Lab, path: &str) -> Result<Reply, Failure> {
    lab.request("GET", path).accept(AGGREGATED).send().await?.expect(200)
}

fn named<'a>(list: &'a Value, key: &str, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|item| item[key] == name)
}

fn kind<'a>(reply: &'a Reply, name: &str) -> Result<&'a Value, Failure> {
    named(reply.at("/resources"), "name", name).ok_or_else(|| reply.failure(format!("the resource {name}")))
}

async fn the_version_is_told(lab: &Lab) -> Outcome {
    let reply = lab.read("/version").await?.expect_header("content-type", "application/json")?;
    for key in
        ["major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"]
    {
        reply
            .ensure(reply.at(&format!("/{key}")).as_str().is_some_and(|t| !t.is_empty()), format!("a text in {key}"))?;
    }
    let version = format!("v{}.{}.", reply.str_at("/major"), reply.str_at("/minor"));
    reply.ensure(reply.str_at("/gitVersion").starts_with(&version), format!("a gitVersion that begins with {version}"))
}

async fn health_is_told(lab: &Lab) -> Outcome {
    for path in ["/healthz", "/livez", "/readyz"] {
        let reply = lab.read(path).await?.expect_text("ok")?;
        reply.expect_header("content-type", "text/plain; charset=utf-8")?;
    }
    Ok(())
}

async fn health_has_parts(lab: &Lab) -> Outcome {
    for path in ["/healthz/ping", "/livez/ping", "/readyz/ping", "/readyz/etcd"] {
        lab.read(path).await?.expect_text("ok")?;
    }
    lab.get("/readyz/nothing").await?.expect(404)?.expect_text("404 page not found\n")?;
    Ok(())
}

async fn verbose_health_lists_its_parts(lab: &Lab) -> Outcome {
    for (path, name) in [("/healthz", "healthz"), ("/livez", "livez"), ("/readyz", "readyz")] {
        let reply = lab.read(&format!("{path}?verbose")).await?;
        let text = reply.text();
        let good = text.starts_with("[+]ping ok\n") && text.ends_with(&format!("{name} check passed\n"));
        reply.ensure(good, "a line for each part and one for all")?;
    }
    Ok(())
}

async fn the_core_versions_are_listed(lab: &Lab) -> Outcome {
    let reply = lab.read("/api").await?.expect_at("/kind", "APIVersions")?.expect_at("/versions", json!(["v1"]))?;
    let addresses = reply.at("/serverAddressByClientCIDRs");
    reply.ensure(
        addresses[0]["clientCIDR"] == "0.0.0.0/0" && addresses[0]["serverAddress"].is_string(),
        "an address for everybody",
    )
}

async fn the_groups_are_listed(lab: &Lab) -> Outcome {
    let reply = lab.read("/apis").await?.expect_at("/kind", "APIGroupList")?.expect_at("/apiVersion", "v1")?;
    let names: Vec<&str> =
        reply.at("/groups").as_array().into_iter().flatten().filter_map(|g| g["name"].as_str()).collect();
    let expected = [
        "apiregistration.k8s.io",
        "apps",
        "events.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "scheduling.k8s.io",
        "coordination.k8s.io",
        "node.k8s.io",
        "discovery.k8s.io",
    ];
    let built_in: Vec<&str> = names.iter().copied().filter(|n| expected.contains(n)).collect();
    reply.ensure(built_in == expected, format!("the groups {expected:?} in this order, not {built_in:?}"))
}

async fn a_group_names_its_versions(lab: &Lab) -> Outcome {
    let reply = lab.read("/apis/autoscaling").await?.expect_at("/kind", "APIGroup")?.expect_at("/apiVersion", "v1")?;
    let v2 = json!({"groupVersion": "autoscaling/v2", "version": "v2"});
    let v1 = json!({"groupVersion": "autoscaling/v1", "version": "v1"});
    reply
        .expect_at("/versions", json!([v2, v1]))?
        .expect_at("/preferredVersion", v2)?
        .expect_at("/name", "autoscaling")?;
    Ok(())
}

async fn a_group_that_nobody_serves_is_a_plain_page(lab: &Lab) -> Outcome {
    for path in ["/apis/nobody.example.com", "/apis/nobody.example.com/v1"] {
        lab.get(path).await?.expect(404)?.expect_text("404 page not found\n")?;
    }
    Ok(())
}

async fn the_kinds_of_the_core_are_listed(lab: &Lab) -> Outcome {
    let reply = lab.read("/api/v1").await?.expect_at("/kind", "APIResourceList")?.expect_at("/groupVersion", "v1")?;
    // The list of the core alone does not say its own version.
    let reply = reply.expect_at("/apiVersion", Value::Null)?;
    let maps = kind(&reply, "configmaps")?;
    let verbs = json!(["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    let good = maps["kind"] == "ConfigMap"
        && maps["singularName"] == "configmap"
        && maps["namespaced"] == true
        && maps["verbs"] == verbs
        && maps["shortNames"] == json!(["cm"]);
    reply.ensure(good, "configmaps as everybody knows them")?;
    let namespaces = kind(&reply, "namespaces")?;
    let verbs = json!(["create", "delete", "get", "list", "patch", "update", "watch"]);
    reply.ensure(
        namespaces["namespaced"] == false && namespaces["verbs"] == verbs,
        "namespaces without deletecollection",
    )
}

async fn the_kinds_of_a_group_are_listed(lab: &Lab) -> Outcome {
    let reply = lab.read("/apis/apps/v1").await?.expect_at("/kind", "APIResourceList")?;
    let reply = reply.expect_at("/groupVersion", "apps/v1")?.expect_at("/apiVersion", "v1")?;
    let names: Vec<&str> =
        reply.at("/resources").as_array().into_iter().flatten().filter_map(|r| r["name"].as_str()).collect();
    let expected = [
        "controllerrevisions",
        "daemonsets",
        "daemonsets/status",
        "deployments",
        "deployments/scale",
        "deployments/status",
        "replicasets",
        "replicasets/scale",
        "replicasets/status",
        "statefulsets",
        "statefulsets/scale",
        "statefulsets/status",
    ];
    reply.ensure(names == expected, format!("{expected:?}, not {names:?}"))
}

async fn subresources_are_listed(lab: &Lab) -> Outcome {
    let reply = lab.read("/apis/apps/v1").await?;
    let status = json!({"name": "deployments/status", "singularName": "", "namespaced": true, "kind": "Deployment",
        "verbs": ["get", "patch", "update"]});
    reply.ensure(*kind(&reply, "deployments/status")? == status, format!("{status}"))?;
    let core = lab.read("/api/v1").await?;
    for name in
        ["pods/status", "pods/log", "pods/eviction", "namespaces/finalize", "serviceaccounts/token", "nodes/status"]
    {
        kind(&core, name)?;
    }
    Ok(())
}

async fn scale_is_of_another_group(lab: &Lab) -> Outcome {
    let reply = lab.read("/apis/apps/v1").await?;
    let scale = json!({"name": "deployments/scale", "singularName": "", "namespaced": true, "group": "autoscaling",
        "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]});
    reply.ensure(*kind(&reply, "deployments/scale")? == scale, format!("{scale}"))
}

async fn kinds_have_short_names_and_categories(lab: &Lab) -> Outcome {
    let reply = lab.read("/apis/apps/v1").await?;
    let deployments = kind(&reply, "deployments")?;
    reply.ensure(
        deployments["shortNames"] == json!(["deploy"]) && deployments["categories"] == json!(["all"]),
        "deploy, all",
    )?;
    let reply = lab.read("/apis/apiextensions.k8s.io/v1").await?;
    let crds = kind(&reply, "customresourcedefinitions")?;
    reply.ensure(
        crds["shortNames"] == json!(["crd", "crds"]) && crds["categories"] == json!(["api-extensions"]),
        "crd, crds",
    )
}

async fn kinds_that_are_only_created_say_so(lab: &Lab) -> Outcome {
    let reply = lab.read("/apis/authorization.k8s.io/v1").await?;
    let review = kind(&reply, "selfsubjectaccessreviews")?;
    reply.ensure(review["verbs"] == json!(["create"]) && review["namespaced"] == false, "create alone")?;
    let local = kind(&reply, "localsubjectaccessreviews")?;
    reply.ensure(local["verbs"] == json!(["create"]) && local["namespaced"] == true, "create alone, in a namespace")
}

async fn discovery_in_yaml(lab: &Lab) -> Outcome {
    for (path, kind) in [
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/apis/apps/v1", "APIResourceList"),
    ] {
        let reply = lab.request("GET", path).accept("application/yaml").send().await?.expect(200)?;
        let reply = reply.expect_header("content-type", "application/yaml")?;
        reply.ensure(reply.text().contains(&format!("kind: {kind}\n")), format!("{kind} in YAML"))?;
    }
    Ok(())
}

async fn discovery_in_other_types_is_not_acceptable(lab: &Lab) -> Outcome {
    for path in ["/api", "/apis", "/apis/apps", "/apis/apps/v1", "/version"] {
        lab.request("GET", path).accept("application/xml").send().await?.expect_error(406, "NotAcceptable")?;
    }
    // Health does not look at it.
    lab.request("GET", "/readyz").accept("application/xml").send().await?.expect(200)?.expect_text("ok")?;
    Ok(())
}

async fn the_version_has_no_yaml(lab: &Lab) -> Outcome {
    let reply = lab.request("GET", "/version").accept("application/yaml").send().await?.expect(406)?;
    reply.ensure(reply.text().contains("Available representations: application/json"), "JSON alone")
}

async fn aggregated_discovery_of_the_core(lab: &Lab) -> Outcome {
    let reply = aggregated(lab, "/api").await?.expect_at("/kind", "APIGroupDiscoveryList")?;
    let reply = reply.expect_at("/apiVersion", "apidiscovery.k8s.io/v2")?.expect_at("/items/1", Value::Null)?;
    let reply = reply.expect_at("/items/0/versions/0/version", "v1")?.expect_at("/items/0/metadata", json!({}))?;
    let reply = reply.expect_at("/items/0/versions/0/freshness", "Current")?;
    let maps = named(reply.at("/items/0/versions/0/resources"), "resource", "configmaps");
    let expected = json!({
        "resource": "configmaps", "responseKind": {"group": "", "version": "", "kind": "ConfigMap"},
        "scope": "Namespaced", "singularResource": "configmap", "shortNames": ["cm"],
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    });
    reply.ensure(maps == Some(&expected), format!("{expected}"))
}

async fn aggregated_discovery_of_the_groups(lab: &Lab) -> Outcome {
    let reply = aggregated(lab, "/apis").await?.expect_header("content-type", AGGREGATED)?;
    let reply = reply.expect_header("cache-control", "public")?.expect_header("vary", "Accept")?;
    let group = |name: &str| {
        reply.at("/items").as_array().into_iter().flatten().find(|g| g["metadata"]["name"] == name).cloned()
    };
    let autoscaling = group("autoscaling").unwrap_or_default();
    let versions = [&autoscaling["versions"][0]["version"], &autoscaling["versions"][1]["version"]];
    reply.ensure(versions == ["v2", "v1"], "both versions of autoscaling, the preferred one first")?;
    reply.ensure(group("").is_none(), "no core group")
}

async fn aggregated_discovery_names_subresources(lab: &Lab) -> Outcome {
    let reply = aggregated(lab, "/apis").await?;
    let apps = reply.at("/items").as_array().into_iter().flatten().find(|g| g["metadata"]["name"] == "apps");
    let sets = apps.and_then(|g| named(&g["versions"][0]["resources"], "resource", "daemonsets"));
    let expected = json!([{"subresource": "status", "responseKind": {"group": "", "version": "", "kind": "DaemonSet"},
        "verbs": ["get", "patch", "update"]}]);
    reply.ensure(sets.is_some_and(|s| s["subresources"] == expected), format!("daemonsets with {expected}"))?;
    let deployments = apps.and_then(|g| named(&g["versions"][0]["resources"], "resource", "deployments"));
    let scale = json!({"subresource": "scale", "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
        "verbs": ["get", "patch", "update"]});
    reply.ensure(deployments.is_some_and(|d| d["subresources"][0] == scale), format!("deployments with {scale}"))
}

async fn aggregated_discovery_is_cached_by_its_tag(lab: &Lab) -> Outcome {
    let reply = aggregated(lab, "/api").await?;
    let tag = reply.header("etag").unwrap_or_default().to_owned();
    reply.ensure(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "a tag")?;
    let ask = |tag: &str| lab.request("GET", "/api").accept(AGGREGATED).header("if-none-match", tag).send();
    let same = ask(&tag).await?.expect(304)?.expect_text("")?.expect_header("etag", &tag)?;
    same.expect_header("content-type", "")?;
    ask("\"another\"").await?.expect(200)?.expect_header("etag", &tag)?;
    // The old form has none.
    let old = lab.request("GET", "/api").header("if-none-match", &tag).send().await?.expect(200)?;
    old.expect_header("etag", "")?;
    Ok(())
}

async fn aggregated_discovery_of_an_unknown_version_is_not_acceptable(lab: &Lab) -> Outcome {
    for version in ["v2beta1", "v9"] {
        let accept = format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        lab.request("GET", "/apis").accept(&accept).send().await?.expect_error(406, "NotAcceptable")?;
        let accept = format!("{accept},application/json");
        let reply = lab.request("GET", "/apis").accept(&accept).send().await?.expect(200)?;
        reply.expect_at("/kind", "APIGroupList")?;
    }
    Ok(())
}

async fn aggregated_discovery_wins_over_the_old_form(lab: &Lab) -> Outcome {
    for accept in [format!("{AGGREGATED},application/json"), format!("application/json,{AGGREGATED}")] {
        let reply = lab.request("GET", "/apis").accept(&accept).send().await?.expect(200)?;
        reply.expect_at("/kind", "APIGroupDiscoveryList")?;
    }
    Ok(())
}

async fn aggregated_discovery_is_not_of_one_version(lab: &Lab) -> Outcome {
    for path in ["/api/v1", "/apis/apps", "/apis/apps/v1"] {
        lab.request("GET", path).accept(AGGREGATED).send().await?.expect_error(406, "NotAcceptable")?;
    }
    Ok(())
}

async fn both_forms_of_discovery_say_the_same(lab: &Lab) -> Outcome {
    for (all, path, group) in
        [("/apis", "/apis/apps/v1", "apps"), ("/apis", "/apis/batch/v1", "batch"), ("/api", "/api/v1", "")]
    {
        let reply = aggregated(lab, all).await?;
        let mut items = reply.at("/items").as_array().into_iter().flatten();
        let found = items.find(|g| g["metadata"]["name"].as_str().unwrap_or_default() == group);
        let mut new = BTreeSet::new();
        for resource in found.into_iter().flat_map(|g| g["versions"][0]["resources"].as_array().into_iter().flatten()) {
            let name = resource["resource"].as_str().unwrap_or_default();
            new.insert(name.to_owned());
            for sub in resource["subresources"].as_array().into_iter().flatten() {
                new.insert(format!("{name}/{}", sub["subresource"].as_str().unwrap_or_default()));
            }
        }
        let old = lab.read(path).await?;
        let names = old.at("/resources").as_array().into_iter().flatten().filter_map(|r| r["name"].as_str());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        old.ensure(names == new, format!("the same names as {new:?}"))?;
    }
    Ok(())
}

async fn a_crd_adds_its_group(lab: &Lab) -> Outcome {
    serve_gadgets(lab, json!({})).await?;
    let group = group_of(lab);
    let path = format!("/apis/{group}");
    let reply = lab.eventually(&path, "the group", |r| r.status() == 200).await?.expect_at("/kind", "APIGroup")?;
    let v1 = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
    reply
        .expect_at("/versions", json!([v1]))?
        .expect_at("/preferredVersion", v1)?
        .expect_at("/name", group.as_str())?;
    lab.eventually("/apis", "the group in the list", |r| named(r.at("/groups"), "name", &group).is_some()).await?;
    Ok(())
}

async fn a_crd_adds_its_kind(lab: &Lab) -> Outcome {
    serve_gadgets(lab, json!({})).await?;
    let path = format!("/apis/{}/v1", group_of(lab));
    let reply = lab.eventually(&path, "the kind", |r| named(r.at("/resources"), "name", "gadgets").is_some()).await?;
    let gadgets = kind(&reply, "gadgets")?;
    let verbs = json!(["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]);
    let good = gadgets["kind"] == "Gadget"
        && gadgets["singularName"] == "gadget"
        && gadgets["shortNames"] == json!(["gd"])
        && gadgets["namespaced"] == true
        && gadgets["verbs"] == verbs;
    reply.ensure(good, "the kind as its CRD describes it")?;
    reply.ensure(reply.at("/resources").as_array().is_some_and(|r| r.len() == 1), "no subresources")
}

async fn a_crd_with_subresources_lists_them(lab: &Lab) -> Outcome {
    let scale = json!({"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"});
    serve_gadgets(lab, json!({"subresources": {"status": {}, "scale": scale}})).await?;
    let path = format!("/apis/{}/v1", group_of(lab));
    let reply = lab.eventually(&path, "the kind", |r| named(r.at("/resources"), "name", "gadgets").is_some()).await?;
    let status = kind(&reply, "gadgets/status")?;
    let good = status["kind"] == "Gadget"
        && status["verbs"] == json!(["get", "patch", "update"])
        && status["singularName"] == "";
    reply.ensure(good, "a status")?;
    let scale = kind(&reply, "gadgets/scale")?;
    let good = scale["kind"] == "Scale" && scale["group"] == "autoscaling" && scale["version"] == "v1";
    reply.ensure(good, "a scale")
}

/// The CRD with these versions besides its `v1`.
fn crd_with(lab: &Lab, versions: &[(&str, bool)]) -> Value {
    let mut object = crd(lab, json!({}));
    for (name, served) in versions {
        let mut version = object["spec"]["versions"][0].clone();
        version["name"] = json!(name);
        version["served"] = json!(served);
        version["storage"] = json!(false);
        if let Some(list) = object["spec"]["versions"].as_array_mut() {
            list.push(version);
        }
    }
    object
}

async fn a_crd_that_is_not_served_lists_nothing(lab: &Lab) -> Outcome {
    lab.create(CRDS, crd_with(lab, &[("v2", false)])).await?;
    let group = group_of(lab);
    let reply = lab.eventually(&format!("/apis/{group}"), "the group", |r| r.status() == 200).await?;
    reply.expect_at("/versions", json!([{"groupVersion": format!("{group}/v1"), "version": "v1"}]))?;
    lab.get(&format!("/apis/{group}/v2")).await?.expect(404)?;
    Ok(())
}

async fn a_crd_with_two_versions_lists_both(lab: &Lab) -> Outcome {
    lab.create(CRDS, crd_with(lab, &[("v1beta2", true), ("v2", true), ("v1alpha1", true)])).await?;
    let group = group_of(lab);
    let path = format!("/apis/{group}");
    let reply =
        lab.eventually(&path, "four versions", |r| r.at("/versions").as_array().is_some_and(|v| v.len() == 4)).await?;
    let order: Vec<&str> =
        reply.at("/versions").as_array().into_iter().flatten().filter_map(|v| v["version"].as_str()).collect();
    reply.ensure(order == ["v2", "v1", "v1beta2", "v1alpha1"], "the newest stable version first")?;
    reply.expect_at("/preferredVersion/version", "v2")?;
    for version in ["v1", "v2", "v1beta2", "v1alpha1"] {
        let path = format!("/apis/{group}/{version}");
        lab.eventually(&path, "the kind", |r| named(r.at("/resources"), "name", "gadgets").is_some()).await?;
    }
    Ok(())
}

async fn a_second_crd_joins_its_group(lab: &Lab) -> Outcome {
    serve_gadgets(lab, json!({})).await?;
    let mut second = crd(lab, json!({}));
    let group = group_of(lab);
    second["metadata"]["name"] = json!(format!("widgets.{group}"));
    second["spec"]["names"] = json!({"plural": "widgets", "kind": "Widget"});
    second["spec"]["scope"] = json!("Cluster");
    lab.create(CRDS, second).await?;
    let path = format!("/apis/{group}/v1");
    let reply = lab
        .eventually(&path, "both kinds", |r| {
            ["gadgets", "widgets"].iter().all(|name| named(r.at("/resources"), "name", name).is_some())
        })
        .await?;
    let widgets = kind(&reply, "widgets")?;
    reply.ensure(widgets["namespaced"] == false && widgets["singularName"] == "widget", "a cluster-scoped kind")
}

async fn a_deleted_crd_takes_its_group_along(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    let group = group_of(lab);
    lab.eventually(&format!("/apis/{group}"), "the group", |r| r.status() == 200).await?;
    lab.delete(&format!("{CRDS}/gadgets.{group}")).await?.expect(200)?;
    lab.eventually(&format!("/apis/{group}"), "the end of the group", |r| r.status() == 404).await?;
    lab.eventually(&path, "the end of the kind", |r| r.status() == 404 && r.text() == "404 page not found\n").await?;
    lab.eventually("/apis", "a list without the group", |r| named(r.at("/groups"), "name", &group).is_none()).await?;
    Ok(())
}

async fn a_crd_that_changes_its_names_changes_discovery(lab: &Lab) -> Outcome {
    serve_gadgets(lab, json!({})).await?;
    let group = group_of(lab);
    let patch = json!({"spec": {"names": {"shortNames": ["gd", "gdg"], "categories": ["all"]}}});
    let crd = format!("{CRDS}/gadgets.{group}");
    lab.patch(&crd, crate::conformance::Patch::Merge, &patch).await?.expect(200)?;
    lab.eventually(&format!("/apis/{group}/v1"), "the new names", |r| {
        named(r.at("/resources"), "name", "gadgets")
            .is_some_and(|g| g["shortNames"] == json!(["gd", "gdg"]) && g["categories"] == json!(["all"]))
    })
    .await?;
    Ok(())
}

async fn a_crd_changes_the_tag(lab: &Lab) -> Outcome {
    let before = aggregated(lab, "/apis").await?.header("etag").unwrap_or_default().to_owned();
    serve_gadgets(lab, json!({})).await?;
    let group = group_of(lab);
    fn of<'a>(reply: &'a Reply, group: &str) -> Option<&'a Value> {
        reply.at("/items").as_array()?.iter().find(|g| g["metadata"]["name"] == group)
    }
    let after =
        lab.eventually_as("/apis", AGGREGATED, "the group in the list", |reply| of(reply, &group).is_some()).await?;
    let kind = json!({"group": group, "version": "v1", "kind": "Gadget"});
    let listed = of(&after, &group).map(|g| &g["versions"][0]["resources"][0]["responseKind"]);
    after.ensure(listed == Some(&kind), format!("a kind that says its group: {kind}"))?;
    after.ensure(after.header("etag") != Some(&*before), "another tag")
}

async fn a_crd_gets_conditions(lab: &Lab) -> Outcome {
    lab.create(CRDS, crd(lab, json!({}))).await?;
    let path = format!("{CRDS}/gadgets.{}", group_of(lab));
    let condition = |reply: &Reply, kind: &str| {
        named(reply.at("/status/conditions"), "type", kind).is_some_and(|c| c["status"] == "True")
    };
    let reply = lab.eventually(&path, "Established", |r| condition(r, "Established")).await?;
    reply.ensure(condition(&reply, "NamesAccepted"), "NamesAccepted")?;
    let reply = reply.expect_at("/status/storedVersions", json!(["v1"]))?;
    reply
        .expect_at("/status/acceptedNames/plural", "gadgets")?
        .expect_at("/status/acceptedNames/listKind", "GadgetList")?;
    Ok(())
}

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

async fn an_api_service_of_each_group_version_is_there(lab: &Lab) -> Outcome {
    for (name, group, version) in
        [("v1.", "", "v1"), ("v1.apps", "apps", "v1"), ("v2.autoscaling", "autoscaling", "v2")]
    {
        let reply = lab.read(&format!("{SERVICES}/{name}")).await?.expect_at("/spec/version", version)?;
        reply.ensure(reply.str_at("/spec/group") == group, format!("the group {group:?}"))?;
        let reply = reply.expect_at("/spec/service", Value::Null)?;
        let available = named(reply.at("/status/conditions"), "type", "Available");
        let good = available.is_some_and(|c| c["status"] == "True" && c["reason"] == "Local");
        reply.ensure(good, "Available, since it is local")?;
    }
    Ok(())
}

async fn an_api_service_says_who_made_it_and_its_priorities(lab: &Lab) -> Outcome {
    for (name, of_group, of_version) in
        [("v1.", 18_000, 1), ("v1.apps", 17_800, 15), ("v2.autoscaling", 17_500, 30), ("v1.storage.k8s.io", 16_800, 15)]
    {
        let reply = lab.read(&format!("{SERVICES}/{name}")).await?;
        reply
            .expect_at("/metadata/labels", json!({"kube-aggregator.kubernetes.io/automanaged": "onstart"}))?
            .expect_at("/metadata/managedFields/0/manager", "kube-apiserver")?
            .expect_at("/spec/groupPriorityMinimum", of_group)?
            .expect_at("/spec/versionPriority", of_version)?;
    }
    lab.get(&format!("{SERVICES}/v1.apiregistration.k8s.io")).await?.expect(404)?;
    Ok(())
}

async fn an_api_service_of_a_custom_kind_comes_and_goes_with_it(lab: &Lab) -> Outcome {
    lab.create(CRDS, crd_with(lab, &[("v2", true), ("v3", false)])).await?;
    let group = group_of(lab);
    for version in ["v1", "v2"] {
        let path = format!("{SERVICES}/{version}.{group}");
        let reply = lab.eventually(&path, "an APIService", |r| r.status() == 200).await?;
        let reply = reply
            .expect_at("/metadata/labels", json!({"kube-aggregator.kubernetes.io/automanaged": "true"}))?
            .expect_at(
                "/spec",
                json!({
                    "group": group, "version": version, "groupPriorityMinimum": 1000, "versionPriority": 100,
                }),
            )?;
        reply.expect_at("/status/conditions/0/reason", "Local")?;
    }
    lab.get(&format!("{SERVICES}/v3.{group}")).await?.expect(404)?;
    let crd = format!("{CRDS}/gadgets.{group}");
    let patch = json!([{"op": "replace", "path": "/spec/versions/1/served", "value": false}]);
    lab.patch(&crd, crate::conformance::Patch::Json, &patch).await?.expect(200)?;
    lab.eventually(&format!("{SERVICES}/v2.{group}"), "the end of v2", |r| r.status() == 404).await?;
    lab.delete(&crd).await?.expect(200)?;
    lab.eventually(&format!("{SERVICES}/v1.{group}"), "the end of v1", |r| r.status() == 404).await?;
    Ok(())
}

/// An APIService of the case's own group.
fn api_service(lab: &Lab, version: &str, service: Value, priorities: (i64, i64)) -> Value {
    let group = group_of(lab);
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": format!("{version}.{group}")},
        "spec": {
            "group": group, "version": version, "groupPriorityMinimum": priorities.0, "versionPriority": priorities.1,
            "service": service, "insecureSkipTLSVerify": service.is_object(),
        },
    })
}

async fn an_api_service_is_validated(lab: &Lab) -> Outcome {
    let service = json!({"namespace": lab.namespace(), "name": "nobody"});
    let mut named = api_service(lab, "v1", service.clone(), (100, 10));
    named["metadata"]["name"] = json!(lab.name("other"));
    let group = group_of(lab);
    let wanted = format!("must be `spec.version+\".\"+spec.group`: \"v1.{group}\"");
    lab.post(SERVICES, &named).await?.expect_error(422, "Invalid")?.expect_in_message(&wanted)?;
    let reply = lab.post(SERVICES, &api_service(lab, "v1", service.clone(), (0, 2_000))).await?;
    reply
        .expect_error(422, "Invalid")?
        .expect_in_message("spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000")?
        .expect_in_message("spec.versionPriority: Invalid value: 2000: must be positive and less than 1000")?;
    let reply = lab.post(SERVICES, &api_service(lab, "v1", json!({}), (100, 10))).await?;
    reply
        .expect_error(422, "Invalid")?
        .expect_in_message("spec.service.namespace: Required value")?
        .expect_in_message("spec.service.name: Required value")?;
    let reply = lab.post(&format!("{SERVICES}?dryRun=All"), &api_service(lab, "v1", service, (100, 10))).await?;
    reply.expect(201)?.expect_at("/spec/service/port", 443)?;
    Ok(())
}

async fn api_services_order_the_versions_of_their_group(lab: &Lab) -> Outcome {
    let target = json!({"namespace": lab.namespace(), "name": "somebody"});
    let group = group_of(lab);
    let ports = json!({"metadata": {"name": "somebody"}, "spec": {"ports": [{"port": 443}]}});
    lab.create(&lab.path("v1", "services"), ports).await?;
    for (version, priority) in [("v1", 30), ("v2", 10), ("v3", 10)] {
        lab.create(SERVICES, api_service(lab, version, target.clone(), (100, priority))).await?;
    }
    let path = format!("{SERVICES}/v1.{group}");
    let reason =
        |r: &Reply| ["EndpointsNotFound", "MissingEndpoints"].contains(&r.str_at("/status/conditions/0/reason"));
    lab.eventually(&path, "a Service without endpoints", reason).await?;
    let order = |r: &Reply| -> Vec<String> {
        let versions = r.at("/versions").as_array().into_iter().flatten();
        versions.filter_map(|v| v["version"].as_str()).map(str::to_owned).collect()
    };
    lab.eventually(&format!("/apis/{group}"), "the versions in order", |r| order(r) == ["v1", "v3", "v2"]).await?;
    let stale = json!({"metadata": {"name": group}, "versions": [
        {"version": "v1", "freshness": "Stale"}, {"version": "v3", "freshness": "Stale"},
        {"version": "v2", "freshness": "Stale"},
    ]});
    let listed = |r: &Reply| r.at("/items").as_array().is_some_and(|groups| groups.contains(&stale));
    lab.eventually_as("/apis", AGGREGATED, "the stale versions", listed).await?;
    for version in ["v1", "v2", "v3"] {
        lab.delete(&format!("{SERVICES}/{version}.{group}")).await?.expect(200)?;
    }
    lab.eventually(&format!("/apis/{group}"), "the end of the group", |r| r.status() == 404).await?;
    Ok(())
}

async fn a_broken_api_service_is_listed_and_unavailable(lab: &Lab) -> Outcome {
    let group = group_of(lab);
    let name = format!("v1.{group}");
    let service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name},
        "spec": {
            "group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10, "insecureSkipTLSVerify": true,
            "service": {"namespace": lab.namespace(), "name": "nobody"},
        },
    });
    lab.create(SERVICES, service).await?;
    let path = format!("{SERVICES}/{name}");
    let unavailable = |reply: &Reply| {
        named(reply.at("/status/conditions"), "type", "Available").is_some_and(|c| c["status"] == "False")
    };
    let reply = lab.eventually(&path, "Available to be False", unavailable).await?;
    let available = named(reply.at("/status/conditions"), "type", "Available");
    reply.ensure(available.is_some_and(|c| c["reason"] == "ServiceNotFound"), "ServiceNotFound")?;
    let down = |reply: &Reply| reply.status() == 503 && reply.text() == "service unavailable\n";
    lab.eventually(&format!("/apis/{group}/v1"), "a group version that is down", down).await?;
    lab.get(&format!("/apis/{group}/v1/things")).await?.expect(503)?;
    // The group is listed: whoever asks for everything has to cope.
    let listed = |reply: &Reply| named(reply.at("/groups"), "name", &group).is_some();
    lab.eventually("/apis", "the group in the list", listed).await?;
    lab.delete(&path).await?.expect(200)?;
    lab.eventually(&format!("/apis/{group}/v1"), "the end of the group", |r| r.status() == 404).await?;
    Ok(())
}

async fn the_root_lists_paths(lab: &Lab) -> Outcome {
    let reply = lab.read("/").await?;
    let paths: Vec<&str> = reply.at("/paths").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for path in ["/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/livez", "/readyz", "/version"]
    {
        reply.ensure(paths.contains(&path), format!("{path} in the list"))?;
    }
    Ok(())
}
