//! Which requests a rule is about.

use std::time::Duration;

use crate::record::RequestRecord;

/// A choice of requests. An empty one is all of them; each method leaves fewer.
///
/// ```
/// use gitops_engine_testkit::Requests;
///
/// // Every change of a Deployment in `shop` by the program `argocd-application-controller`, dry runs left out.
/// let requests = Requests::writes().resource("apps", "deployments").namespace("shop").kept()
///     .user_agent("argocd-application-controller");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Requests {
    verbs: Vec<String>,
    group: Option<String>,
    resource: Option<String>,
    kind: Option<String>,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    user: Option<String>,
    agent: Option<String>,
    manager: Option<String>,
    dry_run: Option<bool>,
    writes: bool,
}

impl Requests {
    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests that would change something (dry runs included).
    #[must_use]
    pub fn writes() -> Self {
        Self { writes: true, ..Self::default() }
    }

    /// Reads of objects: `get`, `list` and `watch`.
    #[must_use]
    pub fn reads() -> Self {
        Self::any().resource("*", "*").verbs(["get", "list", "watch"])
    }

    /// Only these verbs: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; `*` for any.
    #[must_use]
    pub fn verbs<'a>(mut self, verbs: impl IntoIterator<Item = &'a str>) -> Self {
        self.verbs = verbs.into_iter().map(str::to_owned).collect();
        self
    }

    /// Only this resource, by group (empty for the core group) and plural name; `*` for any.
    #[must_use]
    pub fn resource(mut self, group: &str, resource: &str) -> Self {
        self.group = Some(group.to_owned());
        self.resource = Some(resource.to_owned());
        self
    }

    /// Only objects of this kind (`Deployment`), of whatever group.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.to_owned());
        self
    }

    /// Only this subresource (`status`, `scale`); empty for the object itself. Without it both are meant.
    #[must_use]
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.to_owned());
        self
    }

    /// Only in this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only for an object of this name. A create, a list and a watch name none in their path.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Only by this user, after impersonation.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Only by programs whose `User-Agent` begins with this.
    #[must_use]
    pub fn user_agent(mut self, prefix: &str) -> Self {
        self.agent = Some(prefix.to_owned());
        self
    }

    /// Only with this `fieldManager`.
    #[must_use]
    pub fn manager(mut self, manager: &str) -> Self {
        self.manager = Some(manager.to_owned());
        self
    }

    /// Only dry runs.
    #[must_use]
    pub fn dry_runs(mut self) -> Self {
        self.dry_run = Some(true);
        self
    }

    /// No dry runs.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.dry_run = Some(false);
        self
    }

    pub(crate) fn matches(&self, request: &RequestRecord) -> bool {
        fn is(wanted: Option<&String>, have: &str) -> bool {
            wanted.is_none_or(|wanted| wanted == have)
        }
        fn is_or_any(wanted: Option<&String>, have: &str) -> bool {
            wanted.is_none_or(|wanted| wanted == have || wanted == "*")
        }
        let of_resource = self.group.is_none() || request.is_resource();
        of_resource
            && (!self.writes || (request.changes() && request.is_resource()))
            && (self.verbs.is_empty() || self.verbs.iter().any(|v| *v == request.verb || v == "*"))
            && is_or_any(self.group.as_ref(), &request.group)
            && is_or_any(self.resource.as_ref(), &request.resource)
            && is(self.kind.as_ref(), &request.kind)
            && is(self.subresource.as_ref(), &request.subresource)
            && self.namespace.as_ref().is_none_or(|n| Some(n) == request.namespace.as_ref())
            && self.name.as_ref().is_none_or(|n| Some(n) == request.name.as_ref())
            && is(self.user.as_ref(), &request.user)
            && self.agent.as_ref().is_none_or(|a| request.user_agent.starts_with(a.as_str()))
            && is(self.manager.as_ref(), &request.manager)
            && self.dry_run.is_none_or(|d| d == request.dry_run)
    }
}

/// When a rule is in force.
#[derive(Debug, Clone)]
pub(super) struct When {
    pub(super) skip: u64,
    pub(super) times: Option<u64>,
    pub(super) one_in: Option<u64>,
    pub(super) between: Option<(Duration, Duration)>,
}
