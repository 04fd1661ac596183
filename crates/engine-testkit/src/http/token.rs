//! Page tokens: <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>

use base64::{
    Engine as _,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD},
    },
};
use serde_json::Value;

use crate::{json_text, status::ApiError};

/// The revision that a list is pinned to, and the key that its next page begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// `None` for whatever is there now.
    pub(super) revision: Option<u64>,
    /// Relative to what is listed, with a slash before it.
    pub(super) start: String,
}

const VERSION: &str = "meta.k8s.io/v1";
/// Like Go's decoder it takes text without padding only.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

impl Token {
    pub(super) fn encode(&self) -> String {
        encode(self.revision.map_or_else(|| (-1).into(), Value::from), &self.start)
    }

    pub(super) fn decode(text: &str) -> Result<Self, ApiError> {
        decode(text)
            .map_err(|why| ApiError::bad_request(format!("invalid continue token: continue key is not valid: {why}")))
    }

    /// The answer to a token whose revision is forgotten, with one to go on from what is there now.
    pub(super) fn expired(&self) -> ApiError {
        let mut e = ApiError::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a \
             new list without the continue parameter, or use the continue token in this response to retrieve \
             the remainder of the results. Continuing with the provided token results in an inconsistent list \
             - objects that were created, modified, or deleted between the time the first chunk was returned \
             and now may show up in the list.",
        );
        e.continue_token = Some(encode((-1).into(), self.start.trim_start_matches('/')).into());
        e
    }
}

/// In the order of fields that a real server has, for those who compare tokens.
fn encode(revision: Value, start: &str) -> String {
    let start = Value::from(start).to_string();
    URL_SAFE_NO_PAD.encode(format!("{{\"v\":\"{VERSION}\",\"rv\":{revision},\"start\":{start}}}"))
}

fn decode(text: &str) -> Result<Token, String> {
    let bytes = BASE64.decode(text).map_err(|_| format!("illegal base64 data at input byte {}", first_bad(text)))?;
    json_text::check(&bytes, 10)?;
    let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let version = value["v"].as_str().unwrap_or_default();
    let revision = match &value["rv"] {
        Value::Null => 0,
        Value::Number(n) => n.as_i64().unwrap_or(0),
        other => {
            let what = if other.is_string() { "string" } else { "value" };
            return Err(format!("json: cannot unmarshal {what} into Go struct field continueToken.rv of type int64"));
        }
    };
    let start = value["start"].as_str().unwrap_or_default();
    if version != VERSION {
        return Err(format!("server does not recognize this encoded version {version}"));
    }
    if revision == 0 {
        return Err(format!("incorrect encoded start resourceVersion (version {VERSION})"));
    }
    if start.is_empty() {
        return Err(format!("encoded start key empty (version {VERSION})"));
    }
    let key = format!("/{}", start.strip_prefix('/').unwrap_or(start));
    // A key that leads out of the collection.
    if key.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) && key != "/" {
        return Err(start.to_owned());
    }
    Ok(Token { revision: u64::try_from(revision).ok(), start: key })
}

/// Where the first character is that is no base64.
fn first_bad(text: &str) -> usize {
    let bad = text.bytes().position(|b| !b.is_ascii_alphanumeric() && b != b'-' && b != b'_');
    bad.unwrap_or_else(|| text.len().saturating_sub(1))
}
