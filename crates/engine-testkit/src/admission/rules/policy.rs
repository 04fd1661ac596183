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
