//! Pages of lists, of now or of an older revision.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use serde_json::Value;

use super::{Compacted, Store, Stored};
use crate::resources::GroupResource;

/// What a page is to be of.
pub(crate) struct PageOf<'a> {
    pub(crate) namespace: Option<&'a str>,
    /// The revision, when it is not that of now.
    pub(crate) revision: Option<u64>,
    /// The key to begin at.
    pub(crate) from: Option<&'a str>,
    pub(crate) limit: Option<usize>,
    /// Which objects are in it; all of them, when `None`.
    pub(crate) filter: Option<&'a dyn Fn(&Value) -> bool>,
}

/// A page of a list.
pub(crate) struct Page {
    pub(crate) items: Vec<Arc<Stored>>,
    /// The last key, when there are objects after it, selected or not.
    pub(crate) last: Option<Arc<str>>,
    /// How many objects come after the last; counted only where nothing is filtered.
    pub(crate) remaining: usize,
}

/// How many objects come after the page that was made last: whoever asks for the next one is spared the counting.
pub(super) struct Counted {
    revision: u64,
    namespace: Option<String>,
    /// The last key of the page.
    last: Arc<str>,
    remaining: usize,
}

impl Counted {
    /// How many there are from a key on, when that is where the page ended.
    fn from(&self, of: &PageOf<'_>, revision: u64) -> Option<usize> {
        let follows = of.from.and_then(|from| from.strip_suffix('\0')) == Some(&*self.last);
        let same = self.revision == revision && self.namespace.as_deref() == of.namespace;
        (follows && same).then_some(self.remaining)
    }
}

impl Store {
    /// A page of a collection. Its costs are those of the objects that are looked at, and of what has changed since the
    /// revision.
    pub(crate) fn page(&self, gr: &GroupResource, of: &PageOf<'_>) -> Result<Page, Compacted> {
        let mut page = Page { items: Vec::new(), last: None, remaining: 0 };
        let Some(collection) = self.collections.get(gr) else {
            return if of.revision.is_some_and(|r| r < self.forgotten) { Err(Compacted) } else { Ok(page) };
        };
        let bounds = bounds(of.namespace, of.from);
        let present = collection.objects.range::<str, _>(clone_bounds(&bounds)).map(|(key, object)| (&**key, object));
        let at = of.revision.unwrap_or(self.revision);
        let known = collection.counted.borrow().as_ref().and_then(|counted| counted.from(of, at));
        match of.revision {
            Some(revision) if revision < collection.compacted => return Err(Compacted),
            Some(revision) => {
                // What is newer than the revision is undone on the way.
                let mut undone: BTreeMap<&str, Option<&Arc<Stored>>> = BTreeMap::new();
                let first = collection.log.partition_point(|e| e.revision <= revision);
                for event in collection.log.range(first..).rev() {
                    undone.insert(&event.key, event.before.as_ref());
                }
                let past = undone.range::<str, _>(clone_bounds(&bounds)).map(|(key, object)| (*key, *object));
                page.fill(of, merged(past, present), known);
            }
            None => page.fill(of, present, known),
        }
        if let Some(last) = page.last.clone().filter(|_| of.filter.is_none()) {
            let namespace = of.namespace.map(str::to_owned);
            let counted = Counted { revision: at, namespace, last, remaining: page.remaining };
            *collection.counted.borrow_mut() = Some(counted);
        }
        Ok(page)
    }
}

impl Page {
    /// `known`: how many there are from the first on, where that is known.
    fn fill<'a>(
        &mut self,
        of: &PageOf<'_>,
        mut objects: impl Iterator<Item = (&'a str, &'a Arc<Stored>)>,
        known: Option<usize>,
    ) {
        let limit = of.limit.unwrap_or(usize::MAX);
        let mut last = None;
        while self.items.len() < limit {
            let Some((key, object)) = objects.next() else {
                return;
            };
            if of.filter.is_none_or(|filter| filter(&object.value)) {
                self.items.push(object.clone());
                last = Some(key);
            }
        }
        // Whether one that comes later is selected is not looked at.
        self.remaining = match (of.filter, known) {
            (Some(_), _) => objects.take(1).count(),
            (None, Some(known)) => known.saturating_sub(self.items.len()),
            (None, None) => objects.count(),
        };
        self.last = last.filter(|_| self.remaining > 0).map(Arc::from);
    }
}

/// Present objects in the order of keys, with older states in place of theirs.
fn merged<'a>(
    past: impl Iterator<Item = (&'a str, Option<&'a Arc<Stored>>)>,
    present: impl Iterator<Item = (&'a str, &'a Arc<Stored>)>,
) -> impl Iterator<Item = (&'a str, &'a Arc<Stored>)> {
    let (mut past, mut present) = (past.peekable(), present.peekable());
    std::iter::from_fn(move || {
        loop {
            let old_first = match (past.peek(), present.peek()) {
                (Some((old, _)), Some((new, _))) => old <= new,
                (old, _) => old.is_some(),
            };
            if !old_first {
                return present.next();
            }
            let (key, object) = past.next()?;
            present.next_if(|(new, _)| *new == key);
            // One that was not there yet is not in the list.
            if let Some(object) = object {
                return Some((key, object));
            }
        }
    })
}

pub(super) type Bounds = (Bound<String>, Bound<String>);

pub(super) fn bounds(namespace: Option<&str>, from: Option<&str>) -> Bounds {
    let start = match (from, namespace) {
        (Some(from), _) => Bound::Included(from.to_owned()),
        (None, Some(ns)) => Bound::Included(format!("{ns}/")),
        (None, None) => Bound::Unbounded,
    };
    // '0' is the character after '/'.
    let end = namespace.map_or(Bound::Unbounded, |ns| Bound::Excluded(format!("{ns}0")));
    (start, end)
}

pub(super) fn clone_bounds(bounds: &Bounds) -> (Bound<&str>, Bound<&str>) {
    (bounds.0.as_ref().map(String::as_str), bounds.1.as_ref().map(String::as_str))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]

    use serde_json::json;

    use super::*;

    /// Goes through all pages, while others write between them; what is counted must be what then comes.
    #[test]
    fn pages_count_what_comes_after_them() {
        let gr = GroupResource::new("", "configmaps");
        let mut store = Store::new(1_000);
        let put = |store: &mut Store, ns: usize, n: usize| {
            let name = format!("m{n:03}");
            store.put(
                &gr,
                json!({"metadata": {"namespace": format!("n{ns}"), "name": name, "uid": format!("{ns}-{n}")}}),
            );
        };
        (0..3).for_each(|ns| (0..40).for_each(|n| put(&mut store, ns, n)));
        for (namespace, all) in [(None, 120), (Some("n1"), 40)] {
            let revision = store.revision();
            let (mut seen, mut from) = (0, None::<String>);
            loop {
                // The other way, too: a page that nobody counted for.
                let forget = seen % 14 == 7;
                if forget {
                    *store.collections[&gr].counted.borrow_mut() = None;
                }
                let pinned = from.is_some().then_some(revision);
                let of = PageOf { namespace, revision: pinned, from: from.as_deref(), limit: Some(7), filter: None };
                let page = store.page(&gr, &of).unwrap();
                seen += page.items.len();
                assert_eq!(page.remaining, all - seen);
                put(&mut store, 1, 500 + seen);
                match page.last {
                    Some(last) => from = Some(format!("{last}\0")),
                    None => break,
                }
            }
            assert_eq!(seen, all);
            (0..3).for_each(|ns| {
                (500..700).for_each(|n| {
                    let at = super::super::ObjectKey::new(&gr, &format!("n{ns}"), &format!("m{n:03}"));
                    store.remove(&at);
                })
            });
        }
    }
}
