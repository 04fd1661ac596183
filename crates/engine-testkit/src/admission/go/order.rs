//! Which of several wrong values in a map comes first: a decoder reads a text from its beginning, and a map of values has
//! forgotten where they stood.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::json;

/// The entries of a map in the order of the text.
#[derive(Default)]
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[derive(Deserialize, Default)]
struct Annotated {
    #[serde(default)]
    annotations: Entries,
}

#[derive(Deserialize, Default)]
struct Labelled {
    #[serde(default)]
    labels: Entries,
}

#[derive(Deserialize)]
struct Document<T: Default> {
    #[serde(default)]
    metadata: T,
}

/// The complaint about a label or annotation that is no text, about the one that comes first in the document.
pub(in crate::admission) fn complaint(text: &str, problem: String) -> String {
    const OF: &str = " into Go struct field ObjectMeta.metadata.";
    let Some((_, field)) = problem.split_once(OF) else { return problem };
    let entries = match field {
        "annotations of type string" => {
            serde_json::from_str::<Document<Annotated>>(text).map(|d| d.metadata.annotations)
        }
        "labels of type string" => serde_json::from_str::<Document<Labelled>>(text).map(|d| d.metadata.labels),
        _ => return problem,
    };
    let first = entries.ok().and_then(|Entries(entries)| {
        entries.into_iter().map(|(_, value)| value).find(|value| !value.is_string() && !value.is_null())
    });
    match first {
        Some(value) => format!("json: cannot unmarshal {}{OF}{field}", json::type_name(&value)),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_in_the_text_is_told_of() {
        let problem =
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.annotations of type string";
        let text = r#"{"metadata":{"annotations":{"z":"text","y":{"b":1},"a":1}}}"#;
        assert_eq!(complaint(text, problem.to_owned()), problem.replace("number", "object"));
        assert_eq!(complaint("{}", problem.to_owned()), problem);
        assert_eq!(complaint(text, "another".to_owned()), "another");
    }
}
