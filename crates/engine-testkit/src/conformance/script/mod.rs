//! Cases as data: requests, and the whole answers that the real server gave to them.
//!
//! A script file holds cases by name, each a list of steps:
//!
//! ```yaml
//! a_name_is_made_of_the_prefix:
//! - send: POST v1/configmaps
//!   body: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}
//!   code: 201
//!   answer: {apiVersion: v1, kind: ConfigMap, metadata: {…, name: $name1, resourceVersion: $rv1, uid: $uid1}}
//! ```
//!
//! What a server chooses (uids, versions, times, addresses, ports, generated names) has a token, numbered in the order in
//! which the values first came, so that `$rv1` in two answers says that the second write changed nothing. Tokens may stand
//! in later requests. See [`Tokens`].

mod tokens;

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use self::tokens::Tokens;
use super::{Failure, Lab, Outcome, Patch, Reply};

/// How long a step that says `until` is repeated, and how often.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Where the owners of fields are.
const ENTRIES: &str = "/metadata/managedFields";

/// One request, and what must come back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// `VERB PATH`. A path without a leading slash is an API version and what follows the case's namespace.
    send: String,
    /// What kind of patch the body is.
    #[serde(default, rename = "as")]
    kind: Option<Kind>,
    #[serde(default)]
    body: Option<Value>,
    code: u16,
    /// The whole body of the answer.
    #[serde(default)]
    answer: Option<Value>,
    /// Parts of the body by JSON pointer; `null` says that nothing is there. Only a step that compares gives tokens to
    /// what came: an empty map does just that.
    #[serde(default)]
    has: Option<BTreeMap<String, Value>>,
    /// The texts of the answer's warnings, compared wherever the body is.
    #[serde(default)]
    warnings: Vec<String>,
    /// Compares `metadata.managedFields` too, which is left out otherwise.
    #[serde(default)]
    managed: bool,
    /// Repeats the request until the answer is as expected: for what a server does a moment later.
    #[serde(default)]
    until: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl Kind {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => Patch::Json,
            Self::Merge => Patch::Merge,
            Self::Strategic => Patch::Strategic,
            Self::Apply => Patch::Apply,
        }
        .media_type()
    }
}

/// A file of scripts, read when its first case runs.
#[derive(Debug)]
pub(super) struct Scripts {
    text: &'static str,
    parsed: OnceLock<Result<BTreeMap<String, Vec<Step>>, String>>,
}

impl Scripts {
    pub(super) const fn of(text: &'static str) -> Self {
        Self { text, parsed: OnceLock::new() }
    }

    fn parsed(&self) -> Result<&BTreeMap<String, Vec<Step>>, Failure> {
        let parsed = self.parsed.get_or_init(|| serde_saphyr::from_str(self.text).map_err(|e| e.to_string()));
        parsed.as_ref().map_err(|e| Failure::new(format!("a file of scripts that can be read: {e}")))
    }

    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<&str> {
        self.parsed().map(|scripts| scripts.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// Plays the script of a case.
    pub(super) async fn play(&self, lab: &Lab, name: &str) -> Outcome {
        let steps = self.parsed()?.get(name).ok_or_else(|| Failure::new(format!("a script named {name}")))?;
        let mut tokens = Tokens::new(lab.namespace());
        for step in steps {
            step.play(lab, &mut tokens).await?;
        }
        Ok(())
    }
}

impl Step {
    async fn play(&self, lab: &Lab, tokens: &mut Tokens) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.send(lab, tokens).await?;
            let mut known = tokens.clone();
            let outcome = self.compare(&reply, &mut known);
            if outcome.is_ok() || !self.until || Instant::now() >= deadline {
                *tokens = known;
                return outcome;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn send(&self, lab: &Lab, tokens: &Tokens) -> Result<Reply, Failure> {
        let (method, path) = self.send.split_once(' ').ok_or_else(|| Failure::new("a verb and a path"))?;
        let path = tokens.revealed_text(path);
        let path = match path.strip_prefix('/') {
            Some(_) => path,
            None => {
                // A core version is one word, any other has its group before it.
                let words = if path.starts_with("v1/") { 1 } else { 2 };
                let at = path.match_indices('/').nth(words - 1).map_or(path.len(), |(at, _)| at);
                lab.path(&path[..at], path[at..].trim_start_matches('/'))
            }
        };
        let mut request = lab.request(method, &path);
        if let Some(body) = &self.body {
            let media_type = self.kind.map_or("application/json", Kind::media_type);
            request = request.body(media_type, tokens.revealed(body).to_string());
        }
        request.send().await
    }

    fn compare(&self, reply: &Reply, tokens: &mut Tokens) -> Outcome {
        if self.answer.is_some() || self.has.is_some() {
            tokens.learn(reply.value());
        }
        if reply.status() != self.code {
            return Err(reply.failure(format!("status {}", self.code)));
        }
        let mut came = tokens.hidden(reply.value());
        plain(&mut came, self.managed);
        if let Some(entries) = came.pointer_mut(ENTRIES) {
            sort(entries);
        }
        if let Some(answer) = &self.answer {
            let mut answer = answer.clone();
            if let Some(entries) = answer.pointer_mut(ENTRIES) {
                sort(entries);
            }
            if answer != came {
                return Err(reply.failure(differing(&answer, &came)));
            }
        }
        for (pointer, value) in self.has.iter().flatten() {
            let found = came.pointer(pointer).unwrap_or(&Value::Null);
            let mut value = value.clone();
            if pointer == ENTRIES {
                sort(&mut value);
            }
            reply.ensure(*found == value, format!("{value} at {pointer}, not {found}"))?;
        }
        if self.answer.is_some() || self.has.is_some() {
            let warnings: Vec<String> = reply.headers("warning").iter().map(|w| tokens.hidden_text(w)).collect();
            let expected: Vec<String> = self.warnings.iter().map(|w| format!("299 - {}", Value::from(&**w))).collect();
            reply.ensure(warnings == expected, format!("the warnings {expected:?}, not {warnings:?}"))?;
        }
        Ok(())
    }
}

/// Puts managed fields into an order that does not depend on whether a second passed between two writes.
fn sort(entries: &mut Value) {
    let key = |entry: &Value| -> [String; 4] {
        ["manager", "operation", "subresource", "apiVersion"].map(|k| entry[k].as_str().unwrap_or_default().to_owned())
    };
    if let Value::Array(entries) = entries {
        entries.sort_by_key(key);
    }
}

/// Drops what every failure says, and the managed fields unless they are asked for.
fn plain(value: &mut Value, managed: bool) {
    let Value::Object(map) = value else { return };
    if map.get("kind").is_some_and(|k| k == "Status") && map.get("status").is_some_and(|s| s == "Failure") {
        for (key, constant) in [("apiVersion", Value::from("v1")), ("metadata", Value::Object(serde_json::Map::new()))]
        {
            if map.get(key) == Some(&constant) {
                map.remove(key);
            }
        }
        map.remove("kind");
        map.remove("status");
    }
    if !managed && let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        metadata.remove("managedFields");
    }
}

/// Where two values differ first, in words.
fn differing(expected: &Value, came: &Value) -> String {
    let mut found = Vec::new();
    differences(expected, came, String::new(), &mut found);
    format!("the recorded answer: {}", found.join("; "))
}

fn differences(expected: &Value, came: &Value, at: String, found: &mut Vec<String>) {
    match (expected, came) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let below = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => differences(a, b, below, found),
                    (Some(a), None) => found.push(format!("{below} is missing, {a}")),
                    (None, Some(b)) => found.push(format!("{below} should not be there, {b}")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, format!("{at}/{i}"), found);
            }
        }
        (a, b) if a != b => found.push(format!("{at} is {b}, not {a}")),
        _ => {}
    }
}
