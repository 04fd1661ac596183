//! What the code under test asked of the API server, as the server's audit log has it.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;

use super::ControlPlaneError;

/// One request that the API server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlPlaneRequest {
    /// Who asked: the name of a [`ControlPlaneUser`](super::ControlPlaneUser).
    pub user: String,
    /// The verb of the API: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The path with its query.
    pub uri: String,
    /// What the client called itself.
    pub user_agent: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

impl ControlPlaneRequest {
    /// True for requests that can change something (a dry run does not).
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch") && !self.uri.contains("dryRun=All")
    }
}

/// https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    response_status: Option<Status>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

pub(super) fn read(audit_log: &Path) -> Result<Vec<ControlPlaneRequest>, ControlPlaneError> {
    let doing = || format!("read the audit log {}", audit_log.display());
    let log = match std::fs::read_to_string(audit_log) {
        // Made with the first entry.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(ControlPlaneError::io(doing()))?,
    };
    parse(&log).map_err(ControlPlaneError::api(doing()))
}

fn parse(log: &str) -> Result<Vec<ControlPlaneRequest>, serde_json::Error> {
    let mut requests = Vec::new();
    // A watch is there twice: when it starts to answer, and when it ends.
    let mut seen = HashSet::new();
    // The last line may be half written; what is being written was not asked for yet.
    let whole = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
    for line in whole.lines() {
        let entry: Entry = serde_json::from_str(line)?;
        if seen.insert(entry.audit_id) {
            requests.push(ControlPlaneRequest {
                user: entry.user.username,
                verb: entry.verb,
                uri: entry.request_uri,
                user_agent: entry.user_agent,
                code: entry.response_status.map_or(0, |status| status.code),
            });
        }
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::parse;

    #[test]
    fn a_watch_counts_once_and_a_half_written_line_not_yet() {
        let line = |id: &str, verb: &str, uri: &str| {
            format!(
                r#"{{"auditID":"{id}","requestURI":"{uri}","verb":"{verb}","user":{{"username":"admin"}},"userAgent":"a","responseStatus":{{"code":200}}}}"#
            )
        };
        let log = [
            line("1", "watch", "/api/v1/pods?watch=1"),
            line("2", "patch", "/api/v1/namespaces/a/pods/b?dryRun=All"),
            line("1", "watch", "/api/v1/pods?watch=1"),
            line("3", "delete", "/api/v1/namespaces/a/pods/b"),
            line("4", "get", "/api")[..20].to_owned(),
        ]
        .join("\n");
        let requests = parse(&log).unwrap();
        let writes: Vec<_> = requests.iter().map(|r| (r.verb.as_str(), r.is_write())).collect();
        assert_eq!(writes, [("watch", false), ("patch", false), ("delete", true)]);
        assert_eq!(requests[0].code, 200);
    }
}
