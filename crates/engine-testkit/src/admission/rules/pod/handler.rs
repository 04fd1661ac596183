//! Probes and hooks of containers.

use super::{At, text};
use crate::status::Cause;

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// The probes of a container. `grace` is how long the Pod may take to end.
pub(super) fn probes(container: &At<'_>, grace: Option<i64>, causes: &mut Vec<Cause>) {
    for name in PROBES {
        let at = container.field(name);
        if !at.is_set() {
            continue;
        }
        handler(&at, &["exec", "httpGet", "tcpSocket", "grpc"], grace, causes);
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            at.field(field).not_negative(causes);
        }
        let own_grace = at.field("terminationGracePeriodSeconds");
        if own_grace.is_set() && own_grace.int() <= 0 {
            own_grace.invalid("must be greater than 0", causes);
        }
        if name == "readinessProbe" {
            if own_grace.is_set() {
                own_grace.invalid("must not be set for readinessProbes", causes);
            }
        } else {
            let successes = at.field("successThreshold");
            if successes.int() != 1 {
                causes.push(Cause::invalid(successes.path.clone(), &successes.int().into(), "must be 1"));
            }
        }
    }
}

/// What only containers that keep running have.
pub(super) fn none_of_it(container: &At<'_>, causes: &mut Vec<Cause>) {
    for name in ["lifecycle"].iter().chain(&PROBES) {
        let at = container.field(name);
        if at.is_set() {
            at.forbidden("may not be set for init containers without restartPolicy=Always", causes);
        }
    }
}

/// The hooks of a container.
pub(super) fn lifecycle(container: &At<'_>, grace: Option<i64>, causes: &mut Vec<Cause>) {
    for name in ["postStart", "preStop"] {
        let hook = container.field("lifecycle").field(name);
        if hook.is_set() {
            handler(&hook, &["exec", "httpGet", "tcpSocket", "sleep"], grace, causes);
        }
    }
}

/// Exactly one way to ask. Of more than one, the first counts.
fn handler(at: &At<'_>, ways: &[&str], grace: Option<i64>, causes: &mut Vec<Cause>) {
    let mut set = ways.iter().map(|way| (*way, at.field(way))).filter(|(_, at)| at.is_set());
    match set.next() {
        None => at.required("must specify a handler type", causes),
        Some(("exec", exec)) => {
            if exec.field("command").len() == 0 {
                exec.field("command").required("", causes);
            }
        }
        Some(("httpGet", http)) => {
            http.field("path").must_be_there(causes);
            http.field("port").port_or_name(causes);
            text::exactly_one_of(&http.field("scheme"), &["HTTP", "HTTPS"], causes);
            let headers = http.field("httpHeaders");
            for header in headers.items() {
                let name = header.field("name").text();
                if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                    let detail = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. \
                                  'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
                    causes.push(Cause::invalid(headers.path.clone(), &name.into(), detail));
                }
            }
        }
        Some(("sleep", sleep)) => {
            let seconds = sleep.field("seconds").int();
            if let Some(grace) = grace.filter(|grace| !(0..=*grace).contains(&seconds)) {
                let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                causes.push(Cause::invalid(sleep.path.clone(), &seconds.into(), detail));
            }
        }
        // A socket or gRPC.
        Some((_, other)) => other.field("port").port_or_name(causes),
    }
    for (_, at) in set {
        at.forbidden("may not specify more than 1 handler type", causes);
    }
}
