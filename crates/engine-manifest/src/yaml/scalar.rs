//! What a scalar means: the table of go-yaml 2, which `kubectl` uses.
//!
//! The rules were taken from `kubectl`'s answers; `tests/scalars.rs` holds them.

use std::borrow::Cow;

use base64::Engine as _;
use gitops_engine_core::Value;
use granit_parser::{ScalarStyle, Tag};

/// A scalar, resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Too large for `i64`.
    Uint(u64),
    Float(f64),
    Text(Cow<'a, str>),
    /// A plain `<<`: as a key it merges, as a value it is a text.
    Merge,
}

/// Resolves a scalar by its tag, its style and its text.
pub(super) fn resolve<'a>(
    text: Cow<'a, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<Scalar<'a>, &'static str> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { untagged(text) } else { Scalar::Text(text) });
    };
    match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
        Some("null") => match untagged(text) {
            Scalar::Null => Ok(Scalar::Null),
            _ => Err("the tag !!null is on something that is not null"),
        },
        Some("bool") => match untagged(text) {
            Scalar::Bool(value) => Ok(Scalar::Bool(value)),
            _ => Err("the tag !!bool is on something that is not a boolean"),
        },
        Some("int") => match untagged(text) {
            number @ (Scalar::Int(_) | Scalar::Uint(_)) => Ok(number),
            _ => Err("the tag !!int is on something that is not an integer"),
        },
        Some("float") => match untagged(text) {
            number @ Scalar::Float(_) => Ok(number),
            #[expect(clippy::cast_precision_loss, reason = "it is a float, by its tag")]
            Scalar::Int(number) => Ok(Scalar::Float(number as f64)),
            _ => Err("the tag !!float is on something that is not a number"),
        },
        Some("binary") => binary(&text),
        // All other tags, known or not, mean nothing to Kubernetes: what they are on is a text.
        _ => Ok(Scalar::Text(text)),
    }
}

fn binary(text: &str) -> Result<Scalar<'static>, &'static str> {
    let text: String = text.split(['\r', '\n']).collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| "the tag !!binary is on something that is not base64")?;
    String::from_utf8(bytes)
        .map(|text| Scalar::Text(text.into()))
        .map_err(|_| "the !!binary value is no text in UTF-8, and JSON can hold nothing else")
}

fn untagged(text: Cow<'_, str>) -> Scalar<'_> {
    let known = match text.as_bytes().first() {
        None => Some(Scalar::Null),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(&text),
        Some(b'<') => (text == "<<").then_some(Scalar::Merge),
        // A number that starts with its point is read without removing `_`.
        Some(b'.') => special_float(&text).or_else(|| float(&text)),
        Some(b'+' | b'-' | b'0'..=b'9') => special_float(&text).or_else(|| number(&text)),
        Some(_) => None,
    };
    known.unwrap_or(Scalar::Text(text))
}

fn word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => return None,
    })
}

fn special_float(text: &str) -> Option<Scalar<'static>> {
    Some(Scalar::Float(match text {
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        _ => return None,
    }))
}

fn number(text: &str) -> Option<Scalar<'static>> {
    let plain: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    integer(&plain).or_else(|| float(&plain))
}

/// Go's `ParseInt` with base 0: `0x`, `0o`, `0b`, and a leading zero for octal.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (negative, signed, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // Rust's parser takes a sign of its own, Go's does not take a second one.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(number)) => Some(Scalar::Int(number)),
        (false, Err(_)) if !signed => Some(Scalar::Uint(magnitude)),
        (false, Err(_)) => None,
        (true, _) => 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Option<Scalar<'static>> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits(unsigned);
    let mut rest = &unsigned[whole..];
    if let Some(after) = rest.strip_prefix('.') {
        let fraction = digits(after);
        if whole == 0 && fraction == 0 {
            return None;
        }
        rest = &after[fraction..];
    } else if whole == 0 {
        return None;
    }
    if let Some(after) = rest.strip_prefix(['e', 'E']) {
        let after = after.strip_prefix(['+', '-']).unwrap_or(after);
        let exponent = digits(after);
        if exponent == 0 || exponent != after.len() {
            return None;
        }
    } else if !rest.is_empty() {
        return None;
    }
    // Out of range is a text for Go, which calls that an error, and infinite for Rust.
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Scalar::Float)
}

impl Scalar<'_> {
    /// The value in JSON.
    pub(super) fn into_value(self) -> Result<Value, &'static str> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(number) => Value::Int(number),
            #[expect(clippy::cast_precision_loss, reason = "Kubernetes reads integers beyond i64 as floats, too")]
            Self::Uint(number) => Value::Float(number as f64),
            Self::Float(number) if !number.is_finite() => {
                return Err("JSON has no infinite numbers and no NaN; quote it if it is a text");
            }
            Self::Float(number) => json_number(number),
            Self::Text(text) => Value::String(text.into()),
            Self::Merge => "<<".into(),
        })
    }

    /// The key in JSON: every key is a text there.
    pub(super) fn key_text(&self) -> Result<Cow<'_, str>, &'static str> {
        Ok(match self {
            Self::Null => return Err("a key must not be null; quote it if it is a text"),
            Self::Bool(true) => "true".into(),
            Self::Bool(false) => "false".into(),
            Self::Int(number) => number.to_string().into(),
            Self::Uint(_) => return Err("this number is too large for a key; quote it"),
            Self::Float(number) => float_key(*number).into(),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Merge => "<<".into(),
        })
    }
}

/// What Kubernetes makes of a float: it is written as JSON in Go's way (without an exponent below 1e21), and read back
/// as an integer where that has no point and fits.
fn json_number(number: f64) -> Value {
    if number.fract() == 0.0
        && number.abs() < 1e21
        && let Ok(number) = format!("{number}").parse::<i64>()
    {
        return Value::Int(number);
    }
    Value::Float(number)
}

/// Go's `FormatFloat(number, 'g', -1, 32)`.
pub(super) fn float_key(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "Kubernetes formats keys with 32 bits")]
    let number = number as f32;
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) && number != 0.0 => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{number}"),
    }
}
