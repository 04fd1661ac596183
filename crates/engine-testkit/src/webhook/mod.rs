//! Admission webhooks, as closures of the test:
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>

mod course;

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;

pub(crate) use self::course::Course;
use crate::Requests;

/// What a webhook is asked: the parts of an `AdmissionReview` that decide.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct AdmissionRequest {
    /// `CREATE`, `UPDATE` or `DELETE`. A server-side apply that creates an object is a `CREATE`.
    pub operation: &'static str,
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind of the object.
    pub kind: String,
    /// Plural resource name.
    pub resource: String,
    /// `status`, `scale` and the like; mostly empty.
    pub subresource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// The object's name; empty while a mutating webhook looks at an object whose name is yet to be generated.
    pub name: String,
    /// Who asked, after impersonation.
    pub user: String,
    /// The groups of that user.
    pub groups: Vec<String>,
    /// Whether nothing is to be kept.
    pub dry_run: bool,
    /// The object as it is to be stored; `None` for a deletion.
    pub object: Option<Value>,
    /// The object as it is stored; `None` for a creation.
    pub old_object: Option<Value>,
}

/// What a webhook answers.
#[derive(Debug, Clone)]
pub struct AdmissionAnswer {
    warnings: Vec<String>,
    outcome: Outcome,
}

#[derive(Debug, Clone)]
enum Outcome {
    Allow,
    Rewrite(Value),
    Deny { message: String, reason: String, code: u16 },
    TimeOut,
    Fail(String),
}

impl AdmissionAnswer {
    fn of(outcome: Outcome) -> Self {
        Self { warnings: Vec::new(), outcome }
    }

    /// Nothing against it.
    #[must_use]
    pub fn allow() -> Self {
        Self::of(Outcome::Allow)
    }

    /// The object is to be this instead. Only for mutating webhooks; nobody owns the fields that it sets.
    #[must_use]
    pub fn rewrite(object: Value) -> Self {
        Self::of(Outcome::Rewrite(object))
    }

    /// Refuses. The client sees `admission webhook "NAME" denied the request: MESSAGE`, with code 400 and no reason unless
    /// [`code`](Self::code) and [`reason`](Self::reason) say otherwise.
    #[must_use]
    pub fn deny(message: &str) -> Self {
        Self::of(Outcome::Deny { message: message.to_owned(), reason: String::new(), code: 400 })
    }

    /// The HTTP status code of a refusal.
    #[must_use]
    pub fn code(mut self, code: u16) -> Self {
        if let Outcome::Deny { code: at, .. } = &mut self.outcome {
            *at = code;
        }
        self
    }

    /// The reason of a refusal, such as `Forbidden`.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        if let Outcome::Deny { reason: at, .. } = &mut self.outcome {
            *at = reason.to_owned();
        }
        self
    }

    /// Tells the client something, whatever the outcome.
    #[must_use]
    pub fn warning(mut self, warning: &str) -> Self {
        self.warnings.push(warning.to_owned());
        self
    }

    /// No answer within the webhook's timeout, which passes on tokio's clock.
    #[must_use]
    pub fn time_out() -> Self {
        Self::of(Outcome::TimeOut)
    }

    /// The call fails with this error, such as `dial tcp 10.0.0.1:443: connect: connection refused`.
    #[must_use]
    pub fn fail(error: &str) -> Self {
        Self::of(Outcome::Fail(error.to_owned()))
    }
}

type Answers = dyn Fn(&AdmissionRequest) -> AdmissionAnswer + Send + Sync;

/// A webhook that the cluster asks about requests that would write.
///
/// It is asked where a real server asks: a mutating one after the defaults and the bookkeeping of field owners, a
/// validating one after everything else. The closure runs outside the cluster's lock, so that it may ask the cluster;
/// when the object changes meanwhile, it is asked again, as on a real server. A panic in it is the panic of whoever made
/// the request. What the simulated controllers write, and what a test writes past the API, is not asked about.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use gitops_engine_testkit::{AdmissionAnswer, Cluster, Requests, Webhook};
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use kube::api::{Api, PostParams};
/// use serde_json::json;
///
/// let cluster = Cluster::default();
/// let config_maps = Requests::writes().resource("", "configmaps");
/// cluster.add_webhook(Webhook::mutating("inject.example.com", config_maps.clone(), |request| {
///     let Some(mut object) = request.object.clone() else { return AdmissionAnswer::allow() };
///     object["metadata"]["labels"]["injected"] = json!("yes");
///     AdmissionAnswer::rewrite(object)
/// }));
/// cluster.add_webhook(Webhook::validating("policy.example.com", config_maps, |request| match request.name.as_str() {
///     "forbidden" => AdmissionAnswer::deny("not that name").code(403).reason("Forbidden"),
///     _ => AdmissionAnswer::allow(),
/// }));
///
/// let api: Api<ConfigMap> = Api::default_namespaced(cluster.client());
/// let named = |name: &str| {
///     let mut object = ConfigMap::default();
///     object.metadata.name = Some(name.into());
///     object
/// };
/// let created = api.create(&PostParams::default(), &named("allowed")).await?;
/// assert_eq!(created.metadata.labels.unwrap()["injected"], "yes");
/// let kube::Error::Api(status) = api.create(&PostParams::default(), &named("forbidden")).await.unwrap_err() else { panic!() };
/// assert_eq!(status.message, "admission webhook \"policy.example.com\" denied the request: not that name");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Webhook {
    pub(crate) name: String,
    pub(crate) requests: Requests,
    mutates: bool,
    ignores_failures: bool,
    timeout: Duration,
    answers: Arc<Answers>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("name", &self.name).field("mutates", &self.mutates).finish_non_exhaustive()
    }
}

impl Webhook {
    fn new(
        name: &str,
        requests: Requests,
        mutates: bool,
        answers: impl Fn(&AdmissionRequest) -> AdmissionAnswer + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            requests,
            mutates,
            ignores_failures: false,
            timeout: Duration::from_secs(10),
            answers: Arc::new(answers),
        }
    }

    /// A webhook that may rewrite objects.
    #[must_use]
    pub fn mutating(
        name: &str,
        requests: Requests,
        answers: impl Fn(&AdmissionRequest) -> AdmissionAnswer + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, requests, true, answers)
    }

    /// A webhook that may refuse.
    #[must_use]
    pub fn validating(
        name: &str,
        requests: Requests,
        answers: impl Fn(&AdmissionRequest) -> AdmissionAnswer + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, requests, false, answers)
    }

    /// A call that fails or takes too long counts as allowed: `failurePolicy: Ignore`. Without this it is refused.
    #[must_use]
    pub fn ignore_failures(mut self) -> Self {
        self.ignores_failures = true;
        self
    }

    /// How long an answer may take. Default: 10 s, as on a real server.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
