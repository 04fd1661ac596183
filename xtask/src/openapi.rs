//! `cargo xtask openapi`: what the real API server says about its types, for the crate `gitops-engine-schema` to ship.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use gitops_engine_schema::archive::{self, Archive};
use gitops_engine_testkit::control_plane::{ControlPlane, ControlPlaneUser};
use serde_json::{Map, Value};

use crate::arguments::Arguments;
use crate::cargo::root;
use crate::tally::Tally;

const FILE: &str = "crates/engine-schema/data/kubernetes.bin";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let check = arguments.flag("--check");
    arguments.end()?;
    let binaries = crate::control_plane::binaries()?;
    let pieces = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let plane = ControlPlane::builder().binaries(binaries).start().await?;
        Server { client: plane.client(ControlPlaneUser::Admin).await? }.pieces().await
    })?;
    let bytes = archive::write(&pieces)?;
    show(&pieces, &bytes)?;
    let path = root().join(FILE);
    let mut tally = Tally::default();
    if check {
        let same = std::fs::read(&path).with_context(|| format!("cannot read {FILE}"))? == bytes;
        println!("{} {FILE} is what the server serves", if same { "ok    " } else { "FAILED" });
        if !same {
            println!("         run `cargo xtask openapi`");
        }
        tally.case(same);
    } else {
        std::fs::write(&path, &bytes).with_context(|| format!("cannot write {FILE}"))?;
        println!("wrote {FILE}");
        tally.case(true);
    }
    Ok(tally)
}

/// Sizes by the kind of piece.
fn show(pieces: &BTreeMap<String, String>, bytes: &[u8]) -> anyhow::Result<()> {
    let mut sums: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    let archive = Archive::read(bytes)?;
    for (name, length, compressed) in archive.pieces() {
        let sum = sums.entry(name.split('/').next().unwrap_or(name)).or_default();
        *sum = (sum.0 + 1, sum.1 + length, sum.2 + compressed);
    }
    for (kind, (count, length, compressed)) in sums {
        println!("{kind:10} {count:3} pieces {length:8} bytes {compressed:6} compressed");
    }
    println!("{:10} {:3} pieces                {:6} bytes in all", "", pieces.len(), bytes.len());
    Ok(())
}

struct Server {
    client: kube::Client,
}

impl Server {
    async fn get(&self, path: &str, accept: &str) -> anyhow::Result<Value> {
        let request = http::Request::get(path).header(http::header::ACCEPT, accept).body(Vec::new())?;
        let text = self.client.request_text(request).await.with_context(|| format!("GET {path}"))?;
        serde_json::from_str(&text).with_context(|| format!("GET {path}: the answer is not JSON"))
    }

    async fn pieces(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut pieces = BTreeMap::new();
        let mut put = |name: String, value: &Value| pieces.insert(name, value.to_string());
        put("discovery/api".to_owned(), &self.get("/api", AGGREGATED).await?);
        put("discovery/apis".to_owned(), &self.get("/apis", AGGREGATED).await?);

        let index = self.get("/openapi/v3", "application/json").await?;
        let mut definitions = BTreeMap::new();
        let mut documents = Vec::new();
        let mut hashes = Map::new();
        for (path, entry) in index["paths"].as_object().context("/openapi/v3 has no paths")? {
            let url = entry["serverRelativeURL"].as_str().context("a document has no URL")?;
            let mut document = self.get(url, "application/json").await?;
            strip(&mut document, Names::Keywords);
            let schemas = document["components"]["schemas"].as_object_mut().map(std::mem::take).unwrap_or_default();
            documents.push((path.clone(), document, schemas.clone()));
            for (name, schema) in schemas {
                definitions.entry(name).or_insert(schema);
            }
            if let Some(resources) = self.storage_version_hashes(path).await? {
                hashes.insert(path.strip_prefix("apis/").unwrap_or("v1").to_owned(), resources);
            }
        }
        put("discovery/hashes".to_owned(), &Value::Object(hashes));

        // A document names the schemas that it shares with others; it keeps those that differ, such as `DeleteOptions` with
        // the kinds of its group.
        for (path, mut document, schemas) in documents {
            let (shared, own): (Vec<_>, Vec<_>) =
                schemas.into_iter().partition(|(name, schema)| definitions.get(name) == Some(schema));
            document["schemas"] = shared.into_iter().map(|(name, _)| name).collect();
            document["components"]["schemas"] = Value::Object(own.into_iter().collect());
            put(format!("openapi/{path}"), &document);
        }

        let mut packages: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for (name, schema) in &definitions {
            let (package, _) = name.rsplit_once('.').with_context(|| format!("{name} has no package"))?;
            packages.entry(package).or_default().insert(name.clone(), schema.clone());
        }
        for (package, types) in packages {
            put(format!("types/{package}"), &Value::Object(types));
        }

        let version = self.get("/version", "application/json").await?;
        let release = version["gitVersion"].as_str().context("/version has no gitVersion")?;
        let mut lines = vec![release.to_owned()];
        lines.extend(kinds(&definitions));
        pieces.insert("index".to_owned(), lines.join("\n"));
        Ok(pieces)
    }

    /// The hashes of a group version, by resource; nothing for a document that is not of one.
    async fn storage_version_hashes(&self, path: &str) -> anyhow::Result<Option<Value>> {
        if !(path == "api/v1" || (path.starts_with("apis/") && path.matches('/').count() == 2)) {
            return Ok(None);
        }
        let list = self.get(&format!("/{path}"), "application/json").await?;
        let resources = list["resources"].as_array().into_iter().flatten();
        let hashes: Map<String, Value> = resources
            .filter_map(|r| Some((r["name"].as_str()?.to_owned(), r.get("storageVersionHash")?.clone())))
            .collect();
        Ok(Some(Value::Object(hashes)))
    }
}

/// Whether the keys of an object are words of OpenAPI, or names that a type or path brings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Keywords,
    Own,
}

/// Takes the prose out. What is left says everything about behaviour.
fn strip(value: &mut Value, names: Names) {
    match value {
        Value::Object(map) => {
            if names == Names::Keywords {
                for prose in ["description", "example", "examples", "summary", "externalDocs"] {
                    map.remove(prose);
                }
            }
            for (key, below) in map {
                let own = names == Names::Keywords
                    && matches!(key.as_str(), "properties" | "schemas" | "paths" | "securitySchemes" | "responses");
                strip(below, if own { Names::Own } else { Names::Keywords });
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| strip(v, Names::Keywords)),
        _ => {}
    }
}

/// `group version Kind definition`, one a line. A type that stands for a kind in every group, such as `DeleteOptions`, is
/// none of them.
fn kinds(definitions: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let of = |(name, schema): (&String, &Value)| -> Option<String> {
        let [kind] = schema.get("x-kubernetes-group-version-kind")?.as_array()?.as_slice() else { return None };
        let word = |key: &str| kind[key].as_str().unwrap_or_default();
        Some(format!("{} {} {} {name}", word("group"), word("version"), word("kind")))
    };
    definitions.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prose_goes_and_fields_of_that_name_stay() {
        let mut document = json!({
            "info": {"description": "x"},
            "paths": {"/summary": {"get": {"description": "x", "responses": {"200": {"description": "OK"}}}}},
            "components": {"schemas": {"a.B": {"description": "x", "type": "object", "properties": {
                "description": {"description": "x", "type": "string"}, "properties": {"type": "object", "example": 1}
            }}}},
        });
        strip(&mut document, Names::Keywords);
        assert_eq!(
            document,
            json!({
                "info": {},
                "paths": {"/summary": {"get": {"responses": {"200": {}}}}},
                "components": {"schemas": {"a.B": {"type": "object", "properties": {
                    "description": {"type": "string"}, "properties": {"type": "object"}
                }}}},
            })
        );
    }
}
