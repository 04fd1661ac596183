//! Writes of whole objects, past the API.

use std::sync::Arc;

use serde_json::Value;

use super::{Options, Target, identity, read_body, update};
use crate::{
    json::{self, get},
    resources::Resource,
    state::State,
    status::ApiError,
    store::Stored,
};

/// Reads an object and writes it over the stored one, as clients do who send all of it.
pub(crate) fn edit(
    state: &mut State,
    resource: &Arc<Resource>,
    stored: &Arc<Stored>,
    mut value: Value,
    options: &Options,
) -> Result<(), ApiError> {
    let target = of(resource, stored, "");
    if let Some(why) = identity::untyped(&value) {
        return Err(ApiError::bad_request(why));
    }
    read_body(&target, &mut value, options)?;
    let name = json::str_at(&value, &["metadata", "name"]);
    if name != target.name {
        return Err(identity::wrong_name(&target, name));
    }
    // All of it or nothing.
    replace(state, resource, stored, value.clone(), &Options { dry_run: true, ..options.clone() })?;
    replace(state, resource, stored, value, options)
}

/// Writes an object's metadata and spec, and its status, as two writers with two entries of ownership would.
pub(crate) fn replace(
    state: &mut State,
    resource: &Arc<Resource>,
    stored: &Arc<Stored>,
    value: Value,
    options: &Options,
) -> Result<(), ApiError> {
    let status = value.get("status").cloned();
    // Annotations go along with the status, as the deployment controller writes its revision.
    let rest = |v: &Value| {
        let mut v = v.clone();
        json::remove(&mut v, &["status"]);
        if !resource.is_custom() {
            json::remove(&mut v, &["metadata", "annotations"]);
        }
        v
    };
    let mut current = stored.clone();
    let has_status = resource.has_status(&resource.storage_version);
    let status_differs = has_status && value.get("status") != stored.value.get("status");
    if !status_differs || rest(&value) != rest(&stored.value) {
        update::finish(state, of(resource, stored, ""), stored, value.clone(), options, None)?;
        match state.store.get(&resource.gr, stored.namespace(), stored.name()) {
            Some(next) => current = next.clone(),
            None => return Ok(()),
        }
    }
    if !has_status {
        return Ok(());
    }
    let mut next = current.value.clone();
    if let Some(annotations) = get(&value, &["metadata", "annotations"]) {
        json::set(&mut next, &["metadata", "annotations"], annotations.clone());
    }
    match status {
        Some(status) => next["status"] = status,
        None => {
            json::remove(&mut next, &["status"]);
        }
    }
    update::finish(state, of(resource, stored, "status"), &current, next, options, None).map(drop)
}

fn of<'a>(resource: &'a Arc<Resource>, stored: &'a Stored, subresource: &'a str) -> Target<'a> {
    Target {
        resource,
        version: &resource.storage_version,
        namespace: stored.namespace(),
        name: stored.name(),
        subresource,
    }
}
