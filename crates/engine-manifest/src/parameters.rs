//! Parameters of a request, read strictly: a misspelt one is an error, not ignored.

use std::collections::BTreeMap;

use gitops_engine_core::{Error, ErrorKind, Value};

pub(crate) struct Parameters<'a> {
    generator: &'static str,
    all: &'a BTreeMap<String, Value>,
    errors: Vec<Error>,
}

impl<'a> Parameters<'a> {
    /// The parameters of a generator, which knows these names.
    pub(crate) fn new(generator: &'static str, all: &'a BTreeMap<String, Value>, known: &[&str]) -> Self {
        let mut parameters = Self { generator, all, errors: Vec::new() };
        for name in all.keys().filter(|name| !known.contains(&name.as_str())) {
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("use one of {}", known.join(", ")) };
            let message = format!("the generator {generator} has no parameter {name:?}");
            parameters.errors.push(Error::new(ErrorKind::InvalidInput, message).help(known));
        }
        parameters
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.all.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        value.as_bool().or_else(|| self.wrong(name, "true or false", value))
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<&'a str> {
        let value = self.get(name)?;
        value.as_str().or_else(|| self.wrong(name, "a text", value))
    }

    pub(crate) fn map(&mut self, name: &str) -> Option<&'a Value> {
        let value = self.get(name)?;
        if value.as_object().is_some() { Some(value) } else { self.wrong(name, "a map", value) }
    }

    /// A text or a list of texts.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<&'a str>> {
        let value = self.get(name)?;
        let texts = match value {
            Value::String(text) => Some(vec![&**text]),
            Value::Array(items) => items.iter().map(Value::as_str).collect(),
            _ => None,
        };
        texts.or_else(|| self.wrong(name, "a text or a list of texts", value))
    }

    fn wrong<T>(&mut self, name: &str, expected: &str, value: &Value) -> Option<T> {
        let message = format!(
            "the parameter {name:?} of the generator {} must be {expected}, this is {}",
            self.generator,
            value.type_name()
        );
        self.errors.push(Error::new(ErrorKind::InvalidInput, message));
        None
    }

    pub(crate) fn report(&mut self, error: Error) {
        self.errors.push(error);
    }

    pub(crate) fn into_errors(self) -> Vec<Error> {
        self.errors
    }
}
