//! The directory that keeps one server's repository, and who may write to it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::{Digest, Error, ErrorKind, Result};
use parking_lot::Mutex;

use crate::GitOptions;
use crate::location::Remote;
use crate::odb::{self, Repo};
use crate::worker::Interrupt;

/// How often a waiting writer looks whether it is its turn.
const POLL: Duration = Duration::from_millis(10);

pub(crate) struct Cache {
    directory: PathBuf,
    lock: PathBuf,
    name: String,
    repo: Mutex<Option<Arc<Repo>>>,
}

/// The right to write, across processes. Given up when dropped, and by the system when the process dies.
pub(crate) struct WriteLock {
    _file: File,
}

impl Cache {
    pub(crate) fn new(remote: &Remote, options: &GitOptions) -> Result<Self> {
        let Some(cache_dir) = &options.cache_dir else {
            let message = format!("{} is on a server, and there is no directory to keep it in", remote.display);
            return Err(Error::new(ErrorKind::InvalidInput, message).help("set GitOptions::cache_dir"));
        };
        // The depth is part of the name: a store that was cut once does not show its history to one that wants all.
        let depth = options.depth.map(|depth| depth.to_string()).unwrap_or_default();
        let key = [remote.url.to_bstring().to_string(), options.partition.clone(), depth];
        let digest = Digest::of_json(&key).short();
        let readable: String =
            remote.display.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let readable = &readable[readable.len().saturating_sub(60)..];
        let readable = readable.trim_matches('-');
        let directory = cache_dir.join(format!("{readable}-{digest}.git"));
        let lock = cache_dir.join(format!("{readable}-{digest}.lock"));
        Ok(Self { directory, lock, name: remote.display.clone(), repo: Mutex::default() })
    }

    /// The repository, when there is one already.
    pub(crate) fn open(&self) -> Result<Option<Arc<Repo>>> {
        let mut repo = self.repo.lock();
        // Somebody may have emptied the cache.
        if !self.directory.join("HEAD").exists() {
            *repo = None;
            return Ok(None);
        }
        if let Some(repo) = &*repo {
            return Ok(Some(Arc::clone(repo)));
        }
        let opened = Repo::open(&self.directory, &self.name).map_err(|error| {
            let message = format!("what was kept of {} is damaged: {}", self.name, error.message());
            Error::new(ErrorKind::Corrupt, message)
                .help(format!("remove {}: it is fetched again", self.directory.display()))
        })?;
        Ok(Some(Arc::clone(repo.insert(Arc::new(opened)))))
    }

    /// The repository to write to, made when it is not there. Waits for other writers, of this process and of others.
    pub(crate) fn write(&self, interrupt: &Interrupt) -> Result<(Arc<Repo>, WriteLock)> {
        let failed = |what: &str, error: std::io::Error| {
            let kind = match error.kind() {
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    ErrorKind::PermissionDenied
                }
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, format!("the cache of {} cannot be {what}: {error}", self.name))
        };
        if let Some(parent) = self.lock.parent() {
            fs::create_dir_all(parent).map_err(|error| failed("made", error))?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.lock)
            .map_err(|error| failed("locked", error))?;
        loop {
            interrupt.check()?;
            match file.try_lock() {
                Ok(()) => break,
                // Waiting in short steps, because a thread that waits in the system cannot be interrupted.
                Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
                Err(TryLockError::Error(error)) => return Err(failed("locked", error)),
            }
        }
        let lock = WriteLock { _file: file };
        let repo = match self.open()? {
            Some(repo) => {
                sweep(&self.directory);
                repo
            }
            None => {
                self.create().map_err(|error| failed("made", error))??;
                self.open()?
                    .ok_or_else(|| Error::new(ErrorKind::Internal, format!("the cache of {} vanished", self.name)))?
            }
        };
        Ok((repo, lock))
    }

    /// Makes the repository aside and moves it into place, so that nobody sees half of one.
    fn create(&self) -> std::io::Result<Result<()>> {
        let aside = self.directory.with_extension("new");
        for old in [&aside, &self.directory] {
            match fs::remove_dir_all(old) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let options = gix::create::Options { destination_must_be_empty: Some(true), ..Default::default() };
        let made = gix::ThreadSafeRepository::init_opts(&aside, gix::create::Kind::Bare, options, odb::options());
        if let Err(error) = made {
            let message = format!("a repository for {} cannot be made", self.name);
            return Ok(Err(crate::error::from_gix(error, message)));
        }
        fs::rename(&aside, &self.directory).map(Ok)
    }
}

/// Removes what a writer left behind that was killed. Only the holder of the write lock may do this: all writers take
/// it, so nobody else's file can be in the way.
fn sweep(directory: &Path) {
    let remove = |file: &Path| {
        if let Err(error) = fs::remove_file(file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(file = %file.display(), %error, "a file that a killed writer left cannot be removed");
        }
    };
    for lock in ["shallow.lock", "packed-refs.lock", "HEAD.lock", "config.lock"] {
        remove(&directory.join(lock));
    }
    let files = |directory: PathBuf| fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    for file in files(directory.join(super::REFS)) {
        if file.extension().is_some_and(|extension| extension == "lock") {
            remove(&file);
        }
    }
    for file in files(directory.join("objects/pack")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let finished = [".pack", ".idx", ".rev", ".mtimes", ".bitmap"].iter().any(|end| name.ends_with(end));
        if !(finished && name.starts_with("pack-")) {
            remove(&file);
        }
    }
}
