//! The entries of `metadata.managedFields`.

use serde_json::{Map, Value, json};

use crate::fields::{FieldSet, FieldsError};

/// How a manager wrote its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One entry: a manager and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedEntry {
    /// The name that the writer gave itself.
    pub manager: String,
    /// How it wrote.
    pub operation: Operation,
    /// The version of the API that the paths are of: `apps/v1`.
    pub api_version: String,
    /// The subresource that was written; empty for the object itself.
    pub subresource: String,
    /// When the fields last changed, RFC 3339 in UTC, to the second.
    pub time: Option<String>,
    /// The fields.
    pub fields: FieldSet,
}

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The manager's name: `fieldManager` of the request. An empty one is kept as `unknown`.
    pub manager: &'a str,
    /// The version of the API that the request is in: `apps/v1`.
    pub api_version: &'a str,
    /// The subresource that is written; empty for the object itself.
    pub subresource: &'a str,
    /// When, RFC 3339 in UTC, to the second. Without one, a new entry has no time and an old one keeps its own.
    pub time: Option<&'a str>,
}

impl Writer<'_> {
    pub(super) fn name(&self) -> &str {
        if self.manager.is_empty() { "unknown" } else { self.manager }
    }
}

/// Why entries cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManagedFieldsError {
    /// Not a list of objects.
    #[error("managedFields must be a list of objects")]
    NotAList,
    /// Neither `Apply` nor `Update`.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// No version.
    #[error("apiVersion must not be empty")]
    ApiVersion,
    /// No `FieldsV1`.
    #[error("invalid fieldsType {found:?} in managed fields entry {index}")]
    FieldsType {
        /// What is there instead.
        found: String,
        /// The entry, from 0.
        index: usize,
    },
    /// The fields cannot be read.
    #[error("error decoding set: {0}")]
    Fields(#[from] FieldsError),
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagedFields {
    pub(super) entries: Vec<ManagedEntry>,
}

fn metadata_entries(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

impl ManagedFields {
    /// Reads `metadata.managedFields`. Entries are told apart by manager, operation and subresource, and for updates also by
    /// version: of those that are the same, the last one counts.
    ///
    /// # Errors
    /// [`ManagedFieldsError`] for the first entry that cannot be read.
    pub fn decode(entries: &Value) -> Result<Self, ManagedFieldsError> {
        let mut out = Self::default();
        let list = match entries {
            Value::Null => return Ok(out),
            _ => entries.as_array().ok_or(ManagedFieldsError::NotAList)?,
        };
        for (index, entry) in list.iter().enumerate() {
            let entry = decode_entry(entry, index)?;
            let place = out.position(&entry.manager, entry.operation, &entry.subresource, &entry.api_version);
            match place {
                Some(place) => out.entries[place] = entry,
                None => out.entries.push(entry),
            }
        }
        Ok(out)
    }

    /// The entries of an object; none when they cannot be read.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        metadata_entries(object).map(Self::decode).and_then(Result::ok).unwrap_or_default()
    }

    /// The entries that a write starts from. A client may send entries of its own, and take all away with an empty list or an
    /// empty entry; what it leaves out or sends broken is taken from the live object, and so is everything when it writes a
    /// subresource.
    #[must_use]
    pub fn sent(live: &Value, sent: &Value, subresource: &str) -> Self {
        if !subresource.is_empty() {
            return Self::of(live);
        }
        match metadata_entries(sent) {
            Some(Value::Array(list)) if is_reset(list) => Self::default(),
            Some(entries) => match Self::decode(entries) {
                Ok(managed) if !managed.entries.is_empty() => managed,
                _ => Self::of(live),
            },
            None => Self::of(live),
        }
    }

    /// The entries, in the order of [`ManagedFields::encode`] if they came from there.
    #[must_use]
    pub fn entries(&self) -> &[ManagedEntry] {
        &self.entries
    }

    /// Whether nobody owns anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn position(
        &self,
        manager: &str,
        operation: Operation,
        subresource: &str,
        api_version: &str,
    ) -> Option<usize> {
        // An applier is the same in every version of the API; an updater is not.
        self.entries.iter().position(|e| {
            e.manager == manager
                && e.operation == operation
                && e.subresource == subresource
                && (operation == Operation::Apply || e.api_version == api_version)
        })
    }

    /// The list for `metadata.managedFields`: appliers first, older entries before newer ones.
    #[must_use]
    pub fn encode(&self) -> Vec<Value> {
        let mut sorted: Vec<&ManagedEntry> = self.entries.iter().collect();
        sorted.sort_by_key(|e| (e.operation, &e.time, &e.manager, &e.api_version, &e.subresource));
        sorted.into_iter().map(encode_entry).collect()
    }

    /// Writes the list into an object, or takes it out when nobody owns anything.
    pub fn write(&self, object: &mut Value) {
        let Some(object) = object.as_object_mut() else { return };
        let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        let Some(metadata) = metadata.as_object_mut() else { return };
        if self.entries.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), self.encode().into());
        }
    }
}

fn is_reset(list: &[Value]) -> bool {
    match list {
        [] => true,
        [one] => one.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

fn decode_entry(entry: &Value, index: usize) -> Result<ManagedEntry, ManagedFieldsError> {
    let entry = entry.as_object().ok_or(ManagedFieldsError::NotAList)?;
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let operation = match text("operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err(ManagedFieldsError::Operation),
    };
    if text("apiVersion").is_empty() {
        return Err(ManagedFieldsError::ApiVersion);
    }
    if text("fieldsType") != "FieldsV1" {
        return Err(ManagedFieldsError::FieldsType { found: text("fieldsType").to_owned(), index });
    }
    Ok(ManagedEntry {
        manager: text("manager").to_owned(),
        operation,
        api_version: text("apiVersion").to_owned(),
        subresource: text("subresource").to_owned(),
        time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
        fields: match entry.get("fieldsV1") {
            None | Some(Value::Null) => FieldSet::default(),
            Some(fields) => FieldSet::from_fields_v1(fields)?,
        },
    })
}

fn encode_entry(entry: &ManagedEntry) -> Value {
    let mut out = json!({
        "manager": entry.manager,
        "operation": entry.operation.as_str(),
        "apiVersion": entry.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": entry.fields.to_fields_v1(),
    });
    if let Some(time) = &entry.time {
        out["time"] = time.as_str().into();
    }
    if !entry.subresource.is_empty() {
        out["subresource"] = entry.subresource.as_str().into();
    }
    out
}
