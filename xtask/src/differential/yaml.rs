//! YAML: kubectl's decoder (`k8s.io/apimachinery/pkg/util/yaml` on `sigs.k8s.io/yaml`) against
//! [`yaml::parse`](gitops_engine_manifest::yaml::parse).

use gitops_engine_core::Value as OurValue;
use gitops_engine_manifest::yaml::{DuplicateKeys, Options, parse};
use serde_json::Value;

use super::random::Random;
use super::{Deviation, Judgement, Subject, refusal};

pub(super) struct Yaml;

impl Subject for Yaml {
    fn name(&self) -> &'static str {
        "yaml"
    }

    fn usual(&self) -> usize {
        5_000
    }

    fn question(&self, random: &mut Random) -> Value {
        let mut text = String::new();
        let documents = [1, 1, 1, 2, 3][random.below(5)];
        for number in 0..documents {
            if number > 0 {
                text.push_str(random.pick(&["---\n", "---\n", "--- # next\n", "---  \n", "\n---\n\n"]));
            } else if random.one_in(8) {
                text.push_str(random.pick(&["---\n", "# first\n---\n", "%YAML 1.1\n---\n", "\n\n", "\u{feff}"]));
            }
            if random.one_in(15) {
                text.push_str(random.pick(&["# nothing\n", "", "null\n", "~\n"]));
                continue;
            }
            let mut emitter = Emitter { random, text: &mut text, anchors: Vec::new() };
            emitter.map(0, 3);
        }
        if random.one_in(12) {
            damage(&mut text, random);
        }
        Value::String(text)
    }

    fn judge(&self, question: &Value, answer: &Value) -> Option<Judgement> {
        let text = question.as_str()?;
        let mut options = Options::default();
        options.duplicate_keys = DuplicateKeys::LastWins;
        let ours = parse(text, &options);
        let show = |documents: &[OurValue]| documents.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let twice = || {
            // The reader that allows no key twice says so.
            let errors = parse(text, &Options::default()).err().unwrap_or_default();
            errors.iter().any(|error| error.message.contains("given twice"))
        };
        // What reads the documents of either side takes objects, and nothing else.
        let (ours, refused) = match ours {
            Ok(documents) => {
                let values: Vec<_> = documents.into_iter().map(|document| document.value).collect();
                let objects = values.iter().all(|value| matches!(value, OurValue::Object(_)));
                (objects.then_some(values), Vec::new())
            }
            Err(errors) => (None, errors),
        };
        let theirs: Result<Vec<_>, _> = match refusal(answer) {
            Some(error) => Err(error.to_owned()),
            None => {
                let read = |document: &Value| OurValue::from_json(document.to_string().as_bytes()).ok();
                let values: Vec<_> = answer.as_array()?.iter().map(read).collect::<Option<_>>()?;
                let objects = values.iter().all(|value| matches!(value, OurValue::Object(_)));
                if objects { Ok(values) } else { Err("a document that is no object".to_owned()) }
            }
        };
        Some(match (ours, theirs) {
            (None, Err(_)) => Judgement::Same,
            (Some(ours), Ok(theirs)) => {
                if ours == theirs {
                    Judgement::Same
                } else if twice() {
                    Judgement::Deviates(TWICE)
                } else if BRACKETS.iter().any(|colon| text.contains(colon)) || has_tag_before_bracket(text) {
                    Judgement::Deviates(BRACKET)
                } else if has_anchor_with_colon(text) {
                    Judgement::Deviates(SYNTAX)
                } else if without_last_lines(&show(&ours)) == without_last_lines(&show(&theirs)) {
                    Judgement::Deviates(LAST_LINES)
                } else {
                    Judgement::differs("other values", show(&ours), show(&theirs))
                }
            }
            (Some(ours), Err(error)) => {
                match WIDER.iter().find(|(_, texts)| texts.iter().any(|part| error.contains(part))) {
                    Some((name, _)) => Judgement::Deviates(name),
                    None => Judgement::differs(format!("theirs refuses: {}", generic(&error)), show(&ours), error),
                }
            }
            (None, Ok(theirs)) => {
                let message =
                    refused.first().map(|error| error.message.as_str()).unwrap_or("a document that is no object");
                if message.contains("!!binary") {
                    Judgement::Deviates(TAGS)
                } else if NARROWER.iter().any(|part| message.contains(part)) {
                    Judgement::Deviates(STRICT)
                } else if twice()
                    || ["must not be null", "no infinite numbers"].iter().any(|part| message.contains(part))
                {
                    Judgement::Deviates(TWICE)
                } else {
                    let error = refused.first().map(ToString::to_string).unwrap_or_default();
                    Judgement::differs(format!("ours refuses: {}", generic(message)), error, show(&theirs))
                }
            }
        })
    }

    fn deviations(&self) -> &'static [Deviation] {
        &[
            Deviation {
                name: TWICE,
                reason: "of keys that JSON makes equal (`1` and `0x1`) the peer drops one by chance, and what a later key or \
                         a merge replaces it never looks at; here the last one wins, and both have to be right",
            },
            Deviation {
                name: BRACKET,
                reason: "`[a:]` holds a map, and `[!, a]` two items, by YAML 1.2; for the peer it is the text `a:`, and a tag",
            },
            Deviation {
                name: LAST_LINES,
                reason: "how many ends of lines a text keeps at the end of the file, where its last line is of blanks",
            },
            Deviation { name: TABS, reason: "tabs may separate, by YAML 1.2; the peer refuses them" },
            Deviation {
                name: ESCAPES,
                reason: "`\\/` and pairs of surrogates are taken as JSON has them; the peer refuses them",
            },
            Deviation {
                name: TAGS,
                reason: "!!timestamp means nothing here, and the peer refuses what is no time; a !!binary that is no UTF-8 \
                         is an error here, and the peer replaces bytes",
            },
            Deviation {
                name: SYNTAX,
                reason: "directives, and `:`, `?`, `!` beside brackets: the peer refuses what YAML 1.2 allows; `&x:5` is an \
                         anchor of that name, and for the peer the anchor `x` with a text",
            },
            Deviation {
                name: STRICT,
                reason: "a quoted text that goes on at the margin, `-` alone in brackets, `\\'`, more behind the end of a \
                         document: an error with its line here; the peer goes on, or stops reading without a word",
            },
        ]
    }
}

/// Without the ends of lines at the ends of texts, in JSON.
fn without_last_lines(json: &str) -> String {
    let mut json = json.to_owned();
    while json.contains("\\n\"") {
        json = json.replace("\\n\"", "\"");
    }
    json
}

const TWICE: &str = "keys given twice";
const BRACKET: &str = "beside brackets";
const LAST_LINES: &str = "last lines";
const TABS: &str = "tabs";
const ESCAPES: &str = "escapes of JSON";
const TAGS: &str = "tags";
const SYNTAX: &str = "wider syntax";
const STRICT: &str = "stricter syntax";

const BRACKETS: [&str; 5] = [":]", ":}", ":,", ":[", ":{"];

/// Whether a tag runs into what ends an item: `[!a, b]`.
fn has_tag_before_bracket(text: &str) -> bool {
    let tags = text.split('!').skip(1).filter_map(|after| after.split_whitespace().next());
    tags.into_iter().any(|tag| tag.contains([',', ']', '}']))
}

/// Whether the name of an anchor goes on where the peer ends it: `&x:5` is the name `x:5`.
fn has_anchor_with_colon(text: &str) -> bool {
    let names = text.split(['&', '*']).skip(1).filter_map(|after| after.split_whitespace().next());
    names.into_iter().any(|name| name.trim_end_matches(':').contains(':'))
}

/// What the peer refuses and we read, by its words for it.
const WIDER: [(&str, &[&str]); 4] = [
    (TABS, &["tab character", "cannot start any token"]),
    (ESCAPES, &["unknown escape character", "Unicode character escape code"]),
    (TAGS, &["as a !!timestamp", "cannot decode !!str"]),
    (
        SYNTAX,
        &[
            "did not find expected",
            "unexpected non-alphabetical character",
            "unsupported map key of type: %!s(<nil>)",
            "could not find expected directive name",
            "found unknown directive name",
            "map merge requires map or sequence of maps",
            "invalid Yaml document separator",
        ],
    ),
];

/// What we refuse and the peer reads, by our words for it.
const NARROWER: &[&str] = &[
    "plain scalar cannot start with",
    "simple key expected",
    "invalid indentation in multiline quoted scalar",
    "wrongly indented line in block scalar",
    "while parsing a flow mapping",
    "invalid trailing content",
    "did not find expected <document start>",
    "comment intercepting the multiline text",
    "comments must be separated",
    "while scanning a tag",
    "found unknown escape character",
];

/// An error without what is particular to the text: numbers and quoted parts.
fn generic(error: &str) -> String {
    let mut quoted = false;
    let mut short = String::new();
    for character in error.chars() {
        match character {
            '"' | '\'' | '`' => quoted = !quoted,
            _ if quoted => {}
            '0'..='9' => {
                if !short.ends_with('#') {
                    short.push('#');
                }
            }
            _ => short.push(character),
        }
    }
    short.chars().take(90).collect()
}

/// Writes documents with as many spellings as people use, and some that nobody does.
struct Emitter<'a> {
    random: &'a mut Random,
    text: &'a mut String,
    anchors: Vec<(String, bool)>,
}

const PLAIN: &[&str] = &[
    "1",
    "0",
    "-1",
    "+1",
    "010",
    "08",
    "0o17",
    "0x1F",
    "0b101",
    "-0b11",
    "1_000",
    "1__0",
    "_1",
    "1_",
    "0x_1",
    "1.0",
    "1.5",
    ".5",
    "5.",
    "-.5",
    "+.5",
    "1e3",
    "1E-2",
    "1.e5",
    "1e",
    "e3",
    "1e400",
    "12e03",
    "0.1",
    "-0.0",
    "1.20",
    "1:30",
    "190:20:30",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775809",
    "0xFFFFFFFFFFFFFFFF",
    "1e21",
    "123456789012345678901234",
    ".inf",
    "-.Inf",
    ".NaN",
    "inf",
    "nan",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "N",
    "true",
    "TRUE",
    "False",
    "tRue",
    "yES",
    "null",
    "Null",
    "~",
    "nil",
    "",
    "2026-01-02",
    "2026-01-02T03:04:05Z",
    "2026-01-02 03:04:05",
    "<<",
    "=",
    "web",
    "nginx:1.25",
    "a b",
    "a: b",
    "a #b",
    "a#b",
    "-a",
    "- a",
    "-",
    "?",
    "? a",
    ":a",
    "a:",
    "@a",
    "`a`",
    "%a",
    "!a",
    "&a",
    "*a",
    "|a",
    ">a",
    "[a",
    "{a",
    "a]",
    "a,b",
    "ünï",
    "日本",
    "~a",
    "100m",
    "1Gi",
    "0.5Gi",
    "/path",
    "http://a.b/c?d=e#f",
    "'",
    "\"",
    "a'b",
    "a\\nb",
    "\\",
    "...",
    "--- a",
    "0777",
    "00",
    "-08",
    "0.",
    "0_7",
    "1,000",
    "12:30:45",
    "0x",
    "0b2",
    "0o8",
    "+",
    "+_1",
    "1e+3",
    "1e+",
    "4.9e-324",
    "1.7976931348623157e308",
    "0.1e1",
    "100e-2",
    "16777217.0",
    "1.0e+20",
    "-1e3",
    "123.456e2",
];

/// No two of them are spellings of one key: which of these the peer takes is chance.
const KEYS: &[&str] = &[
    "name",
    "kind",
    "data",
    "a",
    "b",
    "a",
    "spec",
    "labels",
    "x-y",
    "a.b/c",
    "1",
    "0x2",
    "1.5",
    "true",
    "no",
    "null",
    "~",
    "\"quoted\"",
    "'single'",
    "\"3\"",
    "\"<<\"",
    "014",
    "1e4",
    "ünï",
    "a b",
    "\"a: b\"",
    "7.0",
    "\"\"",
    "-a",
    "a#b",
    "2026-01-02",
    ".5",
    "1_1",
    "nil",
    "+6",
];

impl Emitter<'_> {
    fn indent(&mut self, indent: usize) {
        self.text.push_str(&" ".repeat(indent));
    }

    fn map(&mut self, indent: usize, depth: usize) {
        let mut used = Vec::new();
        for _ in 0..1 + self.random.below(4) {
            let key = self.random.pick(KEYS);
            // Twice the same key now and then.
            if used.contains(&key) && !self.random.one_in(4) {
                continue;
            }
            used.push(key);
            self.indent(indent);
            if self.random.one_in(40) {
                self.text.push_str("? ");
                self.text.push_str(key);
                self.text.push('\n');
                self.indent(indent);
            } else {
                self.text.push_str(key);
                if self.random.one_in(20) {
                    self.text.push(' ');
                }
            }
            self.text.push(':');
            self.value(indent, depth);
        }
        let maps: Vec<_> = self.anchors.iter().filter(|(_, map)| *map).map(|(name, _)| name.clone()).collect();
        if !maps.is_empty() && self.random.one_in(2) {
            self.indent(indent);
            let name = &maps[self.random.below(maps.len())];
            if self.random.one_in(3) {
                self.text.push_str(&format!("<<: [*{name}, *{}]\n", maps[self.random.below(maps.len())]));
            } else {
                self.text.push_str(&format!("<<: *{name}\n"));
            }
            if self.random.one_in(3) {
                self.indent(indent);
                self.text.push_str("late: 1\n");
            }
        }
    }

    /// What is behind the colon, with the end of the line.
    fn value(&mut self, indent: usize, depth: usize) {
        let anchor = self.random.one_in(10).then(|| {
            let name = format!("n{}", self.anchors.len());
            self.text.push_str(&format!(" &{name}"));
            name
        });
        let mut is_map = false;
        match self.random.below(if depth == 0 { 7 } else { 11 }) {
            0 => self.block_scalar(indent),
            1 if anchor.is_none() && !self.anchors.is_empty() => {
                let name = self.anchors[self.random.below(self.anchors.len())].0.clone();
                self.text.push_str(&format!(" *{name}\n"));
            }
            2 => {
                self.text.push(' ');
                self.quoted();
                self.end_of_line();
            }
            3 => {
                self.text.push(' ');
                is_map = self.flow(2);
                self.end_of_line();
            }
            7 | 8 => {
                self.end_of_line();
                let deeper = indent + 1 + self.random.below(3);
                self.map(deeper, depth - 1);
                is_map = true;
            }
            9 | 10 => {
                self.end_of_line();
                let deeper = if self.random.one_in(2) { indent } else { indent + 2 };
                self.list(deeper, depth - 1);
            }
            _ => {
                self.text.push(' ');
                self.tag();
                self.text.push_str(self.random.pick(PLAIN));
                if self.random.one_in(20) {
                    self.text.push('\n');
                    self.indent(indent + 2);
                    self.text.push_str(self.random.pick(&["and more", "1", "# comment", "- x"]));
                }
                self.end_of_line();
            }
        }
        if let Some(name) = anchor {
            self.anchors.push((name, is_map));
        }
    }

    fn list(&mut self, indent: usize, depth: usize) {
        for _ in 0..1 + self.random.below(3) {
            self.indent(indent);
            self.text.push('-');
            if depth > 0 && self.random.one_in(4) {
                self.text.push(' ');
                self.text.push_str(self.random.pick(KEYS));
                self.text.push(':');
                self.value(indent + 2, depth - 1);
                if self.random.one_in(2) {
                    self.indent(indent + 2);
                    self.text.push_str("more: yes\n");
                }
            } else {
                self.value(indent, depth);
            }
        }
    }

    fn end_of_line(&mut self) {
        let end =
            self.random.pick(&["\n", "\n", "\n", "\n", "\n", "\n", "\n", " # why\n", "  \n", "\n\n", "\r\n", "\t\n"]);
        self.text.push_str(end);
    }

    fn tag(&mut self) {
        if self.random.one_in(15) {
            let tags =
                ["!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!binary ", "!custom ", "! ", "!!timestamp "];
            self.text.push_str(self.random.pick(&tags));
        }
    }

    fn quoted(&mut self) {
        self.tag();
        let double = [
            "a",
            "",
            "1",
            "yes",
            "a\\tb",
            "a\\nb",
            "\\u00fc",
            "\\x41",
            "\\U0001F600",
            "a\\\\b",
            "\\\"",
            "a  b",
            "\\/",
            "\\e",
            "a\n\n   b",
            "a \\\n   b",
            "\\ud83d\\ude00",
            "\\q",
            "\\0",
            "# no",
            "\\_",
            "\\N",
            "{}",
        ];
        let single = ["a", "", "010", "it''s", "null", "a\\nb", "a\n    b", "\"", "# no", "a: b", "---"];
        if self.random.one_in(2) {
            let text = self.random.pick(&double);
            self.text.push_str(&format!("\"{text}\""));
        } else {
            let text = self.random.pick(&single);
            self.text.push_str(&format!("'{text}'"));
        }
    }

    /// True for a map.
    fn flow(&mut self, depth: usize) -> bool {
        let map = self.random.one_in(2);
        self.text.push(if map { '{' } else { '[' });
        let count = self.random.below(4);
        for number in 0..count {
            if number > 0 {
                self.text.push_str(self.random.pick(&[", ", ",", " , ", ",\n    "]));
            }
            if map {
                self.text.push_str(self.random.pick(KEYS));
                self.text.push_str(self.random.pick(&[": ", ": ", ": ", " : ", ":", ""]));
            }
            match self.random.below(5) {
                0 if depth > 0 => drop(self.flow(depth - 1)),
                1 => self.quoted(),
                2 if !self.anchors.is_empty() => {
                    let name = self.anchors[self.random.below(self.anchors.len())].0.clone();
                    self.text.push_str(&format!("*{name} "));
                }
                _ => self.text.push_str(self.random.pick(PLAIN)),
            }
        }
        if count > 0 && self.random.one_in(8) {
            self.text.push(',');
        }
        self.text.push(if map { '}' } else { ']' });
        map
    }

    fn block_scalar(&mut self, indent: usize) {
        let style = self.random.pick(&["|", ">", "|-", ">-", "|+", ">+", "|2", "|1-", ">2+", "| # why", "|4"]);
        self.text.push(' ');
        self.tag();
        self.text.push_str(style);
        self.text.push_str(self.random.pick(&["\n", "\n", "\n", "\r\n", "  \n"]));
        let deeper = indent + 2;
        for _ in 0..self.random.below(5) {
            let line =
                self.random.pick(&["a", "  more", "", "   ", "# text", "a: b", "- c", "\ttab", "end  ", "x\r", "---x"]);
            if !line.is_empty() {
                self.indent(deeper);
            }
            self.text.push_str(line);
            self.text.push('\n');
        }
    }
}

/// Breaks a text at one place.
fn damage(text: &mut String, random: &mut Random) {
    let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
    if places.is_empty() {
        return;
    }
    let at = places[random.below(places.len())];
    match random.below(3) {
        0 => drop(text.remove(at)),
        1 => text.insert_str(
            at,
            random.pick(&["\t", ":", "- ", "\"", "'", "{", "]", "&", "*", "\n", "#", "\u{7f}", "\u{1}"]),
        ),
        _ => text.truncate(at),
    }
}
