//! Reading one watch, line by line.

use std::time::Duration;

use bytes::BytesMut;
use gitops_engine_core::{ApiFault, ApiFaultKind, Coverage};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::list::is_expired;
use super::{Stopped, Watch};
use crate::backoff::random_share;
use crate::fault::{Redaction, Status, fault, refusal};
use crate::index::Update;
use crate::request::{Call, LARGEST_OBJECT, Reply, Url};

/// What one watch came to.
pub(super) struct Outcome {
    /// Whether anything came.
    pub(super) progress: bool,
    pub(super) end: End,
}

/// How one watch ended.
pub(super) enum End {
    /// The server, or something on the way, closed it: resume.
    Closed,
    /// The server has forgotten our version: list again.
    Expired,
    /// It failed.
    Fault(ApiFault),
}

impl Outcome {
    fn of(progress: bool, fault: ApiFault) -> Self {
        Self { progress, end: if is_expired(&fault) { End::Expired } else { End::Fault(fault) } }
    }
}

/// Servers end watches after 5 to 10 minutes; asking for a little less makes the end an orderly one. Not all at once.
const SHORTEST_WATCH: u32 = 270;
const WATCH_SPREAD: f64 = 30.0;
/// How much later than asked for the end may come before the connection counts as dead.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: BookmarkMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookmarkMeta {
    resource_version: String,
}

impl Watch {
    /// Watches from `version` on and moves it along.
    pub(super) async fn watch(&mut self, version: &mut String) -> Result<Outcome, Stopped> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 30")]
        let seconds = SHORTEST_WATCH + (WATCH_SPREAD * random_share()) as u32;
        let url = Url::collection(&self.resource, None)
            .query("watch", "1")
            .query("allowWatchBookmarks", "true")
            .query("resourceVersion", version)
            .query("timeoutSeconds", &seconds.to_string());
        let deadline = Instant::now() + Duration::from_secs(seconds.into()) + GRACE;
        let call = Call::get(url, self.context.request_timeout);
        let response = match call.open(self.context.connection.client()).await {
            Ok(response) => response,
            Err(fault) => return Ok(Outcome::of(false, fault)),
        };
        if !response.status().is_success() {
            let fault = self.read_refusal(response).await;
            return Ok(Outcome::of(false, fault));
        }
        self.mend().await?;
        self.read(response.into_body(), deadline, version).await
    }

    async fn read_refusal(&self, response: http::Response<Body>) -> ApiFault {
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(
            self.context.request_timeout,
            http_body_util::Limited::new(body, LARGEST_OBJECT).collect(),
        );
        let body = body.await.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
        refusal(&Reply { status: parts.status, headers: parts.headers, body }, &Redaction::default())
    }

    async fn read(&mut self, mut body: Body, deadline: Instant, version: &mut String) -> Result<Outcome, Stopped> {
        let mut lines = Lines::default();
        let mut progress = false;
        loop {
            let Ok(frame) = tokio::time::timeout_at(deadline, body.frame()).await else {
                return Ok(Outcome { progress, end: End::Closed });
            };
            // A connection that breaks is an end like any other: what came before it counts, and we resume.
            let Some(Ok(frame)) = frame else { return Ok(Outcome { progress, end: End::Closed }) };
            let Ok(data) = frame.into_data() else { continue };
            lines.push(&data);
            while let Some(line) = lines.next() {
                match self.take(&line, version).await? {
                    None => progress = true,
                    Some(fault) => return Ok(Outcome::of(progress, fault)),
                }
            }
            if lines.pending() > LARGEST_OBJECT {
                let text = format!(
                    "the watch of {} sent a line of more than {} MiB",
                    self.resource.plural,
                    LARGEST_OBJECT >> 20
                );
                return Ok(Outcome::of(progress, ApiFault::new(ApiFaultKind::Protocol, 200, text)));
            }
        }
    }

    /// One event. `Some`: the server says that something is wrong.
    async fn take(&mut self, line: &[u8], version: &mut String) -> Result<Option<ApiFault>, Stopped> {
        let event: Line<'_> = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => {
                let text = format!("the watch of {} makes no sense: {error}", self.resource.plural);
                return Ok(Some(ApiFault::new(ApiFaultKind::Protocol, 200, text)));
            }
        };
        let text = event.object.get().as_bytes();
        match event.kind {
            "ADDED" | "MODIFIED" => match self.context.intake.object(&self.resource, text) {
                Ok(arrival) => {
                    arrival.object.resource_version.as_ref().clone_into(version);
                    let kind = self.resource.kind.clone();
                    self.send(Update::Put { kind, run: self.run, arrivals: vec![arrival] }).await?;
                }
                Err(error) => self.skip(&error, text, version).await?,
            },
            "DELETED" => match self.context.intake.identity(&self.resource, text) {
                Ok(id) => {
                    advance(version, text);
                    self.send(Update::Remove { run: self.run, id }).await?;
                }
                Err(error) => self.skip(&error, text, version).await?,
            },
            "BOOKMARK" => advance(version, text),
            "ERROR" => {
                let status = Status::read(text);
                let code = status.as_ref().map_or(500, |status| status.code);
                let code = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
                return Ok(Some(fault(code, &http::HeaderMap::new(), status, &Redaction::default())));
            }
            // A kind of event that came after us.
            other => tracing::debug!(kind = %self.resource.kind, event = other, "an unknown event was skipped"),
        }
        Ok(None)
    }

    /// One object that cannot be read does not hide the others; but from now on nobody can say that all is known.
    async fn skip(
        &mut self,
        error: &gitops_engine_core::Error,
        text: &[u8],
        version: &mut String,
    ) -> Result<(), Stopped> {
        self.listed = Coverage::Broken(format!("an object could not be read: {error}").into());
        advance(version, text);
        self.cover(self.listed.clone()).await
    }

    /// The watch runs again.
    async fn mend(&mut self) -> Result<(), Stopped> {
        if std::mem::take(&mut self.interrupted) { self.cover(self.listed.clone()).await } else { Ok(()) }
    }
}

/// Moves the version to that of an object. One without a version (a broken aggregated API) moves nothing.
fn advance(version: &mut String, object: &[u8]) {
    if let Ok(Bookmark { metadata }) = serde_json::from_slice(object)
        && !metadata.resource_version.is_empty()
    {
        *version = metadata.resource_version;
    }
}

/// Cuts a stream of bytes into lines.
#[derive(Default)]
struct Lines {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
}

impl Lines {
    fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    fn next(&mut self) -> Option<BytesMut> {
        loop {
            let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                return None;
            };
            let line = self.buffer.split_to(self.searched + at + 1);
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    }

    fn pending(&self) -> usize {
        self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_do_not_depend_on_how_they_are_cut() {
        let text = b"one\n\ntwo\r\n  \nthree\nrest";
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for chunk in text.chunks(size) {
                lines.push(chunk);
                while let Some(line) = lines.next() {
                    seen.push(String::from_utf8_lossy(line.trim_ascii()).into_owned());
                }
            }
            assert_eq!(seen, ["one", "two", "three"], "{size}");
            assert_eq!(lines.pending(), 4);
        }
    }
}
