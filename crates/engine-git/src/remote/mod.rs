//! Repositories on servers: a conversation with one, and what is kept of it.

mod cache;
mod http;
mod link;
mod repack;
mod session;
mod ssh;
mod tcp;

use std::sync::{Arc, OnceLock};

use gitops_engine_core::{Error, ErrorKind, Result, RevisionSpec};
use gix::ObjectId;

use self::cache::{Cache, WriteLock};
use self::session::Session;
use crate::location::{Protocol, Remote};
use crate::odb::{Repo, no_such_revision, parse_id};
use crate::refs::{self, Reference};
use crate::worker::Interrupt;
use crate::{CredentialRequest, Credentials, GitOptions};

pub(crate) type Transport = Box<dyn gix::protocol::transport::client::blocking_io::Transport + Send>;

/// Where fetched commits are kept from being collected as garbage.
const REFS: &str = "refs/engine";

/// A repository on a server, with its copy on this machine.
pub(crate) struct RemoteStore {
    remote: Remote,
    options: GitOptions,
    authorities: Vec<reqwest::Certificate>,
    client: OnceLock<reqwest::Client>,
    cache: Cache,
}

impl RemoteStore {
    pub(crate) fn new(remote: Remote, options: GitOptions) -> Result<Self> {
        let cache = Cache::new(&remote, &options)?;
        let authorities = http::authorities(&options)?;
        if remote.protocol == Protocol::Ssh && options.ssh.is_none() {
            return Err(ssh::refused(&remote));
        }
        Ok(Self { remote, options, authorities, client: OnceLock::new(), cache })
    }

    fn speaks_http(&self) -> bool {
        matches!(self.remote.protocol, Protocol::Http | Protocol::Https)
    }

    /// Made when it is first needed, on a thread for blocking work.
    fn client(&self) -> Result<Option<&reqwest::Client>> {
        if !self.speaks_http() {
            return Ok(None);
        }
        if let Some(client) = self.client.get() {
            return Ok(Some(client));
        }
        let client = http::client(self.remote.protocol, &self.options, &self.authorities)?;
        Ok(Some(self.client.get_or_init(|| client)))
    }

    /// The credentials to begin with, or others after these were refused.
    pub(crate) async fn credentials(&self, rejected: bool) -> Result<Option<Credentials>> {
        if !self.speaks_http() {
            return Ok(None);
        }
        match &self.options.credentials {
            Some(source) => source.credentials(&CredentialRequest { url: self.remote.display.clone(), rejected }).await,
            None => Ok(self.remote.userinfo.clone().map(|(user, password)| Credentials::basic(user, password))),
        }
    }

    /// The commit that a spec names on the server now. It is here when this returns.
    pub(crate) fn resolve(
        &self,
        spec: &RevisionSpec,
        credentials: Option<&Credentials>,
        interrupt: &Arc<Interrupt>,
    ) -> Result<ObjectId> {
        if let RevisionSpec::Commit(text) = spec {
            let (repo, id) = self.ensure(parse_id(text)?, credentials, interrupt)?;
            return repo.peel(id)?.ok_or_else(|| no_such_revision(text, repo.name()));
        }
        let names = refs::candidates(spec)?;
        let mut session = self.connect(credentials, interrupt)?;
        let prefixes = if names.is_empty() { vec!["refs/tags/".to_owned()] } else { names.clone() };
        let found = session.list(&prefixes)?;
        let Some(reference) = select(spec, &names, &found)? else {
            return Err(self.not_found(spec, &mut session));
        };
        if let Some(repo) = self.cache.open()?
            && repo.with(|repo| repo.has_object(reference.id))
            && let Some(commit) = repo.peel(reference.id)?
        {
            session.close();
            return Ok(commit);
        }
        let (repo, lock) = self.cache.write(interrupt)?;
        // Whoever held the lock before may have fetched the same.
        if repo.peel(reference.id)?.is_none() {
            session.fetch(&repo, &[(reference.id, tracking_ref(&reference.name))], self.options.depth, interrupt)?;
        }
        session.close();
        self.tidy(&repo, &lock, interrupt);
        repo.peel(reference.id)?.ok_or_else(|| incomplete(&self.remote, reference.id))
    }

    /// The copy on this machine, with a commit in it: fetched by its id when it is not there yet.
    pub(crate) fn ensure(
        &self,
        id: ObjectId,
        credentials: Option<&Credentials>,
        interrupt: &Arc<Interrupt>,
    ) -> Result<(Arc<Repo>, ObjectId)> {
        if let Some(repo) = self.cache.open()?
            && let Some(commit) = repo.peel(id)?
        {
            return Ok((repo, commit));
        }
        let mut session = self.connect(credentials, interrupt)?;
        let (repo, lock) = self.cache.write(interrupt)?;
        if let Some(commit) = repo.peel(id)? {
            session.close();
            return Ok((repo, commit));
        }
        let wanted = [(id, format!("{REFS}/{id}"))];
        match session.fetch(&repo, &wanted, self.options.depth, interrupt) {
            Ok(()) => session.close(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // The server gives only what its references name: fetch all of them, with all of their history.
                tracing::debug!(repository = self.remote.display, commit = %id, "not given by id, fetching everything");
                let mut session = self.connect(credentials, interrupt)?;
                let everything = session.list(&["refs/heads/".to_owned(), "refs/tags/".to_owned()])?;
                let wanted: Vec<_> =
                    everything.iter().map(|reference| (reference.id, tracking_ref(&reference.name))).collect();
                session.fetch(&repo, &wanted, None, interrupt)?;
                session.close();
                if !repo.with(|repo| repo.has_object(id)) {
                    return Err(no_such_revision(&id.to_string(), &self.remote.display));
                }
                // Its branch may move on: give the commit a reference of its own.
                session::keep(&repo, &wanted_one(id))?;
            }
            Err(error) => return Err(error),
        }
        self.tidy(&repo, &lock, interrupt);
        let commit = repo.peel(id)?.ok_or_else(|| incomplete(&self.remote, id))?;
        Ok((repo, commit))
    }

    /// What was fetched is good whether or not this works, so a failure is told to the log only.
    fn tidy(&self, repo: &Repo, lock: &WriteLock, interrupt: &Interrupt) {
        if let Err(error) = repack::repack(repo, lock, interrupt) {
            tracing::warn!(repository = self.remote.display, %error, "the packs could not be made one");
        }
    }

    fn connect(&self, credentials: Option<&Credentials>, interrupt: &Arc<Interrupt>) -> Result<Session> {
        Session::connect(&self.remote, &self.options, self.client()?, credentials, interrupt)
    }

    fn not_found(&self, spec: &RevisionSpec, session: &mut Session) -> Error {
        // A second question only on the way to an error, to name what is near.
        let prefixes = match spec {
            RevisionSpec::Default => Vec::new(),
            RevisionSpec::Tag(_) | RevisionSpec::Semver(_) => vec!["refs/tags/".to_owned()],
            RevisionSpec::Reference(_) => vec!["refs/".to_owned()],
            _ => vec!["refs/heads/".to_owned(), "refs/tags/".to_owned()],
        };
        let all = if prefixes.is_empty() { Vec::new() } else { session.list(&prefixes).unwrap_or_default() };
        refs::not_found(spec, &self.remote.display, all.iter().map(|reference| reference.name.as_str()))
    }
}

fn wanted_one(id: ObjectId) -> [(ObjectId, String); 1] {
    [(id, format!("{REFS}/{id}"))]
}

/// The reference that answers a spec.
fn select<'a>(spec: &RevisionSpec, names: &[String], found: &'a [Reference]) -> Result<Option<&'a Reference>> {
    if let RevisionSpec::Semver(range) = spec {
        let tags = found.iter().filter_map(|reference| reference.name.strip_prefix("refs/tags/"));
        let best = refs::highest(range, tags)?;
        return Ok(
            best.and_then(|tag| found.iter().find(|reference| reference.name.strip_prefix("refs/tags/") == Some(tag)))
        );
    }
    Ok(names.iter().find_map(|name| found.iter().find(|reference| &reference.name == name)))
}

/// The reference of ours that follows one of the server. One flat name for each, so that a branch `a` that became `a/b`
/// is not in its own way.
fn tracking_ref(name: &str) -> String {
    let flat = name.replace('%', "%25").replace('/', "%2F");
    // A name of a file may have 255 bytes, with `.lock` behind it.
    if flat.len() > 200 {
        format!("{REFS}/long-{}", gitops_engine_core::Digest::of(name.as_bytes()))
    } else {
        format!("{REFS}/{flat}")
    }
}

fn incomplete(remote: &Remote, id: ObjectId) -> Error {
    Error::new(ErrorKind::Internal, format!("{} sent a pack without {id}, which it offered", remote.display))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracking_refs_do_not_stand_in_each_others_way() {
        assert_eq!(tracking_ref("refs/heads/a"), "refs/engine/refs%2Fheads%2Fa");
        assert_eq!(tracking_ref("refs/heads/a%2Fb"), "refs/engine/refs%2Fheads%2Fa%252Fb");
        assert_eq!(tracking_ref("HEAD"), "refs/engine/HEAD");
        let long = tracking_ref(&format!("refs/heads/{}", "x".repeat(250)));
        assert!(long.len() < 100, "{long}");
        for name in ["refs/heads/a/b", "HEAD", &long] {
            assert!(gix::validate::reference::name(tracking_ref(name).as_str().into()).is_ok(), "{name}");
        }
    }
}
