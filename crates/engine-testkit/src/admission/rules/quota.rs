//! ResourceQuotas and LimitRanges.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    At,
    resource_names::{anywhere, is_native, is_of_quota, is_pages, is_whole, of_container},
};
use crate::{
    admission::{names, quantity},
    json::list_at,
    status::Cause,
};

const COMPUTE: [&str; 6] = ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];

/// A quantity of a resource.
pub(super) fn amount(at: &At<'_>, name: &str, causes: &mut Vec<Cause>) {
    let Some(nanos) = at.quantity() else { return };
    if nanos < 0 {
        at.invalid("must be greater than or equal to 0", causes);
    }
    if is_whole(name) && quantity::has_fraction(nanos) {
        at.invalid("must be an integer", causes);
    }
}

/// The limits of a quota, or what is used of them.
fn amounts(map: &At<'_>, causes: &mut Vec<Cause>) {
    for (name, at) in map.entries() {
        anywhere(name, &at.path, causes);
        if !name.contains('/') && !is_of_quota(name) {
            causes.push(Cause::invalid(at.path.clone(), &name.into(), "must be a standard resource for quota"));
        }
        amount(&at, name, causes);
    }
}

fn is_scope(scope: &str) -> bool {
    matches!(
        scope,
        "Terminating"
            | "NotTerminating"
            | "BestEffort"
            | "NotBestEffort"
            | "PriorityClass"
            | "VolumeAttributesClass"
            | "CrossNamespacePodAffinity"
    )
}

/// Whether what a quota limits is something that a scope tells apart.
fn has_scope(scope: &str, name: &str) -> bool {
    match scope {
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            name == "pods" || COMPUTE.contains(&name)
        }
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

pub(super) fn quota(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let hard = spec.field("hard");
    amounts(&hard, causes);
    let mut limited: Vec<&str> = hard.entries().map(|(name, _)| name).filter(|n| is_of_quota(n)).collect();
    limited.sort_unstable();
    let scopes = spec.field("scopes");
    let mut used: Vec<&str> = Vec::new();
    for scope in scopes.items() {
        if !is_scope(scope.text()) {
            scopes.invalid("unsupported scope", causes);
        }
        for _ in limited.iter().filter(|name| !has_scope(scope.text(), name)) {
            scopes.invalid("unsupported scope applied to resource", causes);
        }
        used.push(scope.text());
    }
    conflicting(&scopes, &used, causes);
    let selector = spec.field("scopeSelector");
    if selector.is_set() {
        selected(&selector, &scopes, &limited, causes);
    }
}

fn conflicting(scopes: &At<'_>, used: &[&str], causes: &mut Vec<Cause>) {
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if used.contains(&one) && used.contains(&other) {
            scopes.invalid("conflicting scopes", causes);
        }
    }
}

fn selected(selector: &At<'_>, scopes: &At<'_>, limited: &[&str], causes: &mut Vec<Cause>) {
    let list = selector.field("matchExpressions");
    let mut used: Vec<&str> = Vec::new();
    for expression in list.items() {
        let scope = expression.field("scopeName").text();
        let (operator, values) = (expression.field("operator").text(), expression.field("values"));
        // The places that errors name are those of the list, not of its items.
        let at = |field: &str| format!("{}.{field}", list.path);
        if !is_scope(scope) {
            causes.push(Cause::invalid(at("scopeName"), &scope.into(), "unsupported scope"));
        }
        for _ in limited.iter().filter(|name| !has_scope(scope, name)) {
            let shown = serde_json::json!({"MatchExpressions": list.items().map(|e| serde_json::json!({
                "ScopeName": e.field("scopeName").text(), "Operator": e.field("operator").text(),
                "Values": e.field("values").value,
            })).collect::<Vec<_>>()});
            causes.push(Cause::invalid(list.path.clone(), &shown, "unsupported scope applied to resource"));
        }
        if scope != "PriorityClass" && scope != "VolumeAttributesClass" && is_scope(scope) && operator != "Exists" {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            causes.push(Cause::invalid(at("operator"), &operator.into(), detail));
        }
        match operator {
            "In" | "NotIn" if values.len() == 0 => {
                let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                causes.push(Cause::required(at("values"), detail));
            }
            "Exists" | "DoesNotExist" if values.len() > 0 => {
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                causes.push(Cause::invalid(at("values"), values.value, detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => causes.push(Cause::invalid(at("operator"), &operator.into(), "not a valid selector operator")),
        }
        used.push(scope);
    }
    conflicting(&At { path: list.path.clone(), ..scopes.clone() }, &used, causes);
}

/// What of a quota cannot change any more.
pub(super) fn quota_change(root: &At<'_>, before: &Value, causes: &mut Vec<Cause>) {
    let set = |v: &Value| -> BTreeSet<String> {
        list_at(v, &["spec", "scopes"]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if set(root.value) != set(before) {
        root.field("spec").field("scopes").invalid("field is immutable", causes);
    }
}

pub(super) fn quota_status(root: &At<'_>, causes: &mut Vec<Cause>) {
    let status = root.field("status");
    amounts(&status.field("hard"), causes);
    amounts(&status.field("used"), causes);
}

/// A resource that a limit is about.
fn limited_name(kind: &str, at: &At<'_>, name: &str, causes: &mut Vec<Cause>) {
    if matches!(kind, "Pod" | "Container") {
        of_container(name, &at.path, causes);
    } else {
        anywhere(name, &at.path, causes);
    }
}

pub(super) fn limit_range(root: &At<'_>, causes: &mut Vec<Cause>) {
    let mut seen: Vec<&str> = Vec::new();
    for limit in root.field("spec").field("limits").items() {
        let at = limit.field("type");
        let kind = at.text();
        let complaints = names::key_complaints(kind);
        if complaints.is_empty()
            && !kind.contains('/')
            && !matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim")
        {
            let detail = "must be a standard limit type or fully qualified";
            causes.push(Cause::invalid(at.path.clone(), &kind.into(), detail));
        }
        for complaint in complaints {
            causes.push(Cause::invalid(at.path.clone(), &kind.into(), complaint));
        }
        if seen.contains(&kind) {
            causes.push(Cause::duplicate(at.path.clone(), &kind.into()));
        }
        seen.push(kind);
        one_limit(kind, &limit, causes);
    }
}

fn one_limit(kind: &str, limit: &At<'_>, causes: &mut Vec<Cause>) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut check = |field: &str, causes: &mut Vec<Cause>| {
        for (name, at) in limit.field(field).entries() {
            limited_name(kind, &at, name, causes);
            names.insert(name);
        }
    };
    check("max", causes);
    check("min", causes);
    if kind == "Pod" {
        for field in ["default", "defaultRequest"] {
            if limit.field(field).len() > 0 {
                limit.field(field).forbidden("may not be specified when `type` is 'Pod'", causes);
            }
        }
    } else {
        check("default", causes);
        check("defaultRequest", causes);
    }
    let storage = |field: &str| limit.field(field).field("storage").is_set();
    if kind == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        limit.field("limits").required(detail, causes);
    }
    check("maxLimitRequestRatio", causes);
    for name in names {
        compare(kind, limit, name, causes);
    }
}

/// The limits for one resource, which must fit each other.
fn compare(kind: &str, limit: &At<'_>, name: &str, causes: &mut Vec<Cause>) {
    let at = |field: &str| format!("{}.{field}[{name}]", limit.path);
    let of = |field: &str| -> Option<(&str, i128)> {
        if kind == "Pod" && field.starts_with("default") {
            return None;
        }
        let text = limit.value.get(field)?.get(name)?.as_str()?;
        Some((text, quantity::value(text)?))
    };
    let (min, max) = (of("min"), of("max"));
    let (default, request, ratio) = (of("default"), of("defaultRequest"), of("maxLimitRequestRatio"));
    // Which is the smaller one, which the greater one, who is shown, and what is said.
    for (low, high, field, shown, what) in [
        (min, max, "min", min, "min value {} is greater than max value {}"),
        (min, request, "defaultRequest", request, "min value {} is greater than default request value {}"),
        (request, max, "defaultRequest", request, "default request value {} is greater than max value {}"),
        (
            request,
            default,
            "defaultRequest",
            request,
            "default request value {} is greater than default limit value {}",
        ),
        (min, default, "default", min, "min value {} is greater than default value {}"),
        (default, max, "default", max, "default value {} is greater than max value {}"),
    ] {
        if let (Some(low), Some(high), Some(shown)) = (low, high, shown)
            && low.1 > high.1
        {
            let detail = what.replacen("{}", low.0, 1).replacen("{}", high.0, 1);
            causes.push(Cause::invalid(at(field), &shown.0.into(), detail));
        }
    }
    if let Some((text, ratio)) = ratio {
        let mut wrong = |detail: String| causes.push(Cause::invalid(at("maxLimitRequestRatio"), &text.into(), detail));
        if ratio < 1_000_000_000 {
            wrong(format!("ratio {text} is less than 1"));
        }
        if let (Some((_, min)), Some((_, max))) = (min, max) {
            #[allow(clippy::cast_precision_loss, reason = "the real server computes with floats, too")]
            let (most, ratio) = (max as f64 / min as f64, ratio as f64 / 1e9);
            if ratio > most {
                wrong(format!("ratio {text} is greater than max/min = {most:.6}"));
            }
        }
    }
    if let (Some(default), Some(request)) = (default, request)
        && (!is_native(name) || is_pages(name))
        && default.1 != request.1
    {
        let detail = format!("default value {} must equal to defaultRequest value {} in {name}", default.0, request.0);
        causes.push(Cause::invalid(at("defaultRequest"), &request.0.into(), detail));
    }
}
