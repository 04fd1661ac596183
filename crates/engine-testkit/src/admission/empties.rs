//! Maps and lists that were sent, but empty. They are nothing once they are stored, and yet an error about one of them
//! shows what was sent.

use gitops_engine_schema::{ListKind, Type};
use serde_json::Value;

use super::quantity;
use crate::{resources::Resource, status::Cause};

/// Where they are, and what each is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Empties(Vec<(String, &'static str)>);

impl Empties {
    /// All below an object, as it was decoded.
    pub(crate) fn of(object: &Value) -> Self {
        let mut found = Vec::new();
        walk(object, &mut Vec::new(), &mut found);
        Self(found)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one was sent at this place.
    pub(super) fn has(&self, at: &str) -> bool {
        self.0.iter().any(|(place, _)| place == at)
    }

    /// Lets causes show them.
    pub(super) fn show(&self, causes: &mut [Cause]) {
        const NOTHING: [&str; 2] = ["Invalid value: null", "Unsupported value: null"];
        if self.0.is_empty() {
            return;
        }
        for cause in causes {
            let Some(rest) = NOTHING.iter().find_map(|nothing| cause.message.strip_prefix(nothing)) else { continue };
            let kind = cause.message.split(':').next().unwrap_or_default();
            // An Ingress without any rule is refused as a whole, and yet its rules are shown.
            let shown = if rest.ends_with("`rules` must be specified") { "spec.rules" } else { &cause.field };
            if let Some((_, empty)) = self.0.iter().find(|(at, _)| *at == shown) {
                cause.message = format!("{kind}: {empty}{rest}");
            }
        }
    }
}

enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

fn walk<'a>(value: &'a Value, at: &mut Vec<Step<'a>>, found: &mut Vec<(String, &'static str)>) {
    match value {
        Value::Object(map) if map.is_empty() => found.push((path(at), "{}")),
        Value::Array(list) if list.is_empty() => found.push((path(at), "[]")),
        Value::Object(map) => {
            for (key, value) in map {
                at.push(Step::Field(key));
                walk(value, at, found);
                at.pop();
            }
        }
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                at.push(Step::Item(i));
                walk(value, at, found);
                at.pop();
            }
        }
        _ => {}
    }
}

fn path(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Field(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Item(i) => path.push_str(&format!("[{i}]")),
        }
    }
    path
}

/// Puts back into an object that is about to be compared what its client sent empty, or an amount in another form, inside
/// lists that are one value: such lists are compared as they are held in memory, where an empty list or map is not the
/// same as none, and `1000m` not the same as `1`.
pub(crate) fn put_empties_back(resource: &Resource, api_version: &str, sent: &Value, object: &mut Value) {
    if let Some(schema) = gitops_engine_schema::Versions::schema(resource, api_version) {
        put_back(sent, object, &schema, Within::Fields);
    }
    if resource.is("", "limitranges") {
        // Defaults make these, if only to leave them empty.
        let limits = crate::json::map_mut(object, &["spec"]).and_then(|spec| spec.get_mut("limits")?.as_array_mut());
        for limit in limits.into_iter().flatten().filter(|limit| limit["type"] == "Container") {
            for field in ["default", "defaultRequest"] {
                if limit.get(field).is_some_and(crate::json::is_empty) {
                    crate::json::remove(limit, &[field]);
                }
            }
        }
    }
}

/// Whether objects of this kind have amounts inside lists that are one value.
pub(crate) fn has_amounts_in_lists(resource: &Resource) -> bool {
    matches!(&*resource.gr.resource, "limitranges" | "horizontalpodautoscalers" | "statefulsets")
}

/// What surrounds a value, as far as comparing it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Fields that are compared one by one.
    Fields,
    /// An object that is one value. Its own fields are still told apart, and none is the same as empty.
    Whole,
    /// A list that is one value, however deep.
    List,
}

fn put_back(sent: &Value, object: &mut Value, of: &Type, within: Within) {
    match (sent, object) {
        (Value::Object(sent), Value::Object(object)) => {
            let Some(map) = of.map() else { return };
            let within = if within == Within::Fields && map.is_atomic() { Within::Whole } else { within };
            for (key, sent) in sent {
                let Some(of) = map.value(key) else { continue };
                if let Some(value) = object.get_mut(key) {
                    put_back(sent, value, of, within);
                } else if within == Within::List && is_empty(sent, of) {
                    object.insert(key.clone(), sent.clone());
                }
            }
        }
        (Value::Array(sent), Value::Array(object)) if sent.len() == object.len() => {
            let Some(list) = of.list() else { return };
            let whole = within != Within::Fields || list.kind() == ListKind::Atomic;
            let within = if whole { Within::List } else { Within::Fields };
            for (sent, value) in sent.iter().zip(object) {
                put_back(sent, value, list.items(), within);
            }
        }
        (Value::String(text), value) if within == Within::List => put_amount_back(text, value),
        (Value::Number(n), value) if within == Within::List => put_amount_back(&n.to_string(), value),
        _ => {}
    }
}

fn put_amount_back(sent: &str, value: &mut Value) {
    let is_amount = value.as_str().is_some_and(|v| v != sent && quantity::parse(sent).is_ok_and(|sent| sent == v));
    if is_amount {
        *value = sent.into();
    }
}

/// Whether this is a list or map, and empty. Of objects with fields of their own there is no such thing.
fn is_empty(sent: &Value, of: &Type) -> bool {
    match sent {
        Value::Array(list) => list.is_empty() && of.list().is_some(),
        Value::Object(map) => map.is_empty() && of.map().is_some() && !of.is_struct(),
        _ => false,
    }
}

/// Puts back what was sent empty where the object, as it is, shows nothing: an object that is not read back from the store.
pub(crate) fn unread(sent: &Value, object: &mut Value) {
    match (sent, object) {
        (Value::Object(sent), Value::Object(object)) => {
            for (key, sent) in sent {
                match object.get_mut(key) {
                    Some(value) if value.is_null() && crate::json::is_empty(sent) => *value = sent.clone(),
                    Some(value) => unread(sent, value),
                    None => {}
                }
            }
        }
        (Value::Array(sent), Value::Array(object)) if sent.len() == object.len() => {
            for (sent, value) in sent.iter().zip(object) {
                unread(sent, value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_sent_empty_is_shown() {
        let empties = Empties::of(&json!({"spec": {"labels": {}, "rules": [{"values": []}]}}));
        let mut causes = [
            Cause::invalid("spec.labels", &Value::Null, "no match"),
            Cause::invalid("spec.rules[0].values", &Value::Null, "too few"),
            Cause::invalid("spec.other", &Value::Null, "no match"),
        ];
        empties.show(&mut causes);
        let shown = causes.map(|c| c.message);
        assert_eq!(
            shown,
            ["Invalid value: {}: no match", "Invalid value: []: too few", "Invalid value: null: no match"]
        );
    }
}
