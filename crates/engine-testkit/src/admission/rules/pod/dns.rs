//! Names of a Pod, and how it resolves those of others.

use std::sync::LazyLock;

use regex::Regex;

use super::{At, text};
use crate::{admission::names, status::Cause};

const LABEL: &str = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";

static DOMAIN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("^{LABEL}(\\.{LABEL})*$")).ok());

pub(super) fn config(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let at = spec.field("dnsConfig");
    let servers = at.field("nameservers");
    if spec.field("dnsPolicy").text() == "None" {
        if !at.is_set() {
            return at.required("must provide `dnsConfig` when `dnsPolicy` is None", causes);
        }
        if servers.len() == 0 {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return servers.required(detail, causes);
        }
    }
    if servers.len() > 3 {
        servers.invalid("must not have more than 3 nameservers", causes);
    }
    servers.items().for_each(|server| text::address(&server, causes));
    let searches = at.field("searches");
    if searches.len() > 32 {
        searches.invalid("must not have more than 32 search paths", causes);
    }
    if searches.items().map(|s| s.len() + 1).sum::<usize>() > 2049 {
        let detail = "must not have more than 2048 characters (including spaces) in the search list";
        searches.invalid(detail, causes);
    }
    for search in searches.items() {
        let domain = search.text().strip_suffix('.').unwrap_or(search.text());
        if search.text() == "." {
            continue;
        }
        let mut wrong = |detail: String| causes.push(Cause::invalid(search.path.clone(), &domain.into(), detail));
        if domain.len() > 253 {
            wrong("must be no more than 253 characters".to_owned());
        }
        if !DOMAIN.as_ref().is_some_and(|domain_form| domain_form.is_match(domain)) {
            wrong(format!(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', \
                 and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation \
                 is '{LABEL}(\\.{LABEL})*')"
            ));
        }
    }
    for option in at.field("options").items() {
        if option.field("name").text().is_empty() {
            option.required("must not be empty", causes);
        }
    }
}

pub(super) fn aliases(list: &At<'_>, causes: &mut Vec<Cause>) {
    for alias in list.items() {
        text::address(&alias.field("ip"), causes);
        alias.field("hostnames").items().for_each(|name| name.name(names::Rule::Subdomain, causes));
    }
}

/// A name that the Pod has instead of its own.
pub(super) fn host_name(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let at = spec.field("hostnameOverride");
    if !at.is_set() {
        return;
    }
    for field in ["setHostnameAsFQDN", "hostNetwork"] {
        if spec.field(field).value == true {
            at.forbidden(&format!("may not be specified when {field} is true"), causes);
        }
    }
    if at.len() > 64 {
        causes.push(Cause::too_long(at.path.clone(), 64));
    }
    at.name(names::Rule::Subdomain, causes);
}
