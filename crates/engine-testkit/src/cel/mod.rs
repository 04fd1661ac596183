//! The language of rules: <https://kubernetes.io/docs/reference/using-api/cel/>
//!
//! Read, checked and evaluated here and not by a crate. The interpreters for Rust do without the type checker, whose
//! complaints are how definitions are refused; compare lists in their order, where sets and lists with keys have none; have
//! no way to stop a rule that goes on for too long; and read deep texts by recursion until the stack is at its end, which
//! takes the process with it.
//!
//! A rule is compiled once ([`Program::compile`]) and evaluated often ([`Program::run`]), each time with a [`Meter`].

mod ast;
mod check;
mod data;
mod eval;
mod functions;
mod lex;
mod parse;
mod source;
mod types;
mod value;

use self::{ast::Expr, data::typed, eval::Scope, source::show, value::Val};
pub(crate) use self::{
    data::{Node, Order, Shape, escape},
    types::{Object, Type},
    value::{Fail, Meter},
};

/// A rule that was found to be right.
#[derive(Debug)]
pub(crate) struct Program {
    expr: Expr,
    pub(crate) kind: Type,
    used: Vec<String>,
}

/// What a rule came to, of the kinds that rules come to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Bool(bool),
    Text(String),
    Other,
}

/// What one of a rule's names stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Given<'a> {
    Value(&'a serde_json::Value, &'a Node),
    /// An optional, with or without a value.
    Optional(Option<(&'a serde_json::Value, &'a Node)>),
}

impl Program {
    /// Reads and checks a rule which may say these names, or says what is wrong with it, each thing with its line and place.
    pub(crate) fn compile(source: &str, names: &[(&str, Type)]) -> Result<Self, String> {
        let mut expr = parse::parse(source).map_err(|complaint| show(source, vec![complaint]))?;
        let names = names.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect();
        let checked = check::check(&mut expr, &names);
        let mut complaints = checked.complaints;
        if complaints.is_empty() {
            complaints = checked.mixed;
            complaints.append(&mut functions::literals(&expr));
        }
        match complaints.is_empty() {
            true => Ok(Self { expr, kind: checked.kind, used: checked.used }),
            false => Err(show(source, complaints)),
        }
    }

    /// Why a conversion of a plain value in the rule has no value, which is known before it is evaluated.
    pub(crate) fn senseless(&self) -> Option<Fail> {
        functions::senseless(&self.expr)
    }

    pub(crate) fn uses(&self, name: &str) -> bool {
        self.used.iter().any(|used| used == name)
    }

    /// Evaluates the rule.
    pub(crate) fn run(&self, given: &[(&str, Given<'_>)], meter: &Meter) -> Result<Outcome, Fail> {
        let mut names = Vec::with_capacity(given.len());
        for (name, given) in given.iter().filter(|(name, _)| self.uses(name)) {
            let value = match given {
                Given::Value(value, node) => typed(value, node)?,
                Given::Optional(None) => Val::Optional(None),
                Given::Optional(Some((value, node))) => Val::some(typed(value, node)?),
            };
            names.push((*name, value));
        }
        Ok(match (Scope { names, meter }).eval(&self.expr)? {
            Val::Bool(b) => Outcome::Bool(b),
            Val::Text(text) => Outcome::Text(text.into_owned()),
            _ => Outcome::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn plain(shape: Shape) -> Arc<Node> {
        Arc::new(Node { shape, nullable: false })
    }

    /// An object with a text, a number, a list and a map.
    fn sample() -> (Value, Arc<Node>, Type) {
        let list = Shape::List { items: Some(plain(Shape::Int)), order: Order::Set };
        let shapes = [
            ("s", Shape::Text),
            ("i", Shape::Int),
            ("e", Shape::Either),
            ("l", list),
            ("m", Shape::Values(plain(Shape::Text))),
        ];
        let kinds = [
            ("s", Type::String),
            ("i", Type::Int),
            ("e", Type::Dyn),
            ("l", Type::list(Type::Int)),
            ("m", Type::map(Type::String, Type::String)),
        ];
        let fields = shapes.map(|(name, shape)| (name.to_owned(), plain(shape)));
        let kinds = kinds.map(|(name, kind)| (name.to_owned(), kind));
        let object = Object { name: "sample".to_owned(), fields: kinds.into() };
        let value = json!({"s": "hello", "i": 7, "e": "x", "l": [3, 1, 2], "m": {"k": "v"}});
        (value, plain(Shape::Fields(fields.into())), Type::Object(Arc::new(object)))
    }

    fn run(source: &str, meter: &Meter) -> Result<Outcome, String> {
        let (value, node, kind) = sample();
        let program = Program::compile(source, &[("self", kind)])?;
        program.run(&[("self", Given::Value(&value, &node))], meter).map_err(|e| e.to_string())
    }

    #[test]
    fn rules_hold() {
        for rule in [
            "self.s == 'hello' && self.i * 2 - 1 == 13 && self.i % 4 == 3",
            "self.l == [1, 2, 3] && !([1, 2] == self.l) && self.l + [3, 4] == [3, 1, 2, 4]",
            "1 / 0 == 1 || true",
            "!(1 / 0 == 1 && false)",
            "self.l.all(x, x > 0) && self.l.exists(x, 6 / (x - 1) > 0) && self.l.exists_one(x, x == 2)",
            "self.l.map(x, x * x).sum() == 14 && self.l.filter(x, x > 1).size() == 2 && self.l.max() == 3",
            "self.m.all(k, self.m[k] == 'v') && 'k' in self.m && !has(self.m.other) && self.m == {'k': 'v'}",
            "self.?s.orValue('') == 'hello' && self.m.?x.orValue('y') == 'y' && self.l[?9] == optional.none()",
            "duration('1h30m').getMinutes() == 90 && timestamp('2020-02-29T12:00:00+01:00').getHours() == 11",
            "timestamp('2020-02-29T23:30:00Z').getDate('+01:00') == 1 && string(duration('90s')) == '90s'",
            "'%s=%d %.2f %x'.format(['a', 5, 1.0, 255]) == 'a=5 1.00 ff'",
            "'a,b,,c'.split(',').join('-') == 'a-b--c' && 'abc'.substring(1, 2) == 'b' && 'abcb'.lastIndexOf('b') == 3",
            "'a1b22'.findAll('[0-9]+') == ['1', '22'] && 'x'.replace('x', 'yy') == 'yy' && ' t '.trim() == 't'",
            "quantity('1.5Gi').isGreaterThan(quantity('1Gi')) && quantity('1k').asInteger() == 1000",
            "cidr('10.0.0.0/8').containsIP('10.9.8.7') && !ip('::1').isGlobalUnicast() && isCIDR('::/0')",
            "semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && isSemver('v1.2', true) && !isSemver('v1.2')",
            "url('https://a.b:80/c%20d?x=1&x=2').getQuery()['x'] == ['1', '2'] && !isURL('nowhere')",
            "format.dns1123Label().validate('Not-OK').hasValue() && !format.uuid().validate('x').value().isSorted() == false",
            "type(self.e) == string && self.e == 'x' && self.e != 5 && dyn(1) == 1.0",
            "sets.equivalent(self.l, [1, 2, 3]) && lists.range(3).reverse() == [2, 1, 0] && [[1], [2]].flatten() == [1, 2]",
            "self.m.exists(k, v, k == 'k' && v == 'v') && self.l.transformList(i, v, i) == [0, 1, 2]",
            "b'a\\xff'.size() == 2 && '\\u00e9'.size() == 1 && r'\\n'.size() == 2 && 0x10 == 16 && 2u > 1",
        ] {
            assert_eq!(run(rule, &Meter::new(100_000)), Ok(Outcome::Bool(true)), "{rule}");
        }
    }

    #[test]
    fn what_goes_on_for_too_long_is_stopped() {
        let long = "lists.range(100000).all(a, lists.range(100000).all(b, a == b || true))";
        let wide = format!("{}.size() > 0", "'aaaaaaaa'".to_owned() + &".replace('a', 'aaaaaaaaaaaaaaaa')".repeat(20));
        let nested = "self.l.all(a, ".repeat(20) + "true" + &")".repeat(20);
        for rule in [long, &wide, &nested, "lists.range(9223372036854775807).size() > 0"] {
            let outcome = run(rule, &Meter::new(1_000_000));
            assert_eq!(outcome, Err("operation cancelled: actual cost limit exceeded".to_owned()), "{rule}");
        }
        assert!(run("'%.999999999f'.format([1.0]) == ''", &Meter::new(1000)).is_err());
    }

    const WORDS: &[&str] = &[
        "self",
        "oldSelf",
        "x",
        "s",
        "i",
        "l",
        "m",
        "e",
        ".",
        ".?",
        "[",
        "[?",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        " in ",
        "1",
        "0",
        "9223372036854775807",
        "1u",
        "0.5",
        "1e308",
        "'a'",
        "b'\\xff'",
        "\"\"",
        "null",
        "true",
        "has",
        "size",
        ".all(x,",
        ".map(x,",
        ".exists_one(x,",
        ".filter(x,",
        ".optMap(x,",
        "optional.of(",
        "optional.none()",
        ".orValue(",
        ".substring(",
        ".charAt(",
        ".lastIndexOf(",
        ".split(",
        ".replace('a',",
        ".format([",
        ".matches(",
        "duration(",
        "timestamp(",
        "'1h'",
        "'2020-01-01T00:00:00Z'",
        "quantity(",
        "'1e999999999'",
        "ip(",
        "cidr('::/0')",
        ".masked()",
        "semver(",
        "url(",
        "int(",
        "uint(",
        "double(",
        "string(",
        "type(",
        "sets.contains(",
        "lists.range(",
        ".slice(",
        ".flatten(",
        ".sum()",
        ".min()",
        ".getHours('",
        "é",
        "\\",
        "'",
        "\n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

        #[test]
        fn no_text_does_harm(words in proptest::collection::vec(0..WORDS.len(), 0..24)) {
            let source: String = words.into_iter().map(|i| WORDS[i]).collect();
            let _ = run(&source, &Meter::new(10_000));
        }

        #[test]
        fn no_value_does_harm(n in any::<i64>(), d in any::<f64>(), text in ".{0,12}") {
            let text = format!("{text:?}").replace("\\u{", "{").replace("\\0", "");
            for rule in [
                format!("{n} + {n} == {n} || {n} * {n} > {n} || {n} / {n} == 1 || -({n}) == {n} || {n} % -1 == 0"),
                format!("duration({n}) + duration({n}) > duration('1h') || timestamp({n}) - duration({n}) > timestamp(0)"),
                format!("int({d:e}) == uint({d:e}) || string({d:e}) == '' || {d:e} % 2.0 == 1.0"),
                format!("{text}.substring({n}) == {text}.charAt({n}) || {text}.lastIndexOf('a', {n}) == {text}.indexOf('a', {n})"),
                format!("{text}.split('', {n}).size() == lists.range({n} % 99).slice({n}, {n}).size()"),
                format!("quantity({text}).add({n}).sign() == 1 || ip({text}).family() == 4 || cidr({text}).prefixLength() == 1"),
                format!("quantity('{n}E').sub(quantity('{n}e{n}')).asInteger() == {n}"),
                format!("semver({text}, true).major() == 1 || url({text}).getQuery() == {{}} || isURL({text})"),
                format!("{text}.matches({text}) || {text}.find({text}) == {text} || {text}.format([{n}, {d:e}]) == ''"),
                format!("timestamp({text}).getHours({text}) == 1 || duration({text}).getHours() == 1"),
            ] {
                let _ = run(&rule, &Meter::new(10_000));
            }
        }
    }
}
