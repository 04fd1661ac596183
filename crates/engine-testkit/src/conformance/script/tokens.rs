//! What a server chooses, hidden behind tokens.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Which token stands for which value of this run.
///
/// | token | what it hides |
/// |---|---|
/// | `$ns` | the namespace of the case, wherever it stands |
/// | `$uid1` | a `uid` |
/// | `$rv1` | a `resourceVersion` |
/// | `$name1` | a name that was generated |
/// | `$ip1`, `$port1` | an address or a port of a Service |
/// | `$time` | a time, always the same token |
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    /// Real values and their tokens, in the order in which they came.
    known: Vec<(String, String)>,
    counts: HashMap<&'static str, usize>,
}

/// What stands before the five characters that name the volume with a Pod's API token.
const TOKEN_VOLUME: &str = "kube-api-access-";

impl Tokens {
    pub(super) fn new(namespace: &str) -> Self {
        Self { known: vec![(namespace.to_owned(), "$ns".to_owned())], counts: HashMap::new() }
    }

    fn add(&mut self, kind: &'static str, value: &str) {
        if !self.known.iter().any(|(known, token)| known == value && token.starts_with(kind)) {
            let count = self.counts.entry(kind).or_default();
            *count += 1;
            self.known.push((value.to_owned(), format!("{kind}{count}")));
        }
    }

    /// Gives a token to everything in an answer that needs one.
    pub(super) fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                if let (Some(Value::String(prefix)), Some(Value::String(name))) =
                    (map.get("generateName"), map.get("name"))
                    && is_generated(prefix, name)
                {
                    self.add("$name", name);
                }
                for (key, value) in map {
                    match value {
                        Value::String(s) if key == "uid" && s.len() == 36 => self.add("$uid", s),
                        Value::String(s) if key == "resourceVersion" && is_version(s) => self.add("$rv", s),
                        Value::String(s) if key == "clusterIP" && is_address(s) => self.add("$ip", s),
                        Value::Number(n) if is_port(key) && n.as_u64() != Some(0) => self.add("$port", &n.to_string()),
                        _ => self.learn(value),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|v| self.learn(v)),
            _ => {}
        }
    }

    /// The value with tokens in the place of what the server chose.
    pub(super) fn hidden(&self, value: &Value) -> Value {
        self.hide("", value)
    }

    fn hide(&self, key: &str, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                Value::Object(map.iter().map(|(k, v)| (self.hidden_text(k), self.hide(k, v))).collect::<Map<_, _>>())
            }
            Value::Array(list) => Value::Array(list.iter().map(|v| self.hide(key, v)).collect()),
            Value::String(s) if is_time(s) => "$time".into(),
            Value::String(s) if key == "resourceVersion" => self.token_of("$rv", s).unwrap_or(s).into(),
            Value::String(s) if key == "message" => self.hidden_message(s).into(),
            Value::String(s) => self.hidden_text(s).into(),
            Value::Number(n) if is_port(key) => {
                self.token_of("$port", &n.to_string()).map_or_else(|| value.clone(), Value::from)
            }
            other => other.clone(),
        }
    }

    fn token_of(&self, kind: &str, value: &str) -> Option<&str> {
        self.known.iter().find(|(v, t)| v == value && t.starts_with(kind)).map(|(_, token)| &**token)
    }

    /// A text with tokens for names, uids and addresses.
    pub(super) fn hidden_text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, token) in &self.known {
            if !token.starts_with("$rv") && !token.starts_with("$port") {
                text = text.replace(value.as_str(), token);
            }
        }
        if let Some((before, after)) = text.split_once(TOKEN_VOLUME)
            && after.len() == 5
        {
            text = format!("{before}{TOKEN_VOLUME}$suffix");
        }
        text
    }

    /// Messages have versions and ports among other numbers: only whole words are those.
    fn hidden_message(&self, text: &str) -> String {
        let text = self.hidden_text(text);
        let mut out = String::with_capacity(text.len());
        let mut word = String::new();
        let flush = |word: &mut String, out: &mut String| {
            let token = self.token_of("$rv", word).or_else(|| self.token_of("$port", word));
            out.push_str(token.unwrap_or(word));
            word.clear();
        };
        for c in text.chars() {
            if c.is_ascii_alphanumeric() || c == '$' {
                word.push(c);
            } else {
                flush(&mut word, &mut out);
                out.push(c);
            }
        }
        flush(&mut word, &mut out);
        out
    }

    /// The value with what the tokens stand for, to be sent.
    pub(super) fn revealed(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                Value::Object(map.iter().map(|(k, v)| (self.revealed_text(k), self.revealed(v))).collect::<Map<_, _>>())
            }
            Value::Array(list) => Value::Array(list.iter().map(|v| self.revealed(v)).collect()),
            Value::String(s) => {
                let text = self.revealed_text(s);
                match text.parse::<u64>() {
                    Ok(port) if s.starts_with("$port") => port.into(),
                    _ => text.into(),
                }
            }
            other => other.clone(),
        }
    }

    /// The text with what the tokens stand for.
    pub(super) fn revealed_text(&self, text: &str) -> String {
        // The last first: `$uid1` is the beginning of `$uid10`.
        self.known.iter().rev().fold(text.to_owned(), |text, (value, token)| text.replace(token.as_str(), value))
    }
}

fn is_generated(prefix: &str, name: &str) -> bool {
    let alphabet = |c: char| "bcdfghjklmnpqrstvwxz2456789".contains(c);
    name.len() > 5 && name[name.len() - 5..].chars().all(alphabet) && prefix.starts_with(&name[..name.len() - 5])
}

fn is_version(text: &str) -> bool {
    text != "0" && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

fn is_port(key: &str) -> bool {
    matches!(key, "nodePort" | "healthCheckNodePort")
}

/// RFC 3339 in UTC, as the server writes times.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    (20..=27).contains(&bytes.len())
        && bytes.iter().enumerate().all(|(i, b)| match i {
            4 | 7 => *b == b'-',
            10 => *b == b'T',
            13 | 16 => *b == b':',
            _ if i == bytes.len() - 1 => *b == b'Z',
            19 => *b == b'.',
            _ => b.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_hidden_comes_back() {
        let mut tokens = Tokens::new("test-1");
        let sent = json!({"metadata": {"name": "a", "namespace": "test-1", "resourceVersion": "17",
            "uid": "00000000-0000-4000-8000-000000000001", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"ports": [{"nodePort": 30001}], "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"]}});
        tokens.learn(&sent);
        let hidden = tokens.hidden(&sent);
        assert_eq!(
            hidden,
            json!({"metadata": {"name": "a", "namespace": "$ns", "resourceVersion": "$rv1", "uid": "$uid1",
                "creationTimestamp": "$time"},
                "spec": {"ports": [{"nodePort": "$port1"}], "clusterIP": "$ip1", "clusterIPs": ["$ip1"]}})
        );
        let mut back = tokens.revealed(&hidden);
        back["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(back, sent);
    }

    #[test]
    fn numbers_in_messages_are_whole_words() {
        let mut tokens = Tokens::new("test-1");
        tokens.learn(&json!({"resourceVersion": "17"}));
        let hidden = tokens.hidden(&json!({"message": "17 is not 170 nor 17"}));
        assert_eq!(hidden, json!({"message": "$rv1 is not 170 nor $rv1"}));
    }
}
