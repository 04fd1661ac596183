//! JSON as Go's encoder writes it.

use serde_json::Value;

/// Compact JSON with sorted keys, and with what HTML would interpret escaped.
pub(crate) fn to_go_string(value: &Value) -> String {
    let plain = value.to_string();
    // These stand in strings only, so that they can be replaced wherever they are.
    if !plain.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return plain;
    }
    let mut out = String::with_capacity(plain.len() + 32);
    for c in plain.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            _ => out.push(c),
        }
    }
    out
}
