//! Durations as Go writes them: `1h30m`, `1.5s`.

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

/// Why a text is no duration, in Go's words.
pub(super) fn complaint(text: &str) -> Option<String> {
    let why = parts(text).err()?;
    Some(format!("time: {why} {text:?}"))
}

fn parts(text: &str) -> Result<(), String> {
    let invalid = || "invalid duration".to_owned();
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(());
    }
    let mut total = 0_u64;
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(digits(rest));
        let fraction = after.strip_prefix('.').map(|fraction| fraction.split_at(digits(fraction)));
        if whole.is_empty() && fraction.is_none_or(|(fraction, _)| fraction.is_empty()) {
            return Err(invalid());
        }
        rest = fraction.map_or(after, |(_, rest)| rest);
        let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let unit;
        (unit, rest) = rest.split_at(end);
        if unit.is_empty() {
            return Err("missing unit in duration".to_owned());
        }
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, size) = known.ok_or_else(|| format!("unknown unit {unit:?} in duration"))?;
        let count: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let value = count.checked_mul(*size).filter(|value| *value <= 1 << 63).ok_or_else(invalid)?;
        total = total.checked_add(value).filter(|total| *total <= 1 << 63).ok_or_else(invalid)?;
        if rest.is_empty() {
            // Only the other way it goes one nanosecond further.
            let fits = total < 1 << 63 || text.starts_with('-');
            return if fits { Ok(()) } else { Err(invalid()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints() {
        for good in ["0", "-0", "1s", "1.5h", ".5m", "1h30m", "+3us", "3\u{b5}s", "-5s", "1.s"] {
            assert_eq!(complaint(good), None, "{good}");
        }
        for (text, why) in [
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            (".s", "time: invalid duration \".s\""),
            ("3", "time: missing unit in duration \"3\""),
            ("3y", "time: unknown unit \"y\" in duration \"3y\""),
            ("9999999999999h", "time: invalid duration \"9999999999999h\""),
        ] {
            assert_eq!(complaint(text).as_deref(), Some(why));
        }
    }
}
