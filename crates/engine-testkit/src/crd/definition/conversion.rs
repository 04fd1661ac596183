//! How objects of one version become those of another.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/>

use serde_json::Value;

use super::{is_established, one_of};
use crate::{
    admission::{self, names::label_1035},
    json::{get, list_at, str_at},
    status::Cause,
};

const REVIEWS: [&str; 2] = ["v1", "v1beta1"];

pub(super) fn strategy(spec: &Value) -> &str {
    str_at(spec, &["conversion", "strategy"])
}

pub(super) fn validate(spec: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    const CLIENT: &str = "spec.conversion.webhookClientConfig";
    const VERSIONS: &str = "spec.conversion.conversionReviewVersions";
    if spec.get("conversion").is_none_or(Value::is_null) {
        return;
    }
    one_of(strategy(spec), "spec.conversion.strategy", &["None", "Webhook"], causes);
    let client = get(spec, &["conversion", "webhook", "clientConfig"]).filter(|client| !client.is_null());
    let versions = reviews(spec);
    if strategy(spec) != "Webhook" {
        let detail = "should not be set when strategy is not set to Webhook";
        if client.is_some() {
            causes.push(Cause::forbidden(CLIENT, detail));
        }
        if !versions.is_empty() {
            causes.push(Cause::forbidden(VERSIONS, detail));
        }
        return;
    }
    match client {
        None => causes.push(Cause::required(CLIENT, "required when strategy is set to Webhook")),
        Some(client) => {
            admission::webhook_client(client, CLIENT, causes);
            bundle(client, before, &format!("{CLIENT}.caBundle"), causes);
        }
    }
    let lenient = before.is_some_and(|before| {
        let had = reviews(&before["spec"]);
        !had.is_empty() && !had.iter().any(is_known)
    });
    review_versions(versions, lenient, VERSIONS, causes);
}

fn reviews(spec: &Value) -> &[Value] {
    list_at(spec, &["conversion", "webhook", "conversionReviewVersions"])
}

fn is_known(version: &Value) -> bool {
    version.as_str().is_some_and(|v| REVIEWS.contains(&v))
}

/// A bundle that is none is taken until the definition is established, and stays where it was.
fn bundle(client: &Value, before: Option<&Value>, at: &str, causes: &mut Vec<Cause>) {
    let bundle = str_at(client, &["caBundle"]);
    let Some(before) = before.filter(|before| is_established(before) && !bundle.is_empty()) else { return };
    let had = str_at(before, &["spec", "conversion", "webhook", "clientConfig", "caBundle"]);
    let had_wrong = !had.is_empty() && !holds_certificates(had);
    if !had_wrong && !holds_certificates(bundle) {
        let detail = "unable to load root certificates: unable to parse bytes as PEM block";
        causes.push(Cause::invalid(at, &bundle.into(), detail));
    }
}

/// Whether a bundle (in Base64) has something in it that looks like a certificate.
fn holds_certificates(bundle: &str) -> bool {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(bundle).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.contains("-----BEGIN CERTIFICATE-----") && text.contains("-----END CERTIFICATE-----")
}

fn review_versions(versions: &[Value], lenient: bool, at: &str, causes: &mut Vec<Cause>) {
    if versions.is_empty() {
        causes.push(Cause::required(at, ""));
        return;
    }
    for (i, version) in versions.iter().enumerate() {
        if versions[..i].contains(version) {
            causes.push(Cause::invalid(format!("{at}[{i}]"), version, "duplicate version"));
            continue;
        }
        for complaint in label_1035(version.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid(format!("{at}[{i}]"), version, complaint));
        }
    }
    if !lenient && !versions.iter().any(is_known) {
        let detail = format!("must include at least one of {}", REVIEWS.join(", "));
        causes.push(Cause::invalid(at, &versions.into(), detail));
    }
}
