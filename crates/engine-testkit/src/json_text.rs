//! JSON as text, before it is a value: what a real server says about a broken one, in the words of Go's decoder, without
//! any recursion.

use std::collections::HashSet;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

/// Deeper than this is refused: <https://pkg.go.dev/encoding/json#Unmarshal> has the same limit.
const MAX_DEPTH: usize = 10_000;

/// What was found on the way through a text that is JSON.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Paths of keys that stand twice in one object, in their order.
    pub(crate) duplicates: Vec<String>,
    /// What is left without everything that is deeper than the limit, when there is something.
    pub(crate) cut: Option<Cut>,
}

/// A text that is less than what was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// With `null` for what was too deep.
    pub(crate) text: Vec<u8>,
    /// What to say to whoever would lose something by it.
    pub(crate) complaint: String,
}

enum Open {
    Object { keys: HashSet<String>, at: String },
    Array { index: usize },
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    FirstValueOrEnd,
    FirstKeyOrEnd,
    Key,
    Colon,
    AfterValue,
}

/// Looks through a text; what is nested deeper than `keep` is cut.
pub(crate) fn check(text: &[u8], keep: usize) -> Result<Checked, String> {
    let mut checked = Checked::default();
    let mut open: Vec<Open> = Vec::new();
    let mut next = Next::Value;
    let mut at = 0;
    // How much of the text is in the cut one, and where what is being cut began.
    let (mut copied, mut cut_from) = (0, None);
    let space = |at: &mut usize| {
        while text.get(*at).is_some_and(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
            *at += 1;
        }
    };
    loop {
        space(&mut at);
        if next == Next::AfterValue && open.is_empty() {
            return match text.get(at) {
                None => {
                    if let Some(cut) = &mut checked.cut {
                        cut.text.extend_from_slice(&text[copied..]);
                    }
                    Ok(checked)
                }
                Some(_) => Err(invalid(text, at, "after top-level value")),
            };
        }
        let Some(&byte) = text.get(at) else {
            return Err(END.to_owned());
        };
        match next {
            Next::FirstKeyOrEnd | Next::Key => match byte {
                b'"' => {
                    let from = at;
                    string(text, &mut at)?;
                    if cut_from.is_none() {
                        name_key(&mut open, &text[from..at], &mut checked.duplicates);
                    }
                    next = Next::Colon;
                    continue;
                }
                b'}' if next == Next::FirstKeyOrEnd => {}
                _ => return Err(invalid(text, at, "looking for beginning of object key string")),
            },
            Next::Colon => {
                if byte != b':' {
                    return Err(invalid(text, at, "after object key"));
                }
                at += 1;
                next = Next::Value;
                continue;
            }
            Next::AfterValue => match (byte, open.last_mut()) {
                (b',', Some(Open::Object { .. })) => {
                    at += 1;
                    next = Next::Key;
                    continue;
                }
                (b',', Some(Open::Array { index })) => {
                    *index += 1;
                    at += 1;
                    next = Next::Value;
                    continue;
                }
                (b'}', Some(Open::Object { .. })) | (b']', Some(Open::Array { .. })) => {}
                (_, Some(Open::Object { .. })) => return Err(invalid(text, at, "after object key:value pair")),
                _ => return Err(invalid(text, at, "after array element")),
            },
            Next::FirstValueOrEnd if byte == b']' => {}
            Next::Value | Next::FirstValueOrEnd => {
                if matches!(byte, b'{' | b'[') {
                    if open.len() >= MAX_DEPTH {
                        return Err(too_deep(text, at));
                    }
                    if open.len() == keep && cut_from.is_none() {
                        cut_from = Some(at);
                    }
                    if byte == b'{' {
                        open.push(Open::Object { keys: HashSet::new(), at: String::new() });
                        next = Next::FirstKeyOrEnd;
                    } else {
                        open.push(Open::Array { index: 0 });
                        next = Next::FirstValueOrEnd;
                    }
                    at += 1;
                } else {
                    scalar(text, &mut at)?;
                    next = Next::AfterValue;
                }
                continue;
            }
        }
        // An object or an array ends here.
        open.pop();
        at += 1;
        next = Next::AfterValue;
        if open.len() == keep
            && let Some(from) = cut_from.take()
        {
            let cut = checked.cut.get_or_insert_with(|| Cut { text: Vec::new(), complaint: too_deep(text, from) });
            cut.text.extend_from_slice(&text[copied..from]);
            cut.text.extend_from_slice(b"null");
            copied = at;
        }
    }
}

const END: &str = "unexpected end of JSON input";

fn name_key(open: &mut [Open], text: &[u8], duplicates: &mut Vec<String>) {
    let key: String = serde_json::from_slice(text).unwrap_or_default();
    let Some(Open::Object { keys, at }) = open.last_mut() else {
        return;
    };
    at.clone_from(&key);
    if keys.insert(key) {
        return;
    }
    let mut path = String::new();
    for part in open.iter() {
        match part {
            Open::Object { at, .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(at);
            }
            Open::Array { index } => path.push_str(&format!("[{index}]")),
        }
    }
    if !duplicates.contains(&path) {
        duplicates.push(path);
    }
}

fn invalid(text: &[u8], at: usize, context: &str) -> String {
    let Some(&byte) = text.get(at) else {
        return END.to_owned();
    };
    let shown = match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa0 => format!("'\\u{byte:04x}'"),
        // A byte is shown as the character of the same number.
        other => format!("'{}'", char::from(other)),
    };
    format!("invalid character {shown} {context}")
}

fn too_deep(text: &[u8], at: usize) -> String {
    invalid(text, at, "exceeded max depth")
}

fn string(text: &[u8], at: &mut usize) -> Result<(), String> {
    *at += 1;
    loop {
        match text.get(*at) {
            None => return Err(END.to_owned()),
            Some(b'"') => {
                *at += 1;
                return Ok(());
            }
            Some(b'\\') => {
                *at += 1;
                match text.get(*at) {
                    None => return Err(END.to_owned()),
                    Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => *at += 1,
                    Some(b'u') => {
                        for i in 1..=4 {
                            match text.get(*at + i) {
                                Some(b) if b.is_ascii_hexdigit() => {}
                                _ => return Err(invalid(text, *at + i, "in \\u hexadecimal character escape")),
                            }
                        }
                        *at += 5;
                    }
                    Some(_) => return Err(invalid(text, *at, "in string escape code")),
                }
            }
            Some(0..0x20) => return Err(invalid(text, *at, "in string literal")),
            Some(_) => *at += 1,
        }
    }
}

fn scalar(text: &[u8], at: &mut usize) -> Result<(), String> {
    match text.get(*at) {
        Some(b'"') => string(text, at),
        Some(b't') => literal(text, at, "true"),
        Some(b'f') => literal(text, at, "false"),
        Some(b'n') => literal(text, at, "null"),
        Some(b'-' | b'0'..=b'9') => number(text, at),
        _ => Err(invalid(text, *at, "looking for beginning of value")),
    }
}

fn literal(text: &[u8], at: &mut usize, word: &str) -> Result<(), String> {
    for expected in word.bytes().skip(1) {
        *at += 1;
        if text.get(*at) != Some(&expected) {
            let context = format!("in literal {word} (expecting '{}')", char::from(expected));
            return Err(invalid(text, *at, &context));
        }
    }
    *at += 1;
    Ok(())
}

fn number(text: &[u8], at: &mut usize) -> Result<(), String> {
    let digits = |at: &mut usize| {
        let from = *at;
        while text.get(*at).is_some_and(u8::is_ascii_digit) {
            *at += 1;
        }
        *at > from
    };
    if text.get(*at) == Some(&b'-') {
        *at += 1;
    }
    if text.get(*at) == Some(&b'0') {
        *at += 1;
    } else if !digits(at) {
        return Err(invalid(text, *at, "in numeric literal"));
    }
    if text.get(*at) == Some(&b'.') {
        *at += 1;
        if !digits(at) {
            return Err(invalid(text, *at, "after decimal point in numeric literal"));
        }
    }
    if matches!(text.get(*at), Some(b'e' | b'E')) {
        *at += 1;
        if matches!(text.get(*at), Some(b'+' | b'-')) {
            *at += 1;
        }
        if !digits(at) {
            return Err(invalid(text, *at, "in exponent of numeric literal"));
        }
    }
    Ok(())
}

/// The value of a text in which keys stand twice, as a decoder with types reads it: into what the first one left.
pub(crate) fn merged(text: &str) -> serde_json::Result<Value> {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => {
            let mut map = Map::new();
            for (key, raw) in serde_json::from_str::<Entries<'_>>(text)?.0 {
                let value = merged(raw.get())?;
                match map.get_mut(&key) {
                    Some(old) => join(old, value),
                    None => {
                        map.insert(key, value);
                    }
                }
            }
            Ok(Value::Object(map))
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            Ok(Value::Array(items.into_iter().map(|raw| merged(raw.get())).collect::<Result<_, _>>()?))
        }
        _ => serde_json::from_str(text),
    }
}

fn join(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                match old.get_mut(&key) {
                    Some(old) => join(old, value),
                    None => {
                        old.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            old.truncate(new.len());
            for (i, value) in new.into_iter().enumerate() {
                match old.get_mut(i) {
                    Some(old) => join(old, value),
                    None => old.push(value),
                }
            }
        }
        (old, new) => *old = new,
    }
}

/// The fields of an object in their order, however often they stand there.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(All)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    /// Texts and what Go 1.26's `json.Unmarshal` says about them.
    #[test]
    fn errors_are_those_of_go() {
        for (text, error) in [
            ("", END),
            ("{", END),
            ("[1", END),
            ("\"a", END),
            ("{a: 1}", "invalid character 'a' looking for beginning of object key string"),
            ("{\"a\":}", "invalid character '}' looking for beginning of value"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("tru", END),
            ("trux", "invalid character 'x' in literal true (expecting 'e')"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("nonsense", "invalid character 'o' in literal null (expecting 'u')"),
        ] {
            assert_eq!(check(text.as_bytes(), 10).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn what_is_too_deep_is_cut_or_refused() {
        let deep = format!("{{\"a\":{}{}, \"b\": 1}}", "[".repeat(9_000), "]".repeat(9_000));
        let cut = check(deep.as_bytes(), 3).unwrap().cut.unwrap();
        assert_eq!(String::from_utf8(cut.text).unwrap(), "{\"a\":[[null]], \"b\": 1}");
        assert_eq!(cut.complaint, "invalid character '[' exceeded max depth");
        let deeper = "[".repeat(20_000);
        assert_eq!(check(deeper.as_bytes(), 3).unwrap_err(), "invalid character '[' exceeded max depth");
        assert_eq!(check(b"[[[1]]]", 3).unwrap(), Checked::default());
    }

    #[test]
    fn what_stands_twice_is_read_into_what_is_there() {
        let text = r#"{"a":{"x":1},"b":[{"c":1},2],"a":{"y":2},"b":[{"d":1}],"e":1,"e":2}"#;
        let value = merged(text).unwrap();
        assert_eq!(value, serde_json::json!({"a": {"x": 1, "y": 2}, "b": [{"c": 1, "d": 1}], "e": 2}));
    }

    #[test]
    fn keys_that_stand_twice_are_named() {
        let text = br#"{"a":{"b":1,"b":2},"c":[{"d":1},{"d":1,"d":2}],"a":3}"#;
        assert_eq!(check(text, 10).unwrap().duplicates, ["a.b", "c[1].d", "a"]);
    }
}
