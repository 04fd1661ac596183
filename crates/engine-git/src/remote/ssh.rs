//! `ssh://`: one program that the embedder allowed by name, as a pipe to the other side.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use gitops_engine_core::{Error, ErrorKind, Result};
use gix::bstr::ByteSlice;
use gix::protocol::transport::Protocol as Version;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;

use super::Transport;
use super::link::{Link, Receiver, Sender};
use crate::Ssh;
use crate::location::Remote;

/// What the program may say about its troubles, in bytes.
const COMPLAINT: usize = 4 << 10;

/// The program, ended when this is dropped, and what it complained about.
pub(crate) struct Running {
    _child: tokio::process::Child,
    complaint: Arc<Mutex<Vec<u8>>>,
    done: tokio::task::JoinHandle<()>,
}

pub(crate) fn refused(remote: &Remote) -> Error {
    Error::new(ErrorKind::Refused, format!("{} needs an ssh program, and none is allowed", remote.display))
        .help(r#"allow one with GitOptions::allow_ssh(Ssh::program("ssh")), or use an https:// URL"#)
}

pub(crate) fn connect(link: &Arc<Link>, remote: &Remote, ssh: &Ssh) -> Result<(Transport, Running), std::io::Error> {
    let mut child = command(remote, ssh)
        .and_then(|mut command| {
            command.spawn().map_err(|error| {
                let message = format!("the ssh program {} cannot be started: {error}", ssh.program.display());
                Error::new(ErrorKind::NotFound, message).help("name it by its full path in GitOptions::allow_ssh")
            })
        })
        .map_err(|error| link.fail(error))?;
    let (Some(receive), Some(send), Some(mut errors)) = (child.stdout.take(), child.stdin.take(), child.stderr.take())
    else {
        return Err(link.fail(Error::new(ErrorKind::Internal, "the ssh program has no pipes")));
    };
    let complaint = Arc::new(Mutex::new(Vec::new()));
    let said = Arc::clone(&complaint);
    let done = tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok(bytes @ 1..) = errors.read(&mut buffer).await {
            let mut said = said.lock();
            let room = COMPLAINT.saturating_sub(said.len()).min(bytes);
            said.extend_from_slice(&buffer[..room]);
        }
    });
    let transport = Connection::new(
        Receiver { inner: receive, link: Arc::clone(link) },
        Sender { inner: send, link: Arc::clone(link) },
        Version::V2,
        remote.url.path.clone(),
        None::<(String, Option<u16>)>,
        ConnectMode::Process,
        false,
    );
    Ok((Box::new(transport), Running { _child: child, complaint, done }))
}

fn command(remote: &Remote, ssh: &Ssh) -> Result<tokio::process::Command> {
    let unsafe_part = |what: &str| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("the {what} in {} looks like an option of a program", remote.display),
        )
    };
    let host = remote.url.host_argument_safe().ok_or_else(|| unsafe_part("host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let user = match remote.url.user() {
        Some(_) => Some(remote.url.user_argument_safe().ok_or_else(|| unsafe_part("user"))?),
        None => None,
    };
    let path = gix::url::expand_path::for_shell(remote.url.path.clone());
    if path.trim().starts_with(b"-") {
        return Err(unsafe_part("path"));
    }
    let mut command = tokio::process::Command::new(find(&ssh.program)?);
    command.env_clear().envs(ssh.environment.iter().map(|(name, value)| (name, value)));
    command.env("GIT_PROTOCOL", "version=2");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "SendEnv=GIT_PROTOCOL", "-T"]);
    if let Some(file) = &ssh.known_hosts {
        command.arg("-o").arg(option("UserKnownHostsFile", file)).args(["-o", "StrictHostKeyChecking=yes"]);
    }
    if let Some(file) = &ssh.identity {
        command.arg("-i").arg(file).args(["-o", "IdentitiesOnly=yes"]);
    }
    command.args(&ssh.arguments);
    if let Some(port) = remote.url.port {
        command.arg("-p").arg(port.to_string());
    }
    let destination = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    let quoted = gix::quote::single(path.as_ref()).to_str_lossy().into_owned();
    command.arg("--").arg(destination).arg(format!("git-upload-pack {quoted}"));
    Ok(command)
}

/// ssh splits the value of an option at spaces unless it is quoted.
fn option(name: &str, file: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(format!("{name}=\""));
    option.push(file);
    option.push("\"");
    option
}

/// The program itself gets no `PATH`, so a bare name is looked up here.
fn find(program: &Path) -> Result<PathBuf> {
    if program.components().count() > 1 {
        return Ok(program.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file()).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("there is no program {} in PATH", program.display()))
            .help("name it by its full path in GitOptions::allow_ssh")
    })
}

impl Running {
    /// Why the other side closed, as far as the program said so.
    pub(crate) fn explain(self, link: &Link) -> Option<Error> {
        // What it said arrives before it ends; a program that lives on has nothing to explain.
        let _ = link.wait_for(std::time::Duration::from_secs(1), async {
            self.done.await.ok();
            Ok(())
        });
        link.take_fault();
        let said = self.complaint.lock().to_str_lossy().into_owned();
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.last()?;
        let has = |needles: &[&str]| needles.iter().any(|needle| said.to_lowercase().contains(needle));
        let kind = if has(&["permission denied", "authentication fail", "too many authentication"]) {
            ErrorKind::Unauthenticated
        } else if has(&["host key verification failed", "host identification has changed"]) {
            ErrorKind::PermissionDenied
        } else if has(&[
            "could not resolve",
            "connection refused",
            "no route to host",
            "timed out",
            "connection closed",
        ]) {
            ErrorKind::Unavailable
        } else if has(&["not a git repository", "not appear to be a git", "not found", "no such"]) {
            ErrorKind::NotFound
        } else {
            ErrorKind::Unavailable
        };
        Some(Error::new(kind, format!("{} cannot be read over ssh: {}", link.name(), lines.first().unwrap_or(last))))
    }
}
