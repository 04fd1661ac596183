//! The syntax of texts in a spec: names of variables, keys, paths, addresses.

use super::At;
use crate::{
    admission::{names, rules::ip},
    status::Cause,
};

pub(super) const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// The text of a field, also where it is left out.
pub(super) fn wrong(at: &At<'_>, detail: impl AsRef<str>, causes: &mut Vec<Cause>) {
    causes.push(Cause::invalid(at.path.clone(), &at.text().into(), detail));
}

/// A name by a rule, which has to be there.
pub(super) fn required_name(at: &At<'_>, rule: names::Rule, causes: &mut Vec<Cause>) {
    if at.must_be_there(causes) {
        at.name(rule, causes);
    }
}

/// A name by a rule, if it is there.
pub(super) fn optional_name(at: &At<'_>, rule: names::Rule, causes: &mut Vec<Cause>) {
    if !at.text().is_empty() {
        at.name(rule, causes);
    }
}

/// A name as labels have for their keys.
pub(super) fn key(at: &At<'_>, causes: &mut Vec<Cause>) {
    names::key_complaints(at.text()).iter().for_each(|complaint| wrong(at, complaint, causes));
}

/// The name of an environment variable.
pub(super) fn variable(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.text().is_empty() {
        wrong(at, "environment variable name must be non-empty", causes);
    }
    if at.text().chars().any(|c| !(' '..='~').contains(&c) || c == '=') {
        let detail = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        wrong(at, detail, causes);
    }
}

/// A key of a ConfigMap or Secret.
pub(super) fn data_key(at: &At<'_>, causes: &mut Vec<Cause>) {
    let text = at.text();
    if text.len() > 253 {
        wrong(at, "must be no more than 253 characters", causes);
    }
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        wrong(
            at,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
            causes,
        );
    }
    match text {
        "." => wrong(at, "must not be '.'", causes),
        ".." => wrong(at, "must not be '..'", causes),
        _ if text.starts_with("..") => wrong(at, "must not start with '..'", causes),
        _ => {}
    }
}

/// The name of a port.
pub(super) fn port_name_complaints(name: &str) -> Vec<&'static str> {
    let mut out = Vec::new();
    if name.len() > 15 {
        out.push("must be no more than 15 characters");
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        out.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.chars().any(|c| c.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        out.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        out.push("must not begin or end with a hyphen");
    }
    out
}

/// A port by number or name.
pub(super) fn port_or_name(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.value.is_string() {
        port_name_complaints(at.text()).iter().for_each(|complaint| wrong(at, complaint, causes));
    } else {
        at.port(causes);
    }
}

/// An IP address, in the form that has one meaning only.
pub(super) fn address(at: &At<'_>, causes: &mut Vec<Cause>) {
    ip::address(&at.path, at.text(), &[], causes);
}

/// A path that stays below where it starts.
pub(super) fn local_path(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.text().starts_with('/') {
        wrong(at, "must be a relative path", causes);
    }
    no_backsteps(at, causes);
}

pub(super) fn has_backsteps(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

pub(super) fn no_backsteps(at: &At<'_>, causes: &mut Vec<Cause>) {
    if has_backsteps(at.text()) {
        wrong(at, "must not contain '..'", causes);
    }
}

/// A path of a file in a volume, where names that begin with two dots are taken.
pub(super) fn file_path(at: &At<'_>, causes: &mut Vec<Cause>) {
    local_path(at, causes);
    if at.text().starts_with("..") && !at.text().starts_with("../") {
        wrong(at, "must not start with '..'", causes);
    }
}

/// The permissions of a file.
pub(super) fn mode(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.is_set() && !(0..=0o777).contains(&at.int()) {
        at.invalid(FILE_MODE, causes);
    }
}

/// A number that may be left out and must not leave a range.
pub(super) fn between(at: &At<'_>, low: i64, high: i64, causes: &mut Vec<Cause>) {
    if at.is_set() && !(low..=high).contains(&at.int()) {
        at.invalid(&format!("must be between {low} and {high}, inclusive"), causes);
    }
}

/// The id of a user or group.
pub(super) fn id(at: &At<'_>, causes: &mut Vec<Cause>) {
    between(at, 0, i64::from(i32::MAX), causes);
}

/// A number that counts as zero where it is left out, and must be more.
pub(super) fn positive(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.int() <= 0 {
        causes.push(Cause::invalid(at.path.clone(), &at.int().into(), "must be greater than zero"));
    }
}

/// One of these, and no other text. What is left out is an empty text.
pub(super) fn exactly_one_of(at: &At<'_>, supported: &[&str], causes: &mut Vec<Cause>) {
    if !supported.contains(&at.text()) {
        at.unsupported(supported, causes);
    }
}

/// Keys and size of annotations.
pub(super) fn annotations(at: &At<'_>, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (name, value) in at.entries() {
        size += name.len() + value.text().len();
        for complaint in names::key_complaints(&name.to_lowercase()) {
            causes.push(Cause::invalid(at.path.clone(), &name.into(), complaint));
        }
    }
    if size > 256 * 1024 {
        causes.push(Cause::too_long(at.path.clone(), 256 * 1024));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ports() {
        assert!(port_name_complaints("http").is_empty());
        assert_eq!(port_name_complaints("8080"), ["must contain at least one letter (a-z)"]);
        assert_eq!(port_name_complaints("-").len(), 2);
    }
}
