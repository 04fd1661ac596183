//! The names by which a definition's objects are known.

use serde_json::Value;

use crate::{
    admission::names::label_1035,
    json::{list_at, str_at},
    status::Cause,
};

/// Those that a definition must have.
pub(super) fn required(names: &Value, causes: &mut Vec<Cause>) {
    for key in ["plural", "singular", "kind", "listKind"] {
        if str_at(names, &[key]).is_empty() {
            causes.push(Cause::required(format!("spec.names.{key}"), ""));
        }
    }
}

/// How they must look, as far as they are there.
pub(super) fn syntax(names: &Value, at: &str, causes: &mut Vec<Cause>) {
    for key in ["plural", "singular", "kind", "listKind"] {
        let text = str_at(names, &[key]);
        let any_case = matches!(key, "kind" | "listKind");
        let wrong = label_1035(&if any_case { text.to_lowercase() } else { text.to_owned() }).join(",");
        if !text.is_empty() && !wrong.is_empty() {
            let may = if any_case { "may have mixed case, but should otherwise match: " } else { "" };
            causes.push(Cause::invalid(format!("{at}.{key}"), &text.into(), format!("{may}{wrong}")));
        }
    }
    each(names, "shortNames", at, causes);
    let list_kind = str_at(names, &["listKind"]);
    if !list_kind.is_empty() && list_kind == str_at(names, &["kind"]) {
        let detail = "kind and listKind may not be the same";
        causes.push(Cause::invalid(format!("{at}.listKind"), &list_kind.into(), detail));
    }
    each(names, "categories", at, causes);
}

fn each(names: &Value, key: &str, at: &str, causes: &mut Vec<Cause>) {
    for (i, name) in list_at(names, &[key]).iter().enumerate() {
        let wrong = label_1035(name.as_str().unwrap_or_default());
        if !wrong.is_empty() {
            causes.push(Cause::invalid(format!("{at}.{key}[{i}]"), name, wrong.join(",")));
        }
    }
}
