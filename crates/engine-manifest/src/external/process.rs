//! One bounded child process.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use gitops_engine_core::{Error, ErrorKind};

use super::{ProcessLimits, Program};
use crate::blocking::Cancel;

/// How much of what a program says on standard error is kept, from the end.
const LAST_WORDS: usize = 4096;

/// How often a running child is looked after for cancellation.
const TICK: Duration = Duration::from_millis(20);

/// What to start.
pub(super) struct Invocation<'a> {
    pub program: Program,
    pub path: &'a Path,
    pub arguments: Vec<String>,
    /// Where it runs.
    pub directory: &'a Path,
    /// Its home and place for temporary files: empty, private, and removed afterwards.
    pub home: &'a Path,
}

enum Report {
    /// Standard output ended. `None` when it was too long.
    Output(std::io::Result<Option<Vec<u8>>>),
    Errors(Vec<u8>),
    Exited,
}

impl Invocation<'_> {
    /// Runs it to its end and returns what it printed.
    pub(super) fn run(&self, limits: &ProcessLimits, cancel: &Cancel) -> Result<Vec<u8>, Error> {
        cancel.check()?;
        let deadline = Instant::now() + limits.time;
        let mut command = Command::new(self.path);
        command
            .args(&self.arguments)
            .current_dir(self.directory)
            .env_clear()
            .env("HOME", self.home)
            .env("TMPDIR", self.home)
            // Makes Go's collector work harder instead of running into the bound.
            .env("GOMEMLIMIT", (limits.memory_bytes / 4 * 3).to_string())
            // Nothing listens there. Not a wall, but what a program fetches by mistake fails at once.
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group = Group::spawn(&mut command).map_err(|error| self.failed_to_start(error))?;
        group.bound_memory(limits.memory_bytes).map_err(|error| self.failed_to_start(error))?;
        tracing::debug!(program = %self.program, "started a program");

        let (sender, reports) = channel();
        group.listen(limits.output_bytes, &sender).map_err(|error| self.failed_to_start(error))?;
        drop(sender);
        self.follow(group, &reports, deadline, limits, cancel)
    }

    fn follow(
        &self,
        mut group: Group,
        reports: &Receiver<Report>,
        deadline: Instant,
        limits: &ProcessLimits,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, Error> {
        let (mut output, mut errors): (Option<Vec<u8>>, Option<Vec<u8>>) = (None, None);
        let mut status = None;
        loop {
            if let (Some(output), Some(errors), Some(status)) = (&mut output, &errors, &status) {
                return self.judge(*status, std::mem::take(output), errors);
            }
            cancel.check()?;
            let now = Instant::now();
            if now >= deadline {
                let message =
                    format!("{} took longer than the {:?} allowed, and was killed", self.program, limits.time);
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            match reports.recv_timeout(TICK.min(deadline - now)) {
                Ok(Report::Output(Ok(Some(bytes)))) => output = Some(bytes),
                Ok(Report::Output(Ok(None))) => {
                    let message = format!(
                        "{} printed more than the {} bytes allowed, and was killed",
                        self.program, limits.output_bytes
                    );
                    return Err(Error::new(ErrorKind::LimitExceeded, message));
                }
                Ok(Report::Output(Err(error))) => {
                    let message = format!("the output of {} cannot be read", self.program);
                    return Err(Error::new(ErrorKind::Internal, message).caused_by(error));
                }
                Ok(Report::Errors(bytes)) => errors = Some(bytes),
                Ok(Report::Exited) => status = Some(group.finish().map_err(|error| self.failed_to_start(error))?),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let message = format!("the threads that watch {} ended early", self.program);
                    return Err(Error::new(ErrorKind::Internal, message));
                }
            }
        }
    }

    fn judge(&self, status: ExitStatus, output: Vec<u8>, errors: &[u8]) -> Result<Vec<u8>, Error> {
        if status.success() {
            return Ok(output);
        }
        let said = last_words(errors);
        let said = if said.is_empty() { "it said nothing".to_owned() } else { format!("it said: {said}") };
        Err(Error::new(ErrorKind::InvalidInput, format!("{} failed ({status}); {said}", self.program)))
    }

    fn failed_to_start(&self, error: std::io::Error) -> Error {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            std::io::ErrorKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Internal,
        };
        let message = format!("{} cannot be run from {}: {error}", self.program, self.path.display());
        Error::new(kind, message).help("correct the path that was allowed").caused_by(error)
    }
}

/// The end of what was said, on one line for each of its lines, without control characters.
fn last_words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    text.trim().to_owned()
}

/// Reads all, keeps the end.
fn read_errors(mut from: impl Read) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), [0; LAST_WORDS]);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        kept.drain(..kept.len().saturating_sub(LAST_WORDS));
    }
    kept
}

fn read_output(from: impl Read, limit: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// A child and all that it starts. Dropping it kills them.
struct Group {
    child: Child,
    reaped: bool,
}

impl Group {
    /// Starts three threads that report.
    fn listen(&mut self, output_bytes: usize, sender: &Sender<Report>) -> std::io::Result<()> {
        let (output, errors) = (self.child.stdout.take(), self.child.stderr.take());
        let id = self.child.id();
        report("output", sender, move || {
            Report::Output(output.map_or(Ok(None), |output| read_output(output, output_bytes)))
        })?;
        report("errors", sender, move || Report::Errors(errors.map(read_errors).unwrap_or_default()))?;
        report("exit", sender, move || {
            await_exit(id);
            Report::Exited
        })
    }
}

fn report(name: &str, sender: &Sender<Report>, work: impl FnOnce() -> Report + Send + 'static) -> std::io::Result<()> {
    let sender = sender.clone();
    // The receiver is gone once nobody is interested any more.
    thread::Builder::new().name(format!("program-{name}")).spawn(move || drop(sender.send(work())))?;
    Ok(())
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            // It was killed: this returns at once.
            let _ = self.child.wait();
        }
    }
}

#[cfg(unix)]
impl Group {
    fn spawn(command: &mut Command) -> std::io::Result<Self> {
        use std::os::unix::process::CommandExt;
        Ok(Self { child: command.process_group(0).spawn()?, reaped: false })
    }

    /// To be called once the child has ended: kills what it left behind, then reaps it. In this order, because its id
    /// names the group only until then.
    fn finish(&mut self) -> std::io::Result<ExitStatus> {
        self.kill();
        let status = self.child.wait();
        self.reaped = true;
        status
    }

    fn kill(&self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        // The only errors are that all have ended already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }

    #[cfg(target_os = "linux")]
    fn bound_memory(&self, bytes: u64) -> std::io::Result<()> {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let pid = Some(Pid::from_child(&self.child));
        for (resource, bound) in [(Resource::Data, bytes), (Resource::Core, 0)] {
            match prlimit(pid, resource, Rlimit { current: Some(bound), maximum: Some(bound) }) {
                // It has ended already.
                Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn bound_memory(&self, _bytes: u64) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits until the child has ended, and leaves it to be reaped.
#[cfg(unix)]
fn await_exit(id: u32) {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
    // Any other error than an interruption says that it is not there any more.
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
}

#[cfg(not(unix))]
impl Group {
    fn spawn(_command: &mut Command) -> std::io::Result<Self> {
        // Without process groups there is no telling what a program leaves behind.
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "programs are run on Unix only"))
    }

    fn finish(&mut self) -> std::io::Result<ExitStatus> {
        self.reaped = true;
        self.child.wait()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
    }

    fn bound_memory(&self, _bytes: u64) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(not(unix))]
fn await_exit(_id: u32) {}
