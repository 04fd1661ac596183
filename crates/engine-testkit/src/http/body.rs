//! The body of a request: from bytes to an object that is what the path says.

use serde_json::Value;

use super::Call;
use crate::{
    admission,
    json::{self, MAX_DEPTH},
    json_text,
    resources::Resource,
    status::ApiError,
    write::{self, patch},
};

/// A body that was read.
pub(super) struct Decoded {
    pub(super) value: Value,
    /// The value as a decoder with types reads it, where fields stand twice.
    merged: Option<Value>,
    /// What a client should know about how it was read.
    pub(super) warnings: Vec<String>,
    /// Why it is not whole: something in it was too deep.
    cut: Option<String>,
}

impl Decoded {
    /// The value, if it is all that was sent.
    fn whole(self) -> Result<Value, String> {
        self.cut.map_or(Ok(self.value), |complaint| Err(unreadable(&complaint)))
    }
}

fn unreadable(why: &str) -> String {
    format!("couldn't get version/kind; json parse error: {why}")
}

const UNKNOWN_FORMAT: &str = "the body of the request was in an unknown format - accepted media types include: ";

/// Custom resources have no protobuf.
fn takes(call: &Call, is_custom: bool) -> bool {
    matches!(&*call.content_type, "" | "application/json" | "application/yaml")
        || (call.content_type == PROTOBUF && !is_custom)
}

/// An object of the kind that the path names.
pub(super) fn object(resource: &Resource, version: &str, call: &Call) -> Result<Decoded, ApiError> {
    let types = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    let is_type = |text: &str| text.is_empty() || text.split(';').skip(1).all(|p| p.contains('='));
    if !takes(call, resource.is_custom()) || !is_type(&call.full_type) {
        return Err(ApiError::unsupported_media_type(format!("{UNKNOWN_FORMAT}{types}")));
    }
    let unrecognized = |why: String| {
        let shown = summary(&call.body);
        let kind = &resource.kind;
        ApiError::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why} ({shown})"))
    };
    let mut decoded = read(call).map_err(unrecognized)?;
    if let Some(complaint) = &decoded.cut
        && admission::may_be_known(resource, version, &decoded.value, MAX_DEPTH)
    {
        return Err(unrecognized(unreadable(complaint)));
    }
    if !resource.is_custom()
        && let Some(merged) = decoded.merged.take()
    {
        decoded.value = merged;
    }
    if decoded.value.is_null() {
        decoded.value = Value::Object(serde_json::Map::new());
    }
    if let Some(why) = write::untyped(&decoded.value) {
        return Err(unrecognized(why));
    }
    identify(resource, version, call, &mut decoded.value).map_err(|e| e.unwrap_or_else(&unrecognized))?;
    let kind = json::str_at(&decoded.value, &["kind"]);
    let api_version = json::str_at(&decoded.value, &["apiVersion"]);
    if !resource.is_custom() && kind != resource.kind {
        return Err(write::other_kind(resource, api_version, kind, &decoded.value));
    }
    Ok(decoded)
}

/// Either an error, or why nobody can tell what it is.
type Unidentified = Result<ApiError, String>;

/// Compares kind and version with those of the path, and fills what is missing.
fn identify(resource: &Resource, version: &str, call: &Call, value: &mut Value) -> Result<(), Unidentified> {
    let kind = json::str_at(value, &["kind"]).to_owned();
    let api_version = json::str_at(value, &["apiVersion"]).to_owned();
    let wanted = resource.api_version(version);
    if resource.is_custom() {
        if kind.is_empty() {
            // Without strictness a server knows the kind before it misses it.
            if call.params.get("fieldValidation") == Some("Ignore") {
                let (own, text) = (&resource.kind, String::from_utf8_lossy(&call.body));
                return Err(Ok(ApiError::bad_request(format!(
                    "{own} in version {version:?} cannot be handled as a {own}: Object 'Kind' is missing in '{text}'"
                ))));
            }
            return Err(Err(format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(&call.body))));
        }
        // Of which version it is, is asked when it could be read.
        return Ok(());
    }
    // A typed decoder takes what the path says.
    if kind.is_empty() {
        value["kind"] = resource.kind.as_str().into();
    }
    if api_version.is_empty() {
        value["apiVersion"] = wanted.into();
    }
    if let Some(metadata) = value.get("metadata").filter(|m| !m.is_object() && !m.is_null()) {
        let kind = &resource.kind;
        return Err(Ok(ApiError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: json: cannot unmarshal {} into Go struct field \
             {kind}.metadata of type v1.ObjectMeta",
            json::type_name(metadata)
        ))));
    }
    Ok(())
}

/// An object of another kind than that of the path, such as a Scale.
pub(super) fn other(call: &Call) -> Result<Decoded, ApiError> {
    if !takes(call, false) {
        let types = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
        return Err(ApiError::unsupported_media_type(format!("{UNKNOWN_FORMAT}{types}")));
    }
    read(call).map_err(ApiError::bad_request)
}

/// A patch, which is of no kind, and what it has twice.
pub(super) fn patch(call: &Call) -> Result<(patch::Sent, Vec<String>), ApiError> {
    let mut decoded = read(call).map_err(ApiError::bad_request)?;
    let noticed = std::mem::take(&mut decoded.warnings);
    let value = decoded.whole().map_err(ApiError::bad_request)?;
    Ok((patch::Sent { value, text: String::from_utf8_lossy(&call.body).into_owned() }, noticed))
}

/// The options of a delete; nothing, when there is no body.
pub(super) fn delete_options(call: &Call) -> Result<Value, ApiError> {
    if call.body.is_empty() {
        return Ok(Value::Null);
    }
    let value = read(call).map_err(ApiError::bad_request)?.value;
    if let Some(why) = write::untyped(&value) {
        return Err(ApiError::bad_request(why));
    }
    match json::str_at(&value, &["kind"]) {
        "" | "DeleteOptions" => match admission::mismatch("v1", "DeleteOptions", &value) {
            Some(problem) => Err(ApiError::bad_request(problem)),
            None => Ok(value),
        },
        kind => Err(ApiError::bad_request(write::unregistered(json::str_at(&value, &["apiVersion"]), kind))),
    }
}

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn read(call: &Call) -> Result<Decoded, String> {
    if call.content_type == PROTOBUF {
        let value = admission::decode_protobuf(&call.body)?;
        return Ok(Decoded { value, merged: None, warnings: Vec::new(), cut: None });
    }
    let is_yaml = matches!(&*call.content_type, "application/yaml" | "application/apply-patch+yaml");
    if is_yaml && !looks_like_json(&call.body) { read_yaml(&call.body) } else { read_json(&call.body) }
}

fn read_json(body: &[u8]) -> Result<Decoded, String> {
    let checked = json_text::check(body, MAX_DEPTH).map_err(|e| unreadable(&e))?;
    let text = String::from_utf8_lossy(checked.cut.as_ref().map_or(body, |cut| &cut.text));
    let value = serde_json::from_str(&text).map_err(|e| unreadable(&e.to_string()))?;
    let merged = if checked.duplicates.is_empty() { None } else { json_text::merged(&text).ok() };
    let warnings = checked.duplicates.iter().map(|path| format!("duplicate field {path:?}")).collect();
    Ok(Decoded { value, merged, warnings, cut: checked.cut.map(|cut| cut.complaint) })
}

fn read_yaml(body: &[u8]) -> Result<Decoded, String> {
    let text = std::str::from_utf8(body).map_err(|e| format!("yaml: {e}"))?;
    let text = first_document(text);
    let mut warnings = Vec::new();
    let strict: Result<Value, _> = serde_saphyr::from_str(text);
    let value = match strict {
        Ok(value) => value,
        Err(e) => {
            let options =
                serde_saphyr::options! { duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins };
            let value = serde_saphyr::from_str_with_options(text, options).map_err(|_| format!("yaml: {e}"))?;
            warnings.extend(duplicate(text, &e.to_string()));
            value
        }
    };
    if json::deeper_than(&value, MAX_DEPTH) {
        return Err("yaml: nested too deeply".to_owned());
    }
    Ok(Decoded { value, merged: None, warnings, cut: None })
}

/// A warning about a key that stands twice, from the parser's complaint about it.
fn duplicate(text: &str, complaint: &str) -> Option<String> {
    let line: usize = complaint.split("line ").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    let key = text.lines().nth(line.checked_sub(1)?)?.split(':').next()?.trim().trim_start_matches("- ");
    Some(format!("line {line}: key {key:?} already set in map"))
}

/// What stands before the second document.
fn first_document(text: &str) -> &str {
    let mut begun = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let marks = bare == "---" || bare == "..." || bare.starts_with("--- ");
        if marks && begun {
            return &text[..at];
        }
        begun |= !marks && !bare.is_empty() && !bare.starts_with(['#', '%']);
        at += line.len();
    }
    text
}

fn looks_like_json(body: &[u8]) -> bool {
    body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{')
}

/// The beginning of a body, for an error.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let more = if body.len() > SHOWN { " ..." } else { "" };
    let start = &body[..body.len().min(SHOWN)];
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(start)),
        Some(_) => start.iter().map(|b| format!("{b:02x}")).collect::<String>() + more,
    }
}
