//! The functions and operators of rules, by name: <https://kubernetes.io/docs/reference/using-api/cel/#cel-community-libraries>

mod core;
mod format;
mod lists;
mod named;
mod network;
mod numbers;
mod strings;
mod time;

use std::{collections::HashMap, sync::LazyLock};

use super::{
    ast::{Expr, Kind},
    parse::LONGEST,
    source::Complaint,
    types::{Type, signature},
    value::{Evaluated, Fail, Meter, Val},
};

pub(super) use self::strings::shown;
pub(crate) use self::{network::Url, numbers::Semver};

/// What a function does. A target is the first of its values.
type Run = for<'a> fn(&[Val<'a>], &Meter) -> Evaluated<'a>;

/// A function for values of some types.
pub(super) struct Overload {
    pub(super) member: bool,
    pub(super) args: Vec<Type>,
    pub(super) result: Type,
    run: Run,
}

/// One function, as the tables of the files below write it: name, types of its values, type of what it makes.
struct Row {
    name: &'static str,
    /// Called as `a.f(b)`, or as `f(a, b)`.
    member: bool,
    args: &'static str,
    result: &'static str,
    run: Run,
}

const fn member(name: &'static str, args: &'static str, result: &'static str, run: Run) -> Row {
    Row { name, member: true, args, result, run }
}

const fn plain(name: &'static str, args: &'static str, result: &'static str, run: Run) -> Row {
    Row { name, member: false, args, result, run }
}

static FUNCTIONS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let tables = [
        core::TABLE,
        numbers::TABLE,
        strings::TABLE,
        format::TABLE,
        lists::TABLE,
        time::TABLE,
        network::TABLE,
        named::TABLE,
    ];
    let mut functions: HashMap<&'static str, Vec<Overload>> = HashMap::new();
    for row in tables.iter().copied().flatten() {
        let args = signature(row.args);
        let result = signature(row.result).into_iter().next().unwrap_or(Type::Dyn);
        functions.entry(row.name).or_default().push(Overload { member: row.member, args, result, run: row.run });
    }
    functions
});

pub(super) fn named(name: &str) -> Option<&'static [Overload]> {
    FUNCTIONS.get(name).map(Vec::as_slice)
}

pub(super) fn known(name: &str) -> bool {
    FUNCTIONS.contains_key(name)
}

/// Calls the function that takes such values.
pub(super) fn call<'a>(name: &str, member: bool, values: &[Val<'a>], meter: &Meter) -> Evaluated<'a> {
    let fits = |overload: &&Overload| {
        overload.member == member
            && overload.args.len() == values.len()
            && overload.args.iter().zip(values).all(|(wanted, value)| takes(wanted, value))
    };
    match named(name).into_iter().flatten().find(fits) {
        Some(overload) => (overload.run)(values, meter),
        None => Err(Fail::Overload),
    }
}

/// Whether a value is of a type, as far as it shows.
fn takes(wanted: &Type, value: &Val<'_>) -> bool {
    match (wanted, value) {
        (Type::Var(_) | Type::Dyn, _) => true,
        (Type::Named(name), value) => *name == value.type_name(),
        (Type::List(_), Val::List(..) | Val::Items(..)) => true,
        (Type::Map(_), Val::Map(_) | Val::Fields(..)) => true,
        (Type::Optional(_), Val::Optional(_)) => true,
        (Type::Duration, Val::Duration(_)) | (Type::Timestamp, Val::Timestamp(_)) => true,
        (Type::Null, Val::Null) | (Type::Bool, Val::Bool(_)) | (Type::Int, Val::Int(_)) => true,
        (Type::Uint, Val::Uint(_)) | (Type::Double, Val::Double(_)) => true,
        (Type::String, Val::Text(_)) | (Type::Bytes, Val::Bytes(_)) | (Type::Meta(_), Val::Type(_)) => true,
        _ => false,
    }
}

/// Patterns, durations and times that a rule has as plain texts are looked at before it is ever evaluated.
pub(super) fn literals(expr: &Expr) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    expr.each(&mut |expr| {
        let Kind::Call { name, target, args } = &expr.kind else { return };
        let place = match (name.as_str(), target.is_some()) {
            ("matches", true) | ("duration" | "timestamp", false) => 0,
            ("matches", false) => 1,
            _ => return,
        };
        let Some(Expr { at, kind: Kind::Text(text), .. }) = args.get(place) else { return };
        let good = match name.as_str() {
            "duration" => time::duration(text).is_ok(),
            "timestamp" => time::timestamp(text).is_ok(),
            _ => crate::crd::pattern(text).is_ok(),
        };
        if !good {
            complaints.push(Complaint::new(*at, format!("invalid {name} argument")));
        }
    });
    complaints
}

/// The first conversion of a plain value that makes none, or pattern that is none.
pub(super) fn senseless(expr: &Expr) -> Option<Fail> {
    const CONVERSIONS: [&str; 8] = ["bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"];
    let mut found = None;
    expr.each(&mut |expr| {
        let Kind::Call { name, target, args } = &expr.kind else { return };
        if let ("find" | "findAll", Some(Expr { kind: Kind::Text(text), .. })) = (name.as_str(), args.first()) {
            let problem = crate::crd::pattern(text).err().map(|e| Fail::Text(format!("error parsing regexp: {e}")));
            found = found.take().or(problem);
        }
        if target.is_some() {
            return;
        }
        let [arg] = args.as_slice() else { return };
        let plain = !matches!(
            arg.kind,
            Kind::Ident(_)
                | Kind::Select { .. }
                | Kind::Call { .. }
                | Kind::Loop(_)
                | Kind::Bind { .. }
                | Kind::List(_)
                | Kind::Map(_)
        );
        if plain && found.is_none() && CONVERSIONS.contains(&name.as_str()) {
            let meter = Meter::new(LONGEST as u64);
            found = super::eval::Scope { names: Vec::new(), meter: &meter }.eval(expr).err();
        }
    });
    found
}
