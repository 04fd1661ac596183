//! Kubernetes errors: a `Status` object and its HTTP code.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Value, json};

/// A refusal in the words of a real API server. Reasons and codes follow
/// <https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.33/#status-v1-meta>.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) code: StatusCode,
    pub(crate) reason: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
    pub(crate) retry_after: Option<u64>,
    /// `metadata.continue`: how to go on after a page token expired.
    pub(crate) continue_token: Option<Box<str>>,
}

/// What an error is about: group, resource (or kind, for `Invalid`) and name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) name: &'a str,
}

impl About<'_> {
    /// `deployments.apps`, or `pods` in the core group.
    fn qualified(&self) -> String {
        if self.group.is_empty() { self.resource.to_owned() } else { format!("{}.{}", self.resource, self.group) }
    }

    fn details(&self) -> Value {
        let mut d = json!({});
        if !self.resource.is_empty() {
            d["kind"] = self.resource.into();
        }
        if !self.name.is_empty() {
            d["name"] = self.name.into();
        }
        if !self.group.is_empty() {
            d["group"] = self.group.into();
        }
        d
    }
}

/// One cause of an `Invalid` error.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) field: String,
}

impl Cause {
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: impl AsRef<str>) -> Self {
        Self::invalid_shown(field, &shown(value), detail)
    }

    /// With the value as it is to be shown.
    pub(crate) fn invalid_shown(field: impl Into<String>, value: &str, detail: impl AsRef<str>) -> Self {
        let mut message = format!("Invalid value: {value}");
        if !detail.as_ref().is_empty() {
            message.push_str(": ");
            message.push_str(detail.as_ref());
        }
        Self { reason: "FieldValueInvalid", message, field: field.into() }
    }

    /// The value is not shown.
    pub(crate) fn invalid_without_value(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueInvalid", message: format!("Invalid value: {detail}"), field: field.into() }
    }

    /// The server could not do something.
    pub(crate) fn internal(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "InternalError", message: format!("Internal error: {detail}"), field: field.into() }
    }

    pub(crate) fn duplicate_without_value(field: impl Into<String>) -> Self {
        Self { reason: "FieldValueDuplicate", message: "Duplicate value".to_owned(), field: field.into() }
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {detail}"), field: field.into() }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        Self::unsupported_shown(field, &shown(value), supported)
    }

    /// With the value as it is to be shown.
    pub(crate) fn unsupported_shown(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        Self {
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {value}: supported values: {}", list.join(", ")),
            field: field.into(),
        }
    }

    pub(crate) fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self { reason: "FieldValueNotFound", message: format!("Not found: {}", shown(value)), field: field.into() }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            message: format!("Duplicate value: {}", shown(value)),
            field: field.into(),
        }
    }

    /// A duplicate that is shown as this text.
    pub(crate) fn duplicate_shown(field: impl Into<String>, shown: &str) -> Self {
        Self { reason: "FieldValueDuplicate", message: format!("Duplicate value: {shown}"), field: field.into() }
    }

    /// A text of more than so many bytes.
    pub(crate) fn too_long(field: impl Into<String>, most: u64) -> Self {
        Self {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {most} bytes"),
            field: field.into(),
        }
    }

    /// A list or map of more than so many items.
    pub(crate) fn too_many(field: impl Into<String>, count: u64, most: u64) -> Self {
        Self {
            reason: "FieldValueTooMany",
            message: format!("Too many: {count}: must have at most {most} items"),
            field: field.into(),
        }
    }

    pub(crate) fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueTypeInvalid",
            message: format!("Invalid value: {}: {detail}", shown(value)),
            field: field.into(),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(s) => format!("{s:?}"),
        Value::Number(n) if n.is_f64() => n.as_f64().map_or_else(String::new, float),
        other => other.to_string(),
    }
}

/// A number as Go prints it: `3e+09`, but `42` and `0.5`.
pub(crate) fn float(n: f64) -> String {
    let text = format!("{n:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return n.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

impl ApiError {
    pub(crate) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            details: None,
            retry_after: None,
            continue_token: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// What a server answers for a path that it does not serve.
    pub(crate) fn unknown_path() -> Self {
        let mut e = Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource");
        e.details = Some(json!({}));
        e
    }

    pub(crate) fn not_found(about: About<'_>) -> Self {
        let mut e =
            Self::new(StatusCode::NOT_FOUND, "NotFound", format!("{} {:?} not found", about.qualified(), about.name));
        e.details = Some(about.details());
        e
    }

    pub(crate) fn already_exists(about: About<'_>) -> Self {
        let mut e = Self::new(
            StatusCode::CONFLICT,
            "AlreadyExists",
            format!("{} {:?} already exists", about.qualified(), about.name),
        );
        e.details = Some(about.details());
        e
    }

    pub(crate) fn conflict(about: About<'_>, detail: impl AsRef<str>) -> Self {
        let mut e = Self::new(
            StatusCode::CONFLICT,
            "Conflict",
            format!("Operation cannot be fulfilled on {} {:?}: {}", about.qualified(), about.name, detail.as_ref()),
        );
        e.details = Some(about.details());
        e
    }

    /// The object was changed since the client read it.
    pub(crate) fn modified(about: About<'_>) -> Self {
        Self::conflict(
            about,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn forbidden(about: About<'_>, detail: impl AsRef<str>) -> Self {
        let message = if about.name.is_empty() {
            format!("{} is forbidden: {}", about.qualified(), detail.as_ref())
        } else {
            format!("{} {:?} is forbidden: {}", about.qualified(), about.name, detail.as_ref())
        };
        let mut e = Self::new(StatusCode::FORBIDDEN, "Forbidden", message);
        e.details = Some(about.details());
        e
    }

    /// `about.resource` is the kind here, as in a real answer.
    pub(crate) fn invalid(about: About<'_>, causes: &[Cause]) -> Self {
        let mut text: Vec<String> = Vec::with_capacity(causes.len());
        for cause in causes {
            let line = format!("{}: {}", cause.field, cause.message);
            // The causes of one thing that two rules found are all listed, but told once.
            if !text.contains(&line) {
                text.push(line);
            }
        }
        let text = match text.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut e = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            format!("{} {:?} is invalid: {text}", about.qualified(), about.name),
        );
        let mut details = about.details();
        details["causes"] =
            causes.iter().map(|c| json!({ "reason": c.reason, "message": c.message, "field": c.field })).collect();
        e.details = Some(details);
        e
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    pub(crate) fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// The `Status` object of the answer.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code.as_u16(),
        });
        if !self.reason.is_empty() {
            body["reason"] = self.reason.as_ref().into();
        }
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        if let Some(token) = &self.continue_token {
            body["metadata"]["continue"] = token.as_ref().into();
        }
        if let Some(seconds) = self.retry_after {
            body["details"]["retryAfterSeconds"] = seconds.into();
        }
        body
    }
}
