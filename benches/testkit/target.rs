//! A server that is timed, and how it is asked.

use std::error::Error;

use futures::StreamExt as _;
use gitops_engine_testkit::Cluster;
use gitops_engine_testkit::control_plane::{ControlPlane, ControlPlaneUser};
use http_body_util::BodyExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::runtime::Runtime;

/// How many requests are under way at once.
const IN_FLIGHT: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Our server as a `tower` service under the client.
    InProcess,
    /// Our server over HTTPS.
    Loopback,
    /// etcd and kube-apiserver, over HTTPS.
    Real,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::InProcess, Self::Loopback, Self::Real];
}

pub(crate) struct Target {
    pub(crate) runtime: Runtime,
    pub(crate) client: kube::Client,
    _running: Running,
}

/// What has to live as long as the client is used.
#[allow(dead_code, reason = "held, not read")]
enum Running {
    Ours(Cluster),
    Served(Cluster, gitops_engine_testkit::Server),
    Real(ControlPlane),
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A server without simulated controllers: a kube-apiserver has none either.
pub(crate) fn cluster() -> Cluster {
    Cluster::builder().without_controllers().build()
}

impl Target {
    pub(crate) fn start(kind: Kind) -> Result<Self, Box<dyn Error>> {
        let runtime = runtime();
        let (client, running) = runtime.block_on(async {
            Ok::<_, Box<dyn Error>>(match kind {
                Kind::InProcess => {
                    let cluster = cluster();
                    (cluster.client(), Running::Ours(cluster))
                }
                Kind::Loopback => {
                    let cluster = cluster();
                    let server = cluster.serve_https().await?;
                    (connect(&server.kubeconfig()).await?, Running::Served(cluster, server))
                }
                Kind::Real => {
                    let plane = ControlPlane::builder().api_server_only().start().await?;
                    (connect(plane.kubeconfig(ControlPlaneUser::Admin)).await?, Running::Real(plane))
                }
            })
        })?;
        Ok(Self { runtime, client, _running: running })
    }

    /// Sends requests, some at once, and counts those that succeed.
    pub(crate) fn send_all(&self, requests: Vec<Request>) -> u64 {
        self.runtime.block_on(send_all(&self.client, requests))
    }
}

pub(crate) async fn send_all(client: &kube::Client, requests: Vec<Request>) -> u64 {
    futures::stream::iter(requests)
        .map(|request| {
            let client = client.clone();
            // Tasks of their own, so that both workers have something to do.
            async move { tokio::spawn(async move { request.send(&client).await.is_some() }).await.unwrap() }
        })
        .buffer_unordered(IN_FLIGHT)
        .filter(|good| std::future::ready(*good))
        .count()
        .await as u64
}

async fn connect(kubeconfig: &str) -> Result<kube::Client, Box<dyn Error>> {
    let parsed = Kubeconfig::from_yaml(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}

#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), content_type: "application/json", body: String::new() }
    }

    pub(crate) fn post(path: impl Into<String>, body: &serde_json::Value) -> Self {
        Self { method: "POST", path: path.into(), content_type: "application/json", body: body.to_string() }
    }

    pub(crate) fn apply(path: impl Into<String>, body: &serde_json::Value) -> Self {
        Self {
            method: "PATCH",
            path: path.into(),
            content_type: "application/apply-patch+yaml",
            body: body.to_string(),
        }
    }

    fn build(self) -> http::Request<kube::client::Body> {
        http::Request::builder()
            .method(self.method)
            .uri(self.path)
            .header("content-type", self.content_type)
            .body(self.body.into_bytes().into())
            .unwrap()
    }

    /// The answer's body, when it is a success.
    pub(crate) async fn send(self, client: &kube::Client) -> Option<bytes::Bytes> {
        let response = client.send(self.build()).await.unwrap();
        let good = response.status().is_success();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        good.then_some(body)
    }

    /// Reads lines of a watch until one says `last`, and counts them.
    pub(crate) async fn lines_until(self, client: &kube::Client, last: impl Fn(u64, &[u8]) -> bool) -> u64 {
        let mut body = client.send(self.build()).await.unwrap().into_body();
        let (mut line, mut count) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.unwrap().into_data() else { continue };
            for part in data.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    count += 1;
                    if last(count, &line) {
                        return count;
                    }
                    line.clear();
                }
            }
        }
        count
    }
}
