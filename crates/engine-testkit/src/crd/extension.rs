//! The names of what Kubernetes adds to schemas.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

/// A whole object inside of another.
pub(super) const EMBEDS: &str = "x-kubernetes-embedded-resource";
/// A number or a text.
pub(super) const EITHER: &str = "x-kubernetes-int-or-string";
/// Fields that nobody describes stay.
pub(super) const KEEPS: &str = "x-kubernetes-preserve-unknown-fields";
pub(super) const LIST: &str = "x-kubernetes-list-type";
pub(super) const KEYS: &str = "x-kubernetes-list-map-keys";
pub(super) const MAP: &str = "x-kubernetes-map-type";
