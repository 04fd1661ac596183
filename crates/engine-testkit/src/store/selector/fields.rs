//! Field selectors: <https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/>

use serde_json::Value;

use crate::resources::Resource;

/// A field that has to have a value, or must not.
#[derive(Debug, Clone)]
struct Requirement {
    path: Vec<String>,
    /// What is read where there is nothing.
    absent: &'static str,
    value: String,
    equal: bool,
}

/// A parsed field selector.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldSelector(Vec<Requirement>);

/// A field selector that has been read, and not yet been held against the fields of a kind.
pub(crate) struct FieldTerms(Vec<(String, String, bool)>);

impl FieldTerms {
    /// Reads the text form. Errors are in the words of a real server.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut terms = Vec::new();
        for term in split(text) {
            let Some((field, value, equal)) = operator(term) else {
                return Err(format!("invalid selector: '{text}'; can't understand '{term}'"));
            };
            let value = unescaped(value).map_err(|e| format!("invalid field selector: {e}"))?;
            terms.push((field.to_owned(), value, equal));
        }
        Ok(Self(terms))
    }

    /// The selector of objects of a kind as a version of the API has it, or the field that it does not have.
    pub(crate) fn of(self, resource: &Resource, version: &str) -> Result<FieldSelector, String> {
        let place = |(field, value, equal): (String, String, bool)| {
            let (path, absent) = place(resource, version, &field)?;
            let path = path.split('.').map(str::to_owned).collect();
            Ok(Requirement { path, absent, value, equal })
        };
        self.0.into_iter().map(place).collect::<Result<_, _>>().map(FieldSelector)
    }
}

impl FieldSelector {
    /// The value that a field has to have, if there is only one.
    pub(crate) fn exact(&self, field: &str) -> Option<&str> {
        let found = self.0.iter().find(|r| r.equal && r.path.iter().map(String::as_str).eq(field.split('.')));
        found.map(|r| r.value.as_str())
    }

    /// One object by its name.
    pub(crate) fn and_name(mut self, name: &str) -> Self {
        let path = vec!["metadata".to_owned(), "name".to_owned()];
        self.0.push(Requirement { path, absent: "", value: name.to_owned(), equal: true });
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|r| {
            let found = r.path.iter().try_fold(object, |at, key| at.get(key));
            let same = match found {
                Some(Value::String(text)) => *text == r.value,
                Some(Value::Null) | None => r.absent == r.value,
                Some(Value::Bool(set)) => r.value == if *set { "true" } else { "false" },
                Some(other) => {
                    let text = other.to_string();
                    text == r.value
                }
            };
            same == r.equal
        })
    }
}

/// The terms between commas that are not escaped.
fn split(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms.retain(|t| !t.is_empty());
    terms
}

/// The first operator that is not escaped, with what stands before and after it.
fn operator(term: &str) -> Option<(&str, &str, bool)> {
    let mut escaped = false;
    for (at, c) in term.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        if c == '\\' {
            escaped = true;
            continue;
        }
        for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
            if let Some(value) = term[at..].strip_prefix(operator) {
                return Some((&term[..at], value, equal));
            }
        }
    }
    None
}

fn unescaped(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(next @ ('\\' | ',' | '=')) => out.push(next),
                Some(other) => return Err(format!("invalid escape sequence: \\{other}")),
                None => return Err("invalid escape sequence: \\".to_owned()),
            },
            ',' | '=' => return Err(format!("unescaped character in value: {}", c as u32)),
            other => out.push(other),
        }
    }
    Ok(out)
}

/// Where a field is in an object, and what is read where it is not; or why objects are not selected by it:
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/#list-of-supported-fields>
fn place<'a>(resource: &Resource, version: &str, field: &'a str) -> Result<(&'a str, &'static str), String> {
    let here = |absent: &'static str| Ok((field, absent));
    let label = || Err(format!("field label not supported: {field}"));
    let named = matches!(field, "metadata.name" | "metadata.namespace");
    if let Some(custom) = resource.crd.get(version) {
        return if named || custom.selectable.iter().any(|f| f == field) { here("") } else { label() };
    }
    match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "pods") => match field {
            _ if named => here(""),
            "spec.nodeName" | "spec.restartPolicy" | "spec.schedulerName" | "spec.serviceAccountName" => here(""),
            "status.phase" | "status.podIP" | "status.nominatedNodeName" => here(""),
            "spec.hostNetwork" => here("false"),
            "spec.host" => Ok(("spec.nodeName", "")),
            "status.podIPs" => Ok(("status.podIP", "")),
            _ => label(),
        },
        ("", "events") => match field {
            _ if named => here(""),
            "involvedObject.kind" | "involvedObject.namespace" | "involvedObject.name" | "involvedObject.uid" => {
                here("")
            }
            "involvedObject.apiVersion" | "involvedObject.resourceVersion" | "involvedObject.fieldPath" => here(""),
            "reason" | "reportingComponent" | "type" => here(""),
            "source" => Ok(("source.component", "")),
            _ => label(),
        },
        ("events.k8s.io", "events") => match field {
            _ if named => here(""),
            "regarding.kind" | "regarding.namespace" | "regarding.name" | "regarding.uid" => here(""),
            "regarding.apiVersion" | "regarding.resourceVersion" | "regarding.fieldPath" => here(""),
            "reason" | "reportingController" | "type" => here(""),
            _ => label(),
        },
        ("", "secrets") if named || field == "type" => here(""),
        ("", "services") if named || matches!(field, "spec.clusterIP" | "spec.type") => here(""),
        ("", "namespaces") if matches!(field, "metadata.name" | "status.phase") => here(""),
        ("", "nodes") if field == "metadata.name" => here(""),
        ("", "nodes") if field == "spec.unschedulable" => here("false"),
        ("", "replicationcontrollers") if named => here(""),
        ("", "replicationcontrollers") if field == "status.replicas" => here("0"),
        ("certificates.k8s.io", _) if matches!(field, "metadata.name" | "spec.signerName") => here(""),
        ("", "secrets" | "services" | "namespaces" | "nodes" | "replicationcontrollers")
        | ("certificates.k8s.io", _) => label(),
        ("batch", "jobs") if named => here(""),
        ("batch", "jobs") if field == "status.successful" => Ok(("status.succeeded", "0")),
        ("batch", "jobs") => Err(format!("field label {field:?} not supported for Job")),
        _ if named => here(""),
        _ => Err(format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::Registry;

    #[test]
    fn field_selectors() {
        let registry = Registry::builtin();
        let pods = registry.get("", "pods").expect("a built-in kind");
        let object = json!({"metadata": {"name": "a"}, "status": {"phase": "Running"}});
        let check = |text: &str| FieldTerms::parse(text)?.of(pods, "v1").map(|s| s.matches(&object));
        assert_eq!(check("metadata.name=a,status.phase!=Failed"), Ok(true));
        assert_eq!(check("metadata.name=b"), Ok(false));
        assert_eq!(check("spec.hostNetwork=false"), Ok(true));
        assert_eq!(check("metadata.name=a\\,b"), Ok(false));
        for text in ["nonsense", "metadata.name=a=b", "metadata.name=\\a", "spec.x=1"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
