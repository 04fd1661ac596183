//! Changes for people.

use std::fmt;

use gitops_engine_core::{FieldChange, Shown, Value};

/// Shows changes, one a line: `spec.replicas: 1 -> 2 (owner kubectl)`.
///
/// Long values are cut. Secret values were replaced by numbers before they got here: `secret #1 -> secret #2`.
pub fn summary(changes: &[FieldChange]) -> impl fmt::Display + '_ {
    Summary(changes)
}

struct Summary<'a>(&'a [FieldChange]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, change) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {} -> {}", change.path, Side(&change.before), Side(&change.after))?;
            match change.owners.as_slice() {
                [] => {}
                [owner] => write!(f, " (owner {owner})")?,
                owners => write!(f, " (owners {})", owners.join(", "))?,
            }
        }
        Ok(())
    }
}

/// Longer values are cut: the line is to be read, the value is in the change.
const LONGEST: usize = 120;

struct Side<'a>(&'a Shown);

impl fmt::Display for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Shown::Absent => f.write_str("(none)"),
            Shown::Secret(number) => write!(f, "secret #{number}"),
            Shown::Plain(value @ (Value::Object(_) | Value::Array(_) | Value::String(_))) => {
                let text = value.to_string();
                match text.char_indices().nth(LONGEST) {
                    None => f.write_str(&text),
                    Some((end, _)) => write!(f, "{}…", &text[..end]),
                }
            }
            Shown::Plain(value) => write!(f, "{value}"),
        }
    }
}
