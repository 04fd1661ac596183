//! Which reference a spec names, and what to say when there is none.

use gitops_engine_core::{Error, ErrorKind, Result, RevisionSpec};
use gix::ObjectId;

use crate::semver_range::{Range, tag_version};

/// A reference as a store reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The full name, or `HEAD`.
    pub(crate) name: String,
    /// What it points to directly; for an annotated tag the tag object.
    pub(crate) id: ObjectId,
}

/// How many names an error offers.
const SUGGESTIONS: usize = 5;

/// The full names that may answer a spec, best first; none when all tags have to be looked at.
pub(crate) fn candidates(spec: &RevisionSpec) -> Result<Vec<String>> {
    let names = match spec {
        RevisionSpec::Default => return Ok(vec!["HEAD".to_owned()]),
        RevisionSpec::Branch(name) => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
        RevisionSpec::Tag(name) => vec![format!("refs/tags/{name}")],
        RevisionSpec::Reference(name) => vec![name.clone()],
        RevisionSpec::Semver(_) => return Ok(Vec::new()),
        _ => return Err(Error::new(ErrorKind::Unsupported, format!("{spec} is not a reference"))),
    };
    for name in &names {
        let valid = gix::validate::reference::name(name.as_str().into()).is_ok();
        if !valid || !(name.starts_with("refs/") || name == "HEAD") {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{spec} is not a name that Git allows"))
                .help("name a branch, a tag, a full reference such as refs/pull/1/head, or a full commit id"));
        }
    }
    Ok(names)
}

/// The tag with the highest version in a range.
pub(crate) fn highest<'a>(range: &str, tags: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>> {
    let range = Range::parse(range)?;
    let versions = tags.filter_map(|tag| Some((tag_version(tag)?, tag)));
    let best = versions
        .filter(|(version, _)| range.contains(version))
        // `Version` orders build metadata too, so that equal versions do not depend on the order of the store.
        .max_by(|(a, a_tag), (b, b_tag)| {
            a.cmp(b).then_with(|| a_tag.len().cmp(&b_tag.len())).then_with(|| a_tag.cmp(b_tag))
        });
    Ok(best.map(|(_, tag)| tag))
}

/// The error for a spec that names nothing, with what is there and near.
pub(crate) fn not_found<'a>(spec: &RevisionSpec, store: &str, names: impl Iterator<Item = &'a str>) -> Error {
    let what = match spec {
        RevisionSpec::Default => return Error::new(ErrorKind::NotFound, format!("{store} has no commit yet")),
        RevisionSpec::Branch(name) => format!("there is no branch or tag {name:?}"),
        RevisionSpec::Tag(name) => format!("there is no tag {name:?}"),
        RevisionSpec::Reference(name) => format!("there is no reference {name:?}"),
        RevisionSpec::Semver(range) => format!("there is no tag in the range {range:?}"),
        spec => format!("there is no {spec}"),
    };
    let error = Error::new(ErrorKind::NotFound, format!("{what} in {store}"));
    match near(spec, names) {
        near if near.is_empty() => error,
        near => error.help(format!("there is {}", near.join(", "))),
    }
}

fn near<'a>(spec: &RevisionSpec, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let short = |name: &'a str| match spec {
        RevisionSpec::Branch(_) => name.strip_prefix("refs/heads/").or(name.strip_prefix("refs/tags/")),
        RevisionSpec::Tag(_) | RevisionSpec::Semver(_) => name.strip_prefix("refs/tags/"),
        _ => Some(name),
    };
    let mut names: Vec<&str> = names.filter_map(short).collect();
    if let RevisionSpec::Semver(_) = spec {
        // The highest versions say best what the range misses.
        names.sort_by_key(|tag| std::cmp::Reverse(tag_version(tag)));
    } else {
        let wanted = match spec {
            RevisionSpec::Branch(name) | RevisionSpec::Tag(name) | RevisionSpec::Reference(name) => name.as_str(),
            _ => "",
        };
        names.sort_by_cached_key(|name| (distance(wanted, name), (*name).to_owned()));
    }
    names.dedup();
    names.truncate(SUGGESTIONS);
    names.into_iter().map(str::to_owned).collect()
}

/// How many letters differ (Levenshtein), over a bounded part of both.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(100).collect(), b.chars().take(100).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn the_highest_version_wins() {
        let tags = ["v1.2.0", "v1.10.0", "1.9.0", "v2.0.0-rc.1", "v2.0.0", "other", "v1.10", "1.x"];
        for (range, tag) in [
            ("1.x", Some("v1.10.0")),
            ("^1.2, <1.10", Some("1.9.0")),
            (">=2.0.0-0 <2.0.0", Some("v2.0.0-rc.1")),
            ("*", Some("v2.0.0")),
            ("3.x", None),
        ] {
            assert_eq!(highest(range, tags.into_iter()).unwrap(), tag, "{range}");
            assert_eq!(highest(range, tags.into_iter().rev()).unwrap(), tag, "{range}");
        }
        assert!(highest("nonsense", tags.into_iter()).is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_what_is_near() {
        let names = ["refs/heads/main", "refs/heads/release-1.2", "refs/tags/v1", "refs/heads/zzz"];
        let error = not_found(&RevisionSpec::Branch("mian".into()), "repo", names.into_iter());
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            r#"there is no branch or tag "mian" in repo; there is main, v1, zzz, release-1.2"#
        );
        let error = not_found(
            &RevisionSpec::Semver("9.x".into()),
            "repo",
            ["refs/tags/v1.0.0", "refs/tags/v2.0.0"].into_iter(),
        );
        assert!(error.to_string().ends_with("there is v2.0.0, v1.0.0"), "{error}");
    }

    #[test]
    fn names_that_git_forbids_are_refused() {
        for name in ["", "a b", "a..b", "-", "/x", "a.lock", "x~1"] {
            let refused = candidates(&RevisionSpec::Branch(name.into())).is_err();
            assert_eq!(refused, name != "-", "{name:?}");
        }
        assert!(candidates(&RevisionSpec::Reference("../../etc".into())).is_err());
        assert!(candidates(&RevisionSpec::Reference("config".into())).is_err());
    }
}
