//! Rules in CEL for schemas by chance: such as their values keep or break, and cheap enough for a real server to take.

use serde_json::{Map, Value, json};

use super::super::rng::Rng;

/// What rules say of a value of each kind. `X` is one of an object's fields.
const TEXTS: &[&str] = &[
    "self == oldSelf",
    "self != 'abc'",
    "size(self) < 5",
    "self.startsWith('o') || self == 'xyz'",
    "self in ['one', 'abc', 'hello']",
    "self.matches('^[a-z]+$')",
    "self + '!' != 'xyz!' && self.contains('e')",
    "self.charAt(3) != 'x'",
    "self.upperAscii() != 'ONE' || self.indexOf('n') == 1",
];
const INTEGERS: &[&str] = &[
    "self == oldSelf",
    "self >= oldSelf",
    "self != 4",
    "self % 2 == 0",
    "self < 40.5",
    "self + 1 > 3",
    "10 / self > 2",
    "double(self) > 1.0",
];
const NUMBERS: &[&str] = &["self != 2.0", "self > 1", "self == oldSelf", "int(self) == 2 || self < 1.0", "-self < 0.0"];
const TRUTHS: &[&str] = &["self || !oldSelf", "self", "self == oldSelf", "self ? true : oldSelf"];
const EITHER: &[&str] = &[
    "self == 5 || self == '50%'",
    "type(self) == int",
    "self != oldSelf",
    "self > 3",
    "type(self) == string ? self.endsWith('%') : self > 1",
    "string(self) == '5'",
];
const TIMES: &[&str] = &["self > timestamp('2020-01-02T00:00:00Z')", "self == oldSelf", "self.getFullYear() == 2020"];
const DURATIONS: &[&str] = &["self < duration('10m')", "self == oldSelf", "self.getSeconds() > 60"];
const BYTES: &[&str] = &["size(self) == 2", "self == oldSelf", "string(self) == 'hi'"];
const OBJECTS: &[&str] = &[
    "has(self.X)",
    "self == oldSelf",
    "!has(self.X) || self.X == oldSelf.X",
    "self.X == oldSelf.X",
    "self.?X.hasValue() || !oldSelf.?X.hasValue()",
    "has(self.X) == has(oldSelf.X)",
    "[has(self.X), true].all(x, x)",
];
const LISTS: &[&str] = &[
    "size(self) < 3",
    "self == oldSelf",
    "self.all(x, x != 'abc')",
    "self.exists(x, x == 'one') || size(self) == 0",
    "self[1] != 'xyz'",
    "self.isSorted()",
    "self.filter(x, size(x) > 3).size() < 2",
];
const KEYED: &[&str] = &[
    "size(self) < 3",
    "self == oldSelf",
    "self.exists_one(x, x.name == 'p')",
    "self.map(x, x.name) == ['p', 'q']",
    "oldSelf.all(o, self.exists(x, x.name == o.name))",
];
const MAPS: &[&str] =
    &["self.all(k, k != 'k2')", "'k1' in self", "self == oldSelf", "self['k1'] != 'abc'", "size(self) == 1"];
/// The whole is not compared: it is as it was when its metadata has as many fields as before.
const ROOTS: &[&str] = &[
    "self.metadata.name != 'b'",
    "has(self.spec)",
    "self.kind.startsWith('Thing')",
    "has(self.spec) || !has(oldSelf.spec)",
];

/// Puts rules into a schema and its parts.
pub(super) fn root(rng: &mut Rng, schema: &mut Value) {
    part(rng, &mut schema["properties"]["spec"], 0);
    if rng.chance(25) {
        add(rng, schema, ROOTS);
    }
    if rng.chance(25) {
        add(
            rng,
            &mut schema["properties"]["status"],
            &["has(self.phase)", "self == oldSelf", "self.?phase.orValue('abc') != 'xyz'"],
        );
    }
}

fn part(rng: &mut Rng, schema: &mut Value, depth: usize) {
    if let Some(properties) = schema["properties"].as_object_mut() {
        for property in properties.values_mut() {
            part(rng, property, depth + 1);
        }
    }
    // A default must keep the rules about it.
    if !rng.chance(if depth == 0 { 50 } else { 30 }) || !schema["default"].is_null() {
        return;
    }
    let keyed = schema["x-kubernetes-list-type"] == "map";
    if schema["type"] == "array" {
        bound(schema, "maxItems", 4);
        if keyed {
            let fields = fields(&schema["items"]);
            if rng.chance(30) && !fields.is_empty() {
                add(rng, &mut schema["items"], &["self == oldSelf", "has(self.X)", "!has(self.X) || has(oldSelf.X)"]);
            }
        } else {
            bound(&mut schema["items"], "maxLength", 64);
        }
    }
    if schema["additionalProperties"].is_object() {
        bound(schema, "maxProperties", 4);
    }
    let table = match (schema["type"].as_str(), schema["format"].as_str()) {
        _ if schema["x-kubernetes-int-or-string"] == true => EITHER,
        (Some("string"), Some("date" | "date-time")) => TIMES,
        (Some("string"), Some("duration")) => DURATIONS,
        (Some("string"), Some("byte")) => BYTES,
        (Some("string"), _) => TEXTS,
        (Some("integer"), _) => INTEGERS,
        (Some("number"), _) => NUMBERS,
        (Some("boolean"), _) => TRUTHS,
        (Some("array"), _) if keyed => KEYED,
        (Some("array"), _) if schema["items"]["format"].is_string() => &LISTS[..2],
        (Some("array"), _) => LISTS,
        (Some("object"), _) if schema["additionalProperties"]["format"].is_string() => &MAPS[..3],
        (Some("object"), _) if schema["additionalProperties"].is_object() => MAPS,
        (Some("object"), _) if !fields(schema).is_empty() => OBJECTS,
        _ => return,
    };
    add(rng, schema, table);
}

/// A bound without which a real server counts with as much as a request may hold.
fn bound(schema: &mut Value, key: &str, most: u64) {
    if let Some(map) = schema.as_object_mut() {
        map.entry(key).or_insert_with(|| most.into());
    }
}

/// The fields of an object that rules can see.
fn fields(schema: &Value) -> Vec<String> {
    schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

fn add(rng: &mut Rng, schema: &mut Value, table: &[&str]) {
    let fields = fields(schema);
    let mut rules = Vec::new();
    for _ in 0..1 + rng.below(2) {
        let field = if fields.is_empty() { "alpha" } else { &fields[rng.below(fields.len())] };
        let mut rule = Map::new();
        rule.insert("rule".to_owned(), rng.pick(table).replace('X', field).into());
        if rng.chance(50) {
            rule.insert("message".to_owned(), rng.pick(&["no", " as it was ", "must be kept"]).into());
        }
        if rng.chance(20) {
            rule.insert(
                "messageExpression".to_owned(),
                rng.pick(&["'made ' + 'up'", "' '", "true ? 'yes' : 'no'", "'a\\nb'"]).into(),
            );
        }
        if rng.chance(30) {
            let reasons = ["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"];
            rule.insert("reason".to_owned(), rng.pick(&reasons).into());
        }
        if rng.chance(20) && !fields.is_empty() {
            rule.insert("fieldPath".to_owned(), format!(".{field}").into());
        }
        let compares = rule["rule"].as_str().is_some_and(|text| text.contains("oldSelf"));
        if compares && table != ROOTS && rng.chance(20) {
            let whole = matches!(schema["type"].as_str(), Some("object" | "array"));
            let text = if whole { "!oldSelf.hasValue()" } else { "oldSelf.orValue(self) == self" };
            rule.insert("rule".to_owned(), text.into());
            rule.insert("optionalOldSelf".to_owned(), true.into());
        }
        rules.push(Value::Object(rule));
    }
    schema["x-kubernetes-validations"] = json!(rules);
}

/// Takes all rules away.
pub(super) fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("x-kubernetes-validations");
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}
