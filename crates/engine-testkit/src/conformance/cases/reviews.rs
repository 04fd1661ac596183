//! What one may do: <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access>

use serde_json::{Value, json};

use super::cases;
use crate::conformance::{Lab, Outcome};

cases!("reviews":
    one_may_be_told_what_one_may_do,
    a_review_of_a_path_outside_of_resources,
    a_review_keeps_what_was_asked,
    a_review_is_not_kept,
    a_review_needs_a_question,
    a_review_has_one_question,
    the_rules_of_a_namespace_are_listed,
    rules_need_a_namespace,
    one_may_be_told_who_one_is,
    another_user_is_named_in_the_review,
    a_review_without_a_user_is_refused,
    a_local_review_is_of_its_namespace,
    reviews_can_only_be_created,
    reviews_are_not_in_a_namespace,
    a_dry_run_is_answered_too,
);

const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";

async fn one_may_be_told_what_one_may_do(lab: &Lab) -> Outcome {
    let question =
        json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": lab.namespace()}}});
    let reply = lab.post(&format!("{AUTHORIZATION}/selfsubjectaccessreviews"), &question).await?.expect(201)?;
    let reply =
        reply.expect_at("/kind", "SelfSubjectAccessReview")?.expect_at("/apiVersion", "authorization.k8s.io/v1")?;
    reply.expect_at("/status/allowed", true)?.expect_at("/status/denied", Value::Null)?;
    Ok(())
}

async fn a_review_of_a_path_outside_of_resources(lab: &Lab) -> Outcome {
    let question = json!({"spec": {"nonResourceAttributes": {"verb": "get", "path": "/version"}}});
    let reply = lab.post(&format!("{AUTHORIZATION}/selfsubjectaccessreviews"), &question).await?.expect(201)?;
    reply.expect_at("/status/allowed", true)?;
    Ok(())
}

async fn a_review_keeps_what_was_asked(lab: &Lab) -> Outcome {
    let spec = json!({"resourceAttributes": {"verb": "list", "group": "apps", "resource": "deployments", "subresource": "scale",
        "namespace": "x", "name": "y", "version": "v1"}});
    let question = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec});
    let reply = lab.post(&format!("{AUTHORIZATION}/selfsubjectaccessreviews"), &question).await?.expect(201)?;
    reply.expect_at("/spec", spec)?;
    Ok(())
}

async fn a_review_is_not_kept(lab: &Lab) -> Outcome {
    let question = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let reply = lab.post(&format!("{AUTHORIZATION}/selfsubjectaccessreviews"), &question).await?.expect(201)?;
    reply.expect_at("/metadata/uid", Value::Null)?.expect_at("/metadata/resourceVersion", Value::Null)?;
    Ok(())
}

async fn a_review_needs_a_question(lab: &Lab) -> Outcome {
    let reply = lab.post(&format!("{AUTHORIZATION}/selfsubjectaccessreviews"), &json!({"spec": {}})).await?;
    let reply =
        reply.expect_error(422, "Invalid")?.expect_causes(&[("FieldValueInvalid", "spec.resourceAttributes")])?;
    reply.expect_at(
        "/details/causes/0/message",
        "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
    )?;
    Ok(())
}

async fn a_review_has_one_question(lab: &Lab) -> Outcome {
    let question = json!({"spec": {"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"verb": "get"}}});
    let reply = lab.post(&format!("{AUTHORIZATION}/selfsubjectaccessreviews"), &question).await?;
    reply.expect_error(422, "Invalid")?.expect_causes(&[("FieldValueInvalid", "spec.nonResourceAttributes")])?;
    Ok(())
}

async fn the_rules_of_a_namespace_are_listed(lab: &Lab) -> Outcome {
    let question = json!({"spec": {"namespace": lab.namespace()}});
    let reply = lab.post(&format!("{AUTHORIZATION}/selfsubjectrulesreviews"), &question).await?.expect(201)?;
    let reply = reply.expect_at("/kind", "SelfSubjectRulesReview")?.expect_at("/status/incomplete", false)?;
    let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
    let has = reply.at("/status/resourceRules").as_array().is_some_and(|rules| rules.contains(&all));
    reply.ensure(has, "the rule of everything")?;
    let all = json!({"verbs": ["*"], "nonResourceURLs": ["*"]});
    let has = reply.at("/status/nonResourceRules").as_array().is_some_and(|rules| rules.contains(&all));
    reply.ensure(has, "the rule of every path")?;
    reply.expect_at("/spec", json!({}))?;
    Ok(())
}

async fn rules_need_a_namespace(lab: &Lab) -> Outcome {
    let reply = lab.post(&format!("{AUTHORIZATION}/selfsubjectrulesreviews"), &json!({"spec": {}})).await?;
    reply.expect_error(400, "BadRequest")?.expect_message("no namespace on request")?;
    Ok(())
}

async fn one_may_be_told_who_one_is(lab: &Lab) -> Outcome {
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let object = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    for object in [object, json!({})] {
        let reply = lab.post(path, &object).await?.expect(201)?.expect_at("/kind", "SelfSubjectReview")?;
        let user = reply.at("/status/userInfo");
        let groups = user["groups"].as_array().is_some_and(|g| g.contains(&"system:authenticated".into()));
        reply.ensure(user["username"].as_str().is_some_and(|n| !n.is_empty()) && groups, "a user and its groups")?;
        reply.ensure(reply.at("/metadata/creationTimestamp").is_string(), "when it was asked")?;
    }
    Ok(())
}

async fn another_user_is_named_in_the_review(lab: &Lab) -> Outcome {
    let question =
        json!({"spec": {"user": "conformance-nobody", "resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let reply = lab.post(&format!("{AUTHORIZATION}/subjectaccessreviews"), &question).await?.expect(201)?;
    let reply = reply.expect_at("/kind", "SubjectAccessReview")?.expect_at("/spec/user", "conformance-nobody")?;
    reply.ensure(reply.at("/status/allowed").is_boolean(), "an answer")
}

async fn a_review_without_a_user_is_refused(lab: &Lab) -> Outcome {
    let question = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let reply = lab.post(&format!("{AUTHORIZATION}/subjectaccessreviews"), &question).await?;
    let reply = reply.expect_error(422, "Invalid")?.expect_causes(&[("FieldValueInvalid", "spec.user")])?;
    reply.expect_at(
        "/details/causes/0/message",
        "Invalid value: \"\": at least one of user or group must be specified",
    )?;
    Ok(())
}

async fn a_local_review_is_of_its_namespace(lab: &Lab) -> Outcome {
    let question = |namespace: &str| {
        json!({"metadata": {"namespace": lab.namespace()}, "spec": {
            "user": "conformance-nobody", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": namespace}}})
    };
    let path = lab.path("authorization.k8s.io/v1", "localsubjectaccessreviews");
    let reply = lab.post(&path, &question(lab.namespace())).await?.expect(201)?;
    reply.expect_at("/kind", "LocalSubjectAccessReview")?.expect_at("/metadata/namespace", lab.namespace())?;
    let reply = lab.post(&path, &question("other")).await?.expect_error(422, "Invalid")?;
    reply.expect_causes(&[("FieldValueInvalid", "spec.resourceAttributes.namespace")])?;
    Ok(())
}

async fn reviews_can_only_be_created(lab: &Lab) -> Outcome {
    let path = format!("{AUTHORIZATION}/selfsubjectaccessreviews");
    lab.get(&path).await?.expect_error(405, "MethodNotAllowed")?;
    lab.delete(&path).await?.expect_error(405, "MethodNotAllowed")?;
    lab.get(&format!("{path}/x")).await?.expect_error(404, "NotFound")?;
    Ok(())
}

async fn reviews_are_not_in_a_namespace(lab: &Lab) -> Outcome {
    let path = lab.path("authorization.k8s.io/v1", "selfsubjectaccessreviews");
    lab.post(&path, &json!({"spec": {}})).await?.expect_error(404, "NotFound")?;
    lab.post(&format!("{AUTHORIZATION}/localsubjectaccessreviews"), &json!({"spec": {}})).await?.expect(404)?;
    Ok(())
}

async fn a_dry_run_is_answered_too(lab: &Lab) -> Outcome {
    let question = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let reply =
        lab.post(&format!("{AUTHORIZATION}/selfsubjectaccessreviews?dryRun=All"), &question).await?.expect(201)?;
    reply.expect_at("/status/allowed", true)?;
    Ok(())
}
