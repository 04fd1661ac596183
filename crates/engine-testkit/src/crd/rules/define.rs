//! What a definition is told about its rules.

use serde_json::{Value, json};

use super::compile::compile;
use crate::{
    crd::{extension::EMBEDS, is_true},
    json::list_at,
    status::Cause,
};

/// Checks the rules of one part of a schema. `apart` is the list or the object within which nothing that was there before
/// can be found.
pub(in crate::crd) fn complaints(schema: &Value, at: &str, root: bool, apart: Option<&str>, causes: &mut Vec<Cause>) {
    const UNSEEN: &str = "internal error: failed to construct type information for x-kubernetes-validations rules: unable \
                          to convert structural schema to CEL declarations";
    let written = list_at(schema, &["x-kubernetes-validations"]);
    if written.is_empty() {
        return;
    }
    let at = format!("{at}.x-kubernetes-validations");
    let Ok(compiled) = compile(schema, root || is_true(schema, EMBEDS)) else {
        causes.push(Cause::internal(at, UNSEEN));
        return;
    };
    for (i, (rule, written)) in compiled.rules.iter().zip(written).enumerate() {
        let at = |key: &str| format!("{at}[{i}].{key}");
        if let Some(Err(problem)) = &rule.program {
            causes.push(Cause::invalid_shown(at("rule"), &shown(written), problem));
        }
        if let Some(Err(problem)) = &rule.says {
            causes.push(Cause::invalid_shown(at("messageExpression"), &shown(written), problem));
        }
        match (rule.compares(), apart, written.get("optionalOldSelf").filter(|optional| !optional.is_null())) {
            (true, Some(apart), _) => {
                let detail =
                    format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {apart}");
                causes.push(Cause::invalid(at("rule"), &written["rule"], detail));
            }
            (false, _, Some(optional)) => {
                let detail = "may not be set if oldSelf is not used in rule";
                causes.push(Cause::invalid(at("optionalOldSelf"), optional, detail));
            }
            _ => {}
        }
    }
}

/// A rule as the server's own type prints it.
fn shown(rule: &Value) -> String {
    let text = |key: &str| rule.get(key).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| "".into());
    let set = |key: &str| rule.get(key).cloned().unwrap_or(Value::Null);
    let fields: [(&str, Value); 6] = [
        ("Rule", text("rule")),
        ("Message", text("message")),
        ("MessageExpression", text("messageExpression")),
        ("Reason", set("reason")),
        ("FieldPath", text("fieldPath")),
        ("OptionalOldSelf", set("optionalOldSelf")),
    ];
    let shown: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    let shown = format!("{{{}}}", shown.join(","));
    shown.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
