//! What the code under test asked of the API server, as the server's audit log has it.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::ControlPlaneError;

/// One request that the API server received.
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
    /// The HTTP status of the answer. The log may be a moment behind it.
    pub code: Option<u16>,
}

impl ControlPlaneRequest {
    /// True for requests that can change something. A dry run does not, and neither does a question about
    /// permissions, which is asked by creating a review.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let reads = matches!(self.verb.as_str(), "get" | "list" | "watch");
        let review = ["/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/"];
        !reads && !self.uri.contains("dryRun=All") && !review.iter().any(|path| self.uri.starts_with(path))
    }
}

/// <https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>
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
    let mut requests: Vec<ControlPlaneRequest> = Vec::new();
    // A request is there when it is received, when it is answered, and a watch when it starts to answer.
    let mut places = HashMap::new();
    // The last line may be half written; the request is not answered yet then.
    let whole = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
    for line in whole.lines() {
        let entry: Entry = serde_json::from_str(line)?;
        let code = entry.response_status.map(|status| status.code);
        let place = *places.entry(entry.audit_id).or_insert(requests.len());
        match requests.get_mut(place) {
            Some(request) => request.code = code.or(request.code),
            None => requests.push(ControlPlaneRequest {
                user: entry.user.username,
                verb: entry.verb,
                uri: entry.request_uri,
                user_agent: entry.user_agent,
                code,
            }),
        }
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::parse;

    fn line(id: &str, verb: &str, uri: &str, status: &str) -> String {
        format!(
            r#"{{"auditID":"{id}","requestURI":"{uri}","verb":"{verb}","user":{{"username":"admin"}},"userAgent":"a"{status}}}"#
        )
    }

    #[test]
    fn each_request_counts_once_and_a_half_written_line_not_yet() {
        let answered = r#","responseStatus":{"code":200}"#;
        let log = [
            line("1", "watch", "/api/v1/pods?watch=1", ""),
            line("1", "watch", "/api/v1/pods?watch=1", answered),
            line("2", "patch", "/api/v1/namespaces/a/pods/b?dryRun=All", ""),
            line("3", "create", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ""),
            line("4", "delete", "/api/v1/namespaces/a/pods/b", ""),
            line("2", "patch", "/api/v1/namespaces/a/pods/b?dryRun=All", answered),
            line("5", "get", "/api", "")[..20].to_owned(),
        ]
        .join("\n");
        let requests = parse(&log).unwrap();
        let seen: Vec<_> = requests.iter().map(|r| (r.verb.as_str(), r.code, r.is_write())).collect();
        assert_eq!(
            seen,
            [("watch", Some(200), false), ("patch", Some(200), false), ("create", None, false), ("delete", None, true)]
        );
    }
}
