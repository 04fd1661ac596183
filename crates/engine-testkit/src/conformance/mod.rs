//! How a Kubernetes API behaves, as cases that any API server can be held against.
//!
//! Each case is a small program that talks to a server through a [`kube::Client`] and says what must come back. The same
//! cases pass on a real kube-apiserver (`cargo xtask api-suite --real`) and on the in-process API of this crate
//! (`cargo xtask api-suite`): that is why a test that passes on the one passes on the other.
//!
//! The module is behind the feature `conformance`. Whoever builds an API server, a proxy before one or a mock of one can
//! hold it against the suite:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! use gitops_engine_testkit::{Cluster, conformance::Suite};
//!
//! let report = Suite::new(Cluster::builder().build().client()).filter("get/").run().await;
//! assert!(report.is_good(), "{report}");
//! # }
//! ```
//!
//! # A new case in three lines
//! 1. Write an `async fn` that takes a [`&Lab`](Lab) and gives an [`Outcome`], in the file of its area under `cases/`:
//!    the lab is a client with a fresh namespace, and every helper of it ends the case with a [`Failure`] that says what
//!    was sent, what came back and what was expected.
//! 2. Add the function's name to the table `cases!` at the top of that file. The name is a sentence that holds:
//!    `a_page_is_of_the_revision_of_the_first` in the area `list` is the case `list/a_page_is_of_the_revision_of_the_first`.
//!    After the name come flags: `needs_controllers`, `alone`, `needs_compaction` (see [`Case`]).
//! 3. Run it on the real server first: `cargo xtask api-suite --real list/a_page`. What the real server does is the
//!    expectation, then `cargo xtask api-suite list/a_page` holds the in-process API against it.
//!
//! A new area is a new file with a table, named in `cases/mod.rs`.
//!
//! Cases run many at a time on one server: a case looks at its own namespace only, derives cluster-scoped names from it
//! ([`Lab::name`]), and never waits for a fixed time: [`Lab::eventually`] and [`Watch`] wait for a condition, in real time
//! and under tokio's paused clock alike.

mod cases;
mod differences;
mod failure;
mod lab;
mod reply;
mod report;
mod request;
mod script;
mod suite;
mod watch;

use std::fmt;

use futures::future::BoxFuture;

pub use self::{
    differences::{DIFFERENCES, Difference},
    failure::{Failure, Outcome},
    lab::Lab,
    reply::Reply,
    report::{CaseReport, Report, Verdict},
    request::{Patch, Sending},
    suite::Suite,
    watch::{Watch, WatchedEvent},
};

/// One thing that holds on every Kubernetes API.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// `area/what_holds`.
    pub name: &'static str,
    /// Whether controllers have to run: for Deployments, Pods, namespaces and the like to change by themselves.
    pub needs_controllers: bool,
    /// Whether it changes what others see (an APIService, access rules) and so runs while nothing else does.
    pub alone: bool,
    /// Whether the server has to forget its past, which nobody can ask for through the API: see
    /// [`Suite::compact_with`].
    pub needs_compaction: bool,
    run: for<'a> fn(&'a Lab) -> BoxFuture<'a, Outcome>,
}

impl Case {
    /// A case of one's own, to be run by [`Suite::cases`].
    #[must_use]
    pub const fn new(name: &'static str, run: for<'a> fn(&'a Lab) -> BoxFuture<'a, Outcome>) -> Self {
        Self { name, needs_controllers: false, alone: false, needs_compaction: false, run }
    }

    /// The same, to be run only where controllers are.
    #[must_use]
    pub const fn needs_controllers(mut self) -> Self {
        self.needs_controllers = true;
        self
    }

    /// The same, to be run while no other case does.
    #[must_use]
    pub const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// The same, to be run where the server's past can be made to go, while no other case runs.
    #[must_use]
    pub const fn needs_compaction(mut self) -> Self {
        self.needs_compaction = true;
        self.alone = true;
        self
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Every case that ships with this crate, in the order of the areas.
pub fn all() -> impl Iterator<Item = Case> {
    cases::AREAS.iter().flat_map(|area| area.iter().copied())
}
