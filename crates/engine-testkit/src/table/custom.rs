//! The columns that a CRD declares: `additionalPrinterColumns`, whose cells are taken with JSON paths.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#additional-printer-columns>

use serde_json::Value;

use super::{
    columns::{head, name},
    text::{age, created},
};
use crate::{
    clock::Now,
    json::{i64_at, str_at},
};

/// Without columns of its own a kind shows its age.
pub(super) fn heads(columns: &[Value]) -> Vec<Value> {
    let mut heads = vec![head("Name", "string", "name", 0)];
    if columns.is_empty() {
        heads.push(head("Age", "date", "", 0));
    }
    heads.extend(columns.iter().map(|c| {
        let at = |key: &str| str_at(c, &[key]);
        let mut head = head(at("name"), at("type"), at("format"), i64_at(c, &["priority"]).unwrap_or_default());
        head["description"] = at("description").into();
        head
    }));
    heads
}

pub(super) fn cells(columns: &[Value], object: &Value, now: Now) -> Vec<Value> {
    let mut cells = vec![name(object)];
    if columns.is_empty() {
        cells.push(age(created(object), now).into());
    }
    cells.extend(columns.iter().map(|column| {
        let found = first(object, str_at(column, &["jsonPath"]));
        found.map_or(Value::Null, |value| cell(str_at(column, &["type"]), value, now))
    }));
    cells
}

fn cell(kind: &str, value: &Value, now: Now) -> Value {
    match (kind, value) {
        ("string", value) => printed(value).into(),
        ("integer", Value::Number(n)) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => n.into(),
            (None, Some(n)) => (n as i64).into(),
            (None, None) => Value::Null,
        },
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) if text.parse::<jiff::Timestamp>().is_ok() => age(text, now).into(),
        ("date", Value::String(_)) => "<invalid>".into(),
        _ => Value::Null,
    }
}

/// A text as it is, anything else as JSON.
fn printed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The first value that a JSON path leads to: names, indexes, `[*]` and filters such as `[?(@.type=="Ready")]`.
fn first<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = vec![object];
    let mut rest = path;
    while !rest.is_empty() {
        let step;
        (step, rest) = next(rest)?;
        found = found.into_iter().flat_map(|value| step.take(value)).collect();
        if found.is_empty() {
            return None;
        }
    }
    found.into_iter().next()
}

/// One step of a path.
#[derive(Debug, PartialEq)]
enum Step<'p> {
    Name(String),
    Index(i64),
    All,
    Filter { path: &'p str, operator: &'p str, operand: &'p str },
}

/// Takes the next step off a path; `None` where it cannot be understood.
fn next(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = path.strip_prefix('.') {
        return if rest.is_empty() { None } else { name_step(rest) };
    }
    let Some(rest) = path.strip_prefix('[') else {
        return name_step(path);
    };
    if let Some(inner) = rest.strip_prefix("?(") {
        let end = inner.find(")]")?;
        return Some((filter(&inner[..end])?, &inner[end + 2..]));
    }
    let (inner, rest) = rest.split_once(']')?;
    let step = match inner.trim() {
        "*" => Step::All,
        inner => match unquoted(inner) {
            Some(name) => Step::Name(name.to_owned()),
            None => Step::Index(inner.parse().ok()?),
        },
    };
    Some((step, rest))
}

fn name_step(path: &str) -> Option<(Step<'_>, &str)> {
    let mut name = String::new();
    let mut chars = path.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            '.' | '[' if at == 0 => return next(path),
            '.' | '[' => return Some((named(name), &path[at..])),
            c => name.push(c),
        }
    }
    Some((named(name), ""))
}

fn named<'p>(name: String) -> Step<'p> {
    if name == "*" { Step::All } else { Step::Name(name) }
}

fn unquoted(text: &str) -> Option<&str> {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('\'').or_else(|| inside('"'))
}

fn filter(text: &str) -> Option<Step<'_>> {
    let text = text.trim().strip_prefix('@')?;
    let found = ["==", "!=", "<=", ">=", "<", ">"].iter().filter_map(|o| Some((text.find(o)?, *o))).min_by_key(|f| f.0);
    let Some((at, operator)) = found else {
        return Some(Step::Filter { path: text.trim(), operator: "", operand: "" });
    };
    Some(Step::Filter { path: text[..at].trim(), operator, operand: text[at + operator.len()..].trim() })
}

impl Step<'_> {
    fn take<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Name(name), value) => value.get(name).into_iter().collect(),
            (Self::Index(at), Value::Array(list)) => {
                let len = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let at = if *at < 0 { at.saturating_add(len) } else { *at };
                usize::try_from(at).ok().and_then(|at| list.get(at)).into_iter().collect()
            }
            (Self::All, Value::Array(list)) => list.iter().collect(),
            (Self::All, Value::Object(map)) => map.values().collect(),
            (Self::Filter { path, operator, operand }, Value::Array(list)) => {
                list.iter().filter(|item| holds(first(item, path), operator, operand)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn holds(value: Option<&Value>, operator: &str, operand: &str) -> bool {
    let Some(value) = value else { return false };
    if operator.is_empty() {
        return true;
    }
    let order = match unquoted(operand) {
        Some(text) => value.as_str().map(|v| v.cmp(text)),
        None => match value {
            Value::Bool(b) => operand.parse().ok().map(|o| b.cmp(&o)),
            value => value.as_f64().zip(operand.parse().ok()).and_then(|(a, b): (f64, f64)| a.partial_cmp(&b)),
        },
    };
    order.is_some_and(|order| match operator {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn json_paths() {
        let object = json!({
            "metadata": {"annotations": {"a.b/c": "dotted"}},
            "spec": {"list": [1, 2, 3], "map": {"k": [true, {"x": null}]}},
            "status": {"conditions": [{"type": "Ready", "status": "False", "n": 3}, {"type": "Synced", "status": "True"}]},
        });
        let at = |path: &str| first(&object, path).map(printed);
        assert_eq!(at(".spec.list[1]").as_deref(), Some("2"));
        assert_eq!(at(".spec.list[-1]").as_deref(), Some("3"));
        assert_eq!(at(".spec.list[*]").as_deref(), Some("1"));
        assert_eq!(at(".spec.list").as_deref(), Some("[1,2,3]"));
        assert_eq!(at(".spec.map").as_deref(), Some("{\"k\":[true,{\"x\":null}]}"));
        assert_eq!(at(".metadata.annotations.a\\.b/c").as_deref(), Some("dotted"));
        assert_eq!(at(".metadata.annotations['a.b/c']").as_deref(), Some("dotted"));
        assert_eq!(at(".status.conditions[?(@.type==\"Synced\")].status").as_deref(), Some("True"));
        assert_eq!(at(".status.conditions[?(@.type=='Ready')].status").as_deref(), Some("False"));
        assert_eq!(at(".status.conditions[?(@.n > 2)].type").as_deref(), Some("Ready"));
        for nothing in
            [".none", ".spec.list[7]", ".spec.list[x]", "[?(", ".", "..", "[", ".status.conditions[?(@.n>3)]"]
        {
            assert_eq!(at(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn cells_have_the_type_of_their_column() {
        let now = Clock::new(None).now();
        assert_eq!(cell("integer", &json!(3.7), now), 3);
        assert_eq!(cell("integer", &json!("3"), now), Value::Null);
        assert_eq!(cell("string", &json!(3), now), "3");
        assert_eq!(cell("boolean", &json!(true), now), true);
        assert_eq!(cell("date", &json!("yesterday"), now), "<invalid>");
        assert_eq!(cell("date", &json!("2026-01-01T00:00:00Z"), now), "0s");
    }
}
