//! Paths that are not resources: health, the version, and discovery.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use super::{
    Call, Reply,
    media::{self, Of},
    not_allowed,
};
use crate::{cluster::Inner, discovery, status::ApiError};

/// What the health of a server is made of, as far as there is anything to it here.
const PARTS: [&str; 3] = ["ping", "log", "etcd"];

pub(super) fn answer(inner: &Arc<Inner>, call: &mut Call) -> Result<Reply, ApiError> {
    let parts: Vec<&str> = call.path.split('/').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        [kind @ ("healthz" | "livez" | "readyz")] if !call.path.ends_with('/') => Ok(health(call, kind)),
        ["healthz" | "livez" | "readyz", part] if PARTS.contains(part) => Ok(Reply::text("ok")),
        ["healthz" | "livez" | "readyz", ..] => Ok(Reply::page_not_found()),
        ["version"] => {
            if call.method != http::Method::GET {
                return Err(not_allowed());
            }
            call.wish = media::wish(call, Of::Version)?;
            call.wish.pretty = true;
            let (major, minor) = inner.settings.version;
            Ok(Reply::value(&json!({
                "major": major.to_string(), "minor": minor.to_string(), "gitVersion": format!("v{major}.{minor}.0"),
                "emulationMajor": major.to_string(), "emulationMinor": minor.to_string(),
                "minCompatibilityMajor": major.to_string(),
                "minCompatibilityMinor": minor.saturating_sub(1).to_string(),
                "gitCommit": "0000000000000000000000000000000000000000", "gitTreeState": "clean",
                "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "in-process",
            })))
        }
        _ => discovery::answer(inner, call),
    }
}

fn health(call: &Call, kind: &str) -> Reply {
    if !call.params.flag("verbose") {
        return Reply::text("ok").with_status(StatusCode::OK);
    }
    let mut text: String = PARTS.iter().map(|part| format!("[+]{part} ok\n")).collect();
    text.push_str(&format!("{kind} check passed\n"));
    Reply::text(text)
}
