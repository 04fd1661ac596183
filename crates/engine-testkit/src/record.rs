//! What was asked of the cluster, in order.

use std::time::Duration;

/// One request, as the cluster saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestRecord {
    /// Position in the log, from 0.
    pub seq: u64,
    /// The cluster's time when it arrived, since the cluster was built.
    pub at: Duration,
    /// HTTP method.
    pub method: String,
    /// The API's verb (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`); the
    /// lower-case method for paths that are not resources, such as discovery.
    pub verb: String,
    /// Path, without the query.
    pub path: String,
    /// Query, as it was sent.
    pub query: String,
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural resource name; empty for paths that are not resources.
    pub resource: String,
    /// `status`, `scale` and the like; mostly empty.
    pub subresource: String,
    /// Namespace in the path.
    pub namespace: Option<String>,
    /// Object name in the path.
    pub name: Option<String>,
    /// Content type of the request, which tells the kinds of patches apart.
    pub content_type: String,
    /// Whether nothing was to be kept.
    pub dry_run: bool,
    /// Length of the request's body.
    pub bytes: usize,
    /// Status code of the answer; `None` while it is under way, and when the connection was cut.
    pub status: Option<u16>,
}

impl RequestRecord {
    /// Whether this is a watch.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.verb == "watch"
    }

    /// Whether this request writes an object for good: dry runs and reviews do not.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let writes = matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection");
        writes && !self.dry_run && !self.resource.is_empty() && !self.group.starts_with("auth")
    }
}

/// The bounded log of requests.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    next: u64,
    first: u64,
    records: std::collections::VecDeque<RequestRecord>,
}

/// How many requests are kept. Counters by sequence number go on beyond it.
const KEPT: usize = 100_000;

impl Recorder {
    pub(crate) fn push(&mut self, mut record: RequestRecord) -> u64 {
        record.seq = self.next;
        self.next += 1;
        self.records.push_back(record);
        if self.records.len() > KEPT {
            self.records.pop_front();
            self.first += 1;
        }
        self.next - 1
    }

    pub(crate) fn set_status(&mut self, seq: u64, status: u16) {
        if let Some(at) = seq.checked_sub(self.first)
            && let Some(record) = usize::try_from(at).ok().and_then(|at| self.records.get_mut(at))
        {
            record.status = Some(status);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.next
    }

    pub(crate) fn since(&self, seq: u64) -> Vec<RequestRecord> {
        self.records.iter().filter(|r| r.seq >= seq).cloned().collect()
    }
}
