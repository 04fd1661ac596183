//! Why a case does not hold.

use std::fmt;

/// What a case ends with.
pub type Outcome = Result<(), Failure>;

/// Bodies are cut to this many bytes in the text of a failure.
const SHOWN: usize = 3_000;

/// What was sent, what came back, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    sent: Option<String>,
    came: Option<String>,
    expected: String,
}

impl Failure {
    /// A failure that concerns no single request.
    #[must_use]
    pub fn new(expected: impl Into<String>) -> Self {
        Self { sent: None, came: None, expected: expected.into() }
    }

    /// The request that it is about.
    #[must_use]
    pub fn sent(mut self, request: impl Into<String>) -> Self {
        self.sent = Some(request.into());
        self
    }

    /// What came back, which is shown up to some thousand bytes.
    #[must_use]
    pub fn came(mut self, answer: impl Into<String>) -> Self {
        self.came = Some(shortened(answer.into()));
        self
    }
}

/// Text cut to what a person still reads.
pub(super) fn shortened(mut text: String) -> String {
    if text.len() > SHOWN {
        let all = text.len();
        let mut end = SHOWN;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(&format!("… ({all} bytes)"));
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected: {}", self.expected)?;
        if let Some(sent) = &self.sent {
            write!(f, "\n    sent: {sent}")?;
        }
        if let Some(came) = &self.came {
            write!(f, "\n    came: {came}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
