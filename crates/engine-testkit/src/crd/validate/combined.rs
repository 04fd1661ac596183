//! `allOf`, `anyOf`, `oneOf` and `not`.

use serde_json::Value;

use super::{At, Checked, check as one};
use crate::json::list_at;

pub(super) fn check(value: &Value, schema: &Value, at: At<'_>, out: &mut Checked) {
    any_of(value, schema, at, out);
    one_of(value, schema, at, out);
    all_of(value, schema, at, out);
    let not = schema.get("not").filter(|not| not.is_object());
    if not.is_some_and(|not| one(value, not, at).causes.is_empty()) {
        out.push(at.overall(format!("{:?} must not validate the schema (not)", at.path)));
    }
    out.fits += 1;
}

/// Keeps what fits best, the first of those that fit alike.
fn better(best: Option<Checked>, other: Checked) -> Option<Checked> {
    match best {
        Some(best) if other.fits <= best.fits => Some(best),
        _ => Some(other),
    }
}

fn any_of(value: &Value, schema: &Value, at: At<'_>, out: &mut Checked) {
    let branches = list_at(schema, &["anyOf"]);
    let mut best = None;
    for branch in branches {
        let checked = one(value, branch, at);
        if checked.causes.is_empty() {
            out.merge(checked);
            return;
        }
        best = better(best, checked);
    }
    if let Some(best) = best {
        out.push(at.overall(format!("{:?} must validate at least one schema (anyOf)", at.path)));
        out.merge(best);
    }
}

fn one_of(value: &Value, schema: &Value, at: At<'_>, out: &mut Checked) {
    const ONE: &str = "must validate one and only one schema (oneOf). Found";
    let branches = list_at(schema, &["oneOf"]);
    let (mut fit, mut first, mut best) = (0, None, None);
    for branch in branches {
        let checked = one(value, branch, at);
        if checked.causes.is_empty() {
            fit += 1;
            first = first.or(Some(checked));
        } else {
            best = better(best, checked);
        }
    }
    match (fit, first, best) {
        (1, Some(first), _) => out.merge(first),
        (0, _, Some(best)) => {
            out.push(at.overall(format!("{:?} {ONE} none valid", at.path)));
            out.merge(best);
        }
        (0, _, None) => {}
        (n, ..) => out.push(at.overall(format!("{:?} {ONE} {n} valid alternatives", at.path))),
    }
}

fn all_of(value: &Value, schema: &Value, at: At<'_>, out: &mut Checked) {
    let branches = list_at(schema, &["allOf"]);
    let mut fit = 0;
    for branch in branches {
        let checked = one(value, branch, at);
        fit += usize::from(checked.causes.is_empty());
        out.merge(checked);
    }
    if fit < branches.len() {
        let none = if fit == 0 { ". None validated" } else { "" };
        out.push(at.overall(format!("{:?} must validate all the schemas (allOf){none}", at.path)));
    }
}
