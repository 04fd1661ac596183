//! What is asked of `x-kubernetes-validations` before the rules are compiled.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>

use serde_json::Value;

use super::{path, unsupported};
use crate::{
    json::{list_at, str_at},
    status::Cause,
};

const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

pub(super) fn validate(schema: &Value, at: &str, causes: &mut Vec<Cause>) {
    let lines = |text: &str| text.contains(['\n', '\r']);
    for (i, rule) in list_at(schema, &["x-kubernetes-validations"]).iter().enumerate() {
        let at = |key: &str| format!("{at}.x-kubernetes-validations[{i}].{key}");
        let text = |key: &str| str_at(rule, &[key]);
        let blank = |key: &str| !text(key).is_empty() && text(key).trim().is_empty();
        let mut wrong = |key: &str, detail: &str| causes.push(Cause::invalid(at(key), &text(key).into(), detail));
        if text("rule").trim().is_empty() {
            causes.push(Cause::required(at("rule"), "rule is not specified"));
        } else if blank("message") {
            wrong("message", "must be non-empty if specified");
        } else if lines(text("message").trim()) {
            wrong("message", "must not contain line breaks");
        } else if lines(text("rule").trim()) && text("message").is_empty() {
            let detail = "message must be specified if rule contains line breaks";
            causes.push(Cause::required(at("message"), detail));
        }
        if blank("messageExpression") {
            let detail = "messageExpression must be non-empty if specified";
            causes.push(Cause::required(at("messageExpression"), detail));
        }
        if let Some(reason) = rule.get("reason").and_then(Value::as_str).filter(|reason| !REASONS.contains(reason)) {
            causes.push(Cause::unsupported(at("reason"), &reason.into(), &REASONS));
        }
        let mut wrong = |detail: &str| causes.push(Cause::invalid(at("fieldPath"), &text("fieldPath").into(), detail));
        if blank("fieldPath") {
            wrong("must be non-empty if specified");
        }
        if lines(text("fieldPath")) {
            wrong("must not contain line breaks");
        }
        let known = || path::find(text("fieldPath"), schema, path::Notation::Brackets).is_ok();
        if !text("fieldPath").is_empty() && unsupported(schema).is_none() && !known() {
            wrong("must be a valid path");
        }
    }
}
