//! Rules in schemas: `x-kubernetes-validations`.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>
//!
//! A version's rules are compiled once, with the version ([`Rules::of`]), and evaluated for each object ([`Rules::judge`]).

mod compile;
mod define;
mod ratchet;
mod shape;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub(in crate::crd) use self::define::complaints;
use self::{
    compile::{Compiled, OLD, Reason, Rule, SELF, compile},
    ratchet::{Kept, counterpart},
    shape::keys_of,
};
use crate::{
    cel::{Fail, Given, Meter, Outcome, Program},
    crd::{
        extension::{EMBEDS, LIST, MAP},
        is_true,
    },
    json::{list_at, str_at},
    status::Cause,
};

/// So many steps may a rule take, and so many all rules of one object.
const STEPS_OF_A_RULE: u64 = 1_000_000;
const STEPS: u64 = 10_000_000;
/// A longer message is told as if the rule had none.
const LONGEST_MESSAGE: usize = 5 * 1024;

/// The rules of one version of a definition.
#[derive(Debug)]
pub(crate) struct Rules {
    part: Part,
    schema: Value,
}

/// The rules of one part of a schema, and of what is below.
#[derive(Debug)]
struct Part {
    /// What complaints show for a value that is no value: its type.
    kind: String,
    own: Result<Compiled, &'static str>,
    items: Option<Box<Part>>,
    /// The fields by which an item's counterpart is found.
    keys: Vec<String>,
    /// Values of maps and objects have counterparts.
    correlates: bool,
    properties: BTreeMap<String, Part>,
    values: Option<Box<Part>>,
}

/// What came of the rules.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) causes: Vec<Cause>,
    /// Complaints about what was as wrong before and did not change.
    pub(crate) warnings: Vec<String>,
}

impl Rules {
    /// Compiles the rules of a schema; `None` where there are none.
    pub(crate) fn of(schema: &Value) -> Option<Self> {
        if !has_rules(schema) {
            return None;
        }
        let part = Part::of(schema, true)?;
        Some(Self { part, schema: schema.clone() })
    }

    /// Evaluates the rules. `before` is the stored object on an update, and `causes` is what was found to be wrong by now: some
    /// of it would make rules fail that nobody could explain.
    pub(crate) fn judge(&self, object: &Value, before: Option<&Value>, causes: &[Cause]) -> Judged {
        const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing \
                                 errors to complete validation";
        const BLOCKING: [&str; 5] = [
            "FieldValueNotSupported",
            "FieldValueRequired",
            "FieldValueTooLong",
            "FieldValueTooMany",
            "FieldValueTypeInvalid",
        ];
        let mut judged = Judged::default();
        if causes.iter().any(|cause| BLOCKING.contains(&cause.reason)) {
            judged.causes.push(Cause::invalid("<nil>", &Value::Null, UNCHECKED));
            return judged;
        }
        let kept = before.map_or_else(Kept::none, |before| Kept::root(object, before, &self.schema));
        let mut course = Course { meter: Meter::new(STEPS), judged };
        // A rule that ran out of steps has said so.
        let _ = self.part.judge(&At { path: String::new(), old: before, kept }, object, &mut course);
        course.judged
    }
}

/// Evaluates the rules about a default: first as if it had been there before, and then as if it came.
pub(in crate::crd) fn judge_default(default: &Value, schema: &Value, whole: bool, at: &str, causes: &mut Vec<Cause>) {
    let Some(part) = Part::of(schema, whole) else { return };
    for old in [Some(default), None] {
        let mut course = Course { meter: Meter::new(STEPS), judged: Judged::default() };
        // A rule that ran out of steps has said so.
        let _ = part.judge(&At { path: at.to_owned(), old, kept: Kept::none() }, default, &mut course);
        let fine = course.judged.causes.is_empty();
        causes.append(&mut course.judged.causes);
        if !fine {
            return;
        }
    }
}

/// Whether a schema has rules anywhere.
fn has_rules(schema: &Value) -> bool {
    let below = |key: &str| schema.get(key).filter(|part| part.is_object()).is_some_and(has_rules);
    !list_at(schema, &["x-kubernetes-validations"]).is_empty()
        || below("items")
        || below("additionalProperties")
        || schema.get("properties").and_then(Value::as_object).is_some_and(|map| map.values().any(has_rules))
}

impl Part {
    /// The rules of a part of a schema; `None` where it has none, and nothing below it. There are none in `allOf` and its
    /// like, where definitions may not have them.
    fn of(schema: &Value, root: bool) -> Option<Self> {
        let one = |part: &Value| Self::of(part, is_true(part, EMBEDS));
        let below = |key: &str| schema.get(key).filter(|part| part.is_object()).and_then(one).map(Box::new);
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let part = Self {
            kind: str_at(schema, &["type"]).to_owned(),
            own: compile(schema, root),
            items: below("items"),
            keys: if str_at(schema, &[LIST]) == "map" { keys_of(schema) } else { Vec::new() },
            correlates: matches!(str_at(schema, &[MAP]), "" | "granular" | "atomic"),
            properties: properties.filter_map(|(name, part)| Some((name.clone(), one(part)?))).collect(),
            values: below("additionalProperties"),
        };
        let own = !part.own.as_ref().is_ok_and(|own| own.rules.is_empty());
        let some = own || part.items.is_some() || part.values.is_some() || !part.properties.is_empty();
        some.then_some(part)
    }
}

/// Where a value stands, and what stood there before.
struct At<'a> {
    path: String,
    /// The value that rules compare with.
    old: Option<&'a Value>,
    kept: Kept<'a>,
}

/// What is left to spend, and what was found by now.
struct Course {
    meter: Meter,
    judged: Judged,
}

/// No further rule is evaluated.
struct Over;

impl At<'_> {
    fn field(&self, below: Option<&str>) -> String {
        match (self.path.as_str(), below) {
            ("", None) => "<nil>".to_owned(),
            ("", Some(below)) => below.to_owned(),
            (path, None) => path.to_owned(),
            (path, Some(below)) => format!("{path}.{below}"),
        }
    }

    fn under(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl Part {
    fn judge(&self, at: &At<'_>, value: &Value, course: &mut Course) -> Result<(), Over> {
        if value.is_null() {
            return Ok(());
        }
        self.own_rules(at, value, course)?;
        match value {
            Value::Array(items) => {
                let Some(part) = &self.items else { return Ok(()) };
                let before = at.old.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                for (i, item) in items.iter().enumerate() {
                    let old = counterpart(item, before, &self.keys);
                    let at = At { path: format!("{}[{i}]", at.path), old, kept: at.kept.index(i) };
                    part.judge(&at, item, course)?;
                }
                Ok(())
            }
            Value::Object(map) => self.fields(at, map, course),
            _ => Ok(()),
        }
    }

    fn fields(&self, at: &At<'_>, map: &Map<String, Value>, course: &mut Course) -> Result<(), Over> {
        let old = |key: &str| {
            let before = at.old.filter(|_| self.correlates).and_then(|old| old.get(key));
            before.filter(|before| !before.is_null())
        };
        for (key, value) in map {
            if let Some(part) = &self.values {
                let at = At { path: format!("{}[{key}]", at.path), old: old(key), kept: at.kept.key(key) };
                part.judge(&at, value, course)?;
            }
            if let Some(part) = self.properties.get(key) {
                let at = At { path: at.under(key), old: old(key), kept: at.kept.key(key) };
                part.judge(&at, value, course)?;
            }
        }
        Ok(())
    }

    fn own_rules(&self, at: &At<'_>, value: &Value, course: &mut Course) -> Result<(), Over> {
        let told = |detail: String| Cause::invalid(at.field(None), &self.kind.as_str().into(), detail);
        let compiled = match &self.own {
            Ok(compiled) => compiled,
            Err(problem) => {
                course.judged.causes.push(told(format!("rule compiler initialization error: {problem}")));
                return Ok(());
            }
        };
        for rule in &compiled.rules {
            let program = match &rule.program {
                None => continue,
                Some(Ok(program)) => program,
                Some(Err(problem)) => {
                    course.judged.causes.push(told(format!("rule compile error: {problem}")));
                    continue;
                }
            };
            if rule.compares() && at.old.is_none() && !rule.optional {
                continue;
            }
            let old = at.old.map(|old| (old, &*compiled.node));
            let old = match (rule.optional, old) {
                (true, old) => Given::Optional(old),
                (false, Some((old, node))) => Given::Value(old, node),
                (false, None) => Given::Optional(None),
            };
            let given = [(SELF, Given::Value(value, &compiled.node)), (OLD, old)];
            let shown = &rule.shown;
            let detail = match run(program, &given, &course.meter) {
                Ok(Outcome::Bool(true)) => continue,
                Ok(_) => None,
                Err(Fail::Spent) => {
                    let why = match course.meter.left() {
                        0 => "validation failed due to running out of cost budget, no further validation rules will be run"
                            .to_owned(),
                        _ => format!(
                            "'{}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}",
                            Fail::Spent
                        ),
                    };
                    course.judged.causes.push(told(why));
                    return Err(Over);
                }
                Err(e @ Fail::Overload) => Some(format!(
                    "'{e}': call arguments did not match a supported operator, function or macro signature for rule: {shown}"
                )),
                Err(e) => Some(format!("{e} evaluating rule: {shown}")),
            };
            if let Some(detail) = detail {
                course.judged.causes.push(told(detail));
                continue;
            }
            let detail = match says(rule, &given, &course.meter) {
                Ok(detail) => detail,
                Err(why) => {
                    let field = at.field(rule.path.as_deref());
                    course.judged.causes.push(Cause::invalid(field, &self.kind.as_str().into(), why));
                    return Err(Over);
                }
            };
            let cause = self.cause(rule, at.field(rule.path.as_deref()), value, &detail);
            match !rule.compares() && at.kept.is_unchanged() {
                true => course.judged.warnings.push(format!("{}: {}", cause.field, cause.message)),
                false => course.judged.causes.push(cause),
            }
        }
        Ok(())
    }

    fn cause(&self, rule: &Rule, field: String, value: &Value, detail: &str) -> Cause {
        let omitted = matches!(self.kind.as_str(), "object" | "array");
        match rule.reason {
            Reason::Forbidden => Cause::forbidden(field, detail),
            Reason::Required => Cause::required(field, detail),
            Reason::Duplicate if omitted => Cause::duplicate_without_value(field),
            Reason::Duplicate => Cause::duplicate(field, value),
            Reason::Invalid if omitted => Cause::invalid_without_value(field, detail),
            Reason::Invalid => Cause::invalid(field, value, detail),
        }
    }
}

/// Evaluates a rule with the steps that one may take of those that are left.
fn run(program: &Program, given: &[(&str, Given<'_>)], meter: &Meter) -> Result<Outcome, Fail> {
    let most = meter.left().min(STEPS_OF_A_RULE);
    let own = Meter::new(most);
    let outcome = program.run(given, &own);
    meter.take(most - own.left());
    outcome
}

/// What is told: what the rule's own expression makes of the object, where that is a good message.
fn says(rule: &Rule, given: &[(&str, Given<'_>)], meter: &Meter) -> Result<String, String> {
    let Some(Ok(program)) = &rule.says else { return Ok(rule.message.clone()) };
    match run(program, given, meter) {
        Ok(Outcome::Text(text)) => {
            let text = text.trim();
            let good = !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n');
            Ok(if good { text.to_owned() } else { rule.message.clone() })
        }
        Err(Fail::Spent) if meter.left() == 0 => {
            Err("messageExpression evaluation failed due to running out of cost budget, no \
                                                      further validation rules will be run"
                .to_owned())
        }
        Err(Fail::Spent) => Err(format!(
            "no further validation rules will be run due to call cost exceeds limit for messageExpression: {:?}",
            rule.shown
        )),
        _ => Ok(rule.message.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(schema: &Value, object: &Value, before: Option<&Value>) -> (Vec<String>, Vec<String>) {
        let judged = Rules::of(schema).map(|rules| rules.judge(object, before, &[])).unwrap_or_default();
        let causes = judged.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message));
        (causes.collect(), judged.warnings)
    }

    #[test]
    fn a_schema_without_rules_has_none() {
        assert!(Rules::of(&json!({"type": "object", "properties": {"spec": {"type": "object"}}})).is_none());
    }

    #[test]
    fn only_what_changed_is_refused() {
        let rule = json!([{"rule": "self != 'bad'", "message": "is bad"}]);
        let text = json!({"type": "string", "x-kubernetes-validations": rule});
        let item = json!({"type": "object", "properties": {"k": {"type": "string"}, "v": text}});
        let list = json!({
            "type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        });
        let schema = json!({"type": "object", "properties": {"list": list}});
        let before = json!({"list": [{"k": "a", "v": "bad"}, {"k": "b", "v": "good"}]});
        let after = json!({"list": [{"k": "b", "v": "bad"}, {"k": "a", "v": "bad"}]});
        let (causes, warnings) = told(&schema, &after, Some(&before));
        assert_eq!(causes, ["list[0].v: Invalid value: \"bad\": is bad"]);
        assert_eq!(warnings, ["list[1].v: Invalid value: \"bad\": is bad"]);
        assert_eq!(told(&schema, &after, None).0.len(), 2);
    }

    #[test]
    fn rules_that_go_on_for_too_long_are_the_last() {
        let slow = "self.all(a, self.all(b, self.all(c, a + b + c >= 0)))";
        let schema = json!({"type": "object", "properties": {"list": {
            "type": "array", "items": {"type": "integer"},
            "x-kubernetes-validations": [{"rule": slow, "message": "slow"}, {"rule": "false"}],
        }}});
        let list: Vec<u64> = (0..1000).collect();
        let (causes, _) = told(&schema, &json!({"list": list}), None);
        assert_eq!(
            causes,
            [
                "list: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no further validation rules will \
              be run due to call cost exceeds limit for rule: slow"
            ]
        );
    }
}
