//! Ranges of semantic versions in the spelling that Argo CD and Flux users know.
//!
//! The rules are those of [Masterminds/semver](https://github.com/Masterminds/semver#checking-version-constraints),
//! which Argo CD, Flux and Helm share: comparators joined by comma or space all hold, `||` separates alternatives, `x`,
//! `X` and `*` are wildcards, `1.2 - 2.3` is a range with both ends, `~1.2` allows patches, `^1.2` allows minors.

use std::cmp::Ordering;

use gitops_engine_core::{Error, ErrorKind, Result};
use semver::{Prerelease, Version};

/// A range of versions.
#[derive(Clone, Debug)]
pub(crate) struct Range(Vec<Vec<Comparator>>);

/// `from <= version < below`, or not.
#[derive(Clone, Debug)]
struct Comparator {
    from: Option<Version>,
    /// A bound that itself belongs to the range (`<=1.2.3`) or not.
    to: Option<(Version, Ordering)>,
    negated: bool,
    names_prerelease: bool,
}

/// `1`, `1.2`, `1.2.3-rc.1`, `1.x`, `*`: how much of it was given.
struct Partial {
    major: Option<u64>,
    minor: Option<u64>,
    patch: Option<u64>,
    pre: Prerelease,
}

impl Range {
    /// Reads a range.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let bad = |why: String| {
            Error::new(ErrorKind::InvalidInput, format!("{text:?} is not a range of semantic versions: {why}"))
                .help("examples: 1.x, ~1.2, ^1.2.3, >=1.2 <2, 1.2 - 1.5, >=1.2.0-0 || 3.x")
        };
        let mut groups = Vec::new();
        for group in text.split("||") {
            groups.push(parse_group(group).map_err(bad)?);
        }
        Ok(Self(groups))
    }

    /// Whether a version is in the range. A pre-release is only where the same alternative names one.
    pub(crate) fn contains(&self, version: &Version) -> bool {
        self.0.iter().any(|group| {
            (version.pre.is_empty() || group.iter().any(|comparator| comparator.names_prerelease))
                && group.iter().all(|comparator| comparator.contains(version))
        })
    }
}

impl Comparator {
    fn contains(&self, version: &Version) -> bool {
        let inside = self.from.as_ref().is_none_or(|from| version.cmp_precedence(from) != Ordering::Less)
            && self.to.as_ref().is_none_or(|(to, most)| {
                let order = version.cmp_precedence(to);
                order == Ordering::Less || order == *most
            });
        inside != self.negated
    }
}

fn parse_group(text: &str) -> Result<Vec<Comparator>, String> {
    let mut comparators = Vec::new();
    let mut words = text.split([',', ' ', '\t']).map(str::trim).filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let (operator, mut version) = split_operator(word);
        if version.is_empty() {
            version = words.next().ok_or_else(|| format!("{operator:?} stands alone"))?;
        }
        if operator.is_empty() && words.peek() == Some(&"-") {
            words.next();
            let end = words.next().ok_or("the range has no end")?;
            comparators.push(comparator(">=", &Partial::parse(version)?)?);
            comparators.push(comparator("<=", &Partial::parse(end)?)?);
            continue;
        }
        comparators.push(comparator(operator, &Partial::parse(version)?)?);
    }
    if comparators.is_empty() {
        return Err("there is nothing to compare with".to_owned());
    }
    Ok(comparators)
}

fn split_operator(word: &str) -> (&str, &str) {
    let end = word.find(|c: char| !"=!<>~^".contains(c)).unwrap_or(word.len());
    word.split_at(end)
}

fn comparator(operator: &str, partial: &Partial) -> Result<Comparator, String> {
    let low = partial.low();
    let above = |version: Option<Version>| version.map(|version| (version, Ordering::Less));
    let (from, to, negated) = match operator {
        "" | "=" => (Some(low), partial.end(), false),
        "!=" => (Some(low), partial.end(), true),
        // Past `1.x` is from 2; past `1.2.3` is everything but it.
        ">" => match partial.end() {
            Some((end, Ordering::Less)) => (Some(end), None, false),
            Some(end) => (None, Some(end), true),
            None => return Err("nothing is greater than every version".to_owned()),
        },
        ">=" | "=>" => (Some(low), None, false),
        "<" => (None, Some((low, Ordering::Less)), false),
        "<=" | "=<" => (None, partial.end(), false),
        "~" | "~>" => match (partial.major, partial.minor) {
            (Some(major), Some(minor)) => (Some(low), above(next(major, Some(minor), None)), false),
            (Some(major), None) => (Some(low), above(next(major, None, None)), false),
            (None, _) => (Some(low), None, false),
        },
        // The leftmost part that is not zero stays.
        "^" => match (partial.major, partial.minor, partial.patch) {
            (None, ..) => (Some(low), None, false),
            (Some(0), Some(0), Some(patch)) => (Some(low), above(next(0, Some(0), Some(patch))), false),
            (Some(0), Some(minor), _) => (Some(low), above(next(0, Some(minor), None)), false),
            (Some(major), ..) => (Some(low), above(next(major, None, None)), false),
        },
        _ => return Err(format!("{operator:?} is not a comparison")),
    };
    Ok(Comparator { from, to, negated, names_prerelease: !partial.pre.is_empty() })
}

/// The first version, its pre-releases included, after all that share the given parts.
fn next(major: u64, minor: Option<u64>, patch: Option<u64>) -> Option<Version> {
    let mut version = match (minor, patch) {
        (Some(minor), Some(patch)) => Version::new(major, minor, patch.checked_add(1)?),
        (Some(minor), None) => Version::new(major, minor.checked_add(1)?, 0),
        (None, _) => Version::new(major.checked_add(1)?, 0, 0),
    };
    version.pre = Prerelease::new("0").unwrap_or_default();
    Some(version)
}

impl Partial {
    fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a version");
        let body = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let body = body.split('+').next().unwrap_or_default();
        let (numbers, pre) = body.split_once('-').map_or((body, ""), |(numbers, pre)| (numbers, pre));
        let mut parts = [None; 3];
        let mut wild = false;
        let given: Vec<&str> = numbers.split('.').collect();
        if given.len() > parts.len() {
            return Err(bad());
        }
        for (part, text) in parts.iter_mut().zip(given) {
            if matches!(text, "x" | "X" | "*") {
                wild = true;
            } else if wild {
                return Err(bad());
            } else {
                *part = Some(text.parse::<u64>().map_err(|_| bad())?);
            }
        }
        let [major, minor, patch] = parts;
        let pre = Prerelease::new(pre).map_err(|_| bad())?;
        if wild && !pre.is_empty() {
            return Err(bad());
        }
        Ok(Self { major, minor, patch, pre })
    }

    /// The lowest version that is meant.
    fn low(&self) -> Version {
        let mut version = Version::new(self.major.unwrap_or(0), self.minor.unwrap_or(0), self.patch.unwrap_or(0));
        version.pre = self.pre.clone();
        version
    }

    /// The end of what is meant: itself for a whole version, else the first version past it; none for `*`.
    fn end(&self) -> Option<(Version, Ordering)> {
        match (self.major, self.minor, self.patch) {
            (Some(_), Some(_), Some(_)) => Some((self.low(), Ordering::Equal)),
            _ if !self.pre.is_empty() => Some((self.low(), Ordering::Equal)),
            (Some(major), minor, _) => next(major, minor, None).map(|version| (version, Ordering::Less)),
            (None, ..) => None,
        }
    }
}

/// Reads the name of a tag as a version: a leading `v` is ignored, missing parts are zero.
pub(crate) fn tag_version(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    if let Ok(version) = Version::parse(text) {
        return Some(version);
    }
    let partial = Partial::parse(text).ok()?;
    // `1.x` is a branch of somebody, not a version; `2024-06-01` and `20240601` are dates.
    (partial.major.is_some() && text.contains('.') && !text.contains(['x', 'X', '*', '+'])).then(|| partial.low())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn ranges_contain_what_masterminds_says() {
        for (range, inside, outside) in [
            ("1.x", "1.0.0 1.9.9", "0.9.9 2.0.0 1.2.3-rc.1 2.0.0-rc.1"),
            ("1", "1.0.0 1.9.9", "2.0.0"),
            ("1.2", "1.2.0 1.2.9", "1.3.0"),
            ("1.2.X", "1.2.0 1.2.9", "1.3.0 1.1.9"),
            ("*", "0.0.0 9.9.9", "1.0.0-rc.1"),
            ("x", "0.0.0 9.9.9", ""),
            ("1.2.3", "1.2.3", "1.2.4 1.2.3-rc.1"),
            ("=v1.2.3", "1.2.3", "1.2.4"),
            ("!=1.2.3", "1.2.4 1.2.2", "1.2.3"),
            ("!=1.x", "2.0.0 0.9.0", "1.2.3"),
            (">1.2.3", "1.2.4 2.0.0", "1.2.3 1.2.2"),
            (">1", "2.0.0", "1.9.9"),
            (">1.2", "1.3.0", "1.2.9"),
            (">=1.2 <2", "1.2.0 1.9.0", "1.1.9 2.0.0"),
            (">=1.2, <2", "1.2.0 1.9.0", "1.1.9 2.0.0 2.0.0-rc.1"),
            (">= 1.2 < 2", "1.2.0 1.9.0", "2.0.0"),
            ("<=1.2", "1.2.9 0.1.0", "1.3.0"),
            ("<=1.2.3", "1.2.3", "1.2.4"),
            ("<1", "0.9.9", "1.0.0"),
            ("^1", "1.0.0 1.9.9", "2.0.0"),
            ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"),
            ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
            ("^0.0.3", "0.0.3", "0.0.4"),
            ("^0", "0.0.0 0.9.0", "1.0.0"),
            ("^0.0", "0.0.1", "0.1.0"),
            ("~1", "1.0.0 1.9.0", "2.0.0"),
            ("~1.2", "1.2.0 1.2.9", "1.3.0"),
            ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
            ("~>1.2", "1.2.9", "1.3.0"),
            ("1.2 - 1.4", "1.2.0 1.4.9", "1.1.9 1.5.0"),
            ("1.2.3 - 1.4.5", "1.4.5", "1.4.6"),
            ("1.x || >=3", "1.5.0 3.0.0 4.0.0", "2.0.0"),
            (">=1.2.0-0", "1.2.0-rc.1 1.3.0 1.3.0-alpha", "1.1.0"),
            (">=1.0.0-rc.2 <1.0.0", "1.0.0-rc.2 1.0.0-rc.10", "1.0.0-rc.1 1.0.0"),
            ("^1.0.0-0", "1.0.0-rc.1 1.4.0-beta 1.0.0", "2.0.0-0 2.0.0"),
            ("~1.2.0-0", "1.2.0-rc.1 1.2.9", "1.3.0-rc.1"),
            ("1.0.0+build", "1.0.0 1.0.0+other", "1.0.1"),
        ] {
            let parsed = Range::parse(range).unwrap_or_else(|error| panic!("{error}"));
            for version in inside.split_whitespace() {
                assert!(parsed.contains(&Version::parse(version).unwrap()), "{version} is in {range}");
            }
            for version in outside.split_whitespace() {
                assert!(!parsed.contains(&Version::parse(version).unwrap()), "{version} is not in {range}");
            }
        }
    }

    #[test]
    fn what_is_not_a_range_is_refused() {
        for text in [
            "",
            " ",
            "||",
            "1.x ||",
            "a",
            "1.2.3.4",
            ">",
            "1.x.3",
            "=>=1",
            "1 -",
            ">*",
            "1.x-rc",
            "99999999999999999999",
        ] {
            let error = Range::parse(text).err().unwrap_or_else(|| panic!("{text:?} was accepted"));
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        // The largest number has no successor: no bound, and no overflow.
        assert!(Range::parse("^18446744073709551615").unwrap().contains(&Version::new(u64::MAX, 1, 1)));
    }

    #[test]
    fn tags_are_read_leniently_but_dates_and_wildcards_are_not_versions() {
        for (tag, version) in [
            ("v1.2.3", Some("1.2.3")),
            ("1.2", Some("1.2.0")),
            ("v1.2-rc.1", Some("1.2.0-rc.1")),
            ("1.2.3-rc.1+b", Some("1.2.3-rc.1+b")),
            ("v1", None),
            ("20240601", None),
            ("1.x", None),
            ("release", None),
            ("chart-1.2.3", None),
        ] {
            assert_eq!(tag_version(tag), version.map(|version| Version::parse(version).unwrap()), "{tag}");
        }
    }
}
