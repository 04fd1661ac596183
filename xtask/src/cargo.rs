//! Cargo, run with its output passed on and read along.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::tally::Tally;

/// The cargo that runs us, at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The root of the workspace.
pub(crate) fn root() -> &'static std::path::Path {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Runs a command to its end; its standard output goes to `line`, line by line. True when it succeeded.
pub(crate) fn follow(command: &mut Command, mut line: impl FnMut(&str)) -> anyhow::Result<bool> {
    let text = format!("{command:?}");
    eprintln!("running {text}");
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {text}"))?;
    if let Some(out) = child.stdout.take() {
        for read in BufReader::new(out).lines() {
            line(&read.with_context(|| format!("cannot read the output of {text}"))?);
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for {text}"))?;
    Ok(status.success())
}

/// Runs a command that ends in test programs, and counts their cases.
pub(crate) fn test(command: &mut Command) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let succeeded = follow(command, |line| {
        println!("{line}");
        if let Some(counted) = Tally::of_line(line) {
            tally += counted;
        }
    })?;
    if !succeeded && tally.failed == 0 {
        // It did not compile, or a program died without a word.
        tally += Tally::one_failed();
    }
    Ok(tally)
}
