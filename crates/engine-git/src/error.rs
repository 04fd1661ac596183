//! Errors of gix in the classes of the engine.
//!
//! gix carries classes of its own, but they are hints: a bad certificate comes back as retryable, a 404 without a class.
//! Everything that talks to a server is therefore classified where it happens (see `remote`); this is for the rest.

use std::io::ErrorKind as Io;

use gitops_engine_core::{Error, ErrorKind};
use gix::error::Class;

/// An error of gix with what we wanted from it.
pub(crate) fn from_gix(error: impl Into<gix::Error>, message: impl Into<String>) -> Error {
    let error = error.into();
    Error::new(classify(&error), format!("{}: {}", message.into(), summary(&error)))
}

/// The kind of an error of gix.
pub(crate) fn classify(error: &gix::Error) -> ErrorKind {
    if let Some(io) = error.downcast_any_ref::<std::io::Error>() {
        match io.kind() {
            Io::PermissionDenied => return ErrorKind::PermissionDenied,
            Io::NotFound => return ErrorKind::NotFound,
            Io::TimedOut => return ErrorKind::Timeout,
            _ => {}
        }
    }
    match error.classify().dominant_class() {
        Some(Class::Cancelled) => ErrorKind::Cancelled,
        Some(Class::Corruption) => ErrorKind::Corrupt,
        Some(Class::ResourceExhaustion(_)) => ErrorKind::LimitExceeded,
        Some(Class::Validation) => ErrorKind::InvalidInput,
        Some(Class::Unsupported) => ErrorKind::Unsupported,
        Some(Class::Unauthenticated) => ErrorKind::Unauthenticated,
        Some(Class::PermissionDenied) => ErrorKind::PermissionDenied,
        Some(Class::Conflict) => ErrorKind::Conflict,
        Some(Class::NotFound) => ErrorKind::NotFound,
        Some(Class::Retryable) => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

/// The chain of causes in one line.
pub(crate) fn summary(error: &gix::Error) -> String {
    let mut lines: Vec<String> = Vec::new();
    for cause in error.iter_errors() {
        let line = cause.to_string();
        let line = line.lines().next().unwrap_or_default().trim().to_owned();
        if !line.is_empty() && !lines.iter().any(|seen| seen.contains(&line)) {
            lines.push(line);
        }
    }
    lines.join(": ")
}
