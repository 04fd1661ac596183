//! Disruption budgets, autoscalers, RBAC and webhook configurations.

use super::At;
use crate::{admission::names, status::Cause};

pub(super) fn disruption_budget(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let (least, most) = (spec.field("minAvailable"), spec.field("maxUnavailable"));
    if least.is_set() && most.is_set() {
        spec.invalid("minAvailable and maxUnavailable cannot be both set", causes);
    }
    for bound in [&least, &most] {
        bound.count_or_percent(causes);
        bound.not_more_than_all(causes);
    }
    spec.field("selector").selector(causes);
    spec.field("unhealthyPodEvictionPolicy").one_of(&["AlwaysAllow", "IfHealthyBudget"], causes);
}

pub(super) fn autoscaler(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let (least, most) = (spec.field("minReplicas"), spec.field("maxReplicas"));
    if least.is_set() && least.int() < 1 {
        least.invalid("must be greater than or equal to 1", causes);
    }
    if most.int() < 1 {
        causes.push(Cause::invalid(most.path.clone(), &most.int().into(), "must be greater than 0"));
    }
    if least.is_set() && most.int() < least.int() {
        causes.push(Cause::invalid(
            most.path.clone(),
            &most.int().into(),
            "must be greater than or equal to `minReplicas`",
        ));
    }
    let target = spec.field("scaleTargetRef");
    for field in ["kind", "name"] {
        let at = target.field(field);
        if at.text().is_empty() {
            at.required("", causes);
        } else {
            at.name(names::Rule::PathSegment, causes);
        }
    }
    let version = target.field("apiVersion");
    if !version.text().is_empty() && !version.text().contains('/') && version.text() != "v1" {
        version.invalid("apiVersion must specify API group", causes);
    }
}

pub(super) fn rbac(kind: &str, root: &At<'_>, causes: &mut Vec<Cause>) {
    match kind {
        "roles" | "clusterroles" => {
            for rule in root.field("rules").items() {
                policy_rule(&rule, kind == "roles", causes);
            }
            let aggregation = root.field("aggregationRule");
            if aggregation.is_set() {
                let selectors = aggregation.field("clusterRoleSelectors");
                if selectors.len() == 0 {
                    selectors
                        .required("at least one clusterRoleSelector required if aggregationRule is non-nil", causes);
                }
                for selector in selectors.items() {
                    selector.selector(causes);
                }
            }
        }
        _ => binding(kind, root, causes),
    }
}

fn policy_rule(rule: &At<'_>, namespaced: bool, causes: &mut Vec<Cause>) {
    let (verbs, urls) = (rule.field("verbs"), rule.field("nonResourceURLs"));
    if verbs.len() == 0 {
        verbs.required("verbs must contain at least one value", causes);
    }
    let (groups, resources) = (rule.field("apiGroups"), rule.field("resources"));
    if urls.len() > 0 {
        if namespaced {
            urls.invalid("namespaced rules cannot apply to non-resource URLs", causes);
        }
        if groups.len() > 0 || resources.len() > 0 || rule.field("resourceNames").len() > 0 {
            urls.invalid("rules cannot apply to both regular resources and non-resource URLs", causes);
        }
        return;
    }
    if groups.len() == 0 {
        groups.required("resource rules must supply at least one api group", causes);
    }
    if resources.len() == 0 {
        resources.required("resource rules must supply at least one resource", causes);
    }
}

fn binding(kind: &str, root: &At<'_>, causes: &mut Vec<Cause>) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let role = root.field("roleRef");
    let group = role.field("apiGroup");
    if group.text() != GROUP {
        group.unsupported(&[GROUP], causes);
    }
    let name = role.field("name");
    let kinds: &[&str] = if kind == "rolebindings" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&role.field("kind").text()) {
        role.field("kind").unsupported(kinds, causes);
    }
    if name.text().is_empty() {
        name.required("", causes);
    } else {
        name.name(names::Rule::PathSegment, causes);
    }
    for subject in root.field("subjects").items() {
        let (name, group) = (subject.field("name"), subject.field("apiGroup"));
        if name.text().is_empty() {
            name.required("", causes);
        }
        match subject.field("kind").text() {
            "ServiceAccount" => {
                if !name.text().is_empty() {
                    name.name(names::Rule::Subdomain, causes);
                }
                if !group.text().is_empty() {
                    group.unsupported(&[""], causes);
                }
                let namespace = subject.field("namespace");
                if namespace.text().is_empty() {
                    namespace.required("", causes);
                }
            }
            "User" | "Group" => {
                if group.text() != GROUP {
                    group.unsupported(&[GROUP], causes);
                }
            }
            _ => subject.field("kind").unsupported(&["ServiceAccount", "User", "Group"], causes),
        }
    }
}

pub(super) fn webhooks(root: &At<'_>, causes: &mut Vec<Cause>) {
    let mut seen: Vec<&str> = Vec::new();
    for hook in root.field("webhooks").items() {
        let name = hook.field("name");
        fully_qualified(&name, causes);
        rules(&hook.field("rules"), causes);
        hook.field("failurePolicy").one_of(&["Fail", "Ignore"], causes);
        hook.field("matchPolicy").one_of(&["Equivalent", "Exact"], causes);
        let effects = hook.field("sideEffects");
        if !effects.is_set() {
            effects.required("must specify one of None, NoneOnDryRun", causes);
        } else {
            effects.one_of(&["None", "NoneOnDryRun"], causes);
        }
        let timeout = hook.field("timeoutSeconds");
        if timeout.is_set() && !(1..=30).contains(&timeout.int()) {
            timeout.invalid("the timeout value must be between 1 and 30 seconds", causes);
        }
        hook.field("namespaceSelector").selector(causes);
        hook.field("objectSelector").selector(causes);
        client(&hook.field("clientConfig"), causes);
        hook.field("reinvocationPolicy").one_of(&["IfNeeded", "Never"], causes);
        if seen.contains(&name.text()) {
            causes.push(Cause::duplicate(name.path.clone(), name.value));
        }
        seen.push(name.text());
        versions(&hook.field("admissionReviewVersions"), causes);
    }
}

fn fully_qualified(name: &At<'_>, causes: &mut Vec<Cause>) {
    if name.text().is_empty() {
        name.required("", causes);
        return;
    }
    let found = causes.len();
    name.name(names::Rule::Subdomain, causes);
    if causes.len() == found && name.text().split('.').count() < 3 {
        name.invalid("should be a domain with at least three segments separated by dots", causes);
    }
}

fn rules(rules: &At<'_>, causes: &mut Vec<Cause>) {
    for rule in rules.items() {
        for field in ["operations", "apiGroups", "apiVersions", "resources"] {
            let at = rule.field(field);
            if at.len() == 0 {
                at.required("", causes);
            }
        }
        rule.field("scope").one_of(&["*", "Cluster", "Namespaced"], causes);
    }
}

fn client(client: &At<'_>, causes: &mut Vec<Cause>) {
    let (url, service) = (client.field("url"), client.field("service"));
    if url.is_set() == service.is_set() {
        client.required("exactly one of url or service is required", causes);
        return;
    }
    if service.is_set() {
        for field in ["name", "namespace"] {
            service.field(field).must_be_there(causes);
        }
        let port = service.field("port");
        if !(1..=65535).contains(&port.int()) {
            port.invalid("port is not valid: must be between 1 and 65535, inclusive", causes);
        }
    }
}

fn versions(versions: &At<'_>, causes: &mut Vec<Cause>) {
    const KNOWN: [&str; 2] = ["v1", "v1beta1"];
    if versions.len() == 0 {
        versions.required("must specify one of v1, v1beta1", causes);
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for version in versions.items() {
        if seen.contains(&version.text()) {
            causes.push(Cause::invalid(version.path.clone(), version.value, "duplicate version"));
        }
        seen.push(version.text());
        for complaint in names::label_1035(version.text()) {
            causes.push(Cause::invalid(version.path.clone(), version.value, complaint));
        }
    }
    if !versions.items().any(|v| KNOWN.contains(&v.text())) {
        versions.invalid("must include at least one of v1, v1beta1", causes);
    }
}
