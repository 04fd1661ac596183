//! What a Pod is doing at an age: a pure function of how it was told to behave.

use std::time::Duration;

/// How a Pod was told to behave, on its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fate {
    /// From the node to running containers.
    pub(super) start: Duration,
    /// Init containers that end before the others start.
    pub(super) init: u32,
    pub(super) image_missing: bool,
    /// Whether it gets ready when it runs.
    pub(super) ready: bool,
    /// When containers end by themselves, after their start, and how.
    pub(super) end: Option<(Duration, Exit)>,
    /// Whether containers that failed are started again.
    pub(super) restarts: bool,
    /// Containers crash after so long, so often (`None`: always), and then run as they should.
    pub(super) crashes: Option<(Duration, Option<u32>)>,
    /// Whether it is ready until it crashes.
    pub(super) ready_until: bool,
    /// Evicted after so long.
    pub(super) evicted: Option<Duration>,
    /// `activeDeadlineSeconds`.
    pub(super) deadline: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Success,
    Failure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// The init container of this number runs.
    Initializing(u32),
    Creating,
    ImageMissing,
    Running {
        ready: bool,
        restarts: u32,
    },
    /// Waits to be started again.
    BackOff {
        restarts: u32,
        wait: Duration,
    },
    Ended {
        exit: Exit,
        restarts: u32,
    },
    Evicted,
    DeadlineExceeded,
}

/// The wait before restart number `restart`, from 2 on; the first comes at once:
/// <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy>
fn back_off(restart: u32) -> Duration {
    const FIRST: u64 = 10;
    const LONGEST: u64 = 300;
    let doubled = FIRST.saturating_mul(1_u64.checked_shl(restart.saturating_sub(2)).unwrap_or(u64::MAX));
    if restart < 2 { Duration::ZERO } else { Duration::from_secs(doubled.min(LONGEST)) }
}

impl Fate {
    /// What the Pod does at an age, counted from its node, and at which age it does something else.
    pub(super) fn at(&self, age: Duration) -> (Life, Option<Duration>) {
        let over = |limit: Option<Duration>| limit.filter(|l| age >= *l);
        let evicted = self.evicted.map(|after| self.start.saturating_add(after));
        let (mut life, mut next) = self.undisturbed(age);
        if over(evicted).is_some() {
            (life, next) = (Life::Evicted, None);
        } else if over(self.deadline).is_some() && !matches!(life, Life::Ended { .. }) {
            (life, next) = (Life::DeadlineExceeded, None);
        } else if !matches!(life, Life::Ended { .. }) {
            next = [next, evicted, self.deadline].into_iter().flatten().filter(|n| *n > age).min();
        }
        (life, next)
    }

    fn undisturbed(&self, age: Duration) -> (Life, Option<Duration>) {
        if age < self.start {
            let each = self.start / (self.init + 1);
            for init in 0..self.init {
                let end = each * (init + 1);
                if age < end {
                    return (Life::Initializing(init), Some(end));
                }
            }
            return (Life::Creating, Some(self.start));
        }
        if self.image_missing {
            return (Life::ImageMissing, None);
        }
        let since = age - self.start;
        match self.crashes {
            Some((after, times)) => self.crashing(since, after.max(Duration::from_millis(1)), times),
            None => self.running(since, Duration::ZERO, 0),
        }
    }

    /// The last run, which began at `began`, both since the containers' first start.
    fn running(&self, since: Duration, began: Duration, restarts: u32) -> (Life, Option<Duration>) {
        match self.end {
            Some((after, exit)) if since >= began.saturating_add(after) => (Life::Ended { exit, restarts }, None),
            end => {
                let next = end.map(|(after, _)| self.start.saturating_add(began).saturating_add(after));
                (Life::Running { ready: self.ready, restarts }, next)
            }
        }
    }

    fn crashing(&self, since: Duration, after: Duration, times: Option<u32>) -> (Life, Option<Duration>) {
        let mut began = Duration::ZERO;
        let mut restarts = 0_u32;
        loop {
            if times.is_some_and(|t| restarts >= t) {
                return self.running(since, began, restarts);
            }
            let crash = began + after;
            let at = |moment: Duration| Some(self.start.saturating_add(moment));
            if since < crash {
                return (Life::Running { ready: self.ready && self.ready_until, restarts }, at(crash));
            }
            if !self.restarts {
                return (Life::Ended { exit: Exit::Failure, restarts }, None);
            }
            let wait = back_off(restarts + 1);
            let next = crash + wait;
            if since < next {
                return (Life::BackOff { restarts, wait }, at(next));
            }
            restarts += 1;
            began = next;
            // Waits are all equal from here on: many rounds are one step.
            if back_off(restarts + 1) == back_off(restarts + 2) && restarts > 1 && times.is_none() {
                let round = after + back_off(restarts + 1);
                let rounds = u32::try_from((since - began).as_nanos() / round.as_nanos()).unwrap_or(u32::MAX);
                restarts = restarts.saturating_add(rounds);
                began += round.saturating_mul(rounds);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1);

    fn fate() -> Fate {
        Fate {
            start: START,
            init: 0,
            image_missing: false,
            ready: true,
            end: None,
            restarts: true,
            crashes: None,
            ready_until: false,
            evicted: None,
            deadline: None,
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn init_containers_run_one_after_the_other() {
        let fate = Fate { start: seconds(3), init: 2, ..fate() };
        let lives: Vec<_> = (0..4).map(|s| fate.at(seconds(s)).0).collect();
        let running = Life::Running { ready: true, restarts: 0 };
        assert_eq!(lives, [Life::Initializing(0), Life::Initializing(1), Life::Creating, running]);
    }

    #[test]
    fn back_offs_double_up_to_five_minutes() {
        let waits: Vec<_> = (1..=9).map(|n| back_off(n).as_secs()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(back_off(u32::MAX), seconds(300));
    }

    #[test]
    fn a_crash_loop_goes_through_its_stations() {
        let fate = Fate { crashes: Some((seconds(1), Some(3))), ..fate() };
        let mut age = Duration::ZERO;
        let mut seen = Vec::new();
        loop {
            let (life, next) = fate.at(age);
            seen.push((age.as_secs(), life));
            match next {
                Some(next) => age = next,
                None => break,
            }
        }
        let running = |restarts| Life::Running { ready: false, restarts };
        let waits = |restarts, wait| Life::BackOff { restarts, wait: seconds(wait) };
        assert_eq!(
            seen,
            [
                (0, Life::Creating),
                (1, running(0)),
                (2, running(1)),
                (3, waits(1, 10)),
                (13, running(2)),
                (14, waits(2, 20)),
                (34, Life::Running { ready: true, restarts: 3 }),
            ]
        );
    }

    #[test]
    fn a_crash_loop_of_years_costs_nothing() {
        let fate = Fate { crashes: Some((Duration::from_millis(1), None)), ..fate() };
        let mut age = seconds(0);
        let mut last = 0;
        for _ in 0..200 {
            let (life, next) = fate.at(age);
            if let Life::BackOff { restarts, .. } | Life::Running { restarts, .. } = life {
                assert!(restarts >= last, "{life:?} at {age:?} after {last}");
                last = restarts;
            }
            age = next.unwrap_or(age);
        }
        assert!(matches!(fate.at(seconds(1 << 40)).0, Life::BackOff { .. } | Life::Running { .. }));
    }

    #[test]
    fn ends_and_evictions() {
        let ends = Fate { end: Some((seconds(2), Exit::Success)), ..fate() };
        assert_eq!(ends.at(seconds(3)).0, Life::Ended { exit: Exit::Success, restarts: 0 });
        let evicted = Fate { evicted: Some(seconds(5)), ..fate() };
        assert_eq!(evicted.at(seconds(2)).1, Some(seconds(6)));
        assert_eq!(evicted.at(seconds(6)), (Life::Evicted, None));
        let late = Fate { deadline: Some(seconds(4)), ..fate() };
        assert_eq!(late.at(seconds(4)), (Life::DeadlineExceeded, None));
        let never = Fate { start: Duration::MAX, ..fate() };
        assert_eq!(never.at(seconds(4)), (Life::Creating, Some(Duration::MAX)));
    }
}
