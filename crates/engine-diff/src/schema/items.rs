//! Finding the items of associative lists and sets: by position and by looking in short lists, by an index in long ones,
//! so that a hostile list of 100,000 items costs n·log n.

use std::cmp::Ordering;

use gitops_engine_core::Value;

use super::{KeyValue, MergeKey, key_value};

/// Up to this length looking is faster than an index.
const SHORT: usize = 16;

/// The items of an associative list.
pub(crate) struct Items<'a> {
    items: &'a [Value],
    keys: &'static [MergeKey],
    /// Positions sorted by key, for long lists.
    index: Option<Vec<usize>>,
}

impl<'a> Items<'a> {
    /// `None` where the list has an item without its keys, or two items with the same: such a list is compared as a whole.
    pub(crate) fn new(items: &'a [Value], keys: &'static [MergeKey]) -> Option<Self> {
        if !items.iter().all(|item| keys.iter().all(|key| key_value(item, key).is_some())) {
            return None;
        }
        if items.len() <= SHORT {
            let distinct = (1..items.len())
                .all(|at| items[..at].iter().all(|earlier| compare(earlier, &items[at], keys) != Ordering::Equal));
            return distinct.then_some(Self { items, keys, index: None });
        }
        let mut index: Vec<usize> = (0..items.len()).collect();
        index.sort_unstable_by(|a, b| compare(&items[*a], &items[*b], keys));
        let distinct = index.windows(2).all(|pair| compare(&items[pair[0]], &items[pair[1]], keys) != Ordering::Equal);
        distinct.then_some(Self { items, keys, index: Some(index) })
    }

    /// All items.
    pub(crate) fn all(&self) -> &'a [Value] {
        self.items
    }

    /// What identifies them.
    pub(crate) fn keys(&self) -> &'static [MergeKey] {
        self.keys
    }

    /// The item with the same keys as `like`, which has them. Looked for at `hint` first.
    pub(crate) fn find(&self, like: &Value, hint: usize) -> Option<(usize, &'a Value)> {
        self.position(like, hint).map(|at| (at, &self.items[at]))
    }

    fn position(&self, like: &Value, hint: usize) -> Option<usize> {
        if self.items.get(hint).is_some_and(|item| compare(item, like, self.keys) == Ordering::Equal) {
            return Some(hint);
        }
        match &self.index {
            None => self.items.iter().position(|item| compare(item, like, self.keys) == Ordering::Equal),
            Some(index) => {
                let at = index.binary_search_by(|at| compare(&self.items[*at], like, self.keys)).ok()?;
                Some(index[at])
            }
        }
    }
}

fn compare(a: &Value, b: &Value, keys: &[MergeKey]) -> Ordering {
    let value = |item, key| -> Option<KeyValue<'_>> { key_value(item, key) };
    keys.iter().map(|key| value(a, key).cmp(&value(b, key))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The members of a set.
pub(crate) struct Members<'a> {
    members: &'a [Value],
    sorted: Option<Vec<&'a Value>>,
}

impl<'a> Members<'a> {
    pub(crate) fn new(members: &'a [Value]) -> Self {
        let sorted = (members.len() > SHORT).then(|| {
            let mut sorted: Vec<&Value> = members.iter().collect();
            sorted.sort_by(|a, b| order(a, b));
            sorted
        });
        Self { members, sorted }
    }

    pub(crate) fn contains(&self, member: &Value) -> bool {
        match &self.sorted {
            None => self.members.contains(member),
            Some(sorted) => sorted.binary_search_by(|candidate| order(candidate, member)).is_ok(),
        }
    }
}

/// Total, because no float of a [`Value`] is NaN.
fn order(a: &Value, b: &Value) -> Ordering {
    a.partial_cmp(b).unwrap_or(Ordering::Equal)
}
