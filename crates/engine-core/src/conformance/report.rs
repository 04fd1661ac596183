//! What a suite found, and the runner that counts its cases.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use crate::{ApiFault, Error, ErrorKind, Problems};

/// One case in which an implementation did not do what the trait promises.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The name of the case.
    pub case: &'static str,
    /// The sentence of the trait's documentation that the implementation breaks.
    pub contract: &'static str,
    /// What was seen, and what should have been.
    pub detail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; the contract says: {}", self.case, self.detail, self.contract)
    }
}

/// What a suite found.
#[must_use = "a report that nobody looks at proves nothing: call `check`"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The trait that was put to the test.
    pub suite: &'static str,
    /// The cases that hold.
    pub passed: Vec<&'static str>,
    /// The cases that do not.
    pub failed: Vec<Failure>,
}

impl Report {
    /// The number of cases when all of them hold.
    ///
    /// # Errors
    /// One problem for each case that does not, with the sentence of the contract that it breaks.
    pub fn check(self) -> Result<usize, Problems> {
        let problem = |failure: &Failure| {
            Error::new(ErrorKind::Internal, format!("{}: {}: {}", self.suite, failure.case, failure.detail))
                .help(format!("the contract says: {}", failure.contract))
        };
        Problems::check(self.failed.iter().map(problem).collect())?;
        Ok(self.passed.len())
    }

    /// Whether this very case failed: for tests that prove that a suite catches a wrong implementation.
    pub fn caught(&self, case: &str) -> bool {
        self.failed.iter().any(|failure| failure.case == case)
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.passed.extend(other.passed);
        self.failed.extend(other.failed);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} cases hold, {} do not", self.suite, self.passed.len(), self.failed.len())?;
        for failure in &self.failed {
            write!(f, "\n  {failure}")?;
        }
        Ok(())
    }
}

/// Why a case does not hold.
pub(super) struct Broken(String);

/// How a case ended.
pub(super) type Outcome = Result<(), Broken>;

/// Errors that a case did not ask for break it.
macro_rules! unexpected {
    ($($error:ty),*) => {
        $(impl From<$error> for Broken {
            fn from(error: $error) -> Self {
                Self(format!("this should have worked: {error}"))
            }
        })*
    };
}
unexpected!(Error, Problems, ApiFault);

impl From<String> for Broken {
    fn from(detail: String) -> Self {
        Self(detail)
    }
}

/// Fails a case unless `holds`.
pub(super) fn require(holds: bool, detail: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(Broken(detail())) }
}

/// Fails a case unless both are equal.
pub(super) fn same<T: PartialEq + fmt::Debug>(what: &str, found: &T, expected: &T) -> Outcome {
    require(found == expected, || format!("{what} is {}, expected {}", brief(found), brief(expected)))
}

/// Fails a case unless the operation failed with this kind of error.
pub(super) fn fails<T>(what: &str, result: Result<T, Error>, kind: ErrorKind) -> Outcome {
    match result {
        Ok(_) => Err(Broken(format!("{what} succeeded, expected {kind:?}"))),
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(Broken(format!("{what} failed with {:?} ({error}), expected {kind:?}", error.kind()))),
    }
}

/// A value for people: long ones are cut.
pub(super) fn brief(value: &impl fmt::Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(400) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Runs cases. One that panics is one that fails: it hides no other.
pub(super) struct Suite(Report);

impl Suite {
    pub(super) fn new(suite: &'static str) -> Self {
        Self(Report { suite, ..Report::default() })
    }

    pub(super) fn case(&mut self, case: &'static str, contract: &'static str, run: impl FnOnce() -> Outcome) {
        let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(panicked(&*payload)));
        self.record(case, contract, outcome);
    }

    pub(super) async fn run(
        &mut self,
        case: &'static str,
        contract: &'static str,
        run: impl Future<Output = Outcome> + Send,
    ) {
        let mut run = pin!(run);
        let outcome = std::future::poll_fn(|context| {
            catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context)))
                .unwrap_or_else(|payload| std::task::Poll::Ready(Err(panicked(&*payload))))
        });
        let outcome = outcome.await;
        self.record(case, contract, outcome);
    }

    fn record(&mut self, case: &'static str, contract: &'static str, outcome: Outcome) {
        match outcome {
            Ok(()) => self.0.passed.push(case),
            Err(Broken(detail)) => self.0.failed.push(Failure { case, contract, detail }),
        }
    }

    pub(super) fn absorb(&mut self, other: Report) {
        self.0.absorb(other);
    }

    pub(super) fn report(self) -> Report {
        self.0
    }
}

fn panicked(payload: &(dyn Any + Send)) -> Broken {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    Broken(format!("it panicked: {}", text.unwrap_or("without a text")))
}

/// The sentences of a contract that a suite quotes. A test holds each of them against the documentation of the trait.
macro_rules! contract {
    ($source:literal; $($name:ident = $sentence:literal;)*) => {
        $(const $name: &str = $sentence;)*

        #[cfg(test)]
        pub(super) const QUOTED: (&str, &[&str]) = (include_str!($source), &[$($sentence),*]);
    };
}
pub(super) use contract;
