//! From the events of the YAML parser to documents.

use std::borrow::Cow;
use std::collections::HashMap;

use gitops_engine_core::{Key, Map, Value};
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::scalar::{Scalar, float_key, resolve};
use super::{Document, DuplicateKeys, Options, YamlError};

pub(super) struct Builder<'o> {
    options: &'o Options,
    documents: Vec<Document>,
    errors: Vec<YamlError>,
    /// The collections that are open, outermost first.
    frames: Vec<Frame>,
    /// The values of complete anchors of this document.
    anchors: HashMap<usize, Anchor>,
    expanded: usize,
    root: Option<(Value, u32)>,
    item_lines: Vec<u32>,
    /// Which document this is, from 1 (0 is before the first).
    document: u32,
}

struct Anchor {
    value: Value,
    cost: usize,
    depth: usize,
}

struct Frame {
    anchor: usize,
    start: Marker,
    /// The deepest nesting below, for aliases: they may not make a tree deeper than the limit.
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Map { entries: Vec<Entry>, key: Option<Pending> },
}

/// A key that waits for its value.
enum Pending {
    Key(Key, Marker),
    Merge(Marker),
    /// The key was wrong, and that was reported: the value goes.
    Wrong,
}

struct Entry {
    key: Key,
    value: Value,
    origin: Origin,
    at: Marker,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Written in the map itself.
    Own,
    /// Came from a merge key; the marker index of that key tells merges of one map apart.
    Merge(usize),
}

/// Parsing ends here: a limit was reached, or there are too many errors.
struct Stop;

impl<'o> Builder<'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self {
            options,
            documents: Vec::new(),
            errors: Vec::new(),
            frames: Vec::new(),
            anchors: HashMap::new(),
            expanded: 0,
            root: None,
            item_lines: Vec::new(),
            document: 0,
        }
    }

    pub(super) fn run(mut self, text: &str) -> Result<Vec<Document>, Vec<YamlError>> {
        // The parser counts block and flow nesting apart, so `check_depth` is needed, too.
        let nesting = self.options.limits.depth;
        let mut parser = Parser::new_from_str_with_options(
            text,
            granit_parser::options! { emit_comments: false, flow_nesting_limit: nesting, block_nesting_limit: nesting },
        );
        loop {
            let step = match parser.next_event() {
                None => break,
                Some(Ok((event, span))) => self.event(event, span.start),
                Some(Err(error)) => {
                    let step = self.syntax(&error);
                    self.frames.clear();
                    match parser.proceed_next_document() {
                        Ok(true) => step,
                        Ok(false) | Err(_) => Err(Stop),
                    }
                }
            };
            if step.is_err() {
                break;
            }
        }
        if self.errors.is_empty() {
            return Ok(self.documents);
        }
        // Doubled keys are found at the end of their map.
        self.errors.sort_by_key(|error| (error.line, error.column));
        Err(self.errors)
    }

    fn event(&mut self, event: Event<'_>, at: Marker) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => self.start_document(at),
            Event::DocumentEnd => {
                self.end_document();
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::SequenceStart(_, anchor, _) => self.open(anchor, at, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.open(anchor, at, Content::Map { entries: Vec::new(), key: None }),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Ok(()),
        }
    }

    fn start_document(&mut self, at: Marker) -> Result<(), Stop> {
        self.frames.clear();
        self.anchors.clear();
        self.item_lines.clear();
        self.root = None;
        self.document = self.document.saturating_add(1);
        if self.document as usize > self.options.limits.documents {
            let message = format!("there are more than the {} documents allowed", self.options.limits.documents);
            return self.limit(at, message);
        }
        Ok(())
    }

    fn end_document(&mut self) {
        if let Some((value, line)) = self.root.take()
            && !value.is_null()
        {
            let item_lines = std::mem::take(&mut self.item_lines);
            self.documents.push(Document { index: self.index(), line, item_lines, value });
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Marker,
    ) -> Result<(), Stop> {
        let scalar = match resolve(text, style, tag) {
            Ok(scalar) => scalar,
            Err(message) => {
                self.report(at, message)?;
                Scalar::Null
            }
        };
        if self.wants_key() {
            let key = match scalar.key_text() {
                _ if scalar == Scalar::Merge => Pending::Merge(at),
                Ok(key) => Pending::Key(Key::new(&key), at),
                Err(message) => {
                    self.report(at, message)?;
                    Pending::Wrong
                }
            };
            if anchor != 0 {
                let value = scalar.into_value().unwrap_or_default();
                self.define(anchor, &value, 0, at)?;
            }
            self.set_key(key);
            return Ok(());
        }
        let value = match scalar.into_value() {
            Ok(value) => value,
            Err(message) => {
                self.report(at, message)?;
                Value::Null
            }
        };
        self.define(anchor, &value, 0, at)?;
        self.place(value, 0, at)
    }

    fn alias(&mut self, anchor: usize, at: Marker) -> Result<(), Stop> {
        let Some(known) = self.anchors.get(&anchor) else {
            self.report(at, "this alias stands inside of the very value that it names")?;
            return self.place_or_key(Value::Null, 0, at);
        };
        let (cost, depth, value) = (known.cost, known.depth, known.value.clone());
        self.charge(cost, at)?;
        self.check_depth(self.frames.len() + depth, at)?;
        self.place_or_key(value, depth, at)
    }

    fn open(&mut self, anchor: usize, at: Marker, content: Content) -> Result<(), Stop> {
        if self.wants_key() {
            self.report(at, "a key must be a text, not a list or a map; if this is a template, render it first")?;
        } else {
            self.note_item(at);
        }
        self.frames.push(Frame { anchor, start: at, depth: 0, content });
        self.check_depth(self.frames.len(), at)
    }

    fn close(&mut self) -> Result<(), Stop> {
        // The parser closes only what it opened, and after a syntax error it starts a new document.
        let Some(Frame { anchor, start, depth, content }) = self.frames.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::from(items),
            Content::Map { entries, .. } => Value::Object(self.map(entries)?),
        };
        let depth = depth + 1;
        self.define(anchor, &value, depth, start)?;
        if self.wants_key() {
            self.set_key(Pending::Wrong);
            return Ok(());
        }
        self.attach(value, depth, start)
    }

    /// Puts a complete map together: the last of equal keys stays, and what is ambiguous is reported.
    fn map(&mut self, entries: Vec<Entry>) -> Result<Map, Stop> {
        let sorted = entries.is_sorted_by(|a, b| a.key < b.key);
        if sorted {
            return Ok(entries.into_iter().map(|entry| (entry.key, entry.value)).collect());
        }
        let mut entries = entries;
        // Stable, so equal keys stay in the order of the text.
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            match kept.last_mut() {
                Some(last) if last.key == entry.key => {
                    if self.options.duplicate_keys == DuplicateKeys::Error {
                        self.judge(last, &entry)?;
                    }
                    *last = entry;
                }
                _ => kept.push(entry),
            }
        }
        Ok(kept.into_iter().map(|entry| (entry.key, entry.value)).collect())
    }

    fn judge(&mut self, first: &Entry, second: &Entry) -> Result<(), Stop> {
        let (key, line) = (&second.key, first.at.line());
        match (first.origin, second.origin) {
            (Origin::Own, Origin::Own) => self.report(
                second.at,
                format!("the key {:?} is given twice in one map, first on line {line}", key.as_str()),
            ),
            (Origin::Own, Origin::Merge(_)) if first.value != second.value => self.report(
                second.at,
                format!(
                    "the key {:?} of line {line} is also merged by this `<<`, and tools disagree about which one wins; \
                     put the `<<` before it",
                    key.as_str()
                ),
            ),
            (Origin::Merge(one), Origin::Merge(other)) if one != other && first.value != second.value => self.report(
                second.at,
                format!("the key {:?} comes from two `<<`; merge one list instead: `<<: [*a, *b]`", key.as_str()),
            ),
            _ => Ok(()),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { content: Content::Map { key: None, .. }, .. }))
    }

    fn set_key(&mut self, pending: Pending) {
        if let Some(Frame { content: Content::Map { key, .. }, .. }) = self.frames.last_mut() {
            *key = Some(pending);
        }
    }

    /// An alias can be a key, too.
    fn place_or_key(&mut self, value: Value, depth: usize, at: Marker) -> Result<(), Stop> {
        if !self.wants_key() {
            return self.place(value, depth, at);
        }
        let key = match &value {
            Value::String(text) => Ok(Key::new(text)),
            Value::Bool(value) => Ok(Key::new(if *value { "true" } else { "false" })),
            Value::Int(number) => Ok(Key::new(&number.to_string())),
            Value::Float(number) => Ok(Key::new(&float_key(*number))),
            Value::Null | Value::Array(_) | Value::Object(_) => Err("a key must be a text"),
        };
        let pending = match key {
            Ok(key) => Pending::Key(key, at),
            Err(message) => {
                self.report(at, message)?;
                Pending::Wrong
            }
        };
        self.set_key(pending);
        Ok(())
    }

    /// Puts a value that is not a collection of its own where it belongs.
    fn place(&mut self, value: Value, depth: usize, at: Marker) -> Result<(), Stop> {
        self.note_item(at);
        self.attach(value, depth, at)
    }

    fn attach(&mut self, value: Value, depth: usize, at: Marker) -> Result<(), Stop> {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some((value, line(at)));
            return Ok(());
        };
        frame.depth = frame.depth.max(depth);
        match &mut frame.content {
            Content::List(items) => items.push(value),
            Content::Map { entries, key } => match key.take() {
                Some(Pending::Key(key, at)) => entries.push(Entry { key, value, origin: Origin::Own, at }),
                Some(Pending::Merge(at)) => return self.merge(value, at),
                Some(Pending::Wrong) | None => {}
            },
        }
        Ok(())
    }

    /// `<<: map` and `<<: [map, map]`: of a list, earlier maps win.
    fn merge(&mut self, value: Value, at: Marker) -> Result<(), Stop> {
        const WRONG: &str = "what `<<` merges must be a map or a list of maps";
        let mut maps = Vec::new();
        match value {
            Value::Object(map) => maps.push(map),
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::Object(map) => maps.push(map),
                        _ => self.report(at, WRONG)?,
                    }
                }
            }
            _ => self.report(at, WRONG)?,
        }
        // Later entries of equal keys win, so the maps go in from the last to the first.
        let merged: Map = maps.into_iter().rev().flat_map(Map::into_entries).collect();
        if let Some(Frame { content: Content::Map { entries, .. }, .. }) = self.frames.last_mut() {
            let origin = Origin::Merge(at.index());
            entries.extend(merged.into_entries().into_iter().map(|(key, value)| Entry { key, value, origin, at }));
        }
        Ok(())
    }

    /// Remembers where the items of a top-level `items:` start.
    fn note_item(&mut self, at: Marker) {
        if let [Frame { content: Content::Map { key: Some(Pending::Key(key, _)), .. }, .. }, list] = &*self.frames
            && matches!(list.content, Content::List(_))
            && key.as_str() == "items"
        {
            self.item_lines.push(line(at));
        }
    }

    /// Keeps the value of an anchor, when there is one. The copy counts as expansion.
    fn define(&mut self, anchor: usize, value: &Value, depth: usize, at: Marker) -> Result<(), Stop> {
        if anchor == 0 {
            return Ok(());
        }
        let cost = cost(value);
        self.charge(cost, at)?;
        self.anchors.insert(anchor, Anchor { value: value.clone(), cost, depth });
        Ok(())
    }

    fn charge(&mut self, cost: usize, at: Marker) -> Result<(), Stop> {
        self.expanded = self.expanded.saturating_add(cost);
        if self.expanded > self.options.limits.expansion {
            let message =
                format!("anchors and aliases expand to more than the {} bytes allowed", self.options.limits.expansion);
            return self.limit(at, message);
        }
        Ok(())
    }

    fn check_depth(&mut self, depth: usize, at: Marker) -> Result<(), Stop> {
        if depth > self.options.limits.depth {
            return self
                .limit(at, format!("maps and lists nest deeper than the {} allowed", self.options.limits.depth));
        }
        Ok(())
    }

    fn syntax(&mut self, error: &ScanError) -> Result<(), Stop> {
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            return self.check_depth(usize::MAX, *error.marker());
        }
        // The parser's messages name at most one character of the text.
        self.report(*error.marker(), format!("this is not YAML: {}", error.info()))
    }

    fn limit(&mut self, at: Marker, message: String) -> Result<(), Stop> {
        let error = self.error(at, message, true);
        self.errors.push(error);
        Err(Stop)
    }

    fn report(&mut self, at: Marker, message: impl Into<String>) -> Result<(), Stop> {
        let error = self.error(at, message.into(), false);
        self.errors.push(error);
        if self.errors.len() >= self.options.limits.errors.max(1) { Err(Stop) } else { Ok(()) }
    }

    fn error(&self, at: Marker, message: String, limit: bool) -> YamlError {
        let column = u32::try_from(at.col()).unwrap_or(u32::MAX).saturating_add(1);
        YamlError { line: line(at), column, document: self.index(), message, limit }
    }

    fn index(&self) -> u32 {
        self.document.saturating_sub(1)
    }
}

fn line(at: Marker) -> u32 {
    u32::try_from(at.line()).unwrap_or(u32::MAX)
}

/// About how many bytes of memory a copy of a value takes.
fn cost(value: &Value) -> usize {
    let own = size_of::<Value>();
    match value {
        Value::String(text) => own + text.len(),
        Value::Array(items) => own + items.iter().map(cost).sum::<usize>(),
        Value::Object(map) => own + map.iter().map(|(_, value)| size_of::<Key>() + cost(value)).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => own,
    }
}
