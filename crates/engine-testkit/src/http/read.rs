//! Reads: get, list with pages, and the listing half of deletecollection.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, Reply, media::Form, options::ListOptions, show, token::Token};
use crate::{
    cluster::Inner,
    literal,
    resources::Resource,
    state::State,
    status::{About, ApiError},
    store::{Compacted, Page, PageOf},
    table,
    write::{Options, Target, delete, scale},
};

pub(super) fn get(inner: &Arc<Inner>, resource: &Arc<Resource>, call: &Call) -> Result<Reply, ApiError> {
    let state = inner.state.lock();
    let namespace = call.route.namespace.as_deref().unwrap_or_default();
    let name = call.route.name.as_deref().unwrap_or_default();
    let about = About { group: &resource.gr.group, resource: &resource.gr.resource, name };
    if call.params.flag("export") && call.route.subresource != "log" {
        let message = "the export parameter, deprecated since v1.14, is no longer supported";
        return Err(ApiError::bad_request(message));
    }
    // Events are in no cache, and the store names errors in another way.
    let asked = if resource.is_event() { listed_revision(call)? } else { revision_or_unnamed(call)? };
    if let Some(asked) = asked.filter(|asked| *asked > state.store.revision()) {
        return Err(too_large(asked, state.store.revision()));
    }
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
            let wanted = table::Wanted::of(&call.wish, true, call.now);
            Ok(Reply::value(&match call.wish.form {
                Form::Table => table::scale(&scale, wanted),
                _ => scale,
            }))
        }
        "log" => Ok(Reply::text("")),
        subresource => {
            let whole = (subresource == "status" && stored.hides()).then(|| stored.revealed());
            let stored = whole.unwrap_or(stored);
            Ok(Reply::json(StatusCode::OK, show::object(resource, &call.route.version, &call.wish, &stored, call.now)?))
        }
    }
}

/// The answer to a page token whose revision is forgotten.
pub(crate) fn expired_page(token: &str) -> ApiError {
    Token::decode(token).map_or_else(|e| e, |token| token.expired())
}

/// The parameter `resourceVersion`, or what is wrong with it.
pub(super) fn revision(call: &Call) -> Result<Option<u64>, String> {
    let Some(text) = call.params.get("resourceVersion") else {
        return Ok(None);
    };
    let detail = |why| format!("strconv.ParseUint: parsing {text:?}: {why}");
    let refused = |why| format!("resourceVersion: Invalid value: {text:?}: {}", detail(why));
    literal::unsigned(text).map(Some).map_err(refused)
}

/// The same for lists.
fn listed_revision(call: &Call) -> Result<Option<u64>, ApiError> {
    revision(call).map_err(|e| ApiError::bad_request(format!("invalid resource version: {e}")))
}

/// The same for reads that do not take the error any further.
pub(super) fn revision_or_unnamed(call: &Call) -> Result<Option<u64>, ApiError> {
    revision(call).map_err(|e| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", e))
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

fn list_metadata(resource: &Resource, call: &Call, listed: &Listed, options: &ListOptions) -> Value {
    let mut metadata = json!({"resourceVersion": listed.revision.to_string()});
    if let Some(next) = &listed.next {
        metadata["continue"] = next.encode().into();
        // The count is not known when a selector may still drop some.
        if options.selection.is_empty() {
            metadata["remainingItemCount"] = listed.page.remaining.into();
        }
    } else if resource.is_custom() && call.wish.form == super::media::Form::Whole {
        // Lists of custom resources are written without types, and so with the fields that say nothing.
        metadata["continue"] = "".into();
    }
    metadata
}

pub(super) fn list(inner: &Arc<Inner>, resource: &Arc<Resource>, call: &Call) -> Result<Reply, ApiError> {
    let options = ListOptions::parse(resource, call)?;
    let listed = listed(&inner.state.lock(), resource, call, &options)?;
    let version = &call.route.version;
    let metadata = list_metadata(resource, call, &listed, &options);
    show::list(resource, version, &call.wish, &listed.page.items, metadata, call.now)
        .map(|out| Reply::json(StatusCode::OK, out))
}

/// A page with what its answer says about it.
struct Listed {
    page: Page,
    revision: u64,
    next: Option<Token>,
}

fn listed(state: &State, resource: &Resource, call: &Call, options: &ListOptions) -> Result<Listed, ApiError> {
    let now = state.store.revision();
    let (selection, limit) = (&options.selection, options.limit);
    let namespace = call.route.namespace.as_deref();
    let filter = |object: &Value| selection.matches(object);
    let mut of = PageOf {
        namespace,
        revision: None,
        from: None,
        limit,
        filter: if selection.is_empty() { None } else { Some(&filter) },
    };
    // Keys are `namespace/name`; a token has them relative to what is listed, after a slash.
    let listed = |page: Page, revision: u64| {
        let next = page.last.as_ref().map(|key| {
            let key = match namespace {
                Some(namespace) => key.strip_prefix(namespace).unwrap_or(key).to_owned(),
                None if resource.namespaced => format!("/{key}"),
                None => key.to_string(),
            };
            Token { revision: Some(revision), start: format!("{key}\0") }
        });
        Listed { page, revision, next }
    };
    if let Some(token) = call.params.get("continue") {
        let token = Token::decode(token)?;
        if call.params.get("resourceVersion").is_some_and(|v| v != "0") {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        if let Some(asked) = token.revision.filter(|asked| *asked > now) {
            return Err(too_large(asked, now));
        }
        let from = match namespace {
            Some(namespace) => format!("{namespace}{}", token.start),
            None if resource.namespaced => token.start[1..].to_owned(),
            None => token.start.clone(),
        };
        of.from = Some(&from);
        of.revision = token.revision;
        let page = state.store.page(&resource.gr, &of).map_err(|Compacted| token.expired())?;
        return Ok(listed(page, token.revision.unwrap_or(now)));
    }
    let asked = listed_revision(call)?.filter(|v| *v > 0);
    let exact = match call.params.get("resourceVersionMatch") {
        Some("Exact") => asked,
        // A limit with a version is exact unless the match says otherwise.
        None if limit.is_some() => asked,
        _ => None,
    };
    if let Some(asked) = asked.filter(|a| *a > now) {
        return Err(too_large(asked, now));
    }
    if let Some(stale) = call.stale.filter(|_| exact.is_none()) {
        // A cache that is behind; unless it would be behind what is remembered.
        of.revision = Some(stale);
        if let Ok(page) = state.store.page(&resource.gr, &of) {
            return Ok(listed(page, stale));
        }
    }
    of.revision = exact;
    let too_old = |Compacted| ApiError::expired("The resourceVersion for the provided list is too old.");
    let page = state.store.page(&resource.gr, &of).map_err(too_old)?;
    Ok(listed(page, exact.unwrap_or(now)))
}

/// Deletes everything that the list would show.
pub(super) fn delete_collection(
    inner: &Arc<Inner>,
    resource: &Arc<Resource>,
    call: &Call,
    list: &ListOptions,
    how: &delete::DeleteOptions,
    options: &Options,
) -> Result<Reply, ApiError> {
    options.warn(delete::warning(resource, how));
    let mut state = inner.state.lock();
    let listed = listed(&state, resource, call, list)?;
    let metadata = list_metadata(resource, call, &listed, list);
    let page = listed.page;
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
        let how = delete::DeleteOptions { dry_run, ..how.clone() };
        match delete::delete(&mut state, target, &how, options) {
            // One of an older list may be gone.
            Err(e) if e.code == StatusCode::NOT_FOUND => {}
            deleted => _ = deleted?,
        }
    }
    drop(state);
    let out = show::list(resource, &call.route.version, &call.wish, &page.items, metadata, call.now)?;
    Ok(Reply::json(StatusCode::OK, out))
}
