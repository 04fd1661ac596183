//! Watches: <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::{
    sync::{broadcast, mpsc},
    time::Instant,
};

use super::{
    BoxError, Call, ResponseBody, cut,
    media::{Form, Wish},
    options::{self, ListOptions, Selection},
    read, show,
};
use crate::{
    clock::{FAR, Now},
    cluster::Inner,
    fault::WatchEnd,
    resources::Resource,
    status::ApiError,
    store::{Change, Compacted, Event, PageOf, Stored},
};

/// How long a watch lives when the client does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// When the next bookmark is due: in a while, or shortly before the watch ends.
fn next_bookmark(now: Instant, inner: &Inner, deadline: Option<Instant>) -> Instant {
    /// So long before the end a client gets the last one.
    const BEFORE_END: Duration = Duration::from_secs(2);
    let regular = now + inner.settings.bookmark_every;
    let last = deadline.and_then(|d| d.checked_sub(BEFORE_END)).filter(|last| *last > now);
    last.map_or(regular, |last| last.min(regular))
}

/// What is to be sent: objects are written as text when the client takes them, not when they are found.
enum Pending {
    Object(&'static str, Arc<Stored>),
    /// A version, and the annotations that it comes with.
    Bookmark(Value),
    Line(Bytes),
}

/// When a watch tells of an event. What is told at once to several watches, as there are on any server, is written once for
/// all of them, and so without what reads leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    AtOnce,
    Later,
}

/// Lines that wait are sent together, up to about so many bytes.
const TOGETHER: usize = 32 * 1024;

struct Watch {
    inner: Arc<Inner>,
    resource: Arc<Resource>,
    version: String,
    namespace: Option<String>,
    selection: Selection,
    wish: Wish,
    events: mpsc::Receiver<Event>,
    ends: broadcast::Receiver<WatchEnd>,
    pending: VecDeque<Pending>,
    bookmarks: bool,
    next_bookmark: Instant,
    deadline: Instant,
    /// The last revision that the client knows of.
    revision: u64,
    rows_sent: bool,
    /// When a fault makes it fall silent, for how long, and how it ends then.
    plan: Option<(Instant, Option<Instant>, Option<WatchEnd>)>,
    finished: Option<Result<(), WatchEnd>>,
}

pub(super) fn start(inner: &Arc<Inner>, resource: &Arc<Resource>, call: &Call) -> Result<ResponseBody, ApiError> {
    let ListOptions { selection, timeout, .. } = ListOptions::parse(resource, call)?;
    let bookmarks = call.params.flag("allowWatchBookmarks");
    let from = read::revision_or_unnamed(call)?;
    let send_initial = options::sends_initial_events(&call.params);
    let from_nowhere = from.is_none_or(|from| from == 0);
    let begins = send_initial || (call.params.choice("sendInitialEvents").is_none() && from_nowhere);
    let namespace = call.route.namespace.clone();
    let mut state = inner.state.lock();
    let now = state.store.revision();
    let too_large = from.filter(|f| send_initial && *f > now);
    // A cache that is behind begins with an older state, and goes on from there.
    let stale = call.stale.filter(|_| from == Some(0)).and_then(|revision| {
        let filter = |object: &serde_json::Value| selection.matches(object);
        let (namespace, revision) = (namespace.as_deref(), Some(revision));
        let of = PageOf { namespace, revision, from: None, limit: None, filter: Some(&filter) };
        let (past, revision) = (state.store.page(&resource.gr, &of), revision?);
        past.ok().map(|page| (revision, page.items))
    });
    let initial: Vec<Arc<Stored>> = if let Some((_, items)) = &stale {
        items.clone()
    } else if begins && too_large.is_none() {
        let objects = state.store.objects(&resource.gr, namespace.as_deref());
        objects.into_iter().filter(|o| selection.matches(&o.value)).cloned().collect()
    } else {
        Vec::new()
    };
    let behind = stale.map(|(revision, _)| revision);
    let backlog = match behind.or(from.filter(|f| *f > 0 && !send_initial)) {
        Some(_) if call.gone => Err(Compacted),
        Some(from) => state.store.events_since(&resource.gr, from),
        None => Ok(Vec::new()),
    };
    let events = state.store.subscribe(&resource.gr);
    drop(state);

    let clock = Instant::now();
    let mut watch = Watch {
        inner: inner.clone(),
        resource: resource.clone(),
        version: call.route.version.clone(),
        namespace,
        selection,
        wish: call.wish.clone(),
        events,
        ends: inner.watch_ends.subscribe(),
        pending: VecDeque::new(),
        bookmarks,
        next_bookmark: next_bookmark(clock, inner, timeout.map(|t| clock + t)),
        deadline: clock + timeout.unwrap_or(DEFAULT_TIMEOUT),
        revision: now,
        rows_sent: false,
        plan: call.plan.map(|plan| {
            let silent = clock + plan.after.min(FAR);
            // No end of the silence for a time that no test waits for.
            (silent, Some(silent + plan.silent.min(FAR)).filter(|_| plan.silent < FAR), plan.then)
        }),
        finished: None,
    };
    match backlog {
        _ if too_large.is_some() => {
            watch.error(&read::too_large(too_large.unwrap_or(0), now));
            watch.finished = Some(Ok(()));
        }
        Ok(events) => {
            watch.pending.extend(initial.into_iter().map(|stored| Pending::Object("ADDED", stored)));
            if send_initial && bookmarks {
                watch.bookmark(behind.unwrap_or(now), true);
            }
            for event in &events {
                watch.push(event, Told::Later);
            }
        }
        Err(Compacted) => {
            watch.gone(from.unwrap_or(0), now);
            watch.finished = Some(Ok(()));
        }
    }
    watch.mind_the_form();
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        let next = watch.next().await?;
        Some((next.map(Frame::data), watch))
    });
    Ok(StreamBody::new(stream).boxed_unsync())
}

impl Watch {
    /// Writes what waits, as far as it is worth a chunk.
    fn chunk(&mut self) -> Option<Bytes> {
        let first = match self.pending.pop_front()? {
            Pending::Line(line) if self.pending.is_empty() => return Some(line),
            first => first,
        };
        let mut out = Vec::new();
        self.write(&mut out, first);
        while out.len() < TOGETHER
            && let Some(next) = self.pending.pop_front()
        {
            self.write(&mut out, next);
        }
        Some(out.into())
    }

    fn write(&mut self, out: &mut Vec<u8>, pending: Pending) {
        match pending {
            Pending::Line(line) => out.extend_from_slice(&line),
            Pending::Object(kind, stored) => {
                let (first, now) = self.row();
                let object = show::event_object(&self.resource, &self.version, &self.wish, &stored, first, now);
                write_event(out, kind, &object);
            }
            Pending::Bookmark(metadata) => {
                let (first, now) = self.row();
                let object = show::bookmark(&self.resource, &self.version, &self.wish, metadata, first, now);
                write_event(out, "BOOKMARK", &object);
            }
        }
    }

    /// Whether this is the first row that is sent, and when that is.
    fn row(&mut self) -> (bool, Now) {
        (!std::mem::replace(&mut self.rows_sent, true), self.inner.clock.now())
    }

    fn bookmark(&mut self, revision: u64, initial_end: bool) {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        self.pending.push_back(Pending::Bookmark(metadata));
    }

    fn push_line(&mut self, kind: &str, object: &Value) {
        let mut out = Vec::new();
        write_event(&mut out, kind, object.to_string().as_bytes());
        self.pending.push_back(Pending::Line(out.into()));
    }

    /// A form of lists shows no object: the first one ends the watch.
    fn mind_the_form(&mut self) {
        if self.wish.form == Form::MetadataList && !self.pending.is_empty() {
            self.pending.clear();
            self.finished = Some(Ok(()));
        }
    }

    fn gone(&mut self, asked: u64, now: u64) {
        self.error(&ApiError::expired(format!("too old resource version: {asked} ({now})")));
    }

    fn error(&mut self, e: &ApiError) {
        self.push_line("ERROR", &e.body());
    }

    /// An event as this watch sees it: an object that stops being selected is deleted for the client.
    fn push(&mut self, event: &Event, told: Told) {
        self.revision = self.revision.max(event.revision);
        if self.namespace.as_deref().is_some_and(|ns| ns != event.object.namespace()) {
            return;
        }
        let is = event.change != Change::Deleted && self.selection.matches(&event.object.value);
        let was = event.before.as_ref().is_some_and(|b| self.selection.matches(&b.value));
        let kind = match (was, is) {
            (false, false) => return,
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
        };
        let shown = if kind == "DELETED" && event.change != Change::Deleted {
            // The last state that was selected, at the revision of the change.
            let before = event.before.as_ref().unwrap_or(&event.object);
            before.at_revision(event.revision)
        } else if told == Told::AtOnce && event.object.hides() {
            event.object.revealed()
        } else {
            event.object.clone()
        };
        self.pending.push_back(Pending::Object(kind, shown));
        self.mind_the_form();
    }

    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        loop {
            self.keep_silent().await;
            if let Some(chunk) = self.chunk() {
                return Some(Ok(chunk));
            }
            match self.finished.take() {
                Some(Err(WatchEnd::Drop)) => {
                    self.finished = Some(Ok(()));
                    return Some(Err(cut()));
                }
                Some(_) => {
                    self.finished = Some(Ok(()));
                    return None;
                }
                None => {}
            }
            tokio::select! {
                biased;
                end = self.ends.recv() => self.end(end),
                () = wait_until(self.plan.map(|(silent, ..)| silent)) => {}
                event = self.events.recv() => match event {
                    Some(event) => self.push(&event, Told::AtOnce),
                    None => self.finished = Some(Ok(())),
                },
                () = tokio::time::sleep_until(self.deadline) => {
                    self.finished = Some(Ok(()));
                }
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark = next_bookmark(Instant::now(), &self.inner, Some(self.deadline));
                    self.last_bookmark();
                }
            }
        }
    }

    fn end(&mut self, end: Result<WatchEnd, broadcast::error::RecvError>) {
        match end {
            Ok(end) => self.finish(end),
            Err(broadcast::error::RecvError::Closed) => self.finished = Some(Ok(())),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
        }
    }

    fn finish(&mut self, how: WatchEnd) {
        match how {
            WatchEnd::Expire => {
                let now = self.inner.state.lock().store.revision();
                self.gone(self.revision, now);
                self.finished = Some(Ok(()));
            }
            WatchEnd::Close => self.finished = Some(Ok(())),
            WatchEnd::Drop => self.finished = Some(Err(WatchEnd::Drop)),
        }
    }

    /// The silence that a fault wants, once its time has come. Only the end of all watches breaks it.
    async fn keep_silent(&mut self) {
        let Some((begin, end, then)) = self.plan.filter(|(begin, ..)| *begin <= Instant::now()) else {
            return;
        };
        self.plan = None;
        if end.is_none_or(|end| end > begin) {
            tokio::select! {
                biased;
                ended = self.ends.recv() => {
                    self.pending.clear();
                    self.end(ended);
                    return;
                }
                () = wait_until(end.or(Some(begin + FAR))) => {}
            }
        }
        if let Some(how) = then {
            self.pending.clear();
            self.finish(how);
        }
    }

    /// Everything up to the current revision is with the client once the queue is empty.
    fn last_bookmark(&mut self) {
        if !self.bookmarks {
            return;
        }
        let inner = self.inner.clone();
        let state = inner.state.lock();
        while let Ok(event) = self.events.try_recv() {
            self.push(&event, Told::AtOnce);
        }
        let revision = state.store.revision();
        drop(state);
        self.revision = revision;
        self.bookmark(revision, false);
    }
}

/// `{"type":…,"object":…}` and the end of the line: the type first, as on a real server.
fn write_event(out: &mut Vec<u8>, kind: &str, object: &[u8]) {
    out.reserve(object.len() + 40);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
}

/// Never, when there is nothing to wait for.
async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
