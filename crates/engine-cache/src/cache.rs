//! The cache: tasks that keep one picture fresh, and the handle to it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use gitops_engine_core::{ApiFault, ApiFaultKind, ChangeStream, ClusterCache, Error, ErrorKind, Result, Snapshot};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::Connection;
use crate::changes::Subscribers;
use crate::definitions::{is_blind, is_definition};
use crate::index::{Ledger, Update, View};
use crate::options::CacheOptions;
use crate::supervisor::{Supervisor, Task};
use crate::watch::{Context, Intake};

/// A picture of one cluster that keeps itself fresh, from the moment it is made until the last copy of it is dropped.
///
/// It lists and watches every kind that the cluster serves, lets list and watch, and the options do not exclude. It writes
/// nothing. While nothing changes it makes no request but to renew its watches, every four to five minutes.
///
/// What it can see is what the connection's user may list in the whole cluster. A cache of single namespaces does not
/// exist yet; it would be one watch for each kind and namespace behind the same index.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    address: Connection,
    started: Instant,
    connect_deadline: Duration,
    _supervisor: Task,
    _writer: Task,
}

/// What readers, the writer and the supervisor share. Nobody holds a lock of it across a wait.
pub(crate) struct Shared {
    view: ArcSwap<View>,
    subscribers: Subscribers,
    progress: watch::Sender<Progress>,
    /// Rung when a CRD or an APIService changed.
    pub(crate) definitions_changed: Notify,
}

#[derive(Clone, Debug, Default)]
struct Progress {
    generation: u64,
    /// Why discovery fails at present.
    fault: Option<ApiFault>,
}

impl Shared {
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    pub(crate) fn reachable(&self) {
        self.progress.send_if_modified(|progress| progress.fault.take().is_some());
    }

    pub(crate) fn unreachable(&self, fault: ApiFault) {
        self.progress.send_modify(|progress| progress.fault = Some(fault));
    }
}

/// How many updates wait for the writer before the watches have to.
const INBOX: usize = 1024;

impl Cache {
    /// Starts to watch a cluster. Returns at once; [`ready`](ClusterCache::ready) tells when the picture is whole.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(connection: impl Into<Connection>, options: CacheOptions) -> Self {
        let connection = connection.into();
        let (updates, inbox) = mpsc::channel(INBOX);
        let shared = Arc::new(Shared {
            view: ArcSwap::from_pointee(View::default()),
            subscribers: Subscribers::new(options.pending_changes),
            progress: watch::Sender::new(Progress::default()),
            definitions_changed: Notify::new(),
        });
        let context = Arc::new(Context {
            connection: connection.clone(),
            intake: Intake::new(options.clone()),
            page_size: options.page_size.max(1),
            request_timeout: options.request_timeout,
            lists: Semaphore::new(options.concurrent_lists.max(1)),
            updates,
            missing: Notify::new(),
        });
        let connect_deadline = options.connect_deadline;
        let writer = Task(tokio::spawn(write(inbox, CloseOnDrop(shared.clone()))));
        let supervisor = Task(tokio::spawn(Supervisor::new(context, options, shared.clone()).run()));
        let started = Instant::now();
        let inner =
            Inner { shared, address: connection, started, connect_deadline, _supervisor: supervisor, _writer: writer };
        Self { inner: Arc::new(inner) }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let view = self.inner.shared.view();
        f.debug_struct("Cache")
            .field("cluster", &self.inner.address.address())
            .field("generation", &view.generation)
            .field("kinds", &view.shelves.len())
            .finish()
    }
}

#[async_trait]
impl ClusterCache for Cache {
    async fn ready(&self) -> Result<()> {
        let Inner { shared, address, started, connect_deadline, .. } = &*self.inner;
        let mut progress = shared.progress.subscribe();
        let deadline = *started + *connect_deadline;
        loop {
            let fault = progress.borrow_and_update().fault.clone();
            let view = shared.view();
            if view.is_settled() {
                return Ok(());
            }
            let late = Instant::now() >= deadline;
            if !view.discovered {
                let hopeless =
                    |fault: &ApiFault| matches!(fault.kind, ApiFaultKind::Unauthenticated | ApiFaultKind::Forbidden);
                match fault {
                    Some(fault) if late || hopeless(&fault) => return Err(unreachable(address, &fault)),
                    None if late => {
                        let text = format!("no answer within {connect_deadline:?}");
                        return Err(unreachable(address, &ApiFault::new(ApiFaultKind::Timeout, 0, text)));
                    }
                    _ => {}
                }
            }
            tokio::select! {
                // The sender lives as long as `self`.
                _ = progress.changed() => {}
                () = tokio::time::sleep_until(deadline), if !late && !view.discovered => {}
            }
        }
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.inner.shared.view()
    }

    fn changes(&self) -> ChangeStream {
        self.inner.shared.subscribers.subscribe()
    }
}

fn unreachable(connection: &Connection, fault: &ApiFault) -> Error {
    let (kind, help) = match fault.kind {
        ApiFaultKind::Unauthenticated => (ErrorKind::Unauthenticated, "check the credentials of the connection"),
        ApiFaultKind::Forbidden => {
            (ErrorKind::PermissionDenied, "the user needs `get` on /api and /apis (ClusterRole system:discovery)")
        }
        ApiFaultKind::Timeout => (ErrorKind::Timeout, "check the address and the network between here and there"),
        ApiFaultKind::NotFound | ApiFaultKind::Protocol => {
            (ErrorKind::InvalidInput, "is this the address of a Kubernetes API server?")
        }
        _ => {
            (ErrorKind::Unavailable, "check the address, that the cluster runs, and the network between here and there")
        }
    };
    Error::new(kind, format!("the cluster cannot be reached at {connection}: {fault}")).help(help)
}

/// Ends the change streams with the writer, however it ends.
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.subscribers.close();
    }
}

/// The only one who makes snapshots: takes what has come, and publishes one for all of it.
async fn write(mut inbox: mpsc::Receiver<Update>, shared: CloseOnDrop) {
    let shared = &shared.0;
    let mut ledger = Ledger::default();
    let mut batch = Vec::new();
    let mut was_blind = false;
    while inbox.recv_many(&mut batch, INBOX).await > 0 {
        batch.drain(..).for_each(|update| ledger.apply(update));
        if let Some((view, changes)) = ledger.seal() {
            let blind = is_blind(&view);
            // First the snapshot, then the news of it: what is announced is in every later snapshot.
            shared.view.store(view);
            shared.subscribers.announce(&changes);
            shared.progress.send_modify(|progress| progress.generation = changes.generation);
            if blind != was_blind || changes.objects.iter().any(|id| is_definition(&id.kind)) {
                was_blind = blind;
                shared.definitions_changed.notify_one();
            }
        }
    }
}
