//! Validation: enough of the real rules that a wrong manifest fails here as it would there.

use serde_json::Value;

use super::{Empties, immutable, meta, names, rules};
use crate::{
    crd,
    status::{ApiError, Cause},
    write::Target,
};

/// A new object: the kind's own rules, then what holds for all kinds.
pub(crate) fn validate_create(target: &Target<'_>, object: &Value, sent: &Empties) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    let rule = names::rule_for(&target.resource.gr.group, &target.resource.gr.resource);
    if target.resource.is("", "events") || target.resource.is("policy", "poddisruptionbudgets") {
        // Their own rules ask nothing of metadata, and so only what holds for all kinds is asked, in the end.
        common(target, object, None, &mut causes);
        own_rules(target, object, None, &mut causes);
        if causes.is_empty() {
            meta::validate(object, names::Rule::PathSegment, &mut causes);
        }
        return finish(target, causes, sent);
    }
    meta::validate(object, rule, &mut causes);
    common(target, object, None, &mut causes);
    own_rules(target, object, None, &mut causes);
    if target.resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        crd::validate_definition_name(object, &mut causes);
        crd::validate_definition(object, &mut causes);
    }
    finish(target, causes, sent)
}

/// A change of an object: what holds for all kinds, then the kind's own rules.
pub(crate) fn validate_update(
    target: &Target<'_>,
    before: &Value,
    after: &Value,
    sent: &Empties,
) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    meta::validate(after, names::Rule::PathSegment, &mut causes);
    meta::validate_update(before, after, &mut causes);
    if rules::change(target, before, after, &mut causes) {
        return finish(target, causes, sent);
    }
    // The kinds look once more.
    meta::validate_update(before, after, &mut causes);
    if target.subresource.is_empty() || target.subresource == "scale" {
        common(target, after, Some(before), &mut causes);
    }
    own_rules(target, after, Some(before), &mut causes);
    if target.subresource.is_empty() && target.resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        crd::validate_definition(after, &mut causes);
        crd::validate_definition_update(before, after, &mut causes);
    }
    immutable::check(target, before, after, &mut causes);
    if target.resource.is("", "pods") && target.subresource == "status" {
        rules::pod_status_updated(before, after, &mut causes);
    }
    finish(target, causes, sent)
}

fn own_rules(target: &Target<'_>, after: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let (group, resource) = (&*target.resource.gr.group, &*target.resource.gr.resource);
    let change = rules::Change { group, resource, subresource: target.subresource, before, after };
    rules::validate_change(&change, causes);
}

fn finish(target: &Target<'_>, mut causes: Vec<Cause>, sent: &Empties) -> Result<(), ApiError> {
    sent.show(&mut causes);
    if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid(target.about_kind(), &causes)) }
}

fn common(target: &Target<'_>, object: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    if let Some(version) =
        target.resource.crd.get(&target.resource.storage_version).or_else(|| target.resource.crd.get(target.version))
    {
        if let Some(schema) = &version.openapi {
            crd::validate(object, schema, before, causes);
        }
        return;
    }
    let (group, resource) = (&*target.resource.gr.group, &*target.resource.gr.resource);
    // Definitions are held by a finalizer of the server's own, which is not qualified.
    if !matches!(group, "apiextensions.k8s.io" | "admissionregistration.k8s.io" | "coordination.k8s.io" | "policy") {
        meta::qualified_finalizers(object, causes);
    }
    if target.resource.is("", "pods") {
        rules::pod(object, causes);
        match before {
            Some(before) => rules::pod_updated(before, object, causes),
            None => rules::pod_created(object, causes),
        }
    }
    if target.resource.is("events.k8s.io", "events") && before.is_none() {
        rules::made_newer(object, causes);
    }
    rules::validate(group, resource, object, causes);
}
