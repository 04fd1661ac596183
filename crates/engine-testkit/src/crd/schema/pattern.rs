//! Regular expressions as the server's own language reads them, which is not quite as this one does.
//! <https://pkg.go.dev/regexp/syntax>

use regex::Regex;

/// Compiles a pattern, or says what is wrong with it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    if let Some(problem) = problem(pattern) {
        return Err(problem);
    }
    Regex::new(&in_ascii(pattern)).map_err(|e| e.to_string())
}

/// The classes of digits, words and spaces are those of ASCII there.
fn in_ascii(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let (mut chars, mut in_class) = (pattern.chars(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let Some(next) = chars.next() else { break };
                let class = match next.to_ascii_lowercase() {
                    'd' => "0-9",
                    'w' => "0-9A-Za-z_",
                    's' => "\\t\\n\\x0C\\r ",
                    _ => {
                        out.extend(['\\', next]);
                        continue;
                    }
                };
                // A nested class is the same within a class as outside of one.
                let not = if next.is_ascii_uppercase() { "^" } else { "" };
                match in_class && not.is_empty() {
                    true => out.push_str(class),
                    false => out.push_str(&format!("[{not}{class}]")),
                }
            }
            '[' if in_class && !chars.as_str().starts_with(':') => out.push_str("\\["),
            '&' | '~' if in_class => out.extend(['\\', c]),
            c => {
                in_class = match c {
                    '[' => true,
                    ']' => false,
                    _ => in_class,
                };
                out.push(c);
            }
        }
    }
    out
}

/// The mistakes that have a text of their own.
fn problem(pattern: &str) -> Option<String> {
    let bytes = pattern.as_bytes();
    let (mut at, mut open, mut last) = (0, 0_usize, Last::Nothing);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'\\' if at + 1 == bytes.len() => return Some("trailing backslash at end of expression: ``".to_owned()),
            b'\\' => at += 1,
            b'[' => match class_end(bytes, at) {
                Some(end) => at = end,
                None => return Some(format!("missing closing ]: `{}`", &pattern[start..])),
            },
            b'(' => {
                open += 1;
                let rest = &pattern[at..];
                for ahead in ["(?=", "(?!", "(?<=", "(?<!"] {
                    if rest.starts_with(ahead) {
                        let shown = if ahead.len() == 4 { &ahead[..3] } else { ahead };
                        return Some(format!("invalid or unsupported Perl syntax: `{shown}`"));
                    }
                }
                last = Last::Nothing;
                if rest.starts_with("(?") {
                    at += rest.find([':', '>', ')']).unwrap_or(1);
                }
                at += 1;
                continue;
            }
            b')' if open == 0 => return Some(format!("unexpected ): `{pattern}`")),
            b')' => open -= 1,
            b'|' => {
                last = Last::Nothing;
                at += 1;
                continue;
            }
            b'{' => {
                if let Some(end) = pattern[at..].find('}').map(|n| at + n) {
                    let (least, most) = pattern[at + 1..end].split_once(',').unwrap_or((&pattern[at + 1..end], ""));
                    let count = |text: &str| text.parse::<u32>().ok();
                    let beyond = |text: &str| count(text).is_some_and(|n| n > 1000);
                    let turned = count(least).zip(count(most)).is_some_and(|(least, most)| least > most);
                    if count(least).is_some() && (turned || beyond(least) || beyond(most)) {
                        return Some(format!("invalid repeat count: `{}`", &pattern[at..=end]));
                    }
                }
            }
            b'*' | b'+' | b'?' => {
                let lazy = usize::from(bytes.get(at + 1) == Some(&b'?'));
                let shown = &pattern[at..=at + lazy];
                match last {
                    Last::Nothing => return Some(format!("missing argument to repetition operator: `{shown}`")),
                    Last::Repeat(from) => {
                        return Some(format!("invalid nested repetition operator: `{}`", &pattern[from..=at + lazy]));
                    }
                    Last::Other => last = Last::Repeat(at),
                }
                at += 1 + lazy;
                continue;
            }
            _ => {}
        }
        last = Last::Other;
        at += 1;
    }
    (open > 0).then(|| format!("missing closing ): `{pattern}`"))
}

enum Last {
    Nothing,
    /// A repetition that begins there.
    Repeat(usize),
    Other,
}

/// Where a class in brackets ends.
fn class_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    if bytes.get(at) == Some(&b'^') {
        at += 1;
    }
    let first = at;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' if bytes.get(at + 1) == Some(&b':') => {
                let rest = bytes.get(at + 2..)?;
                at += 3 + rest.windows(2).position(|pair| pair == b":]")?;
            }
            b']' if at > first => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::compile;

    #[test]
    fn classes_are_those_of_ascii() {
        for (pattern, good, bad) in
            [(r"^\d+$", "12", "١٢"), (r"^[\w-]+$", "a-b", "ä"), (r"^\S+$", "a", "a b"), ("^[[a]+$", "[a", "b")]
        {
            let pattern = compile(pattern).unwrap();
            assert!(pattern.is_match(good) && !pattern.is_match(bad), "{pattern}");
        }
    }

    #[test]
    fn mistakes_have_the_texts_of_the_server() {
        for (pattern, problem) in [
            ("[a-", "missing closing ]: `[a-`"),
            ("a(b", "missing closing ): `a(b`"),
            ("a)b", "unexpected ): `a)b`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("a\\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(compile(pattern).unwrap_err(), problem);
        }
    }
}
