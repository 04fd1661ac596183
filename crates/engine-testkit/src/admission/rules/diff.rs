//! The difference of two texts, line by line, as the server shows what of an object may not change.
//!
//! The lines that stay are those of the longest run that both have, and so on before and behind it: Python's difflib, which
//! Go's library follows.

use std::ops::Range;

/// How many lines around a change are shown.
const CONTEXT: usize = 3;

/// Equal runs: where in the one, where in the other, how many lines.
type Run = (usize, usize, usize);

fn longest(a: &[&str], b: &[&str], in_a: Range<usize>, in_b: Range<usize>) -> Run {
    let mut best = (in_a.start, in_b.start, 0);
    for i in in_a.clone() {
        for j in in_b.clone() {
            let most = (in_a.end - i).min(in_b.end - j);
            let same = (0..most).take_while(|n| a[i + n] == b[j + n]).count();
            if same > best.2 {
                best = (i, j, same);
            }
        }
    }
    best
}

fn runs(a: &[&str], b: &[&str], in_a: Range<usize>, in_b: Range<usize>, out: &mut Vec<Run>) {
    let (i, j, n) = longest(a, b, in_a.clone(), in_b.clone());
    if n > 0 {
        runs(a, b, in_a.start..i, in_b.start..j, out);
        out.push((i, j, n));
        runs(a, b, i + n..in_a.end, j + n..in_b.end, out);
    }
}

fn place(range: &Range<usize>) -> String {
    match range.len() {
        1 => (range.start + 1).to_string(),
        // Nothing is behind the line before it.
        0 => format!("{},0", range.start),
        n => format!("{},{n}", range.start + 1),
    }
}

/// The changed places with the lines around them; nothing when the texts are equal.
pub(super) fn unified(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut same = Vec::new();
    runs(&a, &b, 0..a.len(), 0..b.len(), &mut same);
    same.push((a.len(), b.len(), 0));
    // The changes between the equal runs; those that are near each other are shown as one.
    let mut hunks: Vec<Vec<(Range<usize>, Range<usize>)>> = Vec::new();
    let (mut i, mut j) = (0, 0);
    for (at, bt, n) in same {
        if i < at || j < bt {
            let change = (i..at, j..bt);
            match hunks.last_mut() {
                Some(hunk) if hunk.last().is_some_and(|(last, _)| i - last.end <= 2 * CONTEXT) => hunk.push(change),
                _ => hunks.push(vec![change]),
            }
        }
        (i, j) = (at + n, bt + n);
    }
    let mut out = String::new();
    for hunk in hunks {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let before = CONTEXT.min(first.0.start).min(first.1.start);
        let after = CONTEXT.min(a.len() - last.0.end).min(b.len() - last.1.end);
        let (from, to) = (first.0.start - before..last.0.end + after, first.1.start - before..last.1.end + after);
        out.push_str(&format!("@@ -{} +{} @@\n", place(&from), place(&to)));
        let mut at = from.start;
        let mut lines = |mark: char, lines: &[&str]| {
            for line in lines {
                out.push(mark);
                out.push_str(line);
                out.push('\n');
            }
        };
        for (old, new) in &hunk {
            lines(' ', &a[at..old.start]);
            lines('-', &a[old.clone()]);
            lines('+', &b[new.clone()]);
            at = old.end;
        }
        lines(' ', &a[at..from.end]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_the_lines_around_them() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl";
        let new = "a\nb\nc\nX\ne\nf\ng\nh\ni\nj\nk\nl\nm";
        assert_eq!(
            unified(old, new),
            "@@ -1,7 +1,7 @@\n a\n b\n c\n-d\n+X\n e\n f\n g\n@@ -10,3 +10,4 @@\n j\n k\n l\n+m\n"
        );
        assert_eq!(unified(old, old), "");
    }
}
