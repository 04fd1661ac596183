//! Finds what is wrong with a rule before anything is evaluated, in the words of a real server.

use std::sync::Arc;

use super::{
    ast::{Expr, Fold, Kind, Loop, Select},
    functions,
    source::Complaint,
    types::{Found, Type, renamed},
};

/// What a rule may name, with the types.
pub(super) type Names = Vec<(String, Type)>;

pub(super) struct Checked {
    pub(super) kind: Type,
    pub(super) complaints: Vec<Complaint>,
    /// Lists and maps of several types, which is complained about when nothing else is.
    pub(super) mixed: Vec<Complaint>,
    /// The declared names that the rule uses.
    pub(super) used: Vec<String>,
}

/// Checks a rule; calls of functions with names of several parts become such calls.
pub(super) fn check(expr: &mut Expr, names: &Names) -> Checked {
    let mut checker = Checker {
        names: names.clone(),
        declared: names.len(),
        found: Found::default(),
        complaints: Vec::new(),
        mixed: Vec::new(),
        formatted: 0,
        used: Vec::new(),
    };
    let kind = checker.expr(expr);
    Checked {
        kind: checker.found.settled(&kind),
        complaints: checker.complaints,
        mixed: checker.mixed,
        used: checker.used,
    }
}

struct Checker {
    names: Names,
    /// So many of the names are not the rule's own.
    declared: usize,
    found: Found,
    complaints: Vec<Complaint>,
    mixed: Vec<Complaint>,
    /// How many calls of `format` are around, which takes values of several types.
    formatted: usize,
    used: Vec<String>,
}

impl Checker {
    fn complain(&mut self, at: usize, text: String) -> Type {
        self.complaints.push(Complaint::new(at, text));
        Type::Error
    }

    fn undeclared(&mut self, at: usize, name: &str) -> Type {
        self.complain(at, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn mismatch(&mut self, at: usize, wanted: &Type, have: &Type) -> Type {
        let (wanted, have) = (self.found.settled(wanted), self.found.settled(have));
        self.complain(at, format!("expected type '{wanted}' but found '{have}'"))
    }

    fn lookup(&mut self, name: &str) -> Option<Type> {
        if let Some(i) = self.names.iter().rposition(|(known, _)| known == name) {
            if i < self.declared && !self.used.iter().any(|used| used == name) {
                self.used.push(name.to_owned());
            }
            return Some(self.names[i].1.clone());
        }
        Type::named(name).filter(|named| *named != Type::Dyn).map(|named| Type::Meta(Arc::new(named)))
    }

    fn expr(&mut self, expr: &mut Expr) -> Type {
        let at = expr.at;
        if matches!(expr.kind, Kind::Select { how: Select::Plain, .. })
            && let Some(name) = expr.qualified()
            && let Some(kind) = self.lookup(&name)
        {
            expr.kind = Kind::Ident(name);
            return kind;
        }
        match &mut expr.kind {
            Kind::Null => Type::Null,
            Kind::Bool(_) => Type::Bool,
            Kind::Int(_) => Type::Int,
            Kind::Uint(_) => Type::Uint,
            Kind::Double(_) => Type::Double,
            Kind::Text(_) => Type::String,
            Kind::Bytes(_) => Type::Bytes,
            Kind::Ident(name) => {
                let name = name.clone();
                self.lookup(&name).unwrap_or_else(|| self.undeclared(at, &name))
            }
            Kind::Select { of, field, how } => {
                let (field, how) = (field.clone(), *how);
                let of = self.expr(of);
                let kind = self.field(at, &of, &field, how == Select::Optional);
                if how == Select::Test { Type::Bool } else { kind }
            }
            Kind::Call { .. } => self.call(expr),
            Kind::List(items) => {
                let mut of: Option<Type> = None;
                let before = self.mixed.len();
                for item in items {
                    let mut kind = self.expr(&mut item.value);
                    if item.optional {
                        kind = self.present(item.value.at, kind);
                    }
                    of = Some(self.join(item.value.at, of, kind));
                    self.mixed.truncate(before + 1);
                }
                Type::list(of.unwrap_or_else(|| self.found.fresh()))
            }
            Kind::Map(entries) => {
                let mut of: Option<(Type, Type)> = None;
                for entry in entries {
                    let key = self.expr(&mut entry.key);
                    let mut value = self.expr(&mut entry.value);
                    if entry.optional {
                        value = self.present(entry.value.at, value);
                    }
                    let (keys, values) = of.map_or((None, None), |(k, v)| (Some(k), Some(v)));
                    of = Some((self.join(entry.key.at, keys, key), self.join(entry.value.at, values, value)));
                }
                let (key, value) = of.unwrap_or_else(|| (self.found.fresh(), self.found.fresh()));
                Type::map(key, value)
            }
            Kind::Struct(name) => {
                let name = name.clone();
                self.undeclared(at, &name)
            }
            Kind::Loop(over) => self.fold(at, over),
            Kind::Bind { of, name, body, flat } => {
                let of = self.expr(of);
                let of = self.found.known(&of);
                let inner = of.unwrapped().cloned().unwrap_or(Type::Dyn);
                if of.unwrapped().is_none() && !matches!(of, Type::Dyn | Type::Error | Type::Var(_)) {
                    let of = self.found.settled(&of);
                    for name in ["hasValue", "value"] {
                        self.complain(at, format!("found no matching overload for '{name}' applied to '{of}.()'"));
                    }
                    return Type::Error;
                }
                self.names.push((name.clone(), inner));
                let body = self.expr(body);
                self.names.pop();
                if *flat { body } else { Type::optional(body) }
            }
        }
    }

    /// What is in an optional that may be left out.
    fn present(&mut self, at: usize, kind: Type) -> Type {
        match self.found.known(&kind) {
            Type::Optional(of) => (*of).clone(),
            Type::Dyn | Type::Error => kind,
            other => {
                self.mismatch(at, &Type::optional(other.clone()), &other);
                other
            }
        }
    }

    fn join(&mut self, at: usize, before: Option<Type>, kind: Type) -> Type {
        let Some(before) = before else { return kind };
        if self.found.fits(&before, &kind) {
            return self.found.general(&before, &kind);
        }
        if self.formatted == 0 {
            let (before, kind) = (self.found.settled(&before), self.found.settled(&kind));
            self.mixed.push(Complaint::new(at, format!("expected type '{before}' but found '{kind}'")));
        }
        Type::Dyn
    }

    fn field(&mut self, at: usize, of: &Type, field: &str, optional: bool) -> Type {
        let of = self.found.known(of);
        let target = of.unwrapped().cloned();
        let optional = optional || target.is_some();
        let kind = match target.as_ref().unwrap_or(&of) {
            Type::Map(map) => map.1.clone(),
            Type::Object(object) => match object.fields.get(field) {
                Some(kind) => kind.clone(),
                None => self.complain(at, format!("undefined field '{field}'")),
            },
            Type::Dyn | Type::Error => Type::Dyn,
            var @ Type::Var(_) => {
                let var = var.clone();
                self.found.fits(&Type::Dyn, &var);
                Type::Dyn
            }
            other => {
                let text = format!("type '{other}' does not support field selection");
                self.complain(at, text);
                Type::Dyn
            }
        };
        if optional { Type::optional(kind) } else { kind }
    }

    fn call(&mut self, expr: &mut Expr) -> Type {
        let at = expr.at;
        let Kind::Call { name, target, args } = &mut expr.kind else { return Type::Error };
        let formats = usize::from(name == "format");
        self.formatted += formats;
        let kinds: Vec<Type> = args.iter_mut().map(|arg| self.expr(arg)).collect();
        let Some(of) = target else {
            self.formatted -= formats;
            if name == "_&&_" || name == "_||_" {
                let places: Vec<usize> = args.iter().map(|arg| arg.at).collect();
                let wrong = kinds.iter().zip(places).filter(|(kind, at)| {
                    let fits = self.found.fits(kind, &Type::Bool);
                    if !fits {
                        self.mismatch(*at, &Type::Bool, kind);
                    }
                    !fits
                });
                return if wrong.count() > 0 { Type::Error } else { Type::Bool };
            }
            let name = name.clone();
            return self.overload(at, &name, &kinds, false);
        };
        if let Some(prefix) = of.qualified()
            && functions::known(&format!("{prefix}.{name}"))
        {
            self.formatted -= formats;
            *name = format!("{prefix}.{name}");
            *target = None;
            let name = name.clone();
            return self.overload(at, &name, &kinds, false);
        }
        let mut all = vec![self.expr(of)];
        self.formatted -= formats;
        all.extend(kinds);
        let name = name.clone();
        self.overload(at, &name, &all, true)
    }

    fn overload(&mut self, at: usize, name: &str, kinds: &[Type], member: bool) -> Type {
        let Some(overloads) = functions::named(name) else { return self.undeclared(at, name) };
        let mut result: Option<Type> = None;
        for overload in overloads.iter().filter(|overload| overload.member == member) {
            let fresh = [self.found.fresh(), self.found.fresh()];
            let wanted: Vec<Type> = overload.args.iter().map(|arg| renamed(arg, &fresh)).collect();
            if self.found.all_fit(kinds, &wanted) {
                let kind = self.found.known(&renamed(&overload.result, &fresh));
                result = Some(match result {
                    None => kind,
                    Some(before) if before == kind => kind,
                    Some(_) => Type::Dyn,
                });
            }
        }
        result.unwrap_or_else(|| {
            let shown: Vec<String> = kinds.iter().map(|kind| self.found.settled(kind).to_string()).collect();
            let shown = match shown.split_first() {
                Some((target, rest)) if member => format!("{target}.({})", rest.join(", ")),
                _ => format!("({})", shown.join(", ")),
            };
            self.complain(at, format!("found no matching overload for '{name}' applied to '{shown}'"))
        })
    }

    fn fold(&mut self, at: usize, over: &mut Loop) -> Type {
        let range = self.expr(&mut over.over);
        let range = self.found.known(&range);
        let two = over.var2.is_some();
        let (first, second) = match &range {
            Type::List(of) if two => (Type::Int, (**of).clone()),
            Type::List(of) => ((**of).clone(), Type::Error),
            Type::Map(of) => (of.0.clone(), of.1.clone()),
            Type::Dyn | Type::Error | Type::Var(_) => {
                self.found.fits(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let text = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.complain(over.over.at, text);
                (Type::Error, Type::Error)
            }
        };
        let outer = self.names.len();
        self.names.push((over.var.clone(), first));
        if let Some(name) = &over.var2 {
            self.names.push((name.clone(), second));
        }
        let filter = over.filter.as_mut().map(|filter| self.expr(filter));
        let body = self.expr(&mut over.body);
        let kind = match over.fold {
            Fold::All | Fold::Exists => match self.found.fits(&body, &Type::Bool) {
                true => Type::Bool,
                false => {
                    self.mismatch(over.body.at, &Type::Bool, &body);
                    Type::Bool
                }
            },
            Fold::ExistsOne => {
                self.chosen(at, &body, &Type::Int);
                Type::Bool
            }
            Fold::List => Type::list(body),
            Fold::Map => match &range {
                Type::Map(of) => Type::map(of.0.clone(), body),
                _ => Type::map(Type::Int, body),
            },
            Fold::Entries => body,
        };
        if let Some(filter) = filter {
            self.chosen(at, &filter, &kind);
        }
        self.names.truncate(outer);
        kind
    }

    /// What a macro makes of a condition: `condition ? more : same`.
    fn chosen(&mut self, at: usize, condition: &Type, kind: &Type) {
        if !self.found.fits(condition, &Type::Bool) {
            let (condition, kind) = (self.found.settled(condition), self.found.settled(kind));
            self.complain(
                at,
                format!("found no matching overload for '_?_:_' applied to '({condition}, {kind}, {kind})'"),
            );
        }
    }
}
