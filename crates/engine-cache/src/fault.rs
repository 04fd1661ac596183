//! From answers that are no success to [`ApiFault`]s, without values of Secrets.

use std::time::Duration;

use gitops_engine_core::{ApiCause, ApiFault, ApiFaultKind, Manifest, ObjectId, Value};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::request::Reply;

/// The parts of [`metav1.Status`](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/) that matter.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) reason: String,
    pub(crate) code: u16,
    pub(crate) details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Details {
    pub(crate) name: String,
    pub(crate) causes: Vec<Cause>,
    pub(crate) retry_after_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Cause {
    pub(crate) reason: String,
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Status {
    /// The status in a body, where there is one: a proxy answers with HTML, an unknown path with plain text.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().filter(|status: &Self| status.kind == "Status")
    }
}

/// The fault of an answer.
pub(crate) fn refusal(reply: &Reply, redaction: &Redaction) -> ApiFault {
    let status = Status::read(&reply.body);
    fault(reply.status, &reply.headers, status, redaction)
}

pub(crate) fn fault(code: StatusCode, headers: &HeaderMap, status: Option<Status>, redaction: &Redaction) -> ApiFault {
    let unknown = status.is_none();
    let status = status.unwrap_or_default();
    let asked = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = asked.or(Some(status.details.retry_after_seconds)).filter(|seconds| *seconds > 0);
    let kind = classify(code.as_u16(), &status, retry_after.is_some());

    let mut message = if status.message.is_empty() {
        let reason = code.canonical_reason().unwrap_or("no reason");
        let origin = if unknown { "without a Kubernetes status" } else { "without a message" };
        format!("the API server answered {} {reason} {origin}", code.as_u16())
    } else {
        redaction.clean(&status.message)
    };
    let cause = |cause: Cause| ApiCause {
        message: redaction.clean(&cause.message),
        // Strict decoding puts the offending field here; for a Secret that can be a key, never a value.
        field: cause.field,
        reason: cause.reason,
    };
    if message.len() > 8192 {
        let end = (0..=8192).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    let mut fault = ApiFault::new(kind, code.as_u16(), message);
    fault.causes = status.details.causes.into_iter().map(cause).collect();
    fault.retry_after = retry_after.map(Duration::from_secs);
    fault
}

/// Rules: [HTTP status codes of the API](https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#http-status-codes).
fn classify(code: u16, status: &Status, asked_to_wait: bool) -> ApiFaultKind {
    match code {
        401 => ApiFaultKind::Unauthenticated,
        403 => {
            let terminating = status.details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating");
            if terminating || status.message.contains("exceeded quota") {
                ApiFaultKind::Exhausted
            } else {
                ApiFaultKind::Forbidden
            }
        }
        404 => ApiFaultKind::NotFound,
        409 if status.reason == "AlreadyExists" => ApiFaultKind::AlreadyExists,
        // Two creates raced for one quota: nobody changed our object.
        409 if status.message.contains("Operation cannot be fulfilled on resourcequotas") => ApiFaultKind::Exhausted,
        409 => ApiFaultKind::Conflict,
        422 => ApiFaultKind::Invalid,
        429 => ApiFaultKind::Throttled,
        504 => ApiFaultKind::Timeout,
        400..=499 => ApiFaultKind::BadRequest,
        500..=599 if asked_to_wait => ApiFaultKind::Throttled,
        500..=599 => ApiFaultKind::Server,
        _ => ApiFaultKind::Protocol,
    }
}

/// A request that got no answer.
pub(crate) fn transport(error: &kube::Error) -> ApiFault {
    let kind = match error {
        kube::Error::Auth(_) => ApiFaultKind::Unauthenticated,
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => ApiFaultKind::Protocol,
        _ => ApiFaultKind::Connection,
    };
    ApiFault::new(kind, 0, describe(error))
}

/// The error and its causes in one line, without what a credential program printed.
pub(crate) fn describe(error: &kube::Error) -> String {
    if let kube::Error::Auth(_) = error {
        return "no credentials: the kubeconfig's token, certificate or credential program did not give any".to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        // kube and hyper repeat the cause in their own message; the last, longest form is enough.
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

/// What must not be in a message. For any object but a Secret: nothing.
#[derive(Default)]
pub(crate) struct Redaction {
    secret: bool,
    /// Texts that may be quoted: the server names the object.
    names: Vec<String>,
    /// The values themselves, longest first.
    values: Vec<String>,
}

impl Redaction {
    pub(crate) fn of(id: &ObjectId, manifest: Option<&Manifest>) -> Self {
        if !id.kind.is("", "Secret") {
            return Self::default();
        }
        let mut names = vec![id.name.to_string(), "Secret".to_owned()];
        names.extend(id.namespace.as_deref().map(str::to_owned));
        let mut values = Vec::new();
        for part in ["data", "stringData"] {
            collect_texts(manifest.and_then(|manifest| manifest.get(part)), &mut values);
        }
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { secret: true, names, values }
    }

    pub(crate) fn clean(&self, message: &str) -> String {
        if !self.secret {
            return message.to_owned();
        }
        let mut text = message.to_owned();
        for value in &self.values {
            text = text.replace(value.as_str(), "…");
        }
        self.clean_quotes(&clean_invalid_values(&text))
    }

    /// Removes what stands in quotes, unless it is a name of the object.
    fn clean_quotes(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('"') {
            out.push_str(&rest[..start]);
            let inner = &rest[start + 1..];
            let end = closing_quote(inner);
            let quoted = &inner[..end.unwrap_or(inner.len())];
            let shown = if self.names.iter().any(|name| name == quoted) { quoted } else { "…" };
            out.push('"');
            out.push_str(shown);
            out.push('"');
            rest = end.map_or("", |end| &inner[end + 1..]);
        }
        out.push_str(rest);
        out
    }
}

/// `Invalid value: WHAT: why` keeps only why
/// ([`field.Error`](https://github.com/kubernetes/apimachinery/blob/master/pkg/util/validation/field/errors.go)).
fn clean_invalid_values(text: &str) -> String {
    const MARK: &str = "Invalid value: ";
    let Some(start) = text.find(MARK) else { return text.to_owned() };
    let (head, value) = text.split_at(start + MARK.len());
    if let Some(inner) = value.strip_prefix('"') {
        let rest = closing_quote(inner).map_or("", |end| &inner[end + 1..]);
        return format!("{head}…{}", clean_invalid_values(rest));
    }
    // Not quoted: a number, a map or bytes. Only what follows the last colon is surely the reason.
    value.rfind(": ").map_or_else(|| format!("{head}…"), |at| format!("{head}…{}", &value[at..]))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn collect_texts(value: Option<&Value>, out: &mut Vec<String>) {
    match value {
        Some(Value::String(text)) if text.len() > 3 => out.push(text.to_string()),
        Some(Value::Array(items)) => items.iter().for_each(|item| collect_texts(Some(item), out)),
        Some(Value::Object(map)) => map.iter().for_each(|(_, value)| collect_texts(Some(value), out)),
        _ => {}
    }
}

/// The texts of [`Warning` headers](https://kubernetes.io/blog/2020/09/03/warnings/): `299 - "text"`.
pub(crate) fn warnings(headers: &HeaderMap, redaction: &Redaction) -> Vec<String> {
    let text = |value: &http::HeaderValue| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let inner = &value[value.find('"')? + 1..];
        let inner = &inner[..closing_quote(inner).unwrap_or(inner.len())];
        Some(redaction.clean(&inner.replace("\\\"", "\"").replace("\\\\", "\\")))
    };
    headers.get_all(http::header::WARNING).iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use gitops_engine_core::ManagedFields;

    fn reply(code: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(code).unwrap(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn answers_become_kinds() {
        let status = |reason: &str, message: &str, details: &str| {
            format!(r#"{{"kind":"Status","reason":"{reason}","message":"{message}","details":{{{details}}}}}"#)
        };
        for (code, body, kind) in [
            (400, status("BadRequest", "strict decoding error", ""), ApiFaultKind::BadRequest),
            (401, status("Unauthorized", "Unauthorized", ""), ApiFaultKind::Unauthenticated),
            (403, status("Forbidden", "cannot list", ""), ApiFaultKind::Forbidden),
            (403, status("Forbidden", "pods x is forbidden: exceeded quota: q", ""), ApiFaultKind::Exhausted),
            (
                403,
                status("Forbidden", "being terminated", r#""causes":[{"reason":"NamespaceTerminating"}]"#),
                ApiFaultKind::Exhausted,
            ),
            (404, "404 page not found".to_owned(), ApiFaultKind::NotFound),
            (409, status("AlreadyExists", "exists", ""), ApiFaultKind::AlreadyExists),
            (409, status("Conflict", "the object has been modified", ""), ApiFaultKind::Conflict),
            (409, status("Conflict", "Operation cannot be fulfilled on resourcequotas q", ""), ApiFaultKind::Exhausted),
            (415, status("UnsupportedMediaType", "no", ""), ApiFaultKind::BadRequest),
            (422, status("Invalid", "no", ""), ApiFaultKind::Invalid),
            (429, status("TooManyRequests", "slow", ""), ApiFaultKind::Throttled),
            (500, status("InternalError", "webhook", ""), ApiFaultKind::Server),
            (500, status("ServerTimeout", "later", r#""retryAfterSeconds":2"#), ApiFaultKind::Throttled),
            (503, "<html>".to_owned(), ApiFaultKind::Server),
            (504, status("Timeout", "late", ""), ApiFaultKind::Timeout),
            (302, String::new(), ApiFaultKind::Protocol),
        ] {
            let fault = refusal(&reply(code, &body), &Redaction::default());
            assert_eq!((fault.kind, fault.code), (kind, code), "{body}");
            assert!(!fault.message.is_empty());
        }
    }

    #[test]
    fn the_server_says_how_long_to_wait() {
        let mut answer = reply(429, "");
        answer.headers.insert("retry-after", "7".parse().unwrap());
        assert_eq!(refusal(&answer, &Redaction::default()).retry_after, Some(Duration::from_secs(7)));
        let body = reply(500, r#"{"kind":"Status","details":{"retryAfterSeconds":2}}"#);
        assert_eq!(refusal(&body, &Redaction::default()).retry_after, Some(Duration::from_secs(2)));
    }

    #[test]
    fn values_of_secrets_are_removed_and_the_reason_stays() {
        let secret = br#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"shop"},
            "stringData":{"p":"hunter2"},"data":{"q":"c2VjcmV0"}}"#;
        let secret = Manifest::from_json(secret, ManagedFields::Drop).unwrap();
        let redaction = Redaction::of(secret.id(), Some(&secret));
        for (message, clean) in [
            (
                r#"Secret "db" is invalid: type: Invalid value: "Opaque \"x\"": field is immutable"#,
                r#"Secret "db" is invalid: type: Invalid value: …: field is immutable"#,
            ),
            ("data[x]: Invalid value: []byte{1, 2}: too long", "data[x]: Invalid value: …: too long"),
            (r#"unknown field "spec" in value hunter2"#, r#"unknown field "…" in value …"#),
            ("cannot decode c2VjcmV0", "cannot decode …"),
            (r#"an open "quote never ends"#, r#"an open "…""#),
            (
                "Forbidden: field is immutable when `immutable` is set",
                "Forbidden: field is immutable when `immutable` is set",
            ),
        ] {
            assert_eq!(redaction.clean(message), clean);
        }
        let other = ObjectId::namespaced("", "ConfigMap", "shop", "db");
        assert_eq!(Redaction::of(&other, None).clean(r#"x "y""#), r#"x "y""#);
    }

    #[test]
    fn warnings_are_unquoted() {
        let mut headers = HeaderMap::new();
        headers.append("warning", r#"299 - "v1beta1 is deprecated, use \"v1\"""#.parse().unwrap());
        headers.append("warning", "299 - unquoted".parse().unwrap());
        assert_eq!(warnings(&headers, &Redaction::default()), [r#"v1beta1 is deprecated, use "v1""#]);
    }
}
