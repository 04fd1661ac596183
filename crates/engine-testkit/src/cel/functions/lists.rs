//! Lists, also as sets.

use std::cmp::Ordering;

use super::{Row, core::same, member, plain, strings::int};
use crate::cel::value::{Evaluated, Fail, Meter, Val, compare, equal, fail};

/// No function makes a longer list.
const LONGEST: usize = 1 << 20;

pub(super) const TABLE: &[Row] = &[
    plain("_+_", "list(A), list(A)", "list(A)", |v, m| v[0].joined(&v[1], m)),
    sorted("list(int)"),
    sorted("list(uint)"),
    sorted("list(double)"),
    sorted("list(string)"),
    sorted("list(bytes)"),
    sorted("list(bool)"),
    sorted("list(duration)"),
    sorted("list(timestamp)"),
    member("sum", "list(int)", "int", |v, m| sum(v, Val::Int(0), m)),
    member("sum", "list(uint)", "uint", |v, m| sum(v, Val::Uint(0), m)),
    member("sum", "list(double)", "double", |v, m| sum(v, Val::Double(0.0), m)),
    member("sum", "list(duration)", "duration", |v, m| sum(v, Val::Duration(0), m)),
    best("min", "list(int)", "int", |v, m| outermost(v, "min", Ordering::Less, m)),
    best("min", "list(uint)", "uint", |v, m| outermost(v, "min", Ordering::Less, m)),
    best("min", "list(double)", "double", |v, m| outermost(v, "min", Ordering::Less, m)),
    best("min", "list(string)", "string", |v, m| outermost(v, "min", Ordering::Less, m)),
    best("min", "list(bytes)", "bytes", |v, m| outermost(v, "min", Ordering::Less, m)),
    best("min", "list(bool)", "bool", |v, m| outermost(v, "min", Ordering::Less, m)),
    best("min", "list(duration)", "duration", |v, m| outermost(v, "min", Ordering::Less, m)),
    best("min", "list(timestamp)", "timestamp", |v, m| outermost(v, "min", Ordering::Less, m)),
    best("max", "list(int)", "int", |v, m| outermost(v, "max", Ordering::Greater, m)),
    best("max", "list(uint)", "uint", |v, m| outermost(v, "max", Ordering::Greater, m)),
    best("max", "list(double)", "double", |v, m| outermost(v, "max", Ordering::Greater, m)),
    best("max", "list(string)", "string", |v, m| outermost(v, "max", Ordering::Greater, m)),
    best("max", "list(bytes)", "bytes", |v, m| outermost(v, "max", Ordering::Greater, m)),
    best("max", "list(bool)", "bool", |v, m| outermost(v, "max", Ordering::Greater, m)),
    best("max", "list(duration)", "duration", |v, m| outermost(v, "max", Ordering::Greater, m)),
    best("max", "list(timestamp)", "timestamp", |v, m| outermost(v, "max", Ordering::Greater, m)),
    member("indexOf", "list(A), A", "int", |v, m| {
        let items = v[0].items(m)?;
        for (item, i) in items.iter().zip(0..) {
            if equal(item, &v[1], m)? {
                return Ok(Val::Int(i));
            }
        }
        Ok(Val::Int(-1))
    }),
    member("lastIndexOf", "list(A), A", "int", |v, m| {
        let mut found = -1;
        for (item, i) in v[0].items(m)?.iter().zip(0..) {
            if equal(item, &v[1], m)? {
                found = i;
            }
        }
        Ok(Val::Int(found))
    }),
    member("slice", "list(A), int, int", "list(A)", slice),
    member("flatten", "list(list(A))", "list(A)", |v, m| flatten(&v[0], 1, m)),
    member("flatten", "list(dyn), int", "list(dyn)", |v, m| match int(&v[1])? {
        depth @ 0.. => flatten(&v[0], depth, m),
        _ => fail("level must be non-negative"),
    }),
    member("reverse", "list(A)", "list(A)", |v, m| Ok(Val::list(v[0].items(m)?.iter().rev().cloned().collect()))),
    member("distinct", "list(A)", "list(A)", |v, m| {
        let mut kept: Vec<Val<'_>> = Vec::new();
        'next: for item in v[0].items(m)?.iter() {
            for other in &kept {
                if equal(other, item, m)? {
                    continue 'next;
                }
            }
            kept.push(item.clone());
        }
        Ok(Val::list(kept))
    }),
    ordered("list(int)"),
    ordered("list(uint)"),
    ordered("list(double)"),
    ordered("list(bool)"),
    ordered("list(duration)"),
    ordered("list(timestamp)"),
    ordered("list(string)"),
    ordered("list(bytes)"),
    plain("lists.range", "int", "list(int)", |v, m| {
        let many = usize::try_from(int(&v[0])?).unwrap_or(0);
        m.touch(many)?;
        if many > LONGEST {
            return Err(Fail::Spent);
        }
        Ok(Val::list((0..).take(many).map(Val::Int).collect()))
    }),
    member("first", "list(A)", "optional(A)", |v, m| end(v[0].items(m)?.first())),
    member("last", "list(A)", "optional(A)", |v, m| end(v[0].items(m)?.last())),
    plain("sets.contains", "list(A), list(A)", "bool", |v, m| Ok(Val::Bool(has_all(&v[0], &v[1], m)?))),
    plain("sets.equivalent", "list(A), list(A)", "bool", |v, m| {
        Ok(Val::Bool(has_all(&v[0], &v[1], m)? && has_all(&v[1], &v[0], m)?))
    }),
    plain("sets.intersects", "list(A), list(A)", "bool", |v, m| {
        let (a, b) = (v[0].items(m)?, v[1].items(m)?);
        for item in b.iter() {
            if has(&a, item, m)? {
                return Ok(Val::Bool(true));
            }
        }
        Ok(Val::Bool(false))
    }),
];

const fn sorted(of: &'static str) -> Row {
    member("isSorted", of, "bool", |v, m| {
        let items = v[0].items(m)?;
        for pair in items.windows(2) {
            if compare(&pair[0], &pair[1], m)?.is_gt() {
                return Ok(Val::Bool(false));
            }
        }
        Ok(Val::Bool(true))
    })
}

const fn ordered(of: &'static str) -> Row {
    member("sort", of, of, |v, m| {
        let mut items = (*v[0].items(m)?).clone();
        let mut failed = None;
        m.touch(10 * items.len())?;
        items.sort_by(|a, b| {
            compare(a, b, m).unwrap_or_else(|e| {
                failed.get_or_insert(e);
                Ordering::Equal
            })
        });
        failed.map_or(Ok(Val::list(items)), Err)
    })
}

const fn best(name: &'static str, of: &'static str, result: &'static str, run: super::Run) -> Row {
    member(name, of, result, run)
}

fn sum<'a>(v: &[Val<'a>], zero: Val<'a>, meter: &Meter) -> Evaluated<'a> {
    let mut total = zero;
    for item in v[0].items(meter)?.iter() {
        total = super::call("_+_", false, &[total, item.clone()], meter)?;
    }
    Ok(total)
}

fn outermost<'a>(v: &[Val<'a>], name: &str, wanted: Ordering, meter: &Meter) -> Evaluated<'a> {
    let items = v[0].items(meter)?;
    let Some(mut found) = items.first() else { return fail(format!("{name} called on empty list")) };
    for item in items.iter() {
        if compare(item, found, meter)? == wanted {
            found = item;
        }
    }
    same(std::slice::from_ref(found), meter)
}

fn slice<'a>(v: &[Val<'a>], meter: &Meter) -> Evaluated<'a> {
    let (items, start, end) = (v[0].items(meter)?, int(&v[1])?, int(&v[2])?);
    if start < 0 || end < 0 {
        return fail(format!("cannot slice({start}, {end}), negative indexes not supported"));
    }
    if start > end {
        return fail(format!("cannot slice({start}, {end}), start index must be less than or equal to end index"));
    }
    let place = |i: i64| usize::try_from(i).unwrap_or(usize::MAX);
    match items.get(place(start)..place(end)) {
        Some(part) => Ok(Val::list(part.to_vec())),
        None => fail(format!("cannot slice({start}, {end}), list is length {}", items.len())),
    }
}

fn flatten<'a>(list: &Val<'a>, depth: i64, meter: &Meter) -> Evaluated<'a> {
    let mut flat = Vec::new();
    for item in list.items(meter)?.iter() {
        meter.spend(1)?;
        match item {
            Val::List(..) | Val::Items(..) if depth > 0 => {
                flat.extend((*flatten(item, depth - 1, meter)?.items(meter)?).iter().cloned());
            }
            other => flat.push(other.clone()),
        }
    }
    Ok(Val::list(flat))
}

fn end<'a>(item: Option<&Val<'a>>) -> Evaluated<'a> {
    Ok(item.map_or(Val::Optional(None), |item| Val::some(item.clone())))
}

fn has<'a>(items: &[Val<'a>], wanted: &Val<'a>, meter: &Meter) -> Result<bool, Fail> {
    for item in items {
        if equal(item, wanted, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_all<'a>(list: &Val<'a>, wanted: &Val<'a>, meter: &Meter) -> Result<bool, Fail> {
    let (items, wanted) = (list.items(meter)?, wanted.items(meter)?);
    for item in wanted.iter() {
        if !has(&items, item, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}
