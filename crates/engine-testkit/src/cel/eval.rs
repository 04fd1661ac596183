//! What a rule says of values.

use std::sync::Arc;

use super::{
    ast::{Expr, Fold, Kind, Loop, Select},
    functions,
    value::{Evaluated, Fail, Meter, Val, equal, fail},
};

/// What the names of a rule stand for, and how long it may go on.
pub(super) struct Scope<'a, 'm> {
    pub(super) names: Vec<(&'a str, Val<'a>)>,
    pub(super) meter: &'m Meter,
}

impl<'a> Scope<'a, '_> {
    pub(super) fn eval(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        self.meter.spend(1)?;
        match &expr.kind {
            Kind::Null => Ok(Val::Null),
            Kind::Bool(b) => Ok(Val::Bool(*b)),
            Kind::Int(n) => Ok(Val::Int(*n)),
            Kind::Uint(n) => Ok(Val::Uint(*n)),
            Kind::Double(n) => Ok(Val::Double(*n)),
            Kind::Text(text) => Ok(Val::text(text)),
            Kind::Bytes(bytes) => Ok(Val::Bytes(bytes.as_slice().into())),
            Kind::Ident(name) => match self.names.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => Ok(value.clone()),
                None => Ok(Val::Type(name.clone())),
            },
            Kind::Select { of, field, how } => {
                let of = self.eval(of)?;
                self.select(of, field, *how)
            }
            Kind::Call { name, target, args } => self.call(name, target.as_deref(), args),
            Kind::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let value = self.eval(&item.value)?;
                    match (item.optional, value) {
                        (true, Val::Optional(value)) => list.extend(value.map(|value| (*value).clone())),
                        (true, _) => return fail("cannot initialize optional list element from non-optional value"),
                        (false, value) => list.push(value),
                    }
                }
                Ok(Val::list(list))
            }
            Kind::Map(entries) => {
                let mut map: Vec<(Val<'a>, Val<'a>)> = Vec::with_capacity(entries.len());
                for entry in entries {
                    let key = self.eval(&entry.key)?;
                    let value = match (entry.optional, self.eval(&entry.value)?) {
                        (true, Val::Optional(Some(value))) => (*value).clone(),
                        (true, Val::Optional(None)) => continue,
                        (true, _) => return fail("cannot initialize optional entry from non-optional value"),
                        (false, value) => value,
                    };
                    insert(&mut map, key, value, self.meter, "Failed with repeated key")?;
                }
                Ok(Val::Map(Arc::new(map)))
            }
            Kind::Struct(name) => fail(format!("unknown type: '{name}'")),
            Kind::Loop(over) => self.fold(over),
            Kind::Bind { of, name, body, flat } => match self.eval(of)? {
                Val::Optional(None) => Ok(Val::Optional(None)),
                Val::Optional(Some(value)) => {
                    let value = self.within(&[(name, (*value).clone())], body)?;
                    Ok(if *flat { value } else { Val::some(value) })
                }
                _ => Err(Fail::Overload),
            },
        }
    }

    /// Evaluates a part of a rule in which more names are known.
    fn within(&mut self, names: &[(&'a str, Val<'a>)], expr: &'a Expr) -> Evaluated<'a> {
        let outer = self.names.len();
        self.names.extend_from_slice(names);
        let value = self.eval(expr);
        self.names.truncate(outer);
        value
    }

    fn select(&mut self, of: Val<'a>, field: &'a str, how: Select) -> Evaluated<'a> {
        let (of, optional) = match of {
            Val::Optional(None) if how == Select::Test => return Ok(Val::Bool(false)),
            Val::Optional(None) => return Ok(Val::Optional(None)),
            Val::Optional(Some(value)) => ((*value).clone(), true),
            of => (of, how == Select::Optional),
        };
        let found = of.find(&Val::text(field), self.meter)?;
        match (how, found) {
            (Select::Test, found) => Ok(Val::Bool(found.is_some())),
            (_, found) if optional => Ok(Val::Optional(found.map(Arc::new))),
            (_, Some(value)) => Ok(value),
            (_, None) => fail(format!("no such key: {field}")),
        }
    }

    fn call(&mut self, name: &str, target: Option<&'a Expr>, args: &'a [Expr]) -> Evaluated<'a> {
        match (name, args) {
            ("_&&_", args) => return self.joined(args, false),
            ("_||_", args) => return self.joined(args, true),
            ("_?_:_", [condition, yes, no]) => {
                let yes = if self.eval(condition)?.as_bool()? { yes } else { no };
                return self.eval(yes);
            }
            _ => {}
        }
        let mut values = Vec::with_capacity(args.len() + 1);
        for arg in target.into_iter().chain(args) {
            values.push(self.eval(arg)?);
        }
        match (name, values.as_slice()) {
            ("_==_", [a, b]) => equal(a, b, self.meter).map(Val::Bool),
            ("_!=_", [a, b]) => equal(a, b, self.meter).map(|same| Val::Bool(!same)),
            ("_[_]", [of, index]) => self.index(of, index),
            ("_[?_]", [of, index]) => {
                let of = match of {
                    Val::Optional(None) => return Ok(Val::Optional(None)),
                    Val::Optional(Some(of)) => of,
                    of => of,
                };
                Ok(Val::Optional(of.at(index, self.meter)?.map(Arc::new)))
            }
            (name, values) => functions::call(name, target.is_some(), values, self.meter),
        }
    }

    fn index(&self, of: &Val<'a>, index: &Val<'a>) -> Evaluated<'a> {
        if let Val::Optional(of) = of {
            let Some(of) = of else { return Ok(Val::Optional(None)) };
            return Ok(Val::Optional(of.at(index, self.meter)?.map(Arc::new)));
        }
        let found = of.at(index, self.meter)?;
        let shown = || functions::shown(index);
        found.map_or_else(
            || match of {
                Val::List(..) | Val::Items(..) => fail(format!("index out of bounds: {}", shown())),
                _ => fail(format!("no such key: {}", shown())),
            },
            Ok,
        )
    }

    /// `&&`, which one false decides, and `||`, which one true does: whatever fails beside it.
    fn joined(&mut self, args: &'a [Expr], decides: bool) -> Evaluated<'a> {
        let mut failed = None;
        for arg in args {
            match self.eval(arg).and_then(|value| value.as_bool()) {
                Ok(b) if b == decides => return Ok(Val::Bool(decides)),
                Ok(_) => {}
                Err(Fail::Spent) => return Err(Fail::Spent),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        failed.map_or(Ok(Val::Bool(!decides)), Err)
    }

    fn fold(&mut self, over: &'a Loop) -> Evaluated<'a> {
        let range = self.eval(&over.over)?;
        let steps = self.steps(&range, over.var2.is_some())?;
        let mut made = Made::default();
        for (first, second) in steps {
            self.meter.spend(1)?;
            let mut names = vec![(over.var.as_str(), first.clone())];
            if let (Some(name), Some(second)) = (&over.var2, second) {
                names.push((name, second));
            }
            if let Some(filter) = &over.filter {
                match self.within(&names, filter)?.as_bool()? {
                    true => {}
                    false => continue,
                }
            }
            let value = self.within(&names, &over.body);
            match over.fold {
                Fold::All | Fold::Exists => {
                    let decides = over.fold == Fold::Exists;
                    match value.and_then(|value| value.as_bool()) {
                        Ok(b) if b == decides => return Ok(Val::Bool(decides)),
                        Ok(_) => {}
                        Err(Fail::Spent) => return Err(Fail::Spent),
                        Err(e) => made.failed = made.failed.or(Some(e)),
                    }
                }
                Fold::ExistsOne => made.count += usize::from(value?.as_bool()?),
                Fold::List => made.list.push(value?),
                Fold::Map => insert(&mut made.map, first, value?, self.meter, "insert failed")?,
                Fold::Entries => {
                    for (key, value) in value?.entries(self.meter)?.iter() {
                        insert(&mut made.map, key.clone(), value.clone(), self.meter, "insert failed")?;
                    }
                }
            }
        }
        match (over.fold, made.failed) {
            (_, Some(e)) => Err(e),
            (Fold::All, None) => Ok(Val::Bool(true)),
            (Fold::Exists, None) => Ok(Val::Bool(false)),
            (Fold::ExistsOne, None) => Ok(Val::Bool(made.count == 1)),
            (Fold::List, None) => Ok(Val::list(made.list)),
            (Fold::Map | Fold::Entries, None) => Ok(Val::Map(Arc::new(made.map))),
        }
    }

    /// What the names of a loop stand for, one step after the other.
    fn steps(&self, range: &Val<'a>, two: bool) -> Result<Vec<(Val<'a>, Option<Val<'a>>)>, Fail> {
        Ok(match range {
            Val::List(..) | Val::Items(..) => {
                let items = range.items(self.meter)?;
                let numbered = items.iter().zip(0_i64..);
                match two {
                    true => numbered.map(|(item, i)| (Val::Int(i), Some(item.clone()))).collect(),
                    false => items.iter().map(|item| (item.clone(), None)).collect(),
                }
            }
            other => {
                let entries = other.entries(self.meter)?;
                entries.iter().map(|(key, value)| (key.clone(), two.then(|| value.clone()))).collect()
            }
        })
    }
}

/// What a loop has made so far.
#[derive(Default)]
struct Made<'a> {
    failed: Option<Fail>,
    count: usize,
    list: Vec<Val<'a>>,
    map: Vec<(Val<'a>, Val<'a>)>,
}

/// Puts a value under a key that is not there yet.
pub(super) fn insert<'a>(
    map: &mut Vec<(Val<'a>, Val<'a>)>,
    key: Val<'a>,
    value: Val<'a>,
    meter: &Meter,
    what: &str,
) -> Result<(), Fail> {
    if !matches!(key, Val::Bool(_) | Val::Int(_) | Val::Uint(_) | Val::Text(_) | Val::Double(_)) {
        return fail("unsupported key type");
    }
    for (other, _) in map.iter() {
        if equal(other, &key, meter)? {
            return fail(format!("{what}: key {} already exists", functions::shown(&key)));
        }
    }
    map.push((key, value));
    Ok(())
}
