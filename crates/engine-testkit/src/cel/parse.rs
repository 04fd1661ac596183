//! Reads a rule.

use super::{
    ast::{Entry, Expr, Fold, Item, Kind, Loop, Select},
    lex::{Token, tokens},
    source::Complaint,
};

/// A real server reads rules of 250 levels, on stacks that grow.
pub(super) const MOST_LEVELS: usize = 60;
/// As many characters as a real server reads.
pub(super) const LONGEST: usize = 100_000;

/// Words that name nothing in a rule.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
/// Words that are no names, and cannot be selected either.
const KEYWORDS: [&str; 4] = ["true", "false", "null", "in"];

/// Operators, and how tight they bind.
const OPERATORS: [(&str, &str, usize); 14] = [
    ("||", OR, 0),
    ("&&", AND, 1),
    ("==", "_==_", 2),
    ("!=", "_!=_", 2),
    ("<", "_<_", 2),
    ("<=", "_<=_", 2),
    (">", "_>_", 2),
    (">=", "_>=_", 2),
    ("in", "@in", 2),
    ("+", "_+_", 3),
    ("-", "_-_", 3),
    ("*", "_*_", 4),
    ("/", "_/_", 4),
    ("%", "_%_", 4),
];
const OR: &str = "_||_";
const AND: &str = "_&&_";

pub(super) fn parse(source: &str) -> Result<Expr, Complaint> {
    let size = source.chars().count();
    if size > LONGEST {
        let text = format!("expression code point size exceeds limit: size: {size}, limit {LONGEST}");
        return Err(Complaint::new(0, text));
    }
    let tokens = tokens(source)?;
    let mut parser = Parser { tokens: &tokens, at: 0, level: 0 };
    let expr = parser.expr()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("expecting <EOF>")),
    }
}

type Parsed = Result<Expr, Complaint>;

struct Parser<'t> {
    tokens: &'t [(usize, Token)],
    at: usize,
    level: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].1
    }

    fn place(&self) -> usize {
        self.tokens[self.at].0
    }

    /// The next word; the end stays the next one.
    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        if token != Token::End {
            self.at += 1;
        }
        token
    }

    fn is(&self, op: &str) -> bool {
        match self.peek() {
            Token::Op(found) => *found == op,
            Token::Ident(name) => op == "in" && name == "in",
            _ => false,
        }
    }

    /// Takes an operator, if it is the next word, and says where it stood.
    fn take(&mut self, op: &str) -> Option<usize> {
        let place = self.place();
        let found = self.is(op);
        self.at += usize::from(found);
        found.then_some(place)
    }

    fn expect(&mut self, op: &str) -> Result<usize, Complaint> {
        self.take(op).ok_or_else(|| self.unexpected(&format!("expecting '{op}'")))
    }

    fn unexpected(&self, wanted: &str) -> Complaint {
        let shown = match self.peek() {
            Token::Ident(name) => name.clone(),
            Token::Int(digits) => digits.clone(),
            Token::Uint(digits) => format!("{digits}u"),
            Token::Double(n) => n.to_string(),
            Token::Text(text) => format!("{text:?}"),
            Token::Bytes(_) => "bytes".to_owned(),
            Token::Op(op) => (*op).to_owned(),
            Token::End => "<EOF>".to_owned(),
        };
        Complaint::new(self.place(), format!("Syntax error: mismatched input '{shown}' {wanted}"))
    }

    fn node(&self, at: usize, kind: Kind) -> Parsed {
        let expr = Expr::new(at, kind);
        if expr.height > MOST_LEVELS { Err(too_deep(at)) } else { Ok(expr) }
    }

    fn call(&self, at: usize, name: &str, args: Vec<Expr>) -> Parsed {
        self.node(at, Kind::Call { name: name.to_owned(), target: None, args })
    }

    /// `a ? b : c`, the outermost of all.
    fn expr(&mut self) -> Parsed {
        self.level += 1;
        if self.level > MOST_LEVELS {
            return Err(too_deep(self.place()));
        }
        let first = self.binary(0)?;
        let expr = match self.take("?") {
            None => first,
            Some(at) => {
                let yes = self.binary(0)?;
                self.expect(":")?;
                let no = self.expr()?;
                self.call(at, "_?_:_", vec![first, yes, no])?
            }
        };
        self.level -= 1;
        Ok(expr)
    }

    /// Operators that bind at least so tight. Parts that `||` or `&&` join are one node, however many they are.
    fn binary(&mut self, least: usize) -> Parsed {
        let mut left = self.unary()?;
        while let Some((op, name, level)) = OPERATORS.iter().find(|(op, _, level)| *level >= least && self.is(op)) {
            let at = self.expect(op)?;
            let right = self.binary(level + 1)?;
            let (place, height) = (left.at, left.height);
            left = match left.kind {
                Kind::Call { name: same, target, mut args } if same == *name && matches!(*name, OR | AND) => {
                    let height = height.max(right.height + 1);
                    args.push(right);
                    Expr { at, height, kind: Kind::Call { name: same, target, args } }
                }
                kind => self.call(at, name, vec![Expr { at: place, height, kind }, right])?,
            };
        }
        Ok(left)
    }

    /// `!` and `-`, of which two are none.
    fn unary(&mut self) -> Parsed {
        for (op, name) in [("!", "!_"), ("-", "-_")] {
            let Some(at) = self.take(op) else { continue };
            let mut odd = true;
            while self.take(op).is_some() {
                odd = !odd;
            }
            let literal = op == "-" && matches!(self.peek(), Token::Int(_) | Token::Double(_));
            if literal && odd {
                let number = self.number(at, true)?;
                return self.member(number);
            }
            let of = self.postfix()?;
            return if odd { self.call(at, name, vec![of]) } else { Ok(of) };
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Parsed {
        let first = self.primary()?;
        self.member(first)
    }

    /// Fields, calls and items of what was read.
    fn member(&mut self, mut of: Expr) -> Parsed {
        loop {
            if let Some(at) = self.take(".") {
                let optional = self.take("?").is_some();
                let field = match self.peek() {
                    Token::Ident(name) if !KEYWORDS.contains(&name.as_str()) => name.clone(),
                    _ => return Err(self.unexpected("expecting IDENTIFIER")),
                };
                self.at += 1;
                let open = self.place();
                if !optional && self.take("(").is_some() {
                    let args = self.list(")")?;
                    of = self.member_call(open, of, field, args)?;
                } else {
                    let how = if optional { Select::Optional } else { Select::Plain };
                    of = self.node(at, Kind::Select { of: Box::new(of), field, how })?;
                }
            } else if let Some(at) = self.take("[") {
                let name = if self.take("?").is_some() { "_[?_]" } else { "_[_]" };
                let index = self.expr()?;
                self.expect("]")?;
                of = self.call(at, name, vec![of, index])?;
            } else {
                return Ok(of);
            }
        }
    }

    fn list(&mut self, end: &str) -> Result<Vec<Expr>, Complaint> {
        let mut list = Vec::new();
        while self.take(end).is_none() {
            list.push(self.expr()?);
            if self.take(",").is_none() {
                self.expect(end)?;
                break;
            }
        }
        Ok(list)
    }

    fn number(&mut self, at: usize, negative: bool) -> Parsed {
        let parsed = |digits: &str| match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        };
        let kind = match self.next() {
            Token::Int(digits) => {
                let n = parsed(&digits).map(i128::from).map(|n| if negative { -n } else { n });
                let n = n.and_then(|n| i64::try_from(n).ok());
                Kind::Int(n.ok_or_else(|| Complaint::new(at, "invalid int literal"))?)
            }
            Token::Uint(digits) => {
                Kind::Uint(parsed(&digits).ok_or_else(|| Complaint::new(at, "invalid uint literal"))?)
            }
            Token::Double(n) => Kind::Double(if negative { -n } else { n }),
            _ => return Err(self.unexpected("expecting a number")),
        };
        self.node(at, kind)
    }

    fn primary(&mut self) -> Parsed {
        let at = self.place();
        let kind = match self.peek().clone() {
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => return self.number(at, false),
            Token::Text(text) => Kind::Text(text),
            Token::Bytes(bytes) => Kind::Bytes(bytes),
            Token::Ident(name) if name == "true" || name == "false" => Kind::Bool(name == "true"),
            Token::Ident(name) if name == "null" => Kind::Null,
            Token::Ident(name) if name == "in" => return Err(self.unexpected("expecting an expression")),
            Token::Ident(name) => {
                self.at += 1;
                return self.named(at, name);
            }
            Token::Op(".") => {
                self.at += 1;
                let Token::Ident(name) = self.next() else { return Err(self.unexpected("expecting IDENTIFIER")) };
                return self.named(at, name);
            }
            Token::Op("(") => {
                self.at += 1;
                let inner = self.expr()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Op("[") => {
                self.at += 1;
                let mut items = Vec::new();
                while self.take("]").is_none() {
                    let optional = self.take("?").is_some();
                    items.push(Item { optional, value: self.expr()? });
                    if self.take(",").is_none() {
                        self.expect("]")?;
                        break;
                    }
                }
                return self.node(at, Kind::List(items));
            }
            Token::Op("{") => {
                self.at += 1;
                let mut entries = Vec::new();
                while self.take("}").is_none() {
                    let optional = self.take("?").is_some();
                    let key = self.expr()?;
                    self.expect(":")?;
                    entries.push(Entry { optional, key, value: self.expr()? });
                    if self.take(",").is_none() {
                        self.expect("}")?;
                        break;
                    }
                }
                return self.node(at, Kind::Map(entries));
            }
            _ => return Err(self.unexpected("expecting an expression")),
        };
        self.at += 1;
        self.node(at, kind)
    }

    /// A name, a call, or a message of a type.
    fn named(&mut self, at: usize, name: String) -> Parsed {
        if RESERVED.contains(&name.as_str()) {
            return Err(Complaint::new(at, format!("reserved identifier: {name}")));
        }
        let open = self.place();
        if self.take("(").is_some() {
            let mut args = self.list(")")?;
            if name != "has" || args.len() != 1 {
                return self.call(open, &name, args);
            }
            let arg = args.swap_remove(0);
            return match arg.kind {
                Kind::Select { of, field, how: Select::Plain } => {
                    self.node(open, Kind::Select { of, field, how: Select::Test })
                }
                _ => Err(Complaint::new(arg.at, "invalid argument to has() macro")),
            };
        }
        // `a.b{...}` makes a message, and `a.b` alone reads a field.
        let mut ahead = self.at;
        let mut whole = name.clone();
        while let (Some((_, Token::Op("."))), Some((_, Token::Ident(more)))) =
            (self.tokens.get(ahead), self.tokens.get(ahead + 1))
        {
            whole = format!("{whole}.{more}");
            ahead += 2;
        }
        if let Some((place, Token::Op("{"))) = self.tokens.get(ahead) {
            self.at = ahead + 1;
            while self.take("}").is_none() {
                self.take("?");
                let Token::Ident(_) = self.next() else { return Err(self.unexpected("expecting IDENTIFIER")) };
                self.expect(":")?;
                self.expr()?;
                if self.take(",").is_none() {
                    self.expect("}")?;
                    break;
                }
            }
            return self.node(*place, Kind::Struct(whole));
        }
        self.node(at, Kind::Ident(name))
    }

    /// A call of a member, or a macro.
    fn member_call(&self, at: usize, target: Expr, name: String, args: Vec<Expr>) -> Parsed {
        let fold = match (name.as_str(), args.len()) {
            ("all", 2 | 3) => Fold::All,
            ("exists", 2 | 3) => Fold::Exists,
            ("exists_one", 2) | ("existsOne", 2 | 3) => Fold::ExistsOne,
            ("map", 2 | 3) | ("filter", 2) | ("transformList", 3 | 4) => Fold::List,
            ("transformMap", 3 | 4) => Fold::Map,
            ("transformMapEntry", 3 | 4) => Fold::Entries,
            ("optMap" | "optFlatMap", 2) => {
                let flat = name == "optFlatMap";
                let mut args = args.into_iter();
                let (Some(var), Some(body)) = (args.next(), args.next()) else { return Err(too_deep(at)) };
                let name = variable(&var)?;
                return self.node(at, Kind::Bind { of: Box::new(target), name, body: Box::new(body), flat });
            }
            _ => return self.node(at, Kind::Call { name, target: Some(Box::new(target)), args }),
        };
        let two = match name.as_str() {
            "map" | "filter" | "exists_one" => false,
            "all" | "exists" | "existsOne" => args.len() == 3,
            _ => true,
        };
        let mut args = args.into_iter();
        let var = args.next().map(|arg| variable(&arg)).transpose()?.unwrap_or_default();
        let var2 = if two { args.next().map(|arg| variable(&arg)).transpose()? } else { None };
        if var2.as_ref() == Some(&var) {
            return Err(Complaint::new(at, format!("duplicate variable name: {var}")));
        }
        let (filter, body) = match (args.next(), args.next(), name.as_str()) {
            (Some(keep), None, "filter") => {
                let item = Expr::new(at, Kind::Ident(var.clone()));
                (Some(keep), item)
            }
            (Some(body), None, _) => (None, body),
            (Some(filter), Some(body), _) => (Some(filter), body),
            (None, ..) => return Err(too_deep(at)),
        };
        self.node(at, Kind::Loop(Box::new(Loop { fold, over: target, var, var2, filter, body })))
    }
}

fn variable(arg: &Expr) -> Result<String, Complaint> {
    match &arg.kind {
        Kind::Ident(name) => Ok(name.clone()),
        _ => Err(Complaint::new(arg.at, "argument must be a simple name")),
    }
}

fn too_deep(at: usize) -> Complaint {
    Complaint::new(at, format!("expression recursion limit exceeded: {MOST_LEVELS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_or_refused() {
        for good in [
            "self.x == oldSelf.x",
            "self.?a.orValue('x') == \"\\u00e9\"",
            "[1, ?a,].all(x, x > -1 || !!x in y)",
            "{'a': 1u, ?'b': .5e3}['a'] ? r'\\d' : b'\\xff'",
            "x.all(i, v, i == v) && a.map(x, x > 1, x).size() > 0x1F",
            "a // b\n + 1",
            "\"\"\"a\nb\"\"\" != '''c'''",
            "- 9223372036854775808 < 1",
        ] {
            assert!(parse(good).is_ok(), "{good}: {:?}", parse(good));
        }
        for bad in [
            "",
            "self.x ==",
            "1 2",
            "'abc",
            "self.all(1, true)",
            "has(x)",
            "namespace",
            "a.in",
            "\"\\q\"",
            "a = b",
            "99999999999999999999",
            "1e400",
            "@",
            "é",
            "f(",
            "{1}",
            "a ? b",
            "a.b{c: }",
        ] {
            assert!(parse(bad).is_err(), "{bad}: {:?}", parse(bad));
        }
    }

    #[test]
    fn deep_texts_are_refused_on_a_small_stack() {
        let deep = |one: &str, n: usize, end: &str| format!("{}1{}", one.repeat(n), end.repeat(n));
        let check = move || {
            for (one, end) in [
                ("(", ")"),
                ("[", "]"),
                ("{1:", "}"),
                ("a.all(x,", ")"),
                ("[1].map(x,", ")"),
                ("a?b:", ""),
                ("f(", ")"),
                ("1+", ""),
                ("a||!", ""),
                ("-(", ")"),
            ] {
                for n in [MOST_LEVELS - 3, 1000, 9000] {
                    let source = deep(one, n, end);
                    let _ = parse(&source);
                    if let Ok(program) = super::super::Program::compile(&source, &[]) {
                        let _ = program.run(&[], &super::super::Meter::new(1_000_000));
                    }
                }
            }
            assert!(parse(&format!("a{}", ".b".repeat(30_000))).is_err());
            assert!(parse(&format!("a{}", "||a".repeat(20_000))).is_ok());
        };
        let small = std::thread::Builder::new().stack_size(1 << 20).spawn(check);
        assert!(small.is_ok_and(|small| small.join().is_ok()));
    }
}
