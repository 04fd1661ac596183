//! The arithmetic of rollouts: numbers in, numbers out.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment>

/// A ReplicaSet as a rollout sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set {
    /// How many it was told to have.
    pub(super) replicas: i64,
    /// How many of them are available.
    pub(super) available: i64,
}

/// How far a rollout may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) wanted: i64,
    pub(super) surge: i64,
    pub(super) unavailable: i64,
}

impl Bounds {
    /// From the shares of the strategy, worked out. Both at 0 would stand still.
    pub(super) fn new(wanted: i64, surge: i64, unavailable: i64) -> Self {
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        Self { wanted, surge, unavailable: unavailable.min(wanted) }
    }

    /// The most Pods there may be.
    pub(super) fn most(&self) -> i64 {
        self.wanted + self.surge
    }

    /// The fewest that have to serve.
    pub(super) fn least(&self) -> i64 {
        self.wanted - self.unavailable
    }
}

/// How many Pods the newest set begins or goes on with.
pub(super) fn scale_new(bounds: Bounds, new: i64, all: i64) -> i64 {
    if new > bounds.wanted {
        return bounds.wanted;
    }
    let room = (bounds.most() - all).max(0);
    new + room.min(bounds.wanted - new)
}

/// How many Pods the older sets (oldest first) keep.
pub(super) fn scale_old(bounds: Bounds, new: Set, old: &[Set]) -> Vec<i64> {
    let mut kept: Vec<i64> = old.iter().map(|s| s.replicas).collect();
    let all = new.replicas + kept.iter().sum::<i64>();
    let mut spare = all - bounds.least() - (new.replicas - new.available);
    if spare <= 0 {
        return kept;
    }
    // Those that serve nobody go first.
    for (kept, set) in kept.iter_mut().zip(old) {
        let broken = (*kept - set.available).clamp(0, spare.max(0));
        *kept -= broken;
        spare -= broken;
    }
    let mut spare = new.available + old.iter().map(|s| s.available).sum::<i64>() - bounds.least();
    for kept in &mut kept {
        let gone = (*kept).min(spare.max(0));
        *kept -= gone;
        spare -= gone;
    }
    kept
}

/// A set that is scaled along with its Deployment in the middle of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) replicas: i64,
    /// The most Pods that its Deployment was allowed when it was last scaled.
    pub(super) most_before: i64,
}

/// Shares what the Deployment grows or shrinks by among its sets, in proportion to their sizes; the first one gets what
/// is left over.
pub(super) fn proportional(bounds: Bounds, sets: &[Share]) -> Vec<i64> {
    let all: i64 = sets.iter().map(|s| s.replicas).sum();
    let allowed = if bounds.wanted > 0 { bounds.most() } else { 0 };
    let to_add = allowed - all;
    if to_add == 0 {
        return sets.iter().map(|s| s.replicas).collect();
    }
    let mut added = 0;
    let mut sizes: Vec<i64> = sets
        .iter()
        .map(|set| {
            let part = proportion(bounds, *set);
            let left = to_add - added;
            let part = if set.replicas == 0 || left == 0 {
                0
            } else if to_add > 0 {
                part.min(left)
            } else {
                part.max(left)
            };
            added += part;
            set.replicas + part
        })
        .collect();
    if let Some(first) = sizes.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    sizes
}

fn proportion(bounds: Bounds, set: Share) -> i64 {
    if bounds.wanted == 0 {
        return -set.replicas;
    }
    let before = set.most_before.max(1);
    // Rounded half away from zero; sizes are not negative.
    (2 * set.replicas * bounds.most() + before) / (2 * before) - set.replicas
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(replicas: i64, available: i64) -> Set {
        Set { replicas, available }
    }

    #[test]
    fn the_newest_set_grows_as_far_as_the_surge_allows() {
        for (wanted, surge, unavailable, new, all, expected) in [
            (10, 3, 2, 0, 10, 3),
            (10, 3, 2, 3, 11, 5),
            (10, 0, 1, 0, 10, 0),
            (10, 0, 1, 0, 9, 1),
            (10, 3, 2, 9, 9, 10),
            (3, 3, 2, 5, 9, 3),
            (0, 1, 0, 0, 4, 0),
        ] {
            let bounds = Bounds::new(wanted, surge, unavailable);
            assert_eq!(scale_new(bounds, new, all), expected, "{bounds:?} {new} {all}");
        }
    }

    #[test]
    fn the_old_sets_shrink_as_far_as_enough_serve() {
        for (wanted, surge, unavailable, new, old, expected) in [
            // The first step of a rollout: nothing new serves yet.
            (10, 3, 2, set(3, 0), vec![set(10, 10)], vec![8]),
            (10, 3, 0, set(3, 0), vec![set(10, 10)], vec![10]),
            (10, 3, 0, set(3, 3), vec![set(10, 10)], vec![7]),
            // Broken ones go first, the oldest first.
            (4, 1, 0, set(1, 1), vec![set(2, 0), set(2, 2)], vec![1, 2]),
            (4, 2, 0, set(2, 2), vec![set(2, 0), set(2, 2)], vec![0, 2]),
            (4, 1, 1, set(1, 0), vec![set(2, 0), set(2, 2)], vec![1, 2]),
            (2, 0, 0, set(0, 0), vec![set(2, 2)], vec![1]),
        ] {
            let bounds = Bounds::new(wanted, surge, unavailable);
            assert_eq!(scale_old(bounds, new, &old), expected, "{bounds:?} {new:?} {old:?}");
        }
    }

    #[test]
    fn scaling_in_a_rollout_is_proportional() {
        let share = |replicas, most_before| Share { replicas, most_before };
        for (wanted, surge, sets, expected) in [
            // Observed: a real Deployment of 2 + 1 scaled to 5 has 4 + 2.
            (5, 1, vec![share(2, 3), share(1, 3)], vec![4, 2]),
            (15, 3, vec![share(8, 13), share(5, 13)], vec![11, 7]),
            (0, 1, vec![share(2, 3), share(1, 3)], vec![0, 0]),
            (2, 1, vec![share(2, 3), share(1, 3)], vec![2, 1]),
        ] {
            assert_eq!(proportional(Bounds::new(wanted, surge, 0), &sets), expected, "{wanted} {sets:?}");
        }
    }

    proptest! {
        #[test]
        fn proportional_scaling_reaches_the_allowed_sum(
            wanted in 0_i64..50, surge in 0_i64..10,
            sizes in prop::collection::vec(1_i64..30, 1..5), before in 1_i64..60,
        ) {
            let bounds = Bounds::new(wanted, surge, 1);
            let shares: Vec<_> = sizes.iter().map(|s| Share { replicas: *s, most_before: before.max(sizes.iter().sum()) }).collect();
            let scaled = proportional(bounds, &shares);
            prop_assert!(scaled.iter().all(|s| *s >= 0));
            let allowed = if wanted > 0 { bounds.most() } else { 0 };
            prop_assert!(scaled.iter().sum::<i64>() >= allowed || scaled[0] == 0);
        }

        /// Plays a whole rollout with Pods that get ready in any order: the bounds hold at every step, and it ends.
        #[test]
        fn rollouts_keep_their_bounds_and_end(
            wanted in 1_i64..30, surge in 0_i64..10, unavailable in 0_i64..10,
            old in prop::collection::vec((0_i64..10, any::<bool>()), 1..4),
            pace in prop::collection::vec(1_i64..4, 1..8),
        ) {
            let bounds = Bounds::new(wanted, surge, unavailable);
            let mut new = set(0, 0);
            // The last of the old sets makes up the number that was wanted.
            let mut left = wanted;
            let mut sets: Vec<Set> = old.iter().map(|(n, serves)| {
                let n = (*n).min(left);
                left -= n;
                set(n, if *serves { n } else { 0 })
            }).collect();
            sets.push(set(left, left));
            let serving = |new: &Set, sets: &[Set]| new.available + sets.iter().map(|s| s.available).sum::<i64>();
            let mut least = serving(&new, &sets).min(bounds.least());
            for step in 0..1000 {
                let all = new.replicas + sets.iter().map(|s| s.replicas).sum::<i64>();
                prop_assert!(all <= bounds.most(), "{all} of {bounds:?}");
                prop_assert!(serving(&new, &sets) >= least, "{new:?} {sets:?} {bounds:?}");
                least = serving(&new, &sets).min(bounds.least());
                let grown = scale_new(bounds, new.replicas, all);
                if grown != new.replicas {
                    new.replicas = grown;
                } else {
                    let kept = scale_old(bounds, new, &sets);
                    for (set, kept) in sets.iter_mut().zip(kept) {
                        // A set gives up those that do not serve before those that do.
                        set.available = set.available.min(kept);
                        set.replicas = kept;
                    }
                }
                new.available = (new.available + pace[step % pace.len()]).min(new.replicas);
                if new == set(wanted, wanted) && sets.iter().all(|s| s.replicas == 0) {
                    return Ok(());
                }
            }
            prop_assert!(false, "never ended: {new:?} {sets:?} {bounds:?}");
        }
    }
}
