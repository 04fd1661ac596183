//! Waiting for another side from a thread: every wait ends when the other side is silent for too long, sends too much,
//! or when the operation is no longer wanted.

use std::future::Future;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;

use crate::worker::Interrupt;

/// What all waits of one operation share.
pub(crate) struct Link {
    runtime: Handle,
    interrupt: Arc<Interrupt>,
    idle_timeout: Duration,
    budget: Mutex<u64>,
    limit: u64,
    name: String,
    /// The first error, in our own classes: on the way through gix it loses them.
    fault: Mutex<Option<Error>>,
}

impl Link {
    /// For the repository `name`. Must be called where a runtime is entered, as worker threads are.
    pub(crate) fn new(interrupt: &Arc<Interrupt>, idle_timeout: Duration, limit: u64, name: &str) -> Arc<Self> {
        Arc::new(Self {
            runtime: Handle::current(),
            interrupt: Arc::clone(interrupt),
            idle_timeout,
            budget: Mutex::new(limit),
            limit,
            name: name.to_owned(),
            fault: Mutex::new(None),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for `step`. Called on a worker thread, never on a thread of the runtime.
    pub(crate) fn wait<T>(&self, step: impl Future<Output = Result<T>>) -> io::Result<T> {
        self.wait_for(self.idle_timeout, step)
    }

    pub(crate) fn wait_for<T>(&self, timeout: Duration, step: impl Future<Output = Result<T>>) -> io::Result<T> {
        let result = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.interrupt.triggered() => {
                    Err(Error::new(ErrorKind::Cancelled, format!("talking to {} was cancelled", self.name)))
                }
                result = tokio::time::timeout(timeout, step) => result.unwrap_or_else(|_| {
                    Err(Error::new(ErrorKind::Timeout, format!("{} said nothing for {timeout:?}", self.name)))
                }),
            }
        });
        result.map_err(|error| self.fail(error))
    }

    /// Keeps an error in its own class, and gives one that can travel through gix.
    pub(crate) fn fail(&self, error: Error) -> io::Error {
        let message = error.to_string();
        self.fault.lock().get_or_insert(error);
        io::Error::other(message)
    }

    /// The first error of this link.
    pub(crate) fn take_fault(&self) -> Option<Error> {
        self.fault.lock().take()
    }

    /// Counts received bytes.
    pub(crate) fn received(&self, bytes: usize) -> io::Result<()> {
        let mut budget = self.budget.lock();
        match budget.checked_sub(bytes as u64) {
            Some(rest) => *budget = rest,
            None => {
                let message =
                    format!("{} sent more than the {} bytes allowed for one operation", self.name, self.limit);
                return Err(self.fail(Error::new(ErrorKind::LimitExceeded, message)));
            }
        }
        Ok(())
    }
}

/// The receiving half of a connection, as gix wants it.
pub(crate) struct Receiver<R> {
    pub(crate) inner: R,
    pub(crate) link: Arc<Link>,
}

impl<R: AsyncRead + Unpin> Read for Receiver<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let link = Arc::clone(&self.link);
        let bytes = link.wait(async { self.inner.read(buffer).await.map_err(|error| lost(&link, &error)) })?;
        self.link.received(bytes)?;
        Ok(bytes)
    }
}

/// The sending half of a connection, as gix wants it.
pub(crate) struct Sender<W> {
    pub(crate) inner: W,
    pub(crate) link: Arc<Link>,
}

impl<W: AsyncWrite + Unpin> Write for Sender<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let link = Arc::clone(&self.link);
        link.wait(async { self.inner.write(buffer).await.map_err(|error| lost(&link, &error)) })
    }

    fn flush(&mut self) -> io::Result<()> {
        let link = Arc::clone(&self.link);
        link.wait(async { self.inner.flush().await.map_err(|error| lost(&link, &error)) })
    }
}

fn lost(link: &Link, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the connection to {} was lost: {error}", link.name))
}
