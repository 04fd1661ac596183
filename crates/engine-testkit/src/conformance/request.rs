//! A request of any shape.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use kube::client::Body;
use serde_json::Value;

use super::{Failure, Lab, Reply, failure::shortened};

/// What the suite calls itself: the field manager of writes that name none is `conformance`.
pub(super) const USER_AGENT: &str = "conformance/1.0";

/// How a patch is meant: <https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Patch {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// By the merge keys of the type; built-in kinds only.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl Patch {
    /// The media type that names it.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// A request that is being put together: see [`Lab::request`].
#[derive(Debug)]
#[must_use = "nothing is sent before `send` or `watch`"]
pub struct Sending<'a> {
    pub(super) lab: &'a Lab,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl<'a> Sending<'a> {
    pub(super) fn new(lab: &'a Lab, method: &str, path: &str) -> Self {
        Self { lab, method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks for a form of the answer.
    pub fn accept(self, media_types: &str) -> Self {
        self.header("accept", media_types)
    }

    /// A body as it is, with its content type. An empty type sends no such header.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        if content_type.is_empty() { self } else { self.header("content-type", content_type) }
    }

    /// A body in JSON.
    pub fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }

    /// What a failure says was sent.
    pub(super) fn summary(&self) -> String {
        let mut text = format!("{} {}", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!(" [{name}: {value}]"));
        }
        if !self.body.is_empty() {
            text.push(' ');
            text.push_str(&String::from_utf8_lossy(&self.body));
        }
        shortened(text)
    }

    pub(super) fn build(self) -> Result<(String, Request<Body>), Failure> {
        let summary = self.summary();
        let wrong =
            |e: &dyn std::fmt::Display| Failure::new(format!("a request that can be sent: {e}")).sent(&*summary);
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|e| wrong(&e))?;
        let mut request = Request::builder()
            .method(method)
            .uri(&self.path)
            .body(Body::from(self.body.to_vec()))
            .map_err(|e| wrong(&e))?;
        let agent = HeaderValue::from_static(USER_AGENT);
        request.headers_mut().insert(http::header::USER_AGENT, agent);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| wrong(&e))?;
            let value = HeaderValue::from_str(value).map_err(|e| wrong(&e))?;
            if name == http::header::USER_AGENT {
                request.headers_mut().insert(name, value);
            } else {
                request.headers_mut().append(name, value);
            }
        }
        Ok((summary, request))
    }

    /// Sends it and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn send(self) -> Result<Reply, Failure> {
        let lab = self.lab;
        let (method, path) = (self.method.clone(), self.path.clone());
        let (summary, request) = self.build()?;
        let reply = Reply::receive(lab, summary, request).await?;
        lab.remember(&method, &path, &reply);
        Ok(reply)
    }

    /// Sends it and reads the answer event by event.
    ///
    /// # Errors
    /// When no answer comes, or one that is not 200.
    pub async fn watch(self) -> Result<super::Watch, Failure> {
        super::Watch::start(self).await
    }
}
