//! What differs between any two servers (uids, versions, times, addresses, generated names), as tokens: the same text is
//! the same token, in the order in which a server first says it.

use std::{collections::HashMap, net::Ipv4Addr};

use serde_json::{Map, Value};

/// What the names begin with that programs have generated. Each program numbers its prefixes, so that the order of the names
/// is not that of chance.
pub(crate) const GENERATED: &str = "gen-";

/// The prefix with this number.
pub(crate) fn prefix(number: usize) -> String {
    format!("{GENERATED}{number:02}-")
}

/// Whether a server made this name from one of the prefixes.
fn is_generated(name: &str) -> bool {
    let rest = name.strip_prefix(GENERATED).and_then(|rest| rest.split_once('-'));
    rest.is_some_and(|(number, suffix)| number.len() == 2 && suffix.len() == 5)
}

#[derive(Default)]
pub(crate) struct Tokens {
    known: HashMap<(&'static str, String), String>,
    names: Vec<(String, String)>,
    versions: Vec<String>,
}

impl Tokens {
    fn of(&mut self, class: &'static str, text: &str) -> String {
        let next = self.known.keys().filter(|(c, _)| *c == class).count() + 1;
        self.known.entry((class, text.to_owned())).or_insert_with(|| format!("<{class} {next}>")).clone()
    }

    /// The answer's body with tokens.
    pub(crate) fn value(&mut self, mut value: Value) -> Value {
        self.collect_names(&value);
        self.walk(&mut value, "", true);
        sort_uids(&mut value);
        value
    }

    fn collect_names(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                let name = value["metadata"]["name"].as_str();
                let prefix = value["metadata"]["generateName"].as_str();
                let made = name.zip(prefix).and_then(|(name, prefix)| name.strip_prefix(prefix));
                // An error names what would have been created.
                let refused = value["details"]["name"].as_str().filter(|name| is_generated(name));
                let generated = name.filter(|_| made.is_some_and(|rest| rest.len() == 5)).or(refused);
                if let Some(name) = generated
                    && !self.names.iter().any(|(known, _)| known == name)
                {
                    let token = self.of("generated name", name);
                    self.names.push((name.to_owned(), token));
                }
                map.values().for_each(|v| self.collect_names(v));
            }
            Value::Array(list) => list.iter().for_each(|v| self.collect_names(v)),
            _ => {}
        }
    }

    fn walk(&mut self, value: &mut Value, key: &str, root: bool) {
        match value {
            Value::Object(map) => {
                // A list's own version is that of the whole store, which other programs change.
                let list = root && (map.contains_key("items") || map.contains_key("rows"));
                if let Some(token) = map.get_mut("continue").filter(|v| key == "metadata" && *v != "") {
                    // It names that version, too.
                    *token = "<page token>".into();
                }
                if ends_initial_events(map) {
                    map.insert("resourceVersion".to_owned(), "<version of the list>".into());
                }
                for (k, v) in map.iter_mut() {
                    if k == "columnDefinitions" {
                        drop_descriptions(v);
                    }
                    if list
                        && k == "metadata"
                        && let Some(version) = v.get_mut("resourceVersion")
                    {
                        *version = "<version of the list>".into();
                    }
                    self.walk(v, k, false);
                    if k == "managedFields" {
                        sort_managers(v);
                    }
                }
                if map.get("kind").is_some_and(|kind| kind == "Namespace") {
                    sort_finalizers(map);
                }
                // The managed fields name the items of lists by their keys.
                let generated: Vec<String> = map.keys().filter(|k| k.contains("kube-api-access-")).cloned().collect();
                for old in generated {
                    if let Some(v) = map.remove(&old) {
                        map.insert(self.text(&old), v);
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|v| self.walk(v, key, false)),
            Value::Number(n) => {
                let port = n.as_u64().filter(|n| (30_000..32_768).contains(n));
                if matches!(key, "nodePort" | "healthCheckNodePort")
                    && let Some(port) = port
                {
                    *value = self.of("node port", &port.to_string()).into();
                }
            }
            Value::String(text) => {
                if key == "resourceVersion" && text.len() > 1 && text.bytes().all(|b| b.is_ascii_digit()) {
                    if !self.versions.contains(text) {
                        self.versions.push(text.clone());
                    }
                    *text = self.of("version", text);
                } else if key == "cells" {
                    *text = if is_age(text) { "<age>".to_owned() } else { self.cell(text) };
                } else {
                    *text = self.text(text);
                }
            }
            _ => {}
        }
    }

    /// A cell of a table: a Service's shows node ports without saying so.
    fn cell(&mut self, text: &str) -> String {
        let text = self.text(text);
        replace_words(&text, |word| {
            let (port, node_port) = word.split_once(':')?;
            let known = node_port.parse().is_ok_and(|n: u32| (30_000..32_768).contains(&n));
            known.then(|| format!("{port}:{}", self.of("node port", node_port)))
        })
    }

    /// A text with tokens for whatever is known or looks like it.
    pub(crate) fn text(&mut self, text: &str) -> String {
        const UNDECLARED: &str = "field not declared in schema";
        if text.starts_with("failed to create typed patch object") && text.contains(UNDECLARED) {
            // The server reads the maps of a configuration in Go's order, which is random, and stops at the first field of a
            // map that it does not know: what else is wrong there, it tells or not.
            return format!("failed to create typed patch object: {UNDECLARED}");
        }
        let mut out = text.to_owned();
        for (name, token) in &self.names {
            if out.contains(name.as_str()) {
                out = out.replace(name.as_str(), token);
            }
        }
        if out.contains("esourceVersion") || out.contains("recondition") {
            for version in self.versions.clone() {
                let token = self.of("version", &version);
                out = replace_words(&out, |word| (word == version).then(|| token.clone()));
            }
        }
        out = self.shown_versions(&out);
        if let Some(at) = out.find("selfType") {
            // The server names the type of an object after the time at which it looked at the rule.
            let (before, named) = out.split_at(at);
            let rest: Vec<&str> = named
                .split("selfType")
                .skip(1)
                .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()))
                .collect();
            out = format!("{before}selfType{}", rest.join("selfType"));
        }
        out = without_current_version(out);
        let ports = out.contains("odePort") || out.starts_with("Duplicate value: ");
        replace_words(&out, |word| {
            // In an object that a text shows, the colon before a number belongs to the word, and as Go prints maps the field.
            let digits = word.rsplit(':').next().unwrap_or_default();
            if ports && digits.len() == 5 && digits.parse().is_ok_and(|n: u32| (30_000..32_768).contains(&n)) {
                Some(format!("{}{}", &word[..word.len() - 5], self.of("node port", digits)))
            } else if is_uid(word) {
                Some(self.of("uid", word))
            } else if is_time(word) {
                Some("<time>".to_owned())
            } else if is_generated(word) {
                // In an error there is nothing else that tells that the name is a generated one.
                Some(self.of("generated name", word))
            } else if let Some((before, _)) =
                word.split_once("kube-api-access-").filter(|(_, suffix)| suffix.len() == 5)
            {
                // Also behind the name of a field, as Go prints maps.
                Some(format!("{before}{}", self.of("volume", &word[before.len()..])))
            } else if is_of_services(word) {
                Some(self.of("address", word))
            } else {
                None
            }
        })
    }
}

/// Lists are in the order of names. A LimitRange without a name gets a uid for one, which stands anywhere among the others.
fn sort_uids(list: &mut Value) {
    let Some(items) = list.get_mut("items").and_then(Value::as_array_mut) else { return };
    let chance = |item: &Value| {
        let name = item["metadata"]["name"].as_str().filter(|name| name.starts_with("<uid"));
        name.map(|name| (name.len(), name.to_owned()))
    };
    items.sort_by_key(chance);
}

impl Tokens {
    /// Tokens for the versions of objects that a text shows: of some no answer ever told.
    fn shown_versions(&mut self, text: &str) -> String {
        let shown = self.numbers_after(text, "resourceVersion\\\":\\\"");
        let shown = self.numbers_after(&shown, "the ResourceVersion in the precondition (");
        let shown = self.numbers_after(&shown, "does not match the ResourceVersion in record (");
        self.numbers_after(&shown, "ResourceVersion in object meta: ")
    }

    fn numbers_after(&mut self, text: &str, before_it: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(before_it) {
            let (before, from) = rest.split_at(at + before_it.len());
            out.push_str(before);
            let digits = from.bytes().take_while(u8::is_ascii_digit).count();
            if digits > 0 {
                out.push_str(&self.of("version", &from[..digits]));
            }
            rest = &from[digits..];
        }
        out.push_str(rest);
        out
    }
}

/// The version that a server is at when it refuses one that is too old or too large.
fn without_current_version(text: String) -> String {
    let current = text.find("resource version: ").and_then(|from| {
        let rest = &text[from..];
        let after = rest.find(", current: ").map(|at| at + 11).or_else(|| rest.find(" (").map(|at| at + 2))?;
        Some(from + after)
    });
    let Some(from) = current else { return text };
    let digits = text[from..].bytes().take_while(u8::is_ascii_digit).count();
    format!("{}<current version>{}", &text[..from], &text[from + digits..])
}

/// Whether this is the metadata of the bookmark after the initial events: it has the version of the whole store.
fn ends_initial_events(metadata: &Map<String, Value>) -> bool {
    metadata.get("annotations").is_some_and(|notes| notes["k8s.io/initial-events-end"] == "true")
}

/// Column definitions are compared without their prose, which the in-process API leaves out for built-in kinds.
fn drop_descriptions(columns: &mut Value) {
    for column in columns.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        column.remove("description");
    }
}

/// How long ago something was: `5s`, `2m30s`. Two servers do not write in the same second.
fn is_age(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit())
        && cell.ends_with(['s', 'm', 'h', 'd', 'y'])
        && cell.bytes().all(|b| b.is_ascii_digit() || b"smhdy".contains(&b))
}

/// Deleting a Namespace takes its finalizers through a Go map.
fn sort_finalizers(namespace: &mut Map<String, Value>) {
    let finalizers = namespace.get_mut("metadata").and_then(|m| m.get_mut("finalizers")).and_then(Value::as_array_mut);
    if let Some(finalizers) = finalizers {
        finalizers.sort_by_key(ToString::to_string);
    }
}

/// The times in the entries order them, and two servers never do the same thing in the same second.
fn sort_managers(entries: &mut Value) {
    if let Some(entries) = entries.as_array_mut() {
        entries.sort_by_key(|e| {
            ["operation", "manager", "apiVersion", "subresource"].map(|k| e[k].as_str().unwrap_or_default().to_owned())
        });
    }
}

/// Replaces runs of the characters that uids, times, versions and addresses are made of.
fn replace_words(text: &str, mut with: impl FnMut(&str) -> Option<String>) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(part) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let end = from.find(|c| !part(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let (core, tail) = match word.trim_end_matches([':', '.']) {
            "" => (word, ""),
            core => word.split_at(core.len()),
        };
        match with(core) {
            Some(token) => out.push_str(&token),
            None => out.push_str(core),
        }
        out.push_str(tail);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether this is an address that both servers give to Services: one of 10.96.0.0/12.
fn is_of_services(word: &str) -> bool {
    let address = word.parse::<Ipv4Addr>().map(|address| address.octets());
    address.is_ok_and(|[first, second, ..]| first == 10 && (96..112).contains(&second))
}

fn is_uid(word: &str) -> bool {
    word.len() == 36
        && word.char_indices().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// Times that a server made: those that programs write are of 2020.
fn is_time(word: &str) -> bool {
    word.len() >= 20
        && word.ends_with('Z')
        && word.as_bytes()[4] == b'-'
        && word.as_bytes()[10] == b'T'
        && word[..4].parse::<u32>().is_ok_and(|year| (2024..2100).contains(&year))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Tokens;

    #[test]
    fn the_same_text_is_the_same_token() {
        let mut tokens = Tokens::default();
        let uid = "0e984725-c51c-4bf4-9960-e1c80e27aba0";
        let value = tokens.value(json!({
            "metadata": {"uid": uid, "name": "a-x7k2p", "generateName": "a-", "resourceVersion": "417",
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "renewTime": "2020-01-01T00:00:00Z"},
        }));
        let message = tokens.text(&format!("UID in precondition: {uid}, resourceVersion 417: \"a-x7k2p\""));
        assert_eq!(message, "UID in precondition: <uid 1>, resourceVersion <version 1>: \"<generated name 1>\"");
        assert_eq!(
            value,
            json!({
                "metadata": {"uid": "<uid 1>", "name": "<generated name 1>", "generateName": "a-",
                    "resourceVersion": "<version 1>", "creationTimestamp": "<time>"},
                "spec": {"clusterIP": "<address 1>", "clusterIPs": ["<address 1>"],
                    "renewTime": "2020-01-01T00:00:00Z"},
            })
        );
    }
}
