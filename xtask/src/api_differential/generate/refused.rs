//! Definitions that a server may refuse: anything in them changed by chance, mostly their schemas.

use serde_json::{Map, Value, json};

use super::super::program::{Body, Operation, Program, Step};
use super::super::rng::Rng;
use super::changes::{AREA, DEFINITIONS};
use super::{MERGE_PATCH, custom, plain};

/// Nothing of it is kept, so that nobody has to wait for a definition to be served.
pub(super) fn program(rng: &mut Rng, mut steps: Vec<Step>) -> Program {
    for _ in 0..6 + rng.below(10) {
        let mut manifest = custom::own(rng).unruled();
        for _ in 0..=rng.below(3) {
            twist(rng, &mut manifest);
        }
        keep_alive(&mut manifest);
        let query = vec![("dryRun", "All".to_owned())];
        steps.push(Operation { query, ..plain("POST", DEFINITIONS, Body::Json(manifest)) }.into());
    }
    Program { area: AREA, steps, collections: Vec::new() }
}

/// A change of a definition that is there, which is not kept.
pub(super) fn patch(rng: &mut Rng, at: &str, manifest: &Value) -> Operation {
    let mut manifest = manifest.clone();
    for _ in 0..=rng.below(2) {
        twist(rng, &mut manifest);
    }
    keep_alive(&mut manifest);
    let query = vec![("dryRun", "All".to_owned())];
    let body = json!({"spec": manifest["spec"], "metadata": {"annotations": manifest["metadata"]["annotations"]}});
    Operation { query, content_type: MERGE_PATCH, ..plain("PATCH", at, Body::Json(body)) }
}

/// A real server follows paths of selectable fields into schemas that it could not read, and dies of it.
fn keep_alive(manifest: &mut Value) {
    const DEADLY: [&str; 11] = [
        "\"id\":",
        "\"$schema\":",
        "\"$ref\":",
        "\"patternProperties\":",
        "\"definitions\":",
        "\"dependencies\":",
        "\"additionalItems\":",
        "\"items\":[",
        "-unknown-fields\":false",
        "\"additionalProperties\":true",
        "\"additionalProperties\":false",
    ];
    for version in manifest["spec"]["versions"].as_array_mut().into_iter().flatten() {
        let text = version["schema"].to_string();
        let schema = &version["schema"]["openAPIV3Schema"];
        if (schema.is_null() || DEADLY.iter().any(|key| text.contains(key)))
            && let Some(version) = version.as_object_mut()
        {
            version.remove("selectableFields");
        }
    }
}

/// One change.
fn twist(rng: &mut Rng, manifest: &mut Value) {
    let count = manifest["spec"]["versions"].as_array().map_or(0, Vec::len);
    let one = rng.below(count.max(1));
    match rng.below(20) {
        0 => names(rng, manifest),
        1 => spec(rng, manifest),
        2 => manifest["spec"]["conversion"] = conversion(rng),
        3 | 4 if count > 0 => version(rng, &mut manifest["spec"]["versions"], one),
        5 if count > 0 => columns(rng, &mut manifest["spec"]["versions"][one]),
        6 if count > 0 => selectable(rng, &mut manifest["spec"]["versions"][one]),
        7 if count > 0 => subresources(rng, &mut manifest["spec"]["versions"][one]),
        _ if count > 0 => {
            let all = rng.chance(40);
            let schema = &mut manifest["spec"]["versions"][one]["schema"]["openAPIV3Schema"];
            schema_part(rng, schema);
            if all {
                let schema = schema.clone();
                for version in manifest["spec"]["versions"].as_array_mut().into_iter().flatten() {
                    version["schema"]["openAPIV3Schema"] = schema.clone();
                }
            }
        }
        _ => {}
    }
}

fn label(rng: &mut Rng) -> Value {
    let long = "a".repeat(64);
    rng.pick(&["", "Things", "things", "a-b", "-a", "a.b", "1a", "thing list", &long]).into()
}

fn names(rng: &mut Rng, manifest: &mut Value) {
    let names = &mut manifest["spec"]["names"];
    match rng.below(8) {
        0 => names["plural"] = label(rng),
        1 => names["singular"] = label(rng),
        2 => names["kind"] = rng.pick(&["", "thing", "Thing", "ThingList", "Th_ing", "1Thing"]).into(),
        3 => names["listKind"] = rng.pick(&["", "Thing", "Things", "T.L"]).into(),
        4 => names["shortNames"] = json!(["th", label(rng)]),
        5 => names["categories"] = json!(["all", label(rng)]),
        6 => manifest["metadata"]["name"] = rng.pick(&["other", "things.other.example.com", "Bad_Name"]).into(),
        _ => names[rng.pick(&["kind", "plural", "singular", "listKind"])] = Value::Null,
    }
}

fn spec(rng: &mut Rng, manifest: &mut Value) {
    match rng.below(9) {
        0 => manifest["spec"]["group"] = rng.pick(&["", "single", "Bad.Group", "a..b", "other.example.com"]).into(),
        1 => manifest["spec"]["scope"] = rng.pick(&["", "Elsewhere", "Cluster", "namespaced"]).into(),
        2 => manifest["spec"]["preserveUnknownFields"] = rng.chance(70).into(),
        3 => manifest["spec"]["versions"] = json!([]),
        4 | 5 => {
            let group = rng.pick(&["{{ns}}.k8s.io", "x.kubernetes.io"]);
            manifest["spec"]["group"] = group.into();
            manifest["metadata"]["name"] = format!("things.{group}").into();
            if rng.chance(75) {
                let approval = rng.pick(&[
                    "unapproved, a test",
                    "https://example.com/1",
                    "approved",
                    "",
                    "http://",
                    "/path",
                    "nothing:x",
                ]);
                manifest["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": approval});
            }
        }
        6 => manifest["metadata"]["annotations"] = json!({"bad key": "x"}),
        7 => manifest["spec"]["extra"] = json!(1),
        _ => manifest["metadata"]["finalizers"] = json!(["hold"]),
    }
}

fn conversion(rng: &mut Rng) -> Value {
    let mut conversion = json!({"strategy": rng.pick(&["None", "Webhook", "Webhook", "Webhook", "", "Other"])});
    if rng.chance(75) {
        let mut hook = json!({});
        if rng.chance(80) {
            let versions: &[&[&str]] = &[&["v1"], &["v1beta1", "v1"], &["v2"], &["v1", "v1"], &["Bad_", "v1"]];
            hook["conversionReviewVersions"] = json!(versions[rng.below(versions.len())]);
        }
        if rng.chance(80) {
            let mut client = json!({});
            if rng.chance(50) {
                client["url"] = rng
                    .pick(&[
                        "https://hook.example.com/convert",
                        "http://hook",
                        "https://u:p@h/",
                        "https://h/?q=1#f",
                        "h:x:y",
                    ])
                    .into();
            }
            if rng.chance(50) {
                client["service"] = json!({"name": "hook", "namespace": "default"});
                if rng.chance(40) {
                    client["service"]["path"] = rng.pick(&["/", "convert", "//", "/a//b", "/Bad_"]).into();
                }
                if rng.chance(30) {
                    client["service"]["port"] = json!(rng.pick(&[0_i64, 443, 70_000]));
                }
                if rng.chance(15) {
                    client["service"][rng.pick(&["name", "namespace"])] = "".into();
                }
            }
            if rng.chance(20) {
                client["caBundle"] = rng.pick(&["", "Zm9v", "!"]).into();
            }
            hook["clientConfig"] = client;
        }
        conversion["webhook"] = hook;
    }
    conversion
}

fn version(rng: &mut Rng, versions: &mut Value, one: usize) {
    match rng.below(11) {
        0 => versions[one]["name"] = label(rng),
        1 => versions[one]["storage"] = rng.chance(50).into(),
        2 => versions[one]["served"] = false.into(),
        3 => versions[one]["deprecated"] = true.into(),
        4 | 5 => {
            versions[one]["deprecated"] = rng.chance(80).into();
            let long = "x".repeat(257);
            versions[one]["deprecationWarning"] =
                rng.pick(&["go away", "", "a\nb", "tab\there", "ä € 😀", &long]).into();
        }
        6 => versions[one]["schema"] = rng.pick_value(&[json!({}), Value::Null, json!({"openAPIV3Schema": null})]),
        7..9 => {
            let mut other = versions[one].clone();
            other["name"] = rng.pick(&["v1", "v2", "v1beta1", "V3"]).into();
            other["storage"] = rng.chance(30).into();
            if let Some(list) = versions.as_array_mut() {
                list.push(other);
            }
        }
        9 => versions[one]["name"] = Value::Null,
        _ => {
            if let Some(list) = versions.as_array_mut() {
                list.reverse();
            }
        }
    }
}

fn columns(rng: &mut Rng, version: &mut Value) {
    let mut column = json!({"name": "Alpha", "type": "string", "jsonPath": ".spec.alpha"});
    match rng.below(7) {
        0 => column["type"] = rng.pick(&["", "integer", "date", "text"]).into(),
        1 => column["jsonPath"] = rng.pick(&["", ".", "spec.alpha", ".spec[", ".spec.beta"]).into(),
        2 => column["name"] = "".into(),
        3 => column["format"] = rng.pick(&["int32", "date-time", "name", "byte", "password"]).into(),
        4 => column["priority"] = json!(rng.pick(&[0_i64, 1, -1])),
        5 => column["description"] = "words".into(),
        _ => {}
    }
    match version["additionalPrinterColumns"].as_array_mut() {
        Some(list) if rng.chance(60) => list.push(column),
        _ => version["additionalPrinterColumns"] = json!([column]),
    }
}

fn selectable(rng: &mut Rng, version: &mut Value) {
    let paths = [
        ".spec.alpha",
        ".spec.beta",
        ".spec.gamma",
        ".spec.delta",
        ".status.phase",
        ".metadata.name",
        ".spec",
        "spec.alpha",
        "",
        ".",
        ".spec.",
        ".spec['alpha']",
        ".spec.nothing",
        ".spec.alpha.beta",
    ];
    let count = if rng.chance(10) { 10 } else { 1 + rng.below(2) };
    let fields: Vec<Value> = (0..count).map(|_| json!({"jsonPath": rng.pick(&paths)})).collect();
    version["selectableFields"] = fields.into();
}

fn subresources(rng: &mut Rng, version: &mut Value) {
    let spec = rng.pick(&[".spec.replicas", "", "spec.replicas", ".status.replicas", ".spec.", ".spec"]);
    let status = rng.pick(&[".status.replicas", ".status.replicas", "", "status.replicas", ".spec.replicas"]);
    let selector = rng.pick(&[".status.selector", ".spec.selector", "", "selector", ".other"]);
    let scale = json!({"specReplicasPath": spec, "statusReplicasPath": status, "labelSelectorPath": selector});
    version["subresources"] = match rng.below(5) {
        0 => json!({}),
        1 => Value::Null,
        2 => json!({"status": {}}),
        3 => json!({"status": {}, "scale": scale}),
        _ => json!({"scale": scale}),
    };
}

/// The places of a schema's parts.
fn places(schema: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        places(part, &format!("{at}/properties/{name}"), out);
    }
    for key in ["items", "additionalProperties", "not"] {
        if schema[key].is_object() {
            places(&schema[key], &format!("{at}/{key}"), out);
        }
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (i, part) in schema[key].as_array().into_iter().flatten().enumerate() {
            places(part, &format!("{at}/{key}/{i}"), out);
        }
    }
}

fn schema_part(rng: &mut Rng, schema: &mut Value) {
    if !schema.is_object() {
        return;
    }
    let mut all = Vec::new();
    places(schema, "", &mut all);
    let at = &all[rng.below(all.len())];
    let in_meta = at.contains("/metadata");
    let Some(part) = schema.pointer_mut(at) else { return };
    let Some(map) = part.as_object_mut() else { return };
    match rng.below(11) {
        0 => shape(rng, map),
        1 | 2 => extension(rng, map),
        3 | 4 => branches(rng, map),
        5 if !in_meta => {
            let default = match (map.get("type").and_then(Value::as_str), rng.below(4)) {
                (Some("object"), 0 | 1) => json!({"alpha": "x", "other": 1}),
                (Some("object"), 2) => json!({}),
                (Some("array"), 0 | 1) => json!([{"name": "p"}, "x"]),
                (Some("array"), 2) => json!([]),
                (Some("integer" | "number"), 0..3) => json!(rng.pick(&[-1_i64, 0, 7, 1000])),
                (_, 3) => rng.pick_value(&[Value::Null, json!(1.5), json!(true), json!([])]),
                _ => json!(rng.pick(&["one", "UPPER", "", "very long text"])),
            };
            map.insert("default".to_owned(), default);
        }
        6 | 7 => limits(rng, map),
        8 => metadata(rng, map),
        9 => rules(rng, map),
        _ => odd(rng, map),
    }
}

fn set(map: &mut Map<String, Value>, key: &str, value: Value) {
    map.insert(key.to_owned(), value);
}

fn shape(rng: &mut Rng, map: &mut Map<String, Value>) {
    match rng.below(7) {
        0 => set(map, "type", rng.pick(&["", "object", "array", "string", "integer", "null", "any", "boolean"]).into()),
        1 => {
            map.remove("type");
        }
        2 => {
            map.remove("items");
            map.remove("properties");
        }
        3 => set(
            map,
            "additionalProperties",
            rng.pick_value(&[json!(true), json!(false), json!({"type": "string"}), json!({})]),
        ),
        4 => set(map, "items", rng.pick_value(&[json!({"type": "string"}), json!({}), json!([{"type": "string"}])])),
        5 => {
            set(map, "properties", rng.pick_value(&[json!({}), json!({"new": {}}), json!({"new": {"type": "string"}})]))
        }
        _ => set(map, "nullable", rng.chance(80).into()),
    }
}

fn extension(rng: &mut Rng, map: &mut Map<String, Value>) {
    match rng.below(8) {
        0 => set(map, "x-kubernetes-preserve-unknown-fields", rng.chance(70).into()),
        1 => set(map, "x-kubernetes-embedded-resource", true.into()),
        2 => set(map, "x-kubernetes-int-or-string", true.into()),
        3 => set(map, "x-kubernetes-list-type", rng.pick(&["map", "set", "atomic", "other", ""]).into()),
        4 => {
            let keys: &[&[&str]] = &[&["name"], &["alpha"], &["name", "name"], &["nothing"], &["beta", "name"]];
            set(map, "x-kubernetes-list-map-keys", json!(keys[rng.below(keys.len())]));
        }
        5 => set(map, "x-kubernetes-map-type", rng.pick(&["atomic", "granular", "other", ""]).into()),
        6 => {
            set(map, "x-kubernetes-list-type", rng.pick(&["map", "set"]).into());
            set(map, "x-kubernetes-list-map-keys", json!(["alpha"]));
            set(
                map,
                "items",
                json!({"type": "object", "properties": {"alpha": {"type": rng.pick(&["string", "array"])}}}),
            );
        }
        _ => {
            set(map, "x-kubernetes-embedded-resource", true.into());
            set(map, "x-kubernetes-preserve-unknown-fields", true.into());
            set(
                map,
                "properties",
                json!({"kind": {"type": rng.pick(&["string", "integer"])}, "metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}),
            );
        }
    }
}

fn branches(rng: &mut Rng, map: &mut Map<String, Value>) {
    let branch = |rng: &mut Rng| {
        rng.pick_value(&[
            json!({"type": "integer"}),
            json!({"type": "string"}),
            json!({"minLength": 2}),
            json!({"maximum": 10}),
            json!({"required": ["alpha"]}),
            json!({"properties": {"alpha": {"minLength": 1}}}),
            json!({"properties": {"nothing": {"pattern": "^a"}}}),
            json!({"properties": {"metadata": {"required": ["name"]}}}),
            json!({"items": {"maxLength": 3}}),
            json!({"items": {"properties": {"name": {"maxLength": 3}}}}),
            json!({"default": "x"}),
            json!({"description": "words", "title": "t"}),
            json!({"nullable": true}),
            json!({"additionalProperties": {"minLength": 1}}),
            json!({"additionalProperties": false}),
            json!({"x-kubernetes-int-or-string": true}),
            json!({"x-kubernetes-list-type": "set", "x-kubernetes-map-type": "atomic", "x-kubernetes-list-map-keys": ["a"]}),
            json!({"x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-embedded-resource": true}),
            json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
            json!({"not": {"enum": ["x"]}}),
            json!({"pattern": "["}),
            json!({"enum": ["one", 2, null]}),
        ])
    };
    match rng.below(6) {
        0 => set(map, "not", branch(rng)),
        1 => set(map, "anyOf", json!([{"type": "integer"}, {"type": "string"}])),
        2 => set(map, "allOf", json!([{"anyOf": [{"type": "integer"}, {"type": "string"}]}, branch(rng)])),
        n => {
            let key = ["anyOf", "oneOf", "allOf"][n % 3];
            set(map, key, json!([branch(rng), branch(rng)]));
        }
    }
}

fn limits(rng: &mut Rng, map: &mut Map<String, Value>) {
    match rng.below(9) {
        0 => set(
            map,
            "pattern",
            rng.pick(&["^a+$", "[a-", "(", "a)", "*", "a**", "(?=a)", "\\d+", "a{2,1}", "\\", "[[:alpha:]]+"]).into(),
        ),
        1 => set(
            map,
            "format",
            rng.pick(&["date-time", "int32", "int64", "double", "float", "uuid", "unknown", "k8s-short-name", "ipv4"])
                .into(),
        ),
        2 => set(map, "enum", rng.pick_value(&[json!(["one"]), json!([1, "one", null, {"a": 1}]), json!([true])])),
        3 => set(map, "uniqueItems", rng.chance(80).into()),
        4 => set(
            map,
            rng.pick(&["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]),
            json!(rng.pick(&[0_i64, 1, 3, -1])),
        ),
        5 => set(
            map,
            rng.pick(&["minimum", "maximum", "multipleOf"]),
            rng.pick_value(&[json!(0), json!(2), json!(0.5), json!(-3)]),
        ),
        6 => set(map, rng.pick(&["exclusiveMinimum", "exclusiveMaximum"]), true.into()),
        7 => set(map, "required", rng.pick_value(&[json!(["alpha"]), json!(["alpha", "alpha"]), json!(["nothing"])])),
        _ => set(map, rng.pick(&["description", "title"]), "words".into()),
    }
}

fn metadata(rng: &mut Rng, map: &mut Map<String, Value>) {
    let metadata = rng.pick_value(&[
        json!({"type": "object"}),
        json!({"type": "object", "properties": {"name": {"type": "string", "pattern": "^a"}}}),
        json!({"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}),
        json!({"type": "object", "properties": {"labels": {"type": "object"}}}),
        json!({"type": "object", "description": "words"}),
        json!({"type": "string"}),
        json!({"type": "object", "default": {"name": "x"}}),
    ]);
    let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) else { return };
    match rng.below(4) {
        0 => set(properties, "kind", json!({"type": rng.pick(&["string", "integer"])})),
        1 => set(properties, "apiVersion", json!({"type": "string", "default": "v1"})),
        _ => set(properties, "metadata", metadata),
    }
}

/// Rules that make no sense, but to the parser: what that says of a text is its own.
const WRONG: [&str; 24] = [
    "self.nothing == 1",
    "other == 1",
    "1 + 'a' == 2",
    "[1, 'a'] == [2]",
    "foo(1)",
    "self.foo()",
    "'a'",
    "1 == 1.0",
    "true ? 1 : 'a'",
    "'a'.size() == 'b'",
    "int('x') == 1",
    "'a'.matches('(')",
    "duration('a day') > duration('1s')",
    "[oldSelf].size() == 1",
    "has(self.alpha)",
    "self.alpha == 1",
    "self.alpha == 'a' && self.beta > 1",
    "size(self) > 1",
    "self.exists(1, true)",
    "oldSelf.orValue(1) == 1",
    "self > 1",
    "'a' < 1",
    "!self",
    "oldSelf.hasValue()",
];

/// Rules that a server refuses, before it compiles them or then.
fn rules(rng: &mut Rng, map: &mut Map<String, Value>) {
    let mut rule = json!({"rule": "true"});
    match rng.below(14) {
        0 => rule["rule"] = "  ".into(),
        1 => rule["message"] = "  ".into(),
        2 => rule["message"] = "a\nb".into(),
        3 => rule["rule"] = "true &&\ntrue".into(),
        4 => rule["messageExpression"] = " ".into(),
        5 => rule["reason"] = "Because".into(),
        6 => rule["fieldPath"] = rng.pick(&[" ", "alpha", ".nothing", "a\nb", "['x", ".spec["]).into(),
        7 => rule["fieldPath"] = rng.pick(&[".alpha", ".spec.alpha", "['alpha']"]).into(),
        8 => rule["messageExpression"] = rng.pick(&["1", "self.nothing", "'a' + 1", "self"]).into(),
        9 => rule["optionalOldSelf"] = rng.chance(50).into(),
        10..=13 => rule["rule"] = rng.pick(&WRONG).into(),
        _ => {}
    }
    set(map, "x-kubernetes-validations", json!([rule]));
}

/// Keywords of other dialects.
fn odd(rng: &mut Rng, map: &mut Map<String, Value>) {
    match rng.below(9) {
        0 => set(map, "id", "x".into()),
        1 => set(map, "$schema", "http://json-schema.org/schema#".into()),
        2 => set(map, "$ref", "#/definitions/a".into()),
        3 => set(map, "patternProperties", json!({"^a": {"type": "string"}})),
        4 => set(map, "definitions", json!({"a": {"type": "string"}})),
        5 => set(
            map,
            "dependencies",
            rng.pick_value(&[json!({"alpha": ["beta"]}), json!({"alpha": {"type": "object"}})]),
        ),
        6 => set(map, "additionalItems", rng.pick_value(&[json!(true), json!(false), json!({"type": "string"})])),
        7 => set(map, "example", json!({"a": 1})),
        _ => set(map, "externalDocs", json!({"url": "https://example.com", "description": "x"})),
    }
}
