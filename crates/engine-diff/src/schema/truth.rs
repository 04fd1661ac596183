//! That the table is what Kubernetes says: compared with the types that a real API server published.
//!
//! The comparison reads the table and not these types themselves, on purpose. It asks for the structure of every field of
//! every object that is compared, so a lookup must cost a walk over a few names in constant memory: no map of definitions to
//! decompress, parse and compile first, and no reference to follow. The table also says what OpenAPI does not: which maps
//! hold texts of their author's, and which quantities differ in writing only. This test is what makes it one truth.

use std::fmt::Write as _;

use gitops_engine_core::GroupKind;
use gitops_engine_schema::{Format, ListKind, Schema, Type, shipped};
use serde_json::Value;

use super::{ListType, Shape};

/// What the table leaves out knowingly.
fn is_left_out(kind: &str, path: &str) -> bool {
    // The server fills in fields at several depths of them: left plain, so that these are not taken for changes.
    let filled =
        kind.contains("AdmissionPolic") && (path.ends_with(".matchConstraints") || path.ends_with(".matchResources"));
    // The copy of a volume, which the attacher writes: nobody declares it.
    filled || (kind == "VolumeAttachment" && path.ends_with(".inlineVolumeSpec"))
}

struct Walk<'a> {
    kind: &'a str,
    path: String,
    names: Vec<&'static str>,
    lists: usize,
    wrong: String,
}

impl Walk<'_> {
    fn value(&mut self, of: &Type, shape: Shape) {
        // A type within itself, as a schema in a schema is.
        if of.name().is_some_and(|name| self.names.contains(&name)) {
            return;
        }
        let named = of.name().inspect(|name| self.names.push(name)).is_some();
        if is_left_out(self.kind, &self.path) {
            // Nothing below, either.
        } else if of.format() == Some(Format::Quantity) {
            if !shape.is_quantity() {
                self.fail("is a quantity", &"not one");
            }
        } else if let Some(list) = of.list().filter(|_| of.scalar().is_none()) {
            self.lists += 1;
            let ours = shape.list_type();
            let keys: Vec<(&str, Option<&str>)> = list
                .keys()
                .iter()
                .map(|key| {
                    // An empty text or zero is no default that a valid object could have.
                    let default = list.key_default(key).and_then(Value::as_str).filter(|text| !text.is_empty());
                    (key.as_str(), default)
                })
                .collect();
            let same = match (list.kind(), ours) {
                (ListKind::Atomic, ListType::Atomic) | (ListKind::Set, ListType::Set) => true,
                (ListKind::Map, ListType::Map(own)) => {
                    own.len() == keys.len() && own.iter().zip(&keys).all(|(a, b)| (a.name, a.default) == *b)
                }
                _ => false,
            };
            if !same {
                self.fail(&format!("is {:?} {keys:?}", list.kind()), &ours);
            } else if list.kind() != ListKind::Atomic {
                self.below("[]", list.items(), shape.items());
            }
        } else if let Some(map) = of.map().filter(|_| of.scalar().is_none()) {
            if map.is_atomic() != shape.is_whole() {
                self.fail(&format!("atomic: {}", map.is_atomic()), &shape.is_whole());
            } else if !map.is_atomic() {
                for (name, field) in map.fields() {
                    self.below(&format!(".{name}"), field.value(), shape.field(name));
                }
                if let Some(rest) = map.rest() {
                    self.below("{}", rest, shape.items());
                }
            }
        }
        if named {
            self.names.pop();
        }
    }

    fn below(&mut self, element: &str, of: &Type, shape: Shape) {
        let length = self.path.len();
        self.path.push_str(element);
        self.value(of, shape);
        self.path.truncate(length);
    }

    fn fail(&mut self, truth: &str, table: &dyn std::fmt::Debug) {
        let _ = writeln!(self.wrong, "{} {}: {truth}, in the table {table:?}", self.kind, self.path);
    }
}

#[test]
fn the_table_says_what_kubernetes_says() {
    let (mut lists, mut wrong) = (0, String::new());
    for (group, version, kind, definition) in shipped::kinds() {
        let Some(schema) = Schema::definition(definition) else { continue };
        // Of a kind with two versions the newer one: that is the one in which desired state is written.
        let is_object = schema.field("metadata").is_some_and(|m| m.value().field("managedFields").is_some());
        if !is_object || (group, version) == ("autoscaling", "v1") {
            continue;
        }
        let shape = Shape::of(&GroupKind::new(group, kind));
        let mut walk = Walk { kind, path: String::new(), names: Vec::new(), lists: 0, wrong: String::new() };
        for name in ["metadata", "spec", "data", "binaryData", "rules", "subjects", "roleRef", "template", "webhooks"] {
            if let Some(field) = schema.field(name) {
                walk.below(&format!(".{name}"), field.value(), shape.field(name));
            }
        }
        lists += walk.lists;
        wrong.push_str(&walk.wrong);
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(lists > 500, "only {lists} lists were compared");
}
