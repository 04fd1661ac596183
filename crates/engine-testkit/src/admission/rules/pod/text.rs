//! The syntax of texts in a spec: names of variables, keys, paths, addresses.

use super::At;
use crate::{
    admission::{names, rules::ip},
    status::Cause,
};

pub(super) const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

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

/// The name of an environment variable.
pub(super) fn variable(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.text().is_empty() {
        at.wrong("environment variable name must be non-empty", causes);
    }
    if at.text().chars().any(|c| !(' '..='~').contains(&c) || c == '=') {
        let detail = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        at.wrong(detail, causes);
    }
}

/// A key of a ConfigMap or Secret.
pub(super) fn data_key(at: &At<'_>, causes: &mut Vec<Cause>) {
    let text = at.text();
    if text.len() > 253 {
        at.wrong("must be no more than 253 characters", causes);
    }
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        at.wrong(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
            causes,
        );
    }
    match text {
        "." => at.wrong("must not be '.'", causes),
        ".." => at.wrong("must not be '..'", causes),
        _ if text.starts_with("..") => at.wrong("must not start with '..'", causes),
        _ => {}
    }
}

/// An IP address, in the form that has one meaning only.
pub(super) fn address(at: &At<'_>, causes: &mut Vec<Cause>) {
    ip::address(&at.path, at.text(), &[], causes);
}

/// A path that stays below where it starts.
pub(super) fn local_path(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.text().starts_with('/') {
        at.wrong("must be a relative path", causes);
    }
    no_backsteps(at, causes);
}

pub(super) fn has_backsteps(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

pub(in crate::admission::rules) fn no_backsteps(at: &At<'_>, causes: &mut Vec<Cause>) {
    if has_backsteps(at.text()) {
        at.wrong("must not contain '..'", causes);
    }
}

/// A path of a file in a volume, where names that begin with two dots are taken.
pub(super) fn file_path(at: &At<'_>, causes: &mut Vec<Cause>) {
    local_path(at, causes);
    if at.text().starts_with("..") && !at.text().starts_with("../") {
        at.wrong("must not start with '..'", causes);
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
