//! What paths of custom resources take, which their server judges by verbs where that of built-in kinds knows paths with
//! methods.

use http::StatusCode;
use serde_json::json;

use super::route::Route;
use crate::{
    resources::Resource,
    status::{About, ApiError},
};

/// Whether there is such a path: objects are where their definition has them, and only reads go over all namespaces.
pub(super) fn is_in_scope(resource: &Resource, route: &Route) -> bool {
    resource.namespaced == route.namespace.is_some() || resource.namespaced && matches!(&*route.verb, "list" | "watch")
}

/// Whether the path takes the request.
pub(super) fn check(resource: &Resource, route: &Route) -> Result<(), ApiError> {
    let (group, name) = (&*resource.gr.group, route.name.as_deref().unwrap_or_default());
    let served = resource.subresources(&route.version).iter().any(|sub| sub.name == route.subresource);
    if !route.subresource.is_empty() && !served {
        return Err(ApiError::not_found(About { group, resource: &resource.gr.resource, name }));
    }
    let verbs: &[&str] = match &*route.subresource {
        "" => &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"],
        _ => &["get", "update", "patch"],
    };
    if verbs.contains(&&*route.verb) {
        return Ok(());
    }
    // Of a method that nobody knows there is no verb.
    let verb = if route.verb.bytes().all(|b| b.is_ascii_lowercase()) { &*route.verb } else { "" };
    let message = format!("{verb} is not supported on resources of kind {:?}", resource.gr.to_string());
    let mut e = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
    e.details = Some(json!({"group": group, "kind": &*resource.gr.resource}));
    Err(e)
}
