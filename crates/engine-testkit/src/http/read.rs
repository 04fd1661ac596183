//! Reads: get, list with pages, and the listing half of deletecollection.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, Reply, show};
use crate::{
    cluster::Inner,
    resources::Resource,
    state::State,
    status::{About, ApiError},
    store::{
        Compacted, Page,
        selector::{FieldSelector, LabelSelector},
    },
    table,
    write::{Options, Target, delete, scale},
};

pub(super) fn get(inner: &Arc<Inner>, resource: &Arc<Resource>, call: &Call) -> Result<Reply, ApiError> {
    let state = inner.state.lock();
    let namespace = call.route.namespace.as_deref().unwrap_or_default();
    let name = call.route.name.as_deref().unwrap_or_default();
    let about = About { group: &resource.gr.group, resource: &resource.gr.resource, name };
    let past = call.stale.and_then(|revision| state.store.get_at(&resource.gr, namespace, name, revision).ok());
    let stored = match past {
        Some(stored) => stored,
        None => state.store.get(&resource.gr, namespace, name).cloned(),
    };
    let stored = stored.ok_or_else(|| ApiError::not_found(about))?;
    drop(state);
    match call.route.subresource.as_str() {
        "scale" => {
            let target = Target { resource, version: &call.route.version, namespace, name, subresource: "scale" };
            let scale = scale::get(&target, &stored)?;
            Ok(Reply::value(&match call.form()? {
                show::Form::Table(include) => {
                    table::scale(&scale, table::Wanted { include, definitions: true, now: call.now })
                }
                _ => scale,
            }))
        }
        "log" => Ok(Reply::text("")),
        _ => Ok(Reply::json(
            StatusCode::OK,
            show::object(resource, &call.route.version, call.form()?, &stored, call.now),
        )),
    }
}

/// What a list or watch selects.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub(super) labels: LabelSelector,
    pub(super) fields: FieldSelector,
}

impl Selection {
    pub(super) fn parse(resource: &Resource, call: &Call) -> Result<Self, ApiError> {
        let labels = LabelSelector::parse(call.params.get("labelSelector").unwrap_or_default())
            .map_err(ApiError::bad_request)?;
        let supported = |field: &str| selectable(resource, field);
        let fields = FieldSelector::parse(call.params.get("fieldSelector").unwrap_or_default(), &supported)
            .map_err(ApiError::bad_request)?;
        Ok(Self { labels, fields })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }
}

/// The fields that objects of a kind can be selected by:
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/#list-of-supported-fields>
fn selectable(resource: &Resource, field: &str) -> bool {
    if matches!(field, "metadata.name" | "metadata.namespace") {
        return true;
    }
    let of_kind: &[&str] = match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "events") | ("events.k8s.io", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "secrets") => &["type"],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        ("certificates.k8s.io", _) => &["spec.signerName"],
        _ => &[],
    };
    of_kind.contains(&field)
}

/// A page token: the pinned revision (0 for "whatever is now") and the key to go on after.
#[derive(serde::Serialize, serde::Deserialize)]
struct Token {
    v: String,
    rv: u64,
    start: String,
}

impl Token {
    fn encode(revision: u64, start: &str) -> String {
        let token = Self { v: "meta.k8s.io/v1".to_owned(), rv: revision, start: start.to_owned() };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }

    fn decode(text: &str) -> Result<Self, ApiError> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| ApiError::bad_request("continue key is not valid: illegal base64 data or format"))
    }
}

/// The answer to a page token whose revision is forgotten, with one to go on from what is there now.
fn expired_continue(token: &Token) -> ApiError {
    let mut e = ApiError::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a \
         new list without the continue parameter, or use the continue token in this response to retrieve \
         the remainder of the results. Continuing with the provided token results in an inconsistent list \
         - objects that were created, modified, or deleted between the time the first chunk was returned \
         and now may show up in the list.",
    );
    e.continue_token = Some(Token::encode(0, &token.start).into());
    e
}

/// The same for the token as a client sent it.
pub(crate) fn expired_page(token: &str) -> ApiError {
    Token::decode(token).map_or_else(|e| e, |token| expired_continue(&token))
}

/// A resourceVersion parameter.
pub(super) fn revision(text: Option<&str>) -> Result<Option<u64>, ApiError> {
    match text {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            ApiError::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing \
                 {text:?}: invalid syntax"
            ))
        }),
    }
}

/// The store has not got there yet, and never will within the request.
pub(super) fn too_large(asked: u64, current: u64) -> ApiError {
    let mut e = ApiError::new(
        StatusCode::GATEWAY_TIMEOUT,
        "Timeout",
        format!("Timeout: Too large resource version: {asked}, current: {current}"),
    );
    e.details =
        Some(json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}));
    e.retry_after = Some(1);
    e
}

pub(super) fn list(inner: &Arc<Inner>, resource: &Arc<Resource>, call: &Call) -> Result<Reply, ApiError> {
    let selection = Selection::parse(resource, call)?;
    let limit = call.params.limit()?;
    let (page, shown_revision, pinned) = page(&inner.state.lock(), resource, call, &selection, limit)?;
    let form = call.form()?;
    let version = &call.route.version;
    let mut metadata = json!({"resourceVersion": shown_revision.to_string()});
    if let Some(next) = &page.next {
        metadata["continue"] = Token::encode(pinned, next).into();
        // The count is not known when a selector may still drop some.
        if call.params.get("labelSelector").is_none() && call.params.get("fieldSelector").is_none() {
            metadata["remainingItemCount"] = page.remaining.into();
        }
    }
    if let show::Form::Table(include) = form {
        let objects: Vec<&Value> = page.items.iter().map(|s| &s.value).collect();
        let wanted = table::Wanted { include, definitions: true, now: call.now };
        let mut table = table::of(resource, version, &objects, "", wanted);
        table["metadata"] = metadata;
        return Ok(Reply::value(&table));
    }
    let (kind, api_version) = match form {
        show::Form::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
        _ => (resource.list_kind(), resource.api_version(version)),
    };
    let head = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
    let mut out = serde_json::to_vec(&head).unwrap_or_default();
    out.pop();
    out.extend_from_slice(b",\"items\":[");
    for (i, stored) in page.items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let whole = form == show::Form::Whole && resource.is_custom() && *version == resource.storage_version;
        if whole {
            out.extend_from_slice(&stored.bytes());
        } else {
            let item = show::list_item(resource, version, form, stored);
            out.extend(serde_json::to_vec(&item).unwrap_or_default());
        }
    }
    out.extend_from_slice(b"]}");
    Ok(Reply::json(StatusCode::OK, out))
}

/// The page, the revision that the list says it is of, and the revision that the next page is pinned to.
fn page(
    state: &State,
    resource: &Resource,
    call: &Call,
    selection: &Selection,
    limit: Option<usize>,
) -> Result<(Page, u64, u64), ApiError> {
    let now = state.store.revision();
    let namespace = call.route.namespace.as_deref();
    let filter = |object: &Value| selection.matches(object);
    if let Some(token) = call.params.get("continue") {
        if call.params.get("resourceVersion").is_some_and(|v| v != "0") {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        let token = Token::decode(token)?;
        let pinned = (token.rv > 0).then_some(token.rv);
        let page = state.store.page(&resource.gr, namespace, pinned, Some(&token.start), limit, &filter);
        let revision = pinned.unwrap_or(now);
        return match page {
            Ok(page) => Ok((page, revision, token.rv)),
            Err(Compacted) => Err(expired_continue(&token)),
        };
    }
    let asked = revision(call.params.get("resourceVersion"))?.filter(|v| *v > 0);
    let exact = match (call.params.get("resourceVersionMatch"), asked) {
        (Some("Exact"), Some(v)) => Some(v),
        (Some("Exact"), None) => {
            let detail = match call.params.get("resourceVersion") {
                None => "resourceVersionMatch is forbidden unless resourceVersion is provided",
                Some(_) => "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"",
            };
            return Err(ApiError::invalid(
                About { group: "meta.k8s.io", resource: "ListOptions", name: "" },
                &[crate::status::Cause::forbidden("resourceVersionMatch", detail)],
            ));
        }
        (Some("NotOlderThan"), _) => None,
        (Some(other), _) => {
            return Err(ApiError::bad_request(format!(
                "resourceVersionMatch: Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\", \"\""
            )));
        }
        // A limit with a version is exact unless the match says otherwise.
        (None, Some(v)) if limit.is_some() => Some(v),
        (None, _) => None,
    };
    if let Some(asked) = asked.filter(|a| *a > now) {
        return Err(too_large(asked, now));
    }
    if let Some(stale) = call.stale.filter(|_| exact.is_none()) {
        // A cache that is behind; unless it would be behind what is remembered.
        if let Ok(page) = state.store.page(&resource.gr, namespace, Some(stale), None, limit, &filter) {
            return Ok((page, stale, stale));
        }
    }
    let page = state
        .store
        .page(&resource.gr, namespace, exact, None, limit, &filter)
        .map_err(|Compacted| ApiError::expired("The resourceVersion for the provided list is too old."))?;
    let revision = exact.unwrap_or(now);
    Ok((page, revision, revision))
}

/// Deletes everything that the list would show.
pub(super) fn delete_collection(
    inner: &Arc<Inner>,
    resource: &Arc<Resource>,
    call: &Call,
    how: &delete::DeleteOptions,
    options: &Options,
) -> Result<Reply, ApiError> {
    let selection = Selection::parse(resource, call)?;
    let limit = call.params.limit()?;
    let mut state = inner.state.lock();
    let (page, _, _) = page(&state, resource, call, &selection, limit)?;
    // Webhooks are asked about all of them before the first goes: a write that stops for a question starts over.
    let asks = options.course.as_ref().is_some_and(|course| course.asks());
    for (trial, stored) in [true, false].iter().flat_map(|trial| page.items.iter().map(move |stored| (*trial, stored)))
    {
        if trial && !asks {
            continue;
        }
        let target = Target {
            resource,
            version: &call.route.version,
            namespace: stored.namespace(),
            name: stored.name(),
            subresource: "",
        };
        let dry_run = trial || how.dry_run;
        let how = delete::DeleteOptions { uid: None, resource_version: None, dry_run, ..how.clone() };
        delete::delete(&mut state, target, &how, options)?;
    }
    let revision = state.store.revision();
    let items: Vec<Value> =
        page.items.iter().map(|s| show::list_item(resource, &call.route.version, show::Form::Whole, s)).collect();
    Ok(Reply::value(&json!({
        "kind": resource.list_kind(),
        "apiVersion": resource.api_version(&call.route.version),
        "metadata": {"resourceVersion": revision.to_string()},
        "items": items,
    })))
}
