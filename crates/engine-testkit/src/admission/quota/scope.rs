//! Which objects a quota is about: <https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-scopes>

use serde_json::Value;

use crate::json::{list_at, str_at};

/// A scope of a quota, and what it selects by a class.
#[derive(Debug)]
pub(super) struct Scope<'q> {
    pub(super) name: &'q str,
    operator: &'q str,
    values: &'q [Value],
}

/// The scopes of a quota. Objects have to be in all of them.
pub(super) fn scopes(quota: &Value) -> Vec<Scope<'_>> {
    let named = list_at(quota, &["spec", "scopes"]).iter().filter_map(Value::as_str);
    let named = named.map(|name| Scope { name, operator: "Exists", values: &[] });
    let selected = list_at(quota, &["spec", "scopeSelector", "matchExpressions"]).iter().map(|expression| Scope {
        name: str_at(expression, &["scopeName"]),
        operator: str_at(expression, &["operator"]),
        values: list_at(expression, &["values"]),
    });
    named.chain(selected).collect()
}

impl Scope<'_> {
    /// Whether one of the classes of an object, or that it has none, is what the scope is about.
    pub(super) fn selects(&self, classes: &[&str]) -> bool {
        if classes.is_empty() {
            return matches!(self.operator, "NotIn" | "DoesNotExist");
        }
        classes.iter().any(|class| {
            let listed = self.values.iter().any(|value| value == class);
            match self.operator {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => true,
                _ => false,
            }
        })
    }
}
