//! Formats of texts in schemas. One that the server does not know is no rule.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation>

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::LazyLock,
};

use regex::Regex;

use crate::{
    admission::names::{Rule, complaints},
    literal,
};

/// Formats that are a pattern, without the dashes in their names.
const PATTERNS: [(&str, &str); 12] = [
    ("bsonobjectid", r"^[0-9a-fA-F]{24}$"),
    ("byte", r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$"),
    (
        "hostname",
        concat!(
            r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}]",
            r"(([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
        ),
    ),
    ("hexcolor", r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    (
        "rgbcolor",
        concat!(
            r"^rgb\(\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*,\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])",
            r"\s*,\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*\)$"
        ),
    ),
    ("ssn", r"^[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}$"),
    ("uuid", r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
    ("uuid3", r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
    ("uuid4", r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
    ("uuid5", r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
    (
        "creditcard",
        concat!(
            r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}",
            r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$"
        ),
    ),
    ("mac", MAC),
];

/// Of 6, 8 or 20 bytes, in pairs after colons or dashes or in fours after dots.
const MAC: &str = concat!(
    r"(?i)^(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?::[0-9a-f]{2}){7}|[0-9a-f]{2}(?::[0-9a-f]{2}){19}",
    r"|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){7}|[0-9a-f]{2}(?:-[0-9a-f]{2}){19}",
    r"|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){3}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){9})$"
);

static COMPILED: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
    PATTERNS.into_iter().filter_map(|(name, pattern)| Some((name, Regex::new(pattern).ok()?))).collect()
});

fn matches(format: &str, text: &str) -> bool {
    COMPILED.get(format).is_none_or(|pattern| pattern.is_match(text))
}

/// Whether a text has a format.
pub(crate) fn is(format: &str, text: &str) -> bool {
    let format = format.replace('-', "");
    match format.as_str() {
        "datetime" => date_time(text),
        "date" => date(text),
        "duration" => duration(text),
        "ipv4" => text.contains('.') && address(text).is_some(),
        "ipv6" => text.contains(':') && text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "email" => email(text),
        "uri" => uri(text),
        "hostname" => matches("hostname", text) && text.len() <= 255 && text.split('.').all(|part| part.len() <= 63),
        "isbn" => isbn10(text) || isbn13(text),
        "isbn10" => isbn10(text),
        "isbn13" => isbn13(text),
        "creditcard" => credit_card(text),
        "k8sshortname" => complaints(text, Rule::Label).is_empty(),
        "k8slongname" => complaints(text, Rule::Subdomain).is_empty(),
        other => matches(other, text),
    }
}

fn date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// RFC 3339, with a `T` and an offset.
fn date_time(text: &str) -> bool {
    static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})$").ok()
    });
    let text = text.to_ascii_lowercase();
    let mut parts = text.split('t');
    let (day, time) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    date(day) && TIME.as_ref().is_some_and(|pattern| pattern.is_match(time))
}

/// As Go writes them, or a number with a unit somewhere in the text.
fn duration(text: &str) -> bool {
    static AMOUNT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"([0-9]+)\s*([A-Za-zµ]+)").ok());
    const EXACT: [&str; 12] = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk", "min"];
    const LONG: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
    if literal::duration(text).is_ok() {
        return true;
    }
    let Some(pattern) = AMOUNT.as_ref() else { return true };
    let mut known = false;
    for found in pattern.captures_iter(text) {
        if found[1].parse::<i64>().is_err() {
            return false;
        }
        let unit = found[2].to_lowercase();
        known |= EXACT.contains(&unit.as_str()) || LONG.iter().any(|long| unit.starts_with(long));
    }
    known
}

/// The nanoseconds of a duration: as Go writes it, or the sum of all numbers with a unit that it knows.
pub(crate) fn duration_of(text: &str) -> Option<i64> {
    static AMOUNT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"([0-9]+)\s*([A-Za-zµ]+)").ok());
    const SECOND: i64 = 1_000_000_000;
    const UNITS: [(i64, &[&str], &str); 8] = [
        (1, &["ns"], "nano"),
        (1_000, &["us", "µs"], "micro"),
        (1_000_000, &["ms"], "milli"),
        (SECOND, &["s"], "sec"),
        (60 * SECOND, &["m"], "min"),
        (3_600 * SECOND, &["h", "hr"], "hour"),
        (86_400 * SECOND, &["d"], "day"),
        (604_800 * SECOND, &["w", "wk"], "week"),
    ];
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if let Ok(exact) = literal::duration(rest) {
        return i64::try_from(exact.as_nanos()).ok().map(|nanos| sign * nanos);
    }
    let mut total = None;
    for found in AMOUNT.as_ref()?.captures_iter(text) {
        let (amount, unit) = (found[1].parse::<i64>().ok()?, found[2].to_lowercase());
        let known = UNITS.iter().find(|(_, exact, long)| exact.contains(&unit.as_str()) || unit.starts_with(long));
        if let Some((nanos, ..)) = known {
            total = Some(total.unwrap_or(0_i64).wrapping_add(amount.wrapping_mul(*nanos)));
        }
    }
    total
}

/// An address, of version 4 also with zeroes before its numbers.
fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let parts: Vec<&str> = text.split('.').collect();
    let number = |part: &&str| {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u8>().ok().filter(|_| digits)
    };
    let bytes: Vec<u8> = parts.iter().map_while(number).collect();
    <[u8; 4]>::try_from(bytes).ok().filter(|_| parts.len() == 4).map(IpAddr::from)
}

fn cidr(text: &str) -> bool {
    let Some((before, length)) = text.split_once('/') else { return false };
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    match (address(before), length.parse::<u8>()) {
        (Some(IpAddr::V4(_)), Ok(length)) => digits && length <= 32,
        (Some(IpAddr::V6(_)), Ok(length)) => digits && length <= 128,
        _ => false,
    }
}

/// An address as in the head of a mail: `name <user@host>` or `user@host`.
fn email(text: &str) -> bool {
    let text = text.trim();
    let bare = match text.strip_suffix('>') {
        Some(rest) => match rest.rsplit_once('<') {
            Some((_, bare)) => bare,
            None => return false,
        },
        None => text,
    };
    let atom =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c));
    bare.split_once('@').is_some_and(|(user, host)| user.split('.').all(atom) && host.split('.').all(atom))
}

/// What a request may be about: an absolute path, or something with a scheme.
fn uri(text: &str) -> bool {
    let printable = !text.is_empty() && !text.bytes().any(|b| b < b' ' || b == 0x7f);
    let scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let host = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next()).unwrap_or_default();
    printable && !host.contains(' ') && (text.starts_with('/') || text == "*" || scheme)
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}

fn isbn10(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let Some((stem, last)) = text.char_indices().nth(9).map(|(at, _)| text.split_at(at)) else { return false };
    let last = match last {
        "X" => 10,
        other => match other.parse::<u32>() {
            Ok(digit) if digit < 10 => digit,
            _ => return false,
        },
    };
    let numbers = digits(stem);
    let sum: u32 = numbers.iter().zip(1..).map(|(digit, factor)| digit * factor).sum();
    numbers.len() == 9 && (sum + 10 * last).is_multiple_of(11)
}

fn isbn13(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let numbers = digits(&text);
    let sum: u32 = numbers.iter().zip([1, 3].into_iter().cycle()).map(|(digit, factor)| digit * factor).sum();
    numbers.len() == 13 && text.len() == 13 && sum.is_multiple_of(10)
}

fn credit_card(text: &str) -> bool {
    let numbers = digits(text);
    let plain: String = numbers.iter().map(ToString::to_string).collect();
    let doubled = |(i, digit): (usize, &u32)| match (i % 2, digit * 2) {
        (0, _) => *digit,
        (_, twice) if twice >= 10 => twice % 10 + 1,
        (_, twice) => twice,
    };
    matches("creditcard", &plain) && numbers.iter().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_example() {
        assert_eq!(COMPILED.len(), PATTERNS.len(), "every pattern is one");
        for (format, good, bad) in [
            ("date-time", "2020-01-01T00:00:00Z", "2020-01-01"),
            ("date", "2020-02-29", "2021-02-29"),
            ("duration", "1h30m", "soon"),
            ("duration", "10 seconds", "5"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("ipv4", "010.0.0.1", "10.0.0.256"),
            ("ipv6", "::1", "10.0.0.1"),
            ("uuid", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-00000000000"),
            ("mac", "00:11:22:33:44:55", "00:11:22:33:44"),
            ("mac", "0011.2233.4455", "0011.2233"),
            ("hostname", "a.example", "-a.example"),
            ("email", "Me <me@example.com>", "me@"),
            ("uri", "https://example.com/a", "example"),
            ("isbn", "978-0321751041", "978-0321751042"),
            ("isbn10", "0321751043", "0321751044"),
            ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
            ("hexcolor", "#fff", "#ff"),
            ("k8s-short-name", "a-b", "a.b"),
        ] {
            assert!(is(format, good), "{good} is a {format}");
            assert!(!is(format, bad), "{bad} is no {format}");
        }
        assert!(is("of-nobody", "anything"));
    }
}
