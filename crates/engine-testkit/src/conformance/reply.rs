//! What came back, and what can be said about it.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::{Failure, Lab, Outcome};

/// An answer. Each `expect…` gives the answer back when it is as expected, and a [`Failure`] otherwise.
#[derive(Debug, Clone)]
pub struct Reply {
    request: String,
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    value: Value,
}

impl Reply {
    pub(super) async fn receive(lab: &Lab, summary: String, request: Request<Body>) -> Result<Self, Failure> {
        let no_answer = |e: &dyn std::fmt::Display| Failure::new(format!("an answer, not `{e}`")).sent(&*summary);
        let answer = lab.client.send(request).await.map_err(|e| no_answer(&e))?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| no_answer(&e))?.to_bytes();
        let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(Self { request: summary, status: parts.status.as_u16(), headers: parts.headers, body, value })
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header, when it is there and is text. The first of several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// All values of a header.
    #[must_use]
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect()
    }

    /// The body as it came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text; bytes that are no text are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, `null` when it is not JSON.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The body as JSON, taken out.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// What is at a JSON pointer (`/metadata/name`), `null` when nothing is.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        self.value.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The text at a JSON pointer, empty when there is none.
    #[must_use]
    pub fn str_at(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// The items of a list, none when it is no list.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        self.value["items"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The names of the items of a list, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.items().iter().map(|i| i["metadata"]["name"].as_str().unwrap_or_default()).collect()
    }

    /// A failure about this answer.
    #[must_use]
    pub fn failure(&self, expected: impl Into<String>) -> Failure {
        Failure::new(expected).sent(&*self.request).came(format!("{} {}", self.status, self.text()))
    }

    /// Something that must hold for the answer, in words for the failure.
    ///
    /// # Errors
    /// When it does not.
    pub fn ensure(&self, holds: bool, expected: impl Into<String>) -> Outcome {
        if holds { Ok(()) } else { Err(self.failure(expected)) }
    }

    /// Expects an HTTP status.
    ///
    /// # Errors
    /// When it is another.
    pub fn expect(self, status: u16) -> Result<Self, Failure> {
        if self.status == status { Ok(self) } else { Err(self.failure(format!("status {status}"))) }
    }

    /// Expects a `Status` object of a failure with this code, in its body too, and this reason.
    ///
    /// # Errors
    /// When the answer is anything else.
    pub fn expect_error(self, code: u16, reason: &str) -> Result<Self, Failure> {
        let is = self.status == code
            && self.value["kind"] == "Status"
            && self.value["apiVersion"] == "v1"
            && self.value["status"] == "Failure"
            && self.value["code"] == code
            && self.value["reason"].as_str().unwrap_or_default() == reason;
        if is { Ok(self) } else { Err(self.failure(format!("a Status with code {code} and reason {reason:?}"))) }
    }

    /// Expects the message of a `Status`, word for word.
    ///
    /// # Errors
    /// When it is another.
    pub fn expect_message(self, message: &str) -> Result<Self, Failure> {
        if self.value["message"] == message { Ok(self) } else { Err(self.failure(format!("the message {message:?}"))) }
    }

    /// Expects a part of the message of a `Status`.
    ///
    /// # Errors
    /// When it is not in there.
    pub fn expect_in_message(self, part: &str) -> Result<Self, Failure> {
        if self.str_at("/message").contains(part) {
            Ok(self)
        } else {
            Err(self.failure(format!("a message with {part:?}")))
        }
    }

    /// Expects causes in `details`, each as its reason and field, in their order.
    ///
    /// # Errors
    /// When they are others.
    pub fn expect_causes(self, causes: &[(&str, &str)]) -> Result<Self, Failure> {
        let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
        let came: Vec<(String, String)> = self.at("/details/causes").as_array().map_or_else(Vec::new, |list| {
            list.iter().map(|cause| (text(cause, "reason"), text(cause, "field"))).collect()
        });
        let same = came.len() == causes.len() && came.iter().zip(causes).all(|(a, b)| (&*a.0, &*a.1) == *b);
        if same { Ok(self) } else { Err(self.failure(format!("the causes {causes:?}, not {came:?}"))) }
    }

    /// Expects a value at a JSON pointer; `null` expects that nothing is there.
    ///
    /// # Errors
    /// When it is another.
    pub fn expect_at(self, pointer: &str, value: impl Into<Value>) -> Result<Self, Failure> {
        let expected = value.into();
        if *self.at(pointer) == expected { Ok(self) } else { Err(self.failure(format!("{expected} at {pointer}"))) }
    }

    /// Expects the names of a list's items, in order.
    ///
    /// # Errors
    /// When they are others.
    pub fn expect_names(self, names: &[&str]) -> Result<Self, Failure> {
        if self.names() == names { Ok(self) } else { Err(self.failure(format!("a list of {names:?}"))) }
    }

    /// Expects a header to have a value, or with an empty value, not to be there.
    ///
    /// # Errors
    /// When it has another.
    pub fn expect_header(self, name: &str, value: &str) -> Result<Self, Failure> {
        let came = self.header(name).unwrap_or_default();
        if came == value {
            Ok(self)
        } else {
            let text = format!("the header {name} to be {value:?}, not {came:?}");
            Err(self.failure(text))
        }
    }

    /// Expects the body as text, word for word.
    ///
    /// # Errors
    /// When it is another.
    pub fn expect_text(self, text: &str) -> Result<Self, Failure> {
        if self.body == text.as_bytes() { Ok(self) } else { Err(self.failure(format!("the body {text:?}"))) }
    }
}
