//! Who asks, and what they may do.

mod escalation;
mod rbac;
pub(crate) mod review;

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderMap, StatusCode};

pub(crate) use self::{escalation::check as check_escalation, rbac::bootstrap};
use crate::{fault::forbidden, record::RequestRecord, state::State, status::ApiError};

/// Who asks when nothing else is said. As the administrator of a real cluster, in the group `system:masters`.
pub(crate) const DEFAULT_USER: &str = "testkit-user";
const MASTERS: &str = "system:masters";
const AUTHENTICATED: &str = "system:authenticated";

/// A user of the cluster, as an authenticator would know them.
///
/// ```
/// use gitops_engine_testkit::{Cluster, User};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cluster = Cluster::default();
/// let client = cluster.client_as(User::new("alice").group("developers"));
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// A user in the group `system:authenticated`; one named `system:serviceaccount:NAMESPACE:NAME` also in the groups of
    /// ServiceAccounts.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut groups = Vec::new();
        if let Some((namespace, _)) = name.strip_prefix("system:serviceaccount:").and_then(|n| n.split_once(':')) {
            groups.push("system:serviceaccounts".to_owned());
            groups.push(format!("system:serviceaccounts:{namespace}"));
        }
        groups.push(AUTHENTICATED.to_owned());
        Self { name: name.to_owned(), groups, ..Self::default() }
    }

    /// Puts the user into one more group.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        if !self.is_in(group) {
            let last = self.groups.iter().position(|g| g == AUTHENTICATED).unwrap_or(self.groups.len());
            self.groups.insert(last, group.to_owned());
        }
        self
    }

    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// `system:serviceaccount:NAMESPACE:NAME`, in parts.
    fn service_account(&self) -> Option<(&str, &str)> {
        self.name.strip_prefix("system:serviceaccount:")?.split_once(':')
    }

    pub(crate) fn info(&self) -> serde_json::Value {
        let mut info = serde_json::json!({"username": self.name, "groups": self.groups});
        if !self.uid.is_empty() {
            info["uid"] = self.uid.as_str().into();
        }
        if !self.extra.is_empty() {
            info["extra"] = serde_json::json!(self.extra);
        }
        info
    }
}

impl From<&str> for User {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// What may be done: verbs on resources, or on paths that are none. As a `PolicyRule` of RBAC:
/// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#role-and-clusterrole>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    pub(crate) verbs: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) urls: Vec<String>,
}

fn strings<'a>(list: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

impl Rule {
    /// These verbs (`*` for all), on what the other methods add.
    #[must_use]
    pub fn verbs<'a>(verbs: impl IntoIterator<Item = &'a str>) -> Self {
        Self { verbs: strings(verbs), ..Self::default() }
    }

    /// On these resources of a group (empty for the core group, `*` for any): `deployments`, `deployments/scale`,
    /// `*/scale`, `*`.
    #[must_use]
    pub fn on<'a>(mut self, group: &str, resources: impl IntoIterator<Item = &'a str>) -> Self {
        self.groups.push(group.to_owned());
        self.resources.extend(strings(resources));
        self
    }

    /// Only on objects of these names. A create names none, and neither does a list without a field selector for one.
    #[must_use]
    pub fn named<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.names.extend(strings(names));
        self
    }

    /// On these paths; a last `*` stands for any rest.
    #[must_use]
    pub fn urls<'a>(mut self, urls: impl IntoIterator<Item = &'a str>) -> Self {
        self.urls.extend(strings(urls));
        self
    }

    fn everything() -> [Self; 2] {
        [Self::verbs(["*"]).on("*", ["*"]), Self::verbs(["*"]).urls(["*"])]
    }

    fn allows(&self, ask: &RequestRecord) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|v| v == wanted || v == "*");
        if !has(&self.verbs, &ask.verb) {
            return false;
        }
        if !ask.is_resource() {
            let path = ask.path.as_str();
            return self
                .urls
                .iter()
                .any(|url| url == path || url.strip_suffix('*').is_some_and(|start| path.starts_with(start)));
        }
        let (resource, sub) = (ask.resource.as_str(), ask.subresource.as_str());
        let resources = self.resources.iter().any(|r| match (r.split_once('/'), sub) {
            _ if r == "*" => true,
            (None, "") => r == resource,
            (Some((of, s)), sub) if !sub.is_empty() => s == sub && (of == resource || of == "*"),
            _ => false,
        });
        resources
            && has(&self.groups, &ask.group)
            && (self.names.is_empty() || ask.access_name().is_some_and(|n| self.names.contains(&n)))
    }
}

/// What a user or a group may do, as a test says it. Whom an `Access` is about may do no more than it says, and what
/// everybody who logs in may: read discovery, and ask what they may.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use gitops_engine_testkit::{Access, Cluster, Rule};
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use kube::Api;
///
/// let cluster = Cluster::default();
/// cluster.set_access(Access::user("alice").may_in("shop", Rule::verbs(["get", "list"]).on("", ["configmaps"])));
///
/// let alice = cluster.client_as("alice");
/// let refused = Api::<ConfigMap>::namespaced(alice, "default").get("settings").await.unwrap_err();
/// let kube::Error::Api(status) = refused else { panic!() };
/// assert_eq!(
///     status.message,
///     "configmaps \"settings\" is forbidden: User \"alice\" cannot get resource \"configmaps\" in API group \"\" in the \
///      namespace \"default\""
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Access {
    subject: Subject,
    rules: Vec<(Option<String>, Rule)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    User(String),
    Group(String),
}

impl Access {
    /// What a user may do. A ServiceAccount is the user `system:serviceaccount:NAMESPACE:NAME`.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self { subject: Subject::User(name.to_owned()), rules: Vec::new() }
    }

    /// What everybody in a group may do.
    #[must_use]
    pub fn group(name: &str) -> Self {
        Self { subject: Subject::Group(name.to_owned()), rules: Vec::new() }
    }

    /// Allows this everywhere.
    #[must_use]
    pub fn may(mut self, rule: Rule) -> Self {
        self.rules.push((None, rule));
        self
    }

    /// Allows this in one namespace.
    #[must_use]
    pub fn may_in(mut self, namespace: &str, rule: Rule) -> Self {
        self.rules.push((Some(namespace.to_owned()), rule));
        self
    }

    fn is_about(&self, user: &User) -> bool {
        match &self.subject {
            Subject::User(name) => *name == user.name,
            Subject::Group(name) => user.is_in(name),
        }
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    access: Vec<Access>,
    users: BTreeMap<String, Arc<User>>,
    /// Whether everybody else is subject to the RBAC objects of the cluster.
    pub(crate) rbac: bool,
}

impl Policy {
    /// Replaces what was said about the same subject.
    pub(crate) fn set(&mut self, access: Access) {
        self.access.retain(|a| a.subject != access.subject);
        self.access.push(access);
    }

    pub(crate) fn remember(&mut self, user: User) -> Arc<User> {
        let user = Arc::new(user);
        self.users.insert(user.name.clone(), user.clone());
        user
    }

    pub(crate) fn user(&self, name: &str) -> Arc<User> {
        match self.users.get(name) {
            Some(user) => user.clone(),
            None if name == DEFAULT_USER => Arc::new(User::new(name).group(MASTERS)),
            None => Arc::new(User::new(name)),
        }
    }
}

/// A rule that somebody has, and where from in the words of RBAC.
struct Grant {
    rule: Rule,
    source: String,
}

/// Everything that a user may do in a namespace, and what went wrong while finding out.
fn grants(state: &State, user: &User, namespace: Option<&str>) -> (Vec<Grant>, Vec<String>) {
    let policy = &state.access;
    let mut grants = Vec::new();
    let own: Vec<&Access> = policy.access.iter().filter(|a| a.is_about(user)).collect();
    if own.is_empty() && (!policy.rbac || user.is_in(MASTERS)) {
        grants.extend(Rule::everything().map(|rule| Grant { rule, source: String::new() }));
    }
    let said = own.iter().flat_map(|a| &a.rules).filter(|(ns, _)| ns.is_none() || ns.as_deref() == namespace);
    grants.extend(said.map(|(_, rule)| Grant { rule: rule.clone(), source: String::new() }));
    let mut errors = Vec::new();
    if policy.rbac {
        rbac::grants(state, user, namespace, &mut grants, &mut errors);
    }
    if !policy.rbac || !own.is_empty() {
        grants.extend(rbac::basics(user));
    }
    (grants, errors)
}

/// Whether something is allowed, and why in the words of RBAC.
pub(crate) fn decide(state: &State, user: &User, ask: &RequestRecord) -> (bool, String) {
    let (grants, errors) = grants(state, user, ask.access_namespace());
    if let Some(grant) = grants.iter().find(|g| g.rule.allows(ask)) {
        let reason = if grant.source.is_empty() { String::new() } else { format!("RBAC: allowed by {}", grant.source) };
        return (true, reason);
    }
    let reason = match errors.as_slice() {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        many => format!("RBAC: [{}]", many.join(", ")),
    };
    (false, reason)
}

/// Refuses what the user may not do.
pub(crate) fn authorize(state: &State, user: &User, ask: &RequestRecord) -> Result<(), ApiError> {
    // Nothing was ever said, or for this very user.
    if !state.access.rbac && state.access.access.is_empty() {
        return Ok(());
    }
    match decide(state, user, ask) {
        (true, _) => Ok(()),
        (false, reason) => Err(forbidden(ask, &reason)),
    }
}

/// What a bearer token begins with; the user's name follows.
const TOKEN: &str = "testkit-token:";

/// The token of a user. Worth nothing outside the test cluster, which takes it for anybody's name.
pub(crate) fn token_of(user: &str) -> String {
    format!("{TOKEN}{user}")
}

/// Who asks: by token, or whom the connection is of.
pub(crate) fn authenticate(state: &State, of: Option<&Arc<User>>, headers: &HeaderMap) -> Result<Arc<User>, ApiError> {
    let Some(header) = headers.get(http::header::AUTHORIZATION) else {
        return Ok(of.cloned().unwrap_or_else(|| state.access.user(DEFAULT_USER)));
    };
    let token = header.to_str().ok().and_then(|h| h.strip_prefix("Bearer ")).and_then(|t| t.trim().strip_prefix(TOKEN));
    let unauthorized = || ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
    token.map(|name| state.access.user(name)).ok_or_else(unauthorized)
}

/// Whom the request acts for: <https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/>
pub(crate) fn impersonate(
    state: &State,
    user: &Arc<User>,
    headers: &HeaderMap,
    ask: &RequestRecord,
) -> Result<Option<Arc<User>>, ApiError> {
    let all = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).map(str::to_owned).collect()
    };
    let (names, groups, uids) = (all("impersonate-user"), all("impersonate-group"), all("impersonate-uid"));
    let extra: BTreeMap<String, Vec<String>> = headers
        .keys()
        .filter_map(|k| k.as_str().strip_prefix("impersonate-extra-"))
        .map(|k| (crate::http::params::decode(k, false), all(&format!("impersonate-extra-{k}"))))
        .collect();
    let Some(name) = names.first().filter(|n| !n.is_empty()) else {
        if groups.is_empty() && uids.is_empty() && extra.is_empty() {
            return Ok(None);
        }
        let groups: Vec<String> = groups.iter().map(|g| format!("{g:?}")).collect();
        return Err(ApiError::bad_request(format!(
            "requested &user.DefaultInfo{{Name:\"\", UID:{:?}, Groups:[]string{{{}}}, Extra:map[string][]string(nil)}} \
             without impersonating a user name",
            uids.first().map_or("", String::as_str),
            groups.join(", ")
        )));
    };
    let mut acts_for = if groups.is_empty() { (*state.access.user(name)).clone() } else { User::new(name) };
    if groups.is_empty() && name == DEFAULT_USER {
        acts_for.groups.retain(|g| g != MASTERS);
    }
    for group in &groups {
        acts_for = acts_for.group(group);
    }
    acts_for.uid = uids.first().cloned().unwrap_or_default();
    acts_for.extra = extra;
    let may = |group: &str, resource: &str, sub: &str, namespace: Option<&str>, name: &str| {
        let ask = RequestRecord {
            verb: "impersonate".to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: sub.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            ..RequestRecord::default()
        };
        decide(state, user, &ask).0
    };
    let account = acts_for.service_account();
    let whom = match account {
        Some((namespace, name)) => may("", "serviceaccounts", "", Some(namespace), name),
        None => may("", "users", "", None, name),
    };
    let allowed = whom
        && groups.iter().all(|g| may("", "groups", "", None, g))
        && uids.iter().all(|u| may("authentication.k8s.io", "uids", "", None, u))
        && acts_for
            .extra
            .iter()
            .all(|(key, values)| values.iter().all(|v| may("authentication.k8s.io", "userextras", key, None, v)));
    if !allowed {
        // The last that a server tries: to act for somebody in this one request.
        let mode = if account.is_some() { "serviceaccount" } else { "user-info" };
        let verb = format!("impersonate-on:{mode}:{}", ask.verb);
        return Err(forbidden(&RequestRecord { verb, user: user.name.clone(), ..ask.clone() }, ""));
    }
    Ok(Some(Arc::new(acts_for)))
}
