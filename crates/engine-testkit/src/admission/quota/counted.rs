//! What quotas count of the objects of each resource, and when: one table for who refuses and for who counts anew.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/#types-of-resource-quota>

use serde_json::Value;

use super::{claims, pods, scope::Scope, services};
use crate::{
    admission::amounts::{Amount, Amounts},
    clock::Now,
    json::get,
    resources::GroupResource,
};

/// How the objects of a resource are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) gr: GroupResource,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Pods,
    Services,
    Claims,
    /// One by one, and under which name besides `count/…`.
    Each(Option<&'static str>),
}

/// What is not kept, and so not counted either; and Events.
const IGNORED: [(&str, &str); 10] = [
    ("", "bindings"),
    ("", "componentstatuses"),
    ("", "events"),
    ("events.k8s.io", "events"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];

/// What was counted before everything could be, under names of its own.
const ALIASES: [&str; 4] = ["configmaps", "resourcequotas", "replicationcontrollers", "secrets"];

/// What is done to an object.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed<'a> {
    Create(&'a Value),
    Update { subresource: &'a str, before: &'a Value, after: &'a Value },
}

impl<'a> Deed<'a> {
    pub(super) fn before(self) -> Option<&'a Value> {
        match self {
            Self::Create(_) => None,
            Self::Update { before, .. } => Some(before),
        }
    }

    pub(super) fn after(self) -> &'a Value {
        match self {
            Self::Create(object) => object,
            Self::Update { after, .. } => after,
        }
    }

    /// Whether a controller tells how something is. That is counted, and not refused.
    pub(super) fn is_status(self) -> bool {
        matches!(self, Self::Update { subresource: "status", .. })
    }
}

impl Counted {
    pub(super) fn of(gr: &GroupResource) -> Option<Self> {
        let name = (&*gr.group, &*gr.resource);
        let way = match name {
            ("", "pods") => Way::Pods,
            ("", "services") => Way::Services,
            ("", "persistentvolumeclaims") => Way::Claims,
            _ if IGNORED.contains(&name) => return None,
            ("", resource) => Way::Each(ALIASES.iter().find(|alias| **alias == resource).copied()),
            _ => Way::Each(None),
        };
        Some(Self { gr: gr.clone(), way })
    }

    /// The resource whose objects are counted under a name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let gr = if let Some(of) = name.strip_prefix("count/") {
            let (resource, group) = of.split_once('.').unwrap_or((of, ""));
            GroupResource::new(group, resource)
        } else if ALIASES.contains(&name) {
            GroupResource::new("", name)
        } else {
            let core = [("pods", Way::Pods), ("services", Way::Services), ("persistentvolumeclaims", Way::Claims)];
            let found = core.into_iter().map(|(resource, way)| Self { gr: GroupResource::new("", resource), way });
            return found.into_iter().find(|counted| counted.has(name));
        };
        Self::of(&gr)
    }

    fn name(&self) -> String {
        let GroupResource { group, resource } = &self.gr;
        if group.is_empty() { format!("count/{resource}") } else { format!("count/{resource}.{group}") }
    }

    /// Whether something is counted of these objects under a name.
    pub(super) fn has(&self, name: &str) -> bool {
        if name.starts_with("count/") {
            return name == self.name();
        }
        match self.way {
            Way::Pods => pods::has(name),
            Way::Services => services::NAMES.contains(&name),
            Way::Claims => claims::has(name),
            Way::Each(alias) => alias == Some(name),
        }
    }

    /// Whether what is done may change how much is used.
    pub(super) fn is_asked(&self, deed: Deed<'_>) -> bool {
        match (self.way, deed) {
            (_, Deed::Create(_)) => true,
            (Way::Pods, Deed::Update { subresource: "", before, after }) => {
                pods::ends_by_itself(before) != pods::ends_by_itself(after)
            }
            (Way::Pods, Deed::Update { subresource, .. }) => subresource == "resize",
            (Way::Services, Deed::Update { subresource, .. }) => subresource.is_empty(),
            (Way::Claims, Deed::Update { subresource, .. }) => matches!(subresource, "" | "status"),
            (Way::Each(_), Deed::Update { .. }) => false,
        }
    }

    /// What an object uses.
    pub(super) fn usage(&self, object: &Value, now: Now) -> Amounts {
        let mut usage = match self.way {
            Way::Pods => pods::usage(object, now),
            Way::Services => services::usage(object),
            Way::Claims => claims::usage(object),
            Way::Each(alias) => alias.into_iter().map(|name| (name.to_owned(), Amount::count(1))).collect(),
        };
        usage.insert(self.name(), Amount::count(1));
        usage
    }

    /// Whether an object is in all of the scopes. Most kinds are in none.
    pub(super) fn is_in(&self, scopes: &[Scope<'_>], object: &Value) -> bool {
        scopes.iter().all(|scope| match self.way {
            Way::Pods => pods::is_in(scope, object),
            Way::Claims => claims::is_in(scope, object),
            Way::Services | Way::Each(_) => false,
        })
    }

    /// What a quota of these resources misses in an object.
    pub(super) fn misses(&self, names: &[&str], object: &Value) -> Option<String> {
        if self.way != Way::Pods {
            return None;
        }
        let said: Vec<String> = pods::missing(names, object)
            .into_iter()
            .map(|(name, containers)| format!("{name} for: {}", containers.into_iter().collect::<Vec<_>>().join(",")))
            .collect();
        (!said.is_empty()).then(|| format!("must specify {}", said.join("; ")))
    }
}

/// A name that a map has, for those who ask by name only.
pub(super) fn text_of<'v>(object: &'v Value, path: &[&str]) -> Option<&'v str> {
    get(object, path).and_then(Value::as_str).filter(|text| !text.is_empty())
}
