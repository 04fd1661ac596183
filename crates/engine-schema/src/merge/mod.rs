//! The walks of the structured merge over plain JSON: which fields an object has, what differs between two, one merged into
//! another, fields removed. They follow the rules of `sigs.k8s.io/structured-merge-diff`, version 6.
//!
//! A value is walked in the form that it has; `null`, or a value of a form that its type does not allow, in the first form
//! that the type allows: an object, a plain value, a list. No walk fails on a value that its type does not allow: that is
//! what [`validate`] is for.

mod compare;
mod fields;
mod items;
mod join;
mod remove;
mod validate;

use serde_json::Value;

pub use compare::{Comparison, compare};
pub use fields::field_set;
pub use join::merge;
pub use remove::remove;
pub use validate::{Duplicates, InvalidField, InvalidFields, validate};

use crate::types::{List, ListKind, Map, Scalar, Type};

/// The form in which a value is walked.
#[derive(Clone, Copy)]
enum Form<'t> {
    Map(&'t Map),
    Scalar(Scalar),
    List(&'t List),
}

impl Form<'_> {
    /// Whether the value is one leaf whatever it holds.
    fn is_atomic(self) -> bool {
        match self {
            Self::Map(map) => map.is_atomic(),
            Self::List(list) => list.kind() == ListKind::Atomic,
            Self::Scalar(_) => true,
        }
    }

    fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

fn form<'t>(of: &'t Type, value: Option<&Value>) -> Form<'t> {
    let own = match value {
        Some(Value::Object(_)) => of.map().map(Form::Map),
        Some(Value::Array(_)) => of.list().map(Form::List),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => of.scalar().map(Form::Scalar),
        Some(Value::Null) | None => None,
    };
    let first = || match (of.map(), of.scalar(), of.list()) {
        (Some(map), _, _) => Form::Map(map),
        (None, Some(scalar), _) => Form::Scalar(scalar),
        (None, None, Some(list)) => Form::List(list),
        (None, None, None) => Form::Scalar(Scalar::Untyped),
    };
    own.unwrap_or_else(first)
}

/// Whether two values are equal to the merge: a whole number is equal to itself with a fraction of zero.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || (x.is_f64() != y.is_f64() && x.as_f64() == y.as_f64()),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| equal(v, w)))
        }
        _ => a == b,
    }
}

fn is_empty(value: Option<&Value>, form: Form<'_>) -> bool {
    match (value, form) {
        (Some(Value::Object(map)), Form::Map(_)) => map.is_empty(),
        (Some(Value::Array(list)), Form::List(_)) => list.is_empty(),
        // What is not of this form has nothing to walk.
        _ => true,
    }
}
