//! One component as a child that cannot outlive this process.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::ControlPlaneError;

/// A program under the guard: when this value is dropped, or this process ends in whatever way,
/// the guard's standard input closes and it kills the program. See `guard.sh`.
#[derive(Debug)]
pub(super) struct Component {
    name: &'static str,
    guard: Child,
    log: PathBuf,
}

impl Component {
    /// Starts `program`, logging into `folder`, with no environment but a home folder of its own.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        args: &[String],
        folder: &Path,
    ) -> Result<Self, ControlPlaneError> {
        let log = folder.join(format!("{name}.log"));
        let create = || {
            let out = File::create(&log)?;
            Ok((out.try_clone()?, out))
        };
        let (out, err) = create().map_err(ControlPlaneError::io(format!("create {}", log.display())))?;
        let guard = Command::new("/bin/sh")
            .arg("-c")
            .arg(include_str!("guard.sh"))
            .arg("guard")
            .arg(folder)
            .arg(program)
            .args(args)
            .env_clear()
            // Nothing of the person's own, neither settings nor credentials, gets in.
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            // A Ctrl-C at the terminal is for the owner, who ends its components in its own time.
            .process_group(0)
            .spawn()
            .map_err(ControlPlaneError::io(format!("start {}", program.display())))?;
        Ok(Self { name, guard, log })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ControlPlaneError> {
        let status = self.guard.try_wait().ok().flatten()?;
        Some(ControlPlaneError::Exited {
            component: self.name.to_owned(),
            status: status.to_string(),
            log: self.log_end(),
        })
    }

    pub(super) fn log_end(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&log), 15)
    }

    /// Tells the guard to kill the program; `drop` then waits for it.
    fn release(&mut self) {
        drop(self.guard.stdin.take());
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        self.release();
        // Bounded: the guard's next act is SIGKILL, which no program can refuse.
        if let Err(error) = self.guard.wait() {
            tracing::warn!(component = self.name, %error, "cannot wait for a component of the control plane");
        }
    }
}

/// Ends all of them at once, which takes no longer than ending one.
pub(super) fn end(components: &mut Vec<Component>) {
    for component in components.iter_mut() {
        component.release();
    }
    components.clear();
}

pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
