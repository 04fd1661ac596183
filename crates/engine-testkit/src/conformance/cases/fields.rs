//! Field selectors: <https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/>

use serde_json::{Value, json};

use super::{cases, encoded, gadget, leases, leases_named, serve_gadgets};
use crate::conformance::{Lab, Outcome};

cases!("fields":
    every_kind_has_its_name,
    every_namespaced_kind_has_its_namespace,
    two_fields_are_both_asked_for,
    commas_at_the_ends_do_not_matter,
    an_empty_value_is_a_value,
    spaces_matter,
    commas_and_equals_signs_are_escaped,
    an_equals_sign_in_a_value_is_refused,
    an_unknown_escape_is_refused,
    a_field_without_an_operator_is_refused,
    operators_of_labels_are_refused,
    a_field_that_is_not_known_is_refused,
    an_empty_field_is_refused,
    many_kinds_have_no_other_fields,
    some_kinds_refuse_in_words_of_their_own,
    cluster_scoped_kinds_with_fields_have_no_namespace,
    pods_are_selected_by_their_spec,
    pods_are_selected_by_their_status,
    pods_know_the_old_name_of_their_node,
    events_are_selected_by_what_they_are_about,
    events_of_the_newer_group_have_newer_names,
    events_of_both_groups_are_the_same,
    events_of_both_groups_are_watched,
    a_write_through_one_group_forgets_who_wrote_through_the_other,
    events_of_the_newer_group_are_complete_and_fixed,
    secrets_are_selected_by_type,
    namespaces_are_selected_by_phase,
    nodes_are_selected_by_whether_they_take_pods,
    services_are_selected_by_address_and_type,
    jobs_are_selected_by_success,
    replica_sets_are_not_selected_by_replicas,
    replication_controllers_are_selected_by_replicas,
    custom_kinds_have_name_and_namespace,
    custom_kinds_have_the_fields_that_they_name,
    custom_kinds_refuse_other_fields,
    selected_fields_meet_selected_labels,
    a_name_that_no_object_can_have_selects_nothing,
);

async fn selects(lab: &Lab, path: &str, selector: &str, names: &[&str]) -> Outcome {
    lab.read(&format!("{path}?fieldSelector={}", encoded(selector))).await?.expect_names(names)?;
    Ok(())
}

async fn refuses(lab: &Lab, path: &str, selector: &str, message: &str) -> Outcome {
    let reply = lab.get(&format!("{path}?fieldSelector={}", encoded(selector))).await?;
    reply.expect_error(400, "BadRequest")?.expect_message(message)?;
    Ok(())
}

async fn every_kind_has_its_name(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b", "c"]).await?;
    let path = leases(lab, "");
    selects(lab, &path, "metadata.name=b", &["b"]).await?;
    selects(lab, &path, "metadata.name==b", &["b"]).await?;
    selects(lab, &path, "metadata.name!=b", &["a", "c"]).await?;
    selects(lab, &path, "metadata.name=d", &[]).await?;
    selects(lab, "/api/v1/namespaces", &format!("metadata.name={}", lab.namespace()), &[lab.namespace()]).await
}

async fn every_namespaced_kind_has_its_namespace(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let (path, own) = (leases(lab, ""), lab.namespace());
    selects(lab, &path, &format!("metadata.namespace={own}"), &["a", "b"]).await?;
    selects(lab, &path, &format!("metadata.namespace!={own}"), &[]).await?;
    selects(lab, &path, "metadata.namespace=other", &[]).await?;
    selects(lab, "/apis/coordination.k8s.io/v1/leases", &format!("metadata.namespace={own}"), &["a", "b"]).await
}

async fn two_fields_are_both_asked_for(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let path = leases(lab, "");
    selects(lab, &path, &format!("metadata.name=a,metadata.namespace={}", lab.namespace()), &["a"]).await?;
    selects(lab, &path, "metadata.name=a,metadata.name=b", &[]).await?;
    selects(lab, &path, "metadata.name!=a,metadata.name!=b", &[]).await
}

async fn commas_at_the_ends_do_not_matter(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    selects(lab, &leases(lab, ""), ",metadata.name=a", &["a"]).await?;
    selects(lab, &leases(lab, ""), "metadata.name=a,", &["a"]).await?;
    selects(lab, &leases(lab, ""), ",", &["a", "b"]).await
}

async fn an_empty_value_is_a_value(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    selects(lab, &leases(lab, ""), "metadata.name=", &[]).await?;
    selects(lab, &leases(lab, ""), "metadata.name!=", &["a"]).await
}

async fn spaces_matter(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    selects(lab, &leases(lab, ""), "metadata.name= a", &[]).await?;
    let message = "\"  metadata.name\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    refuses(lab, &leases(lab, ""), "  metadata.name=a", message).await
}

async fn commas_and_equals_signs_are_escaped(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for value in ["a\\,b", "a\\=b", "a\\\\b"] {
        selects(lab, &leases(lab, ""), &format!("metadata.name={value}"), &[]).await?;
        selects(lab, &leases(lab, ""), &format!("metadata.name!={value}"), &["a"]).await?;
    }
    Ok(())
}

async fn an_equals_sign_in_a_value_is_refused(lab: &Lab) -> Outcome {
    let message = "invalid field selector: unescaped character in value: 61";
    refuses(lab, &leases(lab, ""), "metadata.name=a=b", message).await?;
    refuses(lab, &leases(lab, ""), "metadata.name===a", message).await
}

async fn an_unknown_escape_is_refused(lab: &Lab) -> Outcome {
    refuses(lab, &leases(lab, ""), "metadata.name=\\a", "invalid field selector: invalid escape sequence: \\a").await?;
    refuses(lab, &leases(lab, ""), "metadata.name=a\\", "invalid field selector: invalid escape sequence: \\").await
}

async fn a_field_without_an_operator_is_refused(lab: &Lab) -> Outcome {
    for selector in ["metadata.name", "foo", "!metadata.name"] {
        let message = format!("invalid selector: '{selector}'; can't understand '{selector}'");
        refuses(lab, &leases(lab, ""), selector, &message).await?;
    }
    let message = "invalid selector: 'metadata.name=a,foo'; can't understand 'foo'";
    refuses(lab, &leases(lab, ""), "metadata.name=a,foo", message).await
}

async fn operators_of_labels_are_refused(lab: &Lab) -> Outcome {
    for selector in ["metadata.name in (a)", "metadata.name>a"] {
        let message = format!("invalid selector: '{selector}'; can't understand '{selector}'");
        refuses(lab, &leases(lab, ""), selector, &message).await?;
    }
    Ok(())
}

async fn a_field_that_is_not_known_is_refused(lab: &Lab) -> Outcome {
    for field in
        ["spec.holderIdentity", "metadata.labels.n", "metadata.uid", "metadata.creationTimestamp", "kind", "name"]
    {
        let message =
            format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
        refuses(lab, &leases(lab, ""), &format!("{field}=x"), &message).await?;
        refuses(lab, &leases(lab, ""), &format!("{field}!=x"), &message).await?;
    }
    Ok(())
}

async fn an_empty_field_is_refused(lab: &Lab) -> Outcome {
    let message = "\"\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    refuses(lab, &leases(lab, ""), "=a", message).await
}

async fn many_kinds_have_no_other_fields(lab: &Lab) -> Outcome {
    let message = "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    for path in [
        "/api/v1/configmaps",
        "/api/v1/persistentvolumeclaims",
        "/api/v1/persistentvolumes",
        "/api/v1/serviceaccounts",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/apps/v1/daemonsets",
        "/apis/apps/v1/deployments",
        "/apis/apps/v1/replicasets",
        "/apis/apps/v1/statefulsets",
        "/apis/autoscaling/v2/horizontalpodautoscalers",
        "/apis/batch/v1/cronjobs",
        "/apis/networking.k8s.io/v1/ingresses",
        "/apis/rbac.authorization.k8s.io/v1/roles",
        "/apis/storage.k8s.io/v1/storageclasses",
    ] {
        refuses(lab, path, "spec.x=1", message).await?;
    }
    Ok(())
}

async fn some_kinds_refuse_in_words_of_their_own(lab: &Lab) -> Outcome {
    for path in [
        "/api/v1/events",
        "/api/v1/namespaces",
        "/api/v1/nodes",
        "/api/v1/pods",
        "/api/v1/replicationcontrollers",
        "/api/v1/secrets",
        "/api/v1/services",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
        "/apis/events.k8s.io/v1/events",
    ] {
        refuses(lab, path, "spec.x=1", "field label not supported: spec.x").await?;
    }
    refuses(lab, "/apis/batch/v1/jobs", "spec.x=1", "field label \"spec.x\" not supported for Job").await
}

async fn cluster_scoped_kinds_with_fields_have_no_namespace(lab: &Lab) -> Outcome {
    for path in ["/api/v1/namespaces", "/api/v1/nodes"] {
        refuses(lab, path, "metadata.namespace=x", "field label not supported: metadata.namespace").await?;
    }
    selects(lab, "/apis/storage.k8s.io/v1/storageclasses", "metadata.namespace=x", &[]).await
}

/// A Pod that no scheduler takes.
async fn pod(lab: &Lab, name: &str, more: Value) -> Outcome {
    let mut spec = json!({
        "schedulerName": "nobody", "containers": [{"name": "c", "image": "registry.example/c:1"}],
    });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    lab.create(&lab.path("v1", "pods"), object).await?;
    Ok(())
}

async fn pods_are_selected_by_their_spec(lab: &Lab) -> Outcome {
    lab.allow_pods().await?;
    pod(lab, "a", json!({})).await?;
    pod(lab, "b", json!({"restartPolicy": "Never", "hostNetwork": true})).await?;
    let path = lab.path("v1", "pods");
    selects(lab, &path, "spec.restartPolicy=Never", &["b"]).await?;
    selects(lab, &path, "spec.restartPolicy=Always", &["a"]).await?;
    selects(lab, &path, "spec.schedulerName=nobody", &["a", "b"]).await?;
    selects(lab, &path, "spec.serviceAccountName=default", &["a", "b"]).await?;
    selects(lab, &path, "spec.hostNetwork=true", &["b"]).await?;
    selects(lab, &path, "spec.hostNetwork=false", &["a"]).await?;
    selects(lab, &path, "spec.nodeName=", &["a", "b"]).await?;
    selects(lab, &path, "spec.nodeName!=", &[]).await
}

async fn pods_are_selected_by_their_status(lab: &Lab) -> Outcome {
    lab.allow_pods().await?;
    pod(lab, "a", json!({})).await?;
    pod(lab, "b", json!({})).await?;
    let path = lab.path("v1", "pods");
    let status = json!({"status": {"phase": "Failed", "podIP": "10.9.8.7", "podIPs": [{"ip": "10.9.8.7"}]}});
    lab.patch(&format!("{path}/b/status"), crate::conformance::Patch::Merge, &status).await?.expect(200)?;
    selects(lab, &path, "status.phase=Pending", &["a"]).await?;
    selects(lab, &path, "status.phase!=Pending", &["b"]).await?;
    selects(lab, &path, "status.podIP=10.9.8.7", &["b"]).await?;
    selects(lab, &path, "status.podIP=", &["a"]).await?;
    selects(lab, &path, "status.nominatedNodeName=", &["a", "b"]).await
}

async fn pods_know_the_old_name_of_their_node(lab: &Lab) -> Outcome {
    lab.allow_pods().await?;
    pod(lab, "a", json!({})).await?;
    selects(lab, &lab.path("v1", "pods"), "spec.host=", &["a"]).await?;
    selects(lab, &lab.path("v1", "pods"), "spec.host=elsewhere", &[]).await
}

async fn events(lab: &Lab) -> Outcome {
    for (name, about, reason, kind) in [("a", "x", "Made", "Normal"), ("b", "y", "Broken", "Warning")] {
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name},
            "involvedObject": {"kind": "Gadget", "apiVersion": "example.com/v1", "name": about,
                "namespace": lab.namespace(), "uid": "u-1", "fieldPath": "spec.part"},
            "reason": reason, "message": "m", "type": kind,
            "source": {"component": "suite"}, "reportingComponent": "suite", "reportingInstance": "1",
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 1,
        });
        lab.create(&lab.path("v1", "events"), event).await?;
    }
    Ok(())
}

async fn events_are_selected_by_what_they_are_about(lab: &Lab) -> Outcome {
    events(lab).await?;
    let path = lab.path("v1", "events");
    selects(lab, &path, "involvedObject.name=x", &["a"]).await?;
    selects(lab, &path, "involvedObject.kind=Gadget,involvedObject.name!=x", &["b"]).await?;
    selects(lab, &path, &format!("involvedObject.namespace={}", lab.namespace()), &["a", "b"]).await?;
    selects(lab, &path, "involvedObject.uid=u-1,involvedObject.apiVersion=example.com/v1", &["a", "b"]).await?;
    selects(lab, &path, "involvedObject.fieldPath=spec.part,involvedObject.resourceVersion=", &["a", "b"]).await?;
    selects(lab, &path, "reason=Broken", &["b"]).await?;
    selects(lab, &path, "type=Normal", &["a"]).await?;
    selects(lab, &path, "reportingComponent=suite", &["a", "b"]).await?;
    selects(lab, &path, "source=suite", &["a", "b"]).await?;
    refuses(lab, &path, "regarding.name=x", "field label not supported: regarding.name").await
}

async fn events_of_the_newer_group_have_newer_names(lab: &Lab) -> Outcome {
    events(lab).await?;
    let path = lab.path("events.k8s.io/v1", "events");
    selects(lab, &path, "regarding.name=x", &["a"]).await?;
    selects(lab, &path, "reason=Broken,regarding.kind=Gadget", &["b"]).await?;
    selects(lab, &path, "reportingController=suite,type=Normal", &["a"]).await?;
    refuses(lab, &path, "involvedObject.name=x", "field label not supported: involvedObject.name").await
}

/// An Event in the shape of the newer group.
fn newer_event(lab: &Lab, name: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name},
        "regarding": {"kind": "Gadget", "name": "x", "namespace": lab.namespace()}, "related": {"kind": "Node", "name": "n"},
        "reason": "Made", "note": "m", "type": "Normal", "action": "Making", "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "example.com/suite", "reportingInstance": "1",
    })
}

async fn events_of_both_groups_are_the_same(lab: &Lab) -> Outcome {
    events(lab).await?;
    let (older, newer) = (lab.path("v1", "events"), lab.path("events.k8s.io/v1", "events"));
    lab.create(&newer, newer_event(lab, "c")).await?;
    for path in [&older, &newer] {
        lab.read(path).await?.expect_names(&["a", "b", "c"])?;
    }
    let about = json!({
        "kind": "Gadget", "apiVersion": "example.com/v1", "name": "x", "namespace": lab.namespace(), "uid": "u-1",
        "fieldPath": "spec.part",
    });
    let first = lab.read(&format!("{older}/a")).await?;
    let reply = lab.read(&format!("{newer}/a")).await?;
    let reply = reply
        .expect_at("/apiVersion", "events.k8s.io/v1")?
        .expect_at("/metadata", first.at("/metadata").clone())?
        .expect_at("/regarding", about)?
        .expect_at("/note", "m")?
        .expect_at("/deprecatedSource", json!({"component": "suite"}))?
        .expect_at("/deprecatedFirstTimestamp", "2026-01-01T00:00:00Z")?
        .expect_at("/deprecatedLastTimestamp", "2026-01-01T00:00:00Z")?
        .expect_at("/deprecatedCount", 1)?
        .expect_at("/reportingController", "suite")?;
    reply.ensure(reply.at("/message").is_null() && reply.at("/involvedObject").is_null(), "no older names")?;
    let reply = lab.read(&format!("{older}/c")).await?;
    reply
        .expect_at("/apiVersion", "v1")?
        .expect_at("/involvedObject/name", "x")?
        .expect_at("/message", "m")?
        .expect_at("/source", json!({}))?
        .expect_at("/related/name", "n")?
        .expect_at("/reportingComponent", "example.com/suite")?
        .expect_at("/eventTime", "2026-01-01T00:00:00.000000Z")?
        .expect_at("/metadata/managedFields/0/apiVersion", "events.k8s.io/v1")?;
    Ok(())
}

async fn events_of_both_groups_are_watched(lab: &Lab) -> Outcome {
    let (older, newer) = (lab.path("v1", "events"), lab.path("events.k8s.io/v1", "events"));
    let from = lab.read(&older).await?;
    let from = from.version();
    let mut watches = Vec::new();
    for path in [&older, &newer] {
        watches.push(lab.watch(&format!("{path}?resourceVersion={from}")).await?);
    }
    lab.create(&newer, newer_event(lab, "a")).await?;
    let patch = json!({"message": "another"});
    lab.patch(&format!("{older}/a"), crate::conformance::Patch::Merge, &patch).await?.expect(200)?;
    lab.delete(&format!("{newer}/a")).await?.expect(200)?;
    let mut versions = Vec::new();
    for (watch, field) in watches.iter_mut().zip(["message", "note"]) {
        let mut seen = Vec::new();
        for (kind, text) in [("ADDED", "m"), ("MODIFIED", "another"), ("DELETED", "another")] {
            let event = watch.event().await?;
            if event.kind != kind || event.object[field] != text {
                return Err(watch.failure(format!("{kind} with the {field} {text:?}")));
            }
            seen.push(event.version().to_owned());
        }
        versions.push(seen);
    }
    lab.read(&older).await?.ensure(versions[0] == versions[1], "the same versions")
}

async fn a_write_through_one_group_forgets_who_wrote_through_the_other(lab: &Lab) -> Outcome {
    let (older, newer) = (lab.path("v1", "events"), lab.path("events.k8s.io/v1", "events"));
    lab.create(&newer, newer_event(lab, "a")).await?;
    let patch = json!({"message": "another", "count": 7});
    let path = format!("{older}/a?fieldManager=other");
    let reply = lab.patch(&path, crate::conformance::Patch::Merge, &patch).await?.expect(200)?;
    let fields = json!({"f:count": {}, "f:message": {}});
    reply
        .expect_at("/metadata/managedFields/0/manager", "other")?
        .expect_at("/metadata/managedFields/0/apiVersion", "v1")?
        .expect_at("/metadata/managedFields/0/fieldsV1", fields)?
        .expect_at("/metadata/managedFields/1", Value::Null)?;
    let reply = lab.read(&format!("{newer}/a")).await?;
    reply.expect_at("/note", "another")?.expect_at("/deprecatedCount", 7)?;
    Ok(())
}

async fn events_of_the_newer_group_are_complete_and_fixed(lab: &Lab) -> Outcome {
    events(lab).await?;
    let newer = lab.path("events.k8s.io/v1", "events");
    let bare =
        json!({"metadata": {"name": "d"}, "regarding": {"kind": "Pod", "name": "x", "namespace": lab.namespace()}});
    lab.post(&newer, &bare).await?.expect_error(422, "Invalid")?.expect_message(
        "Event \"d\" is invalid: [eventTime: Required value, type: Invalid value: \"\": has invalid value: ]",
    )?;
    let mut dated = newer_event(lab, "d");
    dated["deprecatedCount"] = json!(2);
    lab.post(&newer, &dated).await?.expect_error(422, "Invalid")?.expect_in_message("count: Invalid value")?;
    let path = format!("{newer}/a");
    let reply = lab.patch(&path, crate::conformance::Patch::Merge, &json!({"note": "changed"})).await?;
    reply
        .expect_error(422, "Invalid")?
        .expect_message("Event \"a\" is invalid: message: Invalid value: \"changed\": field is immutable")?;
    let labels = json!({"metadata": {"labels": {"l": "1"}}});
    lab.patch(&path, crate::conformance::Patch::Merge, &labels).await?.expect(200)?;
    lab.read(&lab.path("v1", "events/a")).await?.expect_at("/metadata/labels", json!({"l": "1"}))?;
    lab.get(&format!("{newer}/z"))
        .await?
        .expect_error(404, "NotFound")?
        .expect_message("events.events.k8s.io \"z\" not found")?;
    Ok(())
}

async fn secrets_are_selected_by_type(lab: &Lab) -> Outcome {
    let path = lab.path("v1", "secrets");
    lab.create(&path, json!({"metadata": {"name": "a"}})).await?;
    lab.create(&path, json!({"metadata": {"name": "b"}, "type": "example.com/own"})).await?;
    selects(lab, &path, "type=Opaque", &["a"]).await?;
    selects(lab, &path, "type=example.com/own", &["b"]).await?;
    selects(lab, &path, "type!=Opaque,metadata.name=a", &[]).await
}

async fn namespaces_are_selected_by_phase(lab: &Lab) -> Outcome {
    let own = format!("metadata.name={}", lab.namespace());
    selects(lab, "/api/v1/namespaces", &format!("status.phase=Active,{own}"), &[lab.namespace()]).await?;
    selects(lab, "/api/v1/namespaces", &format!("status.phase=Terminating,{own}"), &[]).await?;
    refuses(lab, "/api/v1/namespaces", "name=x", "field label not supported: name").await
}

async fn nodes_are_selected_by_whether_they_take_pods(lab: &Lab) -> Outcome {
    let name = lab.name("node");
    lab.create("/api/v1/nodes", json!({"metadata": {"name": name}, "spec": {"unschedulable": true}})).await?;
    let own = format!("metadata.name={name}");
    selects(lab, "/api/v1/nodes", &format!("spec.unschedulable=true,{own}"), &[&name]).await?;
    selects(lab, "/api/v1/nodes", &format!("spec.unschedulable=false,{own}"), &[]).await
}

async fn services_are_selected_by_address_and_type(lab: &Lab) -> Outcome {
    let path = lab.path("v1", "services");
    let a = lab.create(&path, json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})).await?;
    lab.create(&path, json!({"metadata": {"name": "b"}, "spec": {"ports": [{"port": 80}], "clusterIP": "None"}}))
        .await?;
    selects(lab, &path, &format!("spec.clusterIP={}", a.str_at("/spec/clusterIP")), &["a"]).await?;
    selects(lab, &path, "spec.clusterIP=None", &["b"]).await?;
    selects(lab, &path, "spec.type=ClusterIP", &["a", "b"]).await?;
    selects(lab, &path, "spec.type=NodePort", &[]).await
}

async fn jobs_are_selected_by_success(lab: &Lab) -> Outcome {
    let path = lab.path("batch/v1", "jobs");
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "c", "image": "registry.example/c:1"}],
        }}},
    });
    lab.create(&path, job).await?;
    selects(lab, &path, "status.successful=0", &["a"]).await?;
    selects(lab, &path, "status.successful=1", &[]).await
}

async fn replica_sets_are_not_selected_by_replicas(lab: &Lab) -> Outcome {
    let message = "\"status.replicas\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    refuses(lab, &lab.path("apps/v1", "replicasets"), "status.replicas=0", message).await
}

async fn replication_controllers_are_selected_by_replicas(lab: &Lab) -> Outcome {
    let path = lab.path("v1", "replicationcontrollers");
    let object = json!({
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "a"},
        "spec": {"replicas": 0, "selector": {"app": "a"}, "template": {
            "metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "image": "registry.example/c:1"}]},
        }},
    });
    lab.create(&path, object).await?;
    selects(lab, &path, "status.replicas=0", &["a"]).await?;
    selects(lab, &path, "status.replicas=1", &[]).await
}

async fn custom_kinds_have_name_and_namespace(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    for name in ["a", "b"] {
        lab.create(&path, gadget(lab, name, json!({}))).await?;
    }
    selects(lab, &path, "metadata.name=a", &["a"]).await?;
    selects(lab, &path, &format!("metadata.namespace={}", lab.namespace()), &["a", "b"]).await
}

/// Gadgets that are selected by three fields of their spec.
async fn selectable_gadgets(lab: &Lab) -> Result<String, crate::conformance::Failure> {
    let fields = json!([{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}, {"jsonPath": ".spec.on"}]);
    let path = serve_gadgets(lab, json!({"selectableFields": fields})).await?;
    let specs =
        [("a", json!({"color": "blue", "size": 1, "on": true})), ("b", json!({"color": "red"})), ("c", json!({}))];
    for (name, spec) in specs {
        lab.create(&path, gadget(lab, name, spec)).await?;
    }
    Ok(path)
}

async fn custom_kinds_have_the_fields_that_they_name(lab: &Lab) -> Outcome {
    let path = selectable_gadgets(lab).await?;
    selects(lab, &path, "spec.color=blue", &["a"]).await?;
    selects(lab, &path, "spec.color!=blue", &["b", "c"]).await?;
    selects(lab, &path, "spec.size=1", &["a"]).await?;
    selects(lab, &path, "spec.on=true", &["a"]).await?;
    // What is not there is like an empty text.
    selects(lab, &path, "spec.color=", &["c"]).await?;
    selects(lab, &path, "spec.size=,spec.color=red", &["b"]).await
}

async fn custom_kinds_refuse_other_fields(lab: &Lab) -> Outcome {
    let path = selectable_gadgets(lab).await?;
    refuses(lab, &path, "spec.weight=1", "field label not supported: spec.weight").await?;
    refuses(lab, &path, ".spec.color=blue", "field label not supported: .spec.color").await
}

async fn selected_fields_meet_selected_labels(lab: &Lab) -> Outcome {
    super::lease(lab, "a", json!({"half": "x"})).await?;
    super::lease(lab, "b", json!({"half": "x"})).await?;
    super::lease(lab, "c", json!({})).await?;
    let path = leases(lab, "?labelSelector=half%3Dx&fieldSelector=metadata.name%21%3Da");
    lab.read(&path).await?.expect_names(&["b"])?;
    Ok(())
}

async fn a_name_that_no_object_can_have_selects_nothing(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for name in ["A B", "..", "a/b", "%"] {
        selects(lab, &leases(lab, ""), &format!("metadata.name={name}"), &[]).await?;
    }
    Ok(())
}
