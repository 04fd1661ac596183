//! The files and flags that the components of one control plane are started with.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::{ControlPlaneError, Parts};

/// Whom a kubeconfig or a client speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControlPlaneUser {
    /// `admin`, in the group `system:masters`: may do everything.
    Admin,
    /// `restricted`, in the group `testkit:restricted`: may do what everybody who logs in may (read the
    /// discovery documents, ask what it may do) and whatever roles a test binds to that name or group.
    Restricted,
}

impl ControlPlaneUser {
    /// The user's name, as RBAC and audit see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Restricted => "restricted",
        }
    }
}

/// The harness's own name: its requests are not those of the code under test.
pub(super) const HARNESS: &str = "testkit:harness";
const MASTERS: &str = "system:masters";
/// Every account: name and group.
const ACCOUNTS: [(&str, &str); 6] = [
    ("admin", MASTERS),
    ("restricted", "testkit:restricted"),
    (HARNESS, MASTERS),
    ("system:kube-controller-manager", MASTERS),
    ("system:kube-scheduler", MASTERS),
    ("testkit:kwok", MASTERS),
];

/// Ports, keys and accounts of one control plane, and its folder.
pub(super) struct Settings {
    folder: PathBuf,
    etcd_client_port: u16,
    etcd_peer_port: u16,
    api_port: u16,
    tokens: Vec<(&'static str, String)>,
    parts: Parts,
}

impl Settings {
    /// Chooses ports and makes the keys, and writes what has to be there before anything is started.
    pub(super) fn write(folder: &Path, parts: Parts) -> Result<Self, ControlPlaneError> {
        let random = SystemRandom::new();
        let tokens = ACCOUNTS
            .iter()
            .map(|(name, _)| Ok((*name, token(&random)?)))
            .collect::<Result<Vec<_>, ControlPlaneError>>()?;
        let [etcd_client_port, etcd_peer_port, api_port] = free_ports()?;
        let settings = Self { folder: folder.to_owned(), etcd_client_port, etcd_peer_port, api_port, tokens, parts };

        // https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
        let lines: String = ACCOUNTS
            .iter()
            .map(|(name, group)| format!("{},{name},{name},\"{group}\"\n", settings.token(name)))
            .collect();
        settings.put("tokens.csv", &lines)?;
        let (private, public) = service_account_keys(&random)?;
        settings.put("service-accounts.key", &private)?;
        settings.put("service-accounts.pub", &public)?;
        settings.put("stages.yaml", include_str!("stages.yaml"))?;
        settings.put("audit-policy.yaml", AUDIT_POLICY)?;
        Ok(settings)
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_port)
    }

    /// Where etcd listens.
    pub(super) fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd_client_port)
    }

    /// The authority that signed the API server's certificate, in PEM, once the server has made it.
    pub(super) fn authority(&self) -> Option<String> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        // The key is written after the certificate: once it is there, the certificate is whole.
        if !self.path("certificates/apiserver.key").is_file() {
            return None;
        }
        let chain = fs::read_to_string(self.path("certificates/apiserver.crt")).ok()?;
        Some(chain[chain.rfind(BEGIN)?..].to_owned())
    }

    /// Writes what the clients of the API server read, which needs its certificate.
    pub(super) fn write_kubeconfigs(&self, authority: &str) -> Result<(), ControlPlaneError> {
        self.put("authority.crt", authority)?;
        for (name, _) in ACCOUNTS {
            self.put(&kubeconfig_file(name), &self.kubeconfig(name, authority))?;
        }
        Ok(())
    }

    pub(super) fn kubeconfig_path(&self, user: &str) -> PathBuf {
        self.path(&kubeconfig_file(user))
    }

    pub(super) fn kubeconfig(&self, user: &str, authority: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: control-plane\n\
             clusters:\n- name: control-plane\n  cluster:\n    server: {}\n    certificate-authority-data: {}\n\
             contexts:\n- name: control-plane\n  context:\n    cluster: control-plane\n    user: {user}\n\
             users:\n- name: {user}\n  user:\n    token: {}\n",
            self.url(),
            BASE64.encode(authority),
            self.token(user),
        )
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.path("audit.log")
    }

    /// The flags of one component.
    pub(super) fn args(&self, component: &str) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let kubeconfig = |user: &str| format!("--kubeconfig={}", self.kubeconfig_path(user).display());
        let etcd_client = self.etcd_url();
        let etcd_peer = format!("http://127.0.0.1:{}", self.etcd_peer_port);
        match component {
            "etcd" => vec![
                format!("--data-dir={}", path("etcd")),
                format!("--listen-client-urls={etcd_client}"),
                format!("--advertise-client-urls={etcd_client}"),
                format!("--listen-peer-urls={etcd_peer}"),
                format!("--initial-advertise-peer-urls={etcd_peer}"),
                format!("--initial-cluster=default={etcd_peer}"),
                // Nothing of this survives the process, so nothing has to survive the machine.
                "--unsafe-no-fsync".to_owned(),
                "--log-level=warn".to_owned(),
            ],
            "kube-apiserver" => [
                vec![
                    format!("--etcd-servers={etcd_client}"),
                    "--bind-address=127.0.0.1".to_owned(),
                    "--advertise-address=127.0.0.1".to_owned(),
                    format!("--secure-port={}", self.api_port),
                    "--endpoint-reconciler-type=none".to_owned(),
                    format!("--cert-dir={}", path("certificates")),
                    "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                    format!("--service-account-key-file={}", path("service-accounts.pub")),
                    format!("--service-account-signing-key-file={}", path("service-accounts.key")),
                    format!("--token-auth-file={}", path("tokens.csv")),
                    "--authorization-mode=RBAC".to_owned(),
                    "--service-cluster-ip-range=10.96.0.0/12".to_owned(),
                    "--allow-privileged=true".to_owned(),
                    "--profiling=false".to_owned(),
                ],
                match self.parts {
                    Parts::Everything => vec![
                        format!("--audit-policy-file={}", path("audit-policy.yaml")),
                        format!("--audit-log-path={}", self.audit_log().display()),
                    ],
                    Parts::ApiServer => Vec::new(),
                },
            ]
            .concat(),
            "kube-controller-manager" => vec![
                kubeconfig("system:kube-controller-manager"),
                format!("--service-account-private-key-file={}", path("service-accounts.key")),
                format!("--root-ca-file={}", path("authority.crt")),
                "--leader-elect=false".to_owned(),
                // There is no cloud and no Pod network to hand out addresses for.
                "--controllers=*,-nodeipam,-cloud-node-lifecycle".to_owned(),
                "--secure-port=0".to_owned(),
                "--kube-api-qps=500".to_owned(),
                "--kube-api-burst=1000".to_owned(),
            ],
            "kube-scheduler" => vec![
                kubeconfig("system:kube-scheduler"),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                "--kube-api-qps=500".to_owned(),
                "--kube-api-burst=1000".to_owned(),
            ],
            "kwok" => vec![
                kubeconfig("testkit:kwok"),
                format!("--config={}", path("stages.yaml")),
                "--manage-all-nodes=true".to_owned(),
                "--cidr=10.244.0.1/16".to_owned(),
            ],
            other => unreachable!("there is no component {other}"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn token(&self, user: &str) -> &str {
        self.tokens.iter().find(|(name, _)| *name == user).map_or("", |(_, token)| token)
    }

    fn put(&self, name: &str, content: &str) -> Result<(), ControlPlaneError> {
        let path = self.path(name);
        fs::write(&path, content).map_err(ControlPlaneError::io(format!("write {}", path.display())))
    }
}

fn kubeconfig_file(user: &str) -> String {
    format!("{}.kubeconfig", user.rsplit(':').next().unwrap_or(user))
}

/// Which requests are written down: those of the code under test, without bodies (Secrets stay out). All stages:
/// the answer may reach the client before it reaches the log, but the request is in the log before the answer.
/// <https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/>
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
  users: [admin, restricted]
- level: None
";

/// Ports that nobody listens on now. Somebody may before the component does; starting is tried again then.
fn free_ports() -> Result<[u16; 3], ControlPlaneError> {
    let doing = "find a free port on 127.0.0.1";
    let mut listeners = Vec::new();
    let mut ports = [0; 3];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(ControlPlaneError::io(doing))?;
        *port = listener.local_addr().map_err(ControlPlaneError::io(doing))?.port();
        // Held until all are chosen, or the same one could come twice.
        listeners.push(listener);
    }
    Ok(ports)
}

fn token(random: &SystemRandom) -> Result<String, ControlPlaneError> {
    let mut bytes = [0; 24];
    random.fill(&mut bytes).map_err(|_| no_randomness("make a token"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A fresh P-256 pair in PEM, private and public, that signs the tokens of ServiceAccounts.
fn service_account_keys(random: &SystemRandom) -> Result<(String, String), ControlPlaneError> {
    /// What precedes the point in a SubjectPublicKeyInfo of this curve (RFC 5480, section 2.1).
    const PUBLIC_PREFIX: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let doing = "make the key of the service accounts";
    let private =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, random).map_err(|_| no_randomness(doing))?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private.as_ref(), random)
        .map_err(|_| no_randomness(doing))?;
    let public = [&PUBLIC_PREFIX, pair.public_key().as_ref()].concat();
    Ok((pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", &public)))
}

fn pem(label: &str, content: &[u8]) -> String {
    let text = BASE64.encode(content);
    let mut lines = format!("-----BEGIN {label}-----\n");
    for start in (0..text.len()).step_by(64) {
        lines.push_str(&text[start..text.len().min(start + 64)]);
        lines.push('\n');
    }
    lines + &format!("-----END {label}-----\n")
}

fn no_randomness(doing: &str) -> ControlPlaneError {
    ControlPlaneError::io(doing)(std::io::Error::other("the system's random number generator failed"))
}
