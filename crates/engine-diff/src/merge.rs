//! What an apply would make of a live object, computed here.
//!
//! The merge follows [server-side apply](https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy):
//! declared fields are set, fields that were declared before and are not any more are removed, everything else stays.
//! It returns `None` where the live value stays as it is, so that an object without drift costs a walk and no allocation.

use gitops_engine_core::{GroupKind, Key, Map, Value};

use crate::desired::{LAST_APPLIED, is_controlled, is_server_metadata, is_type_meta};
use crate::quantity;
use crate::schema::{Items, ListType, Members, MergeKey, Shape, is_typed};
use crate::server::{is_allocated, is_default, is_dropped_flag, is_dropped_map, is_dropped_number};

/// How values of one kind compare.
#[derive(Clone, Copy)]
pub(crate) struct Merge {
    /// The server knows the kind's Go type: it drops what is empty and fills in known defaults.
    typed: bool,
    /// Fields of items of atomic lists may be defaults that are not known here.
    lenient: bool,
}

impl Merge {
    pub(crate) fn of(kind: &GroupKind) -> Self {
        let typed = is_typed(kind);
        Self { typed, lenient: !typed || &*kind.group == "resource.k8s.io" || kind.is("", "LimitRange") }
    }

    /// Merges whole objects.
    pub(crate) fn object(self, kind: &GroupKind, desired: &Value, last: Option<&Value>, live: &Value) -> Option<Value> {
        let (Value::Object(declared), Value::Object(live)) = (desired, live) else { return None };
        let shape = Shape::of(kind);
        let top = |key: &str| !is_type_meta(key) && key != "status" && !is_controlled(kind, desired, key);
        let mut edits = Edits::default();
        let last = last.and_then(Value::as_object);
        self.entries(declared, last, live, shape, &mut edits, &|key| top(key) && key != "metadata");
        let nothing = Map::default();
        fn metadata(body: Option<&Map>) -> Option<&Map> {
            body?.get("metadata")?.as_object()
        }
        let mut inner = Edits::default();
        let theirs = metadata(Some(live)).unwrap_or(&nothing);
        self.entries(
            metadata(Some(declared)).unwrap_or(&nothing),
            metadata(last),
            theirs,
            shape.field("metadata"),
            &mut inner,
            &|key| !is_server_metadata(key),
        );
        if !inner.is_empty() {
            edits.set("metadata", inner.apply(theirs).into());
        }
        (!edits.is_empty()).then(|| edits.apply(live).into())
    }

    fn value(self, desired: &Value, last: Option<&Value>, live: &Value, shape: Shape) -> Option<Value> {
        match (desired, live) {
            (Value::Null, _) => None,
            (Value::Object(_), Value::Object(_)) if shape.is_whole() => {
                (!self.covers(desired, last, live, shape)).then(|| cleaned(desired))
            }
            (Value::Object(declared), Value::Object(live)) => {
                let mut edits = Edits::default();
                let last = last.and_then(Value::as_object);
                self.entries(declared, last, live, shape, &mut edits, &|_| true);
                (!edits.is_empty()).then(|| edits.apply(live).into())
            }
            (Value::Array(declared), Value::Array(live)) => self.list(declared, last, live, shape),
            _ => (!same(desired, live, shape)).then(|| cleaned(desired)),
        }
    }

    fn entries(
        self,
        declared: &Map,
        last: Option<&Map>,
        live: &Map,
        shape: Shape,
        edits: &mut Edits,
        considered: &dyn Fn(&str) -> bool,
    ) {
        for (key, desired) in declared {
            let key = key.as_str();
            if !considered(key) || is_kubectl_note(shape, key) {
                continue;
            }
            match live.get(key) {
                None | Some(Value::Null) => {
                    if !self.is_nothing(key, desired, shape) {
                        edits.set(key, cleaned(desired));
                    }
                }
                Some(_) if self.typed && is_allocated(key, desired) => {}
                Some(live) => {
                    let last = last.and_then(|last| last.get(key));
                    if let Some(merged) = self.value(desired, last, live, shape.field(key)) {
                        edits.set(key, merged);
                    }
                }
            }
        }
        for (key, last) in last.into_iter().flatten() {
            let key = key.as_str();
            let declared = declared.get(key).is_some_and(|desired| !desired.is_null());
            if declared || last.is_null() || !considered(key) || is_kubectl_note(shape, key) {
                continue;
            }
            match live.get(key) {
                None | Some(Value::Null) => {}
                Some(live) => match without(last, live, shape.field(key)) {
                    Rest::All => {}
                    Rest::Some(rest) => edits.set(key, rest),
                    Rest::Nothing => edits.unset(key),
                },
            }
        }
    }

    fn list(self, declared: &[Value], last: Option<&Value>, live: &[Value], shape: Shape) -> Option<Value> {
        let last = last.and_then(Value::as_array).unwrap_or_default();
        match shape.list_type() {
            ListType::Map(keys) => match (Items::new(declared, keys), Items::new(live, keys)) {
                (Some(ours), Some(theirs)) => {
                    self.items(&ours, Items::new(last, keys).as_ref(), &theirs, shape.items())
                }
                _ => self.atomic(declared, last, live, shape.items()),
            },
            ListType::Set => {
                let (ours, before, theirs) = (Members::new(declared), Members::new(last), Members::new(live));
                let keep = |member: &&Value| ours.contains(member) || !before.contains(member);
                if live.iter().all(|member| keep(&member)) && declared.iter().all(|member| theirs.contains(member)) {
                    return None;
                }
                let kept = live.iter().filter(keep);
                Some(Value::Array(
                    kept.chain(declared.iter().filter(|member| !theirs.contains(member))).cloned().collect(),
                ))
            }
            ListType::Atomic => self.atomic(declared, last, live, shape.items()),
        }
    }

    fn atomic(self, declared: &[Value], last: &[Value], live: &[Value], shape: Shape) -> Option<Value> {
        let covered =
            |at: usize| live.get(at).is_some_and(|live| self.covers(&declared[at], last.get(at), live, shape));
        if declared.len() == live.len() && (0..declared.len()).all(covered) {
            return None;
        }
        let items = (0..declared.len()).map(|at| if covered(at) { live[at].clone() } else { cleaned(&declared[at]) });
        Some(Value::Array(items.collect()))
    }

    /// An item that both sides have. Its keys stay, even one that was written out before and is left to its default now.
    fn item(
        self,
        desired: &Value,
        last: Option<&Value>,
        live: &Value,
        keys: &[MergeKey],
        shape: Shape,
    ) -> Option<Value> {
        let (Value::Object(declared), Value::Object(theirs), false) = (desired, live, shape.is_whole()) else {
            return self.value(desired, last, live, shape);
        };
        let mut edits = Edits::default();
        let last = last.and_then(Value::as_object);
        self.entries(declared, last, theirs, shape, &mut edits, &|name| keys.iter().all(|key| key.name != name));
        (!edits.is_empty()).then(|| edits.apply(theirs).into())
    }

    /// Our items in our order; the items of others stay where they are.
    fn items(self, ours: &Items<'_>, last: Option<&Items<'_>>, theirs: &Items<'_>, shape: Shape) -> Option<Value> {
        let (declared, live, keys) = (ours.all(), theirs.all(), ours.keys());
        let mut changed = false;
        let mut previous = None;
        let merged: Vec<Option<Value>> = declared
            .iter()
            .enumerate()
            .map(|(at, desired)| {
                let Some((position, live)) = theirs.find(desired, at) else {
                    changed = true;
                    return Some(cleaned(desired));
                };
                changed |= previous.is_some_and(|previous| previous > position);
                previous = Some(position);
                let last = last.and_then(|last| last.find(desired, at)).map(|(_, item)| item);
                let merged = self.item(desired, last, live, keys, shape);
                changed |= merged.is_some();
                merged
            })
            .collect();
        let fate = |(at, item): (usize, &Value)| match (ours.find(item, at), last) {
            (Some(_), _) => Fate::Ours,
            (None, Some(last)) if last.find(item, at).is_some() => Fate::Removed,
            _ => Fate::Foreign,
        };
        if !changed && !live.iter().enumerate().any(|entry| matches!(fate(entry), Fate::Removed)) {
            return None;
        }
        let mut slots = live.iter().enumerate().filter(|entry| matches!(fate(*entry), Fate::Ours)).count();
        let mut next = declared.iter().zip(merged).enumerate().map(|(at, (desired, merged))| {
            merged.or_else(|| theirs.find(desired, at).map(|(_, live)| live.clone())).unwrap_or_default()
        });
        let mut out = Vec::with_capacity(declared.len().max(live.len()));
        if slots == 0 {
            out.extend(next.by_ref());
        }
        for (at, item) in live.iter().enumerate() {
            match fate((at, item)) {
                Fate::Foreign => out.push(item.clone()),
                Fate::Removed => {}
                Fate::Ours => {
                    slots -= 1;
                    out.extend(next.next());
                    if slots == 0 {
                        out.extend(next.by_ref());
                    }
                }
            }
        }
        Some(Value::Array(out.into_boxed_slice()))
    }

    /// Whether the live value is what the server makes of the desired one, where both are taken as a whole.
    fn covers(self, desired: &Value, last: Option<&Value>, live: &Value, shape: Shape) -> bool {
        match (desired, live) {
            (Value::Object(declared), Value::Object(live)) => {
                let last = last.and_then(Value::as_object);
                let kept = declared.iter().all(|(key, desired)| {
                    let key = key.as_str();
                    match live.get(key) {
                        None | Some(Value::Null) => self.is_nothing(key, desired, shape),
                        Some(_) if desired.is_null() => true,
                        Some(live) => self.covers(desired, last.and_then(|last| last.get(key)), live, shape.field(key)),
                    }
                });
                kept && live.iter().all(|(key, value)| {
                    let key = key.as_str();
                    declared.get(key).is_some_and(|desired| !desired.is_null())
                        || is_default(key, value)
                        || self.lenient
                            && !shape.is_whole()
                            && last.is_none_or(|last| last.get(key).is_none_or(Value::is_null))
                })
            }
            (Value::Array(declared), Value::Array(live)) => {
                let last = last.and_then(Value::as_array).unwrap_or_default();
                declared.len() == live.len()
                    && declared
                        .iter()
                        .zip(live)
                        .enumerate()
                        .all(|(at, (desired, live))| self.covers(desired, last.get(at), live, shape.items()))
            }
            _ => same(desired, live, shape),
        }
    }

    /// Whether a declared value is one that the server leaves out of a map of this shape.
    fn is_nothing(self, key: &str, desired: &Value, shape: Shape) -> bool {
        match desired {
            Value::Null => true,
            Value::Object(map) if map.iter().all(|(_, value)| value.is_null()) => {
                matches!(key, "annotations" | "labels")
                    // The server's type has these two in any case: they are no pointers.
                    || self.typed && (matches!(key, "spec" | "status") || is_dropped_map(key))
            }
            Value::Bool(false) => self.typed && is_dropped_flag(key),
            Value::Int(0) => self.typed && is_dropped_number(key),
            Value::String(text) if text.is_empty() => self.typed && !shape.holds_texts() && !key.ends_with("ClassName"),
            Value::Array(items) => self.typed && items.is_empty(),
            _ => false,
        }
    }
}

enum Fate {
    Ours,
    Removed,
    Foreign,
}

/// kubectl's copy of what it applied is about an apply, not about the object.
fn is_kubectl_note(shape: Shape, key: &str) -> bool {
    shape.is_texts() && key == LAST_APPLIED
}

/// What is left of a live value when what was declared before is taken out.
enum Rest {
    All,
    Some(Value),
    Nothing,
}

fn without(last: &Value, live: &Value, shape: Shape) -> Rest {
    match (last, live) {
        // It declared no field: what is there now is of others.
        (Value::Object(last), Value::Object(live)) if last.is_empty() && !live.is_empty() => Rest::All,
        (Value::Object(last), Value::Object(live)) if !shape.is_whole() && !last.is_empty() => {
            let mut edits = Edits::default();
            for (key, last) in last {
                let key = key.as_str();
                match live.get(key).map(|live| without(last, live, shape.field(key))) {
                    None | Some(Rest::All) => {}
                    Some(Rest::Some(rest)) => edits.set(key, rest),
                    Some(Rest::Nothing) => edits.unset(key),
                }
            }
            if edits.is_empty() {
                return Rest::All;
            }
            let rest = edits.apply(live);
            if rest.is_empty() { Rest::Nothing } else { Rest::Some(rest.into()) }
        }
        (Value::Array(last), Value::Array(live)) => {
            let kept: Vec<&Value> = match shape.list_type() {
                ListType::Atomic => return Rest::Nothing,
                ListType::Set => {
                    let last = Members::new(last);
                    live.iter().filter(|member| !last.contains(member)).collect()
                }
                ListType::Map(keys) => match (Items::new(last, keys), Items::new(live, keys)) {
                    (Some(last), Some(_)) => live
                        .iter()
                        .enumerate()
                        .filter(|(at, item)| last.find(item, *at).is_none())
                        .map(|(_, item)| item)
                        .collect(),
                    _ => return Rest::Nothing,
                },
            };
            if kept.is_empty() {
                Rest::Nothing
            } else if kept.len() == live.len() {
                Rest::All
            } else {
                Rest::Some(Value::Array(kept.into_iter().cloned().collect()))
            }
        }
        _ => Rest::Nothing,
    }
}

fn same(a: &Value, b: &Value, shape: Shape) -> bool {
    a == b || shape.is_quantity() && quantity::same(a, b)
}

/// Without the entries that are `null`: they declare nothing.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::object(
            map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), cleaned(value))),
        ),
        Value::Array(items) => Value::Array(items.iter().map(cleaned).collect()),
        other => other.clone(),
    }
}

/// Changes of one map, made in one go.
#[derive(Default)]
struct Edits(Vec<(Key, Option<Value>)>);

impl Edits {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn set(&mut self, key: &str, value: Value) {
        self.0.push((Key::new(key), Some(value)));
    }

    fn unset(&mut self, key: &str) {
        self.0.push((Key::new(key), None));
    }

    fn apply(mut self, map: &Map) -> Map {
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        let edited = |key: &Key| self.0.binary_search_by(|(edited, _)| edited.cmp(key)).is_ok();
        let mut entries: Vec<(Key, Value)> = map.iter().filter(|(key, _)| !edited(key)).cloned().collect();
        entries.extend(self.0.into_iter().filter_map(|(key, value)| Some((key, value?))));
        Map::from_entries(entries)
    }
}
