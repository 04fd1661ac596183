//! A persistent ordered set: a B-tree whose copies share what did not change.
//!
//! A copy is one reference count. A change copies the nodes on one path (a few hundred pointers, whatever the size of the
//! set), and only those that a copy still holds. Snapshots stand on this.

use std::cmp::Ordering;
use std::sync::Arc;

/// Enough to make a million entries three levels deep, and few enough to copy for every event.
const WIDTH: usize = 64;

/// Something with a place in an order. Entries that compare equal replace each other.
pub(crate) trait Ordered: Clone {
    fn order(&self, other: &Self) -> Ordering;
}

#[derive(Clone, Debug)]
pub(crate) struct Tree<T> {
    root: Arc<Node<T>>,
    len: usize,
}

#[derive(Clone, Debug)]
enum Node<T> {
    Leaf(Vec<T>),
    /// Never empty, and no child is.
    Inner(Vec<Arc<Node<T>>>),
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Vec::new())), len: 0 }
    }
}

impl<T: Ordered> Tree<T> {
    /// From entries in strictly ascending order.
    pub(crate) fn from_sorted(entries: Vec<T>) -> Self {
        debug_assert!(entries.is_sorted_by(|a, b| a.order(b).is_lt()), "the caller sorts");
        let len = entries.len();
        // Not quite full: the next inserts find room.
        let mut level: Vec<Arc<Node<T>>> =
            chunks(entries, WIDTH * 3 / 4).map(|leaf| Arc::new(Node::Leaf(leaf))).collect();
        while level.len() > 1 {
            level = chunks(level, WIDTH * 3 / 4).map(|inner| Arc::new(Node::Inner(inner))).collect();
        }
        level.pop().map_or_else(Self::default, |root| Self { root, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The entry that `probe` calls equal; `probe` compares an entry with what is sought.
    pub(crate) fn get(&self, probe: impl Fn(&T) -> Ordering) -> Option<&T> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(entries) => return entries.binary_search_by(&probe).ok().map(|at| &entries[at]),
                Node::Inner(children) => {
                    let after = children.partition_point(|child| probe(child.first()).is_le());
                    node = &children[after.checked_sub(1)?];
                }
            }
        }
    }

    /// Adds an entry; returns the one that it replaces.
    pub(crate) fn insert(&mut self, entry: T) -> Option<T> {
        let (old, right) = insert(&mut self.root, entry);
        if let Some(right) = right {
            self.root = Arc::new(Node::Inner(vec![self.root.clone(), right]));
        }
        self.len += usize::from(old.is_none());
        old
    }

    /// Removes the entry that `probe` calls equal.
    pub(crate) fn remove(&mut self, probe: impl Fn(&T) -> Ordering) -> Option<T> {
        // Looking first keeps an unsuccessful remove from copying the path.
        self.get(&probe)?;
        let old = remove(&mut self.root, &probe);
        while let Node::Inner(children) = &*self.root {
            match children.as_slice() {
                [] => self.root = Arc::new(Node::Leaf(Vec::new())),
                [only] => self.root = only.clone(),
                _ => break,
            }
        }
        self.len -= usize::from(old.is_some());
        old
    }

    /// Fills the nodes: one that grew in order has them half empty.
    pub(crate) fn repack(&mut self) {
        let mut entries = Vec::with_capacity(self.len);
        self.for_each(|entry| entries.push(entry.clone()));
        *self = Self::from_sorted(entries);
    }

    /// Visits entries in order, from the first that is not `below`, for as long as `visit` says so.
    pub(crate) fn visit_from(&self, below: impl Fn(&T) -> bool, mut visit: impl FnMut(&T) -> bool) {
        visit_from(&self.root, &below, &mut visit);
    }

    /// The first entry that is not `below`.
    pub(crate) fn first_from(&self, below: impl Fn(&T) -> bool) -> Option<&T> {
        first_from(&self.root, &below)
    }

    /// Visits all entries in order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&T)) {
        self.visit_from(
            |_| false,
            |entry| {
                visit(entry);
                true
            },
        );
    }
}

impl<T> Node<T> {
    fn first(&self) -> &T {
        let mut node = self;
        loop {
            match node {
                // An inner node has children and these are not empty; only a root leaf may be, and it has no parent.
                Node::Leaf(entries) => return &entries[0],
                Node::Inner(children) => node = &children[0],
            }
        }
    }

    fn width(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(children) => children.len(),
        }
    }
}

fn chunks<T>(items: Vec<T>, most: usize) -> impl Iterator<Item = Vec<T>> {
    let count = items.len().div_ceil(most);
    let size = items.len().div_ceil(count.max(1));
    let mut items = items.into_iter();
    (0..count).map(move |_| items.by_ref().take(size).collect())
}

fn insert<T: Ordered>(node: &mut Arc<Node<T>>, entry: T) -> (Option<T>, Option<Arc<Node<T>>>) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => match entries.binary_search_by(|other| other.order(&entry)) {
            Ok(at) => (Some(std::mem::replace(&mut entries[at], entry)), None),
            Err(at) => {
                entries.reserve_exact(1);
                entries.insert(at, entry);
                (None, split(entries).map(|right| Arc::new(Node::Leaf(right))))
            }
        },
        Node::Inner(children) => {
            let after = children.partition_point(|child| child.first().order(&entry).is_le());
            let at = after.saturating_sub(1);
            let (old, right) = insert(&mut children[at], entry);
            if let Some(right) = right {
                children.insert(at + 1, right);
            }
            (old, split(children).map(|right| Arc::new(Node::Inner(right))))
        }
    }
}

fn split<E>(entries: &mut Vec<E>) -> Option<Vec<E>> {
    (entries.len() > WIDTH).then(|| {
        let right = entries.split_off(entries.len() / 2);
        entries.shrink_to_fit();
        right
    })
}

fn remove<T: Ordered>(node: &mut Arc<Node<T>>, probe: &impl Fn(&T) -> Ordering) -> Option<T> {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => entries.binary_search_by(probe).ok().map(|at| entries.remove(at)),
        Node::Inner(children) => {
            let at = children.partition_point(|child| probe(child.first()).is_le()).checked_sub(1)?;
            let old = remove(&mut children[at], probe);
            if children[at].width() == 0 {
                children.remove(at);
            } else if children[at].width() < WIDTH / 4 {
                merge(children, at);
            }
            old
        }
    }
}

/// Joins a thin child with a neighbour, where both fit into one.
fn merge<T: Clone>(children: &mut Vec<Arc<Node<T>>>, at: usize) {
    let left = if at + 1 < children.len() { at } else { at.saturating_sub(1) };
    let right = left + 1;
    if right >= children.len() || children[left].width() + children[right].width() > WIDTH * 3 / 4 {
        return;
    }
    let taken = children.remove(right);
    match (Arc::make_mut(&mut children[left]), Arc::unwrap_or_clone(taken)) {
        (Node::Leaf(entries), Node::Leaf(more)) => entries.extend(more),
        (Node::Inner(entries), Node::Inner(more)) => entries.extend(more),
        // All leaves are at one depth, so neighbours are of one sort; put back what was taken all the same.
        (_, other) => children.insert(right, Arc::new(other)),
    }
}

fn first_from<'a, T>(node: &'a Node<T>, below: &impl Fn(&T) -> bool) -> Option<&'a T> {
    match node {
        Node::Leaf(entries) => entries.get(entries.partition_point(|entry| below(entry))),
        Node::Inner(children) => {
            let start = children.partition_point(|child| below(child.first())).saturating_sub(1);
            // All of the child before the first one that is not below may be below.
            children[start..].iter().take(2).find_map(|child| first_from(child, below))
        }
    }
}

fn visit_from<T>(node: &Node<T>, below: &impl Fn(&T) -> bool, visit: &mut impl FnMut(&T) -> bool) -> bool {
    match node {
        Node::Leaf(entries) => entries[entries.partition_point(|entry| below(entry))..].iter().all(visit),
        Node::Inner(children) => {
            let start = children.partition_point(|child| below(child.first())).saturating_sub(1);
            children[start..].iter().all(|child| visit_from(child, below, visit))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl Ordered for (u16, u8) {
        fn order(&self, other: &Self) -> Ordering {
            self.0.cmp(&other.0)
        }
    }

    fn all(tree: &Tree<(u16, u8)>) -> Vec<(u16, u8)> {
        let mut out = Vec::new();
        tree.for_each(|entry| out.push(*entry));
        out
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u8),
        Remove(u16),
        RemoveRange(u16, u16),
        Keep,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..2000_u16, any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
            2 => (0..2000_u16).prop_map(Step::Remove),
            1 => (0..2000_u16, 0..300_u16).prop_map(|(from, count)| Step::RemoveRange(from, count)),
            1 => Just(Step::Keep),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_a_map_and_its_copies_do_not_change(
            start in prop::collection::btree_map(0..2000_u16, any::<u8>(), 0..1500),
            steps in prop::collection::vec(step(), 0..600),
        ) {
            let mut model: BTreeMap<u16, u8> = start.clone();
            let mut tree = Tree::from_sorted(start.into_iter().collect());
            let mut kept = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(tree.insert((key, value)).map(|old| old.1), model.insert(key, value));
                    }
                    Step::Remove(key) => {
                        prop_assert_eq!(tree.remove(|entry| entry.0.cmp(&key)).map(|old| old.1), model.remove(&key));
                    }
                    Step::RemoveRange(from, count) => for key in from..from + count {
                        prop_assert_eq!(tree.remove(|entry| entry.0.cmp(&key)).map(|old| old.1), model.remove(&key));
                    },
                    Step::Keep => kept.push((tree.clone(), model.clone())),
                }
                prop_assert_eq!(tree.len(), model.len());
            }
            kept.push((tree, model));
            for (tree, model) in kept {
                prop_assert_eq!(all(&tree), model.iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>());
                for key in [0, 1, 500, 1999] {
                    prop_assert_eq!(tree.get(|entry| entry.0.cmp(&key)).map(|entry| entry.1), model.get(&key).copied());
                    let mut range = Vec::new();
                    tree.visit_from(|entry| entry.0 < key, |entry| { range.push(*entry); entry.0 < key + 100 });
                    let end = model.range(key..).find(|(other, _)| **other >= key + 100).map_or(2000, |(other, _)| *other);
                    let expected: Vec<_> = model.range(key..=end).map(|(key, value)| (*key, *value)).collect();
                    prop_assert_eq!(range, expected);
                    prop_assert_eq!(tree.first_from(|entry| entry.0 < key).map(|entry| entry.0), model.range(key..).next().map(|entry| *entry.0));
                }
            }
        }
    }

    #[test]
    fn a_change_copies_one_path() {
        let tree = Tree::from_sorted((0..60_000).map(|key| (key, 0)).collect());
        let mut changed = tree.clone();
        changed.insert((30_000, 1));
        let (Node::Inner(before), Node::Inner(after)) = (&*tree.root, &*changed.root) else { panic!("one level only") };
        let same = before.iter().zip(after).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(same, before.len() - 1);
    }
}
