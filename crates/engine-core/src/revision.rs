//! Versions of the desired state: what a user asks for, and the immutable thing that it names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::identity::text_newtype;

text_newtype! {
    /// An immutable version of a state store: for Git the full id of a commit, in hex.
    Revision
}

impl Revision {
    /// The first 12 characters, for people.
    pub fn short(&self) -> &str {
        self.as_str().get(..12).unwrap_or(self.as_str())
    }
}

/// What a user asks to follow. Resolved to a [`Revision`] on each pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RevisionSpec {
    /// The default branch of the store (Git: `HEAD` of the remote).
    #[default]
    Default,
    /// A branch, by its short name.
    Branch(String),
    /// A tag, by its short name. An annotated tag is followed to its commit.
    Tag(String),
    /// A full reference, such as `refs/pull/420/head`.
    Reference(String),
    /// A commit, by its full id.
    Commit(String),
    /// The highest tag that satisfies a range of [semantic versions](https://semver.org), such as `>=1.2, <2` or `1.x`.
    /// A leading `v` of a tag is ignored; pre-releases match only when the range names one.
    Semver(String),
}

impl RevisionSpec {
    /// Reads what people type: empty or `HEAD` is the default branch, 40 or 64 hex digits are a commit, `refs/…` is a
    /// full reference, `semver:RANGE` is a range of versions, `tag:NAME` is a tag; all else is a branch or tag by its
    /// short name, left to the store as [`RevisionSpec::Branch`], which looks for a tag where there is no such branch.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() || text == "HEAD" {
            return Self::Default;
        }
        if let Some(range) = text.strip_prefix("semver:") {
            return Self::Semver(range.trim().to_owned());
        }
        if let Some(tag) = text.strip_prefix("tag:") {
            return Self::Tag(tag.to_owned());
        }
        if text.starts_with("refs/") {
            return Self::Reference(text.to_owned());
        }
        if matches!(text.len(), 40 | 64) && text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Self::Commit(text.to_ascii_lowercase());
        }
        Self::Branch(text.to_owned())
    }
}

impl fmt::Display for RevisionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("HEAD"),
            Self::Branch(name) | Self::Reference(name) | Self::Commit(name) => f.write_str(name),
            Self::Tag(name) => write!(f, "tag:{name}"),
            Self::Semver(range) => write!(f, "semver:{range}"),
        }
    }
}

/// One version in the history of a state store: who, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CommitInfo {
    /// The version.
    pub revision: Revision,
    /// Its parents.
    pub parents: Vec<Revision>,
    /// Who wrote it, as `Name <email>`.
    pub author: String,
    /// When it was committed (Git: the committer's time, which a rebase renews).
    pub time: Timestamp,
    /// The whole message.
    pub message: String,
}

impl CommitInfo {
    /// A version with its description.
    pub fn new(revision: Revision, parents: Vec<Revision>, author: String, time: Timestamp, message: String) -> Self {
        Self { revision, parents, author, time, message }
    }

    /// The first line of the message.
    pub fn title(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_read_what_people_type() {
        let commit = "0123456789abcdef0123456789ABCDEF01234567";
        for (text, spec) in [
            ("", RevisionSpec::Default),
            ("HEAD", RevisionSpec::Default),
            ("main", RevisionSpec::Branch("main".into())),
            ("refs/pull/1/head", RevisionSpec::Reference("refs/pull/1/head".into())),
            ("semver: >=1.2", RevisionSpec::Semver(">=1.2".into())),
            ("tag:v1", RevisionSpec::Tag("v1".into())),
            (commit, RevisionSpec::Commit(commit.to_lowercase())),
        ] {
            assert_eq!(RevisionSpec::parse(text), spec);
        }
    }
}
