//! How many cases ran, and how they ended.

use std::fmt;
use std::ops::AddAssign;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Not run. A suite that is asked for by name has none: see [`Tally::strict`].
    pub(crate) ignored: usize,
}

impl Tally {
    pub(crate) fn one_passed() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    pub(crate) fn one_failed() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    pub(crate) fn case(&mut self, good: bool) {
        *self += if good { Self::one_passed() } else { Self::one_failed() };
    }

    pub(crate) fn is_good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// Counts what did not run as failed.
    pub(crate) fn strict(self) -> Self {
        Self { passed: self.passed, failed: self.failed + self.ignored, ignored: 0 }
    }

    /// Reads the line with which a Rust test program closes:
    /// `test result: ok. 6 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 14.83s`.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let mut tally = Self::default();
        for part in counts.split("; ") {
            if let Some((count, what)) = part.trim().split_once(' ')
                && let Ok(count) = count.parse()
            {
                match what {
                    "passed" => tally.passed = count,
                    "failed" => tally.failed = count,
                    "ignored" => tally.ignored = count,
                    _ => {}
                }
            }
        }
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn reads_the_closing_line_of_a_test_program() {
        let line = "test result: FAILED. 6 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 14.83s";
        let tally = Tally::of_line(line);
        let expected = Tally { passed: 6, failed: 2, ignored: 1 };
        assert_eq!(tally, Some(expected));
        assert_eq!(expected.strict().to_string(), "6 passed, 3 failed");
        assert_eq!(Tally::of_line("test a ... ok"), None);
        assert!(!Tally::default().is_good(), "nothing that ran is not a pass");
    }
}
