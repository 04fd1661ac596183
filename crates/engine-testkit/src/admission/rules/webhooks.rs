//! Configurations of admission webhooks.
//! <https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/validating-webhook-configuration-v1/>

use serde_json::Value;

use super::{At, network};
use crate::{
    admission::names,
    json::{list_at, str_at},
    status::Cause,
};

/// What a stored configuration may go on to have, since it had it.
struct Leniency {
    side_effects: bool,
    same_names: bool,
    unknown_versions: bool,
}

impl Leniency {
    fn of(before: Option<&Value>) -> Self {
        let Some(before) = before else {
            return Self { side_effects: false, same_names: false, unknown_versions: false };
        };
        let hooks = list_at(before, &["webhooks"]);
        let names: Vec<&str> = hooks.iter().map(|h| str_at(h, &["name"])).collect();
        let quiet = |h: &Value| matches!(str_at(h, &["sideEffects"]), "None" | "NoneOnDryRun");
        let known = |h: &Value| {
            let versions = list_at(h, &["admissionReviewVersions"]);
            versions.is_empty() || versions.iter().any(|v| KNOWN.iter().any(|known| v == known))
        };
        Self {
            side_effects: !hooks.iter().all(quiet),
            same_names: (1..names.len()).any(|i| names[..i].contains(&names[i])),
            unknown_versions: !hooks.iter().all(known),
        }
    }
}

const KNOWN: [&str; 2] = ["v1", "v1beta1"];

pub(super) fn webhooks(root: &At<'_>, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let lenient = Leniency::of(before);
    let mut seen: Vec<&str> = Vec::new();
    for hook in root.field("webhooks").items() {
        let name = hook.field("name");
        fully_qualified(&name, causes);
        for rule in hook.field("rules").items() {
            one_rule(&rule, causes);
        }
        hook.field("failurePolicy").one_of(&["Fail", "Ignore"], causes);
        hook.field("matchPolicy").one_of(&["Equivalent", "Exact"], causes);
        side_effects(&hook.field("sideEffects"), &lenient, causes);
        let timeout = hook.field("timeoutSeconds");
        if timeout.is_set() && !(1..=30).contains(&timeout.int()) {
            timeout.invalid("the timeout value must be between 1 and 30 seconds", causes);
        }
        hook.field("namespaceSelector").selector(causes);
        hook.field("objectSelector").selector(causes);
        hook.field("reinvocationPolicy").one_of(&["IfNeeded", "Never"], causes);
        client(&hook.field("clientConfig"), causes);
        conditions(&hook.field("matchConditions"), causes);
        versions(&hook.field("admissionReviewVersions"), &lenient, causes);
        if !lenient.same_names && !name.text().is_empty() {
            if seen.contains(&name.text()) {
                causes.push(Cause::duplicate(name.path.clone(), name.value));
            }
            seen.push(name.text());
        }
    }
}

fn side_effects(at: &At<'_>, lenient: &Leniency, causes: &mut Vec<Cause>) {
    let allowed: &[&str] =
        if lenient.side_effects { &["None", "NoneOnDryRun", "Some", "Unknown"] } else { &["None", "NoneOnDryRun"] };
    if at.is_set() {
        at.one_of(allowed, causes);
    } else {
        at.required(&format!("must specify one of {}", allowed.join(", ")), causes);
    }
}

fn fully_qualified(name: &At<'_>, causes: &mut Vec<Cause>) {
    if !name.must_be_there(causes) {
        return;
    }
    let complaints = names::complaints(name.text(), names::Rule::Subdomain);
    if !complaints.is_empty() {
        name.invalid(&complaints.join(","), causes);
    } else if name.text().split('.').count() < 3 {
        name.invalid("should be a domain with at least three segments separated by dots", causes);
    }
}

fn one_rule(rule: &At<'_>, causes: &mut Vec<Cause>) {
    let operations = rule.field("operations");
    all_or_some(&operations, "operations", causes);
    for operation in operations.items() {
        if !matches!(operation.text(), "*" | "CREATE" | "UPDATE" | "DELETE" | "CONNECT") {
            operation.unsupported(&["*", "CONNECT", "CREATE", "DELETE", "UPDATE"], causes);
        }
    }
    all_or_some(&rule.field("apiGroups"), "API groups", causes);
    let versions = rule.field("apiVersions");
    all_or_some(&versions, "API versions", causes);
    for version in versions.items() {
        version.must_be_there(causes);
    }
    resources(&rule.field("resources"), causes);
    rule.field("scope").one_of(&["*", "Cluster", "Namespaced"], causes);
}

/// A list that is there, and in which a star is alone.
fn all_or_some(list: &At<'_>, what: &str, causes: &mut Vec<Cause>) {
    if list.len() == 0 {
        list.required("", causes);
    }
    if list.len() > 1 && list.items().any(|v| v.text() == "*") {
        list.invalid(&format!("if '*' is present, must not specify other {what}"), causes);
    }
}

fn resources(list: &At<'_>, causes: &mut Vec<Cause>) {
    if list.len() == 0 {
        list.required("", causes);
    }
    let (mut all_of, mut everywhere): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let (mut everything, mut every_kind, mut plain) = (false, false, false);
    for item in list.items() {
        if !item.must_be_there(causes) {
            continue;
        }
        everything |= item.text() == "*/*";
        every_kind |= item.text() == "*";
        let Some((kind, sub)) = item.text().split_once('/') else {
            plain = item.text() != "*";
            continue;
        };
        if all_of.contains(&kind) {
            item.invalid(&format!("if '{kind}/*' is present, must not specify {}", item.text()), causes);
        }
        if everywhere.contains(&sub) {
            item.invalid(&format!("if '*/{sub}' is present, must not specify {}", item.text()), causes);
        }
        if sub == "*" {
            all_of.push(kind);
        }
        if kind == "*" {
            everywhere.push(sub);
        }
    }
    if list.len() > 1 && everything {
        list.invalid("if '*/*' is present, must not specify other resources", causes);
    }
    if every_kind && plain {
        list.invalid("if '*' is present, must not specify other resources without subresources", causes);
    }
}

pub(super) fn client(client: &At<'_>, causes: &mut Vec<Cause>) {
    let (address, service) = (client.field("url"), client.field("service"));
    if address.is_set() == service.is_set() {
        client.required("exactly one of url or service is required", causes);
    } else if address.is_set() {
        url(&address, causes);
    } else {
        // The server looks at the two in each other's place.
        for (field, named) in [("namespace", "name"), ("name", "namespace")] {
            if service.field(field).text().is_empty() {
                service.field(named).required("", causes);
            }
        }
        let port = service.field("port");
        if !(1..=65535).contains(&port.int()) {
            let shown = port.int().into();
            let detail = "port is not valid: must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(port.path.clone(), &shown, detail));
        }
        path(&service.field("path"), causes);
    }
}

/// The parts of an address, as far as they matter here.
struct Url<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    host: &'a str,
    query: &'a str,
    fragment: &'a str,
}

impl<'a> Url<'a> {
    /// Or why it is none.
    fn parse(text: &'a str) -> Result<Self, String> {
        let quoted = |problem: &str| format!("parse {text:?}: {problem}");
        if text.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err(quoted("net/url: invalid control character in URL"));
        }
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let scheme_end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
        let (scheme, rest) = match scheme_end {
            Some(0) if rest.starts_with(':') => return Err(quoted("missing protocol scheme")),
            Some(end) if rest[end..].starts_with(':') && rest.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                (&rest[..end], &rest[end + 1..])
            }
            _ => ("", rest),
        };
        if scheme.is_empty() && rest.split('/').next().is_some_and(|first| first.contains(':')) {
            return Err(quoted("first path segment in URL cannot contain colon"));
        }
        let authority = rest.strip_prefix("//").map(|r| r.split('/').next().unwrap_or_default()).unwrap_or_default();
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if host.contains(' ') {
            return Err(quoted("invalid character \" \" in host name"));
        }
        if let Some((_, port)) = host.rsplit_once(':').filter(|(_, p)| !p.contains(']'))
            && !port.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(quoted(&format!("invalid port \":{port}\" after host")));
        }
        Ok(Self { scheme, user, host, query, fragment })
    }
}

fn url(at: &At<'_>, causes: &mut Vec<Cause>) {
    const FORM: &str = "; desired format: https://host[/path]";
    let url = match Url::parse(at.text()) {
        Ok(url) => url,
        Err(problem) => return at.required(&format!("url must be a valid URL: {problem}{FORM}"), causes),
    };
    let mut wrong = |shown: &str, detail: String| causes.push(Cause::invalid(at.path.clone(), &shown.into(), detail));
    if url.scheme != "https" {
        wrong(&url.scheme.to_ascii_lowercase(), format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if url.host.is_empty() {
        wrong(url.host, format!("host must be specified{FORM}"));
    }
    if let Some(user) = url.user {
        wrong(user, "user information is not permitted in the URL".to_owned());
    }
    if !url.fragment.is_empty() {
        wrong(url.fragment, "fragments are not permitted in the URL".to_owned());
    }
    if !url.query.is_empty() {
        wrong(url.query, "query parameters are not permitted in the URL".to_owned());
    }
}

/// The path at which a Service is asked.
fn path(at: &At<'_>, causes: &mut Vec<Cause>) {
    let text = at.text();
    if matches!(text, "" | "/") {
        return;
    }
    if text == "//" {
        return at.invalid("segment[0] may not be empty", causes);
    }
    if !text.starts_with('/') {
        at.invalid("must start with a '/'", causes);
    }
    let mut rest = text.chars();
    rest.next();
    let rest = rest.as_str();
    for (i, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            at.invalid(&format!("segment[{i}] may not be empty"), causes);
            continue;
        }
        for complaint in names::complaints(step, names::Rule::Subdomain) {
            at.invalid(&format!("segment[{i}]: {complaint}"), causes);
        }
    }
}

/// Expressions are kept as they are: nobody compiles them here.
fn conditions(list: &At<'_>, causes: &mut Vec<Cause>) {
    const MOST: usize = 64;
    if list.len() > MOST {
        causes.push(Cause::too_many(list.path.clone(), list.len() as u64, MOST as u64));
    }
    let mut seen: Vec<&str> = Vec::new();
    for condition in list.items() {
        let (name, expression) = (condition.field("name"), condition.field("expression"));
        if expression.text().trim().is_empty() {
            expression.required("", causes);
        }
        if !name.must_be_there(causes) {
            continue;
        }
        network::qualified(&name, causes);
        if seen.contains(&name.text()) {
            causes.push(Cause::duplicate(name.path.clone(), name.value));
        }
        seen.push(name.text());
    }
}

fn versions(versions: &At<'_>, lenient: &Leniency, causes: &mut Vec<Cause>) {
    if versions.len() == 0 {
        versions.required("must specify one of v1, v1beta1", causes);
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for version in versions.items() {
        if seen.contains(&version.text()) {
            causes.push(Cause::invalid(version.path.clone(), version.value, "duplicate version"));
            continue;
        }
        seen.push(version.text());
        for complaint in names::label_1035(version.text()) {
            causes.push(Cause::invalid(version.path.clone(), version.value, complaint));
        }
    }
    if !lenient.unknown_versions && !seen.iter().any(|v| KNOWN.contains(v)) {
        versions.invalid("must include at least one of v1, v1beta1", causes);
    }
}
