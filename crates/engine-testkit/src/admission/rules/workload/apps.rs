//! Deployments, ReplicaSets, StatefulSets and DaemonSets.

use serde_json::{Map, Value, json};

use super::{
    At, Change, amount, count_or_percent, fixed, is_empty, is_readable, matches_template, not_more_than_all,
    runs_for_ever, selector, template,
};
use crate::{admission::names, json, status::Cause};

pub(super) fn deployment(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec = change.root().field("spec");
    spec.field("replicas").not_negative(causes);
    selected_template(&spec, causes);
    strategy(&spec.field("strategy"), causes);
    spec.field("minReadySeconds").not_negative(causes);
    spec.field("revisionHistoryLimit").not_negative(causes);
    let progress = spec.field("progressDeadlineSeconds");
    if progress.is_set() {
        progress.not_negative(causes);
        if progress.int() <= spec.field("minReadySeconds").int() {
            progress.invalid("must be greater than minReadySeconds", causes);
        }
    }
    same_selector(change, causes);
}

pub(super) fn replica_set(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec = change.root().field("spec");
    spec.field("replicas").not_negative(causes);
    spec.field("minReadySeconds").not_negative(causes);
    selected_template(&spec, causes);
    same_selector(change, causes);
}

/// The template is looked at when it is known what has to select it.
fn selected_template(spec: &At<'_>, causes: &mut Vec<Cause>) {
    selector(spec, "deployment", causes);
    let selector = spec.field("selector");
    if !is_readable(&selector) {
        selector.invalid("invalid label selector", causes);
        return;
    }
    if !selector.is_set() || !is_empty(&selector) {
        matches_template(spec, causes);
    }
    template(&spec.field("template"), causes);
    runs_for_ever(spec, "ReplicaSet", causes);
}

fn same_selector(change: &Change<'_>, causes: &mut Vec<Cause>) {
    if let Some(before) = change.old_root() {
        fixed(&before.field("spec").field("selector"), &change.root().field("spec").field("selector"), causes);
    }
}

fn strategy(strategy: &At<'_>, causes: &mut Vec<Cause>) {
    let rolling = strategy.field("rollingUpdate");
    match strategy.field("type").text() {
        "Recreate" => {
            if rolling.is_set() {
                rolling.forbidden("may not be specified when strategy `type` is 'Recreate'", causes);
            }
        }
        "RollingUpdate" => {
            let (down, up) = (rolling.field("maxUnavailable"), rolling.field("maxSurge"));
            count_or_percent(&down, causes);
            count_or_percent(&up, causes);
            if amount::is_zero(&down) && amount::is_zero(&up) {
                down.invalid("may not be 0 when `maxSurge` is 0", causes);
            }
            not_more_than_all(&down, causes);
        }
        _ => unknown_strategy(strategy, &["Recreate", "RollingUpdate"], causes),
    }
}

/// The whole strategy is shown, with the names that its fields have inside of the server.
fn unknown_strategy(strategy: &At<'_>, supported: &[&str], causes: &mut Vec<Cause>) {
    let rolling = strategy.field("rollingUpdate");
    let bound = |name: &str| match rolling.field(name) {
        at if at.is_set() => at.value.clone(),
        _ => 0.into(),
    };
    let rolling = match rolling.is_set() {
        true => format!("{{\"MaxUnavailable\":{},\"MaxSurge\":{}}}", bound("maxUnavailable"), bound("maxSurge")),
        false => "null".to_owned(),
    };
    let kind = Value::from(strategy.field("type").text());
    let shown = format!("{{\"Type\":{kind},\"RollingUpdate\":{rolling}}}");
    causes.push(Cause::unsupported_shown(strategy.path.clone(), &shown, supported));
}

pub(super) fn daemon_set(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec = change.root().field("spec");
    same_selector(change, causes);
    let selector = spec.field("selector");
    selector.selector(causes);
    if is_readable(&selector) {
        matches_template(&spec, causes);
    }
    if selector.is_set() && is_empty(&selector) {
        selector.invalid("empty selector is invalid for daemonset", causes);
    }
    template(&spec.field("template"), causes);
    runs_for_ever(&spec, "DaemonSet", causes);
    spec.field("minReadySeconds").not_negative(causes);
    daemon_strategy(&spec.field("updateStrategy"), causes);
    spec.field("revisionHistoryLimit").not_negative(causes);
}

fn daemon_strategy(strategy: &At<'_>, causes: &mut Vec<Cause>) {
    match strategy.field("type").text() {
        "OnDelete" => {}
        "RollingUpdate" => {
            let rolling = strategy.field("rollingUpdate");
            let (down, up) = (rolling.field("maxUnavailable"), rolling.field("maxSurge"));
            count_or_percent(&down, causes);
            count_or_percent(&up, causes);
            not_more_than_all(&down, causes);
            not_more_than_all(&up, causes);
            match (amount::is_zero(&down), amount::is_zero(&up)) {
                (false, false) => up.invalid("may not be set when maxUnavailable is non-zero", causes),
                (true, true) => down.required("cannot be 0 when maxSurge is 0", causes),
                _ => {}
            }
        }
        _ => unknown_strategy(strategy, &["RollingUpdate", "OnDelete"], causes),
    }
}

pub(super) fn stateful_set(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec = change.root().field("spec");
    let policy = spec.field("podManagementPolicy");
    match policy.text() {
        "" => policy.required("", causes),
        "OrderedReady" | "Parallel" => {}
        _ => policy.invalid("must be 'OrderedReady' or 'Parallel'", causes),
    }
    stateful_strategy(&spec.field("updateStrategy"), causes);
    let retention = spec.field("persistentVolumeClaimRetentionPolicy");
    if retention.is_set() {
        for when in ["whenDeleted", "whenScaled"] {
            let at = retention.field(when);
            if !matches!(at.text(), "Retain" | "Delete") {
                at.unsupported(&["Retain", "Delete"], causes);
            }
        }
    }
    let is_new = change.before.is_none();
    // Neither can change, so that what is there is not judged again.
    if is_new {
        for claim in spec.field("volumeClaimTemplates").items() {
            super::super::claim::claim(&claim, causes);
        }
    }
    spec.field("replicas").not_negative(causes);
    spec.field("minReadySeconds").not_negative(causes);
    let start = spec.field("ordinals").field("start");
    At::new(start.value, "spec.ordinals.start").not_negative(causes);
    let service = spec.field("serviceName");
    if is_new && !service.text().is_empty() {
        service.name(names::Rule::Label, causes);
    }
    selector(&spec, "statefulset", causes);
    let selector = spec.field("selector");
    if is_readable(&selector) {
        if !selector.is_set() || !is_empty(&selector) {
            matches_template(&spec, causes);
        }
        let pods = identified(&spec);
        template(&At::new(&pods, "spec.template"), causes);
    } else {
        selector.invalid("", causes);
    }
    runs_for_ever(&spec, "StatefulSet", causes);
    if let Some(before) = change.old_root() {
        only_what_may_change(&before.field("spec"), &spec, causes);
    }
}

fn stateful_strategy(strategy: &At<'_>, causes: &mut Vec<Cause>) {
    let rolling = strategy.field("rollingUpdate");
    match strategy.field("type").text() {
        "" => strategy.required("", causes),
        "OnDelete" => {
            if rolling.is_set() {
                rolling.invalid("only allowed for updateStrategy 'RollingUpdate'", causes);
            }
        }
        "RollingUpdate" => rolling.field("partition").not_negative(causes),
        _ => strategy.invalid("must be 'RollingUpdate' or 'OnDelete'", causes),
    }
}

/// The template as the controller makes Pods of it: it gives each its name, and a volume for every claim.
fn identified(spec: &At<'_>) -> Value {
    let mut template = spec.field("template").value.clone();
    let claims = spec.field("volumeClaimTemplates");
    // One without a name has an empty one.
    let claims: Vec<&str> = claims.items().map(|c| json::str_at(c.value, &["metadata", "name"])).collect();
    let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut) else { return template };
    pod.remove("subdomain");
    pod.remove("hostname");
    if !claims.is_empty() {
        let own = pod.remove("volumes").unwrap_or_default();
        let own = own
            .as_array()
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .filter(|v| !claims.contains(&json::str_at(v, &["name"])));
        let mut volumes: Vec<Value> = Vec::new();
        for name in &claims {
            if !volumes.iter().any(|v| v["name"] == *name) {
                volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
            }
        }
        volumes.extend(own.cloned());
        pod.insert("volumes".to_owned(), volumes.into());
    }
    template
}

fn only_what_may_change(before: &At<'_>, after: &At<'_>, causes: &mut Vec<Cause>) {
    const MAY_CHANGE: [&str; 7] = [
        "replicas",
        "template",
        "updateStrategy",
        "minReadySeconds",
        "ordinals",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
    ];
    let rest = |at: &At<'_>| -> Map<String, Value> {
        let fields = at.value.as_object().into_iter().flatten();
        fields.filter(|(k, _)| !MAY_CHANGE.contains(&k.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    if rest(before) != rest(after) {
        after.forbidden(
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
             'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            causes,
        );
    }
}
