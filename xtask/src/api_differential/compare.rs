//! Two answers, side by side: what differs, and a name for it under which equal causes are counted.

use std::fmt::Write as _;

use serde_json::Value;

use super::sides::Answer;

/// Where two answers differ.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// Equal for equal causes.
    pub(crate) signature: String,
    /// True when only the text of an error's message differs: code, reason and causes are equal.
    pub(crate) text_only: bool,
    /// For people.
    pub(crate) details: String,
}

/// Compares answers whose bodies are normal already. `what` names the request in the signature.
pub(crate) fn answers(what: &str, real: &Answer, ours: &Answer) -> Option<Difference> {
    let failed = real.code != ours.code || !real.is_success();
    if failed && let Some(difference) = errors(what, real, ours) {
        return Some(difference);
    }
    if real.warnings != ours.warnings {
        let what = what.split_once(' ').map_or(what, |(_, resource)| resource);
        let signature =
            format!("{what}: warnings {:?}, ours {:?}", general_all(&real.warnings), general_all(&ours.warnings));
        let details = format!("  real warnings: {:#?}\n  our warnings:  {:#?}\n", real.warnings, ours.warnings);
        return Some(Difference { signature, text_only: false, details });
    }
    if failed { None } else { values(what, &real.body, &ours.body) }
}

/// Compares two objects.
pub(crate) fn values(what: &str, real: &Value, ours: &Value) -> Option<Difference> {
    let mut found = Vec::new();
    walk(real, ours, &mut String::new(), &mut found);
    let first = found.first()?;
    let kind = match (&first.1, &first.2) {
        (Some(_), None) => "missing in ours",
        (None, Some(_)) => "only in ours",
        _ => "differs",
    };
    let signature = format!("{what}: {} {kind}", general(&first.0));
    let mut details = String::new();
    let shown = |v: &Option<&Value>| v.map_or_else(|| "nothing".to_owned(), |v| cut(&v.to_string(), 600));
    for (path, a, b) in found.iter().take(8) {
        let _infallible = write!(details, "  at {path}\n    real: {}\n    ours: {}\n", shown(a), shown(b));
    }
    Some(Difference { signature, text_only: false, details })
}

type Found<'a> = (String, Option<&'a Value>, Option<&'a Value>);

fn walk<'a>(real: &'a Value, ours: &'a Value, path: &mut String, found: &mut Vec<Found<'a>>) {
    let length = path.len();
    match (real, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, x) in a {
                let _infallible = write!(path, ".{key}");
                match b.get(key) {
                    Some(y) => walk(x, y, path, found),
                    None => found.push((path.clone(), Some(x), None)),
                }
                path.truncate(length);
            }
            for (key, y) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                found.push((format!("{path}.{key}"), None, Some(y)));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                let _infallible = write!(path, "[{i}]");
                walk(x, y, path, found);
                path.truncate(length);
            }
        }
        _ if real == ours => {}
        _ => found.push((path.clone(), Some(real), Some(ours))),
    }
}

fn errors(what: &str, real: &Answer, ours: &Answer) -> Option<Difference> {
    let (a, b) = (Summary::of(real), Summary::of(ours));
    if a == b && real.body["message"] == ours.body["message"] && real.body["details"] == ours.body["details"] {
        return None;
    }
    let same = a == b;
    if same && same_words(&real.body["message"], &ours.body["message"]) && same_but_causes(real, ours) {
        return None;
    }
    let details = format!("  real: {}\n  ours: {}\n", shown(real), shown(ours));
    let signature = if !same {
        let (only_real, only_ours) = (a.without(&b), b.without(&a));
        format!("{what}: {} {}, ours {} {}", a.head, only_real, b.head, only_ours)
    } else if same_but_causes(real, ours) {
        format!(
            "{what}: message {:?}, ours {:?}",
            general(text(&real.body["message"])),
            general(text(&ours.body["message"]))
        )
    } else {
        format!("{what}: details of {}", a.head)
    };
    Some(Difference { signature, text_only: same && same_but_causes(real, ours), details })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn same_but_causes(real: &Answer, ours: &Answer) -> bool {
    let rest = |answer: &Answer| {
        let mut details = answer.body["details"].clone();
        if let Some(map) = details.as_object_mut() {
            map.remove("causes");
        }
        details
    };
    rest(real) == rest(ours)
}

/// Go lists what it finds in a map in any order: the same parts of a message in another order are the same message.
fn same_words(a: &Value, b: &Value) -> bool {
    // What a server dumps of its own structs ends where the next cause begins, and nobody can tell where that is. The causes
    // are compared one by one.
    if text(a).contains("\n@@ ") {
        return true;
    }
    let sorted = |v: &Value| {
        let mut words = words(v);
        words.sort_unstable();
        words.dedup();
        words
    };
    sorted(a) == sorted(b)
}

/// The words of a message, without what is printed from the server's own Go structs: the value of an object, and the
/// difference of two of them.
fn words(message: &Value) -> Vec<String> {
    let mut message = text(message).to_owned();
    if let Some(start) = message.find("\n@@ ") {
        message.truncate(start);
    }
    // Which of several unknown fields an apply names is up to the order of a Go map.
    if let Some(end) = message.find(": field not declared in schema")
        && let Some(start) = message[..end].rfind(": .")
    {
        message.replace_range(start + 2..end, "FIELD");
    }
    let mut from = 0;
    while let Some(at) = message[from..].find("Invalid value: {") {
        let start = from + at + "Invalid value: ".len();
        let end = closing(&message[start..]).map_or(message.len(), |n| start + n + 1);
        message.replace_range(start..end, "OBJECT");
        from = start;
    }
    // What the versions of a definition have of their own is in it, as the server's own structs.
    while let Some(at) = message.find("Invalid value: [{\"Name\":") {
        let start = at + "Invalid value: ".len();
        let end = message[start..].find("}]: ").map_or(message.len(), |n| start + n + 2);
        message.replace_range(start..end, "VERSIONS");
    }
    let splits = [',', '[', ']', '{', '}', ' ', '\n', '(', ')'];
    message.split(splits).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// Where the brace closes that the text begins with.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

/// Code, reason and causes of an error. A success has only a code.
#[derive(PartialEq, Eq)]
struct Summary {
    head: String,
    causes: Vec<String>,
}

impl Summary {
    fn of(answer: &Answer) -> Self {
        let mut head = answer.code.to_string();
        let mut causes = Vec::new();
        if !answer.is_success() {
            let _infallible = write!(head, " {}", text(&answer.body["reason"]));
            for cause in answer.body["details"]["causes"].as_array().into_iter().flatten() {
                let (reason, field) = (text(&cause["reason"]), text(&cause["field"]));
                let mut words = words(&cause["message"]);
                // An object that a text shows has its managers in the order of their seconds: see `normal::sort_managers`.
                if words.iter().any(|word| word.contains("managedFields")) {
                    words.sort_unstable();
                }
                causes.push(format!("{reason} {field}: {}", words.join(" ")));
            }
            causes.sort();
            // What two rules found about one thing counts once.
            causes.dedup();
        }
        Self { head, causes }
    }

    /// What this one says and the other does not.
    fn without(&self, other: &Self) -> String {
        let mut texts: Vec<String> =
            self.causes.iter().filter(|c| !other.causes.contains(c)).map(|c| general(c)).collect();
        texts.dedup();
        texts.truncate(2);
        if texts.is_empty() { String::new() } else { format!("[{}]", texts.join("; ")) }
    }
}

fn shown(answer: &Answer) -> String {
    if answer.is_success() {
        return format!("{} {}", answer.code, cut(&answer.body.to_string(), 400));
    }
    let mut out =
        format!("{} {} {}", answer.code, text(&answer.body["reason"]), cut(text(&answer.body["message"]), 1200));
    match answer.body["details"].as_object() {
        Some(details) => {
            let _infallible = write!(out, "\n        {}", cut(&Value::Object(details.clone()).to_string(), 1500));
        }
        None if answer.body.is_string() => out.push_str(text(&answer.body)),
        None => {}
    }
    out
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn general_all(texts: &[String]) -> Vec<String> {
    let mut texts: Vec<String> = texts.iter().map(|t| general(&t.replace(['"', '\\'], "'"))).collect();
    texts.dedup();
    texts
}

/// A text without what differs between equal causes: quoted values, indices and numbers.
pub(crate) fn general(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '"' => {
                out.push('"');
                let end = rest[1..].find('"').map_or(rest.len(), |n| n + 2);
                out.push('"');
                end
            }
            '{' => {
                out.push_str("{}");
                rest.rfind('}').map_or(rest.len(), |n| n + 1)
            }
            '0'..='9' => {
                out.push('N');
                rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
            }
            _ => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken.min(rest.len())..];
    }
    cut(&out, 160)
}
