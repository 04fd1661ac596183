//! YAML as `kubectl` reads it.
//!
//! Kubernetes' tools read YAML 1.1 by way of JSON
//! ([sigs.k8s.io/yaml](https://github.com/kubernetes-sigs/yaml)): `yes` is a boolean, `010` is eight, `1.0` is the
//! integer one, the key `1` is the text `"1"`. A parser that follows another reading gives other objects than the ones
//! that people tried with `kubectl apply`, so this one follows theirs, value by value.
//!
//! It differs in two points, both on purpose, and both can be switched off with [`DuplicateKeys::LastWins`]:
//! - a key that is given twice is an error (`kubectl` silently takes the last one);
//! - so is a key that is given both by the map itself and by a merge (`<<`) *after* it, with different values: by the
//!   [description of merge keys](https://yaml.org/type/merge.html) the map's own key wins, for `kubectl` the merge.
//!
//! Everything is bounded by [`Limits`]: size, depth, number of documents, and what aliases expand to.

mod builder;
mod scalar;
mod text;

use gitops_engine_core::{Error, ErrorKind, Place, TreePath, Value};

pub use text::decode;

/// What to do about a key that a map has twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateKeys {
    /// It is an error: one of the two values would be lost without a word.
    #[default]
    Error,
    /// The last one wins, as `kubectl` does it.
    LastWins,
}

/// Bounds for hostile or broken input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The size of the text, in bytes.
    pub bytes: usize,
    /// How deep maps and lists nest. Kubernetes' own objects stay below 30 (schemas in CRDs).
    pub depth: usize,
    /// How many documents one text holds.
    pub documents: usize,
    /// How many bytes of memory anchors and aliases may add, about. Stops the
    /// [billion laughs](https://en.wikipedia.org/wiki/Billion_laughs_attack).
    pub expansion: usize,
    /// How many errors are reported before the rest of the text is given up.
    pub errors: usize,
}

impl Default for Limits {
    /// 10 MiB of text, 100 levels, 20,000 documents, 10 MiB from aliases, 20 errors.
    fn default() -> Self {
        Self { bytes: 10 << 20, depth: 100, documents: 20_000, expansion: 10 << 20, errors: 20 }
    }
}

/// How to read a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The bounds.
    pub limits: Limits,
    /// What to do about a key that a map has twice.
    pub duplicate_keys: DuplicateKeys,
}

/// One document of a text. Empty ones are left out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Document {
    /// Which document of the text, from 0, counting empty ones.
    pub index: u32,
    /// The line of its first node, from 1.
    pub line: u32,
    /// Where the items of its top-level list `items` start, for a `List` that holds several objects.
    pub item_lines: Vec<u32>,
    /// Its content. Never null.
    pub value: Value,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
#[non_exhaustive]
pub struct YamlError {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// Which document of the text, from 0.
    pub document: u32,
    /// What is wrong there. Names keys and anchors, never values: they may be secret.
    pub message: String,
    /// Whether a limit was reached; otherwise the text is wrong.
    pub limit: bool,
}

impl YamlError {
    /// The error, placed in a file.
    pub fn in_file(self, file: &TreePath) -> Error {
        let kind = if self.limit { ErrorKind::LimitExceeded } else { ErrorKind::InvalidInput };
        let place = Place { file: file.clone(), line: Some(self.line), document: self.document };
        Error::new(kind, format!("{} (column {})", self.message, self.column)).at(place)
    }
}

/// Reads all documents of a text.
///
/// After an error it goes on, where that is possible: with the next document after a syntax error, with the same one
/// after any other. So all errors of a file are known at once.
///
/// ```
/// use gitops_engine_manifest::yaml;
///
/// let documents = yaml::parse("mode: 0644\nenabled: yes\n---\n# nothing\n---\n- 1.0\n", &yaml::Options::default())?;
/// assert_eq!(documents.len(), 2);
/// assert_eq!(documents[0].value.to_string(), r#"{"enabled":true,"mode":420}"#);
/// assert_eq!((documents[1].line, documents[1].value.to_string()), (6, "[1]".to_owned()));
/// # Ok::<(), Vec<yaml::YamlError>>(())
/// ```
///
/// # Errors
/// All that were found, in the order of the text; never an empty list.
pub fn parse(text: &str, options: &Options) -> Result<Vec<Document>, Vec<YamlError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > options.limits.bytes {
        let message = format!("the text has {} bytes, more than the {} allowed", text.len(), options.limits.bytes);
        return Err(vec![YamlError { line: 1, column: 1, document: 0, message, limit: true }]);
    }
    builder::Builder::new(options).run(text)
}
