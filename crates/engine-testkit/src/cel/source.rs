//! Complaints about the text of a rule, with the line and a mark below it, as a real server prints them.

/// What is wrong, and at which character of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) at: usize,
    pub(super) text: String,
}

impl Complaint {
    pub(super) fn new(at: usize, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }
}

/// A line that is longer than this is not shown.
const LONGEST_LINE: usize = 16_384;
/// More complaints than these are not told.
const MOST: usize = 100;

/// All complaints about a text, in the order of their places.
pub(super) fn show(source: &str, mut complaints: Vec<Complaint>) -> String {
    complaints.truncate(MOST);
    complaints.sort_by_key(|complaint| complaint.at);
    let shown: Vec<String> = complaints.iter().map(|complaint| show_one(source, complaint)).collect();
    shown.join("\n")
}

fn show_one(source: &str, complaint: &Complaint) -> String {
    let (mut line, mut column) = (1, 0);
    for c in source.chars().take(complaint.at) {
        if c == '\n' {
            (line, column) = (line + 1, 0);
        } else {
            column += 1;
        }
    }
    let mut shown = format!("ERROR: <input>:{line}:{}: {}", column + 1, complaint.text);
    let text = source.split('\n').nth(line - 1).unwrap_or_default();
    if text.len() <= LONGEST_LINE {
        let text = text.replace('\t', " ");
        let wide = |c: char| c.len_utf8() > 1;
        let mut chars = text.chars();
        let dots: String = chars.by_ref().take(column).map(|c| if wide(c) { '\u{ff0e}' } else { '.' }).collect();
        let mark = if chars.next().is_some_and(wide) { '\u{ff3e}' } else { '^' };
        shown.push_str(&format!("\n | {text}\n | {dots}{mark}"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_marks_its_place() {
        let shown = show("self.x\n  == é.y", vec![Complaint::new(12, "undefined field 'y'")]);
        assert_eq!(shown, "ERROR: <input>:2:6: undefined field 'y'\n |   == é.y\n | .....\u{ff3e}");
    }
}
