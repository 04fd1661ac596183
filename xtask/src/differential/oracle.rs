//! The peers' program, and the pipe to it.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// The running program. It ends with its input, when this is dropped.
pub(super) struct Oracle {
    child: Child,
    // Taken only by `drop`.
    questions: Option<BufWriter<ChildStdin>>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    pub(super) fn start(program: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{} has no pipes", program.display());
        };
        Ok(Self { child, questions: Some(BufWriter::new(questions)), answers: BufReader::new(answers) })
    }

    /// The answers, in the order of the questions.
    pub(super) fn ask(&mut self, about: &str, questions: &[Value]) -> anyhow::Result<Vec<Value>> {
        let Some(pipe) = &mut self.questions else { bail!("the oracle has been ended") };
        let answers = &mut self.answers;
        // Written by a thread of its own: the program may wait for us to take an answer before it takes a question.
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || -> std::io::Result<()> {
                for question in questions {
                    serde_json::to_writer(&mut *pipe, &json!({"about": about, "question": question}))?;
                    pipe.write_all(b"\n")?;
                }
                pipe.flush()
            });
            let mut read = Vec::with_capacity(questions.len());
            let mut line = String::new();
            for question in questions {
                line.clear();
                let length = answers.read_line(&mut line).context("cannot read an answer of the oracle")?;
                if length == 0 {
                    bail!("the oracle ended at {about} question {question}");
                }
                read.push(serde_json::from_str(&line).with_context(|| format!("the oracle says {line}"))?);
            }
            match writer.join() {
                Ok(written) => written.context("cannot ask the oracle")?,
                Err(_) => bail!("the writer of questions panicked"),
            }
            Ok(read)
        })
    }

    pub(super) fn ask_one(&mut self, about: &str, question: &Value) -> anyhow::Result<Value> {
        let mut answers = self.ask(about, std::slice::from_ref(question))?;
        answers.pop().context("the oracle gave no answer")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.questions.take());
        let _ = self.child.wait();
    }
}
