//! What an object says that it is, against what the path of its request says.

use serde_json::Value;

use super::{Options, Target};
use crate::{
    admission, json,
    resources::{Resource, group_of, package},
    status::ApiError,
};

/// Checks that the body is what the path says, and fills the namespace.
pub(super) fn check_identity(target: &Target<'_>, body: &mut Value) -> Result<(), ApiError> {
    if !body.is_object() {
        return Err(ApiError::bad_request(
            "the object provided is unrecognized (must be of type object): couldn't get version/kind; json parse error",
        ));
    }
    check_kind(target, body)?;
    check_namespace(target, body)
}

/// Reads the body of a create or update: what it says it is, then its fields, then its namespace.
pub(crate) fn read_body(target: &Target<'_>, body: &mut Value, options: &Options) -> Result<(), ApiError> {
    if !body.is_object() {
        return check_identity(target, body);
    }
    match check_kind(target, body) {
        Ok(()) => options.warn(admission::decode(target, body, admission::Source::Body, options)?),
        // Of which version a custom resource is, is only asked when it could be read.
        Err(Refused::Version(error)) if target.resource.is_custom() => {
            options.warn(admission::decode(target, body, admission::Source::Body, options)?);
            return Err(error);
        }
        Err(refused) => return Err(refused.into()),
    }
    check_namespace(target, body)
}

/// Why nobody can tell of which kind and version an object is.
pub(crate) fn untyped(value: &Value) -> Option<String> {
    let why = match value.as_object() {
        None => Some(format!(
            "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \
             \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            json::type_name(value)
        )),
        Some(object) => ["apiVersion", "kind"].iter().find_map(|key| {
            let wrong = object.get(*key).filter(|v| !v.is_string() && !v.is_null())?;
            let kind = json::type_name(wrong);
            Some(format!("json: cannot unmarshal {kind} into Go struct field .{key} of type string"))
        }),
    };
    why.map(|why| format!("couldn't get version/kind; json parse error: {why}"))
}

/// Why a body is not what its path is about.
enum Refused {
    Version(ApiError),
    Other(ApiError),
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Version(error) | Refused::Other(error) => error,
        }
    }
}

/// What the body says it is.
fn check_kind(target: &Target<'_>, body: &mut Value) -> Result<(), Refused> {
    let resource = target.resource;
    let wanted = resource.api_version(target.version);
    if !resource.is_custom() {
        // A typed decoder takes from the path what the body leaves out.
        for (field, value) in [("kind", resource.kind.as_str()), ("apiVersion", wanted.as_str())] {
            if json::str_at(body, &[field]).is_empty() {
                body[field] = value.into();
            }
        }
    }
    let kind = json::str_at(body, &["kind"]).to_owned();
    let api_version = json::str_at(body, &["apiVersion"]).to_owned();
    if resource.is_custom() {
        if api_version != wanted {
            return Err(Refused::Version(other_version(&api_version, &wanted)));
        }
        return Ok(());
    }
    if kind == resource.kind && api_version == wanted {
        return Ok(());
    }
    // Another version of the same kind can be read, and is not what was asked for.
    let group = group_of(&api_version);
    let same = kind == resource.kind && package(group) == package(&resource.gr.group);
    if same && admission::is_registered(&api_version, &kind) {
        return Err(Refused::Version(other_version(&api_version, &wanted)));
    }
    Err(Refused::Other(other_kind(resource, &api_version, &kind, body)))
}

/// The object is of another version than the path.
fn other_version(api_version: &str, wanted: &str) -> ApiError {
    ApiError::bad_request(format!(
        "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
    ))
}

/// The object is of another kind than the path wants.
pub(crate) fn other_kind(resource: &Resource, api_version: &str, kind: &str, body: &Value) -> ApiError {
    let wanted = Wanted::of(resource);
    let why = wanted.refusal(api_version, kind, body);
    let version = api_version.rsplit('/').next().unwrap_or_default();
    ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {}: {why}", wanted.kind))
}

/// The kind that a decoder reads into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) group: &'a str,
    pub(crate) kind: &'a str,
}

impl<'a> Wanted<'a> {
    pub(crate) fn of(resource: &'a Resource) -> Self {
        Self { group: &resource.gr.group, kind: &resource.kind }
    }

    /// Why an object cannot be read because of what it says that it is. Without a word about that it is what is wanted.
    pub(crate) fn refusal_of(&self, body: &Value) -> Option<String> {
        let [api_version, kind] = ["apiVersion", "kind"].map(|field| json::str_at(body, &[field]));
        let group = group_of(api_version);
        let same = kind == self.kind && package(group) == package(self.group);
        let is_known = api_version.is_empty() || kind.is_empty() || same && admission::is_registered(api_version, kind);
        (!is_known).then(|| self.refusal(api_version, kind, body))
    }

    /// Why an object of another kind cannot be read: nobody knows that kind, or nobody can make the one of the other.
    pub(crate) fn refusal(&self, api_version: &str, kind: &str, body: &Value) -> String {
        let group = group_of(api_version);
        if scheme(group) != scheme(self.group) || !admission::is_registered(api_version, kind) {
            return unregistered(api_version, kind);
        }
        let (api_version, version) = match admission::is_of_meta(kind) {
            true => ("v1", "v1"),
            false => (api_version, api_version.rsplit('/').next().unwrap_or_default()),
        };
        admission::mismatch(api_version, kind, body).unwrap_or_else(|| self.no_conversion(version, kind))
    }

    /// Why an object without a version cannot be read: a real server takes it for one of its own, internal, types.
    pub(crate) fn refusal_without_version(&self, body: &Value) -> Option<String> {
        let kind = json::str_at(body, &["kind"]);
        if kind.is_empty() || kind == self.kind {
            return None;
        }
        if admission::is_unversioned(kind) {
            return Some(self.refusal("v1", kind, body));
        }
        if !admission::is_of_group(self.group, kind) {
            let group = self.group;
            return Some(format!(
                "no kind {kind:?} is registered for the internal version of group {group:?} in scheme {SCHEME:?}"
            ));
        }
        Some(self.no_conversion(package(self.group), kind))
    }

    fn no_conversion(&self, package_of_it: &str, kind: &str) -> String {
        format!("converting ({package_of_it}.{kind}) to ({}.{}): unknown conversion", package(self.group), self.kind)
    }
}

/// Which of the servers that a real one is made of knows the kinds of a group: those of definitions and of API services
/// have their own.
fn scheme(group: &str) -> &str {
    match group {
        "apiextensions.k8s.io" | "apiregistration.k8s.io" => group,
        _ => "",
    }
}

/// How a real server calls what knows its kinds.
const SCHEME: &str = "pkg/runtime/scheme.go:111";

/// That nobody knows a kind, in the words of a real server.
pub(crate) fn unregistered(api_version: &str, kind: &str) -> String {
    format!("no kind {kind:?} is registered for version {api_version:?} in scheme {SCHEME:?}")
}

/// An object that is not called as its path says.
pub(crate) fn wrong_name(target: &Target<'_>, name: &str) -> ApiError {
    let asked = target.name;
    ApiError::bad_request(if name.is_empty() {
        format!("the name of the object ({asked} based on URL) was undeterminable: name must be provided")
    } else {
        format!("the name of the object ({name}) does not match the name on the URL ({asked})")
    })
}

/// The namespace of the body is that of the path, or left out.
pub(super) fn check_namespace(target: &Target<'_>, body: &mut Value) -> Result<(), ApiError> {
    if body.get("metadata").is_none_or(Value::is_null) {
        body["metadata"] = serde_json::json!({});
    }
    let namespace = json::str_at(body, &["metadata", "namespace"]).to_owned();
    if !target.resource.namespaced {
        json::remove(body, &["metadata", "namespace"]);
    } else if namespace.is_empty() {
        json::set(body, &["metadata", "namespace"], target.namespace);
    } else if namespace != target.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}
