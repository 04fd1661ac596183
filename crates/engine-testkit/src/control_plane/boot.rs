//! From nothing to a cluster that runs Pods: the order of things, and what is waited for.

use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::process::{self, Component};
use super::settings::{HARNESS, Settings};
use super::{ControlPlaneBinaries, ControlPlaneError, Parts, services};

/// How often something that must come is asked for.
const POLL: Duration = Duration::from_millis(50);

/// A control plane that is up.
pub(super) struct Cluster {
    pub(super) components: Vec<Component>,
    pub(super) settings: Settings,
    pub(super) authority: String,
    /// A client with the harness's own name.
    pub(super) client: kube::Client,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        process::end(&mut self.components);
    }
}

/// Starts everything in `folder`, which is empty, and returns once a Pod could run.
pub(super) async fn boot(
    binaries: &ControlPlaneBinaries,
    folder: &Path,
    limit: Duration,
    parts: Parts,
) -> Result<Cluster, ControlPlaneError> {
    let mut start = Start { components: Vec::new(), began: Instant::now(), limit };
    let settings = Settings::write(folder, parts)?;
    let run = |start: &mut Start, name: &'static str| {
        let component = Component::start(name, &binaries.path(name), &settings.args(name), folder)?;
        start.components.push(component);
        Ok::<_, ControlPlaneError>(())
    };

    run(&mut start, "etcd")?;
    run(&mut start, "kube-apiserver")?;
    let authority =
        start.wait("the API server's certificate", async || Ok(settings.authority().ok_or_else(String::new))).await?;
    settings.write_kubeconfigs(&authority)?;
    let client = client(&settings.kubeconfig(HARNESS, &authority), Repeating::AsUsual).await?;
    start.wait("the API server to be ready", async || Ok(readyz(&client).await)).await?;

    if parts == Parts::Everything {
        for name in ["kube-controller-manager", "kube-scheduler", "kwok"] {
            run(&mut start, name)?;
        }
    }
    let classes = Api::<StorageClass>::all(client.clone());
    create(&mut start, &classes, services::storage_class()).await?;
    if parts == Parts::Everything {
        wait_for_pods(&mut start, &client).await?;
    }
    tracing::debug!(took = ?start.began.elapsed(), "the control plane is ready");
    Ok(Cluster { components: std::mem::take(&mut start.components), settings, authority, client })
}

/// Makes the node, and waits until a Pod could run on it.
async fn wait_for_pods(start: &mut Start, client: &kube::Client) -> Result<(), ControlPlaneError> {
    let nodes = Api::<Node>::all(client.clone());
    create(start, &nodes, node()).await?;

    // A Pod is refused before its namespace has this.
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    start
        .wait("the default ServiceAccount", async || {
            Ok(match accounts.get_opt("default").await {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(String::new()),
                Err(error) => Err(error.to_string()),
            })
        })
        .await?;
    // And is not scheduled before a node has lost its taint.
    start
        .wait("the node to be ready", async || {
            Ok(match nodes.get(NODE).await {
                Ok(node) if schedulable(&node) => Ok(()),
                Ok(_) => Err(String::new()),
                Err(error) => Err(error.to_string()),
            })
        })
        .await
}

/// Whether a client repeats requests that the server was too busy for.
#[derive(Clone, Copy)]
pub(super) enum Repeating {
    AsUsual,
    Never,
}

/// A client from the text of a kubeconfig. It belongs to the runtime that it is made in.
pub(super) async fn client(kubeconfig: &str, repeating: Repeating) -> Result<kube::Client, ControlPlaneError> {
    let doing = "make a client of the control plane";
    let parsed = Kubeconfig::from_yaml(kubeconfig).map_err(ControlPlaneError::api(doing))?;
    let mut config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .map_err(ControlPlaneError::api(doing))?;
    if matches!(repeating, Repeating::Never) {
        config.default_retry = false;
    }
    kube::Client::try_from(config).map_err(ControlPlaneError::api(doing))
}

/// Compacts etcd up to its revision of now: <https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/>
pub(super) async fn compact(etcd: &str) -> Result<(), ControlPlaneError> {
    const DOING: &str = "compact etcd";
    let uri: http::Uri = etcd.parse().map_err(ControlPlaneError::api(DOING))?;
    let etcd = kube::Client::try_from(kube::Config::new(uri)).map_err(ControlPlaneError::api(DOING))?;
    let post = async |path: &str, body: Value| {
        let request = http::Request::post(path).body(body.to_string().into_bytes());
        let request = request.map_err(ControlPlaneError::api(DOING))?;
        etcd.request::<Value>(request).await.map_err(ControlPlaneError::api(DOING))
    };
    // Any key will do: the answer's header tells the revision, as a text.
    let answer = post("/v3/kv/range", json!({"key": "AA=="})).await?;
    post("/v3/kv/compaction", json!({"revision": answer["header"]["revision"]})).await?;
    Ok(())
}

struct Start {
    components: Vec<Component>,
    began: Instant,
    limit: Duration,
}

impl Drop for Start {
    fn drop(&mut self) {
        process::end(&mut self.components);
    }
}

impl Start {
    /// Asks until the answer is there, a component has ended, or the time is up. An answer that is not
    /// there yet says why, for the error.
    async fn wait<T>(
        &mut self,
        what: &str,
        mut ask: impl AsyncFnMut() -> Result<Result<T, String>, ControlPlaneError>,
    ) -> Result<T, ControlPlaneError> {
        loop {
            let why_not = match ask().await? {
                Ok(answer) => return Ok(answer),
                Err(why_not) => why_not,
            };
            if let Some(error) = self.components.iter_mut().find_map(Component::ended) {
                return Err(error);
            }
            if self.began.elapsed() > self.limit {
                let logs: String = self
                    .components
                    .iter()
                    .map(|component| format!("\n{}:\n{}", component.name(), component.log_end()))
                    .collect();
                return Err(ControlPlaneError::NotReady {
                    what: what.to_owned(),
                    waited: self.began.elapsed(),
                    detail: why_not + &logs,
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn readyz(client: &kube::Client) -> Result<(), String> {
    let request = http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
    client.request_text(request).await.map(drop).map_err(|error| error.to_string())
}

async fn create<K>(start: &mut Start, api: &Api<K>, object: Value) -> Result<(), ControlPlaneError>
where
    K: kube::Resource<DynamicType = ()> + serde::Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    let what = format!("the {} of the harness to be accepted", K::kind(&()));
    let object: K = serde_json::from_value(object).map_err(ControlPlaneError::api(&what))?;
    start
        .wait(&what, async || {
            Ok(match api.create(&PostParams::default(), &object).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
                Err(error) => Err(error.to_string()),
            })
        })
        .await
}

const NODE: &str = "node-0";

/// One node without a machine, with room for everything.
fn node() -> Value {
    let room = json!({"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "100Ti", "pods": "10000"});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {
            "kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        }},
        "status": {"capacity": room, "allocatable": room},
    })
}

fn schedulable(node: &Node) -> bool {
    let ready = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    ready && taints.is_none_or(Vec::is_empty)
}
