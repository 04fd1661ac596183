//! Work that takes long leaves the caller's runtime free.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gitops_engine_core::{Error, ErrorKind, Problems};

/// Tells work on another thread that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// An error once the caller has gone.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Cancelled, "the rendering was cancelled"));
        }
        Ok(())
    }
}

struct OnDrop(Cancel);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs work on tokio's blocking pool; outside of a runtime on this thread. Dropping the future cancels it.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce(&Cancel) -> Result<T, Problems> + Send + 'static,
) -> Result<T, Problems> {
    let cancel = Cancel::default();
    let _guard = OnDrop(cancel.clone());
    let span = tracing::Span::current();
    let work = move || span.in_scope(|| work(&cancel));
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => match runtime.spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => {
                Err(Error::new(ErrorKind::Internal, "the thread that rendered ended early").caused_by(error).into())
            }
        },
        Err(_) => work(),
    }
}
