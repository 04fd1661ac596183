//! What commands printed, without what no two runs have in common; written down, read back and compared.

use anyhow::Context as _;

/// A section that ran.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) section: String,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) command: String,
    /// `None` for one that was ended.
    pub(super) code: Option<i32>,
    pub(super) output: Vec<String>,
}

pub(super) fn write(records: &[Record]) -> String {
    let mut out = String::from(
        "What kubectl printed on a real control plane: written by `cargo xtask kubectl --real --record`, never by hand.\n",
    );
    for Record { section, steps } in records {
        out += &format!("\n## {section}\n");
        for Step { command, code, output } in steps {
            let code = code.map_or_else(|| "-".to_owned(), |code| code.to_string());
            out += &format!("[{code}] {command}\n");
            for line in output {
                out += format!("  {line}").trim_end();
                out.push('\n');
            }
        }
    }
    out
}

pub(super) fn read(text: &str) -> anyhow::Result<Vec<Record>> {
    let mut records: Vec<Record> = Vec::new();
    for line in text.lines().skip(1) {
        if let Some(section) = line.strip_prefix("## ") {
            records.push(Record { section: section.to_owned(), steps: Vec::new() });
        } else if let Some((code, command)) = line.strip_prefix('[').and_then(|l| l.split_once("] ")) {
            let record = records.last_mut().context("the record begins without a section")?;
            record.steps.push(Step { command: command.to_owned(), code: code.parse().ok(), output: Vec::new() });
        } else if let Some(step) = records.last_mut().and_then(|r| r.steps.last_mut()) {
            step.output.push(line.strip_prefix("  ").unwrap_or_default().to_owned());
        }
    }
    for record in &mut records {
        // The empty line before the next section.
        if let Some(step) = record.steps.last_mut().filter(|s| s.output.last().is_some_and(String::is_empty)) {
            step.output.pop();
        }
    }
    Ok(records)
}

/// The steps that differ, or nothing.
pub(super) fn difference(expected: Option<&Record>, found: &Record) -> Option<String> {
    let Some(expected) = expected else {
        return Some("         it is not in the record: run with --real --record".to_owned());
    };
    let mut out = String::new();
    for (i, step) in found.steps.iter().enumerate() {
        let Some(wanted) = expected.steps.get(i).filter(|wanted| wanted.command == step.command) else {
            return Some("         its commands are not those of the record: run with --real --record".to_owned());
        };
        if (wanted.code, &wanted.output) == (step.code, &step.output) {
            continue;
        }
        out += &format!("         kubectl {}\n", step.command);
        if wanted.code != step.code {
            out += &format!("           exit code {:?}, a real server's {:?}\n", step.code, wanted.code);
        }
        let missing = wanted.output.iter().filter(|line| !step.output.contains(line)).map(|line| format!("- {line}"));
        let unknown = step.output.iter().filter(|line| !wanted.output.contains(line)).map(|line| format!("+ {line}"));
        let lines: Vec<String> = missing.chain(unknown).collect();
        if lines.is_empty() && wanted.output != step.output {
            out += "           the same lines in another order, or another number of times\n";
        }
        for line in lines.iter().take(40) {
            out += &format!("           {line}\n");
        }
    }
    (!out.is_empty()).then(|| out.trim_end().to_owned())
}

/// The lines of an output, with words in place of what differs from run to run.
pub(super) fn normal(text: &str) -> Vec<String> {
    // The names of temporary files.
    let of_diff = |line: &&str| ["diff ", "--- ", "+++ "].iter().any(|head| line.starts_with(head));
    text.lines().filter(|line| !of_diff(line)).map(|line| normal_line(line.trim_end())).collect()
}

fn normal_line(line: &str) -> String {
    if line.trim_start().trim_start_matches('"').starts_with("resourceVersion") {
        return "<resourceVersion>".to_owned();
    }
    let indent = line.len() - line.trim_start().len();
    // Widths of columns follow the longest name, which may be a generated one.
    let words: Vec<String> = line.split_whitespace().map(normal_word).collect();
    format!("{}{}", " ".repeat(indent), words.join(" "))
}

/// Generated parts of names have these letters only.
const GENERATED: &str = "bcdfghjklmnpqrstvwxz2456789";

fn normal_word(word: &str) -> String {
    let is_separator = |c: char| matches!(c, ',' | '"' | '\'' | '(' | ')' | '/' | '=' | '[' | ']' | '{' | '}' | ';');
    let mut out = String::new();
    let mut part = String::new();
    for c in word.chars() {
        if is_separator(c) {
            out += &normal_part(&part);
            part.clear();
            out.push(c);
        } else {
            part.push(c);
        }
    }
    out + &normal_part(&part)
}

fn normal_part(part: &str) -> String {
    let (part, colon) = part.strip_suffix(':').map_or((part, ""), |part| (part, ":"));
    let part = if is_duration(part) {
        "<age>".to_owned()
    } else if is_time(part) {
        "<time>".to_owned()
    } else if is_uid(part.strip_prefix("pvc-").unwrap_or(part)) {
        "<uid>".to_owned()
    } else if let Some(rest) = after_address(part) {
        format!("<ip>{rest}")
    } else if let Some(host) = part.strip_prefix("127.0.0.1:").or_else(|| part.strip_prefix("localhost:")) {
        format!("<server>{}", host.trim_start_matches(|c: char| c.is_ascii_digit()))
    } else if let Some((port, node)) = part.split_once(':').filter(|(p, n)| is_number(p) && is_number(n)) {
        format!("{port}:<{}>", if node.len() == 5 { "port" } else { node })
    } else {
        part.split('-').map(|p| if is_generated(p) { "*" } else { p }).collect::<Vec<_>>().join("-")
    };
    part + colon
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(['s', 'm', 'h', 'd', 'y']) {
        if !is_number(&rest[..at]) {
            return false;
        }
        rest = &rest[at + 1..];
    }
    rest.is_empty() && !text.is_empty()
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && bytes[4] == b'-'
        && bytes[10] == b'T'
        && bytes[13] == b':'
        && bytes[..4].iter().all(u8::is_ascii_digit)
}

fn is_uid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// What follows an IPv4 address, but a loopback one.
fn after_address(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let numbers: Vec<&str> = text[..end].split('.').collect();
    let is_address = numbers.len() == 4 && numbers.iter().all(|n| is_number(n)) && numbers[0] != "127";
    is_address.then(|| &text[end..])
}

fn is_generated(text: &str) -> bool {
    let letters = text.chars().all(|c| GENERATED.contains(c));
    letters && (text.len() == 5 || (8..=10).contains(&text.len())) && text.len() > 4
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_a_word() {
        for (line, expected) in [
            ("web-6d4cf56db6-abcde   1/1  Running  0  12s", "web-*-abcde 1/1 Running 0 <age>"),
            ("web-6d4cf56db6-x7k2m   1/1  2m3s", "web-*-* 1/1 <age>"),
            ("frontend  ClusterIP  10.0.3.4  80:31234/TCP", "frontend ClusterIP <ip> 80:<port>/TCP"),
            ("  uid: 0f3a4b5c-1234-4abc-8def-0123456789ab", "  uid: <uid>"),
            ("creationTimestamp: \"2026-01-01T00:00:00Z\"", "creationTimestamp: \"<time>\""),
            ("app=cart,pod-template-hash=6d4cf56db6", "app=cart,pod-template-hash=*"),
        ] {
            assert_eq!(normal_line(line), expected);
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let step = |command: &str, code, output: &[&str]| Step {
            command: command.to_owned(),
            code,
            output: output.iter().map(|line| (*line).to_owned()).collect(),
        };
        let records = vec![
            Record {
                section: "a".to_owned(),
                steps: vec![step("get x", Some(0), &["A", "", "  b"]), step("w", None, &[])],
            },
            Record { section: "b".to_owned(), steps: vec![step("get y", Some(1), &["no"])] },
        ];
        assert_eq!(read(&write(&records)).unwrap(), records);
        assert_eq!(difference(Some(&records[0]), &records[0]), None);
        assert!(difference(None, &records[0]).is_some());
        assert!(difference(Some(&records[1]), &records[0]).is_some());
    }
}
