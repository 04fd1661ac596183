//! Blocking work off the async runtime, which stops when its future is dropped or its deadline passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gitops_engine_core::{Error, ErrorKind, Result};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The wish that a piece of work stops. Polled by computation, awaited by everything that waits for another side.
#[derive(Debug, Default)]
pub(crate) struct Interrupt {
    flag: AtomicBool,
    wake: Notify,
}

impl Interrupt {
    pub(crate) fn trigger(&self) {
        self.flag.store(true, Ordering::SeqCst);
        self.wake.notify_waiters();
    }

    /// The flag in the form that gix polls.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// Returns when the work should stop.
    pub(crate) async fn triggered(&self) {
        let wake = self.wake.notified();
        tokio::pin!(wake);
        // Registered before the flag is read: a trigger between the two is not lost.
        wake.as_mut().enable();
        if !self.flag.load(Ordering::SeqCst) {
            wake.await;
        }
    }

    /// An error when the work should stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.flag.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Cancelled, "the operation was cancelled"));
        }
        Ok(())
    }
}

struct TriggerOnDrop(Arc<Interrupt>);

impl Drop for TriggerOnDrop {
    fn drop(&mut self) {
        self.0.trigger();
    }
}

/// Runs `work` on a thread for blocking work.
///
/// Dropping the future, and passing the deadline, trigger the interrupt and return at once. The thread is expendable: it
/// ends as soon as it looks at the interrupt, which waits for another side always do; nobody waits for it.
pub(crate) async fn run<T: Send + 'static>(
    deadline: Instant,
    what: impl FnOnce() -> String,
    work: impl FnOnce(&Arc<Interrupt>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let started = Instant::now();
    let interrupt = Arc::new(Interrupt::default());
    let _guard = TriggerOnDrop(Arc::clone(&interrupt));
    let span = tracing::Span::current();
    let task = tokio::task::spawn_blocking(move || span.in_scope(|| work(&interrupt)));
    match tokio::time::timeout_at(deadline, task).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) if error.is_cancelled() => {
            Err(Error::new(ErrorKind::Cancelled, format!("{}: the runtime is shutting down", what())))
        }
        // What a panic says may hold data of the repository; it went to the panic hook and goes no further.
        Ok(Err(_)) => Err(Error::new(ErrorKind::Internal, format!("{}: the worker panicked", what()))),
        Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{}: not done after {:.1?}", what(), started.elapsed()))),
    }
}
