//! What a rule says, as a tree.

/// A part of a rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    /// The character of the text that complaints point at.
    pub(super) at: usize,
    /// How many levels it has, itself included.
    pub(super) height: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Ident(String),
    Select {
        of: Box<Expr>,
        field: String,
        how: Select,
    },
    /// A function or an operator; operators have the names that complaints call them by.
    Call {
        name: String,
        target: Option<Box<Expr>>,
        args: Vec<Expr>,
    },
    /// Items, of which some are only there when they have a value.
    List(Vec<Item>),
    Map(Vec<Entry>),
    /// A message of a named type, of which there are none.
    Struct(String),
    Loop(Box<Loop>),
    /// `optMap` and `optFlatMap`: the value of an optional goes by a name.
    Bind {
        of: Box<Expr>,
        name: String,
        body: Box<Expr>,
        flat: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Select {
    Plain,
    /// `has(a.b)`
    Test,
    /// `a.?b`
    Optional,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) optional: bool,
    pub(super) value: Expr,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) optional: bool,
    pub(super) key: Expr,
    pub(super) value: Expr,
}

/// A macro over a list or a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Loop {
    pub(super) fold: Fold,
    pub(super) over: Expr,
    pub(super) var: String,
    /// With two names the first is of the index or the key, the other one of the value.
    pub(super) var2: Option<String>,
    pub(super) filter: Option<Expr>,
    pub(super) body: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    All,
    Exists,
    ExistsOne,
    /// `map` and `transformList`; `filter` is one of what it goes over.
    List,
    /// `transformMap`
    Map,
    /// `transformMapEntry`
    Entries,
}

impl Expr {
    pub(super) fn new(at: usize, kind: Kind) -> Self {
        let tallest = |list: &[Expr]| list.iter().map(|e| e.height).max().unwrap_or(0);
        let below = match &kind {
            Kind::Select { of, .. } => of.height,
            Kind::Call { target, args, .. } => tallest(args).max(target.as_ref().map_or(0, |t| t.height)),
            Kind::List(items) => items.iter().map(|i| i.value.height).max().unwrap_or(0),
            Kind::Map(entries) => entries.iter().map(|e| e.key.height.max(e.value.height)).max().unwrap_or(0),
            Kind::Loop(l) => l.over.height.max(l.body.height).max(l.filter.as_ref().map_or(0, |f| f.height)),
            Kind::Bind { of, body, .. } => of.height.max(body.height),
            _ => 0,
        };
        Self { at, height: below + 1, kind }
    }

    /// Looks at it, after all of its parts.
    pub(super) fn each<'e>(&'e self, look: &mut impl FnMut(&'e Self)) {
        match &self.kind {
            Kind::Select { of, .. } => of.each(look),
            Kind::Call { target, args, .. } => target.iter().map(AsRef::as_ref).chain(args).for_each(|e| e.each(look)),
            Kind::List(items) => items.iter().for_each(|item| item.value.each(look)),
            Kind::Map(entries) => {
                entries.iter().flat_map(|entry| [&entry.key, &entry.value]).for_each(|e| e.each(look))
            }
            Kind::Loop(over) => {
                [Some(&over.over), over.filter.as_ref(), Some(&over.body)]
                    .into_iter()
                    .flatten()
                    .for_each(|e| e.each(look));
            }
            Kind::Bind { of, body, .. } => [of, body].into_iter().for_each(|e| e.each(look)),
            _ => {}
        }
        look(self);
    }

    /// The names that dots join, if it is nothing else: `a.b.c`.
    pub(super) fn qualified(&self) -> Option<String> {
        match &self.kind {
            Kind::Ident(name) => Some(name.clone()),
            Kind::Select { of, field, how: Select::Plain } => Some(format!("{}.{field}", of.qualified()?)),
            _ => None,
        }
    }
}
