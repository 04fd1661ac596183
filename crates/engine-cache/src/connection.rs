//! The one place where a Kubernetes client enters the engine.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use gitops_engine_core::{Error, ErrorKind, Result};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// A connection to one cluster.
///
/// `Debug` and `Display` show the address without credentials.
///
/// The `kube` types here follow kube's releases, not this crate's: a new major version of kube is a new major version of
/// this crate, and nothing else of kube is in its public signatures.
///
/// A [`Client`] that you bring yourself should not retry on its own (`Config::default_retry = false`): kube's default
/// retries every method for minutes, so one broken API group would hold everything, and requests would be counted twice.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    address: Arc<str>,
}

impl Connection {
    /// A connection over a client that the embedder configured.
    pub fn new(client: Client) -> Self {
        Self { client, address: "the API server".into() }
    }

    /// Sets what messages call the cluster. User names and passwords in a URL are removed.
    #[must_use]
    pub fn with_address(mut self, address: &str) -> Self {
        self.address = without_credentials(address).into();
        self
    }

    /// The cluster of a context in the kubeconfig files that `KUBECONFIG` names, or `~/.kube/config`; `None` takes the
    /// current context. Rules: [kubeconfig](https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/).
    ///
    /// # Errors
    /// When there is no kubeconfig, or it is broken, or it does not know the context.
    pub async fn from_kubeconfig_context(context: Option<&str>) -> Result<Self> {
        let kubeconfig = Kubeconfig::read().map_err(kubeconfig_error)?;
        Self::from_loaded(kubeconfig, context).await
    }

    /// The same, from one file.
    ///
    /// # Errors
    /// As [`Connection::from_kubeconfig_context`].
    pub async fn from_kubeconfig_file(path: impl AsRef<Path>, context: Option<&str>) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(path).map_err(kubeconfig_error)?;
        Self::from_loaded(kubeconfig, context).await
    }

    /// The current context of the kubeconfig; inside a Pod, without one, the Pod's own cluster and service account.
    ///
    /// # Errors
    /// When there is neither.
    pub async fn infer() -> Result<Self> {
        let in_cluster = match Kubeconfig::read() {
            Ok(kubeconfig) => return Self::from_loaded(kubeconfig, None).await,
            Err(error) => Config::incluster().map_err(|_| kubeconfig_error(error))?,
        };
        Self::from_config(in_cluster)
    }

    async fn from_loaded(kubeconfig: Kubeconfig, context: Option<&str>) -> Result<Self> {
        let known = |name: &str| kubeconfig.contexts.iter().any(|entry| entry.name == name);
        if let Some(context) = context.filter(|name| !known(name)) {
            let mut names: Vec<_> = kubeconfig.contexts.iter().map(|entry| entry.name.as_str()).collect();
            names.sort_unstable();
            return Err(Error::new(ErrorKind::NotFound, format!("the kubeconfig has no context {context:?}")).help(
                if names.is_empty() { "it has none at all".into() } else { format!("it has {}", names.join(", ")) },
            ));
        }
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(kubeconfig_error)?;
        Self::from_config(config)
    }

    fn from_config(mut config: Config) -> Result<Self> {
        // The first provider wins for the whole process; one that the host chose before stays.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _lost_a_race = rustls::crypto::ring::default_provider().install_default();
        }
        config.default_retry = false;
        let address = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("no client for the cluster: {}", crate::fault::describe(&error)),
            )
            .help("check certificates, proxy and credentials of the kubeconfig")
        })?;
        Ok(Self::new(client).with_address(address.trim_end_matches('/')))
    }

    /// The client, for requests that the engine does not make.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What messages call the cluster: its URL without credentials, or `the API server`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl From<Client> for Connection {
    fn from(client: Client) -> Self {
        Self::new(client)
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.address)
    }
}

fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// kube's messages quote the file where its YAML is broken; that may be the line with the token.
fn kubeconfig_error(error: KubeconfigError) -> Error {
    let (kind, message) = match &error {
        KubeconfigError::Parse(_) => (ErrorKind::InvalidInput, "the kubeconfig is not valid YAML".to_owned()),
        KubeconfigError::ReadConfig(source, path) => {
            (ErrorKind::NotFound, format!("the kubeconfig {} cannot be read: {source}", path.display()))
        }
        KubeconfigError::FindPath => (ErrorKind::NotFound, "there is no kubeconfig".to_owned()),
        KubeconfigError::CurrentContextNotSet => {
            (ErrorKind::InvalidInput, "the kubeconfig has no current context".to_owned())
        }
        KubeconfigError::ParseClusterUrl(_) => {
            (ErrorKind::InvalidInput, "the cluster's server in the kubeconfig is no URL".to_owned())
        }
        other => (ErrorKind::InvalidInput, format!("the kubeconfig cannot be used: {other}")),
    };
    Error::new(kind, message)
        .help("name a file with the variable KUBECONFIG, choose a context, or run inside a Pod with a service account")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn addresses_have_no_credentials() {
        for (url, shown) in [
            ("https://user:pass@host:6443", "https://host:6443"),
            ("https://a@b@host/x@y", "https://host/x@y"),
            ("the test cluster", "the test cluster"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }

    #[tokio::test]
    async fn a_kubeconfig_is_read_and_its_errors_are_clear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let missing = Connection::from_kubeconfig_file(&path, None).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);

        std::fs::write(&path, "token: hunter2\n  :: [broken").unwrap();
        let broken = Connection::from_kubeconfig_file(&path, None).await.unwrap_err();
        assert!(!format!("{broken:?}").contains("hunter2"), "{broken:?}");

        let text = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n\
                    contexts: [{name: one, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: hunter2}}]\n\
                    current-context: one\n";
        std::fs::write(&path, text).unwrap();
        let connection = Connection::from_kubeconfig_file(&path, Some("one")).await.unwrap();
        assert_eq!(connection.address(), "http://127.0.0.1:1");
        assert_eq!(format!("{connection:?}"), "Connection(http://127.0.0.1:1)");
        let unknown = Connection::from_kubeconfig_file(&path, Some("two")).await.unwrap_err();
        assert!(unknown.to_string().contains("it has one"), "{unknown}");
    }
}
