//! What a path asks for: <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris>

use http::Method;

use super::params::{Params, decode};

/// A request as the API names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the lower-case method for
    /// paths that are not resources.
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) version: String,
    /// Empty for paths that are not resources.
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    /// Whether the path has more parts than any resource path.
    pub(crate) too_long: bool,
}

impl Route {
    pub(crate) fn of(method: &Method, path: &str, params: &Params) -> Self {
        let mut route = Self { verb: method.as_str().to_lowercase(), ..Self::default() };
        let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(|p| decode(p, false)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let rest = match parts.as_slice() {
            ["api", version, rest @ ..] => {
                route.version = (*version).to_owned();
                rest
            }
            ["apis", group, version, rest @ ..] => {
                route.group = (*group).to_owned();
                route.version = (*version).to_owned();
                rest
            }
            _ => return route,
        };
        // The way to watch before there was a parameter for it.
        let (rest, old_watch) = match rest {
            ["watch", rest @ ..] if !rest.is_empty() && method == Method::GET => (rest, true),
            other => (other, false),
        };
        let rest = match rest {
            // `namespaces/x/status` and `/finalize` are subresources of the namespace itself.
            ["namespaces", _, "status" | "finalize"] => rest,
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => {
                route.namespace = Some((*namespace).to_owned());
                rest
            }
            other => other,
        };
        match rest {
            [] => return route,
            [resource] => route.resource = (*resource).to_owned(),
            [resource, name] => {
                route.resource = (*resource).to_owned();
                route.name = Some((*name).to_owned());
            }
            [resource, name, sub @ ..] => {
                route.resource = (*resource).to_owned();
                route.name = Some((*name).to_owned());
                route.subresource = sub[0].to_owned();
                route.too_long = sub.len() > 1;
            }
        }
        route.verb = match (method.as_str(), &route.name) {
            ("GET", _) if old_watch => "watch",
            ("GET" | "HEAD", Some(_)) => "get",
            ("GET" | "HEAD", None) if params.flag("watch") => "watch",
            ("GET" | "HEAD", None) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", Some(_)) => "delete",
            ("DELETE", None) => "deletecollection",
            // Methods have capital letters: `get` is none that the API knows.
            (other, _) => {
                return Self { verb: other.to_owned(), ..route };
            }
        }
        .to_owned();
        route
    }

    pub(crate) fn is_resource(&self) -> bool {
        !self.resource.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (method, path, query, verb, resource, namespace, name, sub) in [
            (Method::GET, "/api/v1/namespaces", "", "list", "namespaces", None, None, ""),
            (Method::GET, "/api/v1/namespaces/a", "", "get", "namespaces", None, Some("a"), ""),
            (Method::PUT, "/api/v1/namespaces/a/finalize", "", "update", "namespaces", None, Some("a"), "finalize"),
            (Method::GET, "/api/v1/namespaces/a/pods", "watch=1", "watch", "pods", Some("a"), None, ""),
            (
                Method::PATCH,
                "/apis/apps/v1/namespaces/a/deployments/d",
                "",
                "patch",
                "deployments",
                Some("a"),
                Some("d"),
                "",
            ),
            (
                Method::GET,
                "/apis/apps/v1/namespaces/a/deployments/d/scale",
                "",
                "get",
                "deployments",
                Some("a"),
                Some("d"),
                "scale",
            ),
            (
                Method::DELETE,
                "/apis/apps/v1/namespaces/a/deployments",
                "",
                "deletecollection",
                "deployments",
                Some("a"),
                None,
                "",
            ),
            (Method::GET, "/apis/apps/v1", "", "get", "", None, None, ""),
            (Method::GET, "/version", "", "get", "", None, None, ""),
        ] {
            let route = Route::of(&method, path, &Params::parse(query));
            assert_eq!(
                (
                    route.verb.as_str(),
                    route.resource.as_str(),
                    route.namespace.as_deref(),
                    route.name.as_deref(),
                    route.subresource.as_str()
                ),
                (verb, resource, namespace, name, sub),
                "{method} {path}"
            );
        }
    }
}
