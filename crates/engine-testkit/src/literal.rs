//! Numbers and durations as Go reads them, with its words for what is none.

use std::time::Duration;

/// What Go says of a number that is none, or one too large.
const SYNTAX: &str = "invalid syntax";
pub(crate) const OUT_OF_RANGE: &str = "value out of range";

/// A whole number from nothing up, or why it is none: whatever is found first.
/// <https://pkg.go.dev/strconv#ParseUint>
pub(crate) fn unsigned(text: &str) -> Result<u64, &'static str> {
    if text.is_empty() {
        return Err(SYNTAX);
    }
    text.bytes().try_fold(0_u64, |value, byte| {
        let digit = Some(byte).filter(u8::is_ascii_digit).ok_or(SYNTAX)?;
        value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0'))).ok_or(OUT_OF_RANGE)
    })
}

/// The nanoseconds of each unit.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A duration, such as `1h30m` or `1.5s`. One into the past counts as nothing.
/// <https://pkg.go.dev/time#ParseDuration>
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    nanoseconds(text).map_err(|why| format!("time: {why} {text:?}")).map(Duration::from_nanos)
}

fn nanoseconds(text: &str) -> Result<u64, String> {
    /// One more than the most, which only a duration into the past may have.
    const LIMIT: u64 = 1 << 63;
    let invalid = || "invalid duration".to_owned();
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    let mut total = 0_u64;
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(digits(rest));
        let split = after.strip_prefix('.').map(|fraction| fraction.split_at(digits(fraction)));
        let (fraction, after) = split.unwrap_or(("", after));
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err("missing unit in duration".to_owned());
        }
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, size) = known.ok_or_else(|| format!("unknown unit {unit:?} in duration"))?;
        let count: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let whole = count.checked_mul(*size).filter(|value| *value <= LIMIT).ok_or_else(invalid)?;
        let value = whole.checked_add(part(fraction, *size)).ok_or_else(invalid)?;
        total = total.checked_add(value).filter(|total| *total <= LIMIT).ok_or_else(invalid)?;
        rest = after;
        if rest.is_empty() {
            return match negative {
                true => Ok(0),
                false if total < LIMIT => Ok(total),
                false => Err(invalid()),
            };
        }
    }
}

/// The nanoseconds of the digits behind a point. What is smaller than a nanosecond is cut.
fn part(digits: &str, unit: u64) -> u64 {
    // No unit is so large that more digits could be seen.
    let seen = digits.get(..18).unwrap_or(digits);
    let (mut value, mut scale) = (0_u128, 1_u128);
    for digit in seen.bytes() {
        value = value * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    u64::try_from(value * u128::from(unit) / scale).unwrap_or(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("007", Ok(7)),
            ("18446744073709551615", Ok(u64::MAX)),
            ("18446744073709551616x", Err("value out of range")),
            ("1x8446744073709551616", Err("invalid syntax")),
            ("", Err("invalid syntax")),
        ] {
            assert_eq!(unsigned(text), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("-0", 0),
            ("1s", 1_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5m", 30_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("+3us", 3_000),
            ("3\u{b5}s", 3_000),
            ("-5s", 0),
            ("1.s", 1_000_000_000),
            ("1.0000000019s", 1_000_000_001),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
        for (text, why) in [
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            (".s", "time: invalid duration \".s\""),
            ("3", "time: missing unit in duration \"3\""),
            ("1.5.5s", "time: missing unit in duration \"1.5.5s\""),
            ("3y", "time: unknown unit \"y\" in duration \"3y\""),
            ("9999999999999h", "time: invalid duration \"9999999999999h\""),
        ] {
            assert_eq!(duration(text).err().as_deref(), Some(why));
        }
    }
}
