//! JSON patches and JSON merge patches, in the reading of a real server: of texts, which are read only as far as a patch
//! goes into them. What nobody looked into stays as it was written, and errors show it so.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, value::RawValue};

use crate::json;

/// How many bytes the copies of one JSON patch may add up to.
pub(super) const MAX_COPIED: usize = 3 * 1024 * 1024;

/// Why a patch was not applied.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// An operation did not apply.
    DoesNotApply,
    /// The copies of the patch add up to so many bytes.
    TooMuchCopied(usize),
    /// The result is nested too deeply.
    TooDeep,
}

/// An operation of a JSON patch. A value that is not there, or `null`, is none.
pub(super) type Operation = BTreeMap<String, Option<Box<RawValue>>>;

/// A part of a document; `null` is none.
type Part = Option<Node>;

enum Node {
    Raw(Box<RawValue>),
    Map(BTreeMap<String, Part>),
    List(Vec<Part>),
}

impl Node {
    fn map(&mut self) -> Option<&mut BTreeMap<String, Part>> {
        if let Self::Raw(raw) = self {
            let read: BTreeMap<String, Option<Box<RawValue>>> = serde_json::from_str(raw.get()).ok()?;
            *self = Self::Map(read.into_iter().map(|(k, v)| (k, v.map(Self::Raw))).collect());
        }
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    fn list(&mut self) -> Option<&mut Vec<Part>> {
        if let Self::Raw(raw) = self {
            let read: Vec<Option<Box<RawValue>>> = serde_json::from_str(raw.get()).ok()?;
            *self = Self::List(read.into_iter().map(|v| v.map(Self::Raw)).collect());
        }
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    fn print(&self, out: &mut String) {
        match self {
            Self::Raw(raw) => out.push_str(raw.get()),
            Self::Map(map) => {
                out.push('{');
                for (i, (key, part)) in map.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    let _infallible = write!(out, "{}:", Value::from(key.as_str()));
                    print(part, out);
                }
                out.push('}');
            }
            Self::List(list) => {
                out.push('[');
                for (i, part) in list.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    print(part, out);
                }
                out.push(']');
            }
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Raw(raw) => depth(raw.get()),
            Self::Map(map) => 1 + map.values().flatten().map(Self::depth).max().unwrap_or(0),
            Self::List(list) => 1 + list.iter().flatten().map(Self::depth).max().unwrap_or(0),
        }
    }
}

/// How deeply a JSON text is nested.
fn depth(text: &str) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn print(part: &Part, out: &mut String) {
    match part {
        None => out.push_str("null"),
        Some(node) => node.print(out),
    }
}

fn printed(part: &Part) -> String {
    let mut out = String::new();
    print(part, &mut out);
    out
}

/// Applies the operations of a JSON patch to a document in order, and all or none of them.
pub(super) fn patch(document: &str, operations: &[Option<Operation>]) -> Result<String, Refusal> {
    let raw: Box<RawValue> = serde_json::from_str(document).map_err(|_| Refusal::DoesNotApply)?;
    let mut document = Some(Node::Raw(raw));
    let mut copied = 0;
    for operation in operations {
        apply(&mut document, operation.as_ref().ok_or(Refusal::DoesNotApply)?, &mut copied)?;
    }
    // The root is always read.
    if let Some(root) = &mut document
        && root.map().is_none()
    {
        root.list();
    }
    Ok(printed(&document))
}

fn apply(document: &mut Part, operation: &Operation, copied: &mut usize) -> Result<(), Refusal> {
    let raw = |key: &str| operation.get(key).and_then(Option::as_ref);
    let text = |key: &str| raw(key).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    let required = |key: &str| text(key).ok_or(Refusal::DoesNotApply);
    let value = || raw("value").cloned().map(Node::Raw);
    match text("op").as_deref() {
        Some("add") => add(document, &required("path")?, value()),
        Some("remove") => remove(document, &required("path")?).map(drop),
        Some("replace") => replace(document, &required("path")?, value()),
        Some("move") => {
            let moved = remove(document, &required("from")?)?;
            add(document, &required("path")?, moved)
        }
        Some("copy") => {
            let text = match get(document, &required("from")?)? {
                None => None,
                part => Some(printed(part)),
            };
            *copied += text.as_ref().map_or(0, String::len);
            if *copied > MAX_COPIED {
                return Err(Refusal::TooMuchCopied(*copied));
            }
            let copy = text.map(RawValue::from_string).transpose().map_err(|_| Refusal::DoesNotApply)?;
            add(document, &required("path")?, copy.map(Node::Raw))
        }
        Some("test") => test(document, &required("path")?, raw("value").map(Box::as_ref)),
        _ => Err(Refusal::DoesNotApply),
    }
}

/// The map or list that a path leads to, and the last key of the path.
fn find<'a>(document: &'a mut Part, path: &str) -> Result<(&'a mut Node, String), Refusal> {
    let unescaped = |part: &str| part.replace("~1", "/").replace("~0", "~");
    let (parents, last) = path.rsplit_once('/').ok_or(Refusal::DoesNotApply)?;
    let mut node = document.as_mut().ok_or(Refusal::DoesNotApply)?;
    if node.map().is_none() {
        node.list().ok_or(Refusal::DoesNotApply)?;
    }
    for part in parents.split('/').skip(1) {
        node = child(node, &unescaped(part)).and_then(Option::as_mut).ok_or(Refusal::DoesNotApply)?;
        if node.map().is_none() && node.list().is_none() {
            return Err(Refusal::DoesNotApply);
        }
    }
    Ok((node, unescaped(last)))
}

fn index(key: &str, length: usize) -> Option<usize> {
    match key.parse::<i64>().ok()? {
        n if n < 0 => length.checked_sub(usize::try_from(n.unsigned_abs()).ok()?),
        n => usize::try_from(n).ok(),
    }
}

fn child<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Part> {
    match node {
        Node::Map(map) => map.get_mut(key),
        Node::List(list) => {
            let at = index(key, list.len())?;
            list.get_mut(at)
        }
        Node::Raw(_) => None,
    }
}

/// What is at a place; a field that a map lacks is no error.
fn get<'a>(document: &'a mut Part, path: &str) -> Result<&'a Part, Refusal> {
    let (node, key) = find(document, path)?;
    match node {
        Node::Map(map) => Ok(map.get(&key).unwrap_or(&None)),
        Node::List(list) => {
            let at = index(&key, list.len()).ok_or(Refusal::DoesNotApply)?;
            list.get(at).ok_or(Refusal::DoesNotApply)
        }
        Node::Raw(_) => Err(Refusal::DoesNotApply),
    }
}

fn check_depth(path: &str, part: &Part) -> Result<(), Refusal> {
    let around = path.matches('/').count();
    let deep = part.as_ref().is_some_and(|node| around + node.depth() > json::MAX_DEPTH);
    if deep { Err(Refusal::TooDeep) } else { Ok(()) }
}

fn add(document: &mut Part, path: &str, part: Part) -> Result<(), Refusal> {
    check_depth(path, &part)?;
    let (node, key) = find(document, path)?;
    match node {
        Node::Map(map) => {
            map.insert(key, part);
        }
        Node::List(list) if key == "-" => list.push(part),
        Node::List(list) => {
            let at = index(&key, list.len() + 1).filter(|at| *at <= list.len()).ok_or(Refusal::DoesNotApply)?;
            list.insert(at, part);
        }
        Node::Raw(_) => return Err(Refusal::DoesNotApply),
    }
    Ok(())
}

fn remove(document: &mut Part, path: &str) -> Result<Part, Refusal> {
    let (node, key) = find(document, path)?;
    match node {
        Node::Map(map) => map.remove(&key).ok_or(Refusal::DoesNotApply),
        Node::List(list) => {
            let at = index(&key, list.len()).filter(|at| *at < list.len()).ok_or(Refusal::DoesNotApply)?;
            Ok(list.remove(at))
        }
        Node::Raw(_) => Err(Refusal::DoesNotApply),
    }
}

/// Only a list must have what is to be replaced.
fn replace(document: &mut Part, path: &str, mut part: Part) -> Result<(), Refusal> {
    check_depth(path, &part)?;
    if path.is_empty() {
        let whole = part.as_mut().is_some_and(|node| node.map().is_some() || node.list().is_some());
        if !whole {
            return Err(Refusal::DoesNotApply);
        }
        *document = part;
        return Ok(());
    }
    let (node, key) = find(document, path)?;
    match node {
        Node::Map(map) => {
            map.insert(key, part);
        }
        other => *child(other, &key).ok_or(Refusal::DoesNotApply)? = part,
    }
    Ok(())
}

fn test(document: &mut Part, path: &str, value: Option<&RawValue>) -> Result<(), Refusal> {
    let have = if path.is_empty() { &*document } else { get(document, path)? };
    let equal = match (have, value) {
        (None, None) => true,
        (Some(have), Some(value)) => {
            let read = |text: &str| serde_json::from_str::<Value>(text).ok();
            let mut text = String::new();
            have.print(&mut text);
            read(&text) == read(value.get())
        }
        _ => false,
    };
    if equal { Ok(()) } else { Err(Refusal::DoesNotApply) }
}

/// Merges a patch into a document: <https://www.rfc-editor.org/rfc/rfc7396>, but without `null` within lists of what is new.
pub(super) fn merge(document: &str, patch: &str) -> Option<String> {
    let part = |text: &str| serde_json::from_str::<Box<RawValue>>(text).ok().map(Node::Raw);
    let (mut document, mut patch) = (part(document)?, part(patch)?);
    let into = document.map()?;
    merge_maps(into, std::mem::take(patch.map()?));
    Some(printed(&Some(document)))
}

fn merge_maps(into: &mut BTreeMap<String, Part>, patch: BTreeMap<String, Part>) {
    for (key, part) in patch {
        let Some(mut part) = part else {
            into.remove(&key);
            continue;
        };
        match into.get_mut(&key) {
            Some(Some(old)) => merge_nodes(old, part),
            _ => {
                prune(&mut part);
                into.insert(key, Some(part));
            }
        }
    }
}

fn merge_nodes(old: &mut Node, mut patch: Node) {
    let Some(into) = old.map() else {
        prune(&mut patch);
        *old = patch;
        return;
    };
    match patch.map() {
        Some(patch) => merge_maps(into, std::mem::take(patch)),
        None => *old = patch,
    }
}

/// Fields that are `null` are not there.
fn prune(node: &mut Node) {
    if let Some(map) = node.map() {
        map.retain(|_, part| part.is_some());
        map.values_mut().flatten().for_each(prune);
    } else if let Some(list) = node.list() {
        list.iter_mut().flatten().for_each(prune);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_apply_as_on_a_real_server() {
        let before = r#"{"c":"x","a":{"b":[1,2]}}"#;
        for (operations, expected) in [
            (json!([{"op": "add", "path": "/a/b/-", "value": 3}]), Some(r#"{"a":{"b":[1,2,3]},"c":"x"}"#)),
            (json!([{"op": "remove", "path": "/a/b/0"}]), Some(r#"{"a":{"b":[2]},"c":"x"}"#)),
            (json!([{"op": "copy", "from": "/none", "path": "/d"}]), Some(r#"{"a":{"b":[1,2]},"c":"x","d":null}"#)),
            (json!([{"op": "move", "from": "/c", "path": "/d"}]), Some(r#"{"a":{"b":[1,2]},"d":"x"}"#)),
            (json!([{"op": "test", "path": "/none", "value": null}]), Some(r#"{"a":{"b":[1,2]},"c":"x"}"#)),
            (json!([{"op": "replace", "path": "/none", "value": 1}]), Some(r#"{"a":{"b":[1,2]},"c":"x","none":1}"#)),
            (json!([{"op": "add", "path": "/d"}]), Some(r#"{"a":{"b":[1,2]},"c":"x","d":null}"#)),
            (json!([{"op": "remove", "path": "/c"}, {"op": "remove", "path": "/c"}]), None),
            (json!([{"op": "replace", "path": "/a/b/7", "value": 1}]), None),
            (json!([{"op": "test", "path": "/c", "value": "y"}]), None),
            (json!([{"op": "add", "path": "/none/deeper", "value": 1}]), None),
            (json!([{"op": "add", "path": "/c/deeper", "value": 1}]), None),
            (json!([null]), None),
        ] {
            let list: Vec<Option<Operation>> = serde_json::from_str(&operations.to_string()).unwrap();
            assert_eq!(patch(before, &list).ok().as_deref(), expected, "{operations}");
        }
    }

    #[test]
    fn what_is_not_looked_into_stays_as_it_was_written() {
        let before = r#"{"z":{"y":1,"x":2},"b":{"y":1,"x":2}}"#;
        let operations = r#"[{"op":"add","path":"/b/a","value":{"d":1,"c":2}}]"#;
        let list: Vec<Option<Operation>> = serde_json::from_str(operations).unwrap();
        assert_eq!(patch(before, &list).unwrap(), r#"{"b":{"a":{"d":1,"c":2},"x":2,"y":1},"z":{"y":1,"x":2}}"#);
    }

    #[test]
    fn merging() {
        let before = r#"{"z":{"y":1,"x":2},"b":[1]}"#;
        for (patch, expected) in [
            (r#"{"b":null}"#, r#"{"z":{"y":1,"x":2}}"#),
            (r#"{"z":{"y":null}}"#, r#"{"b":[1],"z":{"x":2}}"#),
            (r#"{"z":7}"#, r#"{"b":[1],"z":7}"#),
            (r#"{"b":{"c":null,"d":[{"e":null}]}}"#, r#"{"b":{"d":[{}]},"z":{"y":1,"x":2}}"#),
        ] {
            assert_eq!(merge(before, patch).unwrap(), expected);
        }
    }
}
