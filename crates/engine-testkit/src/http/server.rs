//! The same service on a loopback socket.

use std::{io, net::SocketAddr, sync::Arc};

use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::ApiService;
use crate::cluster::Inner;

/// A cluster on `127.0.0.1`, for kubectl and other clients outside the process. It ends when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accept: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(inner: Arc<Inner>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let accept = tokio::spawn(accept(listener, inner, stopped));
        Ok(Self { address, stop, accept })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig for it, as YAML text.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: testkit\n  cluster:\n    server: {}\nusers:\n- name: testkit\n  user: \
             {{}}\ncontexts:\n- name: testkit\n  context:\n    cluster: testkit\n    user: testkit\n    namespace: default\n\
             current-context: testkit\n",
            self.url()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.accept.abort();
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>, stopped: watch::Receiver<bool>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, for example: others will be freed.
            tokio::task::yield_now().await;
            continue;
        };
        // Answers are small and clients wait for them.
        let _best_effort = stream.set_nodelay(true);
        let service = TowerToHyperService::new(ApiService::new(inner.clone(), None));
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                result = connection => if let Err(error) = result {
                    tracing::debug!(%error, "a connection to the test cluster ended early");
                },
                // Every way that the channel can change means the same: the server is gone.
                _ = stopped.changed() => {}
            }
        });
    }
}
