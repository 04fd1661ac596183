//! Quantities in their canonical form:
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

/// What a server says about a text that is none.
pub(super) const BAD_FORMAT: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const BAD_SUFFIX: &str = "unable to parse quantity's suffix";

const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Of powers of a thousand, from nano on.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/// A quantity as a number of billionths, which is as fine as quantities are.
fn nanos(digits: &str, exponent: i32) -> Option<i128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa: i128 = match format!("{whole}{fraction}").as_str() {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let shift = exponent + 9 - i32::try_from(fraction.len()).ok()?;
    if shift >= 0 {
        mantissa.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?)
    } else {
        // Rounded up, away from zero.
        let divisor = 10_i128.checked_pow(shift.unsigned_abs())?;
        let (quotient, rest) = (mantissa / divisor, mantissa % divisor);
        Some(quotient + if rest == 0 { 0 } else { rest.signum() })
    }
}

/// Sign, digits and suffix of a text, as a real server takes it apart: no digits at all are zero.
fn parts(text: &str) -> Option<(&'static str, &str, &str)> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let whole = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let end = match rest[whole..].strip_prefix('.') {
        Some(fraction) => {
            let digits = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            whole + 1 + digits
        }
        None => whole,
    };
    let (digits, suffix) = rest.split_at(end);
    let after_letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let exponent = after_letters.strip_prefix(['-', '+']).unwrap_or(after_letters);
    exponent.bytes().all(|b| b.is_ascii_digit()).then_some((sign, digits, suffix))
}

/// Whether a text is kept as it was written. A real server looks no further than at this to tell that a text is in the
/// canonical form, and so `1.234` and `+1` stay.
fn is_kept(digits: &str, suffix: &str) -> bool {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    if let Some(power) = BINARY.iter().skip(1).position(|s| *s == suffix) {
        let room = 15_usize.checked_sub(whole.len() + 3 * (power + 1) + 1);
        return fraction.is_empty() && room.is_some() && whole.parse::<i64>().is_ok_and(|n| n & 7 != 0);
    }
    let exponent = match DECIMAL.iter().position(|s| *s == suffix) {
        Some(power) => i32::try_from(power).ok().map(|power| 3 * (power - 3)),
        None => suffix.strip_prefix(['e', 'E']).and_then(|e| e.parse().ok()),
    };
    let scale = exponent.zip(i32::try_from(fraction.len()).ok()).and_then(|(e, f)| e.checked_sub(f));
    let shifted = format!("{whole}{fraction}");
    shifted.len() <= 18
        && scale.is_some_and(|scale| scale >= -9 && scale % 3 == 0)
        && !shifted.ends_with("000")
        && !shifted.starts_with('0')
}

/// The canonical form, or what is wrong.
pub(crate) fn parse(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let (sign, digits, suffix) = parts(text).ok_or(BAD_FORMAT)?;
    if is_kept(digits, suffix) {
        return Ok(text.to_owned());
    }
    let signed = |form: String| if form.starts_with('0') { form } else { format!("{sign}{form}") };
    if let Some(power) = BINARY.iter().skip(1).position(|s| *s == suffix) {
        let scale = 1_i128 << (10 * (power + 1));
        let value = nanos(digits, 0).and_then(|n| n.checked_mul(scale)).ok_or(BAD_FORMAT)?;
        return Ok(signed(binary(value)));
    }
    if let Some(power) = DECIMAL.iter().position(|s| *s == suffix) {
        let exponent = 3 * (i32::try_from(power).unwrap_or(0) - 3);
        return Ok(signed(decimal(nanos(digits, exponent).ok_or(BAD_FORMAT)?)));
    }
    match suffix.strip_prefix(['e', 'E']).and_then(|e| e.parse::<i32>().ok()) {
        Some(exponent) => Ok(signed(exponential(nanos(digits, exponent).ok_or(BAD_FORMAT)?))),
        None => Err(BAD_SUFFIX),
    }
}

/// A whole one, in billionths.
pub(super) const ONE: i128 = 1_000_000_000;

/// Whether so many billionths are no whole number once they are rounded up to thousandths, as amounts are looked at.
pub(super) fn has_fraction(nanos: i128) -> bool {
    let thousandths = nanos.div_euclid(1_000_000) + i128::from(nanos.rem_euclid(1_000_000) > 0);
    thousandths % 1_000 != 0
}

fn binary(nanos: i128) -> String {
    // What is no whole number, or less than 1024, is written in decimal.
    if nanos % ONE != 0 || nanos / ONE < 1024 {
        return decimal(nanos);
    }
    let mut value = nanos / ONE;
    let mut power = 0;
    while value % 1024 == 0 && power + 1 < BINARY.len() {
        value /= 1024;
        power += 1;
    }
    format!("{value}{}", BINARY[power])
}

/// The mantissa without zeros at its end in steps of a thousand, and the step.
fn steps(nanos: i128) -> (i128, usize) {
    let (mut value, mut power) = (nanos, 0);
    if value == 0 {
        return (0, 3);
    }
    while value % 1000 == 0 && power + 1 < DECIMAL.len() {
        value /= 1000;
        power += 1;
    }
    (value, power)
}

fn decimal(nanos: i128) -> String {
    let (value, power) = steps(nanos);
    format!("{value}{}", DECIMAL[power])
}

fn exponential(nanos: i128) -> String {
    let (value, power) = steps(nanos);
    let exponent = 3 * (i64::try_from(power).unwrap_or(0) - 3);
    if exponent == 0 { value.to_string() } else { format!("{value}e{exponent}") }
}

/// A quantity without parts of thousandths, which lists of resources round up to whole ones. None, if it has none.
pub(super) fn in_thousandths(text: &str) -> Option<String> {
    const MILLI: i128 = ONE / 1000;
    let value = value(text).filter(|value| value % MILLI != 0)?;
    let whole = value / MILLI * MILLI;
    Some(written(if value > 0 { whole + MILLI } else { whole }, text))
}

/// So many billionths, written in the way of another quantity.
pub(super) fn written(nanos: i128, like: &str) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let suffix = like.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let text = match suffix.as_bytes() {
        [_, b'i'] => binary(nanos.abs()),
        [b'e' | b'E', _, ..] => exponential(nanos.abs()),
        _ => decimal(nanos.abs()),
    };
    format!("{sign}{text}")
}

/// Billionths of a quantity in canonical form, to compare two of them.
pub(crate) fn value(text: &str) -> Option<i128> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text.strip_prefix('+').unwrap_or(text)), |rest| (-1, rest));
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(end);
    let value = if let Some(power) = BINARY.iter().position(|s| *s == suffix) {
        nanos(digits, 0)?.checked_mul(1_i128 << (10 * power))?
    } else if let Some(power) = DECIMAL.iter().position(|s| *s == suffix) {
        nanos(digits, 3 * (i32::try_from(power).ok()? - 3))?
    } else {
        nanos(digits, suffix.strip_prefix(['e', 'E'])?.parse().ok()?)?
    };
    Some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_one_form() {
        for (text, canonical) in [
            ("0.5", "500m"),
            ("1", "1"),
            ("1000m", "1"),
            ("1000Mi", "1000Mi"),
            ("1024Mi", "1Gi"),
            ("1500", "1500"),
            ("2000", "2k"),
            ("1e3", "1e3"),
            ("0", "0"),
            ("100Ki", "100Ki"),
            ("0.5Gi", "512Mi"),
            ("-1", "-1"),
            ("-", "0"),
            ("-0", "0"),
            (".5", "500m"),
            ("Ki", "0"),
            ("1.234", "1.234"),
            ("+1", "+1"),
            ("1E3", "1E3"),
            ("001Ki", "001Ki"),
            ("1.2345", "1234500u"),
            (" 1 ", "1"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(canonical), "{text}");
        }
        for text in ["", "abc", "1.2.3", "Not Valid!", "1x"] {
            assert_eq!(parse(text), Err(BAD_FORMAT), "{text}");
        }
        assert_eq!(value("1500m").zip(value("1")).map(|(a, b)| a > b), Some(true));
    }
}
