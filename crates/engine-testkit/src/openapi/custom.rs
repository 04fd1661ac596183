//! The document of a group version that CRDs define.
//!
//! Its paths are those of a built-in kind with the same scope, with other names in them.

use std::collections::{BTreeMap, BTreeSet};

use gitops_engine_schema::shipped;
use serde_json::{Map, Value, json};

use super::references;
use crate::resources::Resource;

const OBJECT_META: &str = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// A built-in kind whose paths serve as a pattern.
struct Pattern {
    document: &'static str,
    group: &'static str,
    resource: &'static str,
    kind: &'static str,
    definition: &'static str,
    /// As operations and tags name the group version.
    camel: &'static str,
}

const NAMESPACED: Pattern = Pattern {
    document: "apis/apps/v1",
    group: "apps",
    resource: "deployments",
    kind: "Deployment",
    definition: "io.k8s.api.apps.v1.Deployment",
    camel: "AppsV1",
};

const CLUSTER: Pattern = Pattern {
    document: "apis/apiextensions.k8s.io/v1",
    group: "apiextensions.k8s.io",
    resource: "customresourcedefinitions",
    kind: "CustomResourceDefinition",
    definition: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    camel: "ApiextensionsV1",
};

pub(super) fn document(resources: &[(&Resource, &str)]) -> Value {
    let mut patterns: BTreeMap<&str, Value> = BTreeMap::new();
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    let info = json!({"title": "Kubernetes CRD Swagger", "version": "v0.1.0"});
    let mut shell = json!({"openapi": "3.0.0", "info": info, "components": {}});
    for (resource, version) in resources {
        let pattern = if resource.namespaced { &NAMESPACED } else { &CLUSTER };
        let document =
            patterns.entry(pattern.document).or_insert_with(|| shipped::document(pattern.document).unwrap_or_default());
        shell["components"]["securitySchemes"] = document["components"]["securitySchemes"].clone();
        let names = Names::new(resource, version, pattern);
        let status = resource.crd.get(*version).is_some_and(|v| v.status);
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            let Some(own) = names.path(path) else { continue };
            if (own.ends_with("}/status") && !status)
                || (own.ends_with("}/scale") && resource.scale_at(version).is_none())
            {
                continue;
            }
            paths.insert(own, names.renamed(item));
        }
        if !resource.namespaced && resource.scale_at(version).is_some() {
            let own = format!("{}/{{name}}/scale", names.base);
            let pattern = Names::new(resource, version, &NAMESPACED);
            let document = shipped::document(NAMESPACED.document).unwrap_or_default();
            let item = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"];
            paths.insert(own, pattern.renamed(item));
        }
        let (name, schema) = (names.definition.clone(), names.schema(resource, version));
        schemas.insert(format!("{name}List"), names.list());
        schemas.insert(name, schema);
    }
    shell["paths"] = paths.into();
    shell["components"]["schemas"] = schemas.into();
    complete(&mut shell);
    shell
}

/// Adds every shipped schema that the document refers to.
fn complete(document: &mut Value) {
    loop {
        let mut wanted = BTreeSet::new();
        references(document, &mut wanted);
        let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
        let missing: Vec<(String, Value)> = wanted
            .into_iter()
            .filter(|name| !schemas.contains_key(name))
            .filter_map(|name| shipped::schema(&name).map(|schema| (name, schema)))
            .collect();
        if missing.is_empty() {
            return;
        }
        schemas.extend(missing);
    }
}

struct Names<'a> {
    pattern: &'a Pattern,
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    /// The path of the resource without a namespace.
    base: String,
    definition: String,
    camel: String,
    tag: String,
}

fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

impl<'a> Names<'a> {
    fn new(resource: &'a Resource, version: &'a str, pattern: &'a Pattern) -> Self {
        let group = &*resource.gr.group;
        let reversed: Vec<&str> = group.rsplit('.').collect();
        let camel: String = group.split('.').map(upper).collect();
        let mut tag = camel.chars();
        let tag = tag.next().map(|c| c.to_lowercase().collect::<String>() + tag.as_str()).unwrap_or_default();
        Self {
            pattern,
            group,
            version,
            kind: &resource.kind,
            base: format!("/apis/{group}/{version}/{}", resource.gr.resource),
            definition: format!("{}.{version}.{}", reversed.join("."), resource.kind),
            camel: format!("{camel}{}", upper(version)),
            tag: format!("{tag}_{version}"),
        }
    }

    /// The path of ours that stands for one of the pattern's; `None` for those of other kinds, and for the old watch paths.
    fn path(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&format!("/{}/", self.pattern.document))?;
        let start = rest.find(self.pattern.resource)?;
        let (scope, below) = (&rest[..start], &rest[start + self.pattern.resource.len()..]);
        if scope.starts_with("watch/") || !(below.is_empty() || below.starts_with('/')) {
            return None;
        }
        let resource = self.base.rsplit('/').next().unwrap_or_default();
        Some(format!("/apis/{}/{}/{scope}{resource}{below}", self.group, self.version))
    }

    fn renamed(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) if map.get("group").and_then(Value::as_str) == Some(self.pattern.group) => {
                let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
                json!({"group": self.group, "version": self.version, "kind": kind.replace(self.pattern.kind, self.kind)})
            }
            Value::Object(map) => {
                // What custom resources are not encoded in.
                let binary = ["protobuf", "cbor", "stream=", "strategic-merge"];
                let kept = map.iter().filter(|(key, _)| !binary.iter().any(|b| key.contains(b)));
                let mut out: Map<String, Value> =
                    kept.map(|(key, value)| (key.clone(), self.renamed_at(key, value))).collect();
                if let Some(any) = out.remove("*/*") {
                    out.insert("application/json".to_owned(), any.clone());
                    out.insert("application/yaml".to_owned(), any);
                }
                // No patch creates a custom resource, as far as its document goes.
                if out.get("x-kubernetes-action").is_some_and(|action| action == "patch")
                    && let Some(responses) = out.get_mut("responses").and_then(Value::as_object_mut)
                {
                    responses.remove("201");
                }
                Value::Object(out)
            }
            Value::Array(list) => list.iter().map(|v| self.renamed(v)).collect(),
            other => other.clone(),
        }
    }

    fn renamed_at(&self, key: &str, value: &Value) -> Value {
        match (key, value) {
            ("$ref", Value::String(name)) => {
                let own = format!("#/components/schemas/{}", self.definition);
                name.replace(&format!("#/components/schemas/{}", self.pattern.definition), &own).into()
            }
            ("operationId", Value::String(id)) => {
                id.replace(self.pattern.camel, &self.camel).replace(self.pattern.kind, self.kind).into()
            }
            ("tags", _) => json!([self.tag]),
            _ => self.renamed(value),
        }
    }

    fn schema(&self, resource: &Resource, version: &str) -> Value {
        let openapi = resource.crd.get(version).and_then(|v| v.openapi.as_deref());
        let mut schema =
            openapi.cloned().unwrap_or_else(|| json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
        publish(&mut schema);
        resource_fields(&mut schema);
        schema["x-kubernetes-group-version-kind"] = self.kinds("");
        schema
    }

    fn list(&self) -> Value {
        json!({
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "items": {
                    "type": "array", "items": {"$ref": format!("#/components/schemas/{}", self.definition)},
                },
                "kind": {"type": "string"},
                "metadata": {"allOf": [{"$ref": LIST_META}]},
            },
            "x-kubernetes-group-version-kind": self.kinds("List"),
        })
    }

    fn kinds(&self, suffix: &str) -> Value {
        json!([{"group": self.group, "kind": format!("{}{suffix}", self.kind), "version": self.version}])
    }
}

fn resource_fields(schema: &mut Value) {
    if !schema.get("properties").is_some_and(Value::is_object) {
        schema["properties"] = json!({});
    }
    schema["properties"]["apiVersion"] = json!({"type": "string"});
    schema["properties"]["kind"] = json!({"type": "string"});
    schema["properties"]["metadata"] = json!({"allOf": [{"$ref": OBJECT_META}]});
}

/// What a structural schema says in Kubernetes' words only, said in OpenAPI's, too.
fn publish(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    let is_true = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_bool) == Some(true);
    for key in ["items", "additionalProperties"] {
        map.get_mut(key).into_iter().for_each(publish);
    }
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(publish);
    }
    if is_true(map, "x-kubernetes-int-or-string") && !map.contains_key("anyOf") && !map.contains_key("allOf") {
        map.insert("anyOf".to_owned(), json!([{"type": "integer"}, {"type": "string"}]));
    }
    if is_true(map, "x-kubernetes-embedded-resource") {
        resource_fields(schema);
    }
}
