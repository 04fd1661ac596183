//! The query string of a request.

use std::time::Duration;

use crate::{clock::FAR, literal, status::ApiError};

/// Decoded query parameters, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(query: &str) -> Self {
        Self(
            query
                .split('&')
                // Like Go it drops what it cannot read, and what older servers took for two parameters.
                .filter(|p| !p.is_empty() && !p.contains(';') && is_escaped_well(p))
                .map(|p| {
                    let (k, v) = p.split_once('=').unwrap_or((p, ""));
                    (decode(k, true), decode(v, true))
                })
                .collect(),
        )
    }

    /// The first value of a parameter, if only an empty one.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Every value of a parameter, the empty ones, too.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(k, _)| k == name).map(|(_, v)| v.as_str()).collect()
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

    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.raw(name) else {
            return Ok(None);
        };
        let refused = |why| ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"));
        let (negative, digits) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let value = i128::from(literal::unsigned(digits).map_err(refused)?);
        let value = i64::try_from(if negative { -value } else { value }).map_err(|_| refused(literal::OUT_OF_RANGE))?;
        Ok(Some(value))
    }

    /// How long a watch may last: `timeoutSeconds`, when that is more than nothing. No longer than any clock goes on.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, ApiError> {
        let seconds = self.number("timeoutSeconds")?;
        Ok(seconds.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0).map(|s| Duration::from_secs(s).min(FAR)))
    }
}

/// Whether two digits follow each percent sign.
fn is_escaped_well(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
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
        let p = Params::parse("labelSelector=a%3Db%2Cc+in+%28d%29&watch=true&x=%zz&u=a;b&limit=5&y&z=False");
        assert_eq!(p.get("labelSelector"), Some("a=b,c in (d)"));
        assert_eq!((p.get("x"), p.get("u")), (None, None));
        assert!(p.flag("watch") && p.flag("y") && !p.flag("z") && !p.flag("nothing"));
        assert!(matches!(p.number("limit"), Ok(Some(5))));
    }

    #[test]
    fn numbers() {
        let number = |text: &str| Params::parse(&format!("n={text}")).number("n").ok().flatten();
        assert_eq!(number("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(number("%2B2"), Some(2));
        assert_eq!(number("9223372036854775808"), None);
    }
}
