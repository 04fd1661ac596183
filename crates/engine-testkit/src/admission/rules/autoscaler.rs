//! HorizontalPodAutoscalers.

use super::{At, Change, resource_names};
use crate::{admission::names, status::Cause};

/// What is asked of the `apiVersion` of a reference.
#[derive(Clone, Copy)]
enum Group {
    Required,
    Optional,
    Any,
}

pub(super) fn autoscaler(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let root = change.root();
    if change.subresource == "status" {
        for counter in ["currentReplicas", "desiredReplicas"] {
            root.field("status").field(counter).not_negative(causes);
        }
        return;
    }
    let spec = root.field("spec");
    let old = change.old_root().map(|root| root.field("spec"));
    // What was zero already, when that was allowed, may stay so.
    let lowest = i64::from(!old.as_ref().is_some_and(|old| old.field("minReplicas").value == 0));
    let (least, most) = (spec.field("minReplicas"), spec.field("maxReplicas"));
    if least.is_set() && least.int() < lowest {
        least.invalid(&format!("must be greater than or equal to {lowest}"), causes);
    }
    match most.int() {
        0 => most.required("must be set and greater than 0", causes),
        n if n < 0 => most.invalid("must be greater than or equal to 1", causes),
        _ => {}
    }
    if least.is_set() && most.int() < least.int() {
        let detail = "must be greater than or equal to `minReplicas`";
        causes.push(Cause::invalid(most.path.clone(), &most.int().into(), detail));
    }
    let target = spec.field("scaleTargetRef");
    let same = |old: &At<'_>| {
        let before = old.field("scaleTargetRef");
        ["apiVersion", "kind"].iter().all(|f| before.field(f).text() == target.field(f).text())
    };
    let group = if old.as_ref().is_some_and(same) {
        Group::Any
    } else if target.field("kind").text() == "ReplicationController" {
        // The only kind of the core that scales.
        Group::Optional
    } else {
        Group::Required
    };
    reference(&target, group, causes);
    let described = if old.is_some_and(|old| has_wrong_group(&old)) { Group::Any } else { Group::Optional };
    metrics(&spec, described, causes);
    for direction in ["scaleUp", "scaleDown"] {
        rules(&spec.field("behavior").field(direction), causes);
    }
}

/// Whether a metric of the stored object names an `apiVersion` that nobody would accept any more.
fn has_wrong_group(spec: &At<'_>) -> bool {
    let wrong = |metric: At<'_>| {
        let version = metric.field("object").field("describedObject").field("apiVersion");
        metric.field("type").text() == "Object" && wrong_version(version.text(), Group::Optional).is_some()
    };
    spec.field("metrics").items().any(wrong)
}

fn wrong_version(version: &str, group: Group) -> Option<String> {
    match (group, version.matches('/').count()) {
        (Group::Any, _) => None,
        (_, 2..) => Some(format!("unexpected GroupVersion string: {version}")),
        (Group::Required, 0) => Some("apiVersion must specify API group".to_owned()),
        (Group::Required, _) if version.starts_with('/') => Some("apiVersion must specify API group".to_owned()),
        _ => None,
    }
}

fn segment(at: &At<'_>, missing: &str, causes: &mut Vec<Cause>) {
    if at.text().is_empty() {
        at.required(missing, causes);
    } else {
        at.name(names::Rule::PathSegment, causes);
    }
}

fn reference(target: &At<'_>, group: Group, causes: &mut Vec<Cause>) {
    segment(&target.field("kind"), "", causes);
    segment(&target.field("name"), "", causes);
    let version = target.field("apiVersion");
    if let Some(detail) = wrong_version(version.text(), group) {
        causes.push(Cause::invalid(version.path.clone(), &version.text().into(), detail));
    }
}

/// The kinds of metrics, and the field that each has, in the order in which they are looked at.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

fn metrics(spec: &At<'_>, described: Group, causes: &mut Vec<Cause>) {
    let metrics = spec.field("metrics");
    let mut from_outside = false;
    for metric in metrics.items() {
        let kind = metric.field("type");
        from_outside |= matches!(kind.text(), "Object" | "External");
        if kind.text().is_empty() {
            kind.required("must specify a metric source type", causes);
        }
        if !TYPES.contains(&kind.text()) {
            // Two rules ask for the same.
            kind.unsupported(&TYPES, causes);
            kind.unsupported(&TYPES, causes);
        }
        let present: Vec<At<'_>> = SOURCES.iter().map(|(_, field)| metric.field(field)).filter(At::is_set).collect();
        if let Some(first) = present.first() {
            source(first, described, causes);
        }
        let expected = SOURCES.iter().find(|(name, _)| *name == kind.text()).map(|(_, field)| metric.field(field));
        if let Some(expected) = expected.as_ref().filter(|at| !at.is_set()) {
            expected.required("must populate information for the given metric source", causes);
        }
        if present.len() > 1 {
            for other in present.iter().filter(|at| expected.as_ref().is_none_or(|e| e.path != at.path)) {
                other.forbidden("must populate the given metric source only", causes);
            }
        }
    }
    if spec.field("minReplicas").value == 0 && !from_outside {
        metrics.forbidden(
            "must specify at least one Object or External metric to support scaling to zero replicas",
            causes,
        );
    }
}

/// The field that holds a metric says which kind it is of.
fn source(source: &At<'_>, described: Group, causes: &mut Vec<Cause>) {
    let target = source.field("target");
    let (value, average) = (target.field("value"), target.field("averageValue"));
    let utilization = target.field("averageUtilization");
    let identifier = source.field("metric").field("name");
    match source.path.rsplit('.').next().unwrap_or_default() {
        "object" => {
            reference(&source.field("describedObject"), described, causes);
            segment(&identifier, "must specify a metric name", causes);
            amount(&target, causes);
            if !value.is_set() && !average.is_set() {
                average.required("must set either a target value or averageValue", causes);
            }
        }
        "external" => {
            segment(&identifier, "must specify a metric name", causes);
            amount(&target, causes);
            if !value.is_set() && !average.is_set() {
                average.required("must set either a target value for metric or a per-pod target", causes);
            }
            if value.is_set() && average.is_set() {
                value.forbidden("may not set both a target value for metric and a per-pod target", causes);
            }
        }
        "pods" => {
            segment(&identifier, "must specify a metric name", causes);
            amount(&target, causes);
            if !average.is_set() {
                average.required("must specify a positive target averageValue", causes);
            }
        }
        of => {
            let name = source.field("name");
            if name.text().is_empty() {
                name.required("must specify a resource name", causes);
            } else if of == "containerResource" {
                resource_names::of_container(name.text(), &name.path, causes);
            }
            if of == "containerResource" {
                let container = source.field("container");
                if container.text().is_empty() {
                    container.required("must specify a container", causes);
                } else {
                    container.name(names::Rule::Label, causes);
                }
            }
            amount(&target, causes);
            if !utilization.is_set() && !average.is_set() {
                utilization.required("must set either a target raw value or a target utilization", causes);
            }
            if utilization.is_set() && average.is_set() {
                average.forbidden("may not set both a target raw value and a target utilization", causes);
            }
        }
    }
}

fn amount(target: &At<'_>, causes: &mut Vec<Cause>) {
    let kind = target.field("type");
    if kind.text().is_empty() {
        kind.required("must specify a metric target type", causes);
    }
    if !matches!(kind.text(), "Utilization" | "Value" | "AverageValue") {
        let detail = "must be either Utilization, Value, or AverageValue";
        causes.push(Cause::invalid(kind.path.clone(), &kind.text().into(), detail));
    }
    for field in ["value", "averageValue"] {
        let at = target.field(field);
        if at.quantity().is_some_and(|n| n <= 0) {
            at.invalid("must be positive", causes);
        }
    }
    let utilization = target.field("averageUtilization");
    if utilization.is_set() && utilization.int() < 1 {
        utilization.invalid("must be greater than 0", causes);
    }
}

fn rules(rules: &At<'_>, causes: &mut Vec<Cause>) {
    const LONGEST_WINDOW: i64 = 3600;
    const LONGEST_PERIOD: i64 = 1800;
    if !rules.is_set() {
        return;
    }
    let window = rules.field("stabilizationWindowSeconds");
    if window.int() < 0 {
        window.invalid("must be greater than or equal to zero", causes);
    }
    if window.int() > LONGEST_WINDOW {
        window.invalid(&format!("must be less than or equal to {LONGEST_WINDOW}"), causes);
    }
    rules.field("selectPolicy").one_of(&["Disabled", "Max", "Min"], causes);
    let policies = rules.field("policies");
    if policies.len() == 0 {
        policies.required("must specify at least one Policy", causes);
    }
    for policy in policies.items() {
        let kind = policy.field("type");
        if !matches!(kind.text(), "Pods" | "Percent") {
            kind.unsupported(&["Percent", "Pods"], causes);
        }
        for field in ["value", "periodSeconds"] {
            let at = policy.field(field);
            if at.int() <= 0 {
                causes.push(Cause::invalid(at.path.clone(), &at.int().into(), "must be greater than zero"));
            }
        }
        let period = policy.field("periodSeconds");
        if period.int() > LONGEST_PERIOD {
            period.invalid(&format!("must be less than or equal to {LONGEST_PERIOD}"), causes);
        }
    }
    let tolerance = rules.field("tolerance");
    if tolerance.quantity().is_some_and(|n| n < 0) {
        tolerance.invalid("must be greater than or equal to 0", causes);
    }
}
