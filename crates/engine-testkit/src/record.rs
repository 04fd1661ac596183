//! What was asked of the cluster, in order.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::Duration,
};

/// One request, as the cluster saw it.
///
/// Its `Display` form is one line without addresses, ports or anything else that would differ between two runs of one
/// seed:
///
/// ```text
/// 000012 1.250s testkit-user kube-rs/5.0.0 PATCH /api/v1/namespaces/shop/configmaps/a?fieldManager=me application/apply-patch+yaml in=104 -> 200 out=412 took=0s
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// The kind of the resource; empty when it is not served.
    pub kind: String,
    /// `status`, `scale` and the like; mostly empty.
    pub subresource: String,
    /// Namespace in the path.
    pub namespace: Option<String>,
    /// Object name in the path.
    pub name: Option<String>,
    /// Who asked, after impersonation.
    pub user: String,
    /// What the program called itself.
    pub user_agent: String,
    /// The `fieldManager` of the query; mostly empty.
    pub manager: String,
    /// Content type of the request, which tells the kinds of patches apart.
    pub content_type: String,
    /// Whether nothing was to be kept.
    pub dry_run: bool,
    /// Length of the request's body.
    pub bytes: usize,
    /// Status code of the answer; `None` while it is under way, and when the connection was cut.
    pub status: Option<u16>,
    /// Length of the answer's body. A watch is counted when it has ended.
    pub bytes_out: u64,
    /// How long it took until the answer began, or for a watch until it ended, on the cluster's clock.
    pub took: Option<Duration>,
    /// The names of the faults that hit it, as in [`Fault`](crate::Fault).
    pub faults: Vec<&'static str>,
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
        self.changes() && !self.dry_run && self.is_resource() && !self.group.starts_with("auth")
    }

    pub(crate) fn is_resource(&self) -> bool {
        !self.resource.is_empty()
    }

    /// Whether the verb is one that changes something.
    pub(crate) fn changes(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    /// The namespace as authorization sees it: a namespace is within itself.
    pub(crate) fn access_namespace(&self) -> Option<&str> {
        let itself = || self.name.as_deref().filter(|_| self.group.is_empty() && self.resource == "namespaces");
        self.namespace.as_deref().or_else(itself)
    }
}

impl RequestRecord {
    /// The name as authorization sees it: that of the path, or the one that a list or watch selects.
    pub(crate) fn access_name(&self) -> Option<String> {
        let selected = || {
            let selector = self.param("fieldSelector")?;
            let name =
                |part: &str| part.trim().strip_prefix("metadata.name=").map(|n| n.trim_start_matches('=').to_owned());
            selector.split(',').find_map(name)
        };
        self.name.clone().or_else(|| if self.resource.is_empty() { None } else { selected() })
    }
}

impl fmt::Display for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agent = if self.user_agent.is_empty() { "-" } else { &self.user_agent };
        write!(f, "{:06} {:?} {} {agent} {} {}", self.seq, self.at, self.user, self.method, self.path)?;
        if !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        if !self.content_type.is_empty() {
            write!(f, " {}", self.content_type)?;
        }
        if self.dry_run {
            f.write_str(" dry-run")?;
        }
        write!(f, " in={} -> ", self.bytes)?;
        match self.status {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str("nothing")?,
        }
        write!(f, " out={}", self.bytes_out)?;
        if let Some(took) = self.took {
            write!(f, " took={took:?}")?;
        }
        if !self.faults.is_empty() {
            write!(f, " [{}]", self.faults.join(", "))?;
        }
        Ok(())
    }
}

/// How much was asked and answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Requests that arrived.
    pub requests: u64,
    /// Those that were answered with a status code of 400 or more.
    pub refused: u64,
    /// Bytes of the requests' bodies.
    pub bytes_in: u64,
    /// Bytes of the answers' bodies; those of a watch count when it has ended.
    pub bytes_out: u64,
}

/// Sums over all requests since the cluster was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// All of them.
    pub total: Traffic,
    /// By verb.
    pub verbs: BTreeMap<String, Traffic>,
    /// By kind; the empty one is discovery and other paths that are not resources.
    pub kinds: BTreeMap<String, Traffic>,
}

impl Counters {
    fn add(&mut self, record: &RequestRecord, change: impl Fn(&mut Traffic)) {
        change(&mut self.total);
        for (map, key) in [(&mut self.verbs, &record.verb), (&mut self.kinds, &record.kind)] {
            match map.get_mut(key) {
                Some(traffic) => change(traffic),
                None => change(map.entry(key.clone()).or_default()),
            }
        }
    }
}

/// The bounded log of requests.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    next: u64,
    first: u64,
    records: VecDeque<RequestRecord>,
    pub(crate) counters: Counters,
}

/// How many requests are kept. Counters and sequence numbers go on beyond it.
const KEPT: usize = 100_000;

impl Recorder {
    pub(crate) fn push(&mut self, mut record: RequestRecord) -> u64 {
        record.seq = self.next;
        self.next += 1;
        let bytes = record.bytes as u64;
        self.counters.add(&record, |t| {
            t.requests += 1;
            t.bytes_in += bytes;
        });
        self.records.push_back(record);
        if self.records.len() > KEPT {
            self.records.pop_front();
            self.first += 1;
        }
        self.next - 1
    }

    fn at(&mut self, seq: u64) -> Option<&mut RequestRecord> {
        let at = seq.checked_sub(self.first)?;
        self.records.get_mut(usize::try_from(at).ok()?)
    }

    pub(crate) fn answered(&mut self, seq: u64, status: u16, took: Duration) {
        let Some(record) = self.at(seq) else { return };
        record.status = Some(status);
        record.took = Some(took);
        if status >= 400 {
            let record = record.clone();
            self.counters.add(&record, |t| t.refused += 1);
        }
    }

    /// The body of the answer went out, as far as it did.
    pub(crate) fn sent(&mut self, seq: u64, bytes: u64, took: Option<Duration>) {
        let Some(record) = self.at(seq) else { return };
        record.bytes_out = bytes;
        if took.is_some() {
            record.took = took;
        }
        let key = RequestRecord { verb: record.verb.clone(), kind: record.kind.clone(), ..RequestRecord::default() };
        self.counters.add(&key, |t| t.bytes_out += bytes);
    }

    pub(crate) fn count(&self) -> u64 {
        self.next
    }

    pub(crate) fn since(&self, seq: u64) -> impl Iterator<Item = &RequestRecord> {
        let skip = usize::try_from(seq.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.records.range(skip.min(self.records.len())..)
    }
}
