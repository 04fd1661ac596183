//! Validation: enough of the real rules that a wrong manifest fails here as it would there.

use serde_json::Value;

use super::{Empties, immutable, meta, names, rules};
use crate::{
    crd::{self, CrdVersion},
    json::{self, str_at},
    resources::group_of,
    status::{About, ApiError, Cause},
    write::{Target, scale},
};

/// A new object: the kind's own rules, then what holds for all kinds.
pub(crate) fn validate_create(target: &Target<'_>, object: &Value, sent: &Empties) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    other_kind(target, object, None, &mut causes)?;
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
    by_rules(target, object, None, &mut causes);
    own_rules(target, object, None, &mut causes);
    if target.resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        crd::validate_definition_name(object, &mut causes);
        crd::validate_definition(object, None, &mut causes);
    }
    finish(target, causes, sent)
}

/// Refuses a custom resource that is not of the target's kind, which is not known before it is judged. Nothing else is asked
/// of it but that its lists are sets and maps, and that the definition's rules hold.
fn other_kind(
    target: &Target<'_>,
    object: &Value,
    before: Option<&Value>,
    causes: &mut Vec<Cause>,
) -> Result<(), ApiError> {
    let (kind, api_version) = (str_at(object, &["kind"]), str_at(object, &["apiVersion"]));
    let wanted = target.resource.api_version(target.version);
    if !target.resource.is_custom() || kind == target.resource.kind && api_version == wanted {
        return Ok(());
    }
    for (field, said, wanted) in [("kind", kind, &target.resource.kind), ("apiVersion", api_version, &wanted)] {
        if said != wanted {
            causes.push(Cause::invalid(field, &said.into(), format!("must be {wanted}")));
        }
    }
    let schema = target.resource.crd.get(target.version).and_then(|version| version.openapi.as_ref());
    if let Some(schema) = schema {
        crd::validate_lists(object, schema, before, causes);
    }
    by_rules(target, object, before, causes);
    Err(ApiError::invalid(About { group: group_of(api_version), resource: kind, ..target.about_kind() }, causes))
}

/// Refuses a change of a custom resource into one of another version.
pub(crate) fn refuse_version(target: &Target<'_>, before: &Value, after: &Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    meta::validate(after, names::Rule::PathSegment, &mut causes);
    meta::validate_update(before, after, &mut causes);
    other_kind(target, after, Some(before), &mut causes)
}

/// The rules in CEL of a custom resource's definition. Returns warnings: complaints about what was as wrong before.
fn by_rules(target: &Target<'_>, object: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) -> Vec<String> {
    let version = target.resource.crd.get(target.version);
    let Some(rules) = version.and_then(|version| version.rules.as_ref()) else { return Vec::new() };
    // Rules see metadata as it is stored, without what is empty in it; what the server writes last is in none of the two.
    let stored = |object: &Value| {
        let mut stored = object.clone();
        json::remove(&mut stored, &["metadata", "managedFields"]);
        json::remove(&mut stored, &["metadata", "resourceVersion"]);
        super::encode_metadata(&mut stored);
        stored
    };
    let mut judged = rules.judge(&stored(object), before.map(stored).as_ref(), causes);
    causes.append(&mut judged.causes);
    judged.warnings
}

/// A change of an object: what holds for all kinds, then the kind's own rules. `warn` is told what is wrong and was before.
pub(crate) fn validate_update(
    target: &Target<'_>,
    before: &Value,
    after: &Value,
    sent: &Empties,
    warn: impl FnOnce(Vec<String>),
) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    meta::validate(after, names::Rule::PathSegment, &mut causes);
    meta::validate_update(before, after, &mut causes);
    other_kind(target, after, Some(before), &mut causes)?;
    if rules::change(target, before, after, sent, &mut causes) {
        return finish(target, causes, sent);
    }
    // The kinds look once more.
    meta::validate_update(before, after, &mut causes);
    if target.subresource.is_empty() || target.subresource == "scale" {
        common(target, after, Some(before), &mut causes);
    } else if let Some(version) = target.resource.crd.get(target.version) {
        custom_status(version, before, after, &mut causes);
    }
    warn(by_rules(target, after, Some(before), &mut causes));
    own_rules(target, after, Some(before), &mut causes);
    if target.subresource == "status" && rules::status_asks_for_qualified_finalizers(target) {
        meta::qualified_finalizers(after, &mut causes);
    }
    if target.resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        match target.subresource {
            "" => crd::validate_definition(after, Some(before), &mut causes),
            _ => crd::validate_definition_status(after, &mut causes),
        }
    }
    immutable::check(target, before, after, &mut causes);
    if target.resource.is("", "pods") && target.subresource == "status" {
        rules::pod_status_updated(before, after, &mut causes);
    }
    finish(target, causes, sent)
}

/// The status of a custom resource, which is judged alone.
fn custom_status(version: &CrdVersion, before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    if let (Some(schema), Some(status)) = (&version.openapi, after.get("status")) {
        crd::validate_status(status, schema, before.get("status"), causes);
    }
    if let Some(scale) = &version.scale {
        scale::validate_status(after, scale, causes);
    }
    if let Some(schema) = &version.openapi {
        crd::validate_lists(after, schema, Some(before), causes);
    }
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
    if let Some(version) = target.resource.crd.get(target.version) {
        if let Some(schema) = &version.openapi {
            crd::validate(object, schema, before, causes);
        }
        if let Some(scale) = &version.scale {
            scale::validate_spec(object, scale, causes);
            scale::validate_status(object, scale, causes);
        }
        if let Some(schema) = &version.openapi {
            crd::validate_lists(object, schema, before, causes);
        }
        return;
    }
    let (group, resource) = (&*target.resource.gr.group, &*target.resource.gr.resource);
    // Definitions are held by a finalizer of the server's own, which is not qualified.
    let asked = !target.resource.is("", "events");
    if asked
        && !matches!(group, "apiextensions.k8s.io" | "admissionregistration.k8s.io" | "coordination.k8s.io" | "policy")
    {
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
