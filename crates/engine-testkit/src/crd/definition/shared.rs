//! What the versions of a definition have in common: the server keeps that once, as the older form of a definition had it.

use serde_json::Value;

use crate::{crd::is_true, json::is_empty};

/// Which parts are the same in all versions.
pub(super) struct Shared {
    pub(super) schema: bool,
    pub(super) subresources: bool,
    pub(super) columns: bool,
    pub(super) selectable: bool,
}

impl Shared {
    pub(super) fn of(versions: &[Value]) -> Self {
        // A list without items is no other one than none.
        let list = |v: &Value, key: &str| v.get(key).filter(|list| !is_empty(list)).cloned();
        let whole = |v: &Value, key: &str| v.get(key).filter(|part| !part.is_null()).cloned();
        let all = |part: &dyn Fn(&Value) -> Option<Value>| {
            versions.split_first().is_some_and(|(first, rest)| rest.iter().all(|v| part(v) == part(first)))
        };
        Self {
            schema: all(&|v| whole(v, "schema")),
            subresources: all(&|v| whole(v, "subresources")),
            columns: all(&|v| list(v, "additionalPrinterColumns")),
            selectable: all(&|v| list(v, "selectableFields")),
        }
    }
}

/// A list of versions as the server's own type prints it, without what the versions have of their own.
pub(super) fn shown(versions: &[Value]) -> String {
    let shown: Vec<String> = versions
        .iter()
        .map(|v| {
            format!(
                "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":null,\
                 \"Subresources\":null,\"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}",
                v["name"],
                is_true(v, "served"),
                is_true(v, "storage"),
                is_true(v, "deprecated"),
                v["deprecationWarning"],
            )
        })
        .collect();
    format!("[{}]", shown.join(","))
}
