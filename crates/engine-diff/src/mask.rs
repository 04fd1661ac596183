//! Secret values do not come out.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gitops_engine_core::{GroupKind, Shown, Value};

use crate::desired::{LAST_APPLIED, is_secret};

/// Texts shorter than this are hidden only where they are a whole value: they are parts of many words.
const SHORTEST_PART: usize = 4;

/// Shows values of one comparison, the secret ones as numbers.
pub(crate) struct Mask {
    /// `None` for kinds that hold no secrets.
    known: Option<Known>,
}

#[derive(Default)]
struct Known {
    /// All forms that secret values were seen in: as they are, and as base64.
    texts: Vec<Box<str>>,
    numbers: HashMap<Vec<u8>, u32>,
}

impl Mask {
    /// A mask that knows the secret values of all these forms of one object.
    pub(crate) fn new(kind: &GroupKind, bodies: &[&Value]) -> Self {
        if !is_secret(kind) {
            return Self { known: None };
        }
        let mut known = Known::default();
        for body in bodies {
            known.learn(body);
            // The annotation may hold values that the object has no more.
            if let Some(text) = body.text(["metadata", "annotations", LAST_APPLIED])
                && let Ok(last) = Value::from_json(text.as_bytes())
            {
                known.learn(&last);
            }
        }
        known.texts.sort_unstable();
        known.texts.dedup();
        Self { known: Some(known) }
    }

    /// Whether the fields of this top-level field must be told apart, and none shown.
    pub(crate) fn hides(&self, top: &str) -> bool {
        self.known.is_some() && matches!(top, "data" | "stringData")
    }

    /// A value of a field; `secret` where the field holds one by definition.
    pub(crate) fn show(&mut self, value: Option<&Value>, secret: bool, encoded: bool) -> Shown {
        let value = match value {
            None | Some(Value::Null) => return Shown::Absent,
            Some(value) => value,
        };
        let Some(known) = &mut self.known else { return Shown::Plain(value.clone()) };
        if secret || known.is_in(value) {
            Shown::Secret(known.number(value, encoded))
        } else {
            Shown::Plain(value.clone())
        }
    }
}

impl Known {
    fn learn(&mut self, body: &Value) {
        for (field, encoded) in [("data", true), ("stringData", false)] {
            let mut texts = Vec::new();
            if let Some(value) = body.get(field) {
                strings(value, &mut texts);
            }
            for text in texts.into_iter().filter(|text| !text.is_empty()) {
                if !encoded {
                    self.texts.push(BASE64_STANDARD.encode(text).into());
                } else if let Some(plain) = decoded(text).and_then(|bytes| String::from_utf8(bytes).ok())
                    && !plain.is_empty()
                {
                    self.texts.push(plain.into());
                }
                self.texts.push(text.into());
            }
        }
    }

    fn is_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is_in_text(text),
            Value::Array(items) => items.iter().any(|item| self.is_in(item)),
            Value::Object(map) => map.iter().any(|(key, value)| self.is_in_text(key.as_str()) || self.is_in(value)),
            _ => false,
        }
    }

    fn is_in_text(&self, text: &str) -> bool {
        self.texts.iter().any(|secret| **secret == *text || secret.len() >= SHORTEST_PART && text.contains(&**secret))
    }

    fn number(&mut self, value: &Value, encoded: bool) -> u32 {
        let bytes = match value {
            Value::String(text) if encoded => decoded(text).unwrap_or_else(|| text.as_bytes().to_vec()),
            Value::String(text) => text.as_bytes().to_vec(),
            other => other.to_json(),
        };
        let next = u32::try_from(self.numbers.len() + 1).unwrap_or(u32::MAX);
        *self.numbers.entry(bytes).or_insert(next)
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

fn strings<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(map) => map.iter().for_each(|(_, value)| strings(value, out)),
        _ => {}
    }
}
