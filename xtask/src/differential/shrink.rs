//! From a case that differs to the smallest one that differs in the same way.

use serde_json::Value;

use super::oracle::Oracle;
use super::{Difference, Judgement, Subject};

/// So many smaller questions are tried. Enough for objects of some hundred fields.
const TRIES: usize = 3_000;

pub(super) fn smallest(
    subject: &dyn Subject,
    oracle: &mut Oracle,
    mut question: Value,
    mut difference: Difference,
) -> anyhow::Result<(Value, Difference)> {
    let mut tries = 0;
    loop {
        let mut smaller = None;
        for candidate in candidates(&question) {
            tries += 1;
            if tries > TRIES {
                return Ok((question, difference));
            }
            let answer = oracle.ask_one(subject.name(), &candidate)?;
            if let Some(Judgement::Differs(found)) = subject.judge(&candidate, &answer)
                && found.label == difference.label
            {
                smaller = Some((candidate, found));
                break;
            }
        }
        match smaller {
            Some(found) => (question, difference) = found,
            None => return Ok((question, difference)),
        }
    }
}

/// The question with one part less, large parts first.
fn candidates(question: &Value) -> Vec<Value> {
    match question {
        Value::String(text) => shorter(text).into_iter().map(Value::String).collect(),
        _ => {
            let mut paths = Vec::new();
            collect(question, &mut Vec::new(), &mut paths);
            paths.sort_by_key(Vec::len);
            paths.iter().filter_map(|path| without(question, path)).collect()
        }
    }
}

/// A text with lines left out, then with characters left out.
fn shorter(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let mut found = Vec::new();
    if lines.len() > 1 {
        found.extend((0..lines.len()).map(|at| [&lines[..at], &lines[at + 1..]].concat().concat()));
    }
    let characters: Vec<_> = text.chars().collect();
    if characters.len() < 200 {
        let less = (0..characters.len()).map(|at| [&characters[..at], &characters[at + 1..]].concat());
        found.extend(less.map(|characters| characters.into_iter().collect::<String>()));
    }
    found
}

#[derive(Clone)]
enum Part {
    Key(String),
    Item(usize),
}

fn collect(value: &Value, path: &mut Vec<Part>, into: &mut Vec<Vec<Part>>) {
    let children: Vec<(Part, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (Part::Key(key.clone()), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (Part::Item(at), value)).collect(),
        _ => return,
    };
    for (part, child) in children {
        path.push(part);
        into.push(path.clone());
        collect(child, path, into);
        path.pop();
    }
}

fn without(value: &Value, path: &[Part]) -> Option<Value> {
    let mut copy = value.clone();
    let (last, parents) = path.split_last()?;
    let mut at = &mut copy;
    for part in parents {
        at = match part {
            Part::Key(key) => at.get_mut(key)?,
            Part::Item(index) => at.get_mut(index)?,
        };
    }
    match (last, at) {
        (Part::Key(key), Value::Object(map)) => drop(map.remove(key)?),
        (Part::Item(index), Value::Array(items)) => drop(items.remove(*index)),
        _ => return None,
    }
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn every_part_is_taken_away_once() {
        let question = serde_json::json!({"a": [1, {"b": 2}], "c": 3});
        let smaller: Vec<_> = candidates(&question).iter().map(ToString::to_string).collect();
        assert_eq!(
            smaller,
            [
                r#"{"c":3}"#,
                r#"{"a":[1,{"b":2}]}"#,
                r#"{"a":[{"b":2}],"c":3}"#,
                r#"{"a":[1],"c":3}"#,
                r#"{"a":[1,{}],"c":3}"#
            ]
        );
        assert_eq!(candidates(&"a\nb".into()), ["b", "a\n", "\nb", "ab", "a\n"]);
    }
}
