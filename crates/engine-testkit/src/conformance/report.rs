//! What a run of the suite found.

use std::{fmt, time::Duration};

use super::{Difference, Failure};

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not.
    Failed(Failure),
    /// It does not, which the list of differences says, with this reason.
    Differs(&'static str),
    /// It did not run, for this reason.
    Skipped(&'static str),
}

/// One case and how it ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaseReport {
    /// `area/what_holds`.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took, on tokio's clock.
    pub took: Duration,
}

/// What a run of the suite found, in the order of the cases.
#[derive(Debug, Clone)]
#[must_use]
pub struct Report {
    pub(super) cases: Vec<CaseReport>,
    pub(super) differences: &'static [Difference],
}

impl Report {
    /// Each case that was asked for.
    #[must_use]
    pub fn cases(&self) -> &[CaseReport] {
        &self.cases
    }

    /// How many hold.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.cases.iter().filter(|c| c.verdict == Verdict::Passed).count()
    }

    /// How many do not, without those that are listed as differences.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failures().count()
    }

    /// How many did not run.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.cases.iter().filter(|c| matches!(c.verdict, Verdict::Skipped(_))).count()
    }

    /// Those that do not hold, without those that are listed as differences.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &Failure)> {
        self.cases.iter().filter_map(|c| match &c.verdict {
            Verdict::Failed(failure) => Some((c.name, failure)),
            _ => None,
        })
    }

    /// Whether something ran and nothing failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.passed() > 0 && self.failed() == 0
    }
}

/// Every failure, the differences, and as the last line the counts: `N passed, N failed`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, failure) in self.failures() {
            writeln!(f, "FAILED {name}\n{failure}\n")?;
        }
        for case in &self.cases {
            match case.verdict {
                Verdict::Differs(reason) => writeln!(f, "differs {}: {reason}", case.name)?,
                Verdict::Skipped(reason) => writeln!(f, "skipped {}: {reason}", case.name)?,
                Verdict::Passed | Verdict::Failed(_) => {}
            }
        }
        for difference in self.differences {
            if !self.cases.iter().any(|c| c.name == difference.what) {
                writeln!(f, "differs {}: {}", difference.what, difference.reason)?;
            }
        }
        write!(f, "{} passed, {} failed", self.passed(), self.failed())
    }
}
