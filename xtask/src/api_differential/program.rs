//! A program: requests that refer to what earlier ones answered, so that each server is told of its own uids, versions
//! and generated names.

use std::collections::HashMap;

use serde_json::{Map, Value};

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) area: &'static str,
    pub(crate) operations: Vec<Operation>,
    /// The collections that are compared at the end.
    pub(crate) collections: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    /// Sent as it is: for what is not JSON, or not quite.
    Text(String),
    /// The object as it was last seen at a path, edited.
    Seen {
        path: String,
        edits: Vec<Edit>,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Set(Vec<String>, Value),
    Remove(Vec<String>),
}

/// A request as one of the servers gets it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) uri: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// What one server has answered so far, as far as requests refer to it.
#[derive(Default)]
pub(crate) struct Memory {
    namespace: String,
    objects: HashMap<String, Vec<Value>>,
    generated: HashMap<String, String>,
}

impl Memory {
    pub(crate) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..Self::default() }
    }

    /// Fills in the marks of a text: `{{ns}}`, `{{uid:PATH}}`, `{{rv:PATH}}`, `{{old-rv:PATH}}`, `{{generated:PATH}}`.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut text = text.replace("{{ns}}", &self.namespace);
        while let Some(start) = text.find("{{") {
            let Some(end) = text[start..].find("}}").map(|n| start + n) else { break };
            let mark = &text[start + 2..end];
            let (what, path) = mark.split_once(':').unwrap_or((mark, ""));
            let seen = self.objects.get(path);
            let field = |object: Option<&Value>, name: &str| {
                object.and_then(|o| o["metadata"][name].as_str()).unwrap_or("1").to_owned()
            };
            let value = match what {
                "uid" => field(seen.and_then(|s| s.last()), "uid"),
                "rv" => field(seen.and_then(|s| s.last()), "resourceVersion"),
                "old-rv" => field(seen.and_then(|s| s.first()), "resourceVersion"),
                "generated" => self.generated.get(path).cloned().unwrap_or_else(|| "nothing".to_owned()),
                _ => String::new(),
            };
            text.replace_range(start..end + 2, &value);
        }
        text
    }

    fn fill_value(&self, value: &mut Value) {
        match value {
            Value::String(text) if text.contains("{{") => *text = self.fill(text),
            Value::Array(list) => list.iter_mut().for_each(|v| self.fill_value(v)),
            Value::Object(map) => map.values_mut().for_each(|v| self.fill_value(v)),
            _ => {}
        }
    }

    pub(crate) fn resolve(&self, operation: &Operation) -> Request {
        let mut uri = self.fill(&operation.path);
        for (i, (key, value)) in operation.query.iter().enumerate() {
            uri.push(if i == 0 { '?' } else { '&' });
            uri.push_str(key);
            uri.push('=');
            uri.extend(self.fill(value).bytes().map(escape));
        }
        let body = match &operation.body {
            Body::Empty => String::new(),
            Body::Text(text) => self.fill(text),
            Body::Json(value) => {
                let mut value = value.clone();
                self.fill_value(&mut value);
                value.to_string()
            }
            Body::Seen { path, edits } => {
                let seen = self.objects.get(&self.fill(path)).and_then(|s| s.last());
                let mut value = seen.cloned().unwrap_or_else(|| Value::Object(Map::new()));
                for edit in edits {
                    edit.apply(&mut value);
                }
                self.fill_value(&mut value);
                value.to_string()
            }
        };
        Request { method: operation.method, uri, content_type: operation.content_type, body }
    }

    /// Keeps what later requests may refer to.
    pub(crate) fn keep(&mut self, operation: &Operation, answer: &Value) {
        if operation.query.iter().any(|(key, _)| *key == "dryRun") || answer["metadata"]["uid"].as_str().is_none() {
            return;
        }
        let Some(name) = answer["metadata"]["name"].as_str() else { return };
        let mut path = self.fill(&operation.path);
        if operation.method == "POST" {
            if answer["metadata"]["generateName"].is_string() {
                self.generated.insert(path.clone(), name.to_owned());
            }
            path = format!("{path}/{name}");
        } else if path.ends_with("/scale") {
            return;
        } else if let Some(parent) = path.strip_suffix("/status") {
            path = parent.to_owned();
        }
        self.objects.entry(path).or_default().push(answer.clone());
    }
}

fn escape(byte: u8) -> char {
    // What the generator writes needs no more than this; everything else may stand in a query.
    match byte {
        b' ' => '+',
        other => char::from(other),
    }
}

impl Edit {
    pub(crate) fn apply(&self, value: &mut Value) {
        match self {
            Self::Set(path, new) => {
                if let Some(at) = path.iter().try_fold(value, |v, key| step(v, key)) {
                    *at = new.clone();
                }
            }
            Self::Remove(path) => {
                let Some((last, parents)) = path.split_last() else { return };
                let at = parents.iter().try_fold(value, |v, key| match v {
                    Value::Object(map) => map.get_mut(key),
                    Value::Array(list) => list.get_mut(key.parse::<usize>().ok()?),
                    _ => None,
                });
                match at {
                    Some(Value::Object(map)) => {
                        map.remove(last);
                    }
                    Some(Value::Array(list)) => {
                        if let Some(i) = last.parse::<usize>().ok().filter(|i| *i < list.len()) {
                            list.remove(i);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// One step down, making maps where nothing is.
fn step<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => Some(map.entry(key).or_insert(Value::Null)),
        Value::Array(list) => list.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    }
}
