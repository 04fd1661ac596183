//! What a program printed, as objects.

use gitops_engine_core::{Declared, Error, ErrorKind, Place, Problems};

use super::Program;
use crate::objects::Objects;
use crate::yaml::{self, Limits};

/// Reads the output. `place` says where a document comes from, by the line of the output where it starts.
pub(super) fn read(
    program: Program,
    output: &[u8],
    options: &yaml::Options,
    place: impl Fn(u32) -> Place,
) -> Result<Vec<Declared>, Problems> {
    let documents = yaml::decode(output)
        .map_err(|error| vec![error])
        // The output was bounded already.
        .and_then(|text| {
            let limits = Limits { bytes: usize::MAX, ..options.limits.clone() };
            yaml::parse(&text, &yaml::Options { limits, ..options.clone() })
        });
    let mut objects = Objects::default();
    match documents {
        Ok(documents) => {
            for document in documents {
                objects.document(document, &place);
            }
        }
        Err(errors) => objects.errors.extend(errors.into_iter().map(|error| {
            let kind = if error.limit { ErrorKind::LimitExceeded } else { ErrorKind::InvalidInput };
            let message = format!("line {} of what {program} printed: {}", error.line, error.message);
            Error::new(kind, message).at(place(error.line))
        })),
    }
    Problems::check(objects.errors)?;
    Ok(objects.declared)
}
