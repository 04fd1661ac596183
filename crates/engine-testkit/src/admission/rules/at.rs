//! A place in an object and its path, so that rules read as what they ask.

use serde_json::Value;

use crate::{
    admission::{names, quantity},
    status::Cause,
};

static NULL: Value = Value::Null;

/// A value and where it is.
#[derive(Debug, Clone)]
pub(in crate::admission) struct At<'a> {
    pub(in crate::admission) value: &'a Value,
    pub(in crate::admission) path: String,
}

impl<'a> At<'a> {
    pub(in crate::admission) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    pub(in crate::admission) fn new(value: &'a Value, path: &str) -> Self {
        Self { value, path: path.to_owned() }
    }

    /// A field, `null` when it is not there.
    pub(in crate::admission) fn field(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { value: self.value.get(name).unwrap_or(&NULL), path }
    }

    pub(in crate::admission) fn items(&self) -> impl Iterator<Item = Self> {
        let path = self.path.clone();
        let list = self.value.as_array().map_or(&[][..], Vec::as_slice);
        list.iter().enumerate().map(move |(i, value)| Self { value, path: format!("{path}[{i}]") })
    }

    /// The entries of a map, as `path[key]`.
    pub(in crate::admission) fn entries(&self) -> impl Iterator<Item = (&'a str, Self)> {
        let path = self.path.clone();
        self.value
            .as_object()
            .into_iter()
            .flatten()
            .map(move |(key, value)| (key.as_str(), Self { value, path: format!("{path}[{key}]") }))
    }

    pub(in crate::admission) fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    pub(in crate::admission) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    pub(in crate::admission) fn int(&self) -> i64 {
        self.value.as_i64().unwrap_or(0)
    }

    pub(in crate::admission) fn len(&self) -> usize {
        match self.value {
            Value::Array(list) => list.len(),
            Value::Object(map) => map.len(),
            Value::String(text) => text.len(),
            _ => 0,
        }
    }

    pub(in crate::admission) fn required(&self, detail: &str, causes: &mut Vec<Cause>) {
        causes.push(Cause::required(self.path.clone(), detail));
    }

    pub(in crate::admission) fn invalid(&self, detail: &str, causes: &mut Vec<Cause>) {
        causes.push(Cause::invalid(self.path.clone(), self.value, detail));
    }

    /// The text of a field is wrong, also where it is left out.
    pub(in crate::admission) fn wrong(&self, detail: impl AsRef<str>, causes: &mut Vec<Cause>) {
        causes.push(Cause::invalid(self.path.clone(), &self.text().into(), detail));
    }

    pub(in crate::admission) fn forbidden(&self, detail: &str, causes: &mut Vec<Cause>) {
        causes.push(Cause::forbidden(self.path.clone(), detail));
    }

    pub(in crate::admission) fn unsupported(&self, supported: &[&str], causes: &mut Vec<Cause>) {
        let value = if self.is_set() { self.value.clone() } else { "".into() };
        causes.push(Cause::unsupported(self.path.clone(), &value, supported));
    }

    /// A text must be there.
    pub(in crate::admission) fn must_be_there(&self, causes: &mut Vec<Cause>) -> bool {
        let there = !self.text().is_empty();
        if !there {
            self.required("", causes);
        }
        there
    }

    /// A number that is there must not be negative.
    pub(in crate::admission) fn not_negative(&self, causes: &mut Vec<Cause>) {
        if self.value.as_i64().is_some_and(|n| n < 0) {
            self.invalid("must be greater than or equal to 0", causes);
        }
    }

    /// A text that is there must be one of these.
    pub(in crate::admission) fn one_of(&self, supported: &[&str], causes: &mut Vec<Cause>) {
        if self.is_set() && !supported.contains(&self.text()) {
            self.unsupported(supported, causes);
        }
    }

    /// A text must be one of these, and be there.
    pub(in crate::admission) fn required_one_of(&self, supported: &[&str], causes: &mut Vec<Cause>) {
        if self.text().is_empty() {
            self.required("", causes);
        } else {
            self.one_of(supported, causes);
        }
    }

    pub(in crate::admission) fn port(&self, causes: &mut Vec<Cause>) {
        if !(1..=65535).contains(&self.int()) {
            let value = if self.is_set() { self.value.clone() } else { 0.into() };
            causes.push(Cause::invalid(self.path.clone(), &value, "must be between 1 and 65535, inclusive"));
        }
    }

    /// The name of another object.
    pub(in crate::admission) fn name(&self, rule: names::Rule, causes: &mut Vec<Cause>) {
        names::complaints(self.text(), rule).iter().for_each(|complaint| self.wrong(complaint, causes));
    }

    /// A port by number or name.
    pub(in crate::admission) fn port_or_name(&self, causes: &mut Vec<Cause>) {
        if self.value.is_string() {
            self.port_name(causes);
        } else {
            self.port(causes);
        }
    }

    /// The name of a port; true when it is one.
    pub(in crate::admission) fn port_name(&self, causes: &mut Vec<Cause>) -> bool {
        let complaints = names::port_complaints(self.text());
        complaints.iter().for_each(|complaint| self.wrong(complaint, causes));
        complaints.is_empty()
    }

    /// A qualified name, as the keys of labels are.
    pub(in crate::admission) fn key(&self, causes: &mut Vec<Cause>) {
        names::key_complaints(self.text()).iter().for_each(|complaint| self.wrong(complaint, causes));
    }

    /// The value of a label.
    pub(in crate::admission) fn label_value(&self, causes: &mut Vec<Cause>) {
        names::value_complaints(self.text()).iter().for_each(|complaint| self.wrong(complaint, causes));
    }

    /// Keys and values of labels.
    pub(in crate::admission) fn labels(&self, causes: &mut Vec<Cause>) {
        for (key, value) in self.value.as_object().into_iter().flatten() {
            let wrong = |text: &str, complaint: String| Cause::invalid(self.path.clone(), &text.into(), complaint);
            causes.extend(names::key_complaints(key).into_iter().map(|complaint| wrong(key, complaint)));
            let text = value.as_str().unwrap_or_default();
            causes.extend(names::value_complaints(text).into_iter().map(|complaint| wrong(text, complaint)));
        }
    }

    /// Keys and size of annotations.
    pub(in crate::admission) fn annotations(&self, causes: &mut Vec<Cause>) {
        const MOST: usize = 256 * 1024;
        let mut size = 0;
        for (key, value) in self.value.as_object().into_iter().flatten() {
            size += key.len() + value.as_str().map_or(0, str::len);
            for complaint in names::key_complaints(&key.to_lowercase()) {
                causes.push(Cause::invalid(self.path.clone(), &key.as_str().into(), complaint));
            }
        }
        if size > MOST {
            causes.push(Cause::too_long(self.path.clone(), MOST as u64));
        }
    }

    /// A LabelSelector: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/>
    pub(in crate::admission) fn selector(&self, causes: &mut Vec<Cause>) {
        self.field("matchLabels").labels(causes);
        for expression in self.field("matchExpressions").items() {
            let (operator, values) = (expression.field("operator"), expression.field("values"));
            match operator.text() {
                "In" | "NotIn" => {
                    if values.len() == 0 {
                        values.required("must be specified when `operator` is 'In' or 'NotIn'", causes);
                    }
                }
                "Exists" | "DoesNotExist" => {
                    if values.len() > 0 {
                        values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'", causes);
                    }
                }
                _ => operator.invalid("not a valid selector operator", causes),
            }
            expression.field("key").key(causes);
            values.items().for_each(|value| value.label_value(causes));
        }
    }

    /// A quantity as a number of billionths.
    pub(in crate::admission) fn quantity(&self) -> Option<i128> {
        self.value.as_str().and_then(quantity::value)
    }
}
