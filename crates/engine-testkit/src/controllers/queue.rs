//! Which objects to look at, and when.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{events::Correlator, index::Index};
use crate::store::ObjectKey;

/// Everything the controllers remember between two looks. All of it could be found again from the objects, but for
/// times finer than a timestamp's second.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    due: BTreeSet<(Duration, ObjectKey)>,
    at: BTreeMap<ObjectKey, Duration>,
    /// When objects of the kinds that need it were created, and when their deletion was asked for, by uid.
    pub(super) created: BTreeMap<String, Duration>,
    pub(super) deleted: BTreeMap<String, Duration>,
    /// Creations that the API refused: how often in a row, and why.
    pub(super) refused: BTreeMap<ObjectKey, (u32, String)>,
    pub(super) index: Index,
    pub(super) events: Correlator,
}

impl Queue {
    /// An object is looked at no later than this.
    pub(super) fn add(&mut self, key: ObjectKey, at: Duration) {
        match self.at.get(&key) {
            Some(old) if *old <= at => {}
            _ => self.postpone(key, at),
        }
    }

    /// An object is looked at then, and not before.
    pub(super) fn postpone(&mut self, key: ObjectKey, at: Duration) {
        if let Some(old) = self.at.insert(key.clone(), at) {
            self.due.remove(&(old, key.clone()));
        }
        self.due.insert((at, key));
    }

    /// A Pod has come to its node.
    pub(crate) fn arrived(&mut self, uid: &str, at: Duration) {
        self.created.insert(uid.to_owned(), at);
    }

    pub(super) fn forget(&mut self, key: &ObjectKey) {
        if let Some(old) = self.at.remove(key) {
            self.due.remove(&(old, key.clone()));
        }
    }

    pub(super) fn pop(&mut self, now: Duration) -> Option<ObjectKey> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.at.remove(&key);
        Some(key)
    }

    /// When the next object is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }
}
