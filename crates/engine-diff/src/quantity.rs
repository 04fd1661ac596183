//! [Quantities](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/): `1000m` is `1`, `1Gi` is
//! `1024Mi`. The server writes them back in its own form.

use gitops_engine_core::Value;

/// Whether two values are the same quantity.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (amount(a), amount(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// In billionths, the finest step that Kubernetes keeps. What is finer is rounded up, as there. `None` for what is no
/// quantity, or too large to be one.
fn amount(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => i128::from(*number).checked_mul(NANO),
        Value::Float(number) => parse(&number.to_string()),
        Value::String(text) => parse(text),
        _ => None,
    }
}

const NANO: i128 = 1_000_000_000;

fn parse(text: &str) -> Option<i128> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = text.bytes().take_while(|c| c.is_ascii_digit() || *c == b'.').count();
    let (number, suffix) = text.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let mantissa = [whole, fraction].concat().parse::<i128>();
    let mantissa = if whole.is_empty() && fraction.is_empty() { 0 } else { mantissa.ok()? };
    // The value is mantissa · 2^binary · 10^decimal.
    let (binary, decimal) = scale(suffix)?;
    let decimal = decimal.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scaled = mantissa.checked_mul(1_i128.checked_shl(binary)?)?;
    let ten = |power: i32| 10_i128.checked_pow(power.unsigned_abs());
    let nanos = if decimal >= 0 {
        if scaled == 0 { 0 } else { scaled.checked_mul(ten(decimal)?)? }
    } else {
        match ten(decimal) {
            Some(divisor) => scaled / divisor + i128::from(scaled % divisor != 0),
            None => i128::from(scaled != 0),
        }
    };
    Some(if negative { -nanos } else { nanos })
}

fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_amounts_are_the_same() {
        for (a, b) in [
            ("1000m", "1"),
            ("1Gi", "1024Mi"),
            ("0.5", "500m"),
            ("1e3", "1k"),
            ("1E3", "1000"),
            (".5", "0.500"),
            ("5.", "5"),
            ("+1", "1"),
            ("-1", "-1000m"),
            ("0.1Ki", "102400m"),
            ("0.1n", "1n"),
            ("2E", "2000P"),
            ("0", "0Gi"),
            ("1e-3", "1m"),
        ] {
            assert!(same(&a.into(), &b.into()), "{a} {b}");
        }
        assert!(same(&Value::Int(1), &"1000m".into()));
        assert!(same(&Value::Float(0.5), &"500m".into()));
    }

    #[test]
    fn other_amounts_are_not() {
        for (a, b) in [("1", "1m"), ("1Gi", "1G"), ("x", "x"), ("", "0"), ("1.2.3", "1.2"), ("1e", "1"), (".", "0")] {
            assert!(!same(&a.into(), &b.into()), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+]?[0-9.]{0,50}[a-zA-Z]{0,2}[-+]?[0-9]{0,12}") {
            let value = Value::from(text);
            let _ = same(&value, &value);
        }
    }
}
