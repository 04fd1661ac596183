//! Label selectors: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use crate::{admission::names, json};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    Is(String, String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Greater(String, i64),
    Less(String, i64),
}

/// A parsed label selector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads the text form. Errors are in the words of a real server.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        parser.requirements().map(Self)
    }

    /// From a `metav1.LabelSelector`. An empty one selects everything.
    pub(crate) fn from_object(selector: &Value) -> Self {
        let mut requirements = Vec::new();
        for (key, value) in json::map_at(selector, &["matchLabels"]).into_iter().flatten() {
            requirements.push(Requirement::Is(key.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
        for e in json::list_at(selector, &["matchExpressions"]) {
            let key = json::str_at(e, &["key"]).to_owned();
            let values = json::list_at(e, &["values"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
            requirements.push(match json::str_at(e, &["operator"]) {
                "In" => Requirement::In(key, values),
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                _ => Requirement::Absent(key),
            });
        }
        Self(requirements)
    }

    /// From a plain map of labels, as a Service selects by.
    pub(crate) fn from_map(labels: &serde_json::Map<String, Value>) -> Self {
        Self(
            labels.iter().map(|(k, v)| Requirement::Is(k.clone(), v.as_str().unwrap_or_default().to_owned())).collect(),
        )
    }

    /// A label that everything selected has.
    pub(crate) fn pair(&self) -> Option<(&str, &str)> {
        self.0.iter().find_map(|requirement| match requirement {
            Requirement::Is(key, value) => Some((key.as_str(), value.as_str())),
            Requirement::In(key, values) if values.len() == 1 => Some((key.as_str(), values[0].as_str())),
            _ => None,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let labels = json::map_at(object, &["metadata", "labels"]);
        let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::Is(key, value) => label(key).is_some_and(|v| v == value),
            Requirement::In(key, values) => label(key).is_some_and(|v| values.iter().any(|x| x == v)),
            Requirement::NotIn(key, values) => label(key).is_none_or(|v| values.iter().all(|x| x != v)),
            Requirement::Greater(key, n) => label(key).and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v > *n),
            Requirement::Less(key, n) => label(key).and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v < *n),
        })
    }
}

/// The text form, as a scale shows it: by key, and values in their order.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&Requirement> = self.0.iter().collect();
        sorted.sort_by_key(|requirement| requirement.key());
        for (i, requirement) in sorted.into_iter().enumerate() {
            f.write_str(if i > 0 { "," } else { "" })?;
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl Requirement {
    fn key(&self) -> &str {
        match self {
            Self::Exists(key) | Self::Absent(key) => key,
            Self::Is(key, _) => key,
            Self::In(key, _) | Self::NotIn(key, _) => key,
            Self::Greater(key, _) | Self::Less(key, _) => key,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[String]| {
            let mut values = values.to_vec();
            values.sort();
            values.join(",")
        };
        match self {
            Self::Exists(key) => f.write_str(key),
            Self::Absent(key) => write!(f, "!{key}"),
            Self::Is(key, value) => write!(f, "{key}={value}"),
            Self::In(key, values) => write!(f, "{key} in ({})", list(values)),
            Self::NotIn(key, values) => write!(f, "{key} notin ({})", list(values)),
            Self::Greater(key, n) => write!(f, "{key}>{n}"),
            Self::Less(key, n) => write!(f, "{key}<{n}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A key, a value, or one of the words `in` and `notin`.
    Word(&'a str),
    Symbol(&'static str),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) => f.write_str(text),
            Self::Symbol(text) => f.write_str(text),
            Self::End => Ok(()),
        }
    }
}

/// The longer ones first.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if rest.is_empty() {
            return tokens;
        }
        if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
            continue;
        }
        let end = rest.find(|c: char| " \t\r\n=!(),><".contains(c)).unwrap_or(rest.len());
        tokens.push(Token::Word(&rest[..end]));
        rest = &rest[end..];
    }
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn look(&self) -> Token<'a> {
        self.tokens.get(self.at).copied().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.look();
        self.at += 1;
        token
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.look() {
                Token::Word(_) | Token::Symbol("!") => {
                    let next = self.requirement().map_err(|e| format!("unable to parse requirement: {e}"))?;
                    requirements.push(next);
                    match self.take() {
                        Token::End => return Ok(requirements),
                        Token::Symbol(",") => match self.look() {
                            Token::Word(_) | Token::Symbol("!") => {}
                            other => return Err(format!("found '{other}', expected: identifier after ','")),
                        },
                        other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
                    }
                }
                Token::End => return Ok(requirements),
                other => return Err(format!("found '{other}', expected: !, identifier, or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.look() == Token::Symbol("!");
        if absent {
            self.take();
        }
        let key = match self.take() {
            Token::Word(key) => key,
            other => return Err(format!("found '{other}', expected: identifier")),
        };
        if let Some(complaint) = names::selector_key_complaint(key) {
            return Err(format!("<nil>: Invalid value: {key:?}: {complaint}"));
        }
        let key = key.to_owned();
        if absent {
            return Ok(Requirement::Absent(key));
        }
        if matches!(self.look(), Token::End | Token::Symbol(",")) {
            return Ok(Requirement::Exists(key));
        }
        let operator = self.take();
        let values = match operator {
            Token::Word("in" | "notin") => self.values()?,
            Token::Symbol("=" | "==" | "!=" | ">" | "<") => BTreeSet::from([self.value()?]),
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let mut number = 0;
        for (i, value) in values.iter().enumerate() {
            if let Some(complaint) = names::value_complaints(value).into_iter().next() {
                return Err(format!("values[{i}][{key}]: Invalid value: {value:?}: {complaint}"));
            }
            if matches!(operator, Token::Symbol(">" | "<")) {
                number = value.parse().map_err(|_| {
                    format!(
                        "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
                    )
                })?;
            }
        }
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        Ok(match operator {
            Token::Symbol(">") => Requirement::Greater(key, number),
            Token::Symbol("<") => Requirement::Less(key, number),
            Token::Word("notin") | Token::Symbol("!=") => Requirement::NotIn(key, values),
            _ => Requirement::In(key, values),
        })
    }

    fn value(&mut self) -> Result<&'a str, String> {
        if matches!(self.look(), Token::End | Token::Symbol(",")) {
            return Ok("");
        }
        match self.take() {
            Token::Word(value) => Ok(value),
            other => Err(format!("found '{other}', expected: identifier")),
        }
    }

    /// `(a,b)`; a place with nothing in it is the empty value.
    fn values(&mut self) -> Result<BTreeSet<&'a str>, String> {
        match self.take() {
            Token::Symbol("(") => {}
            other => return Err(format!("found '{other}' expected: '('")),
        }
        let mut values = BTreeSet::new();
        loop {
            match self.look() {
                Token::Word(value) => {
                    self.take();
                    values.insert(value);
                }
                Token::Symbol("," | ")") => {
                    values.insert("");
                }
                other => return Err(format!("found '{other}', expected: ',', ')' or identifier")),
            }
            match self.take() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => return Ok(values),
                other => return Err(format!("found '{other}', expected: ',' or ')'")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front", "n": "5"}}});
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (web, api)", true),
            ("app notin (web,api)", false),
            ("!gone", true),
            ("gone", false),
            ("app,tier", true),
            ("gone!=x", true),
            ("n>4,n<6", true),
            ("n>5", false),
            ("app in ()", false),
        ] {
            assert_eq!(LabelSelector::parse(text).map(|s| s.matches(&object)), Ok(expected), "{text}");
        }
        for text in ["app in web", "a b", "=x", "app=a b", "app in (x", "x>y", "app in (x y", "a=b,", "!"] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }
}
