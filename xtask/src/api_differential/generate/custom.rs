//! Custom kinds with schemas by chance, and objects of them.

use serde_json::{Map, Value, json};

use super::{super::rng::Rng, rules};

/// A CustomResourceDefinition that both servers know.
#[derive(Clone)]
pub(crate) struct Definition {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
    pub(crate) status: bool,
    pub(crate) scale: bool,
    pub(crate) versions: Vec<String>,
    pub(crate) manifest: Value,
    spec: Value,
    status_schema: Value,
}

/// The pool of a run.
pub(crate) fn definitions(seed: u64, count: usize) -> Vec<Definition> {
    let ruled = |i: usize| {
        let mut definition = definition(&mut Rng::new(seed, 0x00c0_ffee ^ i as u64), i);
        definition.rule(&mut Rng::new(seed, 0x0000_0ce1 ^ i as u64));
        definition
    };
    (0..count).map(ruled).collect()
}

fn definition(rng: &mut Rng, number: usize) -> Definition {
    described(rng, "pool.example.com", &format!("Thing{number}"), &format!("thing{number}s"))
}

/// A definition of the program itself, in a group that is named after it.
pub(super) fn own(rng: &mut Rng) -> Definition {
    let mut own = described(rng, "{{ns}}.example.com", "Thing", "things");
    own.rule(rng);
    own
}

fn described(rng: &mut Rng, group: &str, kind: &str, plural: &str) -> Definition {
    let (group, kind, plural) = (group.to_owned(), kind.to_owned(), plural.to_owned());
    let namespaced = rng.chance(85);
    let (status, scale) = (rng.chance(60), rng.chance(25));
    let mut spec = object_schema(rng, 3);
    if scale {
        spec["properties"]["replicas"] = json!({"type": "integer", "format": "int32", "minimum": 0});
    }
    let status_schema = json!({"type": "object", "properties": {
        "phase": {"type": "string"}, "replicas": {"type": "integer"}, "selector": {"type": "string"},
    }});
    let mut root = json!({"type": "object", "properties": {"spec": spec, "status": status_schema}});
    if rng.chance(20) {
        root["required"] = json!(["spec"]);
    }
    if rng.chance(8) {
        root["x-kubernetes-preserve-unknown-fields"] = true.into();
    }
    let mut subresources = Map::new();
    if status {
        subresources.insert("status".to_owned(), json!({}));
    }
    if scale {
        let paths = json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"});
        subresources.insert("scale".to_owned(), paths);
    }
    let versions = match rng.below(4) {
        0 => vec!["v1".to_owned(), "v1beta1".to_owned()],
        _ => vec!["v1".to_owned()],
    };
    let (deprecated, warns, selectable) = (rng.chance(40), rng.chance(50), rng.chance(50));
    let served: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let mut version = json!({
                "name": name, "served": true, "storage": i == 0, "schema": {"openAPIV3Schema": root},
                "subresources": subresources,
                "additionalPrinterColumns": [{"name": "Phase", "type": "string", "jsonPath": ".status.phase"}],
            });
            if i > 0 && deprecated {
                version["deprecated"] = true.into();
                if warns {
                    version["deprecationWarning"] = "this version goes away".into();
                }
            }
            if selectable {
                version["selectableFields"] = json!([{"jsonPath": ".status.phase"}]);
            }
            version
        })
        .collect();
    let manifest = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": if namespaced { "Namespaced" } else { "Cluster" },
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": served,
        },
    });
    Definition { group, kind, plural, namespaced, status, scale, versions, manifest, spec, status_schema }
}

/// The fields of an object, by the letters of the alphabet.
fn object_schema(rng: &mut Rng, depth: usize) -> Value {
    let mut properties = Map::new();
    let count = 2 + rng.below(4);
    for name in ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"].into_iter().take(count) {
        let schema = schema(rng, depth - 1);
        properties.insert(name.to_owned(), schema);
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if rng.chance(25) {
        schema["required"] = json!(["alpha"]);
    }
    if rng.chance(8) {
        schema["x-kubernetes-preserve-unknown-fields"] = true.into();
    }
    if rng.chance(8) {
        schema["x-kubernetes-map-type"] = "atomic".into();
    }
    schema
}

fn schema(rng: &mut Rng, depth: usize) -> Value {
    let mut schema = match rng.below(if depth == 0 { 5 } else { 9 }) {
        0 => string_schema(rng),
        1 => number_schema(rng),
        2 => json!({"type": "boolean"}),
        3 => json!({"x-kubernetes-int-or-string": true}),
        4 => string_schema(rng),
        5 => object_schema(rng, depth),
        6 => json!({"type": "object", "additionalProperties": string_schema(rng)}),
        7 => {
            let mut item = object_schema(rng, depth);
            item["properties"]["name"] = json!({"type": "string"});
            item["required"] = json!(["name"]);
            if let Some(map) = item.as_object_mut() {
                map.remove("x-kubernetes-map-type");
            }
            json!({"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})
        }
        _ => {
            let mut list = json!({"type": "array", "items": string_schema(rng)});
            if rng.chance(50) {
                list["x-kubernetes-list-type"] = rng.pick(&["set", "atomic"]).into();
            }
            if rng.chance(30) {
                list["maxItems"] = json!(3);
            }
            if rng.chance(15) {
                list["minItems"] = json!(1);
            }
            list
        }
    };
    if rng.chance(12) && schema["default"].is_null() {
        combined(rng, &mut schema);
    }
    if rng.chance(12) && schema["type"] != "object" {
        schema["nullable"] = true.into();
    }
    schema
}

/// What `anyOf`, `oneOf`, `allOf` and `not` say of a value.
fn combined(rng: &mut Rng, schema: &mut Value) {
    let branches = |rng: &mut Rng| match schema["type"].as_str() {
        Some("string") => rng.pick_value(&[
            json!([{"minLength": 4}, {"pattern": "^o"}]),
            json!([{"enum": ["one", "abc"]}, {"maxLength": 2}]),
            json!([{"format": "ipv4"}, {"minLength": 3, "pattern": "z$"}, {"enum": ["other"]}]),
        ]),
        Some("integer" | "number") => rng.pick_value(&[
            json!([{"minimum": 5}, {"multipleOf": 4}]),
            json!([{"maximum": 3, "minimum": 1}, {"enum": [2, 42, 7.5]}]),
        ]),
        Some("object") => rng.pick_value(&[
            json!([{"required": ["alpha"]}, {"required": ["beta"]}]),
            json!([{"minProperties": 2}, {"required": ["alpha", "beta"], "maxProperties": 3}]),
        ]),
        Some("array") => json!([{"minItems": 2}, {"items": {"maxLength": 3}}]),
        _ => json!([{"enum": [5, "50%"]}, {"maximum": 3}, {"pattern": "%$"}]),
    };
    let branches = branches(rng);
    match rng.below(4) {
        0 => schema["not"] = branches[0].clone(),
        n => schema[["anyOf", "oneOf", "allOf"][n - 1]] = branches,
    }
}

const FORMATS: [&str; 15] = [
    "date-time",
    "date",
    "duration",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "hostname",
    "email",
    "uri",
    "byte",
    "hexcolor",
    "k8s-short-name",
    "nobody's",
];

fn string_schema(rng: &mut Rng) -> Value {
    let mut schema = json!({"type": "string"});
    match rng.below(9) {
        7 | 8 => schema["format"] = rng.pick(&FORMATS).into(),
        0 => {
            schema["enum"] = json!(["one", "two", "other"]);
            if rng.chance(50) {
                schema["default"] = "one".into();
            }
        }
        1 => schema["minLength"] = json!(1),
        2 => schema["maxLength"] = json!(5),
        3 => schema["pattern"] = "^[a-z]+$".into(),
        4 => schema["default"] = "other".into(),
        _ => {}
    }
    schema
}

fn number_schema(rng: &mut Rng) -> Value {
    let mut schema = json!({"type": rng.pick(&["integer", "integer", "number"])});
    match rng.below(9) {
        0 => schema["minimum"] = json!(0),
        1 => schema["maximum"] = json!(100),
        2 => schema["default"] = json!(7),
        3 => schema["multipleOf"] = rng.pick_value(&[json!(2), json!(0.1), json!(3)]),
        4 => {
            schema["maximum"] = rng.pick_value(&[json!(4), json!(3.5)]);
            schema["exclusiveMaximum"] = true.into();
        }
        5 => {
            schema["minimum"] = rng.pick_value(&[json!(2), json!(0.5)]);
            schema["exclusiveMinimum"] = rng.chance(50).into();
        }
        6 => schema["enum"] = rng.pick_value(&[json!([0, 2]), json!([0.5, 42])]),
        7 => schema["format"] = rng.pick(&["int32", "int64", "float", "double"]).into(),
        _ => {}
    }
    schema
}

impl Definition {
    /// The definition without rules, of which another schema might make ones that a real server finds too expensive.
    pub(crate) fn unruled(&self) -> Value {
        let mut manifest = self.manifest.clone();
        rules::strip(&mut manifest);
        manifest
    }

    /// Gives half of the definitions rules.
    fn rule(&mut self, rng: &mut Rng) {
        if rng.chance(50) {
            return;
        }
        let mut schema = self.manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        rules::root(rng, &mut schema);
        for version in self.manifest["spec"]["versions"].as_array_mut().into_iter().flatten() {
            version["schema"]["openAPIV3Schema"] = schema.clone();
        }
        self.spec = schema["properties"]["spec"].clone();
    }

    /// Takes over changed versions: the first of them says what objects look like from here on.
    pub(super) fn take(&mut self, versions: Value) {
        let served = versions.as_array().into_iter().flatten().filter(|v| v["served"] == true);
        self.versions = served.filter_map(|v| v["name"].as_str().map(str::to_owned)).collect();
        let schema = &versions[0]["schema"]["openAPIV3Schema"]["properties"];
        (self.spec, self.status_schema) = (schema["spec"].clone(), schema["status"].clone());
        self.status = versions[0]["subresources"]["status"].is_object();
        self.scale = versions[0]["subresources"]["scale"].is_object();
        self.manifest["spec"]["versions"] = versions;
    }

    pub(crate) fn collection(&self, version: &str) -> String {
        let place = if self.namespaced { "/namespaces/{{ns}}" } else { "" };
        format!("/apis/{}/{version}{place}/{}", self.group, self.plural)
    }

    pub(crate) fn body(&self, rng: &mut Rng) -> Value {
        let mut body = json!({"spec": instance(rng, &self.spec)});
        if rng.chance(10) {
            body["status"] = instance(rng, &self.status_schema);
        }
        body
    }

    pub(crate) fn status_body(&self, rng: &mut Rng) -> Value {
        instance(rng, &self.status_schema)
    }
}

/// A text that has some format or other, or nearly.
fn formatted(rng: &mut Rng) -> &'static str {
    rng.pick(&[
        "2020-01-02T03:04:05Z",
        "2020-01-02T03:04:05.123+01:00",
        "2020-01-02 03:04:05Z",
        "2020-01-02",
        "2020-13-02",
        "5m",
        "1h30s",
        "10 seconds",
        "-3ms",
        "10.0.0.1",
        "010.0.0.1",
        "10.0.0.256",
        "::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "10.0.0.0/8",
        "10.0.0.0/33",
        "::/0",
        "00:11:22:33:44:55",
        "0011.2233.4455",
        "00-11-22-33-44-55-66-77",
        "550e8400-e29b-41d4-a716-446655440000",
        "550E8400E29B41D4A716446655440000",
        "550e8400-e29b-41d4",
        "example.com",
        "a",
        "-a.example",
        "host_name",
        "me@example.com",
        "Me <me@example.com>",
        "me@",
        "https://example.com/a?b",
        "/path",
        "path",
        "aGk=",
        "aGk",
        "****",
        "#fff",
        "fffffg",
        "name-1",
        "Name",
        "name-",
        "",
    ])
}

/// A value that mostly obeys its schema.
fn instance(rng: &mut Rng, schema: &Value) -> Value {
    if schema["x-kubernetes-int-or-string"] == true {
        return if rng.chance(50) { json!(5) } else { json!("50%") };
    }
    match schema["type"].as_str().unwrap_or_default() {
        "object" => {
            let mut map = Map::new();
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let required = schema["required"].as_array().is_some_and(|r| r.iter().any(|n| n == name));
                if rng.chance(if required { 95 } else { 60 }) {
                    map.insert(name.clone(), instance(rng, property));
                }
            }
            if schema["additionalProperties"].is_object() {
                for key in ["k1", "k2"].into_iter().take(rng.below(3)) {
                    map.insert(key.to_owned(), instance(rng, &schema["additionalProperties"]));
                }
            }
            if rng.chance(4) {
                map.insert("extra".to_owned(), json!("x"));
            }
            Value::Object(map)
        }
        "array" => {
            let mut items: Vec<Value> = (0..rng.below(4)).map(|_| instance(rng, &schema["items"])).collect();
            if schema["x-kubernetes-list-type"] == "map" {
                for (item, name) in items.iter_mut().zip(["p", "q", "r"]) {
                    item["name"] = name.into();
                }
            } else if schema["x-kubernetes-list-type"] == "set" {
                items.dedup();
            }
            Value::Array(items)
        }
        "string" if schema["format"].is_string() && rng.chance(85) => formatted(rng).into(),
        "string" => match schema["enum"].as_array() {
            Some(choices) => choices[rng.below(choices.len())].clone(),
            None => rng.pick(&["one", "abc", "xyz", "hello"]).into(),
        },
        "integer" if rng.chance(10) => json!(rng.pick(&[3_000_000_000_i64, -1, i64::MAX])),
        "integer" => json!(rng.pick(&[0_i64, 2, 4, 10, 42])),
        // A whole number with a fraction of nothing is compared with the fraction of a bound by a real server.
        "number" if ["minimum", "maximum", "multipleOf"].iter().any(|key| schema[key].is_f64()) => {
            json!(rng.pick(&[0.25, 7.5]))
        }
        "number" if rng.chance(10) => json!(rng.pick(&[1e300, -7.25, 0.3])),
        "number" => json!(rng.pick(&[0.5, 2.0, 42.0])),
        "boolean" => rng.chance(50).into(),
        _ => Value::Null,
    }
}
