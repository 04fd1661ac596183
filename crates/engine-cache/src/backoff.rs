//! How long to wait before trying again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Doubles from `first` to `most`; each wait is between half and all of that, so that many waiters do not march in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    pub(crate) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.most);
        whole / 2 + whole.mul_f64(random_share() / 2.0)
    }
}

/// A number from 0 to 1. `RandomState` is seeded by the system; nothing here needs more than that.
pub(crate) fn random_share() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
        for whole in [1, 2, 4, 8, 8] {
            let wait = backoff.next();
            assert!(wait >= Duration::from_millis(whole * 500) && wait <= Duration::from_secs(whole), "{wait:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_secs(1));
    }
}
