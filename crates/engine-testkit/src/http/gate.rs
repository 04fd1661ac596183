//! The way of a request past the faults: its entry in the log, what is to go wrong with it, and what happens around it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::request::Parts;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use serde_json::Value;

use super::{BoxError, Call, ResponseBody, cut};
use crate::{
    access::{self, User},
    aggregation,
    cluster::Inner,
    fault::{ConcurrentWrite, Staleness, Verdict},
    json, literal,
    record::RequestRecord,
    status::ApiError,
    webhook::Course,
    write::{self, Options},
};

/// A request on its way.
pub(super) struct Admitted {
    pub(super) record: RequestRecord,
    pub(super) verdict: Verdict,
    pub(super) course: Arc<Course>,
    /// Why it goes no further: nobody knows who asks, or who asks may not.
    pub(super) refused: Option<ApiError>,
}

/// Finds out who asks, records the request, and asks the faults and the access rules about it.
pub(super) fn admit(inner: &Inner, call: &Call, of: Option<&Arc<User>>, parts: &Parts) -> Admitted {
    let route = &call.route;
    let dry_run_body = || {
        (route.verb.starts_with("delete") && !call.body.is_empty())
            .then(|| serde_json::from_slice::<Value>(&call.body).ok())
            .flatten()
            .is_some_and(|b| json::list_at(&b, &["dryRun"]).iter().any(|v| v == "All"))
    };
    let mut record = RequestRecord {
        at: call.now.elapsed,
        method: parts.method.as_str().to_owned(),
        verb: route.verb.clone(),
        path: call.path.clone(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        group: route.group.clone(),
        version: route.version.clone(),
        resource: route.resource.clone(),
        subresource: route.subresource.clone(),
        namespace: route.namespace.clone(),
        name: route.name.clone(),
        user_agent: call.user_agent.clone(),
        manager: call.params.get("fieldManager").unwrap_or_default().to_owned(),
        content_type: call.content_type.clone(),
        dry_run: call.params.get("dryRun").is_some() || dry_run_body(),
        bytes: call.body.len(),
        ..RequestRecord::default()
    };
    let mut state = inner.state.lock();
    if route.is_resource()
        && let Some(resource) = state.registry.get(&route.group, &route.resource)
    {
        record.kind.clone_from(&resource.kind);
    }
    // How long it may take comes before who asks.
    let mut refused = bad_timeout(call);
    let mut user = access::authenticate(&state, of, &parts.headers).unwrap_or_else(|e| {
        refused = refused.take().or(Some(e));
        Arc::default()
    });
    match access::impersonate(&state, &user, &parts.headers, &record) {
        Ok(None) => {}
        Ok(Some(other)) => user = other,
        Err(e) => refused = refused.or(Some(e)),
    }
    record.user.clone_from(&user.name);
    let mut verdict = state.faults.judge(&record);
    verdict.broken |= aggregation::is_down(&state, &route.group, &route.version);
    record.faults.clone_from(&verdict.hit);
    let refused = refused.or_else(|| access::authorize(&state, &user, &record).err());
    let webhooks = state.webhooks.iter().filter(|w| record.changes() && w.requests.matches(&record)).cloned();
    let course = Arc::new(Course::new(user, webhooks.collect(), record.dry_run));
    record.seq = inner.recorder.lock().push(record.clone());
    Admitted { record, verdict, course, refused }
}

/// What is wrong with the time that a request may take. What goes on until somebody ends it has none.
fn bad_timeout(call: &Call) -> Option<ApiError> {
    const LONG: [&str; 5] = ["attach", "exec", "proxy", "log", "portforward"];
    if matches!(call.route.verb.as_str(), "watch" | "proxy") || LONG.contains(&&*call.route.subresource) {
        return None;
    }
    let why = literal::duration(call.params.get("timeout")?).err()?;
    Some(ApiError::bad_request(format!("invalid timeout specified in the request URL - {why}")))
}

/// The revision that a stale read is answered from: never before the one that the request names.
pub(super) fn stale_revision(inner: &Inner, call: &Call, verdict: &Verdict) -> Option<u64> {
    let state = inner.state.lock();
    let now = state.store.revision();
    let behind = match verdict.stale? {
        Staleness::Revisions(n) => now.saturating_sub(n),
        Staleness::For(time) => state.revision_at(call.now.elapsed.saturating_sub(time)),
    };
    let named = call.params.get("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(0);
    Some(behind.max(named).min(now).max(1))
}

/// Lets somebody else change the object that the request is about. The closures run outside the lock.
pub(super) fn meddle(inner: &Inner, call: &Call, writers: &[ConcurrentWrite]) {
    /// How often to begin again when a third one is faster.
    const ATTEMPTS: usize = 8;
    let route = &call.route;
    let (namespace, name) = (route.namespace.as_deref().unwrap_or_default(), route.name.as_deref().unwrap_or_default());
    for writer in writers {
        for _ in 0..ATTEMPTS {
            let found = {
                let state = inner.state.lock();
                let resource = state.registry.get(&route.group, &route.resource).cloned();
                resource.and_then(|r| state.store.get(&r.gr, namespace, name).cloned().map(|s| (r, s)))
            };
            let Some((resource, before)) = found else { break };
            let mut after = before.value.clone();
            writer.change(&mut after);
            let mut state = inner.state.lock();
            let same = state.store.get(&resource.gr, namespace, name).is_some_and(|s| Arc::ptr_eq(s, &before));
            if same {
                if let Err(e) = write::edit(&mut state, &resource, &before, after, &Options::of_somebody(call.now)) {
                    tracing::warn!(namespace, name, message = %e.message, "a concurrent write of a test was refused");
                }
                break;
            }
        }
    }
}

/// Half of a body, and then a broken connection.
pub(super) struct CutShort {
    body: ResponseBody,
    left: u64,
}

impl CutShort {
    pub(super) fn wrap(body: ResponseBody) -> ResponseBody {
        let left = body.size_hint().exact().unwrap_or(0) / 2;
        Self { body, left }.boxed_unsync()
    }
}

impl Body for CutShort {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(Some(Err(cut())));
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        let Some(Ok(data)) = frame.map(|f| f.map(Frame::into_data)) else {
            return Poll::Ready(Some(Err(cut())));
        };
        let data = data.unwrap_or_default();
        let sent = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
        self.left -= sent as u64;
        Poll::Ready(Some(Ok(Frame::data(data.slice(..sent)))))
    }

    fn size_hint(&self) -> SizeHint {
        // What the header promised.
        self.body.size_hint()
    }
}

/// Counts what a stream sends, and tells the log when it has ended.
pub(super) struct Counted {
    body: ResponseBody,
    inner: Arc<Inner>,
    seq: u64,
    sent: u64,
    begun: std::time::Duration,
}

impl Counted {
    /// Counts a body: a whole one at once, a stream as it goes.
    pub(super) fn wrap(inner: &Arc<Inner>, record: &RequestRecord, body: ResponseBody) -> ResponseBody {
        match body.size_hint().exact() {
            Some(bytes) => {
                inner.recorder.lock().sent(record.seq, bytes, None);
                body
            }
            None => Self { body, inner: inner.clone(), seq: record.seq, sent: 0, begun: record.at }.boxed_unsync(),
        }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(data)) = &frame {
            self.sent += data.data_ref().map_or(0, |d| d.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let took = self.inner.clock.elapsed().saturating_sub(self.begun);
        self.inner.recorder.lock().sent(self.seq, self.sent, Some(took));
    }
}
