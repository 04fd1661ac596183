//! Times and durations.

use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};

use super::{Row, core::same, member, numbers::overflow, plain, strings};
use crate::{
    cel::value::{Evaluated, Fail, Val, fail},
    controllers::cronjob::schedule::time_zone,
    literal,
};

const SECOND: i64 = 1_000_000_000;

pub(super) const TABLE: &[Row] = &[
    plain("duration", "duration", "duration", same),
    plain("duration", "int", "duration", |v, _| Ok(Val::Duration(strings::int(&v[0])?))),
    plain("duration", "string", "duration", |v, _| match duration(strings::text(&v[0])?) {
        Ok(nanos) => Ok(Val::Duration(nanos)),
        Err(_) => fail("type conversion error from 'string' to 'google.protobuf.Duration'"),
    }),
    plain("timestamp", "timestamp", "timestamp", same),
    plain("timestamp", "int", "timestamp", |v, _| match Timestamp::from_second(strings::int(&v[0])?) {
        Ok(at) => Ok(Val::Timestamp(at)),
        Err(_) => fail("timestamp overflow"),
    }),
    plain("timestamp", "string", "timestamp", |v, _| match timestamp(strings::text(&v[0])?) {
        Ok(at) => Ok(Val::Timestamp(at)),
        Err(_) => fail("type conversion error from 'string' to 'google.protobuf.Timestamp'"),
    }),
    plain("_+_", "duration, duration", "duration", |v, _| match v {
        [Val::Duration(a), Val::Duration(b)] => a.checked_add(*b).map_or_else(overflow, |n| Ok(Val::Duration(n))),
        _ => Err(Fail::Overload),
    }),
    plain("_+_", "duration, timestamp", "timestamp", |v, _| moved(&v[1], &v[0], false)),
    plain("_+_", "timestamp, duration", "timestamp", |v, _| moved(&v[0], &v[1], false)),
    plain("_-_", "timestamp, duration", "timestamp", |v, _| moved(&v[0], &v[1], true)),
    plain("_-_", "duration, duration", "duration", |v, _| match v {
        [Val::Duration(a), Val::Duration(b)] => a.checked_sub(*b).map_or_else(overflow, |n| Ok(Val::Duration(n))),
        _ => Err(Fail::Overload),
    }),
    plain("_-_", "timestamp, timestamp", "duration", |v, _| match v {
        [Val::Timestamp(a), Val::Timestamp(b)] => {
            let nanos = a.as_nanosecond() - b.as_nanosecond();
            i64::try_from(nanos).map_or_else(|_| overflow(), |n| Ok(Val::Duration(n)))
        }
        _ => Err(Fail::Overload),
    }),
    plain("-_", "duration", "duration", |v, _| match v {
        [Val::Duration(a)] => a.checked_neg().map_or_else(overflow, |n| Ok(Val::Duration(n))),
        _ => Err(Fail::Overload),
    }),
    at("getFullYear", |v, _| of(v, |at| i64::from(at.year()))),
    at_zone("getFullYear", |v, _| of(v, |at| i64::from(at.year()))),
    at("getMonth", |v, _| of(v, |at| i64::from(at.month()) - 1)),
    at_zone("getMonth", |v, _| of(v, |at| i64::from(at.month()) - 1)),
    at("getDayOfYear", |v, _| of(v, |at| i64::from(at.day_of_year()) - 1)),
    at_zone("getDayOfYear", |v, _| of(v, |at| i64::from(at.day_of_year()) - 1)),
    at("getDayOfMonth", |v, _| of(v, |at| i64::from(at.day()) - 1)),
    at_zone("getDayOfMonth", |v, _| of(v, |at| i64::from(at.day()) - 1)),
    at("getDate", |v, _| of(v, |at| i64::from(at.day()))),
    at_zone("getDate", |v, _| of(v, |at| i64::from(at.day()))),
    at("getDayOfWeek", |v, _| of(v, |at| i64::from(at.weekday().to_sunday_zero_offset()))),
    at_zone("getDayOfWeek", |v, _| of(v, |at| i64::from(at.weekday().to_sunday_zero_offset()))),
    at("getHours", |v, _| of(v, |at| i64::from(at.hour()))),
    at_zone("getHours", |v, _| of(v, |at| i64::from(at.hour()))),
    at("getMinutes", |v, _| of(v, |at| i64::from(at.minute()))),
    at_zone("getMinutes", |v, _| of(v, |at| i64::from(at.minute()))),
    at("getSeconds", |v, _| of(v, |at| i64::from(at.second()))),
    at_zone("getSeconds", |v, _| of(v, |at| i64::from(at.second()))),
    at("getMilliseconds", |v, _| of(v, |at| i64::from(at.millisecond()))),
    at_zone("getMilliseconds", |v, _| of(v, |at| i64::from(at.millisecond()))),
    member("getHours", "duration", "int", |v, _| units(v, 3600 * SECOND)),
    member("getMinutes", "duration", "int", |v, _| units(v, 60 * SECOND)),
    member("getSeconds", "duration", "int", |v, _| units(v, SECOND)),
    member("getMilliseconds", "duration", "int", |v, _| units(v, SECOND / 1000)),
];

const fn at(name: &'static str, run: super::Run) -> Row {
    member(name, "timestamp", "int", run)
}

const fn at_zone(name: &'static str, run: super::Run) -> Row {
    member(name, "timestamp, string", "int", run)
}

/// The nanoseconds of a duration as Go writes it.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) if !rest.starts_with(['-', '+']) => (-1, rest),
        _ => (1, text),
    };
    let nanos = literal::duration(rest)?.as_nanos();
    i64::try_from(nanos).map(|nanos| sign * nanos).map_err(|_| format!("time: invalid duration {text:?}"))
}

pub(super) fn timestamp(text: &str) -> Result<Timestamp, String> {
    let shape = text.len() >= 20 && text.as_bytes().get(10).is_some_and(|b| *b == b'T');
    let parsed = shape.then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse"))
}

/// A duration as rules print it.
pub(super) fn seconds(nanos: i64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "as the server does it")]
    let text = (nanos as f64 / SECOND as f64).to_string();
    format!("{text}s")
}

fn moved<'a>(at: &Val<'a>, by: &Val<'a>, back: bool) -> Evaluated<'a> {
    let (Val::Timestamp(at), Val::Duration(by)) = (at, by) else { return Err(Fail::Overload) };
    let by = SignedDuration::from_nanos(*by);
    let moved = if back { at.checked_sub(by) } else { at.checked_add(by) };
    moved.map_or_else(|_| fail("timestamp overflow"), |at| Ok(Val::Timestamp(at)))
}

fn of<'a>(v: &[Val<'a>], part: fn(&Zoned) -> i64) -> Evaluated<'a> {
    let Val::Timestamp(at) = &v[0] else { return Err(Fail::Overload) };
    let zone = match v.get(1) {
        None => TimeZone::UTC,
        Some(name) => match zone(strings::text(name)?) {
            Some(zone) => zone,
            None => return fail(format!("unknown time zone {}", strings::text(name)?)),
        },
    };
    Ok(Val::Int(part(&at.to_zoned(zone))))
}

/// A zone by its name, or by how far it is from Greenwich.
fn zone(text: &str) -> Option<TimeZone> {
    let Some((hours, minutes)) = text.split_once(':') else {
        return if matches!(text, "" | "UTC") { Some(TimeZone::UTC) } else { time_zone(text) };
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minutes = if text.starts_with('-') { -minutes } else { minutes };
    let seconds = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
    jiff::tz::Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
}

fn units<'a>(v: &[Val<'a>], unit: i64) -> Evaluated<'a> {
    match v {
        [Val::Duration(nanos)] => Ok(Val::Int(nanos / unit)),
        _ => Err(Fail::Overload),
    }
}
