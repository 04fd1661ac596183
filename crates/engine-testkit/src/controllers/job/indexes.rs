//! Sets of completion indexes, as a Job's status writes them: `0,3-5,7`.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode>

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use crate::json::{i64_at, str_at};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Indexes(BTreeSet<i64>);

impl Indexes {
    /// Reads the text form. What is not a range is left out, and no range is longer than a Job may be.
    pub(super) fn parse(text: &str) -> Self {
        const LONGEST: i64 = 1_000_000;
        let mut set = BTreeSet::new();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(low), Ok(high)) = (low.parse::<i64>(), high.parse::<i64>())
                && high.saturating_sub(low) < LONGEST
            {
                set.extend(low..=high);
            }
        }
        Self(set)
    }

    pub(super) fn insert(&mut self, index: i64) {
        self.0.insert(index);
    }

    pub(super) fn contains(&self, index: i64) -> bool {
        self.0.contains(&index)
    }

    pub(super) fn len(&self) -> i64 {
        self.0.len() as i64
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.iter().copied().peekable();
        let mut first = true;
        while let Some(low) = rest.next() {
            let mut high = low;
            while let Some(next) = rest.next_if(|n| *n == high + 1) {
                high = next;
            }
            if !first {
                f.write_str(",")?;
            }
            first = false;
            // Two in a row are written apart.
            match high - low {
                0 => write!(f, "{low}")?,
                1 => write!(f, "{low},{high}")?,
                _ => write!(f, "{low}-{high}")?,
            }
        }
        Ok(())
    }
}

/// Whether a rule of a success policy is satisfied.
pub(super) fn satisfies(done: &Indexes, rule: &Value, completions: i64) -> bool {
    let wanted = match str_at(rule, &["succeededIndexes"]) {
        "" => None,
        text => Some(Indexes::parse(text)),
    };
    let reached = match &wanted {
        Some(wanted) => wanted.0.intersection(&done.0).count() as i64,
        None => done.len().min(completions),
    };
    match (i64_at(rule, &["succeededCount"]), &wanted) {
        (Some(count), _) => reached >= count,
        (None, Some(wanted)) => reached == wanted.len(),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["", "0", "0,1", "0-2", "0,2,4-7,9,10", "3-5"] {
            assert_eq!(Indexes::parse(text).to_string(), text);
        }
        assert_eq!(Indexes::parse("x,1-,2-y,5,9-3,0-99999999999").to_string(), "5");
    }

    #[test]
    fn success_rules() {
        let done = Indexes::parse("0,2,3");
        for (rule, satisfied) in [
            (json!({"succeededIndexes": "0,2"}), true),
            (json!({"succeededIndexes": "0,1"}), false),
            (json!({"succeededCount": 3}), true),
            (json!({"succeededCount": 4}), false),
            (json!({"succeededIndexes": "0-1", "succeededCount": 1}), true),
            (json!({"succeededIndexes": "4-5", "succeededCount": 1}), false),
            (json!({}), false),
        ] {
            assert_eq!(satisfies(&done, &rule, 5), satisfied, "{rule}");
        }
    }
}
