//! HorizontalPodAutoscalers in both of their versions. What `autoscaling/v1` has no field for is kept in annotations
//! there: <https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#api-object>

use serde_json::{Map, Value, json};

use crate::json::{self, get, str_at};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const CARRIERS: [&str; 6] = [
    METRICS,
    BEHAVIOR,
    CURRENT_METRICS,
    CONDITIONS,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];

/// How much of its CPU a Pod shall use when nobody says anything, in percent.
const DEFAULT_CPU: i64 = 80;

/// An autoscaler in the shape that it is stored in, from that of any version.
pub(crate) fn stored(object: &mut Value) {
    if str_at(object, &["apiVersion"]) == "autoscaling/v1" {
        from_v1(object);
    }
    drop_carriers(object);
}

fn drop_carriers(object: &mut Value) {
    for key in CARRIERS {
        json::remove(object, &["metadata", "annotations", key]);
    }
    if json::map_at(object, &["metadata", "annotations"]).is_some_and(Map::is_empty) {
        json::remove(object, &["metadata", "annotations"]);
    }
}

fn cpu(field: &str, percent: Value) -> Value {
    let target = match field {
        "target" => json!({"type": "Utilization", "averageUtilization": percent}),
        _ => json!({"averageUtilization": percent}),
    };
    json!({"type": "Resource", "resource": {"name": "cpu", field: target}})
}

/// What an annotation carries, when it can be read.
fn carried(object: &Value, key: &str) -> Option<Value> {
    serde_json::from_str(str_at(object, &["metadata", "annotations", key])).ok()
}

fn from_v1(object: &mut Value) {
    let others = carried(object, METRICS);
    let mut metrics: Vec<Value> = list(others.as_ref()).iter().map(|m| source(m, false)).collect();
    if let Some(percent) = json::remove(object, &["spec", "targetCPUUtilizationPercentage"]).filter(|v| !v.is_null()) {
        metrics.push(cpu("target", percent));
    }
    if metrics.is_empty() {
        metrics.push(cpu("target", DEFAULT_CPU.into()));
    }
    json::set(object, &["spec", "metrics"], metrics);
    if let Some(behavior) =
        carried(object, BEHAVIOR).filter(|b| b.as_object().is_some_and(|b| b.values().any(|v| !v.is_null())))
    {
        json::set(object, &["spec", "behavior"], renamed(&behavior, decapitalised));
    }
    let used = json::remove(object, &["status", "currentCPUUtilizationPercentage"]).filter(|v| !v.is_null());
    let current = match carried(object, CURRENT_METRICS) {
        Some(current) => list(Some(&current)).iter().map(|m| source(m, true)).collect(),
        None => used.map(|percent| cpu("current", percent)).into_iter().collect::<Vec<_>>(),
    };
    if !current.is_empty() {
        json::set(object, &["status", "currentMetrics"], current);
    }
    if let Some(conditions) = carried(object, CONDITIONS).filter(Value::is_array) {
        json::set(object, &["status", "conditions"], conditions);
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The stored shape as `autoscaling/v1` has it, without its `apiVersion`.
pub(crate) fn as_v1(object: &Value) -> Value {
    let mut shown = object.clone();
    drop_carriers(&mut shown);
    let mut carry = |key: &str, value: &Value| {
        json::set(&mut shown, &["metadata", "annotations", key], text(value, false));
    };
    let is_cpu = |metric: &&Value, field: &str| {
        metric["type"] == "Resource"
            && str_at(metric, &["resource", "name"]) == "cpu"
            && get(metric, &["resource", field, "averageUtilization"]).is_some()
    };
    let metrics = json::list_at(object, &["spec", "metrics"]);
    let percent = metrics.iter().find(|m| is_cpu(m, "target"));
    let percent = percent.map(|m| m["resource"]["target"]["averageUtilization"].clone());
    let others: Vec<Value> =
        metrics.iter().filter(|m| !is_cpu(m, "target")).map(|m| flat_source(m, "target", "target")).collect();
    if !others.is_empty() {
        carry(METRICS, &others.into());
    }
    let current = json::list_at(object, &["status", "currentMetrics"]);
    let used = current.iter().rfind(|m| is_cpu(m, "current"));
    let used = used.map(|m| m["resource"]["current"]["averageUtilization"].clone());
    if !current.is_empty() {
        let current: Vec<Value> = current.iter().map(|m| flat_source(m, "current", "current")).collect();
        carry(CURRENT_METRICS, &current.into());
    }
    if let Some(behavior) = get(object, &["spec", "behavior"]) {
        carry(BEHAVIOR, &whole_behavior(behavior));
    }
    let conditions = json::list_at(object, &["status", "conditions"]);
    if !conditions.is_empty() {
        carry(CONDITIONS, &conditions.into());
    }
    for (path, value) in
        [(["spec", "targetCPUUtilizationPercentage"], percent), (["status", "currentCPUUtilizationPercentage"], used)]
    {
        if let Some(value) = value {
            json::set(&mut shown, &path, value);
        }
    }
    for path in [["spec", "metrics"], ["spec", "behavior"], ["status", "currentMetrics"], ["status", "conditions"]] {
        json::remove(&mut shown, &path);
    }
    shown
}

/// The fields of a behavior in the carrying annotation: those of the server's own type, each written.
fn whole_behavior(behavior: &Value) -> Value {
    let field = |of: &Value, name: &str| get(of, &[name]).cloned().unwrap_or_default();
    let rules = |name: &str| match get(behavior, &[name]) {
        None => Value::Null,
        Some(rules) => json!({
            "StabilizationWindowSeconds": field(rules, "stabilizationWindowSeconds"),
            "SelectPolicy": field(rules, "selectPolicy"),
            "Policies": get(rules, &["policies"]).map_or(Value::Null, |p| renamed(p, capitalised)),
            "Tolerance": field(rules, "tolerance"),
        }),
    };
    json!({"ScaleUp": rules("scaleUp"), "ScaleDown": rules("scaleDown")})
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn decapitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The same with other names of its fields, and without those that are nothing.
fn renamed(value: &Value, name: fn(&str) -> String) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (name(k), renamed(v, name)))
            .collect::<Map<String, Value>>()
            .into(),
        Value::Array(list) => list.iter().map(|v| renamed(v, name)).collect(),
        other => other.clone(),
    }
}

/// The kinds of metrics: the field of each, and what the older version calls its selector.
const SOURCES: [(&str, &str); 5] = [
    ("object", "selector"),
    ("pods", "selector"),
    ("resource", ""),
    ("containerResource", ""),
    ("external", "metricSelector"),
];

/// A metric of the older version in the newer shape: a target, or what is measured.
fn source(metric: &Value, is_current: bool) -> Value {
    let mut out = json!({"type": metric["type"]});
    let (prefix, field) = if is_current { ("current", "current") } else { ("target", "target") };
    for (kind, selector) in SOURCES {
        let Some(old) = get(metric, &[kind]) else { continue };
        let value = old.get(format!("{prefix}Value")).filter(|v| !v.is_null());
        let utilization = old.get(format!("{prefix}AverageUtilization")).filter(|v| !v.is_null());
        let average =
            old.get(if kind == "object" { "averageValue".to_owned() } else { format!("{prefix}AverageValue") });
        let average = average.filter(|v| !v.is_null());
        let mut amount = Map::new();
        let mut put = |key: &str, value: Option<&Value>| {
            if let Some(value) = value {
                amount.insert(key.to_owned(), value.clone());
            }
        };
        // The older version cannot leave the value of an object out, and says zero.
        let is_nothing = kind == "object" && !is_current && average.is_some() && value.is_some_and(|v| *v == "0");
        put("value", value.filter(|_| !is_nothing));
        put("averageValue", average);
        put("averageUtilization", utilization);
        if !is_current {
            let kind_of_target = match kind {
                "resource" | "containerResource" if utilization.is_some() => "Utilization",
                "object" if average.is_none() => "Value",
                "external" if value.is_some() => "Value",
                _ => "AverageValue",
            };
            put("type", Some(&kind_of_target.into()));
        }
        let mut new = Map::from_iter([(field.to_owned(), Value::Object(amount))]);
        if selector.is_empty() {
            for key in ["name", "container"] {
                if let Some(value) = old.get(key) {
                    new.insert(key.to_owned(), value.clone());
                }
            }
        } else {
            let mut named = json!({"name": old.get("metricName").cloned().unwrap_or_else(|| "".into())});
            if let Some(selector) = old.get(selector).filter(|v| !v.is_null()) {
                named["selector"] = selector.clone();
            }
            new.insert("metric".to_owned(), named);
        }
        if kind == "object" {
            new.insert("describedObject".to_owned(), old.get("target").cloned().unwrap_or_else(|| json!({})));
        }
        out[kind] = new.into();
    }
    out
}

/// A metric of the newer version in the older shape.
fn flat_source(metric: &Value, field: &str, prefix: &str) -> Value {
    let mut out = json!({"type": metric["type"]});
    for (kind, selector) in SOURCES {
        let Some(new) = get(metric, &[kind]) else { continue };
        let amount = &new[field];
        let given = |key: &str| amount.get(key).filter(|v| !v.is_null()).cloned();
        let is_current = field == "current";
        // What the older version writes in any case.
        let zero = |value: Option<Value>, always: bool| value.or_else(|| always.then(|| "0".into()));
        let mut old = Map::new();
        let mut put = |key: String, value: Option<Value>| {
            if let Some(value) = value {
                old.insert(key, value);
            }
        };
        match kind {
            "object" => {
                put(format!("{prefix}Value"), zero(given("value"), true));
                put("averageValue".to_owned(), given("averageValue"));
                put("target".to_owned(), Some(new.get("describedObject").cloned().unwrap_or_else(|| json!({}))));
            }
            "pods" => put(format!("{prefix}AverageValue"), zero(given("averageValue"), true)),
            "external" => {
                put(format!("{prefix}Value"), zero(given("value"), is_current));
                put(format!("{prefix}AverageValue"), given("averageValue"));
            }
            _ => {
                put(format!("{prefix}AverageUtilization"), given("averageUtilization"));
                put(format!("{prefix}AverageValue"), zero(given("averageValue"), is_current));
                put("name".to_owned(), new.get("name").cloned());
                put("container".to_owned(), new.get("container").cloned());
            }
        }
        if !selector.is_empty() {
            put("metricName".to_owned(), Some(new["metric"]["name"].as_str().unwrap_or_default().into()));
            put(selector.to_owned(), new["metric"].get("selector").filter(|v| !v.is_null()).cloned());
        }
        out[kind] = old.into();
    }
    out
}

/// The order in which the server's types have their fields, which is that of the text in an annotation.
const ORDER: &[&str] = &[
    "type",
    "object",
    "pods",
    "resource",
    "containerResource",
    "external",
    "target",
    "kind",
    "name",
    "apiVersion",
    "metricName",
    "metricSelector",
    "targetValue",
    "currentValue",
    "targetAverageUtilization",
    "targetAverageValue",
    "currentAverageUtilization",
    "currentAverageValue",
    "container",
    "selector",
    "averageValue",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "status",
    "lastTransitionTime",
    "reason",
    "message",
    "ScaleUp",
    "ScaleDown",
    "StabilizationWindowSeconds",
    "SelectPolicy",
    "Policies",
    "Tolerance",
    "Type",
    "Value",
    "PeriodSeconds",
];

/// JSON with the fields of structs in their order, and those of maps by name.
fn text(value: &Value, is_map: bool) -> String {
    let rank = |key: &str| ORDER.iter().position(|k| *k == key).unwrap_or(ORDER.len());
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            if !is_map {
                fields.sort_by_key(|(key, _)| rank(key));
            }
            let fields = fields.into_iter();
            let fields: Vec<String> = fields
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), text(value, key == "matchLabels")))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(|v| text(v, false)).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_older_version_cannot_say_comes_back() {
        let newer = json!({
            "metadata": {"name": "a"},
            "spec": {
                "minReplicas": 1, "maxReplicas": 3,
                "metrics": [
                    {"type": "Pods", "pods": {"metric": {"name": "rps", "selector": {"matchLabels": {"a": "b"}}},
                        "target": {"type": "AverageValue", "averageValue": "10"}}},
                    {"type": "Resource", "resource": {"name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": 60}}},
                ],
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60, "selectPolicy": "Max",
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}},
            },
            "status": {"desiredReplicas": 2},
        });
        let older = as_v1(&newer);
        assert_eq!(
            older,
            json!({
                "metadata": {"name": "a", "annotations": {
                    METRICS: "[{\"type\":\"Pods\",\"pods\":{\"metricName\":\"rps\",\"targetAverageValue\":\"10\",\
                        \"selector\":{\"matchLabels\":{\"a\":\"b\"}}}}]",
                    BEHAVIOR: "{\"ScaleUp\":null,\"ScaleDown\":{\"StabilizationWindowSeconds\":60,\
                        \"SelectPolicy\":\"Max\",\"Policies\":[{\"Type\":\"Percent\",\"Value\":100,\
                        \"PeriodSeconds\":15}],\"Tolerance\":null}}",
                }},
                "spec": {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 60},
                "status": {"desiredReplicas": 2},
            })
        );
        let mut back = older;
        back["apiVersion"] = "autoscaling/v1".into();
        stored(&mut back);
        json::remove(&mut back, &["apiVersion"]);
        assert_eq!(back, newer);
    }
}
