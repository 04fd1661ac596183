//! Groups of the Kubernetes community ask for an approval.
//! <https://github.com/kubernetes/enhancements/pull/1111>

use serde_json::Value;

use crate::{
    json::{get, str_at},
    status::Cause,
};

const APPROVAL: &str = "api-approved.kubernetes.io";
const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

#[derive(PartialEq, Eq, Clone, Copy)]
enum State {
    Missing,
    Bypassed,
    Approved,
    Invalid,
}

fn text(definition: &Value) -> &str {
    get(definition, &["metadata", "annotations", APPROVAL]).and_then(Value::as_str).unwrap_or_default()
}

fn state(definition: &Value) -> State {
    let text = text(definition);
    let has_host = || {
        let rest = text.split_once("://").filter(|(scheme, _)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        });
        let host = rest.and_then(|(_, rest)| rest.split(['/', '?']).next());
        host.is_some_and(|host| !host.is_empty() && !host.contains(' '))
    };
    match text {
        "" => State::Missing,
        _ if text.starts_with("unapproved") => State::Bypassed,
        _ if has_host() => State::Approved,
        _ => State::Invalid,
    }
}

/// What was not approved before may stay so.
pub(super) fn validate(definition: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let group = str_at(definition, &["spec", "group"]);
    let of = |domain: &str| group == domain || group.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let state_now = state(definition);
    if !(of("k8s.io") || of("kubernetes.io")) || before.is_some_and(|before| state(before) == state_now) {
        return;
    }
    let at = format!("metadata.annotations[{APPROVAL}]");
    match state_now {
        State::Missing => {
            let detail = format!("protected groups must have approval annotation \"{APPROVAL}\", {SEE}");
            causes.push(Cause::required(at, &detail));
        }
        State::Invalid => {
            let detail = format!(
                "protected groups must have approval annotation \"{APPROVAL}\" with either a URL or a reason starting with \
                 \"unapproved\", {SEE}"
            );
            causes.push(Cause::invalid(at, &text(definition).into(), detail));
        }
        State::Approved | State::Bypassed => {}
    }
}
