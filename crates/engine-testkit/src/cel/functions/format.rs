//! `'...'.format([...])`

use super::{
    Row, member,
    strings::{made, shown, text},
};
use crate::cel::value::{Evaluated, Meter, Val, fail};

pub(super) const TABLE: &[Row] = &[member("format", "string, list(dyn)", "string", format)];

/// More digits than these are not asked for.
const MOST_DIGITS: usize = 100;

fn format<'a>(v: &[Val<'a>], meter: &Meter) -> Evaluated<'a> {
    let (pattern, args) = (text(&v[0])?, v[1].items(meter)?);
    let mut args = args.iter();
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut digits = None;
        if chars.next_if_eq(&'.').is_some() {
            let mut text = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                text.push(digit);
            }
            match text.parse::<usize>() {
                Ok(n) if n <= MOST_DIGITS => digits = Some(n),
                _ => return fail("could not parse formatting clause: precision"),
            }
        }
        let Some(clause) = chars.next() else {
            return fail("could not parse formatting clause: unexpected end of string");
        };
        if !"sdfebxXo".contains(clause) {
            return fail(format!("could not parse formatting clause: unrecognized formatting clause \"{clause}\""));
        }
        let Some(arg) = args.next() else { return fail("index out of range: not enough arguments") };
        meter.spend(1)?;
        let piece = match clause {
            's' => plain(arg, meter, 0)?,
            'd' => match arg {
                Val::Int(_) | Val::Uint(_) | Val::Double(_) => shown(arg),
                other => return refused("decimal clause can only be used on integers", other),
            },
            'f' | 'e' => match number(arg) {
                Some(n) if clause == 'f' => format!("{n:.*}", digits.unwrap_or(6)),
                Some(n) => scientific(n, digits.unwrap_or(6)),
                None => return refused("fixed-point and scientific clauses can only be used on doubles", arg),
            },
            'x' | 'X' => {
                let made = match arg {
                    Val::Int(n) => hex_of(*n),
                    Val::Uint(n) => format!("{n:x}"),
                    Val::Text(text) => text.bytes().map(|b| format!("{b:02x}")).collect(),
                    Val::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02x}")).collect(),
                    other => {
                        return refused("only integers, byte buffers, and strings can be formatted as hex", other);
                    }
                };
                if clause == 'X' { made.to_uppercase() } else { made }
            }
            clause => match arg {
                Val::Bool(b) if clause == 'b' => u8::from(*b).to_string(),
                Val::Int(n) => {
                    let sign = if *n < 0 { "-" } else { "" };
                    let size = n.unsigned_abs();
                    if clause == 'b' { format!("{sign}{size:b}") } else { format!("{sign}{size:o}") }
                }
                Val::Uint(n) if clause == 'b' => format!("{n:b}"),
                Val::Uint(n) => format!("{n:o}"),
                other => return refused("only integers can be formatted in this way", other),
            },
        };
        meter.touch(piece.len())?;
        out.push_str(&piece);
    }
    let length = out.len();
    made(meter, length, || out)
}

fn refused<'a>(what: &str, value: &Val<'_>) -> Evaluated<'a> {
    fail(format!("error during formatting: {what}, was given {}", value.type_name()))
}

fn hex_of(n: i64) -> String {
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{:x}", n.unsigned_abs())
}

#[allow(clippy::cast_precision_loss, reason = "as the server does it")]
fn number(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Double(n) => Some(*n),
        Val::Int(n) => Some(*n as f64),
        Val::Uint(n) => Some(*n as f64),
        _ => None,
    }
}

fn scientific(n: f64, digits: usize) -> String {
    let text = format!("{n:.digits$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A value as text; of lists and maps each part.
fn plain(value: &Val<'_>, meter: &Meter, level: usize) -> Result<String, crate::cel::value::Fail> {
    meter.spend(1)?;
    if level > 20 {
        return Err(crate::cel::value::Fail::Spent);
    }
    Ok(match value {
        Val::List(..) | Val::Items(..) => {
            let items = value.items(meter)?;
            let parts: Result<Vec<String>, _> = items.iter().map(|item| plain(item, meter, level + 1)).collect();
            format!("[{}]", parts?.join(", "))
        }
        Val::Map(_) | Val::Fields(..) => {
            let entries = value.entries(meter)?;
            let mut parts = Vec::with_capacity(entries.len());
            for (key, value) in entries.iter() {
                parts.push(format!("{}: {}", shown(key), plain(value, meter, level + 1)?));
            }
            parts.sort();
            format!("{{{}}}", parts.join(", "))
        }
        Val::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => shown(other),
    })
}
