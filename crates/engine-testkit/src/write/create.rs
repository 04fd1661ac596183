//! Creating objects.

use gitops_engine_schema::ManagedFields;
use serde_json::Value;

use super::{Answer, Options, Outcome, Target, has_generation, read_body, to_storage, to_storage_as_applied};
use crate::{
    admission::{self, Doubled},
    crd, json,
    state::State,
    status::{About, ApiError},
};

/// What creates an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum How {
    Posted,
    /// A PUT of what was not there. The body is read already.
    Put,
    /// A server-side apply, with the ownership that came of it. The body is read already.
    Applied(ManagedFields),
}

/// Creates an object.
pub(crate) fn create(
    state: &mut State,
    target: Target<'_>,
    mut body: Value,
    options: &Options,
    how: How,
) -> Result<Answer, ApiError> {
    let drawn = state.drawn();
    if how == How::Posted {
        read_body(&target, &mut body, options)?;
        options.warn(admission::drop_doubled_owners(&mut body, Doubled::Sent));
    }
    let mut name = json::str_at(&body, &["metadata", "name"]).to_owned();
    let generated = name.is_empty() && !json::str_at(&body, &["metadata", "generateName"]).is_empty();
    if generated {
        let prefix = json::str_at(&body, &["metadata", "generateName"]).to_owned();
        name = format!("{prefix}{}", state.seed.name_suffix());
        json::set(&mut body, &["metadata", "name"], name.as_str());
    }
    if name.is_empty() && target.resource.is("", "limitranges") {
        // The only kind that is given a name without asking for one.
        name = state.seed.uid();
        json::set(&mut body, &["metadata", "name"], name.as_str());
    }
    let target = Target { name: &name, ..target };
    in_live_namespace(state, &target)?;

    let sent = admission::Empties::of(&body);
    let typed = matches!(how, How::Applied(_)) || super::is_typed(&target, &body);
    match how {
        How::Applied(_) => to_storage_as_applied(&target, &mut body),
        How::Posted | How::Put => to_storage(&target, &mut body),
    }
    // A kubelet that registers its node says at once what that has.
    if target.resource.has_status(target.version) && !target.resource.is("", "nodes") {
        json::remove(&mut body, &["status"]);
    }
    let resource = target.resource;
    for field in ["uid", "creationTimestamp"] {
        json::remove(&mut body, &["metadata", field]);
    }
    // What a PUT or an apply makes may be on its way out from the first.
    if how == How::Posted {
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
            json::remove(&mut body, &["metadata", field]);
        }
    }
    // Of kinds that do not count, a client may say what it likes.
    if has_generation(resource) {
        json::remove(&mut body, &["metadata", "generation"]);
    }
    json::remove(&mut body, &["metadata", "managedFields"]);
    // An object whose name is made up is a copy, which shares nothing with itself.
    let shared_labels = !generated && admission::takes_template_labels(resource, &body);
    admission::default(resource, &mut body);
    let typed = typed && super::is_keyed(&target, &body);
    let api_version = resource.api_version(target.version);
    let posted = how == How::Posted;
    let managed = if let How::Applied(managed) = how {
        managed
    } else {
        let mut managed = ManagedFields::default();
        let mut nothing = resource.schema(target.version).empty_object();
        admission::encode(resource, &mut nothing);
        let time = options.now.rfc3339();
        if typed {
            managed.update(
                &resource.served_at(target.version),
                &nothing,
                &body,
                &options.writer(&api_version, "", &time),
            );
        }
        managed
    };
    let seen_target = Target { name: if generated { "" } else { target.name }, ..target };
    let admitted = admission::admit(state, &seen_target, &mut body, None, options).and_then(|early| {
        options.warn(early);
        mutate(&target, generated, &mut body, &managed, options)?;
        // What webhooks changed is looked at once more.
        if options.course.is_some() {
            options.warn(admission::drop_doubled_owners(&mut body, Doubled::Admitted));
            admission::admit(state, &target, &mut body, None, options).map(|_| ())
        } else {
            Ok(())
        }
    });
    if let Err(e) = admitted {
        state.put_back(drawn);
        return Err(e);
    }
    json::set(&mut body, &["metadata", "uid"], state.seed.uid());
    json::set(&mut body, &["metadata", "creationTimestamp"], options.now.rfc3339());
    if has_generation(resource) {
        json::set(&mut body, &["metadata", "generation"], 1);
    }
    if let Err(e) = admission::allocate(state, &target, &mut body, None, options.dry_run) {
        // What was drawn for an object without a name is lost, since nobody could give it back by its name.
        if !name.is_empty() {
            state.put_back(drawn);
        }
        return Err(e);
    }
    admission::prepare(state, resource, &mut body, None, options.now);
    if shared_labels && let Some(labels) = json::get(&body, &["spec", "template", "metadata", "labels"]).cloned() {
        json::set(&mut body, &["metadata", "labels"], labels);
    }
    admission::validate_create(&target, &body, &sent)?;
    options.warn(admission::warnings(resource, &body, None));
    options.warn(admission::network_warnings(&target, None, &body));
    managed.write(&mut body);
    let refused = admission::refuse(state, &target, &body, &sent, options);
    if let Err(e) = refused.and_then(|()| options.admit(state, &target, None, Some(&body))) {
        state.put_back(drawn);
        return Err(e);
    }
    if let Err(e) = admission::charge(state, &target, None, &body, options) {
        // The next name is another one, and addresses are free again.
        state.put_back((state.seed.clone(), drawn.1, drawn.2));
        return Err(e);
    }
    let has_version = json::str_at(&body, &["metadata", "resourceVersion"]).parse().is_ok_and(|v: u64| v != 0);
    if has_version && !options.dry_run && posted {
        // An unwrapped error of the storage on a real server, and so without a reason.
        let message = "resourceVersion should not be set on objects to be created";
        return Err(ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "", message));
    }
    if let Some(other) = state.store.get(&resource.gr, target.namespace, &name) {
        let mut e = ApiError::already_exists(target.about());
        if other.is_terminating() {
            e.message.insert_str(0, "object is being deleted: ");
        }
        if !json::str_at(&body, &["metadata", "generateName"]).is_empty() {
            e.message.push_str(", the server was not able to generate a unique name for the object");
            e.retry_after = Some(1);
        }
        return Err(e);
    }
    if !options.dry_run {
        json::remove(&mut body, &["metadata", "selfLink"]);
    }
    // A trial is read back, too.
    let written = admission::default_stored(resource, &mut body);
    let written = written.or(crd::read_stored(resource, &mut body));
    let outcome = if options.dry_run {
        if resource.is_custom() {
            body = crd::read_as(resource, written.as_ref().unwrap_or(&body), target.version);
        }
        crate::store::hide(&mut body);
        Outcome::Value(body)
    } else {
        json::remove(&mut body, &["metadata", "resourceVersion"]);
        let stored = state.store.put_filled(&resource.gr, body, written);
        state.registry_follows(&resource.gr, None, Some(&stored.value));
        Outcome::Stored(stored)
    };
    Ok(Answer { created: true, ..Answer::of(outcome) })
}

/// Lets the mutating webhooks have their say. They see no name that is yet to be made up, and change no ownership.
fn mutate(
    target: &Target<'_>,
    generated: bool,
    body: &mut Value,
    managed: &ManagedFields,
    options: &Options,
) -> Result<(), ApiError> {
    if options.course.is_none() {
        return Ok(());
    }
    let mut seen = body.clone();
    managed.write(&mut seen);
    let seen_target = Target { name: if generated { "" } else { target.name }, ..*target };
    if generated {
        json::remove(&mut seen, &["metadata", "name"]);
    }
    if options.mutate(&seen_target, None, &mut seen)? {
        json::set(&mut seen, &["metadata", "name"], target.name);
        json::set(&mut seen, &["metadata", "namespace"], target.namespace);
        if !target.resource.namespaced {
            json::remove(&mut seen, &["metadata", "namespace"]);
        }
        json::remove(&mut seen, &["metadata", "managedFields"]);
        admission::decode(target, &mut seen, admission::Source::Body, &options.ignoring())?;
        to_storage(target, &mut seen);
        admission::default(target.resource, &mut seen);
        *body = seen;
    }
    Ok(())
}

/// Nothing is created in a namespace that is missing or going.
pub(super) fn in_live_namespace(state: &State, target: &Target<'_>) -> Result<(), ApiError> {
    if !target.resource.namespaced {
        return Ok(());
    }
    let about = About { group: "", resource: "namespaces", name: target.namespace };
    let Some(namespace) = state.namespace(target.namespace) else {
        return Err(ApiError::not_found(about));
    };
    if namespace.is_terminating() {
        let mut e = ApiError::forbidden(
            target.about(),
            format!("unable to create new content in namespace {} because it is being terminated", target.namespace),
        );
        if let Some(details) = &mut e.details {
            details["causes"] = serde_json::json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {} is being terminated", target.namespace),
                "field": "metadata.namespace",
            }]);
        }
        return Err(e);
    }
    Ok(())
}
