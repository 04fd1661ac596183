//! The query string of a request.

use std::time::Duration;

use crate::status::{About, ApiError, Cause};

/// Decoded query parameters, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(query: &str) -> Self {
        Self(
            query
                .split('&')
                .filter(|p| !p.is_empty())
                .map(|p| {
                    let (k, v) = p.split_once('=').unwrap_or((p, ""));
                    (decode(k, true), decode(v, true))
                })
                .collect(),
        )
    }

    fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// The first value of a parameter; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|v| !v.is_empty())
    }

    /// Whether a parameter is there, and is neither `false` nor `0`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.choice(name) == Some(true)
    }

    /// The same for a parameter that may be left out.
    pub(crate) fn choice(&self, name: &str) -> Option<bool> {
        self.raw(name).map(|v| !v.eq_ignore_ascii_case("false") && v != "0")
    }

    fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.raw(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|e: std::num::ParseIntError| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let why = match e.kind() {
                PosOverflow | NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
        })
    }

    /// How long a watch may last: `timeoutSeconds`, when that is more than nothing.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, ApiError> {
        let seconds = self.number("timeoutSeconds")?;
        Ok(seconds.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0).map(Duration::from_secs))
    }

    /// How many items a page may have. Nothing and less than nothing are no limit.
    pub(crate) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let limit = self.number("limit")?;
        Ok(limit.and_then(|l| usize::try_from(l).ok()).filter(|l| *l > 0))
    }

    /// What goes together in a list or a watch:
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>
    pub(crate) fn check_list(&self, watch: bool) -> Result<(), ApiError> {
        let field = "resourceVersionMatch";
        let rule = self.get(field);
        let mut causes = Vec::new();
        let initial = self.choice("sendInitialEvents").is_some();
        if watch {
            if initial && rule != Some("NotOlderThan") {
                let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                causes.push(Cause::forbidden(field, detail));
            }
            if let Some(rule) = rule {
                if !initial {
                    let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                    causes.push(Cause::forbidden(field, detail));
                }
                if rule != "NotOlderThan" {
                    causes.push(Cause::unsupported(field, &rule.into(), &["NotOlderThan"]));
                }
            }
            if self.get("continue").is_some() {
                causes.push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
            }
        } else {
            if let Some(rule) = rule {
                if self.get("resourceVersion").is_none() {
                    let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                    causes.push(Cause::forbidden(field, detail));
                }
                if self.get("continue").is_some() {
                    causes.push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
                }
                if !matches!(rule, "Exact" | "NotOlderThan") {
                    causes.push(Cause::unsupported(field, &rule.into(), &["Exact", "NotOlderThan", ""]));
                }
                if rule == "Exact" && self.get("resourceVersion") == Some("0") {
                    let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                    causes.push(Cause::forbidden(field, detail));
                }
            }
            if initial {
                causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
            }
        }
        if causes.is_empty() {
            return Ok(());
        }
        Err(ApiError::invalid(About { group: "meta.k8s.io", resource: "ListOptions", name: "" }, &causes))
    }
}

/// Percent-decoding; bytes that do not decode stay as they are.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16));
        match bytes[i] {
            b'%' => match (hex(bytes.get(i + 1)), hex(bytes.get(i + 2))) {
                (Some(a), Some(b)) => {
                    out.push((a * 16 + b) as u8);
                    i += 2;
                }
                _ => out.push(b'%'),
            },
            b'+' if plus_is_space => out.push(b' '),
            other => out.push(other),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding() {
        let p = Params::parse("labelSelector=a%3Db%2Cc+in+%28d%29&watch=true&x=%zz&limit=5&y&z=False");
        assert_eq!(p.get("labelSelector"), Some("a=b,c in (d)"));
        assert_eq!(p.get("x"), Some("%zz"));
        assert!(p.flag("watch") && p.flag("y") && !p.flag("z") && !p.flag("nothing"));
        assert!(matches!(p.limit(), Ok(Some(5))));
    }
}
