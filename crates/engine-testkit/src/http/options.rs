//! What a list, a watch or a deletecollection asks for, looked at in the order of a real server: numbers, the syntax of
//! selectors, what goes together, and then whether the kind has the fields.

use std::time::Duration;

use serde_json::Value;

use super::{Call, params::Params};
use crate::{
    resources::Resource,
    status::{About, ApiError, Cause},
    store::selector::{FieldSelector, FieldTerms, LabelSelector},
};

/// What is selected.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }

    /// Whether there is only one place where what is selected can be.
    fn is_single(&self, resource: &Resource, call: &Call) -> bool {
        let exact = |field| self.fields.exact(field).filter(|text| !text.is_empty());
        let is_key = |name: &str| !matches!(name, "." | "..") && !name.contains(['/', '%']);
        let placed = || call.route.namespace.is_some() || exact("metadata.namespace").is_some();
        exact("metadata.name").is_some_and(is_key) && (!resource.namespaced || placed())
    }
}

/// The options, valid.
pub(super) struct ListOptions {
    pub(super) selection: Selection,
    /// How many items a page may have, where more than nothing.
    pub(super) limit: Option<usize>,
    /// Whether a limit is set at all, if only to less than nothing.
    limited: bool,
    /// Whether there may be more than one object.
    pages: bool,
    pub(super) timeout: Option<Duration>,
}

impl ListOptions {
    pub(super) fn parse(resource: &Resource, call: &Call) -> Result<Self, ApiError> {
        let params = &call.params;
        let timeout = params.timeout()?;
        let limit = params.number("limit")?.unwrap_or_default();
        let text = |name: &str| params.get(name).unwrap_or_default();
        let labels = LabelSelector::parse(text("labelSelector")).map_err(ApiError::bad_request)?;
        let terms = FieldTerms::parse(text("fieldSelector")).map_err(ApiError::bad_request)?;
        check(params)?;
        let mut fields = terms.of(resource, &call.route.version).map_err(ApiError::bad_request)?;
        if let Some(name) = &call.route.name {
            // A watch of one object by its path.
            if fields.is_empty() {
                fields = fields.and_name(name);
            } else if fields.exact("metadata.name") != Some(name) {
                return Err(ApiError::bad_request("fieldSelector metadata.name doesn't match requested name"));
            }
        }
        let selection = Selection { labels, fields };
        let pages = params.get("continue").is_some() || !selection.is_single(resource, call);
        let limited = limit != 0;
        // Of one object there is only one page, and whatever the cache has comes at once.
        let cached = params.get("resourceVersion") == Some("0") && !resource.is_event();
        let limit = usize::try_from(limit).ok().filter(|l| *l > 0 && pages && !cached);
        Ok(Self { selection, limit, limited, pages, timeout })
    }

    /// The same for what goes through all pages by itself, as deletecollection does.
    pub(super) fn paged(mut self) -> Self {
        /// More than anybody has.
        const PAGE: usize = 10_000;
        if !self.limited && self.pages {
            self.limit = Some(PAGE);
        }
        self
    }
}

/// Whether a watch is to begin with what is there.
pub(super) fn sends_initial_events(params: &Params) -> bool {
    params.choice("sendInitialEvents").unwrap_or_else(|| is_from_nowhere(params))
}

/// Whether this is a watch that says nothing of where it begins. The old paths of watches have their own way.
fn is_from_nowhere(params: &Params) -> bool {
    let legacy = matches!(params.get("resourceVersion"), None | Some("0"));
    legacy && params.flag("watch") && params.get(MATCH).is_none() && params.choice("sendInitialEvents").is_none()
}

/// What goes together: <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>
///
/// The rules of watches are for whoever asks for one by the parameter.
fn check(params: &Params) -> Result<(), ApiError> {
    let causes = if params.flag("watch") { of_watch(params) } else { of_list(params) };
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(About { group: "meta.k8s.io", resource: "ListOptions", name: "" }, &causes))
}

const MATCH: &str = "resourceVersionMatch";

fn of_watch(params: &Params) -> Vec<Cause> {
    let mut causes = Vec::new();
    // It is taken for one that does.
    let nowhere = is_from_nowhere(params);
    let rule = if nowhere { Some("NotOlderThan") } else { params.get(MATCH) };
    let initial = nowhere || params.choice("sendInitialEvents").is_some();
    if initial && rule != Some("NotOlderThan") {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        causes.push(Cause::forbidden(MATCH, detail));
    }
    let Some(rule) = rule else { return causes };
    if !initial {
        let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        causes.push(Cause::forbidden(MATCH, detail));
    }
    if rule != "NotOlderThan" {
        causes.push(Cause::unsupported(MATCH, &rule.into(), &["NotOlderThan"]));
    }
    if params.get("continue").is_some() {
        causes.push(Cause::forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
    }
    causes
}

fn of_list(params: &Params) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(rule) = params.get(MATCH) {
        if params.get("resourceVersion").is_none() {
            let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            causes.push(Cause::forbidden(MATCH, detail));
        }
        if params.get("continue").is_some() {
            causes.push(Cause::forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(rule, "Exact" | "NotOlderThan") {
            causes.push(Cause::unsupported(MATCH, &rule.into(), &["Exact", "NotOlderThan", ""]));
        }
        if rule == "Exact" && params.get("resourceVersion") == Some("0") {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            causes.push(Cause::forbidden(MATCH, detail));
        }
    }
    if params.choice("sendInitialEvents").is_some() {
        causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    causes
}
