//! Updating objects: PUT, and the end of every patch.

use std::{borrow::Cow, sync::Arc};

use gitops_engine_schema::{ManagedFields, PathElement, Versions as _, managed::ResetFields};
use serde_json::{Map, Value, json};

use super::{
    Answer, Options, Outcome, Target, create::How, has_generation, read_body, to_storage, to_storage_as_applied,
};
use crate::{
    admission::{self, Doubled},
    crd, json, literal,
    resources::Resource,
    state::State,
    status::{ApiError, Cause},
    store::{ObjectKey, Stored},
};

/// PUT.
pub(crate) fn update(
    state: &mut State,
    target: Target<'_>,
    mut body: Value,
    options: &Options,
) -> Result<Answer, ApiError> {
    read_body(&target, &mut body, options)?;
    let name = json::str_at(&body, &["metadata", "name"]);
    if name != target.name {
        return Err(super::wrong_name(&target, name));
    }
    options.warn(admission::drop_doubled_owners(&mut body, Doubled::Sent));
    let Some(before) = state.store.get(&target.resource.gr, target.namespace, target.name).cloned() else {
        if super::allows_create_on_update(target.resource, target.subresource) {
            check_uid(&target, "", &body, options)?;
            version_of(&body)?;
            return super::create::create(state, target, body, options, How::Put);
        }
        return Err(ApiError::not_found(target.about()));
    };
    check_uid(&target, before.uid(), &body, options)?;
    check_version(&target, &before, &body)?;
    check_condition(&target, &body)?;
    finish(state, target, &before, body, options, None)
}

/// The body of a PUT that names a uid must name the current one, of which there is none for what is not there.
pub(super) fn check_uid(target: &Target<'_>, uid: &str, body: &Value, options: &Options) -> Result<(), ApiError> {
    let asked = json::str_at(body, &["metadata", "uid"]);
    if !asked.is_empty() && asked != uid {
        return Err(precondition_failed(target, "UID", asked, uid, options));
    }
    Ok(())
}

/// That the object is not the one that a client means: the storage finds that out.
pub(super) fn precondition_failed(
    target: &Target<'_>,
    what: &str,
    wanted: &str,
    have: &str,
    options: &Options,
) -> ApiError {
    let key = storage_key(target, options);
    ApiError::conflict(
        target.about(),
        format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
             failed: {what} in precondition: {wanted}, {what} in object meta: {have}"
        ),
    )
}

/// Where a real server keeps the object, which some of its errors tell.
pub(super) fn storage_key(target: &Target<'_>, options: &Options) -> String {
    let (group, resource) = (&*target.resource.gr.group, &*target.resource.gr.resource);
    let place = match (group, resource) {
        ("", "replicationcontrollers") => "controllers".to_owned(),
        ("", "endpoints") => "services/endpoints".to_owned(),
        ("", "services") => "services/specs".to_owned(),
        ("", "nodes") => "minions".to_owned(),
        ("networking.k8s.io", "ingresses") => "ingress".to_owned(),
        ("apiextensions.k8s.io" | "apiregistration.k8s.io", _) => format!("{group}/{resource}"),
        _ if target.resource.is_custom() => format!("{group}/{resource}"),
        _ => resource.to_owned(),
    };
    // What is not written is looked up without the prefix of the storage.
    let root = if options.dry_run { "" } else { "/registry" };
    format!("{root}/{place}/{}", crate::store::key(target.namespace, target.name).trim_start_matches('/'))
}

/// The version that a body names; none and 0 are the same.
pub(super) fn version_of(body: &Value) -> Result<u64, ApiError> {
    match json::str_at(body, &["metadata", "resourceVersion"]) {
        "" => Ok(0),
        text => literal::unsigned(text).map_err(|why| {
            let message = format!("strconv.ParseUint: parsing {text:?}: {why}");
            ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "", message)
        }),
    }
}

/// A body that names a version must name the current one.
pub(crate) fn check_version(target: &Target<'_>, before: &Stored, body: &Value) -> Result<(), ApiError> {
    let version = version_of(body)?;
    if version != 0 && Ok(version) != json::str_at(&before.value, &["metadata", "resourceVersion"]).parse() {
        return Err(ApiError::modified(target.about()));
    }
    Ok(())
}

/// Some kinds are changed only by who names the version that he knows.
pub(super) fn check_condition(target: &Target<'_>, body: &Value) -> Result<(), ApiError> {
    if version_of(body)? != 0 || super::allows_unconditional_update(target.resource) {
        return Ok(());
    }
    let cause = Cause::invalid("metadata.resourceVersion", &Value::from(0), "must be specified for an update");
    Err(ApiError::invalid(target.about(), &[cause]))
}

/// Whether a change is one that `metadata.generation` counts.
fn counts(target: &Target<'_>, before: &Value, after: &Value) -> bool {
    let resource = target.resource;
    // The classes of priorities have a generation that nothing changes.
    let fixed = resource.is("scheduling.k8s.io", "priorityclasses");
    if !has_generation(resource) || fixed || target.subresource == "status" {
        return false;
    }
    // A Deployment hands its annotations on.
    let annotations = |object: &Value| json::get(object, &["metadata", "annotations"]).cloned();
    generation_part(resource, target.version, before) != generation_part(resource, target.version, after)
        || resource.is("apps", "deployments") && annotations(before) != annotations(after)
}

/// Everything of the object that counts for `metadata.generation`.
fn generation_part(resource: &Resource, version: &str, object: &Value) -> Value {
    let mut part = object.as_object().cloned().unwrap_or_default();
    for key in ["apiVersion", "kind", "metadata"] {
        part.remove(key);
    }
    if resource.has_status(version) || !resource.is_custom() {
        part.remove("status");
    }
    // Slices are found by their labels, which count as well.
    if resource.is("discovery.k8s.io", "endpointslices") {
        part.insert("labels".to_owned(), json::get(object, &["metadata", "labels"]).cloned().unwrap_or_default());
    }
    Value::Object(part)
}

/// Whether a change is one that the kind counts although it stores nothing of it: a list or map that is sent empty is not
/// what was stored, which is nothing.
fn counts_empty(resource: &Resource, sent: &Value, filled: &Value) -> bool {
    let field = match (&*resource.gr.group, &*resource.gr.resource) {
        ("networking.k8s.io", "networkpolicies") => "spec",
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations") => {
            "webhooks"
        }
        _ => return false,
    };
    admission::has_empty(resource, sent, filled, field)
}

/// That an object is being deleted, in metadata.
const ENDS: [&str; 2] = ["deletionTimestamp", "deletionGracePeriodSeconds"];

/// What only the server sets in metadata.
fn keep_server_fields(before: &Value, after: &mut Value) {
    for field in ["creationTimestamp", "generation", "name"] {
        json::copy(before, after, &["metadata", field]);
    }
    if json::get(before, &["metadata", "deletionTimestamp"]).is_some() {
        json::copy(before, after, &["metadata", "deletionTimestamp"]);
    }
    for field in ["namespace", "uid", "deletionGracePeriodSeconds"] {
        if json::get(after, &["metadata", field]).is_none_or(|value| value == "") {
            json::copy(before, after, &["metadata", field]);
        }
    }
}

/// Writes `after` over `before`, as far as the (sub)resource may. `applied` carries the ownership of a server-side apply.
pub(crate) fn finish(
    state: &mut State,
    target: Target<'_>,
    before: &Arc<Stored>,
    mut after: Value,
    options: &Options,
    applied: Option<ManagedFields>,
) -> Result<Answer, ApiError> {
    let resource = target.resource;
    let live = resource.live(before, target.version);
    let old = &*live;
    // Whole numbers are read back as integers, and so differ from what was sent.
    let floats = resource.is_custom()
        && applied.is_none()
        && target.subresource.is_empty()
        && json::has_whole_floats(&generation_part(resource, target.version, &after));
    if resource.is_custom() && json::get(&after, &["metadata", "managedFields"]).is_some_and(|m| m == &json!([])) {
        // Read without a type of its own, an empty list is none.
        json::remove(&mut after, &["metadata", "managedFields"]);
    }
    let typed = applied.is_some() || super::is_typed(&target, &after);
    // A client may rewrite or reset the entries; leaving them out keeps them.
    let mut sent_managed = ManagedFields::sent(old, &after, target.subresource);
    let sent = admission::Empties::of(&after);
    let tells = !sent.is_empty() || admission::has_amounts_in_lists(resource);
    let with_empties = (tells && !resource.is_custom()).then(|| after.clone());
    match applied {
        Some(_) => to_storage_as_applied(&target, &mut after),
        None => to_storage(&target, &mut after),
    }
    // What another version of a custom resource owns is lost with what a write leaves out, whether it reaches that or not.
    let mut untouched = (resource.is_custom() && applied.is_none()).then(|| after.clone());
    // Before anything is put back, which nobody has to be told about.
    admission::default(resource, &mut after);
    let sent_empty = with_empties.as_ref().is_some_and(|sent| counts_empty(resource, sent, &after));
    let typed = typed && super::is_keyed(&target, &after) && super::is_keyed(&target, old);
    // Whoever leaves out that the object is being deleted takes that from those who own it, and whoever says another time
    // owns it, though it is put back.
    let ends = ENDS.map(|field| json::get(&after, &["metadata", field]).filter(|v| !v.is_null()).cloned());
    match target.subresource {
        "status" | "approval" => {
            keep_server_fields(old, &mut after);
            if untouched.is_none() && resource.versions.len() > 1 {
                // What is reset may be elsewhere in another version, and there it is gone.
                untouched = Some(after.clone());
            }
            let api_version = resource.api_version(target.version);
            if let Some(ResetFields::These(reset)) = resource.reset_fields(&api_version, target.subresource) {
                for path in reset.paths() {
                    let path: Vec<&str> = path.0.iter().filter_map(PathElement::as_field).collect();
                    json::copy(old, &mut after, &path);
                }
            }
            if resource.is_custom() {
                // Also what stands beside spec and status.
                let status = after.get("status").cloned();
                after = old.clone();
                match status {
                    Some(status) => after["status"] = status,
                    None => {
                        json::remove(&mut after, &["status"]);
                    }
                }
            }
        }
        "ephemeralcontainers" | "resize" => {
            keep_server_fields(old, &mut after);
            // Whoever sends what these do not reach owns it all the same.
            untouched = Some(after.clone());
            admission::reach_of_pod(target.subresource, old, &mut after);
        }
        "finalize" => {
            let finalizers = json::get(&after, &["spec", "finalizers"]).cloned();
            after = old.clone();
            json::set(&mut after, &["spec", "finalizers"], finalizers.unwrap_or(Value::Array(Vec::new())));
        }
        _ => {
            keep_server_fields(old, &mut after);
            if resource.has_status(target.version) {
                json::copy(old, &mut after, &["status"]);
            }
        }
    }
    let managed = match applied {
        Some(managed) => managed,
        None => {
            let api_version = resource.api_version(target.version);
            let time = options.now.rfc3339();
            let writer = options.writer(&api_version, target.subresource, &time);
            if typed {
                let mut told = Cow::Borrowed(untouched.as_ref().unwrap_or(&after));
                if before.is_terminating() {
                    for (field, sent) in ENDS.into_iter().zip(ends) {
                        json::remove(told.to_mut(), &["metadata", field]);
                        if let Some(sent) = sent {
                            json::set(told.to_mut(), &["metadata", field], sent);
                        }
                    }
                }
                if let Some(with) = with_empties.as_ref().filter(|_| target.version == &*resource.storage_version) {
                    admission::put_empties_back(resource, &api_version, with, told.to_mut());
                }
                // The client sees both in its own version, and so does whoever compares them.
                let versions = resource.served_at(target.version);
                let own = |object| match resource.is_custom() {
                    true => Cow::Borrowed(object),
                    false => versions.convert(object, &api_version).unwrap_or(Cow::Borrowed(object)),
                };
                let fits = |object: &Value| super::misfit(&target, sent_managed.entries(), object).is_none();
                if fits(old) && fits(&told) && super::is_typed(&target, old) {
                    sent_managed.update(&versions, &own(old), &own(&told), &writer);
                    sent_managed
                } else {
                    ManagedFields::default()
                }
            } else {
                ManagedFields::default()
            }
        }
    };
    // What holds a namespace is put back when everybody knows that it was left out.
    if target.subresource.is_empty() && resource.is("", "namespaces") {
        json::copy(old, &mut after, &["spec", "finalizers"]);
    }
    admission::admit(state, &target, &mut after, Some(old), options)?;
    if options.course.is_some() {
        let mut seen = after.clone();
        managed.clone().write(&mut seen);
        if options.mutate(&target, Some(before), &mut seen)? {
            json::remove(&mut seen, &["metadata", "managedFields"]);
            admission::decode(&target, &mut seen, admission::Source::Body, &options.ignoring())?;
            to_storage(&target, &mut seen);
            keep_server_fields(old, &mut seen);
            if resource.has_status(target.version) && target.subresource.is_empty() {
                json::copy(old, &mut seen, &["status"]);
            }
            admission::default(resource, &mut seen);
            admission::admit(state, &target, &mut seen, Some(old), options)?;
            after = seen;
        }
        options.warn(admission::drop_doubled_owners(&mut after, Doubled::Admitted));
    }
    let drawn = state.drawn();
    // What a client sent is settled: the entries are those of the server from here on.
    json::remove(&mut after, &["metadata", "managedFields"]);
    // A Service is completed and judged by what reads show of it.
    let shown = resource.is("", "services") && target.subresource.is_empty();
    let judged = if shown { &before.value } else { old };
    if let Err(e) = admission::allocate(state, &target, &mut after, Some(judged), options.dry_run) {
        state.put_back(drawn);
        return Err(e);
    }
    admission::prepare(state, resource, &mut after, Some(judged), options.now);
    admission::validate_update(&target, judged, &after, &sent, |warnings| options.warn(warnings))?;
    if floats || sent_empty || counts(&target, old, &after) {
        let generation = json::i64_at(old, &["metadata", "generation"]).unwrap_or(0);
        json::set(&mut after, &["metadata", "generation"], generation + 1);
    }
    options.warn(admission::network_warnings(&target, Some(old), &after));
    match target.subresource {
        "" | "scale" => options.warn(admission::warnings(resource, &after, Some(old))),
        "status" => options.warn(admission::warnings_of_status(resource, &after)),
        _ => {}
    }
    json::remove(&mut after, &["metadata", "managedFields"]);
    managed.write(&mut after);
    json::copy(old, &mut after, &["metadata", "resourceVersion"]);
    let refused = admission::refuse_change(state, &target, old, &after, options);
    let allowed = refused
        .and_then(|()| options.admit(state, &target, Some(before), Some(&after)))
        .and_then(|()| admission::charge(state, &target, Some(old), &after, options));
    if let Err(e) = allowed {
        state.put_back(drawn);
        return Err(e);
    }
    // A new claim is stored without the phase that it is shown with, and so the first change of it is always one.
    let completed = before.first && resource.is("", "persistentvolumeclaims");
    let finished = is_finished(resource, &after);
    if !options.dry_run && !finished {
        // What is not stored is told all the same where nothing is.
        json::remove(&mut after, &["metadata", "selfLink"]);
    }
    // What goes with a write goes also with one that changes nothing else.
    let unchanged = !completed && !finished && is_unchanged(resource, before, old, &mut after);
    // The status of a Service is shown with what reads of it leave out.
    let shows_whole = target.subresource == "status";
    let outcome = |stored: Arc<Stored>| match shows_whole && stored.hides() {
        true => Outcome::Value(stored.whole().into_owned()),
        false => Outcome::Stored(stored),
    };
    if unchanged {
        return Ok(Answer::of(outcome(before.clone())));
    }
    // What goes with this write is not read back any more.
    let written = match finished {
        true => None,
        false => admission::default_stored(resource, &mut after).or_else(|| crd::read_stored(resource, &mut after)),
    };
    if finished && let Some(sent) = &with_empties {
        admission::unread(sent, &mut after);
    }
    if options.dry_run {
        if resource.is_custom() && !finished {
            after = crd::read_as(resource, written.as_ref().unwrap_or(&after), target.version);
        }
        if !shows_whole && !finished {
            crate::store::hide(&mut after);
        }
        return Ok(Answer::of(Outcome::Value(after)));
    }
    if finished {
        // No write of its own: watches see what was stored before, deleted.
        state.remove(&ObjectKey::new(&resource.gr, target.namespace, target.name));
        return Ok(Answer::of(Outcome::Value(after)));
    }
    let stored = state.store.put_filled(&resource.gr, after, written);
    state.registry_follows(&resource.gr, Some(old), Some(&stored.value));
    Ok(Answer::of(outcome(stored)))
}

/// Whether a write changes nothing.
fn is_unchanged(resource: &Resource, before: &Stored, old: &Value, after: &mut Value) -> bool {
    let same = without_times(after) == without_times(old);
    if !resource.is_custom() {
        return same && before.is_stored_as_read();
    }
    if same {
        json::copy(old, after, &["metadata", "managedFields"]);
    }
    let written = crd::written(resource, after);
    written == crd::written(resource, old) && written == *before.as_written()
}

/// The object without the times of its managed fields: a write that would only renew those is none.
fn without_times(object: &Value) -> Value {
    let mut object = object.clone();
    let entries = object.get_mut("metadata").and_then(|m| m.get_mut("managedFields")).and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        json::remove(entry, &["time"]);
    }
    object
}

/// Whether a deleted object has nothing left to wait for.
fn is_finished(resource: &Resource, object: &Value) -> bool {
    let metadata = object.get("metadata").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
    let finalizers = |v: Option<&Value>| v.and_then(Value::as_array).is_some_and(|f| !f.is_empty());
    metadata.contains_key("deletionTimestamp")
        && !finalizers(metadata.get("finalizers"))
        && metadata.get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0) == 0
        && !(resource.is("", "namespaces") && finalizers(json::get(object, &["spec", "finalizers"])))
}
