//! Rules as they are written, and as they are evaluated.

use std::sync::Arc;

use serde_json::Value;

use super::shape::{node_of, type_of};
use crate::{
    cel::{Node, Program, Type},
    crd::schema::path,
    json::{list_at, str_at},
};

pub(super) const SELF: &str = "self";
pub(super) const OLD: &str = "oldSelf";

/// What objects are called in complaints about rules. A real server makes a new name each time.
const OBJECT: &str = "selfType1";

/// A rule, and what is told when it does not hold.
#[derive(Debug)]
pub(super) struct Rule {
    /// `None` for an empty rule.
    pub(super) program: Option<Result<Program, String>>,
    /// Evaluated for what is told.
    pub(super) says: Option<Result<Program, String>>,
    /// What is told otherwise.
    pub(super) message: String,
    /// How complaints call the rule.
    pub(super) shown: String,
    pub(super) reason: Reason,
    /// The field below that is told instead.
    pub(super) path: Option<String>,
    /// `oldSelf` is an optional.
    pub(super) optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Invalid,
    Forbidden,
    Required,
    Duplicate,
}

/// The rules of one part of a schema.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) rules: Vec<Rule>,
    pub(super) node: Arc<Node>,
}

impl Rule {
    /// Whether it compares with what was there before.
    pub(super) fn compares(&self) -> bool {
        matches!(&self.program, Some(Ok(program)) if program.uses(OLD))
    }
}

/// Compiles the rules of a part of a schema. Fails when rules cannot see such values.
pub(super) fn compile(schema: &Value, root: bool) -> Result<Compiled, &'static str> {
    let rules = list_at(schema, &["x-kubernetes-validations"]);
    if rules.is_empty() {
        return Ok(Compiled { rules: Vec::new(), node: node_of(schema, root) });
    }
    let kind = type_of(schema, root, OBJECT).ok_or("failed to convert to declType for CEL validation rules")?;
    Ok(Compiled { rules: rules.iter().map(|rule| rule_of(rule, schema, &kind)).collect(), node: node_of(schema, root) })
}

fn rule_of(rule: &Value, schema: &Value, kind: &Type) -> Rule {
    let text = |key: &str| str_at(rule, &[key]);
    let optional = rule.get("optionalOldSelf").and_then(Value::as_bool) == Some(true);
    let old = if optional { Type::optional(kind.clone()) } else { kind.clone() };
    let names = [(SELF, kind.clone()), (OLD, old)];
    let program = (!text("rule").trim().is_empty()).then(|| expression(text("rule"), &names));
    let compiled = matches!(program, Some(Ok(_)));
    let says = text("messageExpression");
    let says = (compiled && !says.is_empty()).then(|| message(says, &names));
    let shown = if text("message").is_empty() { text("rule").trim() } else { text("message").trim() };
    let message = if text("message").is_empty() { format!("failed rule: {shown}") } else { shown.to_owned() };
    let reason = match text("reason") {
        "FieldValueForbidden" => Reason::Forbidden,
        "FieldValueRequired" => Reason::Required,
        "FieldValueDuplicate" => Reason::Duplicate,
        _ => Reason::Invalid,
    };
    let path = Some(text("fieldPath")).filter(|path| !path.is_empty());
    let path = path.and_then(|path| path::find(path, schema, path::Notation::Brackets).ok()).map(|found| found.path);
    Rule { program, says, message, shown: shown.to_owned(), reason, path, optional }
}

fn expression(source: &str, names: &[(&str, Type)]) -> Result<Program, String> {
    let program = Program::compile(source, names).map_err(|e| format!("compilation failed: {e}"))?;
    match (&program.kind, program.senseless()) {
        (Type::Bool, None) => Ok(program),
        (Type::Bool, Some(e)) => Err(format!("program instantiation failed: {e}")),
        _ => Err("cel expression must evaluate to a bool".to_owned()),
    }
}

fn message(source: &str, names: &[(&str, Type)]) -> Result<Program, String> {
    let program = Program::compile(source, names).map_err(|e| format!("messageExpression compilation failed: {e}"))?;
    match (&program.kind, program.senseless()) {
        (Type::String, None) => Ok(program),
        (Type::String, Some(e)) => Err(format!("messageExpression instantiation failed: {e}")),
        _ => Err("messageExpression must evaluate to a string".to_owned()),
    }
}
