//! Requests that were made, and faults for those to come.

use std::sync::Arc;

use super::Cluster;
use crate::{
    Access, Counters, RequestRecord, User, Webhook, access,
    fault::{ClockJump, Fault, Injection, Requests, WatchEnd},
};

impl Cluster {
    /// The request log (the last 100,000).
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.requests_since(0)
    }

    /// Requests from a position on, as [`request_count`](Self::request_count) gave it.
    #[must_use]
    pub fn requests_since(&self, mark: u64) -> Vec<RequestRecord> {
        self.inner.recorder.lock().since(mark).cloned().collect()
    }

    /// The requests of the log that a rule would hit.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use gitops_engine_testkit::{Cluster, Requests};
    /// use kube::Api;
    ///
    /// let cluster = Cluster::default();
    /// Api::<k8s_openapi::api::core::v1::Namespace>::all(cluster.client()).get("default").await?;
    /// assert_eq!(cluster.requests_like(&Requests::any().kind("Namespace")).len(), 1);
    /// assert!(cluster.requests_like(&Requests::writes()).is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn requests_like(&self, requests: &Requests) -> Vec<RequestRecord> {
        self.inner.recorder.lock().since(0).filter(|r| requests.matches(r)).cloned().collect()
    }

    /// The request log as text: one line for each request, the same for two runs of one seed (see the crate's page about
    /// what that takes).
    #[must_use]
    pub fn request_log(&self) -> String {
        self.inner.recorder.lock().since(0).map(|r| format!("{r}\n")).collect()
    }

    /// Sums by verb and kind over all requests since the cluster was built.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.recorder.lock().counters.clone()
    }

    /// How many requests there were so far; also a mark for [`requests_since`](Self::requests_since).
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.inner.recorder.lock().count()
    }

    /// How many of the requests since a mark were writes (not dry runs, not reviews).
    #[must_use]
    pub fn writes_since(&self, mark: u64) -> usize {
        self.inner.recorder.lock().since(mark).filter(|r| r.is_write()).count()
    }

    /// Adds several faults, such as a [`Chaos`](crate::Chaos).
    pub fn inject_all(&self, injections: impl IntoIterator<Item = Injection>) {
        injections.into_iter().for_each(|injection| self.inject(injection));
    }

    /// Moves the cluster's wall clock. Timestamps of later writes follow it; timers do not, as on a machine whose clock
    /// is set: a Pod that takes a second to start still takes a second.
    pub fn jump_clock(&self, jump: ClockJump) {
        self.inner.clock.jump(jump);
    }

    // --- Access and admission. ---

    /// Makes a user known, with their groups. One that was not made known has no groups of their own.
    pub(crate) fn add_user(&self, user: impl Into<User>) -> Arc<User> {
        let user = user.into();
        let mut state = self.inner.state.lock();
        let known = state.access.user(&user.name);
        // A bare name does not take groups away.
        if user == User::new(&user.name) { known } else { state.access.remember(user) }
    }

    /// Says what a user or a group may do, in place of what was said about them before. Whom nothing was said about may
    /// do everything.
    pub fn set_access(&self, access: Access) {
        self.inner.state.lock().access.set(access);
    }

    /// From now on the Roles, ClusterRoles and bindings of the cluster decide, as on a real server. Makes the roles that a
    /// real server has for `system:masters` (to which the user of [`client`](Self::client) belongs) and for everybody who
    /// logs in, where they are missing.
    pub fn enforce_rbac(&self) {
        for object in access::bootstrap() {
            // It may be there already.
            let _exists = self.create(object);
        }
        self.inner.state.lock().access.rbac = true;
    }

    /// Asks this webhook from now on, in place of one of the same name.
    pub fn add_webhook(&self, webhook: Webhook) {
        let mut state = self.inner.state.lock();
        state.webhooks.retain(|w| w.name != webhook.name);
        state.webhooks.push(webhook);
    }

    /// Asks this webhook no longer.
    pub fn remove_webhook(&self, name: &str) {
        self.inner.state.lock().webhooks.retain(|w| w.name != name);
    }

    // --- Faults. ---

    /// Adds a fault.
    pub fn inject(&self, injection: Injection) {
        self.inner.state.lock().faults.inject(injection);
    }

    /// Forbids verbs (`*` for all) on a resource (`*` for all), with the real message of RBAC.
    pub fn forbid<'a>(&self, group: &str, resource: &str, verbs: impl IntoIterator<Item = &'a str>) {
        self.inject(Injection::new(Requests::any().resource(group, resource).verbs(verbs), Fault::Forbidden));
    }

    /// Answers `n` more requests; every later one sees a broken connection and does nothing.
    pub fn cut_after(&self, n: u64) {
        self.inner.state.lock().faults.cut_after(n, false);
    }

    /// Answers `n` more requests; the next one takes effect but its answer is lost, and every later one sees a broken
    /// connection and does nothing.
    pub fn cut_after_commit(&self, n: u64) {
        self.inner.state.lock().faults.cut_after(n, true);
    }

    /// Breaks an API group version, as an aggregated API whose server is down: everything of it is 503, its own
    /// discovery document too, while the list of groups still has it and aggregated discovery marks it `Stale`.
    pub fn break_group(&self, group: &str, version: &str) {
        self.inner.state.lock().faults.broken.insert((group.to_owned(), version.to_owned()));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.inner.state.lock().faults.clear();
    }

    /// Cuts the connection of every watch under way.
    pub fn drop_watches(&self) {
        let _nobody_watches = self.inner.watch_ends.send(WatchEnd::Drop);
    }

    /// Ends every watch under way in good order, as a server does after its timeout.
    pub fn close_watches(&self) {
        let _nobody_watches = self.inner.watch_ends.send(WatchEnd::Close);
    }

    /// Ends every watch under way with a `410 Gone` event.
    pub fn expire_watches(&self) {
        let _nobody_watches = self.inner.watch_ends.send(WatchEnd::Expire);
    }
}
