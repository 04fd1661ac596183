//! Operators, and what there is for values of any type.

use std::cmp::Ordering;

use super::{Row, member, plain, shown};
use crate::cel::{
    eval::insert,
    types::Type,
    value::{Evaluated, Fail, Meter, Val, compare, equal, fail},
};

pub(super) const TABLE: &[Row] = &[
    plain("!_", "bool", "bool", |v, _| Ok(Val::Bool(!v[0].as_bool()?))),
    // Of these only the types are looked at: they are evaluated where the tree is.
    plain("_?_:_", "bool, A, A", "A", |_, _| Err(Fail::Overload)),
    plain("_==_", "A, A", "bool", |v, m| equal(&v[0], &v[1], m).map(Val::Bool)),
    plain("_!=_", "A, A", "bool", |v, m| equal(&v[0], &v[1], m).map(|same| Val::Bool(!same))),
    plain("_[_]", "list(A), int", "A", |_, _| Err(Fail::Overload)),
    plain("_[_]", "map(A, B), A", "B", |_, _| Err(Fail::Overload)),
    plain("_[_]", "optional(list(A)), int", "optional(A)", |_, _| Err(Fail::Overload)),
    plain("_[_]", "optional(map(A, B)), A", "optional(B)", |_, _| Err(Fail::Overload)),
    plain("_[?_]", "list(A), int", "optional(A)", |_, _| Err(Fail::Overload)),
    plain("_[?_]", "optional(list(A)), int", "optional(A)", |_, _| Err(Fail::Overload)),
    plain("_[?_]", "map(A, B), A", "optional(B)", |_, _| Err(Fail::Overload)),
    plain("_[?_]", "optional(map(A, B)), A", "optional(B)", |_, _| Err(Fail::Overload)),
    plain("@in", "A, list(A)", "bool", |v, m| contains(&v[1], &v[0], m)),
    plain("@in", "A, map(A, B)", "bool", |v, m| Ok(Val::Bool(v[1].find(&v[0], m)?.is_some()))),
    ordered("_<_", "bool, bool", |v, m| is(v, m, |o| o.is_lt())),
    ordered("_<_", "string, string", |v, m| is(v, m, |o| o.is_lt())),
    ordered("_<_", "bytes, bytes", |v, m| is(v, m, |o| o.is_lt())),
    ordered("_<_", "timestamp, timestamp", |v, m| is(v, m, |o| o.is_lt())),
    ordered("_<_", "duration, duration", |v, m| is(v, m, |o| o.is_lt())),
    ordered("_<=_", "bool, bool", |v, m| is(v, m, |o| o.is_le())),
    ordered("_<=_", "string, string", |v, m| is(v, m, |o| o.is_le())),
    ordered("_<=_", "bytes, bytes", |v, m| is(v, m, |o| o.is_le())),
    ordered("_<=_", "timestamp, timestamp", |v, m| is(v, m, |o| o.is_le())),
    ordered("_<=_", "duration, duration", |v, m| is(v, m, |o| o.is_le())),
    ordered("_>_", "bool, bool", |v, m| is(v, m, |o| o.is_gt())),
    ordered("_>_", "string, string", |v, m| is(v, m, |o| o.is_gt())),
    ordered("_>_", "bytes, bytes", |v, m| is(v, m, |o| o.is_gt())),
    ordered("_>_", "timestamp, timestamp", |v, m| is(v, m, |o| o.is_gt())),
    ordered("_>_", "duration, duration", |v, m| is(v, m, |o| o.is_gt())),
    ordered("_>=_", "bool, bool", |v, m| is(v, m, |o| o.is_ge())),
    ordered("_>=_", "string, string", |v, m| is(v, m, |o| o.is_ge())),
    ordered("_>=_", "bytes, bytes", |v, m| is(v, m, |o| o.is_ge())),
    ordered("_>=_", "timestamp, timestamp", |v, m| is(v, m, |o| o.is_ge())),
    ordered("_>=_", "duration, duration", |v, m| is(v, m, |o| o.is_ge())),
    plain("size", "string", "int", size),
    plain("size", "bytes", "int", size),
    plain("size", "list(A)", "int", size),
    plain("size", "map(A, B)", "int", size),
    member("size", "string", "int", size),
    member("size", "bytes", "int", size),
    member("size", "list(A)", "int", size),
    member("size", "map(A, B)", "int", size),
    plain("type", "A", "type(A)", |v, _| Ok(Val::Type(v[0].type_name().to_owned()))),
    plain("dyn", "A", "dyn", same),
    plain("bool", "bool", "bool", same),
    plain("bool", "string", "bool", to_bool),
    plain("bytes", "bytes", "bytes", same),
    plain("bytes", "string", "bytes", |v, _| match &v[0] {
        Val::Text(text) => Ok(Val::Bytes(text.as_bytes().into())),
        _ => Err(Fail::Overload),
    }),
    plain("optional.of", "A", "optional(A)", |v, _| Ok(Val::some(v[0].clone()))),
    plain("optional.none", "", "optional(A)", |_, _| Ok(Val::Optional(None))),
    plain("optional.ofNonZeroValue", "A", "optional(A)", |v, m| {
        Ok(if is_zero(&v[0], m) { Val::Optional(None) } else { Val::some(v[0].clone()) })
    }),
    plain("optional.unwrap", "list(optional(A))", "list(A)", unwrap_all),
    member("unwrapOpt", "list(optional(A))", "list(A)", unwrap_all),
    member("hasValue", "optional(A)", "bool", |v, _| Ok(Val::Bool(matches!(v[0], Val::Optional(Some(_)))))),
    member("value", "optional(A)", "A", |v, _| match &v[0] {
        Val::Optional(Some(value)) => Ok((**value).clone()),
        _ => fail("optional.none() dereference"),
    }),
    member("or", "optional(A), optional(A)", "optional(A)", |v, _| {
        Ok(if matches!(v[0], Val::Optional(None)) { v[1].clone() } else { v[0].clone() })
    }),
    member("orValue", "optional(A), A", "A", |v, _| match &v[0] {
        Val::Optional(Some(value)) => Ok((**value).clone()),
        _ => Ok(v[1].clone()),
    }),
    plain("cel.@mapInsert", "map(A, B), A, B", "map(A, B)", |v, m| {
        let mut map = (*v[0].entries(m)?).clone();
        insert(&mut map, v[1].clone(), v[2].clone(), m, "insert failed")?;
        Ok(Val::Map(map.into()))
    }),
];

/// An operator that compares.
const fn ordered(name: &'static str, args: &'static str, run: super::Run) -> Row {
    plain(name, args, "bool", run)
}

pub(super) fn is<'a>(v: &[Val<'a>], meter: &Meter, holds: fn(Ordering) -> bool) -> Evaluated<'a> {
    compare(&v[0], &v[1], meter).map(|ordering| Val::Bool(holds(ordering)))
}

pub(super) fn same<'a>(v: &[Val<'a>], _: &Meter) -> Evaluated<'a> {
    Ok(v[0].clone())
}

fn size<'a>(v: &[Val<'a>], meter: &Meter) -> Evaluated<'a> {
    Ok(Val::Int(i64::try_from(v[0].size(meter)?).unwrap_or(i64::MAX)))
}

fn contains<'a>(list: &Val<'a>, wanted: &Val<'a>, meter: &Meter) -> Evaluated<'a> {
    for item in list.items(meter)?.iter() {
        if equal(item, wanted, meter)? {
            return Ok(Val::Bool(true));
        }
    }
    Ok(Val::Bool(false))
}

fn to_bool<'a>(v: &[Val<'a>], _: &Meter) -> Evaluated<'a> {
    let Val::Text(text) = &v[0] else { return Err(Fail::Overload) };
    match text.as_ref() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Val::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Val::Bool(false)),
        _ => conversion(&v[0], Type::Bool),
    }
}

pub(super) fn conversion<'a>(from: &Val<'_>, to: Type) -> Evaluated<'a> {
    fail(format!("type conversion error from '{}' to '{to}'", from.type_name()))
}

fn is_zero(value: &Val<'_>, meter: &Meter) -> bool {
    match value {
        Val::Null => true,
        Val::Bool(b) => !b,
        Val::Int(n) => *n == 0,
        Val::Uint(n) => *n == 0,
        Val::Double(n) => *n == 0.0,
        Val::Duration(n) => *n == 0,
        Val::Optional(of) => of.is_none(),
        other => other.size(meter).is_ok_and(|size| size == 0),
    }
}

fn unwrap_all<'a>(v: &[Val<'a>], meter: &Meter) -> Evaluated<'a> {
    let mut list = Vec::new();
    for item in v[0].items(meter)?.iter() {
        match item {
            Val::Optional(value) => list.extend(value.as_ref().map(|value| (**value).clone())),
            other => return fail(format!("no such overload: {}", shown(other))),
        }
    }
    Ok(Val::list(list))
}
