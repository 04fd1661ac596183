//! The types of rules, and which fits which.

use std::{collections::BTreeMap, fmt, sync::Arc};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    /// Of this nothing is known before a rule is evaluated.
    Dyn,
    /// What was complained about already.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List(Arc<Type>),
    Map(Arc<(Type, Type)>),
    Object(Arc<Object>),
    Optional(Arc<Type>),
    /// The type of a type.
    Meta(Arc<Type>),
    /// What functions make of texts: addresses, quantities, versions.
    Named(&'static str),
    /// Found while a rule is checked.
    Var(usize),
}

/// An object with known fields, by the names that rules call them by.
#[derive(Debug)]
pub(crate) struct Object {
    /// No other object has it.
    pub(crate) name: String,
    pub(crate) fields: BTreeMap<String, Type>,
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Type {
    pub(crate) fn list(of: Self) -> Self {
        Self::List(Arc::new(of))
    }

    pub(crate) fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    pub(crate) fn optional(of: Self) -> Self {
        Self::Optional(Arc::new(of))
    }

    /// Types that have a name that a rule may say.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" => Self::Uint,
            "double" => Self::Double,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "null_type" => Self::Null,
            "dyn" => Self::Dyn,
            "list" => Self::list(Self::Dyn),
            "map" => Self::map(Self::Dyn, Self::Dyn),
            "google.protobuf.Duration" => Self::Duration,
            "google.protobuf.Timestamp" => Self::Timestamp,
            "optional_type" => Self::optional(Self::Dyn),
            "type" => Self::Meta(Arc::new(Self::Dyn)),
            _ => Self::Named(NAMED.iter().find(|named| **named == name)?),
        })
    }

    /// Of an optional what may be in it.
    pub(super) fn unwrapped(&self) -> Option<&Self> {
        match self {
            Self::Optional(of) => Some(of),
            _ => None,
        }
    }

    fn is_dyn(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// `null` is a value of it.
    fn takes_null(&self) -> bool {
        matches!(
            self,
            Self::Null | Self::Object(_) | Self::Optional(_) | Self::Named(_) | Self::Duration | Self::Timestamp
        )
    }
}

/// Types of which functions make values.
const NAMED: [&str; 6] =
    ["kubernetes.URL", "net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver", "kubernetes.NamedFormat"];

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dyn => "dyn",
            Self::Error => "!error!",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "duration",
            Self::Timestamp => "timestamp",
            Self::Object(object) => &object.name,
            Self::Named(name) => name,
            Self::List(of) => return write!(f, "list({of})"),
            Self::Map(of) => return write!(f, "map({}, {})", of.0, of.1),
            Self::Optional(of) => return write!(f, "optional_type({of})"),
            Self::Meta(of) if **of == Self::Dyn => "type",
            Self::Meta(of) => return write!(f, "type({of})"),
            Self::Var(n) => return write!(f, "_var{n}"),
        })
    }
}

/// What was found about the types that were not known at first.
#[derive(Debug, Clone, Default)]
pub(super) struct Found(Vec<Option<Type>>);

impl Found {
    pub(super) fn fresh(&mut self) -> Type {
        self.0.push(None);
        Type::Var(self.0.len() - 1)
    }

    /// A type with what is known by now.
    pub(super) fn known(&self, of: &Type) -> Type {
        let again = |t: &Type| self.known(t);
        match of {
            Type::Var(n) => self.0.get(*n).and_then(Option::as_ref).map_or_else(|| of.clone(), again),
            Type::List(t) => Type::list(again(t)),
            Type::Map(t) => Type::map(again(&t.0), again(&t.1)),
            Type::Optional(t) => Type::optional(again(t)),
            Type::Meta(t) => Type::Meta(Arc::new(again(t))),
            other => other.clone(),
        }
    }

    /// The same, where nothing more will be known.
    pub(super) fn settled(&self, of: &Type) -> Type {
        let again = |t: &Type| self.settled(t);
        match self.known(of) {
            Type::Var(_) => Type::Dyn,
            Type::List(t) => Type::list(again(&t)),
            Type::Map(t) => Type::map(again(&t.0), again(&t.1)),
            Type::Optional(t) => Type::optional(again(&t)),
            Type::Meta(t) => Type::Meta(Arc::new(again(&t))),
            other => other,
        }
    }

    /// Whether values of one type may stand for values of the other; what follows from it is kept.
    pub(super) fn fits(&mut self, a: &Type, b: &Type) -> bool {
        self.all_fit(std::slice::from_ref(a), std::slice::from_ref(b))
    }

    pub(super) fn all_fit(&mut self, a: &[Type], b: &[Type]) -> bool {
        let mut tried = self.clone();
        let fit = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| tried.unify(a, b));
        if fit {
            *self = tried;
        }
        fit
    }

    fn unify(&mut self, a: &Type, b: &Type) -> bool {
        match (self.shallow(a), self.shallow(b)) {
            (Type::Var(a), Type::Var(b)) if a == b => true,
            (Type::Var(n), other) | (other, Type::Var(n)) => self.bind(n, &other),
            (a, b) if a.is_dyn() || b.is_dyn() => true,
            (Type::Null, other) | (other, Type::Null) => other.takes_null(),
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.unify(&a, &b),
            (Type::Map(a), Type::Map(b)) => self.unify(&a.0, &b.0) && self.unify(&a.1, &b.1),
            (Type::Meta(_), Type::Meta(_)) => true,
            (a, b) => a == b,
        }
    }

    fn shallow(&self, of: &Type) -> Type {
        match of {
            Type::Var(n) => match self.0.get(*n).and_then(Option::as_ref) {
                Some(found) => self.shallow(found),
                None => of.clone(),
            },
            other => other.clone(),
        }
    }

    fn bind(&mut self, n: usize, to: &Type) -> bool {
        if self.holds(to, n) {
            return false;
        }
        if let Some(slot) = self.0.get_mut(n) {
            *slot = Some(to.clone());
        }
        true
    }

    /// Whether a type is about the one that is looked for.
    fn holds(&self, of: &Type, n: usize) -> bool {
        match self.shallow(of) {
            Type::Var(m) => m == n,
            Type::List(t) | Type::Optional(t) | Type::Meta(t) => self.holds(&t, n),
            Type::Map(t) => self.holds(&t.0, n) || self.holds(&t.1, n),
            _ => false,
        }
    }

    /// The one of two types that fit which says less.
    pub(super) fn general(&self, a: &Type, b: &Type) -> Type {
        if self.is_general(&self.shallow(a), &self.shallow(b)) { a.clone() } else { b.clone() }
    }

    fn is_general(&self, a: &Type, b: &Type) -> bool {
        match (a, b) {
            (Type::Dyn | Type::Error | Type::Var(_), _) => true,
            (_, Type::Dyn | Type::Error | Type::Var(_)) => false,
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.is_general(a, b),
            (Type::Map(a), Type::Map(b)) => self.is_general(&a.0, &b.0) && self.is_general(&a.1, &b.1),
            (Type::Meta(_), Type::Meta(_)) => true,
            (a, b) => a == b,
        }
    }
}

/// Reads the types of a function's table: `list(A), int`. `A` and `B` stand for any type.
pub(super) fn signature(text: &str) -> Vec<Type> {
    let mut rest = text.trim();
    let mut types = Vec::new();
    while !rest.is_empty() {
        let (one, after) = read(rest);
        types.push(one);
        rest = after.trim_start_matches([',', ' ']);
    }
    types
}

fn read(text: &str) -> (Type, &str) {
    let end = text.find([',', '(', ')']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(inner) = rest.strip_prefix('(') else {
        let one = match name {
            "A" => Type::Var(0),
            "B" => Type::Var(1),
            "duration" => Type::Duration,
            "timestamp" => Type::Timestamp,
            other => Type::named(other).unwrap_or(Type::Error),
        };
        return (one, rest);
    };
    let (first, rest) = read(inner);
    if name == "map" {
        let (second, rest) = read(rest.trim_start_matches([',', ' ']));
        return (Type::map(first, second), rest.strip_prefix(')').unwrap_or(rest));
    }
    let one = match name {
        "list" => Type::list(first),
        "optional" => Type::optional(first),
        _ => Type::Meta(Arc::new(first)),
    };
    (one, rest.strip_prefix(')').unwrap_or(rest))
}

/// The variables of a signature as new ones.
pub(super) fn renamed(of: &Type, names: &[Type; 2]) -> Type {
    let again = |t: &Type| renamed(t, names);
    match of {
        Type::Var(n) => names[(*n).min(1)].clone(),
        Type::List(t) => Type::list(again(t)),
        Type::Map(t) => Type::map(again(&t.0), again(&t.1)),
        Type::Optional(t) => Type::optional(again(t)),
        Type::Meta(t) => Type::Meta(Arc::new(again(t))),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read_and_shown() {
        for text in ["list(int)", "map(string, list(bytes))", "optional_type(net.IP)", "type(int)", "duration"] {
            let read = signature(&text.replace("optional_type", "optional"));
            assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), [text]);
        }
        assert_eq!(signature("list(A), A, string").len(), 3);
    }

    #[test]
    fn what_is_unknown_is_found() {
        let mut found = Found::default();
        let any = found.fresh();
        assert!(found.fits(&Type::list(any.clone()), &Type::list(Type::Int)));
        assert!(!found.fits(&any, &Type::String));
        assert_eq!(found.settled(&any), Type::Int);
        assert!(found.fits(&Type::Dyn, &Type::Int) && !found.fits(&Type::Int, &Type::Double));
        assert!(found.fits(&Type::Null, &Type::Duration) && !found.fits(&Type::Null, &Type::String));
        assert!(!found.fits(&any, &Type::list(any.clone())));
    }
}
