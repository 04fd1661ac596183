//! Numbers, quantities and versions.

use std::cmp::Ordering;

use super::{
    Row,
    core::{conversion, is, same},
    member, plain,
};
use crate::{
    admission::quantity,
    cel::{
        types::Type,
        value::{Evaluated, Fail, Meter, Named, Val, fail},
    },
};

const QUANTITY: &str = "kubernetes.Quantity";
const QUANTITIES: &str = "kubernetes.Quantity, kubernetes.Quantity";
const SEMVERS: &str = "kubernetes.Semver, kubernetes.Semver";
const NANO: i128 = 1_000_000_000;

pub(super) const TABLE: &[Row] = &[
    plain("-_", "int", "int", |v, _| match v {
        [Val::Int(n)] => n.checked_neg().map_or_else(overflow, |n| Ok(Val::Int(n))),
        _ => Err(Fail::Overload),
    }),
    plain("-_", "double", "double", |v, _| match v {
        [Val::Double(n)] => Ok(Val::Double(-n)),
        _ => Err(Fail::Overload),
    }),
    plain("_+_", "int, int", "int", |v, _| whole(v, i64::checked_add, u64::checked_add)),
    plain("_+_", "uint, uint", "uint", |v, _| whole(v, i64::checked_add, u64::checked_add)),
    plain("_+_", "double, double", "double", |v, _| real(v, |a, b| a + b)),
    plain("_-_", "int, int", "int", |v, _| whole(v, i64::checked_sub, u64::checked_sub)),
    plain("_-_", "uint, uint", "uint", |v, _| whole(v, i64::checked_sub, u64::checked_sub)),
    plain("_-_", "double, double", "double", |v, _| real(v, |a, b| a - b)),
    plain("_*_", "int, int", "int", |v, _| whole(v, i64::checked_mul, u64::checked_mul)),
    plain("_*_", "uint, uint", "uint", |v, _| whole(v, i64::checked_mul, u64::checked_mul)),
    plain("_*_", "double, double", "double", |v, _| real(v, |a, b| a * b)),
    plain("_/_", "int, int", "int", |v, _| divided(v, "division by zero", i64::checked_div, u64::checked_div)),
    plain("_/_", "uint, uint", "uint", |v, _| divided(v, "division by zero", i64::checked_div, u64::checked_div)),
    plain("_/_", "double, double", "double", |v, _| real(v, |a, b| a / b)),
    plain("_%_", "int, int", "int", |v, _| divided(v, "modulus by zero", i64::checked_rem, u64::checked_rem)),
    plain("_%_", "uint, uint", "uint", |v, _| divided(v, "modulus by zero", i64::checked_rem, u64::checked_rem)),
    compared("_<_", "int, int", |v, m| is(v, m, |o| o.is_lt())),
    compared("_<_", "int, double", |v, m| is(v, m, |o| o.is_lt())),
    compared("_<_", "int, uint", |v, m| is(v, m, |o| o.is_lt())),
    compared("_<_", "uint, uint", |v, m| is(v, m, |o| o.is_lt())),
    compared("_<_", "uint, double", |v, m| is(v, m, |o| o.is_lt())),
    compared("_<_", "uint, int", |v, m| is(v, m, |o| o.is_lt())),
    compared("_<_", "double, double", |v, m| is(v, m, |o| o.is_lt())),
    compared("_<_", "double, int", |v, m| is(v, m, |o| o.is_lt())),
    compared("_<_", "double, uint", |v, m| is(v, m, |o| o.is_lt())),
    compared("_<=_", "int, int", |v, m| is(v, m, |o| o.is_le())),
    compared("_<=_", "int, double", |v, m| is(v, m, |o| o.is_le())),
    compared("_<=_", "int, uint", |v, m| is(v, m, |o| o.is_le())),
    compared("_<=_", "uint, uint", |v, m| is(v, m, |o| o.is_le())),
    compared("_<=_", "uint, double", |v, m| is(v, m, |o| o.is_le())),
    compared("_<=_", "uint, int", |v, m| is(v, m, |o| o.is_le())),
    compared("_<=_", "double, double", |v, m| is(v, m, |o| o.is_le())),
    compared("_<=_", "double, int", |v, m| is(v, m, |o| o.is_le())),
    compared("_<=_", "double, uint", |v, m| is(v, m, |o| o.is_le())),
    compared("_>_", "int, int", |v, m| is(v, m, |o| o.is_gt())),
    compared("_>_", "int, double", |v, m| is(v, m, |o| o.is_gt())),
    compared("_>_", "int, uint", |v, m| is(v, m, |o| o.is_gt())),
    compared("_>_", "uint, uint", |v, m| is(v, m, |o| o.is_gt())),
    compared("_>_", "uint, double", |v, m| is(v, m, |o| o.is_gt())),
    compared("_>_", "uint, int", |v, m| is(v, m, |o| o.is_gt())),
    compared("_>_", "double, double", |v, m| is(v, m, |o| o.is_gt())),
    compared("_>_", "double, int", |v, m| is(v, m, |o| o.is_gt())),
    compared("_>_", "double, uint", |v, m| is(v, m, |o| o.is_gt())),
    compared("_>=_", "int, int", |v, m| is(v, m, |o| o.is_ge())),
    compared("_>=_", "int, double", |v, m| is(v, m, |o| o.is_ge())),
    compared("_>=_", "int, uint", |v, m| is(v, m, |o| o.is_ge())),
    compared("_>=_", "uint, uint", |v, m| is(v, m, |o| o.is_ge())),
    compared("_>=_", "uint, double", |v, m| is(v, m, |o| o.is_ge())),
    compared("_>=_", "uint, int", |v, m| is(v, m, |o| o.is_ge())),
    compared("_>=_", "double, double", |v, m| is(v, m, |o| o.is_ge())),
    compared("_>=_", "double, int", |v, m| is(v, m, |o| o.is_ge())),
    compared("_>=_", "double, uint", |v, m| is(v, m, |o| o.is_ge())),
    plain("int", "int", "int", same),
    plain("int", "uint", "int", to_int),
    plain("int", "double", "int", to_int),
    plain("int", "string", "int", to_int),
    plain("int", "duration", "int", to_int),
    plain("int", "timestamp", "int", to_int),
    plain("uint", "uint", "uint", same),
    plain("uint", "int", "uint", to_uint),
    plain("uint", "double", "uint", to_uint),
    plain("uint", "string", "uint", to_uint),
    plain("double", "double", "double", same),
    plain("double", "int", "double", to_double),
    plain("double", "uint", "double", to_double),
    plain("double", "string", "double", to_double),
    plain("quantity", "string", QUANTITY, |v, _| match quantity_of(&v[0]) {
        Ok(n) => Ok(Val::named(Named::Quantity(n))),
        Err(e) => fail(e),
    }),
    plain("isQuantity", "string", "bool", |v, _| Ok(Val::Bool(quantity_of(&v[0]).is_ok()))),
    plain("sign", QUANTITY, "int", |v, _| Ok(Val::Int(sign(nanos(&v[0])?)))),
    member("isInteger", QUANTITY, "bool", |v, _| Ok(Val::Bool(as_integer(nanos(&v[0])?).is_some()))),
    member("asInteger", QUANTITY, "int", |v, _| match as_integer(nanos(&v[0])?) {
        Some(n) => Ok(Val::Int(n)),
        None => fail("cannot convert value to integer"),
    }),
    #[allow(clippy::cast_precision_loss, reason = "it is an approximation")]
    member("asApproximateFloat", QUANTITY, "double", |v, _| Ok(Val::Double(nanos(&v[0])? as f64 / NANO as f64))),
    member("compareTo", QUANTITIES, "int", |v, _| Ok(order(nanos(&v[0])?.cmp(&nanos(&v[1])?)))),
    member("isGreaterThan", QUANTITIES, "bool", |v, _| Ok(Val::Bool(nanos(&v[0])? > nanos(&v[1])?))),
    member("isLessThan", QUANTITIES, "bool", |v, _| Ok(Val::Bool(nanos(&v[0])? < nanos(&v[1])?))),
    member("add", QUANTITIES, QUANTITY, |v, _| sum(nanos(&v[0])?.checked_add(nanos(&v[1])?))),
    member("sub", QUANTITIES, QUANTITY, |v, _| sum(nanos(&v[0])?.checked_sub(nanos(&v[1])?))),
    member("add", "kubernetes.Quantity, int", QUANTITY, |v, _| sum(nanos(&v[0])?.checked_add(units(&v[1])?))),
    member("sub", "kubernetes.Quantity, int", QUANTITY, |v, _| sum(nanos(&v[0])?.checked_sub(units(&v[1])?))),
    plain("semver", "string", "kubernetes.Semver", |v, _| version(v)),
    plain("semver", "string, bool", "kubernetes.Semver", |v, _| version(v)),
    plain("isSemver", "string", "bool", |v, _| Ok(Val::Bool(version(v).is_ok()))),
    plain("isSemver", "string, bool", "bool", |v, _| Ok(Val::Bool(version(v).is_ok()))),
    member("major", "kubernetes.Semver", "int", |v, _| part(&v[0], 0)),
    member("minor", "kubernetes.Semver", "int", |v, _| part(&v[0], 1)),
    member("patch", "kubernetes.Semver", "int", |v, _| part(&v[0], 2)),
    member("compareTo", SEMVERS, "int", |v, _| Ok(order(semvers(v)?))),
    member("isGreaterThan", SEMVERS, "bool", |v, _| Ok(Val::Bool(semvers(v)?.is_gt()))),
    member("isLessThan", SEMVERS, "bool", |v, _| Ok(Val::Bool(semvers(v)?.is_lt()))),
];

const fn compared(name: &'static str, args: &'static str, run: super::Run) -> Row {
    plain(name, args, "bool", run)
}

pub(super) fn overflow<'a>() -> Evaluated<'a> {
    fail("integer overflow")
}

fn unsigned_overflow<'a>() -> Evaluated<'a> {
    fail("unsigned integer overflow")
}

fn whole<'a>(v: &[Val<'a>], int: fn(i64, i64) -> Option<i64>, uint: fn(u64, u64) -> Option<u64>) -> Evaluated<'a> {
    let made = match v {
        [Val::Int(a), Val::Int(b)] => int(*a, *b).map(Val::Int),
        [Val::Uint(a), Val::Uint(b)] => return uint(*a, *b).map_or_else(unsigned_overflow, |n| Ok(Val::Uint(n))),
        _ => return Err(Fail::Overload),
    };
    made.map_or_else(overflow, Ok)
}

fn divided<'a>(
    v: &[Val<'a>],
    zero: &str,
    int: fn(i64, i64) -> Option<i64>,
    uint: fn(u64, u64) -> Option<u64>,
) -> Evaluated<'a> {
    match v {
        [_, Val::Int(0) | Val::Uint(0)] => fail(zero),
        v => whole(v, int, uint),
    }
}

fn real<'a>(v: &[Val<'a>], of: fn(f64, f64) -> f64) -> Evaluated<'a> {
    match v {
        [Val::Double(a), Val::Double(b)] => Ok(Val::Double(of(*a, *b))),
        _ => Err(Fail::Overload),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was looked at")]
fn to_int<'a>(v: &[Val<'a>], _: &Meter) -> Evaluated<'a> {
    match &v[0] {
        Val::Uint(n) => i64::try_from(*n).map_or_else(|_| overflow(), |n| Ok(Val::Int(n))),
        Val::Double(n) if n.is_finite() && *n > i64::MIN as f64 && *n < i64::MAX as f64 => Ok(Val::Int(*n as i64)),
        Val::Double(_) => overflow(),
        Val::Text(text) => match text.parse() {
            Ok(n) => Ok(Val::Int(n)),
            Err(_) => conversion(&v[0], Type::Int),
        },
        Val::Duration(nanos) => Ok(Val::Int(*nanos)),
        Val::Timestamp(at) => Ok(Val::Int(at.as_second())),
        other => conversion(other, Type::Int),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "looked at")]
fn to_uint<'a>(v: &[Val<'a>], _: &Meter) -> Evaluated<'a> {
    match &v[0] {
        Val::Int(n) => u64::try_from(*n).map_or_else(|_| unsigned_overflow(), |n| Ok(Val::Uint(n))),
        Val::Double(n) if n.is_finite() && *n >= 0.0 && *n < u64::MAX as f64 => Ok(Val::Uint(*n as u64)),
        Val::Double(_) => unsigned_overflow(),
        Val::Text(text) => match text.parse() {
            Ok(n) => Ok(Val::Uint(n)),
            Err(_) => conversion(&v[0], Type::Uint),
        },
        other => conversion(other, Type::Uint),
    }
}

#[allow(clippy::cast_precision_loss, reason = "as the server does it")]
fn to_double<'a>(v: &[Val<'a>], _: &Meter) -> Evaluated<'a> {
    match &v[0] {
        Val::Int(n) => Ok(Val::Double(*n as f64)),
        Val::Uint(n) => Ok(Val::Double(*n as f64)),
        Val::Text(text) => match text.parse() {
            Ok(n) => Ok(Val::Double(n)),
            Err(_) => conversion(&v[0], Type::Double),
        },
        other => conversion(other, Type::Double),
    }
}

fn quantity_of(text: &Val<'_>) -> Result<i128, &'static str> {
    let Val::Text(text) = text else { return Err("no text") };
    quantity::parse(text)?;
    quantity::value(text).ok_or("quantities must have a number")
}

fn nanos(value: &Val<'_>) -> Result<i128, Fail> {
    match value {
        Val::Named(named) => match **named {
            Named::Quantity(n) => Ok(n),
            _ => Err(Fail::Overload),
        },
        _ => Err(Fail::Overload),
    }
}

fn units(value: &Val<'_>) -> Result<i128, Fail> {
    match value {
        Val::Int(n) => Ok(i128::from(*n) * NANO),
        _ => Err(Fail::Overload),
    }
}

fn sum<'a>(nanos: Option<i128>) -> Evaluated<'a> {
    nanos.map_or_else(overflow, |n| Ok(Val::named(Named::Quantity(n))))
}

fn as_integer(nanos: i128) -> Option<i64> {
    (nanos % NANO == 0).then(|| i64::try_from(nanos / NANO).ok()).flatten()
}

fn sign(n: i128) -> i64 {
    match n.cmp(&0) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

fn order<'a>(ordering: Ordering) -> Val<'a> {
    Val::Int(ordering as i64)
}

/// A version by semver.org; what stands behind `+` does not count.
#[derive(Debug, Clone)]
pub(crate) struct Semver {
    numbers: [u64; 3],
    /// The parts of what stands behind `-`.
    before: Vec<String>,
}

impl PartialEq for Semver {
    fn eq(&self, other: &Self) -> bool {
        self.order(other).is_eq()
    }
}

impl Semver {
    fn order(&self, other: &Self) -> Ordering {
        let one = |a: &String, b: &String| match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        let before = || match (self.before.is_empty(), other.before.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let parts = self.before.iter().zip(&other.before).map(|(a, b)| one(a, b));
                parts.fold(Ordering::Equal, Ordering::then).then(self.before.len().cmp(&other.before.len()))
            }
        };
        self.numbers.cmp(&other.numbers).then_with(before)
    }

    fn parse(text: &str, lenient: bool) -> Result<Self, String> {
        const PARTS: &str = "No Major.Minor.Patch elements found";
        if text.is_empty() {
            return Err("Version string empty".to_owned());
        }
        let enough = lenient || text.splitn(3, '.').count() == 3;
        let parsed = Self::read(text, lenient).filter(|_| enough);
        parsed.ok_or_else(|| if enough { format!("Invalid semantic version {text:?}") } else { PARTS.to_owned() })
    }

    fn read(text: &str, lenient: bool) -> Option<Self> {
        let text = if lenient { text.trim().strip_prefix('v').unwrap_or(text.trim()) } else { text };
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (text, before) = text.split_once('-').map_or((text, None), |(text, before)| (text, Some(before)));
        let mut numbers = [0; 3];
        let parts: Vec<&str> = text.split('.').collect();
        if parts.len() > 3 || parts.len() < 3 && !(lenient && before.is_none() && build.is_none()) {
            return None;
        }
        for (number, part) in numbers.iter_mut().zip(parts) {
            let part = if lenient && part.len() > 1 { part.trim_start_matches('0') } else { part };
            let part = if part.is_empty() && lenient { "0" } else { part };
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if !digits || part.len() > 1 && part.starts_with('0') {
                return None;
            }
            *number = part.parse().ok()?;
        }
        let parts = |text: Option<&str>, numbers: bool| -> Option<Vec<String>> {
            let Some(text) = text else { return Some(Vec::new()) };
            let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
            let good = |part: &String| {
                let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                let number = part.bytes().all(|b| b.is_ascii_digit());
                plain && !(numbers && number && part.len() > 1 && part.starts_with('0'))
            };
            parts.iter().all(good).then_some(parts)
        };
        parts(build, false)?;
        Some(Self { numbers, before: parts(before, true)? })
    }
}

fn version<'a>(v: &[Val<'a>]) -> Evaluated<'a> {
    let lenient = matches!(v.get(1), Some(Val::Bool(true)));
    let Val::Text(text) = &v[0] else { return Err(Fail::Overload) };
    match Semver::parse(text, lenient) {
        Ok(version) => Ok(Val::named(Named::Semver(version))),
        Err(e) => fail(e),
    }
}

fn semver<'v>(value: &'v Val<'_>) -> Result<&'v Semver, Fail> {
    match value {
        Val::Named(named) => match &**named {
            Named::Semver(version) => Ok(version),
            _ => Err(Fail::Overload),
        },
        _ => Err(Fail::Overload),
    }
}

fn semvers(v: &[Val<'_>]) -> Result<Ordering, Fail> {
    Ok(semver(&v[0])?.order(semver(&v[1])?))
}

fn part<'a>(value: &Val<'a>, which: usize) -> Evaluated<'a> {
    i64::try_from(semver(value)?.numbers[which]).map_or_else(|_| overflow(), |n| Ok(Val::Int(n)))
}
