//! Numbers that may be percentages.

use serde_json::Value;

use super::At;
use crate::status::Cause;

/// What comes before the percent sign.
fn percent(value: &Value) -> Option<u64> {
    let digits = value.as_str()?.strip_suffix('%')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The number, of a percentage too. A text that is neither counts as nothing.
pub(super) fn is_zero(at: &At<'_>) -> bool {
    match (percent(at.value), at.value) {
        (Some(percent), _) => percent == 0,
        (None, Value::String(text)) => text.parse::<i64>().unwrap_or(0) == 0,
        _ => at.int() == 0,
    }
}

/// A number or a percentage, not negative.
pub(in super::super) fn count_or_percent(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.value.is_string() && percent(at.value).is_none() {
        at.invalid(
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex \
             used for validation is '[0-9]+%')",
            causes,
        );
    }
    at.not_negative(causes);
}

/// A percentage that is no more than all of it.
pub(in super::super) fn not_more_than_all(at: &At<'_>, causes: &mut Vec<Cause>) {
    if percent(at.value).is_some_and(|percent| percent > 100) {
        at.invalid("must not be greater than 100%", causes);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn zero_is_written_in_many_ways() {
        for (value, zero) in [
            (json!(0), true),
            (json!("0%"), true),
            (json!("000%"), true),
            (json!("none"), true),
            (json!(null), true),
            (json!(1), false),
            (json!("1%"), false),
            (json!("7"), false),
            (json!("-1"), false),
        ] {
            assert_eq!(is_zero(&At::new(&value, "x")), zero, "{value}");
        }
    }
}
