//! The YAML reader: lines, bounds, and that nothing panics.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::{Duration, Instant};

use gitops_engine_core::{Key, Value};
use gitops_engine_manifest::yaml::{self, Options};
use proptest::prelude::*;

fn parse(text: &str) -> Vec<yaml::Document> {
    yaml::parse(text, &Options::default()).unwrap()
}

fn errors(text: &str) -> Vec<yaml::YamlError> {
    yaml::parse(text, &Options::default()).unwrap_err()
}

fn json(text: &str) -> String {
    let documents = parse(text);
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents[0].value.to_string()
}

#[test]
fn documents_have_lines_and_numbers() {
    let text =
        "\u{feff}# first\n---\na: 1\n--- # empty\n---\n...\n---\r\n\r\nb: 2\r\n--- {c: 3}\n--- |\n  text\n---\n~\n";
    let found: Vec<_> =
        parse(text).into_iter().map(|document| (document.index, document.line, document.value.to_string())).collect();
    let expected = [(0, 3, r#"{"a":1}"#), (3, 9, r#"{"b":2}"#), (4, 10, r#"{"c":3}"#), (5, 12, r#""text\n""#)];
    assert_eq!(found, expected.map(|(index, line, json)| (index, line, json.to_owned())));
}

#[test]
fn every_line_ending_and_tabs_are_read() {
    assert_eq!(json("a: |\r\n  x\r\n  y\r\nb: 1\r\n"), r#"{"a":"x\ny\n","b":1}"#);
    assert_eq!(json("{\n\t\"a\":\t1,\n\t\"b\": [\n\t\t2\n\t]\n}"), r#"{"a":1,"b":[2]}"#);
}

#[test]
fn aliases_and_merges_are_expanded() {
    let text =
        "base: &base {a: 1, b: {c: 2}}\nlist: [*base, *base]\nmerged:\n  <<: *base\n  a: 3\nkey: &k name\n*k : v\n";
    assert_eq!(
        json(text),
        r#"{"base":{"a":1,"b":{"c":2}},"key":"name","list":[{"a":1,"b":{"c":2}},{"a":1,"b":{"c":2}}],"merged":{"a":3,"b":{"c":2}},"name":"v"}"#
    );
    // An anchor that is set again names the later value; anchors end with their document.
    assert_eq!(json("[&a 1, *a, &a 2, *a]"), "[1,1,2,2]");
    assert_eq!(errors("&a x\n---\n*a\n")[0].line, 3);
}

#[test]
fn errors_name_their_lines_and_do_not_hide_each_other() {
    let text =
        "a: 1\na: 2\nb: {c: 1, c: 2}\n~: x\n[1]: y\nd: !!int x\ne: .nan\n---\nf: [\n---\nfine: yes\n---\ng: h: i\n";
    let found: Vec<_> = errors(text).iter().map(|error| (error.document, error.line)).collect();
    assert_eq!(found, [(0, 2), (0, 3), (0, 4), (0, 5), (0, 6), (0, 7), (1, 9), (3, 13)]);
}

#[test]
fn errors_are_bounded() {
    let text: String = (0..1000).map(|_| "a: {b: 1, b: 2}\n---\n").collect();
    assert_eq!(errors(&text).len(), 20);
}

#[test]
fn bombs_are_stopped() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    let mut merges = "m0: &m0 {k: v}\n".to_owned();
    for level in 1..40 {
        let last = level - 1;
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{last}"); 9].join(", ")));
        merges.push_str(&format!("m{level}: &m{level} {{x{level}: *m{last}, y{level}: *m{last}}}\n"));
    }
    let mut anchored = String::new();
    for level in 0..90 {
        anchored.push_str(&format!("&x{level} ["));
    }
    anchored.push_str(&format!("\"{}\"", "x".repeat(1 << 20)));
    anchored.push_str(&"]".repeat(90));
    let wide = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 1000].join(", "));
    let deep_alias = format!("a: &a {}{}\nb: {}*a{}\n", "[".repeat(60), "]".repeat(60), "[".repeat(60), "]".repeat(60));
    let huge = format!("a: {}", "x".repeat(11 << 20));
    for (name, text) in [
        ("laughs", laughs),
        ("merges", merges),
        ("nested anchors", anchored),
        ("wide", wide),
        ("deep by alias", deep_alias),
        ("deep flow", "[".repeat(200_000)),
        ("deep map", "{a: ".repeat(200_000)),
        ("deep block", (0..300).map(|level| format!("{}a:\n", " ".repeat(level))).collect()),
        ("deep sequence", "- ".repeat(100_000)),
        ("huge", huge),
    ] {
        let started = Instant::now();
        let found = errors(&text);
        assert!(found.iter().any(|error| error.limit), "{name}: {found:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
    }
}

#[test]
fn awkward_texts_take_linear_time() {
    for (name, text) in [
        ("keys", "? ".repeat(200_000)),
        ("quotes", "'".repeat(300_001)),
        ("anchors", "&a ".repeat(100_000)),
        ("tags", "!!a ".repeat(100_000)),
        ("documents", "---\n".repeat(100_000)),
        ("comments", "#\n".repeat(200_000)),
        ("colons", "a:".repeat(200_000)),
        ("flat", "[],".repeat(200_000)),
        ("escapes", format!("\"{}\"", "\\n".repeat(200_000))),
        ("folds", format!("a: >\n{}", "  x\n\n".repeat(100_000))),
        ("pipes", "|\n".repeat(100_000)),
        ("open braces", format!("a: {}", "{".repeat(100_000))),
        ("merge", format!("{{{}}}", "<<: {a: 1},".repeat(50_000))),
        ("empty flow", format!("[{}]", ",".repeat(100_000))),
        ("long key", format!("\"{}\": 1", "k".repeat(1 << 20))),
    ] {
        let started = Instant::now();
        let _ = yaml::parse(&text, &Options::default());
        assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9_f64).prop_map(Value::number),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any_text().prop_map(|key| Key::new(&key)), inner), 0..6).prop_map(Value::object),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~é☃\n\t]{0,12}",
        prop::sample::select(vec![
            "yes", "n", "~", "", "010", "1e3", "<<", "- a", "a: b", "#", " x ", "x\n", "\n", "|", "---"
        ])
        .prop_map(str::to_owned),
    ]
}

/// Block style, with scalars as JSON writes them: a YAML writer of a few lines.
fn write(value: &Value, indent: usize, out: &mut String) {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("\n{pad}{}:", Value::from(key.as_str())));
                write(value, indent + 1, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("\n{pad}-"));
                write(item, indent + 1, out);
            }
        }
        Value::String(text) if is_plain_block(text) => {
            out.push_str(" |2");
            for line in text.trim_end_matches('\n').split('\n') {
                out.push_str(&format!("\n{}{line}", "  ".repeat(indent.max(1))));
            }
        }
        other => out.push_str(&format!(" {other}")),
    }
}

/// Texts that a literal block with one final line break can hold.
fn is_plain_block(text: &str) -> bool {
    text.len() > 1
        && text.ends_with('\n')
        && !text.ends_with("\n\n")
        && text.chars().all(|c| c == '\n' || (' '..='~').contains(&c))
        && !text.starts_with([' ', '\n'])
}

proptest! {
    #[test]
    fn json_is_yaml(value in any_value()) {
        prop_assume!(!value.is_null());
        let documents = yaml::parse(&value.to_string(), &Options::default()).unwrap();
        prop_assert_eq!(&documents[0].value, &value);
    }

    #[test]
    fn block_style_gives_the_same(value in any_value()) {
        prop_assume!(!value.is_null());
        let mut text = "---".to_owned();
        write(&Value::from(vec![value.clone()]), 0, &mut text);
        let documents = yaml::parse(&text, &Options::default()).map_err(|errors| TestCaseError::fail(format!("{errors:?}\n{text}")))?;
        prop_assert_eq!(&documents[0].value, &Value::from(vec![value]), "{}", text);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(text) = yaml::decode(&bytes) {
            let _ = yaml::parse(&text, &Options::default());
        }
    }

    #[test]
    fn arbitrary_yaml_never_panics(text in "[-\\[\\]{}:,?&*!|>'\"%@`#~<ab01.\n \t\r]{0,80}") {
        let _ = yaml::parse(&text, &Options::default());
    }

    #[test]
    fn errors_are_inside_of_the_text(text in "[-\\[\\]{}:,?&*!ab\n ]{0,60}") {
        let lines = text.matches('\n').count() + 1;
        if let Err(errors) = yaml::parse(&text, &Options::default()) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(error.line as usize <= lines + 1, "{error} in {text:?}");
            }
        }
    }
}
