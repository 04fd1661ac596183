//! A program: requests that refer to what earlier ones answered, so that each server is told of its own uids, versions
//! and generated names.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) area: &'static str,
    pub(crate) steps: Vec<Step>,
    /// The collections that are compared at the end.
    pub(crate) collections: Vec<String>,
}

/// What a program does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A request; its answers are compared.
    Ask(Operation),
    /// A get or a list with options and a form; its answers are compared.
    Read(Read),
    /// A list, page after page until there is none left; each is compared.
    Pages(Read),
    /// Opens a watch. What it tells up to its end is compared when the program is over.
    Watch(Watch),
    /// Nothing is compared: goes on when both servers have got somewhere.
    Wait(Wait),
}

impl From<Operation> for Step {
    fn from(operation: Operation) -> Self {
        Self::Ask(operation)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    /// The form that is asked for.
    pub(crate) accept: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) read: Read,
    /// Whether to have the server's cache caught up with everything before it opens: some watches begin with whatever the
    /// cache has, which may be less than what has been written.
    pub(crate) caught_up: Option<Read>,
    /// What is written at the end, the first that is accepted: an object with the mark, which the watch selects.
    pub(crate) end: Vec<Operation>,
    /// A text that is in the last event and in none before.
    pub(crate) mark: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Wait {
    pub(crate) operation: Operation,
    pub(crate) until: Until,
}

/// What both servers are to say.
#[derive(Clone, Debug)]
pub(crate) enum Until {
    /// This code.
    Code(u16),
    /// That as much is left on one as on the other.
    AsMuchLeft,
    /// That the request is refused with this text.
    Refused(String),
    /// A definition whose names are those that were accepted.
    Accepted,
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
    pub(crate) accept: &'static str,
    pub(crate) body: String,
}

pub(crate) const JSON: &str = "application/json";

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.uri)?;
        for (what, form) in [("", self.content_type), ("as ", self.accept)] {
            if !matches!(form, "" | JSON) {
                write!(f, " ({what}{form})")?;
            }
        }
        write!(f, " {}", self.body)
    }
}

/// What one server has answered so far, as far as requests refer to it.
#[derive(Default)]
pub(crate) struct Memory {
    namespace: String,
    objects: HashMap<String, Vec<Value>>,
    generated: HashMap<String, String>,
    /// The metadata of the last list, by path.
    lists: HashMap<String, Value>,
}

impl Memory {
    pub(crate) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..Self::default() }
    }

    /// Fills in the marks of a text: `{{ns}}`, `{{uid:PATH}}`, `{{rv:PATH}}`, `{{old-rv:PATH}}`, `{{generated:PATH}}`,
    /// `{{list-rv:PATH}}` and `{{continue:PATH}}` of the last list there, and `{{at:PATH}}`, a version that is in the program's
    /// time, whether the object was there or not.
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
                "at" => field(seen.and_then(|s| s.last()).or_else(|| self.beginning()), "resourceVersion"),
                "list-rv" => match self.of_list(path, "resourceVersion") {
                    Some(version) => version,
                    None => field(self.beginning(), "resourceVersion"),
                },
                "continue" => self.of_list(path, "continue").unwrap_or_default(),
                "generated" => self.generated.get(path).cloned().unwrap_or_else(|| "nothing".to_owned()),
                _ => String::new(),
            };
            text.replace_range(start..end + 2, &value);
        }
        text
    }

    /// The namespace of the program, as it was made.
    fn beginning(&self) -> Option<&Value> {
        self.objects.get(&format!("/api/v1/namespaces/{}", self.namespace))?.first()
    }

    fn of_list(&self, path: &str, field: &str) -> Option<String> {
        self.lists.get(path)?[field].as_str().map(str::to_owned)
    }

    /// The token of the next page, when the last list at a path had one.
    pub(crate) fn next_page(&self, path: &str) -> Option<String> {
        self.of_list(&self.fill(path), "continue").filter(|token| !token.is_empty())
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
        let uri = self.uri(&operation.path, &operation.query);
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
        Request { method: operation.method, uri, content_type: operation.content_type, accept: JSON, body }
    }

    pub(crate) fn resolve_read(&self, read: &Read) -> Request {
        let uri = self.uri(&read.path, &read.query);
        Request { method: "GET", uri, content_type: "", accept: read.accept, body: String::new() }
    }

    fn uri(&self, path: &str, query: &[(&'static str, String)]) -> String {
        let mut uri = self.fill(path);
        for (i, (key, value)) in query.iter().enumerate() {
            uri.push(if i == 0 && !uri.contains('?') { '?' } else { '&' });
            uri.push_str(key);
            uri.push('=');
            self.fill(value).bytes().for_each(|byte| escape(byte, &mut uri));
        }
        uri
    }

    /// Keeps what later reads may refer to.
    pub(crate) fn keep_list(&mut self, path: &str, answer: &Value) {
        if answer["items"].is_array() || answer["rows"].is_array() {
            self.lists.insert(self.fill(path), answer["metadata"].clone());
        }
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
        } else if let Some(parent) =
            ["/status", "/ephemeralcontainers", "/resize"].iter().find_map(|subresource| path.strip_suffix(subresource))
        {
            path = parent.to_owned();
        }
        self.objects.entry(path).or_default().push(answer.clone());
    }
}

/// Everything that may not stand in a query, or means something there.
fn escape(byte: u8, out: &mut String) {
    match byte {
        b' ' => out.push('+'),
        b'%' | b'&' | b'+' | b'#' | b'"' | b'<' | b'>' | b'\\' | b'`' | b'{' | b'}' | b'|' | b'^' | 0..=31 | 127.. => {
            let _infallible = write!(out, "%{byte:02X}");
        }
        other => out.push(char::from(other)),
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
