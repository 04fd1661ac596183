//! Requests that were made, and faults for those to come.

use super::{Cluster, WatchEnd};
use crate::{
    RequestRecord,
    fault::{Fault, Injection, Requests},
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
        self.inner.state.lock().recorder.since(mark)
    }

    /// How many requests there were so far; also a mark for [`requests_since`](Self::requests_since).
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.inner.state.lock().recorder.count()
    }

    /// How many of the requests since a mark were writes (not dry runs, not reviews).
    #[must_use]
    pub fn writes_since(&self, mark: u64) -> usize {
        self.requests_since(mark).iter().filter(|r| r.is_write()).count()
    }

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

    /// Breaks an API group version, as an aggregated API whose server is down: discovery still lists it, everything of
    /// it is 503.
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
