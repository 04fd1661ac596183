//! Times as Go reads them, and what it says about texts that are none.

/// A part of a layout.
#[derive(Clone, Copy)]
enum Part {
    /// A number of so many digits, or of fewer.
    Number {
        name: &'static str,
        most: i64,
        short: bool,
    },
    Year,
    Text,
    Fraction,
    Zone,
}

const DATE_AND_TIME: [(&str, Part); 11] = [
    ("2006", Part::Year),
    ("-", Part::Text),
    ("01", Part::Number { name: "month", most: 12, short: false }),
    ("-", Part::Text),
    ("02", Part::Number { name: "day", most: 99, short: false }),
    ("T", Part::Text),
    ("15", Part::Number { name: "hour", most: 23, short: true }),
    (":", Part::Text),
    ("04", Part::Number { name: "minute", most: 59, short: false }),
    (":", Part::Text),
    ("05", Part::Number { name: "second", most: 59, short: false }),
];

const MICROS: (&str, Part) = (".000000", Part::Fraction);
const ZONE: (&str, Part) = ("Z07:00", Part::Zone);

/// What is wrong with a time, in seconds.
pub(super) fn seconds_complaint(text: &str) -> Option<String> {
    complaint(text, &[ZONE])
}

/// The same of a time in microseconds, which are always there.
pub(super) fn micros_complaint(text: &str) -> Option<String> {
    complaint(text, &[MICROS, ZONE])
}

fn complaint(text: &str, end: &[(&'static str, Part)]) -> Option<String> {
    let parts: Vec<(&str, Part)> = DATE_AND_TIME.iter().chain(end).copied().collect();
    let layout: String = parts.iter().map(|(layout, _)| *layout).collect();
    let has_fraction = end.len() > 1;
    let mut rest = text;
    let (mut year, mut month, mut day) = (0, 0, 0);
    for (expected, part) in parts {
        let wrong = format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {expected:?}");
        let range = |name: &str| Some(format!("parsing time {text:?}: {name} out of range"));
        match part {
            Part::Year => match digits(rest, 4) {
                Some((number, after)) => (year, rest) = (number, after),
                None => return Some(wrong),
            },
            Part::Text => match rest.strip_prefix(expected) {
                Some(after) => rest = after,
                None => return Some(wrong),
            },
            Part::Number { name, most, short } => {
                let found = digits(rest, 2).or_else(|| digits(rest, 1).filter(|_| short));
                let Some((number, after)) = found else { return Some(wrong) };
                if number > most || (name == "month" && number == 0) {
                    return range(name);
                }
                rest = after;
                match name {
                    "month" => month = number,
                    "day" => day = number,
                    // A fraction may stand where the layout has none.
                    "second" if !has_fraction => rest = without_fraction(rest),
                    _ => {}
                }
            }
            Part::Fraction => match rest.strip_prefix(['.', ',']).and_then(|fraction| digits(fraction, 6)) {
                Some((_, after)) => rest = after,
                None => return Some(wrong),
            },
            Part::Zone => match zone(rest) {
                Ok(after) => rest = after,
                Err("") => return Some(wrong),
                Err(name) => return range(name),
            },
        }
    }
    if !rest.is_empty() {
        return Some(format!("parsing time {text:?}: extra text: {rest:?}"));
    }
    (!(1..=days(year, month)).contains(&day)).then(|| format!("parsing time {text:?}: day out of range"))
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let number = text.get(..count).filter(|number| number.bytes().all(|b| b.is_ascii_digit()))?;
    Some((number.parse().ok()?, &text[count..]))
}

fn without_fraction(text: &str) -> &str {
    match text.strip_prefix(['.', ',']) {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        _ => text,
    }
}

/// What comes after the zone; or what of it is out of range, and nothing if it is none.
fn zone(text: &str) -> Result<&str, &'static str> {
    if let Some(after) = text.strip_prefix('Z') {
        return Ok(after);
    }
    let offset = text.strip_prefix(['+', '-']).ok_or("")?;
    let (hour, after) = digits(offset, 2).ok_or("")?;
    let (minute, after) = after.strip_prefix(':').and_then(|after| digits(after, 2)).ok_or("")?;
    match () {
        () if hour > 24 => Err("time zone offset hour"),
        () if minute > 60 => Err("time zone offset minute"),
        () => Ok(after),
    }
}

fn days(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_reads_them() {
        for text in ["2020-01-01T00:00:00Z", "2020-02-29T9:59:59.5+01:00"] {
            assert_eq!(seconds_complaint(text), None);
        }
        assert_eq!(micros_complaint("2020-01-01T00:00:00.000000Z"), None);
        for (text, end) in [
            ("other", "cannot parse \"other\" as \"2006\""),
            ("8080", "cannot parse \"\" as \"-\""),
            ("", "cannot parse \"\" as \"2006\""),
            ("2020-01-01", "cannot parse \"\" as \"T\""),
            ("2020-1-01T00:00:00Z", "cannot parse \"1-01T00:00:00Z\" as \"01\""),
            ("2020-13-01T00:00:00Z", ": month out of range"),
            ("2021-02-29T00:00:00Z", ": day out of range"),
            ("2020-01-01T00:00:00", "cannot parse \"\" as \"Z07:00\""),
            ("2020-01-01T00:00:00Zx", ": extra text: \"x\""),
        ] {
            assert!(seconds_complaint(text).is_some_and(|said| said.ends_with(end)), "{text}");
        }
        let without = micros_complaint("2020-01-01T00:00:00Z");
        assert!(without.is_some_and(|said| said.ends_with("cannot parse \"Z\" as \".000000\"")));
    }
}
