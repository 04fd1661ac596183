//! Maps and lists that were sent, but empty. They are nothing once they are stored, and yet an error about one of them
//! shows what was sent.

use serde_json::Value;

use crate::status::Cause;

/// Where they are, and what each is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Empties(Vec<(String, &'static str)>);

impl Empties {
    /// All below an object, as it was decoded.
    pub(crate) fn of(object: &Value) -> Self {
        let mut found = Vec::new();
        walk(object, &mut Vec::new(), &mut found);
        Self(found)
    }

    /// Whether one was sent at this place.
    pub(super) fn has(&self, at: &str) -> bool {
        self.0.iter().any(|(place, _)| place == at)
    }

    /// Lets causes show them.
    pub(super) fn show(&self, causes: &mut [Cause]) {
        const NOTHING: &str = "Invalid value: null";
        if self.0.is_empty() {
            return;
        }
        for cause in causes {
            let Some(rest) = cause.message.strip_prefix(NOTHING) else { continue };
            // An Ingress without any rule is refused as a whole, and yet its rules are shown.
            let shown = if rest.ends_with("`rules` must be specified") { "spec.rules" } else { &cause.field };
            if let Some((_, empty)) = self.0.iter().find(|(at, _)| *at == shown) {
                cause.message = format!("Invalid value: {empty}{rest}");
            }
        }
    }
}

enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

fn walk<'a>(value: &'a Value, at: &mut Vec<Step<'a>>, found: &mut Vec<(String, &'static str)>) {
    match value {
        Value::Object(map) if map.is_empty() => found.push((path(at), "{}")),
        Value::Array(list) if list.is_empty() => found.push((path(at), "[]")),
        Value::Object(map) => {
            for (key, value) in map {
                at.push(Step::Field(key));
                walk(value, at, found);
                at.pop();
            }
        }
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                at.push(Step::Item(i));
                walk(value, at, found);
                at.pop();
            }
        }
        _ => {}
    }
}

fn path(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Field(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Item(i) => path.push_str(&format!("[{i}]")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_sent_empty_is_shown() {
        let empties = Empties::of(&json!({"spec": {"labels": {}, "rules": [{"values": []}]}}));
        let mut causes = [
            Cause::invalid("spec.labels", &Value::Null, "no match"),
            Cause::invalid("spec.rules[0].values", &Value::Null, "too few"),
            Cause::invalid("spec.other", &Value::Null, "no match"),
        ];
        empties.show(&mut causes);
        let shown = causes.map(|c| c.message);
        assert_eq!(
            shown,
            ["Invalid value: {}: no match", "Invalid value: []: too few", "Invalid value: null: no match"]
        );
    }
}
