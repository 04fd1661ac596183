//! What the inventory remembers of an object after it was applied.

use gitops_engine_core::dialect::PruneIntent;
use gitops_engine_core::{EntryState, Intent, InventoryEntry, Manifest};

use super::digest::storable_digest;

/// The entry of an object that the server holds as `live`, applied from `desired`.
///
/// Of a Secret nothing is remembered that depends on its content.
pub(crate) fn record(desired: &Manifest, live: &Manifest) -> InventoryEntry {
    let intent = Intent::read(desired);
    let mut entry = InventoryEntry::announced(desired.version().clone());
    entry.state = EntryState::Applied;
    entry.uid = live.uid();
    entry.desired = storable_digest(desired);
    entry.applied = entry.desired.is_some().then(|| gitops_engine_diff::applied_digest(desired, live));
    entry.wave = intent.wave;
    entry.keep = keep(&intent);
    entry
}

/// The entry of an object that is about to be applied.
pub(crate) fn announce(desired: &Manifest) -> InventoryEntry {
    let intent = Intent::read(desired);
    let mut entry = InventoryEntry::announced(desired.version().clone());
    entry.wave = intent.wave;
    entry.keep = keep(&intent);
    entry
}

fn keep(intent: &Intent) -> Option<String> {
    match &intent.prune {
        PruneIntent::Keep(annotation) => Some(annotation.clone()),
        _ => None,
    }
}
