//! The same service on a loopback socket.

use std::{fmt, io, net::SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{ApiService, tls::Identity};
use crate::{
    Cluster, User,
    access::{self, DEFAULT_USER},
};

/// A cluster on `127.0.0.1`, for kubectl and other clients outside the process. It ends when dropped, and its connections
/// with it.
///
/// It speaks HTTP/1.1; a watch is a chunked answer that is sent event by event.
pub struct Server {
    cluster: Cluster,
    address: SocketAddr,
    authority: Option<String>,
    stop: watch::Sender<bool>,
    accept: JoinHandle<()>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Server {
    pub(crate) async fn start(cluster: Cluster, secure: bool) -> io::Result<Self> {
        let identity = if secure { Some(Identity::make()?) } else { None };
        let (acceptor, authority) = identity.map(|i| (i.acceptor, i.authority)).unzip();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let service = ApiService::new(cluster.inner().clone(), None);
        let accept = tokio::spawn(accept(listener, service, acceptor, stopped));
        Ok(Self { cluster, address, authority, stop, accept })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The authority that an HTTPS server's certificate comes from, in PEM. Made for this server.
    #[must_use]
    pub fn certificate_authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// A kubeconfig for it, as YAML text, of the cluster's usual user.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_of(DEFAULT_USER)
    }

    /// A kubeconfig for a user, whom the cluster remembers with their groups: with a token over HTTPS. Clients send no
    /// tokens over HTTP; there it asks them to act for the user instead.
    #[must_use]
    pub fn kubeconfig_of(&self, user: impl Into<User>) -> String {
        let user = self.cluster.add_user(user);
        let name = serde_json::Value::from(user.name.as_str());
        let authority = match &self.authority {
            Some(pem) => format!("    certificate-authority-data: {}\n", STANDARD.encode(pem)),
            None => String::new(),
        };
        let credentials = if self.authority.is_some() {
            format!("    token: {}\n", serde_json::Value::from(access::token_of(&user.name)))
        } else if user.name == DEFAULT_USER {
            "    {}\n".to_owned()
        } else {
            // Without the group that the server adds by itself.
            let groups: Vec<&String> = user.groups.iter().filter(|g| !g.starts_with("system:auth")).collect();
            format!("    as: {name}\n    as-groups: {}\n", serde_json::json!(groups))
        };
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: testkit\n\
             clusters:\n- name: testkit\n  cluster:\n    server: {}\n{authority}\
             users:\n- name: {name}\n  user:\n{credentials}\
             contexts:\n- name: testkit\n  context:\n    cluster: testkit\n    user: {name}\n    namespace: default\n",
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

async fn accept(listener: TcpListener, service: ApiService, tls: Option<TlsAcceptor>, stopped: watch::Receiver<bool>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, for example: others will be freed.
            tokio::task::yield_now().await;
            continue;
        };
        // Answers are small and clients wait for them.
        let _best_effort = stream.set_nodelay(true);
        let (service, tls, mut stopped) = (service.clone(), tls.clone(), stopped.clone());
        tokio::spawn(async move {
            let connection = async {
                match tls {
                    None => serve(stream, service).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(stream, service).await,
                        Err(error) => tracing::debug!(%error, "a TLS handshake with the test cluster failed"),
                    },
                }
            };
            tokio::select! {
                biased;
                // Every way that the channel can change means the same: the server is gone.
                _ = stopped.changed() => {}
                () = connection => {}
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: ApiService) {
    let service = TowerToHyperService::new(service);
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the test cluster ended early");
    }
}
