//! What a client is told beside the answer.

use std::sync::Arc;

use parking_lot::Mutex;

/// Warnings about one request, in the order in which they were said. A client gets them whether what it asked for was done
/// or refused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    pub(crate) fn say(&self, warnings: impl IntoIterator<Item = String>) {
        self.0.lock().extend(warnings);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}
