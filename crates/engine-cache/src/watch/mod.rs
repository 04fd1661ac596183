//! One kind, listed and watched for as long as the cluster serves it.
//!
//! The protocol is that of
//! [efficient detection of changes](https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes):
//! list in pages, watch from the list's version, resume from the last version seen, list again when the server has
//! forgotten it (410).

mod intake;
mod list;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::{ApiFault, ApiFaultKind, Coverage, ResourceType};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

use crate::Connection;
use crate::backoff::Backoff;
use crate::index::Update;
pub(crate) use intake::Intake;
use stream::End;

/// What all watches of a cache share.
pub(crate) struct Context {
    pub(crate) connection: Connection,
    pub(crate) intake: Intake,
    pub(crate) page_size: u32,
    pub(crate) request_timeout: Duration,
    pub(crate) lists: Semaphore,
    pub(crate) updates: mpsc::Sender<Update>,
    /// Rung when the server does not know a kind that it serves.
    pub(crate) missing: Notify,
}

/// The watch of one kind.
pub(crate) struct Watch {
    context: Arc<Context>,
    resource: Arc<ResourceType>,
    run: u64,
    /// Between tries after a fault.
    retry: Backoff,
    /// Between tries where we have no permission: somebody has to grant it first.
    permission: Backoff,
    /// What the last list, and what came after it, amounts to while the watch runs.
    listed: Coverage,
    /// Whether the coverage says at present that the watch does not run.
    interrupted: bool,
}

/// The writer is gone, and with it the cache.
pub(crate) struct Stopped;

impl Watch {
    pub(crate) fn new(context: Arc<Context>, resource: Arc<ResourceType>, run: u64) -> Self {
        let retry = Backoff::new(Duration::from_millis(800), Duration::from_secs(30));
        let permission = Backoff::new(Duration::from_secs(30), Duration::from_secs(300));
        Self { context, resource, run, retry, permission, listed: Coverage::Syncing, interrupted: false }
    }

    /// Runs until the cache stops; dropping the future is fine at any point.
    pub(crate) async fn run(mut self) {
        while self.list_and_watch().await.is_ok() {}
    }

    async fn list_and_watch(&mut self) -> Result<(), Stopped> {
        let mut version = match self.list().await? {
            Ok(version) => version,
            Err(fault) => return self.pause(&fault).await,
        };
        loop {
            let started = Instant::now();
            let outcome = self.watch(&mut version).await?;
            let quick = !outcome.progress && started.elapsed() < QUICK;
            if !quick {
                self.retry.reset();
            }
            match outcome.end {
                End::Fault(fault) => {
                    self.pause(&fault).await?;
                    if fault.kind == ApiFaultKind::Forbidden {
                        // The permission to list may be gone as well, or be what comes back.
                        return Ok(());
                    }
                }
                End::Closed | End::Expired => {
                    // The usual end after some minutes; one that ends at once and for no reason must not make a storm.
                    if quick {
                        tokio::time::sleep(self.retry.next()).await;
                    }
                    if matches!(outcome.end, End::Expired) {
                        tracing::debug!(kind = %self.resource.kind, "the watch expired, listing again");
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Says what is wrong and waits before the next try.
    async fn pause(&mut self, fault: &ApiFault) -> Result<(), Stopped> {
        let forbidden = fault.kind == ApiFaultKind::Forbidden;
        self.interrupted = true;
        let why: Arc<str> = fault.message.as_str().into();
        self.cover(if forbidden { Coverage::Forbidden(why) } else { Coverage::Broken(why) }).await?;
        if fault.kind == ApiFaultKind::NotFound {
            self.context.missing.notify_one();
        }
        tracing::debug!(kind = %self.resource.kind, %fault, "not watching for now");
        let wait = if forbidden { self.permission.next() } else { self.retry.next() };
        tokio::time::sleep(fault.retry_after.map_or(wait, |asked| asked.min(LONGEST_WAIT).max(wait))).await;
        Ok(())
    }

    async fn cover(&self, coverage: Coverage) -> Result<(), Stopped> {
        self.send(Update::Coverage { kind: self.resource.kind.clone(), run: self.run, coverage }).await
    }

    async fn send(&self, update: Update) -> Result<(), Stopped> {
        self.context.updates.send(update).await.map_err(|_| Stopped)
    }
}

/// A watch that lived longer than this did its work.
const QUICK: Duration = Duration::from_secs(5);
/// However long a server asks us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
