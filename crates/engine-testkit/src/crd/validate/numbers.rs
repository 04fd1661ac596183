//! Bounds of numbers. Whole numbers are compared with whole bounds.

use serde_json::Value;

use super::{At, Checked, EITHER};
use crate::{
    crd::is_true,
    json::{get, str_at},
    status::{Cause, float},
};

pub(super) fn check(value: &Value, schema: &Value, at: At<'_>, out: &mut Checked) {
    let Some(n) = value.as_f64() else { return };
    out.fits += 2;
    if let Some(detail) = misfit(value, schema, "Checked", at) {
        out.push(at.overall(detail));
    }
    if let Some(factor) = get(schema, &["multipleOf"]).filter(|_| !has_factor(value, schema, at)) {
        let shown =
            if value.is_i64() && misfit(factor, schema, "", at).is_none() { whole(factor) } else { factor.clone() };
        let detail = format!("factor MultipleOf declared for {} must be positive: {shown}", at.path);
        out.push(Cause::invalid(at.field(), &shown, detail));
    }
    let mut bound = |key: &str, what: &str, judge: &dyn Fn(f64, Option<(i64, i64)>) -> Option<String>| {
        let Some(limit) = get(schema, &[key]).filter(|limit| limit.is_number()) else { return };
        let misfit = misfit(limit, schema, what, at);
        let Some(of) = limit.as_f64() else { return };
        #[allow(clippy::cast_possible_truncation, reason = "as the server does it")]
        let whole = value.as_i64().filter(|_| misfit.is_none()).map(|n| (n, of.trunc() as i64));
        // Where the bound is none of the type, everything is a number with a fraction.
        let shown = if misfit.is_some() { Value::from(n) } else { value.clone() };
        if let Some(detail) = misfit {
            out.push(at.overall(detail));
        }
        if let Some(detail) = judge(of, whole) {
            out.push(at.invalid(&shown, &detail));
        }
    };
    bound("multipleOf", "MultipleOf", &|factor, whole| match whole {
        Some((_, factor)) if factor <= 0 => None,
        Some((n, factor)) => (n % factor != 0).then(|| format!("should be a multiple of {factor}")),
        None if factor <= 0.0 => None,
        None => {
            let times = if factor < 1.0 { 1.0 / factor * n } else { n / factor };
            (!is_whole(times)).then(|| format!("should be a multiple of {}", float(factor)))
        }
    });
    for (key, what, than, most) in
        [("maximum", "Maximum boundary", "less", true), ("minimum", "Minimum boundary", "greater", false)]
    {
        let exclusive = is_true(schema, if most { "exclusiveMaximum" } else { "exclusiveMinimum" });
        bound(key, what, &|limit, whole| {
            let order = match whole {
                Some((n, limit)) => Some(n.cmp(&limit)),
                None => n.partial_cmp(&limit),
            }?;
            let beyond = if most { order.is_gt() } else { order.is_lt() };
            let shown = whole.map_or_else(|| float(limit), |(_, limit)| limit.to_string());
            let equal = if exclusive { "" } else { "or equal to " };
            (beyond || (exclusive && order.is_eq())).then(|| format!("should be {than} than {equal}{shown}"))
        });
    }
}

/// Whether the factor of which a number is to be a multiple is one: for whole numbers, a fraction is cut off.
fn has_factor(value: &Value, schema: &Value, at: At<'_>) -> bool {
    let Some(factor) = get(schema, &["multipleOf"]) else { return true };
    let cut = value.is_i64() && misfit(factor, schema, "", at).is_none();
    let factor = if cut { whole(factor) } else { factor.clone() };
    factor.as_f64().is_none_or(|factor| factor > 0.0)
}

#[allow(clippy::cast_possible_truncation, reason = "as the server does it")]
fn whole(n: &Value) -> Value {
    n.as_f64().map_or(Value::Null, |n| Value::from(n.trunc() as i64))
}

/// Whether a number is whole, as far as can be told of a result: beyond 2^53 that is not.
pub(super) fn is_whole(n: f64) -> bool {
    const MOST: f64 = 9_007_199_254_740_991.0;
    let whole = n.trunc();
    n.abs() <= MOST && (n == whole || (n - whole).abs() / (n.abs() + whole.abs()) < 1e-9)
}

/// Whether a number does not fit into the type and the format of the schema.
fn misfit(n: &Value, schema: &Value, what: &str, at: At<'_>) -> Option<String> {
    let format = at.format(schema);
    let kind = match str_at(schema, &["type"]) {
        _ if is_true(schema, EITHER) && !at.literal => return None,
        kind @ ("integer" | "number") => kind,
        _ => return None,
    };
    #[allow(clippy::cast_possible_truncation, reason = "whole numbers that fit stay what they are")]
    let whole = n.as_i64().or_else(|| n.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9.2e18).map(|n| n as i64));
    let fits = match (kind, format) {
        ("integer", "int32") => whole.is_some_and(|n| i32::try_from(n).is_ok()),
        ("integer", _) => whole.is_some(),
        (_, "float") => n.as_f64().is_some_and(|n| n.abs() <= f64::from(f32::MAX)),
        _ => true,
    };
    let with = if format.is_empty() { "(default format)".to_owned() } else { format!("with format {format}") };
    (!fits).then(|| format!("{what} value must be of type {kind} {with} in {}", at.path))
}
