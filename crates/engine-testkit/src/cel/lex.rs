//! The words of a rule. <https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax>

use super::source::Complaint;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Ident(String),
    /// Digits, with `0x` where they are hexadecimal.
    Int(String),
    Uint(String),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Op(&'static str),
    End,
}

/// The longer ones first.
const OPERATORS: [&str; 28] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}", "=", "&", "|", ";",
];

/// The words of a text with their places, of which the last is its end.
pub(super) fn tokens(source: &str) -> Result<Vec<(usize, Token)>, Complaint> {
    let chars: Vec<char> = source.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        let token = lexer.token()?;
        let done = token == Token::End;
        tokens.push((start, token));
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'c> {
    chars: &'c [char],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn skip_blanks(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                ('\t' | ' ' | '\r' | '\n' | '\u{c}', _) => self.at += 1,
                ('/', '/') => {
                    while self.at < self.chars.len() && self.peek(0) != '\n' {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn taken(&mut self, mut keep: impl FnMut(char) -> bool) -> String {
        let start = self.at;
        while self.at < self.chars.len() && keep(self.chars[self.at]) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn unknown(&self, start: usize) -> Complaint {
        let end = (self.at + 1).min(self.chars.len());
        let text: String = self.chars[start..end].iter().collect();
        Complaint::new(start, format!("Syntax error: token recognition error at: '{text}'"))
    }

    fn token(&mut self) -> Result<Token, Complaint> {
        if self.at >= self.chars.len() {
            return Ok(Token::End);
        }
        let c = self.peek(0);
        if let Some((raw, bytes, prefix)) = self.quoted() {
            self.at += prefix;
            return self.text(raw, bytes);
        }
        if c.is_ascii_alphabetic() || c == '_' {
            return Ok(Token::Ident(self.taken(|c| c.is_ascii_alphanumeric() || c == '_')));
        }
        if c.is_ascii_digit() || (c == '.' && self.peek(1).is_ascii_digit()) {
            return self.number();
        }
        let found = OPERATORS.iter().find(|op| op.chars().enumerate().all(|(i, c)| self.peek(i) == c));
        match found {
            Some(op) if !matches!(*op, "=" | "&" | "|" | ";") => {
                self.at += op.len();
                Ok(Token::Op(op))
            }
            _ => Err(self.unknown(self.at)),
        }
    }

    /// Whether a text begins here: raw or not, of bytes or not, and how long its prefix is.
    fn quoted(&self) -> Option<(bool, bool, usize)> {
        let (mut raw, mut bytes, mut i) = (false, false, 0);
        loop {
            match self.peek(i) {
                'r' | 'R' if !raw => raw = true,
                'b' | 'B' if !bytes => bytes = true,
                '"' | '\'' => return Some((raw, bytes, i)),
                _ => return None,
            }
            i += 1;
        }
    }

    fn text(&mut self, raw: bool, bytes: bool) -> Result<Token, Complaint> {
        let start = self.at;
        let quote = self.peek(0);
        let triple = self.peek(1) == quote && self.peek(2) == quote;
        let length = if triple { 3 } else { 1 };
        self.at += length;
        let (mut text, mut out) = (String::new(), Vec::new());
        loop {
            if self.at >= self.chars.len() {
                self.at = self.chars.len().saturating_sub(1);
                return Err(self.unknown(start));
            }
            if (0..length).all(|i| self.peek(i) == quote) {
                self.at += length;
                return Ok(if bytes { Token::Bytes(out) } else { Token::Text(text) });
            }
            let c = self.peek(0);
            if !triple && matches!(c, '\n' | '\r') {
                return Err(self.unknown(start));
            }
            self.at += 1;
            let c = match c {
                '\\' if !raw => match self.escaped(bytes) {
                    Some(Escaped::Byte(byte)) => {
                        out.push(byte);
                        continue;
                    }
                    Some(Escaped::Char(c)) => c,
                    None => return Err(self.unknown(start)),
                },
                c => c,
            };
            text.push(c);
            if bytes {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }

    fn escaped(&mut self, bytes: bool) -> Option<Escaped> {
        let c = self.peek(0);
        self.at += 1;
        let plain = match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '`' | '?' => c,
            'x' | 'X' => return self.coded(2, 16, bytes),
            'u' if !bytes => return self.coded(4, 16, false),
            'U' if !bytes => return self.coded(8, 16, false),
            '0'..='3' => {
                self.at -= 1;
                return self.coded(3, 8, bytes);
            }
            _ => return None,
        };
        Some(Escaped::Char(plain))
    }

    fn coded(&mut self, digits: usize, base: u32, byte: bool) -> Option<Escaped> {
        let mut code = 0;
        for _ in 0..digits {
            code = code * base + self.peek(0).to_digit(base)?;
            self.at += 1;
        }
        match byte {
            true => u8::try_from(code).ok().map(Escaped::Byte),
            false => char::from_u32(code).map(Escaped::Char),
        }
    }

    fn number(&mut self) -> Result<Token, Complaint> {
        let start = self.at;
        if self.peek(0) == '0' && self.peek(1) == 'x' && self.peek(2).is_ascii_hexdigit() {
            self.at += 2;
            let digits = format!("0x{}", self.taken(|c| c.is_ascii_hexdigit()));
            return Ok(self.unsigned(digits));
        }
        let mut text = self.taken(|c| c.is_ascii_digit());
        let mut whole = true;
        if self.peek(0) == '.' && self.peek(1).is_ascii_digit() {
            whole = false;
            self.at += 1;
            text = format!("{text}.{}", self.taken(|c| c.is_ascii_digit()));
        }
        let sign = usize::from(matches!(self.peek(1), '+' | '-'));
        if matches!(self.peek(0), 'e' | 'E') && self.peek(1 + sign).is_ascii_digit() {
            whole = false;
            text.push('e');
            if sign == 1 {
                text.push(self.peek(1));
            }
            self.at += 1 + sign;
            text.push_str(&self.taken(|c| c.is_ascii_digit()));
        }
        if whole {
            return Ok(self.unsigned(text));
        }
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Token::Double(n)),
            _ => Err(Complaint::new(start, "invalid double literal")),
        }
    }

    fn unsigned(&mut self, digits: String) -> Token {
        if matches!(self.peek(0), 'u' | 'U') {
            self.at += 1;
            return Token::Uint(digits);
        }
        Token::Int(digits)
    }
}

enum Escaped {
    Char(char),
    Byte(u8),
}
