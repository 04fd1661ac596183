//! One error type for all traits: a kind to match on, a place to look at, and what to do next.

use std::error::Error as StdError;
use std::fmt;

use crate::{FieldPath, ObjectId, Place};

/// The result of one operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the few classes that a caller acts on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A revision, path, object or kind is not there.
    NotFound,
    /// Something that a person wrote is wrong: a manifest, an option, an annotation.
    InvalidInput,
    /// No credentials, or wrong ones.
    Unauthenticated,
    /// The credentials are right, the permission is missing.
    PermissionDenied,
    /// Somebody else changed the same thing first.
    Conflict,
    /// A guard stopped an action that may destroy something.
    Refused,
    /// A limit in size, depth, number or time was reached: hostile or broken input.
    LimitExceeded,
    /// The other side cannot be reached or is overloaded.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// The caller cancelled.
    Cancelled,
    /// Valid, but not supported here.
    Unsupported,
    /// Stored data is damaged.
    Corrupt,
    /// The other side, or the engine itself, did something that it must not do.
    Internal,
}

/// What a caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Recovery {
    /// Try again later, with back-off: the same input may succeed.
    Retry,
    /// Get other credentials or permissions.
    Authorize,
    /// Change the desired state or the options: trying again gives the same error.
    FixInput,
    /// A person has to decide.
    AskOperator,
    /// Report a defect.
    Report,
}

impl ErrorKind {
    /// The usual recovery from this kind of error.
    pub fn recovery(self) -> Recovery {
        match self {
            Self::Conflict | Self::Unavailable | Self::Timeout | Self::Cancelled => Recovery::Retry,
            Self::Unauthenticated | Self::PermissionDenied => Recovery::Authorize,
            Self::NotFound | Self::InvalidInput | Self::LimitExceeded | Self::Unsupported => Recovery::FixInput,
            Self::Refused => Recovery::AskOperator,
            Self::Corrupt | Self::Internal => Recovery::Report,
        }
    }
}

/// One error: what failed, where, and what to do.
///
/// The message never contains credentials or the values of Secrets; implementations of the traits keep this promise.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    place: Option<Place>,
    object: Option<ObjectId>,
    field: Option<FieldPath>,
    help: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of a kind. The message says what failed, in lower case and without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            place: None,
            object: None,
            field: None,
            help: None,
            source: None,
        }))
    }

    /// Adds the place in the state store.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.0.place = Some(place);
        self
    }

    /// Adds the object.
    #[must_use]
    pub fn object(mut self, object: ObjectId) -> Self {
        self.0.object = Some(object);
        self
    }

    /// Adds the field of the object.
    #[must_use]
    pub fn field(mut self, field: FieldPath) -> Self {
        self.0.field = Some(field);
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error without its cause, which cannot be copied.
    #[must_use]
    pub fn restate(&self) -> Self {
        let Inner { kind, message, place, object, field, help, .. } = &*self.0;
        Self(Box::new(Inner {
            kind: *kind,
            message: message.clone(),
            place: place.clone(),
            object: object.clone(),
            field: field.clone(),
            help: help.clone(),
            source: None,
        }))
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the caller should do.
    pub fn recovery(&self) -> Recovery {
        self.0.kind.recovery()
    }

    /// What failed, without place, object and help.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where in the state store.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Which object.
    pub fn object_id(&self) -> Option<&ObjectId> {
        self.0.object.as_ref()
    }

    /// Which field of the object.
    pub fn field_path(&self) -> Option<&FieldPath> {
        self.0.field.as_ref()
    }

    /// What to do about it.
    pub fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { message, place, object, field, help, .. } = &*self.0;
        if let Some(place) = place {
            write!(f, "{place}: ")?;
        }
        if let Some(object) = object {
            write!(f, "{object}: ")?;
        }
        if let Some(field) = field {
            write!(f, "{field}: ")?;
        }
        f.write_str(message)?;
        if let Some(help) = help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl serde::Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let Inner { kind, message, place, object, field, help, .. } = &*self.0;
        let mut out = serializer.serialize_struct("Error", 6)?;
        out.serialize_field("kind", kind)?;
        out.serialize_field("message", message)?;
        out.serialize_field("place", place)?;
        out.serialize_field("object", object)?;
        out.serialize_field("field", field)?;
        out.serialize_field("help", help)?;
        out.end()
    }
}

/// All errors of an operation over many things: one bad object does not hide the others. Never empty.
pub struct Problems(Vec<Error>);

impl Problems {
    /// `Ok` when there is nothing to report, else all of it, sorted by place, then object.
    pub fn check(mut errors: Vec<Error>) -> std::result::Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by(|a, b| (a.place(), a.object_id(), a.message()).cmp(&(b.place(), b.object_id(), b.message())));
        Err(Self(errors))
    }

    /// The errors, at least one.
    pub fn errors(&self) -> &[Error] {
        &self.0
    }

    /// The errors, by value.
    pub fn into_errors(self) -> Vec<Error> {
        self.0
    }

    /// The kind to act on: the one that a retry cannot cure, where there is one.
    pub fn kind(&self) -> ErrorKind {
        let hard = self.0.iter().find(|error| error.recovery() != Recovery::Retry);
        hard.or(self.0.first()).map_or(ErrorKind::Internal, Error::kind)
    }
}

impl From<Error> for Problems {
    fn from(error: Error) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.0.as_slice() {
            return write!(f, "{one}");
        }
        write!(f, "{} problems:", self.0.len())?;
        for error in &self.0 {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl StdError for Problems {}
