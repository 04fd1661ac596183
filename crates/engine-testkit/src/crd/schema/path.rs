//! Paths to fields, as schemas know them: `.spec.replicas`, and `['a.b']` where that is allowed.

use serde_json::Value;

/// How a path may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::crd) enum Notation {
    /// Names after dots.
    Dots,
    /// Also names in brackets and quotes.
    Brackets,
}

/// Where a path leads.
pub(in crate::crd) struct Found<'a> {
    /// As errors print it.
    pub(in crate::crd) path: String,
    pub(in crate::crd) schema: &'a Value,
}

impl Found<'_> {
    /// The first of its names.
    pub(in crate::crd) fn root(&self) -> &str {
        self.path.split(['.', '[']).next().unwrap_or_default()
    }
}

/// Follows a path, or says why it is none.
pub(in crate::crd) fn find<'a>(text: &str, schema: &'a Value, notation: Notation) -> Result<Found<'a>, String> {
    const NOWHERE: &str = "does not refer to a valid field";
    const END: &str = "unexpected end of JSON path";
    let mut found = Found { path: String::new(), schema };
    let mut rest = text;
    while !rest.is_empty() {
        let name = match token(&mut rest) {
            "." => token(&mut rest).to_owned(),
            "[" if notation == Notation::Dots => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let quoted = match token(&mut rest) {
                    "" => return Err(END.to_owned()),
                    quoted => quoted,
                };
                let inner = quoted.strip_prefix('\'').and_then(|q| q.strip_suffix('\''));
                let inner = inner.ok_or_else(|| format!("expected single quoted string but got {quoted}"))?;
                unescaped(inner).ok_or_else(|| "invalid string literal: invalid syntax".to_owned())?
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        let bracket = text[..text.len() - rest.len()].ends_with('\'');
        if name.is_empty() && !bracket {
            return Err(END.to_owned());
        }
        let properties = found.schema.get("properties").and_then(Value::as_object).filter(|p| !p.is_empty());
        match (properties, found.schema.get("additionalProperties")) {
            (Some(properties), _) => {
                found.schema = properties.get(&name).ok_or(NOWHERE)?;
                if !found.path.is_empty() {
                    found.path.push('.');
                }
                found.path.push_str(&name);
            }
            (None, Some(values)) if !values.is_null() => {
                found.schema = values;
                found.path.push_str(&format!("[{name}]"));
            }
            _ => return Err(NOWHERE.to_owned()),
        }
        if bracket {
            match token(&mut rest) {
                "]" => {}
                "" => return Err(END.to_owned()),
                other => return Err(format!("expected ] but got {other}")),
            }
        }
    }
    Ok(found)
}

/// The next of the parts that dots and brackets separate; a text in quotes is one part.
fn token<'t>(rest: &mut &'t str) -> &'t str {
    let end = if rest.starts_with('\'') {
        let bytes = rest.as_bytes();
        (1..bytes.len()).find(|i| bytes[*i] == b'\'' && bytes[i - 1] != b'\\').map_or(rest.len(), |i| i + 1)
    } else {
        match rest.find(['.', '[', ']']) {
            Some(0) => 1,
            Some(at) => at,
            None => rest.len(),
        }
    };
    let (token, after) = rest.split_at(end);
    *rest = after;
    token
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                c @ ('\'' | '\\') => out.push(c),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    Some(out)
}
