//! Texts.

use super::{
    Row,
    core::{conversion, same},
    member, plain, time,
};
use crate::cel::{
    types::Type,
    value::{Evaluated, Fail, Meter, Val, fail},
};

/// No function makes a longer text.
const LONGEST: usize = 16 << 20;

pub(super) const TABLE: &[Row] = &[
    plain("_+_", "string, string", "string", |v, m| {
        made(m, text(&v[0])?.len() + text(&v[1])?.len(), || format!("{}{}", texts(v, 0), texts(v, 1)))
    }),
    plain("_+_", "bytes, bytes", "bytes", |v, m| match v {
        [Val::Bytes(a), Val::Bytes(b)] => {
            m.touch(a.len() + b.len())?;
            Ok(Val::Bytes([&**a, &**b].concat().into()))
        }
        _ => Err(Fail::Overload),
    }),
    member("contains", "string, string", "bool", |v, m| has(v, m, |a, b| a.contains(b))),
    member("startsWith", "string, string", "bool", |v, m| has(v, m, |a, b| a.starts_with(b))),
    member("endsWith", "string, string", "bool", |v, m| has(v, m, |a, b| a.ends_with(b))),
    member("matches", "string, string", "bool", matches),
    plain("matches", "string, string", "bool", matches),
    member("find", "string, string", "string", |v, m| {
        let found = pattern(v, m)?.find(text(&v[0])?).map(|found| found.as_str().to_owned());
        Ok(Val::owned(found.unwrap_or_default()))
    }),
    member("findAll", "string, string", "list(string)", |v, m| find_all(v, -1, m)),
    member("findAll", "string, string, int", "list(string)", |v, m| find_all(v, int(&v[2])?, m)),
    member("charAt", "string, int", "string", |v, m| {
        let (chars, i) = (chars(&v[0], m)?, int(&v[1])?);
        match usize::try_from(i) {
            Ok(i) if i < chars.len() => Ok(Val::owned(chars[i])),
            Ok(i) if i == chars.len() => Ok(Val::owned("")),
            _ => out_of_range(i),
        }
    }),
    member("indexOf", "string, string", "int", |v, m| index_of(v, 0, m)),
    member("indexOf", "string, string, int", "int", |v, m| index_of(v, int(&v[2])?, m)),
    member("lastIndexOf", "string, string", "int", |v, m| last_index_of(v, None, m)),
    member("lastIndexOf", "string, string, int", "int", |v, m| last_index_of(v, Some(int(&v[2])?), m)),
    member("lowerAscii", "string", "string", |v, m| made(m, text(&v[0])?.len(), || texts(v, 0).to_ascii_lowercase())),
    member("upperAscii", "string", "string", |v, m| made(m, text(&v[0])?.len(), || texts(v, 0).to_ascii_uppercase())),
    member("trim", "string", "string", |v, m| made(m, text(&v[0])?.len(), || texts(v, 0).trim().to_owned())),
    member("replace", "string, string, string", "string", |v, m| replace(v, -1, m)),
    member("replace", "string, string, string, int", "string", |v, m| replace(v, int(&v[3])?, m)),
    member("split", "string, string", "list(string)", |v, m| split(v, -1, m)),
    member("split", "string, string, int", "list(string)", |v, m| split(v, int(&v[2])?, m)),
    member("substring", "string, int", "string", |v, m| {
        let (chars, start) = (chars(&v[0], m)?, int(&v[1])?);
        match usize::try_from(start).ok().and_then(|start| chars.get(start..)) {
            Some(part) => Ok(Val::owned(part.iter().collect::<String>())),
            None => out_of_range(start),
        }
    }),
    member("substring", "string, int, int", "string", |v, m| {
        let (chars, start, end) = (chars(&v[0], m)?, int(&v[1])?, int(&v[2])?);
        if start > end {
            return fail(format!("invalid substring range. start: {start}, end: {end}"));
        }
        let place = |i: i64| usize::try_from(i).ok().filter(|i| *i <= chars.len());
        match (place(start), place(end)) {
            (Some(start), Some(end)) => Ok(Val::owned(chars[start..end].iter().collect::<String>())),
            (None, _) => out_of_range(start),
            (_, None) => out_of_range(end),
        }
    }),
    member("join", "list(string)", "string", |v, m| join(v, "", m)),
    member("join", "list(string), string", "string", |v, m| join(v, text(&v[1])?, m)),
    plain("strings.quote", "string", "string", |v, m| made(m, 2 * text(&v[0])?.len(), || quoted(texts(v, 0)))),
    plain("string", "string", "string", same),
    plain("string", "bool", "string", to_string),
    plain("string", "bytes", "string", to_string),
    plain("string", "double", "string", to_string),
    plain("string", "duration", "string", to_string),
    plain("string", "int", "string", to_string),
    plain("string", "timestamp", "string", to_string),
    plain("string", "uint", "string", to_string),
];

pub(super) fn text<'v>(value: &'v Val<'_>) -> Result<&'v str, Fail> {
    match value {
        Val::Text(text) => Ok(text),
        _ => Err(Fail::Overload),
    }
}

/// The same of values that were seen to be texts.
fn texts<'v>(v: &'v [Val<'_>], i: usize) -> &'v str {
    v.get(i).and_then(|value| text(value).ok()).unwrap_or_default()
}

pub(super) fn int(value: &Val<'_>) -> Result<i64, Fail> {
    match value {
        Val::Int(n) => Ok(*n),
        _ => Err(Fail::Overload),
    }
}

/// Makes a text that has so many bytes.
pub(super) fn made<'a>(meter: &Meter, length: usize, make: impl FnOnce() -> String) -> Evaluated<'a> {
    meter.touch(length)?;
    if length > LONGEST { Err(Fail::Spent) } else { Ok(Val::owned(make())) }
}

fn chars(value: &Val<'_>, meter: &Meter) -> Result<Vec<char>, Fail> {
    let text = text(value)?;
    meter.touch(text.len())?;
    Ok(text.chars().collect())
}

pub(super) fn out_of_range<'a>(i: i64) -> Evaluated<'a> {
    fail(format!("index out of range: {i}"))
}

fn has<'a>(v: &[Val<'a>], meter: &Meter, holds: fn(&str, &str) -> bool) -> Evaluated<'a> {
    let (a, b) = (text(&v[0])?, text(&v[1])?);
    meter.touch(a.len() + b.len())?;
    Ok(Val::Bool(holds(a, b)))
}

fn pattern(v: &[Val<'_>], meter: &Meter) -> Result<regex::Regex, Fail> {
    let (of, pattern) = (text(&v[0])?, text(&v[1])?);
    // Of a pattern every character costs more than of the text.
    meter.touch(of.len() + 50 * pattern.len())?;
    crate::crd::pattern(pattern).map_err(|e| Fail::Text(format!("error parsing regexp: {e}")))
}

fn matches<'a>(v: &[Val<'a>], meter: &Meter) -> Evaluated<'a> {
    Ok(Val::Bool(pattern(v, meter)?.is_match(text(&v[0])?)))
}

/// So many as there are, where the most is below zero.
fn at_most(most: i64) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}

fn find_all<'a>(v: &[Val<'a>], most: i64, meter: &Meter) -> Evaluated<'a> {
    let pattern = pattern(v, meter)?;
    let found = pattern.find_iter(text(&v[0])?).take(at_most(most));
    Ok(Val::list(found.map(|found| Val::owned(found.as_str())).collect()))
}

/// Where a text begins in another one, from a place on.
fn index_of<'a>(v: &[Val<'a>], from: i64, meter: &Meter) -> Evaluated<'a> {
    let (chars, wanted) = (chars(&v[0], meter)?, chars(&v[1], meter)?);
    if wanted.is_empty() {
        return Ok(Val::Int(from));
    }
    let Ok(start) = usize::try_from(from) else { return out_of_range(from) };
    meter.touch(chars.len() * wanted.len().min(64))?;
    let found = chars.windows(wanted.len()).enumerate().skip(start).find(|(_, part)| **part == *wanted);
    Ok(Val::Int(found.map_or(-1, |(i, _)| i64::try_from(i).unwrap_or(i64::MAX))))
}

fn last_index_of<'a>(v: &[Val<'a>], from: Option<i64>, meter: &Meter) -> Evaluated<'a> {
    let (chars, wanted) = (chars(&v[0], meter)?, chars(&v[1], meter)?);
    let length = i64::try_from(chars.len()).unwrap_or(i64::MAX);
    if wanted.is_empty() {
        return Ok(Val::Int(from.unwrap_or(length)));
    }
    let from = from.unwrap_or((length - 1).max(0));
    let Ok(last) = usize::try_from(from) else { return out_of_range(from) };
    if last >= chars.len() {
        return Ok(Val::Int(-1));
    }
    meter.touch(chars.len() * wanted.len().min(64))?;
    let found = chars.windows(wanted.len()).enumerate().take(last + 1).rfind(|(_, part)| **part == *wanted);
    Ok(Val::Int(found.map_or(-1, |(i, _)| i64::try_from(i).unwrap_or(i64::MAX))))
}

fn replace<'a>(v: &[Val<'a>], most: i64, meter: &Meter) -> Evaluated<'a> {
    let (of, old, new) = (text(&v[0])?, text(&v[1])?, text(&v[2])?);
    meter.touch(of.len())?;
    let times = of.matches(old).count().min(at_most(most));
    let length = of.len().saturating_add(times.saturating_mul(new.len()));
    made(meter, length, || of.replacen(old, new, at_most(most)))
}

fn split<'a>(v: &[Val<'a>], most: i64, meter: &Meter) -> Evaluated<'a> {
    let (of, by) = (text(&v[0])?, text(&v[1])?);
    meter.touch(of.len())?;
    let most = at_most(most);
    if most == 0 {
        return Ok(Val::list(Vec::new()));
    }
    let parts: Vec<String> = if by.is_empty() {
        let mut rest = of.chars();
        let mut parts: Vec<String> = Vec::new();
        while parts.len() + 1 < most {
            match rest.next() {
                Some(c) => parts.push(c.into()),
                None => break,
            }
        }
        if !rest.as_str().is_empty() {
            parts.push(rest.as_str().to_owned());
        }
        parts
    } else {
        of.splitn(most, by).map(str::to_owned).collect()
    };
    Ok(Val::list(parts.into_iter().map(Val::owned).collect()))
}

fn join<'a>(v: &[Val<'a>], by: &str, meter: &Meter) -> Evaluated<'a> {
    let items = v[0].items(meter)?;
    let parts: Result<Vec<&str>, Fail> = items.iter().map(text).collect();
    let parts = parts?;
    let length = parts.iter().map(|part| part.len() + by.len()).sum();
    made(meter, length, || parts.join(by))
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' | '"' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn to_string<'a>(v: &[Val<'a>], meter: &Meter) -> Evaluated<'a> {
    match &v[0] {
        Val::Bytes(bytes) => {
            meter.touch(bytes.len())?;
            match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Val::owned(text)),
                Err(_) => fail("invalid UTF-8 in bytes, cannot convert to string"),
            }
        }
        Val::Bool(_) | Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::Duration(_) | Val::Timestamp(_) => {
            Ok(Val::owned(shown(&v[0])))
        }
        other => conversion(other, Type::String),
    }
}

/// A value as messages show it.
pub(in crate::cel) fn shown(value: &Val<'_>) -> String {
    match value {
        Val::Null => "null".to_owned(),
        Val::Bool(b) => b.to_string(),
        Val::Int(n) => n.to_string(),
        Val::Uint(n) => n.to_string(),
        Val::Double(n) => double(*n),
        Val::Text(text) => text.to_string(),
        Val::Duration(nanos) => time::seconds(*nanos),
        Val::Timestamp(at) => at.to_string(),
        Val::Type(name) => name.clone(),
        other => other.type_name().to_owned(),
    }
}

/// As Go's `%g` prints it.
fn double(n: f64) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{n:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if n == 0.0 || (-4..21).contains(&exponent) {
        return n.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
