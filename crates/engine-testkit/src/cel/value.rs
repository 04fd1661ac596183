//! Values of rules, and what holds for all of them.

use std::{
    borrow::Cow,
    cell::Cell,
    cmp::Ordering,
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use serde_json::{Map, Value};

use super::data::{Node, Order, typed};

/// Why a rule has no value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fail {
    /// No function takes such values.
    Overload,
    Text(String),
    /// It took too long.
    Spent,
}

impl std::fmt::Display for Fail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Overload => "no such overload",
            Self::Text(text) => text,
            Self::Spent => "operation cancelled: actual cost limit exceeded",
        })
    }
}

pub(super) type Evaluated<'a> = Result<Val<'a>, Fail>;

pub(super) fn fail<T>(text: impl Into<String>) -> Result<T, Fail> {
    Err(Fail::Text(text.into()))
}

/// How many steps are left. Every step of an evaluation is one, and one more for every ten characters or items it touches.
#[derive(Debug)]
pub(crate) struct Meter {
    left: Cell<u64>,
}

impl Meter {
    pub(crate) fn new(steps: u64) -> Self {
        Self { left: Cell::new(steps) }
    }

    pub(crate) fn left(&self) -> u64 {
        self.left.get()
    }

    pub(crate) fn take(&self, steps: u64) {
        self.left.set(self.left.get().saturating_sub(steps));
    }

    pub(super) fn spend(&self, steps: usize) -> Result<(), Fail> {
        match self.left.get().checked_sub(steps as u64) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(Fail::Spent)
            }
        }
    }

    /// For touching so many characters or items.
    pub(super) fn touch(&self, many: usize) -> Result<(), Fail> {
        self.spend(many / 10 + 1)
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(Arc<[u8]>),
    /// In nanoseconds.
    Duration(i64),
    Timestamp(jiff::Timestamp),
    List(Arc<Vec<Val<'a>>>, &'a Order),
    Map(Arc<Vec<(Val<'a>, Val<'a>)>>),
    /// A list of an object.
    Items(&'a [Value], &'a Node),
    /// An object.
    Fields(&'a Map<String, Value>, &'a Node),
    /// Kept by the schema without a word about it.
    Unknown(&'a Value),
    Optional(Option<Arc<Val<'a>>>),
    Type(String),
    Named(Arc<Named>),
}

/// What functions make of texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Named {
    Url(super::functions::Url),
    Ip(IpAddr),
    Cidr(IpAddr, u8),
    /// In billionths.
    Quantity(i128),
    Semver(super::functions::Semver),
    Format(&'static str),
}

impl<'a> Val<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn owned(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Arc::new(items), &Order::Atomic)
    }

    pub(super) fn some(value: Self) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    pub(super) fn named(named: Named) -> Self {
        Self::Named(Arc::new(named))
    }

    pub(super) fn as_bool(&self) -> Result<bool, Fail> {
        match self {
            Self::Bool(b) => Ok(*b),
            _ => Err(Fail::Overload),
        }
    }

    /// The name of its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::List(..) | Self::Items(..) => "list",
            Self::Map(_) | Self::Fields(..) => "map",
            Self::Unknown(_) => "unknown",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Named(named) => match **named {
                Named::Url(_) => "kubernetes.URL",
                Named::Ip(_) => "net.IP",
                Named::Cidr(..) => "net.CIDR",
                Named::Quantity(_) => "kubernetes.Quantity",
                Named::Semver(_) => "kubernetes.Semver",
                Named::Format(_) => "kubernetes.NamedFormat",
            },
        }
    }

    /// The items of a list.
    pub(super) fn items(&self, meter: &Meter) -> Result<Arc<Vec<Self>>, Fail> {
        match self {
            Self::List(items, _) => Ok(items.clone()),
            Self::Items(items, node) => {
                meter.touch(items.len())?;
                let Some(of) = node.items() else { return Err(Fail::Overload) };
                let items: Result<Vec<Self>, Fail> = items.iter().map(|item| typed(item, of)).collect();
                Ok(Arc::new(items?))
            }
            _ => Err(Fail::Overload),
        }
    }

    /// The keys and values of a map; an object has those of its fields that its schema knows.
    pub(super) fn entries(&self, meter: &Meter) -> Result<Arc<Vec<(Self, Self)>>, Fail> {
        match self {
            Self::Map(entries) => Ok(entries.clone()),
            Self::Fields(map, node) => {
                meter.touch(map.len())?;
                let known = map.iter().filter_map(|(key, value)| Some((key, value, node.under(key)?)));
                let entries: Result<Vec<(Self, Self)>, Fail> =
                    known.map(|(key, value, node)| Ok((Self::text(key), typed(value, node)?))).collect();
                Ok(Arc::new(entries?))
            }
            _ => Err(Fail::Overload),
        }
    }

    pub(super) fn size(&self, meter: &Meter) -> Result<usize, Fail> {
        Ok(match self {
            Self::Text(text) => {
                meter.touch(text.len())?;
                text.chars().count()
            }
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items, _) => items.len(),
            Self::Items(items, _) => items.len(),
            Self::Map(entries) => entries.len(),
            Self::Fields(map, _) => map.len(),
            _ => return Err(Fail::Overload),
        })
    }

    /// What a map has under a key.
    pub(super) fn find(&self, key: &Self, meter: &Meter) -> Result<Option<Self>, Fail> {
        match (self, key) {
            (Self::Map(entries), key) => {
                for (other, value) in entries.iter() {
                    if equal(other, key, meter)? {
                        return Ok(Some(value.clone()));
                    }
                }
                Ok(None)
            }
            (Self::Fields(map, node), Self::Text(key)) => node.find(map, key).transpose(),
            _ => Err(Fail::Overload),
        }
    }

    /// An item of a list, or the value under a key.
    pub(super) fn at(&self, index: &Self, meter: &Meter) -> Result<Option<Self>, Fail> {
        let place = || match index {
            Self::Int(i) => Ok(usize::try_from(*i).ok()),
            Self::Uint(i) => Ok(usize::try_from(*i).ok()),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was seen to be whole")]
            Self::Double(d) if d.fract() == 0.0 && *d >= 0.0 && *d < 1e15 => Ok(Some(*d as usize)),
            other => fail(format!("unsupported index type '{}' in list", other.type_name())),
        };
        match self {
            Self::List(items, _) => Ok(place()?.and_then(|i| items.get(i)).cloned()),
            Self::Items(items, node) => match (place()?.and_then(|i| items.get(i)), node.items()) {
                (Some(item), Some(node)) => typed(item, node).map(Some),
                _ => Ok(None),
            },
            other => other.find(index, meter),
        }
    }

    fn order(&self) -> &'a Order {
        match self {
            Self::List(_, order) => order,
            Self::Items(_, node) => node.order(),
            _ => &Order::Atomic,
        }
    }

    /// A list with the items of another one behind its own: to a set only those that it has not, to a list with keys those
    /// with other keys, and the others in the places of its own.
    pub(super) fn joined(&self, other: &Self, meter: &Meter) -> Evaluated<'a> {
        let (left, right) = (self.items(meter)?, other.items(meter)?);
        meter.touch(left.len() + right.len())?;
        let mut items = (*left).clone();
        let order = self.order();
        for item in right.iter() {
            let mut same = None;
            if *order != Order::Atomic {
                for (i, mine) in items.iter().enumerate() {
                    if is_same_item(mine, item, order, meter)? {
                        same = Some(i);
                        break;
                    }
                }
            }
            match (same, order) {
                (Some(i), Order::Keys(_)) => items[i] = item.clone(),
                (Some(_), _) => {}
                (None, _) => items.push(item.clone()),
            }
        }
        Ok(Self::List(Arc::new(items), order))
    }
}

fn is_same_item<'a>(a: &Val<'a>, b: &Val<'a>, order: &'a Order, meter: &Meter) -> Result<bool, Fail> {
    let Order::Keys(keys) = order else { return equal(a, b, meter) };
    for key in keys {
        let key = Val::owned(super::data::escape(key).unwrap_or_else(|| key.clone()));
        let same = match (a.find(&key, meter)?, b.find(&key, meter)?) {
            (Some(a), Some(b)) => equal(&a, &b, meter)?,
            (None, None) => true,
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether two values are the same one. Numbers of different types are compared by what they count.
pub(super) fn equal<'a>(a: &Val<'a>, b: &Val<'a>, meter: &Meter) -> Result<bool, Fail> {
    meter.spend(1)?;
    Ok(match (a, b) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Text(a), Val::Text(b)) => {
            meter.touch(a.len().min(b.len()))?;
            a == b
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            meter.touch(a.len().min(b.len()))?;
            a == b
        }
        (Val::Duration(a), Val::Duration(b)) => a == b,
        (Val::Timestamp(a), Val::Timestamp(b)) => a == b,
        (Val::Type(a), Val::Type(b)) => a == b,
        (Val::Named(a), Val::Named(b)) => a == b,
        (Val::Unknown(a), Val::Unknown(b)) => a == b,
        (Val::Optional(a), Val::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => equal(a, b, meter)?,
            (a, b) => a.is_none() && b.is_none(),
        },
        (Val::List(..) | Val::Items(..), Val::List(..) | Val::Items(..)) => lists(a, b, meter)?,
        (Val::Fields(a, node), Val::Fields(b, other)) => objects(a, node, b, other, meter)?,
        (Val::Map(_) | Val::Fields(..), Val::Map(_) | Val::Fields(..)) => {
            let entries = a.entries(meter)?;
            if entries.len() != b.size(meter)? {
                return Ok(false);
            }
            for (key, value) in entries.iter() {
                match b.find(key, meter)? {
                    Some(other) if equal(value, &other, meter)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        _ => matches!(numbers(a, b), Some(Some(Ordering::Equal))),
    })
}

fn lists<'a>(a: &Val<'a>, b: &Val<'a>, meter: &Meter) -> Result<bool, Fail> {
    if a.size(meter)? != b.size(meter)? {
        return Ok(false);
    }
    let order = a.order();
    if *order == Order::Set
        && let (Val::Items(a, _), Val::Items(b, _)) = (a, b)
    {
        meter.touch(a.len() + b.len())?;
        let has: HashSet<String> = a.iter().map(Value::to_string).collect();
        return Ok(b.iter().all(|item| has.contains(&item.to_string())));
    }
    if let (Order::Keys(keys), Val::Items(a, node), Val::Items(b, _)) = (order, a, b)
        && let Some(of) = node.items()
    {
        meter.touch(a.len() + b.len())?;
        let key_of = |item: &Value| -> String {
            keys.iter().map(|key| item.get(key).map_or_else(String::new, Value::to_string) + "\n").collect()
        };
        let mine: HashMap<String, &'a Value> = a.iter().map(|item| (key_of(item), item)).collect();
        for item in b.iter() {
            match mine.get(&key_of(item)) {
                Some(own) if equal(&typed(own, of)?, &typed(item, of)?, meter)? => {}
                _ => return Ok(false),
            }
        }
        return Ok(true);
    }
    let (a, b) = (a.items(meter)?, b.items(meter)?);
    if *order == Order::Atomic {
        for (a, b) in a.iter().zip(b.iter()) {
            if !equal(a, b, meter)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    for other in b.iter() {
        let mut found = false;
        for mine in a.iter() {
            if is_same_item(mine, other, order, meter)? {
                found = *order == Order::Set || equal(mine, other, meter)?;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Of objects the known fields are compared as what they are, and the unknown ones where both have them.
fn objects<'a>(
    a: &'a Map<String, Value>,
    node: &'a Node,
    b: &'a Map<String, Value>,
    other: &'a Node,
    meter: &Meter,
) -> Result<bool, Fail> {
    meter.touch(a.len())?;
    if a.len() != b.len() {
        return Ok(false);
    }
    for (key, value) in a {
        let there = b.get(key);
        let same = match (node.under(key), other.under(key)) {
            (Some(mine), Some(its)) => match there {
                Some(there) if !value.is_null() && !there.is_null() => {
                    equal(&typed(value, mine)?, &typed(there, its)?, meter)?
                }
                there => value.is_null() && there.is_none_or(Value::is_null),
            },
            _ => there.is_none_or(|there| there == value),
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How two numbers stand, if they are numbers, and can stand in some way.
fn numbers(a: &Val<'_>, b: &Val<'_>) -> Option<Option<Ordering>> {
    #[allow(clippy::cast_precision_loss, reason = "as the server does it")]
    let mixed = |whole: i128, d: f64| {
        if d.is_nan() {
            return None;
        }
        (whole as f64).partial_cmp(&d)
    };
    Some(match (a, b) {
        (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
        (Val::Uint(a), Val::Uint(b)) => Some(a.cmp(b)),
        (Val::Double(a), Val::Double(b)) => a.partial_cmp(b),
        (Val::Int(a), Val::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Val::Uint(a), Val::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Val::Int(a), Val::Double(b)) => mixed(i128::from(*a), *b),
        (Val::Uint(a), Val::Double(b)) => mixed(i128::from(*a), *b),
        (Val::Double(a), Val::Int(b)) => mixed(i128::from(*b), *a).map(Ordering::reverse),
        (Val::Double(a), Val::Uint(b)) => mixed(i128::from(*b), *a).map(Ordering::reverse),
        _ => return None,
    })
}

/// How two values stand, of those that have an order.
pub(super) fn compare(a: &Val<'_>, b: &Val<'_>, meter: &Meter) -> Result<Ordering, Fail> {
    Ok(match (a, b) {
        (Val::Bool(a), Val::Bool(b)) => a.cmp(b),
        (Val::Text(a), Val::Text(b)) => {
            meter.touch(a.len().min(b.len()))?;
            a.cmp(b)
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            meter.touch(a.len().min(b.len()))?;
            a.cmp(b)
        }
        (Val::Duration(a), Val::Duration(b)) => a.cmp(b),
        (Val::Timestamp(a), Val::Timestamp(b)) => a.cmp(b),
        (a, b) => match numbers(a, b) {
            Some(Some(ordering)) => ordering,
            Some(None) => return fail("NaN values cannot be ordered"),
            None => return Err(Fail::Overload),
        },
    })
}
