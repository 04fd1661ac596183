//! What the labels of a namespace say: <https://kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-namespace-labels/>

use std::fmt;

use serde_json::Value;

use crate::{json::get, status::Cause};

const LABEL: &str = "pod-security.kubernetes.io/";

/// How much Pods may do, from everything on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// The minor version of Kubernetes whose rules count; the latest is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u64);

impl Version {
    const LATEST: Self = Self(u64::MAX);

    fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Self::LATEST);
        }
        let digits = text.strip_prefix("v1.")?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let canonical = plain && (digits.len() == 1 || !digits.starts_with('0'));
        digits.parse::<i64>().ok().filter(|_| canonical).and_then(|n| u64::try_from(n).ok()).map(Self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grade {
    pub(super) level: Level,
    pub(super) version: Version,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Privileged => "privileged:",
            Level::Baseline => "baseline:",
            Level::Restricted => "restricted:",
        })?;
        match self.version {
            Version::LATEST => f.write_str("latest"),
            Version(minor) => write!(f, "v1.{minor}"),
        }
    }
}

/// A label that says nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    label: String,
    value: String,
    detail: &'static str,
}

impl Wrong {
    pub(super) fn cause(&self) -> Cause {
        Cause::invalid(format!("metadata.labels[{}]", self.label), &self.value.as_str().into(), self.detail)
    }
}

/// What is refused and what is warned of. What goes into an audit nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) enforce: Grade,
    pub(super) warn: Grade,
}

impl Policy {
    pub(super) const NONE: Self = {
        let all = Grade { level: Level::Privileged, version: Version::LATEST };
        Self { enforce: all, warn: all }
    };

    /// What a namespace says, and what in it says nothing. Who mistakes a level is refused the most, and warned of nothing.
    pub(super) fn of(namespace: &Value) -> (Self, Vec<Wrong>) {
        let mut wrong = Vec::new();
        let label = |name: &str| {
            let key = format!("{LABEL}{name}");
            get(namespace, &["metadata", "labels", &key]).and_then(Value::as_str).map(str::to_owned)
        };
        let mut level = |name: &str, instead: Level| {
            let value = label(name)?;
            let level = match value.as_str() {
                "privileged" => Level::Privileged,
                "baseline" => Level::Baseline,
                "restricted" => Level::Restricted,
                _ => {
                    let detail = "must be one of privileged, baseline, restricted";
                    wrong.push((format!("{LABEL}{name}"), value, detail));
                    return Some((instead, false));
                }
            };
            Some((level, true))
        };
        let levels =
            [level("enforce", Level::Restricted), level("audit", Level::Privileged), level("warn", Level::Privileged)];
        let versions = ["enforce-version", "audit-version", "warn-version"].map(|name| {
            let value = label(name)?;
            let version = Version::parse(&value);
            if version.is_none() {
                wrong.push((format!("{LABEL}{name}"), value, "must be \"latest\" or \"v1.x\""));
            }
            Some(version.unwrap_or(Version::LATEST))
        });
        let grade = |mode: usize| Grade {
            level: levels[mode].map_or(Level::Privileged, |(level, _)| level),
            version: versions[mode].unwrap_or(Version::LATEST),
        };
        let (enforce, mut warn) = (grade(0), grade(2));
        let enforces = levels[0].is_some_and(|(_, valid)| valid);
        if levels[2].is_none() && enforces && enforce.level > warn.level {
            warn.level = enforce.level;
            if versions[2].is_none() {
                warn.version = enforce.version;
            }
        }
        let mut wrong: Vec<Wrong> =
            wrong.into_iter().map(|(label, value, detail)| Wrong { label, value, detail }).collect();
        // A mode's version comes after its level.
        wrong.sort_by_key(|wrong| MODES.iter().position(|mode| wrong.label.ends_with(mode)));
        (Self { enforce, warn }, wrong)
    }
}

const MODES: [&str; 6] = ["/enforce", "/enforce-version", "/audit", "/audit-version", "/warn", "/warn-version"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_read() {
        for (labels, enforce, warn, wrong) in [
            (json!({}), "privileged:latest", "privileged:latest", 0),
            (json!({"enforce": "baseline"}), "baseline:latest", "baseline:latest", 0),
            (json!({"enforce": "baseline", "enforce-version": "v1.20"}), "baseline:v1.20", "baseline:v1.20", 0),
            (json!({"enforce": "baseline", "warn": "restricted"}), "baseline:latest", "restricted:latest", 0),
            (json!({"enforce": "baseline", "warn": "privileged"}), "baseline:latest", "privileged:latest", 0),
            (json!({"enforce": "much", "warn-version": "v1.01"}), "restricted:latest", "privileged:latest", 2),
            (json!({"enforce-version": "1.2", "warn": ""}), "privileged:latest", "privileged:latest", 2),
        ] {
            let labels: serde_json::Map<_, _> =
                labels.as_object().into_iter().flatten().map(|(k, v)| (format!("{LABEL}{k}"), v.clone())).collect();
            let (policy, found) = Policy::of(&json!({"metadata": {"labels": labels}}));
            let found = (policy.enforce.to_string(), policy.warn.to_string(), found.len());
            assert_eq!(found, (enforce.to_owned(), warn.to_owned(), wrong));
        }
    }
}
