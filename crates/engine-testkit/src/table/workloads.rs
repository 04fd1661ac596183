//! The rows of workloads and what scales and guards them.

use serde_json::Value;

use super::{
    columns::name,
    text::{age, condition, created, duration, given, labels, number, selector, selector_or_none, shown, text},
};
use crate::{
    clock::{Now, seconds_since},
    json::{get, i64_at, list_at, map_at, str_at},
};

/// The names of the containers of a Pod template, and their images.
fn containers(template: &Value) -> [Value; 2] {
    let containers = list_at(template, &["spec", "containers"]);
    let all = |key: &str| containers.iter().map(|c| str_at(c, &[key])).collect::<Vec<_>>().join(",").into();
    [all("name"), all("image")]
}

fn of(value: &Value, ready: &[&str], wanted: &[&str]) -> Value {
    format!("{}/{}", number(value, ready), number(value, wanted)).into()
}

pub(super) fn deployment(v: &Value, now: Now) -> Vec<Value> {
    let [names, images] = containers(&v["spec"]["template"]);
    vec![
        name(v),
        of(v, &["status", "readyReplicas"], &["spec", "replicas"]),
        number(v, &["status", "updatedReplicas"]),
        number(v, &["status", "availableReplicas"]),
        age(created(v), now).into(),
        names,
        images,
        selector(&v["spec"]["selector"]).into(),
    ]
}

pub(super) fn replica_set(v: &Value, now: Now) -> Vec<Value> {
    let mut cells = replicas(v, now);
    cells.push(selector_or_none(&v["spec"]["selector"]));
    cells
}

pub(super) fn replication_controller(v: &Value, now: Now) -> Vec<Value> {
    let mut cells = replicas(v, now);
    cells.push(labels(map_at(v, &["spec", "selector"])).into());
    cells
}

fn replicas(v: &Value, now: Now) -> Vec<Value> {
    let [names, images] = containers(&v["spec"]["template"]);
    vec![
        name(v),
        number(v, &["spec", "replicas"]),
        number(v, &["status", "replicas"]),
        number(v, &["status", "readyReplicas"]),
        age(created(v), now).into(),
        names,
        images,
    ]
}

pub(super) fn stateful_set(v: &Value, now: Now) -> Vec<Value> {
    let [names, images] = containers(&v["spec"]["template"]);
    let ready = of(v, &["status", "readyReplicas"], &["spec", "replicas"]);
    vec![name(v), ready, age(created(v), now).into(), names, images]
}

pub(super) fn daemon_set(v: &Value, now: Now) -> Vec<Value> {
    let [names, images] = containers(&v["spec"]["template"]);
    vec![
        name(v),
        number(v, &["status", "desiredNumberScheduled"]),
        number(v, &["status", "currentNumberScheduled"]),
        number(v, &["status", "numberReady"]),
        number(v, &["status", "updatedNumberScheduled"]),
        number(v, &["status", "numberAvailable"]),
        labels(map_at(v, &["spec", "template", "spec", "nodeSelector"])).into(),
        age(created(v), now).into(),
        names,
        images,
        selector_or_none(&v["spec"]["selector"]),
    ]
}

pub(super) fn job(v: &Value, now: Now) -> Vec<Value> {
    let succeeded = number(v, &["status", "succeeded"]);
    let completions = match (i64_at(v, &["spec", "completions"]), i64_at(v, &["spec", "parallelism"])) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, Some(parallel)) if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let (start, end) = (str_at(v, &["status", "startTime"]), str_at(v, &["status", "completionTime"]));
    let took = match (start, end) {
        ("", _) => String::new(),
        (start, "") => duration(seconds_since(start, now)),
        (start, end) => duration(seconds_since(start, now) - seconds_since(end, now)),
    };
    let is = |kind: &str| condition(v, kind) == Some(true);
    let status = match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if get(v, &["metadata", "deletionTimestamp"]).is_some() => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    let [names, images] = containers(&v["spec"]["template"]);
    vec![
        name(v),
        status.into(),
        completions.into(),
        took.into(),
        age(created(v), now).into(),
        names,
        images,
        selector_or_none(&v["spec"]["selector"]),
    ]
}

pub(super) fn cron_job(v: &Value, now: Now) -> Vec<Value> {
    let last = match str_at(v, &["status", "lastScheduleTime"]) {
        "" => "<none>".to_owned(),
        last => age(last, now),
    };
    let suspend = match get(v, &["spec", "suspend"]).and_then(Value::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let job = &v["spec"]["jobTemplate"]["spec"];
    let [names, images] = containers(&job["template"]);
    vec![
        name(v),
        text(v, &["spec", "schedule"]),
        given(v, &["spec", "timeZone"], "<none>"),
        suspend.into(),
        list_at(v, &["status", "active"]).len().into(),
        last.into(),
        age(created(v), now).into(),
        names,
        images,
        selector_or_none(&job["selector"]),
    ]
}

pub(super) fn pod_template(v: &Value, _: Now) -> Vec<Value> {
    let [names, images] = containers(&v["template"]);
    vec![name(v), names, images, labels(map_at(v, &["template", "metadata", "labels"])).into()]
}

pub(super) fn controller_revision(v: &Value, now: Now) -> Vec<Value> {
    let owner = list_at(v, &["metadata", "ownerReferences"]).iter().find(|o| o["controller"] == true);
    let owner = owner.map_or_else(
        || "<none>".to_owned(),
        |o| {
            let kind = str_at(o, &["kind"]).to_lowercase();
            let group = str_at(o, &["apiVersion"]).split_once('/').map(|(group, _)| format!(".{group}"));
            format!("{kind}{}/{}", group.unwrap_or_default(), str_at(o, &["name"]))
        },
    );
    vec![name(v), owner.into(), number(v, &["revision"]), age(created(v), now).into()]
}

pub(super) fn disruption_budget(v: &Value, now: Now) -> Vec<Value> {
    let bound = |key: &str| get(v, &["spec", key]).map_or_else(|| "N/A".to_owned(), shown).into();
    vec![
        name(v),
        bound("minAvailable"),
        bound("maxUnavailable"),
        number(v, &["status", "disruptionsAllowed"]),
        age(created(v), now).into(),
    ]
}

pub(super) fn autoscaler(v: &Value, now: Now) -> Vec<Value> {
    let target = &v["spec"]["scaleTargetRef"];
    let least = get(v, &["spec", "minReplicas"]).map_or_else(|| "<unset>".to_owned(), shown);
    vec![
        name(v),
        format!("{}/{}", str_at(target, &["kind"]), str_at(target, &["name"])).into(),
        metrics(v).into(),
        least.into(),
        number(v, &["spec", "maxReplicas"]),
        number(v, &["status", "currentReplicas"]),
        age(created(v), now).into(),
    ]
}

/// `cpu: 20%/80%, memory: <unknown>/1Gi`.
fn metrics(v: &Value) -> String {
    let current = list_at(v, &["status", "currentMetrics"]);
    let all: Vec<String> = list_at(v, &["spec", "metrics"])
        .iter()
        .enumerate()
        .map(|(i, metric)| one_metric(metric, current.get(i).unwrap_or(&Value::Null)))
        .collect();
    match all.len() {
        0 => "<none>".to_owned(),
        1 | 2 => all.join(", "),
        more => format!("{} + {} more...", all[..2].join(", "), more - 2),
    }
}

fn one_metric(metric: &Value, current: &Value) -> String {
    let (key, average) = match str_at(metric, &["type"]) {
        "Resource" => ("resource", ""),
        "ContainerResource" => ("containerResource", ""),
        "External" => ("external", " (avg)"),
        "Object" => ("object", " (avg)"),
        "Pods" => ("pods", ""),
        _ => return "<unknown type>".to_owned(),
    };
    let (spec, now) = (&metric[key], &current[key]["current"]);
    let known = |name: &str| get(now, &[name]).map_or_else(|| "<unknown>".to_owned(), shown);
    let prefix = match key {
        "resource" | "containerResource" => format!("{}: ", str_at(spec, &["name"])),
        _ => String::new(),
    };
    let target = |name: &str| get(spec, &["target", name]).map(shown);
    if let Some(wanted) = target("averageValue") {
        return format!("{prefix}{}/{wanted}{average}", known("averageValue"));
    }
    if prefix.is_empty() {
        return format!("{}/{}", known("value"), target("value").unwrap_or_default());
    }
    let percent = |v: Option<String>, otherwise: &str| v.map_or_else(|| otherwise.to_owned(), |v| format!("{v}%"));
    let used = get(now, &["averageUtilization"]).map(shown);
    format!("{prefix}{}/{}", percent(used, "<unknown>"), percent(target("averageUtilization"), "<auto>"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metrics_of_an_autoscaler() {
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
        let rate = json!({"type": "Pods", "pods": {"metric": {"name": "rate"}, "target": {"averageValue": "1k"}}});
        let mut v = json!({"spec": {"metrics": [cpu, rate]}});
        assert_eq!(metrics(&v), "cpu: <unknown>/80%, <unknown>/1k");
        v["status"] = json!({"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 20}}}]});
        v["spec"]["metrics"].as_array_mut().into_iter().for_each(|m| m.push(rate.clone()));
        assert_eq!(metrics(&v), "cpu: 20%/80%, <unknown>/1k + 1 more...");
    }
}
