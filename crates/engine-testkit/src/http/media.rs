//! What form of an answer a client asks for with `Accept`:
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources>

use http::StatusCode;
use serde_json::json;

use super::Call;
use crate::{status::ApiError, table::Include};

/// What is shown of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    #[default]
    Whole,
    Metadata,
    MetadataList,
    Table,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Json,
    Yaml,
}

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) form: Form,
    /// The version of the group `meta.k8s.io` that the form is of.
    pub(crate) older: bool,
    pub(crate) include: Include,
    pub(crate) encoding: Encoding,
    pub(crate) pretty: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self { form: Form::Whole, older: false, include: Include::Metadata, encoding: Encoding::Json, pretty: false }
    }
}

impl Wish {
    /// `meta.k8s.io/v1`, unless the older one was asked for.
    pub(crate) fn api_version(&self) -> &'static str {
        if self.older { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" }
    }
}

const ALL: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const STREAMS: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

const ONLY: &str = "only the following media types are accepted: ";

/// What kind of answer it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Objects of a built-in kind; `true` for a path that can be watched.
    BuiltIn(bool),
    Custom,
    Discovery,
    /// `/version`, which is only JSON.
    Version,
}

fn not_acceptable(message: String) -> ApiError {
    ApiError::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
}

/// Whether the router lets a request through: it looks first, at media types without their parameters.
pub(crate) fn route(call: &Call, of: Of) -> Result<(), ApiError> {
    let routed = match of {
        Of::BuiltIn(_) => &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"][..],
        Of::Version => &["application/json"],
        Of::Custom | Of::Discovery => return Ok(()),
    };
    let media = |clause: &str| clause.split(';').next().unwrap_or_default().trim().to_owned();
    if accepted(call).split(',').any(|c| media(c) == "*/*" || routed.contains(&&*media(c))) {
        return Ok(());
    }
    let available = match of {
        Of::BuiltIn(true) => format!("{ALL}, {STREAMS}"),
        Of::Version => "application/json".to_owned(),
        _ => ALL.to_owned(),
    };
    let mut e = not_acceptable(format!("406: Not Acceptable\n\nAvailable representations: {available}"));
    e.details = Some(json!({}));
    Err(e)
}

/// What a client accepts; without a word about it, anything.
fn accepted(call: &Call) -> &str {
    if call.accept.trim().is_empty() { "*/*" } else { call.accept.as_str() }
}

/// The form that is asked for, or why there is none.
pub(crate) fn wish(call: &Call, of: Of) -> Result<Wish, ApiError> {
    route(call, of)?;
    let accept = accepted(call);
    let mut wish = best(accept, false, of).ok_or_else(|| not_acceptable(format!("{ONLY}{ALL}")))?;
    wish.include = Include::of(call.params.get("includeObject")).unwrap_or(Include::Metadata);
    wish.pretty |= is_pretty(call);
    Ok(wish)
}

/// The best form of those that a client accepts.
fn best(accept: &str, is_watch: bool, of: Of) -> Option<Wish> {
    let mut clauses: Vec<&str> = accept.split(',').map(str::trim).collect();
    clauses.sort_by_key(|clause| std::cmp::Reverse(weight(clause)));
    let transforms = matches!(of, Of::BuiltIn(_) | Of::Custom);
    clauses.into_iter().find_map(|clause| of_clause(clause, is_watch, transforms))
}

/// What is looked at only when the answer is there: what a table shows, and whether a stream can be had in this form.
pub(crate) fn check(call: &Call) -> Result<(), ApiError> {
    let include = call.params.get("includeObject");
    if call.wish.form == Form::Table && Include::of(include).is_none() {
        return Err(ApiError::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: {:?}: must be 'Metadata', \
             'Object', 'None', or empty",
            include.unwrap_or_default()
        )));
    }
    if call.route.verb == "watch" && best(accepted(call), true, Of::Custom).is_none() {
        return Err(not_acceptable(format!("{ONLY}{STREAMS}")));
    }
    Ok(())
}

/// How an error is written, whatever else was asked for.
pub(crate) fn of_error(call: &Call) -> Wish {
    let mut clauses: Vec<&str> = call.accept.split(',').map(str::trim).collect();
    clauses.sort_by_key(|clause| std::cmp::Reverse(weight(clause)));
    let found = clauses.iter().find_map(|clause| {
        let bare = clause.split(';').next().unwrap_or_default();
        of_clause(bare, false, false)
    });
    let encoding = found.map_or(Encoding::Json, |wish| wish.encoding);
    Wish { encoding, pretty: is_pretty(call), ..Wish::default() }
}

/// Thousandths of `q`.
fn weight(clause: &str) -> u16 {
    let q = clause.split(';').skip(1).find_map(|p| p.trim().strip_prefix("q="));
    q.and_then(|q| q.trim().parse::<f32>().ok()).map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
}

fn of_clause(clause: &str, is_watch: bool, transforms: bool) -> Option<Wish> {
    let mut parts = clause.split(';').map(str::trim);
    let encoding = match parts.next()? {
        "application/json" | "*/*" | "application/*" => Encoding::Json,
        "application/yaml" if !is_watch => Encoding::Yaml,
        _ => return None,
    };
    let mut wish = Wish { encoding, ..Wish::default() };
    let (mut form, mut group, mut version) = (None, "", "");
    for parameter in parts {
        match parameter.split_once('=') {
            Some(("as", name)) => form = Some(name),
            Some(("g", name)) => group = name,
            Some(("v", name)) => version = name,
            Some(("pretty", value)) => wish.pretty = value == "1",
            _ => {}
        }
    }
    if let Some(form) = form {
        if !transforms || group != "meta.k8s.io" || !matches!(version, "v1" | "v1beta1") {
            return None;
        }
        wish.older = version == "v1beta1";
        wish.form = match form {
            "Table" => Form::Table,
            "PartialObjectMetadata" => Form::Metadata,
            "PartialObjectMetadataList" => Form::MetadataList,
            _ => return None,
        };
    }
    Some(wish)
}

/// Answers for people have line ends: when they ask, or when it looks like one who asks by hand.
fn is_pretty(call: &Call) -> bool {
    match call.params.get("pretty") {
        Some(value) => matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"),
        None => ["curl", "Wget", "Mozilla/5.0"].iter().any(|agent| call.user_agent.starts_with(agent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses() {
        let form = |clause: &str| of_clause(clause, false, true).map(|w| w.form);
        for (clause, expected) in [
            ("application/json", Some(Form::Whole)),
            ("*/*", Some(Form::Whole)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", Some(Form::Table)),
            ("application/json; as=PartialObjectMetadataList; g=meta.k8s.io; v=v1", Some(Form::MetadataList)),
            ("application/json;as=Table", None),
            ("application/vnd.kubernetes.protobuf", None),
            ("application/xml", None),
        ] {
            assert_eq!(form(clause), expected, "{clause}");
        }
        assert!(weight("application/json;q=0.5") < weight("application/yaml; q=0.9"));
    }
}
