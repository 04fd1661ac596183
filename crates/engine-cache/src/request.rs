//! Requests by hand: URLs, one round trip, bounded answers.

use std::time::Duration;

use bytes::Bytes;
use gitops_engine_core::{ApiFault, ApiFaultKind, ResourceType, Scope};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;

/// No answer but a list is larger: the API server refuses larger objects (etcd's limit is some 1.5 MiB).
pub(crate) const LARGEST_OBJECT: usize = 32 << 20;

/// A path below the server's root, with a query.
///
/// Rules: [API URLs](https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris).
#[derive(Debug)]
pub(crate) struct Url {
    text: String,
    has_query: bool,
}

impl Url {
    pub(crate) fn of(path: &str) -> Self {
        Self { text: path.to_owned(), has_query: false }
    }

    /// All objects of a resource, in one namespace or (`None`) in the whole cluster.
    pub(crate) fn collection(resource: &ResourceType, namespace: Option<&str>) -> Self {
        let mut text = String::with_capacity(96);
        if resource.kind.group.is_empty() {
            text.push_str("/api");
        } else {
            text.push_str("/apis");
            push_segment(&mut text, &resource.kind.group);
        }
        push_segment(&mut text, &resource.version);
        if let Some(namespace) = namespace {
            text.push_str("/namespaces");
            push_segment(&mut text, namespace);
        }
        push_segment(&mut text, &resource.plural);
        Self { text, has_query: false }
    }

    /// Where one object is, or `None` where namespace or name do not fit the resource.
    pub(crate) fn object(resource: &ResourceType, namespace: Option<&str>, name: &str) -> Option<Self> {
        let mut url = Self::parent(resource, namespace)?;
        if !is_segment(name) {
            return None;
        }
        push_segment(&mut url.text, name);
        Some(url)
    }

    /// Where an object of this namespace is created, or `None` where the namespace does not fit the resource.
    pub(crate) fn parent(resource: &ResourceType, namespace: Option<&str>) -> Option<Self> {
        match (resource.scope, namespace) {
            (Scope::Namespaced, Some(namespace)) if is_segment(namespace) => {
                Some(Self::collection(resource, Some(namespace)))
            }
            (Scope::Cluster, None) => Some(Self::collection(resource, None)),
            _ => None,
        }
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(name);
        self.text.push('=');
        push_encoded(&mut self.text, value);
        self
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Names that would change the path's meaning are none: Kubernetes refuses them, too
/// ([path segment names](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#path-segment-names)).
fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains('/')
}

fn push_segment(url: &mut String, text: &str) {
    url.push('/');
    push_encoded(url, text);
}

fn push_encoded(url: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            url.push(char::from(byte));
        } else {
            url.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        }
    }
}

/// One answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: &'a str,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) body: Vec<u8>,
    pub(crate) limit: usize,
    pub(crate) timeout: Duration,
}

impl Call<'_> {
    pub(crate) fn get(url: Url, timeout: Duration) -> Self {
        Call {
            method: Method::GET,
            url,
            accept: "application/json",
            content_type: None,
            body: Vec::new(),
            limit: LARGEST_OBJECT,
            timeout,
        }
    }

    fn request(self) -> Result<Request<Body>, ApiFault> {
        let mut request =
            Request::builder().method(self.method).uri(self.url.as_str()).header(http::header::ACCEPT, self.accept);
        if let Some(content_type) = self.content_type {
            request = request.header(http::header::CONTENT_TYPE, content_type);
        }
        request
            .body(Body::from(self.body))
            .map_err(|_| ApiFault::new(ApiFaultKind::BadRequest, 0, format!("{} is no URL", self.url.as_str())))
    }

    /// Sends it, once, and reads the whole answer.
    pub(crate) async fn send(self, client: &Client) -> Result<Reply, ApiFault> {
        let (timeout, limit) = (self.timeout, self.limit);
        let request = self.request()?;
        let round_trip = async {
            let response = client.send(request).await.map_err(|error| crate::fault::transport(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, limit).collect().await.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    let text = format!("the answer is larger than {} MiB", limit >> 20);
                    return ApiFault::new(ApiFaultKind::Protocol, parts.status.as_u16(), text);
                }
                ApiFault::new(ApiFaultKind::Connection, 0, "the connection broke in the middle of the answer")
            })?;
            Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(timeout, round_trip).await.unwrap_or_else(|_| Err(timed_out(timeout)))
    }

    /// Sends it and returns the answer's head; the body is the caller's to read, without end.
    pub(crate) async fn open(self, client: &Client) -> Result<http::Response<Body>, ApiFault> {
        let timeout = self.timeout;
        let request = self.request()?;
        let head = async { client.send(request).await.map_err(|error| crate::fault::transport(&error)) };
        tokio::time::timeout(timeout, head).await.unwrap_or_else(|_| Err(timed_out(timeout)))
    }
}

fn timed_out(timeout: Duration) -> ApiFault {
    ApiFault::new(ApiFaultKind::Timeout, 0, format!("no answer within {timeout:?}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use gitops_engine_core::GroupKind;

    pub(crate) fn resource(group: &str, version: &str, kind: &str, plural: &str, scope: Scope) -> ResourceType {
        ResourceType { kind: GroupKind::new(group, kind), version: version.into(), plural: plural.into(), scope }
    }

    #[test]
    fn urls() {
        let deployments = resource("apps", "v1", "Deployment", "deployments", Scope::Namespaced);
        let maps = resource("", "v1", "ConfigMap", "configmaps", Scope::Namespaced);
        let roles = resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", Scope::Cluster);
        let object = |resource, namespace, name| Url::object(resource, namespace, name).map(|url| url.text);
        for (url, expected) in [
            (object(&deployments, Some("shop"), "web"), Some("/apis/apps/v1/namespaces/shop/deployments/web")),
            (object(&maps, Some("shop"), "a.b"), Some("/api/v1/namespaces/shop/configmaps/a.b")),
            (object(&roles, None, "system:node"), Some("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node")),
            (
                object(&roles, None, "a b?c#d%é"),
                Some("/apis/rbac.authorization.k8s.io/v1/clusterroles/a%20b%3Fc%23d%25%C3%A9"),
            ),
            // What does not fit together makes no request, rather than one to another place.
            (object(&roles, Some("shop"), "x"), None),
            (object(&maps, None, "x"), None),
            (object(&maps, Some(""), "x"), None),
            (object(&maps, Some(".."), "x"), None),
            (object(&maps, Some("shop"), ""), None),
            (object(&maps, Some("shop"), ".."), None),
            (object(&maps, Some("shop"), "a/b"), None),
            (Url::parent(&maps, Some("shop")).map(|url| url.text), Some("/api/v1/namespaces/shop/configmaps")),
        ] {
            assert_eq!(url.as_deref(), expected);
        }
        let list = Url::collection(&maps, None).query("limit", "500").query("continue", "a+/=&b");
        assert_eq!(list.as_str(), "/api/v1/configmaps?limit=500&continue=a%2B%2F%3D%26b");
    }
}
