//! A watch, event by event.

use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::{Failure, Outcome, Reply, Sending};

/// How long to wait for an event.
const PATIENCE: Duration = Duration::from_secs(20);

/// One line of a watch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WatchedEvent {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: String,
    /// The object, or the Status of an error.
    pub object: Value,
}

impl WatchedEvent {
    /// The object's name, empty when it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The object's resourceVersion, empty when it has none.
    #[must_use]
    pub fn version(&self) -> &str {
        self.object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
    }
}

/// A running watch: see [`Sending::watch`]. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    request: String,
    content_type: String,
    body: Body,
    buffer: BytesMut,
    /// What was read before the last event, for the text of a failure.
    seen: Vec<String>,
}

impl Watch {
    pub(super) async fn start(sending: Sending<'_>) -> Result<Self, Failure> {
        let lab = sending.lab;
        let (summary, request) = sending.build()?;
        let (parts, body) = lab
            .client
            .send(request)
            .await
            .map_err(|e| Failure::new(format!("an answer, not `{e}`")).sent(&*summary))?
            .into_parts();
        if parts.status != http::StatusCode::OK {
            let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
            let text = String::from_utf8_lossy(&body).into_owned();
            return Err(Failure::new("a watch").sent(summary).came(format!("{} {text}", parts.status)));
        }
        let content_type = parts.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        Ok(Self { request: summary, content_type, body, buffer: BytesMut::new(), seen: Vec::new() })
    }

    /// The content type of the answer.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// A failure about this watch.
    #[must_use]
    pub fn failure(&self, expected: impl Into<String>) -> Failure {
        Failure::new(expected).sent(&*self.request).came(format!("events {}", self.seen.join(" ")))
    }

    /// The next line as it came, `None` when the server has closed the watch.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let mut line = self.buffer.split_to(end + 1);
                line.truncate(end);
                return Ok(Some(line.to_vec()));
            }
            let Ok(frame) = tokio::time::timeout(PATIENCE, self.body.frame()).await else {
                return Err(self.failure(format!("another event within {} s", PATIENCE.as_secs())));
            };
            match frame {
                None if self.buffer.is_empty() => return Ok(None),
                // A form of the answer without line ends.
                None => return Ok(Some(self.buffer.split().to_vec())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(e)) => return Err(self.failure(format!("another event or the end, not `{e}`"))),
            }
        }
    }

    /// The next event, `None` when the server has closed the watch.
    ///
    /// # Errors
    /// When nothing comes for some seconds, or no event.
    pub async fn next(&mut self) -> Result<Option<WatchedEvent>, Failure> {
        let Some(line) = self.line().await? else {
            self.seen.push("(end)".to_owned());
            return Ok(None);
        };
        self.seen.push(String::from_utf8_lossy(&line).into_owned());
        let mut value: Value = serde_json::from_slice(&line).map_err(|e| self.failure(format!("JSON, not `{e}`")))?;
        let kind = value["type"].as_str().unwrap_or_default().to_owned();
        Ok(Some(WatchedEvent { kind, object: value["object"].take() }))
    }

    /// The next event, which must be there.
    ///
    /// # Errors
    /// When the watch ends instead.
    pub async fn event(&mut self) -> Result<WatchedEvent, Failure> {
        match self.next().await? {
            Some(event) => Ok(event),
            None => Err(self.failure("another event, not the end")),
        }
    }

    /// The next event, which must be of this kind and about this name.
    ///
    /// # Errors
    /// When it is another.
    pub async fn expect(&mut self, kind: &str, name: &str) -> Result<WatchedEvent, Failure> {
        let event = self.event().await?;
        if event.kind == kind && event.name() == name {
            Ok(event)
        } else {
            Err(self.failure(format!("{kind} of {name:?} as the next event")))
        }
    }

    /// Reads on until an event is as wanted.
    ///
    /// # Errors
    /// When the watch ends before, or nothing comes for some seconds.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&WatchedEvent) -> bool) -> Result<WatchedEvent, Failure> {
        loop {
            match self.next().await? {
                Some(event) if wanted(&event) => return Ok(event),
                Some(_) => {}
                None => return Err(self.failure(format!("{what} before the end"))),
            }
        }
    }

    /// Expects that the server closes the watch without another event.
    ///
    /// # Errors
    /// When an event comes.
    pub async fn expect_end(&mut self) -> Outcome {
        match self.next().await? {
            None => Ok(()),
            Some(_) => Err(self.failure("the end of the watch")),
        }
    }

    /// Every event until the server closes the watch.
    ///
    /// # Errors
    /// When nothing comes for some seconds.
    pub async fn rest(&mut self) -> Result<Vec<WatchedEvent>, Failure> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await? {
            events.push(event);
        }
        Ok(events)
    }
}

impl Reply {
    /// Lines of a watch that was read as a whole, such as one with `timeoutSeconds`.
    #[must_use]
    pub fn events(&self) -> Vec<WatchedEvent> {
        let values = serde_json::Deserializer::from_slice(self.bytes()).into_iter::<Value>();
        values
            .map_while(Result::ok)
            .map(|mut v| WatchedEvent {
                kind: v["type"].as_str().unwrap_or_default().to_owned(),
                object: v["object"].take(),
            })
            .collect()
    }
}
