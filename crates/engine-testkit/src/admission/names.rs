//! The syntax of names: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>

/// Which rule the names of a kind follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Subdomain,
    Label,
    /// Anything that can stand in a path: RBAC.
    PathSegment,
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
pub(crate) fn rule_for(group: &str, resource: &str) -> Rule {
    match (group, resource) {
        // Of a budget's name nothing is asked but that it has a path.
        ("rbac.authorization.k8s.io", _) | ("policy", "poddisruptionbudgets") => Rule::PathSegment,
        // Since 1.36 a Service may start with a digit, like any label.
        ("", "namespaces" | "services") | ("apps", "statefulsets") => Rule::Label,
        _ => Rule::Subdomain,
    }
}

fn is_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// What is wrong with a name, in the order of a real server.
pub(crate) fn complaints(name: &str, rule: Rule) -> Vec<String> {
    let too_long = |limit: usize| (name.len() > limit).then(|| format!("must be no more than {limit} characters"));
    match rule {
        Rule::Label => {
            let dots = name.split('.').all(is_label);
            let detail = || if dots { "must not contain dots".to_owned() } else { LABEL.to_owned() };
            too_long(63).into_iter().chain((!is_label(name)).then(detail)).collect()
        }
        Rule::Subdomain => {
            too_long(253).into_iter().chain((!name.split('.').all(is_label)).then(|| SUBDOMAIN.to_owned())).collect()
        }
        Rule::PathSegment if matches!(name, "." | "..") => vec![format!("may not be '{name}'")],
        Rule::PathSegment => {
            ["/", "%"].iter().filter(|c| name.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
        }
    }
}

/// The same for what a name is generated from, which may end with a dash.
pub(crate) fn prefix_complaint(prefix: &str, rule: Rule) -> Vec<String> {
    match rule {
        Rule::PathSegment => complaints(prefix, rule),
        // As the server does it: a last dash and what is before it are replaced before the name is looked at.
        _ => {
            let stem =
                prefix.strip_suffix('-').and_then(|stem| stem.char_indices().next_back().map(|(at, _)| &stem[..at]));
            stem.map_or_else(|| complaints(prefix, rule), |stem| complaints(&format!("{stem}a"), rule))
        }
    }
}

/// What is wrong with a qualified name, as keys of labels are: one or more of its parts.
pub(crate) fn key_complaints(key: &str) -> Vec<String> {
    const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let parts: Vec<&str> = key.split('/').collect();
    let mut out = Vec::new();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            match *prefix {
                "" => out.push("prefix part must be non-empty".to_owned()),
                prefix => {
                    if prefix.len() > 253 {
                        out.push("prefix part must be no more than 253 bytes".to_owned());
                    }
                    if !prefix.split('.').all(is_label) {
                        out.push(format!("prefix part {SUBDOMAIN}"));
                    }
                }
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        out.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        out.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_qualified(name) {
        out.push(format!("name part {QUALIFIED}"));
    }
    out
}

/// A key of a label selector, all complaints in one.
pub(crate) fn selector_key_complaint(key: &str) -> Option<String> {
    let complaints = key_complaints(key);
    (!complaints.is_empty()).then(|| complaints.join("; "))
}

fn is_qualified(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// What is wrong with a label's value.
pub(crate) fn value_complaints(value: &str) -> Vec<String> {
    let too_long = (value.len() > 63).then(|| "must be no more than 63 bytes".to_owned());
    let malformed = (!value.is_empty() && !is_qualified(value)).then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".to_owned()
    });
    too_long.into_iter().chain(malformed).collect()
}

/// What is wrong with a label as RFC 1035 has them, which begins with a letter.
pub(crate) fn label_1035(text: &str) -> Vec<String> {
    let too_long = (text.len() > 63).then(|| "must be no more than 63 characters".to_owned());
    let ok = is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
    let malformed = (!ok).then(|| "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".to_owned());
    too_long.into_iter().chain(malformed).collect()
}

/// What is wrong with the name of a port: <https://www.rfc-editor.org/rfc/rfc6335#section-5.1>
pub(crate) fn port_complaints(name: &str) -> Vec<&'static str> {
    let mut out = Vec::new();
    if name.len() > 15 {
        out.push("must be no more than 15 characters");
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        out.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        out.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        out.push("must not begin or end with a hyphen");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_rule() {
        for (name, rule, ok) in [
            ("web-1", Rule::Subdomain, true),
            ("web.example.com", Rule::Subdomain, true),
            ("Web", Rule::Subdomain, false),
            ("-a", Rule::Subdomain, false),
            ("a..b", Rule::Subdomain, false),
            ("a.b", Rule::Label, false),
            ("system:node", Rule::PathSegment, true),
            ("a/b", Rule::PathSegment, false),
        ] {
            assert_eq!(complaints(name, rule).is_empty(), ok, "{name} {rule:?}");
        }
        assert!(key_complaints("app.kubernetes.io/name").is_empty());
        assert!(!key_complaints("/x").is_empty());
        assert!(!value_complaints("a b").is_empty());
    }

    #[test]
    fn names_of_ports() {
        assert!(port_complaints("http").is_empty());
        assert_eq!(port_complaints("8080"), ["must contain at least one letter (a-z)"]);
        assert_eq!(port_complaints("-").len(), 2);
    }
}
