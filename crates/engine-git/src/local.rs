//! Resolving in a repository that is opened in place.

use gitops_engine_core::{Result, RevisionSpec};
use gix::ObjectId;

use crate::error::from_gix;
use crate::odb::{Repo, no_such_revision, parse_id};
use crate::refs;

/// The commit that a spec names now.
pub(crate) fn resolve(repo: &Repo, spec: &RevisionSpec) -> Result<ObjectId> {
    if let RevisionSpec::Commit(text) = spec {
        let missing = || no_such_revision(text, repo.name());
        return repo.peel(parse_id(text)?)?.ok_or_else(missing);
    }
    if let RevisionSpec::Semver(range) = spec {
        let tags = names(repo, "refs/tags/")?;
        let short = tags.iter().filter_map(|name| name.strip_prefix("refs/tags/"));
        return match refs::highest(range, short)? {
            Some(tag) => target(repo, &format!("refs/tags/{tag}"))?.ok_or_else(|| no_such_revision(tag, repo.name())),
            None => Err(refs::not_found(spec, repo.name(), tags.iter().map(String::as_str))),
        };
    }
    for name in refs::candidates(spec)? {
        if let Some(id) = target(repo, &name)? {
            return Ok(id);
        }
    }
    let names = names(repo, "refs/")?;
    Err(refs::not_found(spec, repo.name(), names.iter().map(String::as_str)))
}

/// The commit that a full reference leads to.
fn target(repo: &Repo, name: &str) -> Result<Option<ObjectId>> {
    let id = repo.with(|handle| {
        let broken = |error| from_gix(error, format!("{name} of {} cannot be read", repo.name()));
        if name == "HEAD" {
            // A branch that has no commit yet is not an error of the repository.
            let mut head = handle.head().map_err(broken)?;
            return Ok(head.try_peel_to_id().map_err(broken)?.map(gix::Id::detach));
        }
        let Some(mut reference) = handle.try_find_reference(name).map_err(broken)? else { return Ok(None) };
        // The short-name rules of Git could have found another reference.
        if reference.name().as_bstr() != name {
            return Ok(None);
        }
        Ok(Some(reference.follow_to_object().map_err(broken)?.detach()))
    })?;
    match id {
        Some(id) => repo.peel(id)?.map(Some).ok_or_else(|| no_such_revision(&id.to_string(), repo.name())),
        None => Ok(None),
    }
}

/// The full names of all references below a prefix.
fn names(repo: &Repo, prefix: &str) -> Result<Vec<String>> {
    repo.with(|handle| {
        let broken = |error| from_gix(error, format!("the references of {} cannot be read", repo.name()));
        let platform = handle.references().map_err(broken)?;
        let all = platform.all().map_err(broken)?;
        // A broken reference does not hide the others.
        let names = all.filter_map(std::result::Result::ok).map(|reference| reference.name().as_bstr().to_string());
        Ok(names.filter(|name| name.starts_with(prefix)).collect())
    })
}
