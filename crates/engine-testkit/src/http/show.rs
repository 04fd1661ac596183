//! How objects are shown: in the version of the path, whole, as metadata only, or as a row of a table.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    clock::Now,
    resources::Resource,
    store::Stored,
    table::{self, Include, Wanted},
};

/// What the client asked for with `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Metadata,
    Table(Include),
}

impl Form {
    /// The first form of the header that is served. Rows of tables carry what `include` says.
    pub(crate) fn of(accept: &str, include: Include) -> Self {
        for part in accept.split(',') {
            let mut it = part.split(';').map(str::trim);
            let media = it.next().unwrap_or_default();
            if !matches!(media, "application/json" | "*/*" | "application/*" | "") {
                continue;
            }
            let mut form = Self::Whole;
            for parameter in it {
                match parameter {
                    "as=Table" => form = Self::Table(include),
                    "as=PartialObjectMetadata" | "as=PartialObjectMetadataList" => form = Self::Metadata,
                    _ => {}
                }
            }
            return form;
        }
        Self::Whole
    }
}

fn metadata_only(value: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]})
}

/// One stored object.
pub(crate) fn object(resource: &Resource, version: &str, form: Form, stored: &Stored, now: Now) -> Bytes {
    if form == Form::Whole && version == resource.storage_version {
        return stored.bytes();
    }
    value(resource, version, form, &stored.value, now)
}

/// One object that is not stored.
pub(crate) fn value(resource: &Resource, version: &str, form: Form, value: &Value, now: Now) -> Bytes {
    let shown = match form {
        Form::Whole => match resource.shown_at(value, version) {
            Some(v) => v,
            None => return serde_json::to_vec(value).unwrap_or_default().into(),
        },
        Form::Metadata => metadata_only(value),
        Form::Table(include) => {
            let revision = value["metadata"]["resourceVersion"].as_str().unwrap_or_default();
            table::of(resource, version, &[value], revision, Wanted { include, definitions: true, now })
        }
    };
    serde_json::to_vec(&shown).unwrap_or_default().into()
}

/// The object of a watch event.
pub(crate) fn event_object(
    resource: &Resource,
    version: &str,
    form: Form,
    stored: &Stored,
    first: bool,
    now: Now,
) -> Bytes {
    let shown = match form {
        Form::Whole if version == resource.storage_version => return stored.bytes(),
        Form::Whole => resource.shown_at(&stored.value, version).unwrap_or(Value::Null),
        Form::Metadata => metadata_only(&stored.value),
        Form::Table(include) => {
            table::of(resource, version, &[&stored.value], "", Wanted { include, definitions: first, now })
        }
    };
    serde_json::to_vec(&shown).unwrap_or_default().into()
}

/// One item of a list: items of built-in kinds do not repeat their kind.
pub(crate) fn list_item(resource: &Resource, version: &str, form: Form, stored: &Stored) -> Value {
    match form {
        Form::Metadata => metadata_only(&stored.value),
        _ => {
            let mut shown = resource.shown_at(&stored.value, version).unwrap_or_else(|| stored.value.clone());
            if !resource.is_custom()
                && let Some(map) = shown.as_object_mut()
            {
                map.remove("kind");
                map.remove("apiVersion");
            }
            shown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept() {
        for (accept, form) in [
            ("application/json", Form::Whole),
            ("", Form::Whole),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Form::Table(Include::None)),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Form::Metadata),
            ("application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json", Form::Whole),
        ] {
            assert_eq!(Form::of(accept, Include::None), form, "{accept}");
        }
    }
}
