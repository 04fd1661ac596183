//! What ships with the crate: the OpenAPI documents and the discovery of one release of Kubernetes, as its API server served
//! them, without descriptions. Pieces are decompressed when they are first asked for, once per process.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, OnceLock},
};

use serde_json::{Value, value::RawValue};

use crate::{archive::Archive, types::Type};

static FILE: &[u8] = include_bytes!("../data/kubernetes.bin");

static ARCHIVE: LazyLock<Archive<'static>> =
    LazyLock::new(|| Archive::read(FILE).expect("a test reads the shipped file"));

/// The text of a piece that the file has, or nothing.
fn text(piece: &str) -> Option<String> {
    ARCHIVE.text(piece).expect("a test decompresses every piece of the shipped file")
}

/// The shipped pieces with their length and compressed length in bytes.
pub fn pieces() -> impl Iterator<Item = (&'static str, usize, usize)> {
    ARCHIVE.pieces()
}

/// The release of Kubernetes that everything here is from: `v1.36.3`.
#[must_use]
pub fn release() -> &'static str {
    &INDEX.release
}

/// Kind to definition: `("apps", "v1", "Deployment")` is `io.k8s.api.apps.v1.Deployment`.
struct Index {
    release: String,
    kinds: BTreeMap<(&'static str, &'static str, &'static str), &'static str>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    // Kept for as long as the process, like everything that is shipped.
    let text: &'static str = text("index").unwrap_or_default().leak();
    let mut lines = text.lines();
    let release = lines.next().unwrap_or_default().to_owned();
    let kinds = lines
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some(((words.next()?, words.next()?, words.next()?), words.next()?))
        })
        .collect();
    Index { release, kinds }
});

/// The definition of a built-in kind.
#[must_use]
pub fn definition_of(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    INDEX.kinds.get(&(group, version, kind)).copied()
}

/// Every kind with a definition, as `(group, version, kind, definition)`, sorted.
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)> {
    INDEX.kinds.iter().map(|((group, version, kind), definition)| (*group, *version, *kind, *definition))
}

/// A named type of the shipped documents.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    openapi: &'static RawValue,
    compiled: OnceLock<Type>,
}

impl Definition {
    pub(crate) fn openapi(&self) -> Value {
        serde_json::from_str(self.openapi.get()).unwrap_or_default()
    }

    pub(crate) fn compiled(&self) -> &Type {
        self.compiled.get_or_init(|| Type::compile_definition(self.name, &self.openapi()))
    }
}

type Package = BTreeMap<&'static str, Definition>;

/// `io.k8s.api.apps.v1` and the like, each decompressed when a type of it is first needed.
static PACKAGES: LazyLock<BTreeMap<&'static str, OnceLock<Package>>> = LazyLock::new(|| {
    pieces().filter_map(|(name, _, _)| Some((name.strip_prefix("types/")?, OnceLock::new()))).collect()
});

pub(crate) fn definition(name: &str) -> Option<&'static Definition> {
    let (package, _) = name.rsplit_once('.')?;
    let (package, types) = PACKAGES.get_key_value(package)?;
    let types = types.get_or_init(|| {
        let text: &'static str = text(&format!("types/{package}")).unwrap_or_default().leak();
        let types: BTreeMap<&'static str, &'static RawValue> =
            serde_json::from_str(text).expect("a test parses every piece of the shipped file");
        types
            .into_iter()
            .map(|(name, openapi)| (name, Definition { name, openapi, compiled: OnceLock::new() }))
            .collect()
    });
    types.get(name)
}

/// The OpenAPI schema of a definition, `io.k8s.api.core.v1.Pod`, in the notation of OpenAPI 3.0.
#[must_use]
pub fn schema(definition: &str) -> Option<Value> {
    self::definition(definition).map(Definition::openapi)
}

/// Aggregated discovery as the server answers it at `/api` (`core`) and `/apis`: an `APIGroupDiscoveryList`.
/// <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery>
#[must_use]
pub fn discovery(path: DiscoveryPath) -> Value {
    let piece = match path {
        DiscoveryPath::Api => "discovery/api",
        DiscoveryPath::Apis => "discovery/apis",
    };
    text(piece).and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default()
}

/// The two documents of aggregated discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscoveryPath {
    /// `/api`: the core group.
    Api,
    /// `/apis`: every other group.
    Apis,
}

/// `storageVersionHash` per group version and resource, `{"apps/v1": {"deployments": "8aSe+NMegvE="}}`: the part of legacy
/// discovery that the aggregated one does not have.
#[must_use]
pub fn storage_version_hashes() -> Value {
    text("discovery/hashes").and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default()
}

/// The paths below `/openapi/v3/` that the server has a document for: `api/v1`, `apis/apps/v1`, `version`, ...
pub fn document_paths() -> impl Iterator<Item = &'static str> {
    pieces().filter_map(|(name, _, _)| name.strip_prefix("openapi/"))
}

/// The whole OpenAPI v3 document of a path, with every schema that it refers to.
#[must_use]
pub fn document(path: &str) -> Option<Value> {
    let mut document: Value = serde_json::from_str(&text(&format!("openapi/{path}"))?).ok()?;
    let shared = document.as_object_mut()?.remove("schemas").unwrap_or_default();
    let schemas = document.get_mut("components")?.as_object_mut()?.get_mut("schemas").and_then(Value::as_object_mut);
    if let Some(schemas) = schemas {
        for name in shared.as_array().into_iter().flatten().filter_map(Value::as_str) {
            schemas.insert(name.to_owned(), schema(name)?);
        }
    }
    Some(document)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn every_piece_is_whole() {
        for (name, length, _) in pieces() {
            let text = text(name).unwrap();
            assert_eq!(text.len(), length, "{name}");
            if name != "index" {
                serde_json::from_str::<Value>(&text).unwrap();
            }
            if let Some(package) = name.strip_prefix("types/") {
                let types: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
                assert!(types.keys().all(|t| t.rsplit_once('.').unwrap().0 == package), "{name}");
                for t in types.keys() {
                    definition(t).unwrap().compiled();
                }
            }
        }
        assert!(release().starts_with("v1."), "{}", release());
    }

    #[test]
    fn every_kind_has_a_definition_and_no_reference_dangles() {
        fn references(value: &Value, out: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    out.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    map.values().for_each(|v| references(v, out));
                }
                Value::Array(list) => list.iter().for_each(|v| references(v, out)),
                _ => {}
            }
        }
        for (_, _, kind, name) in kinds() {
            assert!(definition(name).is_some(), "{kind}: {name}");
        }
        for path in document_paths() {
            let document = document(path).unwrap();
            let mut found = Vec::new();
            references(&document, &mut found);
            for reference in found {
                let name = reference.strip_prefix("#/components/schemas/").unwrap();
                assert!(document["components"]["schemas"].get(name).is_some(), "{path}: {name}");
            }
        }
    }
}
