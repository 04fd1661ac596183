//! Namespaces, CRDs, API services, disruption budgets, quotas, autoscalers.

use serde_json::{Value, json};

use super::{condition, count, ensure, job, managers, says, workload};
use crate::conformance::{Failure, Lab, Outcome, cases::cases};

cases!("control":
    a_namespace_gets_its_account_and_certificate (needs_controllers),
    what_a_namespace_needs_is_made_again (needs_controllers),
    a_namespace_goes_with_its_content (needs_controllers, alone),
    a_namespace_says_what_holds_it_up (needs_controllers, alone),
    a_crd_is_accepted_and_established (needs_controllers),
    a_crd_of_a_taken_kind_is_not_accepted (needs_controllers),
    a_crd_that_goes_takes_its_objects (needs_controllers),
    a_crd_waits_for_its_objects (needs_controllers),
    an_api_service_without_a_service_is_not_available (needs_controllers, alone),
    a_disruption_budget_counts_healthy_pods (needs_controllers),
    a_disruption_budget_of_nobody_allows_nothing (needs_controllers),
    a_disruption_budget_counts_no_pods_without_controllers (needs_controllers),
    a_disruption_budget_fails_where_nothing_scales (needs_controllers),
    evictions_keep_to_the_budget (needs_controllers),
    a_quota_counts_what_is_used (needs_controllers),
);

async fn namespace(lab: &Lab) -> Result<String, Failure> {
    let name = lab.name("other");
    lab.create("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        .await?;
    Ok(name)
}

async fn a_namespace_gets_its_account_and_certificate(lab: &Lab) -> Outcome {
    let name = namespace(lab).await?;
    lab.eventually(&format!("/api/v1/namespaces/{name}/serviceaccounts/default"), "its account", |r| r.status() == 200)
        .await?;
    let path = format!("/api/v1/namespaces/{name}/configmaps/kube-root-ca.crt");
    let map = lab.eventually(&path, "its certificate", |r| r.status() == 200).await?;
    ensure(map.value(), map.at("/data/ca.crt").is_string(), "a certificate")?;
    ensure(map.value(), map.at("/metadata/annotations/kubernetes.io~1description").is_string(), "a description")?;
    ensure(map.value(), managers(map.value()) == [("kube-controller-manager".to_owned(), String::new())], "one manager")
}

async fn what_a_namespace_needs_is_made_again(lab: &Lab) -> Outcome {
    for path in [lab.path("v1", "serviceaccounts/default"), lab.maps("/kube-root-ca.crt")] {
        let before = lab.eventually(&path, "it", |r| r.status() == 200).await?;
        lab.delete(&path).await?.expect(200)?;
        lab.eventually(&path, "another one", |r| r.status() == 200 && r.uid() != before.uid()).await?;
    }
    Ok(())
}

async fn a_namespace_goes_with_its_content(lab: &Lab) -> Outcome {
    let name = namespace(lab).await?;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    lab.create(&format!("/api/v1/namespaces/{name}/configmaps"), map).await?;
    let path = format!("/api/v1/namespaces/{name}");
    let reply = lab.delete(&path).await?.expect(200)?;
    reply.expect_at("/status/phase", "Terminating")?.expect_at("/spec/finalizers", json!(["kubernetes"]))?;
    lab.eventually(&path, "no namespace", |r| r.status() == 404).await?;
    lab.get(&format!("/api/v1/namespaces/{name}/configmaps/a")).await?.expect(404).map(drop)
}

async fn a_namespace_says_what_holds_it_up(lab: &Lab) -> Outcome {
    let name = namespace(lab).await?;
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "finalizers": ["example.com/hold"]}});
    let maps = format!("/api/v1/namespaces/{name}/configmaps");
    lab.create(&maps, map).await?;
    let path = format!("/api/v1/namespaces/{name}");
    lab.delete(&path).await?.expect(200)?;
    let reply = lab
        .eventually(&path, "a condition", |r| {
            says(r.value(), "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain")
        })
        .await?;
    let namespace = reply.value();
    let message = "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances";
    ensure(namespace, condition(namespace, "NamespaceFinalizersRemaining")["message"] == message, message)?;
    ensure(namespace, says(namespace, "NamespaceContentRemaining", "True", "SomeResourcesRemain"), "what remains")?;
    let message = "Some resources are remaining: configmaps. has 1 resource instances";
    ensure(namespace, condition(namespace, "NamespaceContentRemaining")["message"] == message, message)?;
    for (kind, reason) in [
        ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions"),
        ("NamespaceDeletionContentFailure", "ContentDeleted"),
    ] {
        ensure(namespace, says(namespace, kind, "False", reason), kind)?;
    }
    let patch = json!({"metadata": {"finalizers": null}});
    lab.patch(&format!("{maps}/a"), crate::conformance::Patch::Merge, &patch).await?.expect(200)?;
    lab.eventually(&path, "no namespace", |r| r.status() == 404).await.map(drop)
}

fn crd(group: &str, plural: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind, "shortNames": [format!("{plural}x")]},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    })
}

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

async fn established(lab: &Lab, group: &str) -> Result<Value, Failure> {
    lab.create(CRDS, crd(group, "widgets", "Widget")).await?;
    let path = format!("{CRDS}/widgets.{group}");
    let is = |v: &Value| says(v, "Established", "True", "InitialNamesAccepted");
    Ok(lab.eventually(&path, "an established CRD", |r| is(r.value())).await?.into_value())
}

fn group(lab: &Lab) -> String {
    format!("{}.example.com", lab.namespace())
}

async fn a_crd_is_accepted_and_established(lab: &Lab) -> Outcome {
    let crd = established(lab, &group(lab)).await?;
    ensure(&crd, says(&crd, "NamesAccepted", "True", "NoConflicts"), "accepted names")?;
    ensure(&crd, condition(&crd, "NamesAccepted")["message"] == "no conflicts found", "a message")?;
    ensure(&crd, condition(&crd, "Established")["message"] == "the initial names have been accepted", "a message")?;
    let names = json!({
        "plural": "widgets", "singular": "widget", "shortNames": ["widgetsx"], "kind": "Widget", "listKind": "WidgetList",
    });
    ensure(&crd, crd["status"]["acceptedNames"] == names, &names.to_string())?;
    ensure(&crd, crd["status"]["storedVersions"] == json!(["v1"]), "stored versions")
}

async fn a_crd_of_a_taken_kind_is_not_accepted(lab: &Lab) -> Outcome {
    let group = group(lab);
    established(lab, &group).await?;
    lab.create(CRDS, crd(&group, "gadgets", "Widget")).await?;
    let path = format!("{CRDS}/gadgets.{group}");
    let taken = |v: &Value| says(v, "NamesAccepted", "False", "ListKindConflict");
    let gadgets = lab.eventually(&path, "a conflict", |r| taken(r.value())).await?.into_value();
    ensure(
        &gadgets,
        condition(&gadgets, "NamesAccepted")["message"] == "\"WidgetList\" is already in use",
        "what is taken",
    )?;
    ensure(&gadgets, says(&gadgets, "Established", "False", "NotAccepted"), "not established")?;
    // Its names are free when the first one is gone.
    lab.delete(&format!("{CRDS}/widgets.{group}")).await?.expect(200)?;
    lab.eventually(&path, "no conflict", |r| condition(r.value(), "Established")["status"] == "True").await.map(drop)
}

async fn widget(lab: &Lab, group: &str, metadata: Value) -> Result<String, Failure> {
    let version = format!("{group}/v1");
    let mut object = json!({"apiVersion": version, "kind": "Widget", "metadata": {"name": "a"}});
    json_patch::merge(&mut object["metadata"], &metadata);
    let path = lab.path(&version, "widgets");
    lab.eventually(&path, "the kind to be served", |r| r.status() == 200).await?;
    lab.create(&path, object).await?;
    Ok(format!("{path}/a"))
}

async fn a_crd_that_goes_takes_its_objects(lab: &Lab) -> Outcome {
    let group = group(lab);
    established(lab, &group).await?;
    let path = widget(lab, &group, json!({})).await?;
    let crd = format!("{CRDS}/widgets.{group}");
    let reply = lab.delete(&crd).await?.expect(200)?;
    reply.expect_at("/metadata/finalizers", json!(["customresourcecleanup.apiextensions.k8s.io"]))?;
    lab.eventually(&crd, "no CRD", |r| r.status() == 404).await?;
    lab.eventually(&path, "no object", |r| r.status() == 404).await.map(drop)
}

async fn a_crd_waits_for_its_objects(lab: &Lab) -> Outcome {
    let group = group(lab);
    established(lab, &group).await?;
    let path = widget(lab, &group, json!({"finalizers": ["example.com/hold"]})).await?;
    let crd = format!("{CRDS}/widgets.{group}");
    lab.delete(&crd).await?.expect(200)?;
    let waits = |v: &Value| says(v, "Terminating", "True", "InstanceDeletionInProgress");
    lab.eventually(&crd, "a CRD that waits", |r| waits(r.value())).await?;
    lab.eventually(&path, "an object that is going", |r| r.at("/metadata/deletionTimestamp").is_string()).await?;
    let patch = json!({"metadata": {"finalizers": null}});
    lab.patch(&path, crate::conformance::Patch::Merge, &patch).await?.expect(200)?;
    lab.eventually(&crd, "no CRD", |r| r.status() == 404).await.map(drop)
}

async fn an_api_service_without_a_service_is_not_available(lab: &Lab) -> Outcome {
    let group = group(lab);
    let name = format!("v1.{group}");
    let object = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name},
        "spec": {
            "group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10, "insecureSkipTLSVerify": true,
            "service": {"namespace": lab.namespace(), "name": "nobody"},
        },
    });
    let path = "/apis/apiregistration.k8s.io/v1/apiservices";
    lab.create(path, object).await?;
    let path = format!("{path}/{name}");
    let service =
        lab.eventually(&path, "a condition", |r| says(r.value(), "Available", "False", "ServiceNotFound")).await?;
    let message = format!("service/nobody in {:?} is not present", lab.namespace());
    ensure(service.value(), condition(service.value(), "Available")["message"] == message, &message)
}

fn budget(spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
    });
    json_patch::merge(&mut object["spec"], &spec);
    object
}

async fn a_disruption_budget_counts_healthy_pods(lab: &Lab) -> Outcome {
    lab.start("apps/v1", "deployments", workload("Deployment", "web", json!({"replicas": 3}))).await?;
    lab.create(&lab.path("policy/v1", "poddisruptionbudgets"), budget(json!({"maxUnavailable": "50%"}))).await?;
    let web = lab
        .until("policy/v1", "poddisruptionbudgets/web", "three healthy Pods", |b| count(b, "currentHealthy") == 3)
        .await?;
    let status = &web["status"];
    ensure(&web, status["expectedPods"] == 3 && status["desiredHealthy"] == 1, "its counts")?;
    ensure(&web, status["disruptionsAllowed"] == 2 && status["observedGeneration"] == 1, "two disruptions")?;
    ensure(&web, says(&web, "DisruptionAllowed", "True", "SufficientPods"), "its condition")?;
    lab.change("apps/v1", "deployments/web", json!({"spec": {"replicas": 1}})).await?;
    lab.until("policy/v1", "poddisruptionbudgets/web", "one healthy Pod", |b| {
        count(b, "expectedPods") == 1 && count(b, "desiredHealthy") == 0 && count(b, "disruptionsAllowed") == 1
    })
    .await
    .map(drop)
}

async fn a_disruption_budget_of_nobody_allows_nothing(lab: &Lab) -> Outcome {
    lab.create(&lab.path("policy/v1", "poddisruptionbudgets"), budget(json!({"minAvailable": 1}))).await?;
    let web = lab
        .until("policy/v1", "poddisruptionbudgets/web", "a condition", |b| {
            says(b, "DisruptionAllowed", "False", "InsufficientPods")
        })
        .await?;
    let status = &web["status"];
    ensure(
        &web,
        status["expectedPods"] == 0 && status["desiredHealthy"] == 1 && status["disruptionsAllowed"] == 0,
        "its counts",
    )?;
    lab.event("PodDisruptionBudget", "web", "NoPods").await.map(drop)
}

async fn a_disruption_budget_counts_no_pods_without_controllers(lab: &Lab) -> Outcome {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]},
    });
    lab.start("v1", "pods", pod).await?;
    lab.until("v1", "pods/a", "a Pod that is ready", |p| condition(p, "Ready")["status"] == "True").await?;
    lab.create(&lab.path("policy/v1", "poddisruptionbudgets"), budget(json!({"maxUnavailable": 1}))).await?;
    let web = lab
        .until("policy/v1", "poddisruptionbudgets/web", "a healthy Pod", |b| count(b, "currentHealthy") == 1)
        .await?;
    let status = &web["status"];
    ensure(&web, status["expectedPods"] == 0 && status["disruptionsAllowed"] == 0, "nothing that is expected")?;
    let event = lab.event("PodDisruptionBudget", "web", "UnmanagedPods").await?;
    let message = event["message"].as_str().unwrap_or_default();
    let selector = "(selector: &LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{},})";
    ensure(&event, message.contains(selector), selector)
}

async fn a_disruption_budget_fails_where_nothing_scales(lab: &Lab) -> Outcome {
    let mut template = job("web", json!({"parallelism": 1}));
    template["spec"]["template"]["metadata"]["annotations"] = json!({super::FATE: "never-ready"});
    lab.start("batch/v1", "jobs", template).await?;
    lab.create(&lab.path("policy/v1", "poddisruptionbudgets"), budget(json!({"minAvailable": "50%"}))).await?;
    let web = lab
        .until("policy/v1", "poddisruptionbudgets/web", "a failure", |b| {
            says(b, "DisruptionAllowed", "False", "SyncFailed")
        })
        .await?;
    let message = "jobs.batch does not implement the scale subresource";
    ensure(&web, condition(&web, "DisruptionAllowed")["message"] == message, message)?;
    ensure(&web, web["status"]["disruptionsAllowed"] == 0, "no disruption")
}

async fn evictions_keep_to_the_budget(lab: &Lab) -> Outcome {
    lab.start("apps/v1", "deployments", workload("Deployment", "web", json!({"replicas": 3}))).await?;
    lab.create(&lab.path("policy/v1", "poddisruptionbudgets"), budget(json!({"maxUnavailable": 1}))).await?;
    let one_may_go = |b: &Value| count(b, "currentHealthy") == 3 && count(b, "disruptionsAllowed") == 1;
    let mut refused = None;
    // A server that is busy may have another Pod in the place of the first before it is asked for the second.
    for _ in 0..10 {
        lab.until("policy/v1", "poddisruptionbudgets/web", "a disruption that is allowed", one_may_go).await?;
        let pods = lab.all("v1", "pods", "app%3Dweb").await?;
        let mut answers = Vec::new();
        for pod in pods.iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none()).take(2) {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
            answers.push(lab.post(&lab.path("v1", &format!("pods/{name}/eviction")), &eviction).await?);
        }
        let second = answers.pop();
        if let Some(first) = answers.pop() {
            first.ensure(first.status() == 201, "the first eviction")?;
        }
        refused = second;
        if refused.as_ref().is_some_and(|reply| reply.status() != 201) {
            break;
        }
    }
    let refused = &refused.ok_or_else(|| Failure::new("two Pods".to_owned()))?;
    let body = refused.value();
    refused.ensure(refused.status() == 429 && body["reason"] == "TooManyRequests", "no second one")?;
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    refused.ensure(body["message"] == message, message)?;
    refused.ensure(body["details"]["causes"][0]["reason"] == "DisruptionBudget", "why")?;
    let again = lab.until("policy/v1", "poddisruptionbudgets/web", "another disruption", one_may_go).await?;
    ensure(&again, again["status"].get("disruptedPods").is_none(), "no Pod that is yet to go")
}

async fn a_quota_counts_what_is_used(lab: &Lab) -> Outcome {
    lab.config_map("a", json!({})).await?;
    lab.eventually(&lab.maps("/kube-root-ca.crt"), "the certificate", |r| r.status() == 200).await?;
    let hard = json!({"count/configmaps": "10", "services": "3", "pods": "5", "requests.cpu": "1"});
    let quota =
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}, "spec": {"hard": hard}});
    lab.create(&lab.path("v1", "resourcequotas"), quota).await?;
    let used = json!({"count/configmaps": "2", "services": "0", "pods": "0", "requests.cpu": "0"});
    let all = lab.until("v1", "resourcequotas/all", "what is used", |q| q["status"]["used"] == used).await?;
    ensure(&all, all["status"]["hard"] == hard, "what it limits")
}
