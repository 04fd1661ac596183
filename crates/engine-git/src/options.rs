//! How a store behaves.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::CredentialSource;

/// Options of a [`GitStore`](crate::GitStore). A local repository needs none of them.
#[derive(Clone)]
#[non_exhaustive]
pub struct GitOptions {
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) partition: String,
    pub(crate) depth: Option<NonZeroU32>,
    pub(crate) credentials: Option<Arc<dyn CredentialSource>>,
    pub(crate) plain_text_credentials: PlainTextCredentials,
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) proxy: Proxy,
    pub(crate) ssh: Option<Ssh>,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) deadline: Duration,
    pub(crate) max_fetch: u64,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            cache_dir: None,
            partition: String::new(),
            depth: None,
            credentials: None,
            plain_text_credentials: PlainTextCredentials::default(),
            certificates: Vec::new(),
            proxy: Proxy::default(),
            ssh: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            deadline: Duration::from_secs(5 * 60),
            max_fetch: 4 << 30,
        }
    }
}

impl GitOptions {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where repositories of servers are kept: one bare repository per URL, shared by all processes that name the same
    /// directory. Required for every URL that is not local.
    ///
    /// The directory is one domain of trust: whoever can name a URL in it can read what was fetched from there before,
    /// whatever his own credentials. See [`GitOptions::partition`].
    #[must_use]
    pub fn cache_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(directory.into());
        self
    }

    /// Keeps what is fetched apart from other partitions of the same cache directory, such as one for each tenant.
    #[must_use]
    pub fn partition(mut self, name: impl Into<String>) -> Self {
        self.partition = name.into();
        self
    }

    /// Fetches only this many commits of history behind each revision. History and everything else ends there. All of
    /// the history by default.
    #[must_use]
    pub fn depth(mut self, commits: NonZeroU32) -> Self {
        self.depth = Some(commits);
        self
    }

    /// Where credentials for HTTP come from. User and password that stand in the URL are used when this is not set.
    #[must_use]
    pub fn credentials(mut self, source: impl CredentialSource + 'static) -> Self {
        self.credentials = Some(Arc::new(source));
        self
    }

    /// Whether credentials may go over `http://`, where everybody on the way can read them. Only to this machine itself
    /// by default.
    #[must_use]
    pub fn plain_text_credentials(mut self, decision: PlainTextCredentials) -> Self {
        self.plain_text_credentials = decision;
        self
    }

    /// Trusts the certificate authorities of a PEM bundle in addition to those of the system.
    #[must_use]
    pub fn certificate_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.push(pem.into());
        self
    }

    /// Which proxy HTTP goes through. None by default: the environment is not read unless this says so.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Allows one ssh program to be started for ssh URLs. Without it they are refused.
    #[must_use]
    pub fn allow_ssh(mut self, ssh: Ssh) -> Self {
        self.ssh = Some(ssh);
        self
    }

    /// How long it may take to reach a server, 10 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a server may say nothing, 60 seconds by default.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How long one operation may take in all, five minutes by default. Past it the operation is an error of kind
    /// [`Timeout`](gitops_engine_core::ErrorKind::Timeout), whatever the other side does.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many bytes one operation may receive, 4 GiB by default.
    #[must_use]
    pub fn max_fetch(mut self, bytes: u64) -> Self {
        self.max_fetch = bytes;
        self
    }
}

impl fmt::Debug for GitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitOptions")
            .field("cache_dir", &self.cache_dir)
            .field("partition", &self.partition)
            .field("depth", &self.depth)
            .field("credentials", &self.credentials.as_ref().map(|_| "redacted"))
            .field("plain_text_credentials", &self.plain_text_credentials)
            .field("certificates", &self.certificates.len())
            .field("proxy", &self.proxy)
            .field("ssh", &self.ssh)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("deadline", &self.deadline)
            .field("max_fetch", &self.max_fetch)
            .finish()
    }
}

/// Whether credentials may go over plain HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlainTextCredentials {
    /// Only to this machine itself.
    #[default]
    Loopback,
    /// To every server. Everybody on the way can read them.
    Everywhere,
}

/// Which proxy HTTP goes through.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// None.
    #[default]
    None,
    /// What `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    Environment,
    /// The proxy at this URL, which may hold a user and a password.
    Url(String),
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Environment => "Environment",
            Self::Url(_) => "Url(redacted)",
        })
    }
}

/// The ssh program, and what it is told.
///
/// It is started without a shell, with an environment of its own, in batch mode (it never asks), and without the
/// configuration files of the user's account. Keys, agents and known hosts are its own business: name them here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ssh {
    pub(crate) program: PathBuf,
    pub(crate) identity: Option<PathBuf>,
    pub(crate) known_hosts: Option<PathBuf>,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Ssh {
    /// A program that takes the arguments of OpenSSH, by its path or by a name to look for in `PATH`.
    pub fn program(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            identity: None,
            known_hosts: None,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// The file of the private key, the only one that is offered.
    #[must_use]
    pub fn identity(mut self, file: impl Into<PathBuf>) -> Self {
        self.identity = Some(file.into());
        self
    }

    /// The file of known host keys. A host that is not in it is refused.
    #[must_use]
    pub fn known_hosts(mut self, file: impl Into<PathBuf>) -> Self {
        self.known_hosts = Some(file.into());
        self
    }

    /// One more argument, before the host.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// One variable of the environment, such as `SSH_AUTH_SOCK`.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}
