//! The two servers, behind the same client.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use gitops_engine_testkit::Cluster;
use gitops_engine_testkit::control_plane::{ControlPlane, ControlPlaneUser};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::program::Request;

/// How many changes of a kind the in-process server remembers: more than a run makes.
const HISTORY: usize = 1_000_000;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Sides {
    pub(crate) real: Side,
    pub(crate) ours: Side,
    _plane: ControlPlane,
}

pub(crate) struct Side {
    client: kube::Client,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        self.code < 300
    }

    /// In place of an answer that did not come, which differs from all that did.
    fn none(why: &anyhow::Error) -> Self {
        Self { code: NONE, warnings: Vec::new(), body: Value::from(format!("{why:#}")) }
    }

    /// Whether a server has not read the objects of a definition yet: it asks to be asked again.
    fn is_too_early(&self) -> bool {
        self.code == 429 && self.body["message"] == "storage is (re)initializing"
    }

    pub(crate) fn is_none(&self) -> bool {
        self.code == NONE
    }
}

/// The code of no answer.
const NONE: u16 = 999;

impl Sides {
    pub(crate) async fn start(seed: u64) -> anyhow::Result<Self> {
        let plane = ControlPlane::builder()
            .binaries(crate::control_plane::binaries()?)
            .api_server_only()
            .start()
            .await
            .context("cannot start a control plane")?;
        let real = Side { client: plane.plain_client(ControlPlaneUser::Admin).await? };
        let now = std::time::SystemTime::now();
        let cluster = Cluster::builder().seed(seed).start_at(now).history(HISTORY).without_controllers().build();
        let ours = Side { client: cluster.client() };
        // So that there is a past that neither remembers.
        plane.compact().await?;
        cluster.force_compaction();
        Ok(Self { real, ours, _plane: plane })
    }
}

impl Side {
    /// Sends a request. That there is no answer at all is an answer too: it differs from every other.
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        let began = Instant::now();
        loop {
            let answer = self.try_send(request).await.unwrap_or_else(|error| Answer::none(&error));
            if !answer.is_too_early() || began.elapsed() > PATIENCE {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn begin(&self, request: &Request) -> anyhow::Result<http::Response<kube::client::Body>> {
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(&request.uri)
            .header("accept", request.accept)
            .header("user-agent", "differential/1.0");
        if !request.content_type.is_empty() {
            builder = builder.header("content-type", request.content_type);
        }
        let request = builder.body(kube::client::Body::from(request.body.clone().into_bytes()))?;
        let answer = tokio::time::timeout(PATIENCE, self.client.send(request)).await;
        Ok(answer.context("no answer for a minute")??)
    }

    /// Opens a watch, unless the server refuses it.
    pub(crate) async fn open(&self, request: &Request) -> Result<Stream, Answer> {
        let response = self.begin(request).await.map_err(|error| Answer::none(&error))?;
        if response.status().as_u16() == 200 {
            return Ok(Stream { body: response.into_body(), unread: Vec::new(), early: VecDeque::new() });
        }
        Err(Self::whole(response).await.unwrap_or_else(|error| Answer::none(&error)))
    }

    async fn try_send(&self, request: &Request) -> anyhow::Result<Answer> {
        Self::whole(self.begin(request).await?).await
    }

    async fn whole(response: http::Response<kube::client::Body>) -> anyhow::Result<Answer> {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let warnings = parts.headers.get_all("warning").iter();
        Ok(Answer {
            code: parts.status.as_u16(),
            warnings: warnings.map(|w| String::from_utf8_lossy(w.as_bytes()).into_owned()).collect(),
            body: serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned())),
        })
    }
}

/// An open watch.
pub(crate) struct Stream {
    body: kube::client::Body,
    unread: Vec<u8>,
    /// What was told up to the end of the initial events.
    early: VecDeque<Value>,
}

impl Stream {
    /// Reads the initial events, so that what is written from now on is not one of them.
    pub(crate) async fn begun(&mut self) {
        while let Some(event) = self.read().await {
            let ended = event.to_string().contains("k8s.io/initial-events-end");
            self.early.push_back(event);
            if ended {
                return;
            }
        }
    }

    /// The next event; nothing once the server has closed the watch.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        match self.early.pop_front() {
            Some(event) => Some(event),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let text = || Value::from(String::from_utf8_lossy(&line).into_owned());
                return Some(serde_json::from_slice(&line).unwrap_or_else(|_| text()));
            }
            let data = self.body.frame().await?.ok()?.into_data().ok()?;
            self.unread.extend_from_slice(&data);
        }
    }
}
