//! A mixture of faults that a seed decides.

use std::time::Duration;

use super::{Fault, Injection, Requests, WatchEnd};
use crate::seed::Seed;

/// A mixture of faults that a seed decides: which kinds there are, how often, and what they hit. For simulations, where
/// the same seed must bring the same trouble:
///
/// ```
/// use gitops_engine_testkit::{Chaos, Cluster};
///
/// let cluster = Cluster::builder().seed(7).build();
/// cluster.inject_all(Chaos::new(7).one_in(20));
/// // ... the program under test runs ...
/// cluster.heal();
/// // ... and must now come to rest.
/// ```
///
/// Everything in it happens to real clusters, and a correct client survives all of it: refusals (409 on updates and
/// patches, 410, 429, 500, 503), lost answers (504 and cuts, before and after the commit, and in the body), latency, watches that
/// end or fall silent, stale reads where a client allows them. What takes rights away, or changes objects, is left to
/// rules of the test.
#[derive(Debug, Clone)]
pub struct Chaos {
    seed: u64,
    one_in: u64,
    requests: Requests,
}

impl Chaos {
    /// The trouble of this seed: about one request in 30 meets some.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, one_in: 30, requests: Requests::any() }
    }

    /// About one request in `n` meets some trouble.
    #[must_use]
    pub fn one_in(mut self, n: u64) -> Self {
        self.one_in = n.max(1);
        self
    }

    /// Only such requests.
    #[must_use]
    pub fn requests(mut self, requests: Requests) -> Self {
        self.requests = requests;
        self
    }
}

/// A time up to `limit`, drawn from the seed.
pub(crate) fn pick(dice: &mut Seed, limit: Duration) -> Duration {
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    match nanos {
        0 => Duration::ZERO,
        nanos => Duration::from_nanos(dice.next() % nanos),
    }
}

impl IntoIterator for Chaos {
    type Item = Injection;
    type IntoIter = std::vec::IntoIter<Injection>;

    fn into_iter(self) -> Self::IntoIter {
        let mut dice = Seed::new(self.seed ^ 0xc4a0_5000);
        let second = Duration::from_secs(1);
        let some_time = |dice: &mut Seed| pick(dice, 30 * second);
        let ends = [Some(WatchEnd::Drop), Some(WatchEnd::Expire), Some(WatchEnd::Close), None];
        let then = ends[(dice.next() % 4) as usize];
        let kinds = [
            (self.requests.clone().verbs(["update", "patch"]), Fault::Conflict),
            (self.requests.clone(), Fault::Gone),
            (self.requests.clone(), Fault::TooManyRequests { retry_after: 1 + dice.next() % 3 }),
            (self.requests.clone(), Fault::InternalError),
            (self.requests.clone(), Fault::Unavailable),
            (self.requests.clone(), Fault::TimeoutAfterCommit),
            (self.requests.clone(), Fault::CutBeforeCommit),
            (self.requests.clone(), Fault::CutAfterCommit),
            (self.requests.clone(), Fault::CutBody),
            (self.requests.clone(), Fault::DelayBetween(Duration::ZERO, 2 * second)),
            (self.requests.clone(), Fault::EndWatch { after: some_time(&mut dice), how: WatchEnd::Drop }),
            (self.requests.clone(), Fault::EndWatch { after: some_time(&mut dice), how: WatchEnd::Expire }),
            (
                self.requests.clone(),
                Fault::StallWatch { after: some_time(&mut dice), lasts: some_time(&mut dice), then },
            ),
            (self.requests.clone(), Fault::StaleByRevisions(1 + dice.next() % 8)),
        ];
        // Half of the kinds at twice the rate each: seeds differ in more than in when.
        let chosen: Vec<_> = kinds.into_iter().filter(|_| dice.next().is_multiple_of(2)).collect();
        let many = chosen.len().max(1) as u64;
        let injections: Vec<Injection> = chosen
            .into_iter()
            .map(|(requests, fault)| {
                let rare = !fault.is_for_watches();
                // There are few watches, and so each has a greater share.
                let one_in = if rare { self.one_in.saturating_mul(many) } else { 3 };
                Injection::new(requests, fault).one_in(one_in).seeded(Seed::new(dice.next()))
            })
            .collect();
        injections.into_iter()
    }
}

impl Fault {
    fn is_for_watches(&self) -> bool {
        matches!(self, Self::EndWatch { .. } | Self::StallWatch { .. } | Self::StaleByRevisions(_))
    }
}
