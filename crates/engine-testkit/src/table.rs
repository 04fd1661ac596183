//! Tables for `kubectl get`: name, the columns a CRD or a well-known kind has, age.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables>

use serde_json::{Value, json};

use crate::{
    clock::{Now, seconds_since},
    json::{get, list_at, str_at},
    resources::Resource,
};

type Column = (&'static str, &'static str, fn(&Value) -> Value);

fn number(value: &Value, path: &[&str]) -> Value {
    get(value, path).cloned().unwrap_or_else(|| 0.into())
}

fn ready(value: &Value, ready: &[&str], of: &[&str]) -> Value {
    format!("{}/{}", number(value, ready), number(value, of)).into()
}

fn columns(resource: &Resource) -> &'static [Column] {
    match (&*resource.gr.group, &*resource.gr.resource) {
        ("apps", "deployments") => &[
            ("Ready", "string", |v| ready(v, &["status", "readyReplicas"], &["spec", "replicas"])),
            ("Up-to-date", "integer", |v| number(v, &["status", "updatedReplicas"])),
            ("Available", "integer", |v| number(v, &["status", "availableReplicas"])),
        ],
        ("apps", "statefulsets") => {
            &[("Ready", "string", |v| ready(v, &["status", "readyReplicas"], &["spec", "replicas"]))]
        }
        ("apps", "replicasets") => &[
            ("Desired", "integer", |v| number(v, &["spec", "replicas"])),
            ("Current", "integer", |v| number(v, &["status", "replicas"])),
            ("Ready", "integer", |v| number(v, &["status", "readyReplicas"])),
        ],
        ("apps", "daemonsets") => &[
            ("Desired", "integer", |v| number(v, &["status", "desiredNumberScheduled"])),
            ("Current", "integer", |v| number(v, &["status", "currentNumberScheduled"])),
            ("Ready", "integer", |v| number(v, &["status", "numberReady"])),
        ],
        ("batch", "jobs") => {
            &[("Completions", "string", |v| ready(v, &["status", "succeeded"], &["spec", "completions"]))]
        }
        ("", "pods") => &[
            ("Ready", "string", |v| {
                let all = list_at(v, &["status", "containerStatuses"]);
                let up = all.iter().filter(|c| c["ready"] == true).count();
                format!("{up}/{}", list_at(v, &["spec", "containers"]).len()).into()
            }),
            ("Status", "string", |v| {
                let waiting = list_at(v, &["status", "containerStatuses"])
                    .iter()
                    .find_map(|c| get(c, &["state", "waiting", "reason"]));
                let going = get(v, &["metadata", "deletionTimestamp"]).map(|_| Value::from("Terminating"));
                going.or_else(|| waiting.cloned()).unwrap_or_else(|| str_at(v, &["status", "phase"]).into())
            }),
            ("Restarts", "string", |v| {
                let restarts =
                    list_at(v, &["status", "containerStatuses"]).iter().filter_map(|c| c["restartCount"].as_i64());
                restarts.sum::<i64>().to_string().into()
            }),
        ],
        ("", "services") => &[
            ("Type", "string", |v| str_at(v, &["spec", "type"]).into()),
            ("Cluster-IP", "string", |v| str_at(v, &["spec", "clusterIP"]).into()),
            ("External-IP", "string", |v| {
                let ip = list_at(v, &["status", "loadBalancer", "ingress"]).first().map(|i| str_at(i, &["ip"]));
                ip.unwrap_or("<none>").into()
            }),
            ("Port(s)", "string", |v| {
                let ports = list_at(v, &["spec", "ports"]).iter();
                let ports: Vec<String> = ports.map(|p| format!("{}/{}", p["port"], str_at(p, &["protocol"]))).collect();
                ports.join(",").into()
            }),
        ],
        ("", "namespaces" | "persistentvolumeclaims" | "persistentvolumes") => {
            &[("Status", "string", |v| str_at(v, &["status", "phase"]).into())]
        }
        ("", "configmaps" | "secrets") => &[("Data", "integer", |v| {
            get(v, &["data"]).and_then(Value::as_object).map_or(0, serde_json::Map::len).into()
        })],
        _ => &[],
    }
}

/// `5m30s`, the way kubectl shows ages.
fn age(created: &str, now: Now) -> String {
    if created.is_empty() {
        return "<unknown>".to_owned();
    }
    let seconds = seconds_since(created, now).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |a: i64, unit: &str, b: i64, small: &str| {
        if b == 0 { format!("{a}{unit}") } else { format!("{a}{unit}{b}{small}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () => two(days / 365, "y", days % 365, "d"),
    }
}

/// A `Table` of these objects. Later events of a watch come without column definitions.
pub(crate) fn of(
    resource: &Resource,
    version: &str,
    objects: &[&Value],
    revision: &str,
    definitions: bool,
    now: Now,
) -> Value {
    let custom = resource.crd.get(version).map(|v| v.columns.as_slice()).unwrap_or_default();
    let builtin = columns(resource);
    let column = |name: &str, kind: &str, format: &str| json!({"name": name, "type": kind, "format": format, "description": "", "priority": 0});
    let mut heads = vec![column("Name", "string", "name")];
    heads.extend(builtin.iter().map(|(name, kind, _)| column(name, kind, "")));
    heads.extend(custom.iter().map(|c| column(str_at(c, &["name"]), str_at(c, &["type"]), str_at(c, &["format"]))));
    let own_age = custom.iter().any(|c| str_at(c, &["name"]).eq_ignore_ascii_case("age"));
    if !own_age {
        heads.push(column("Age", "string", ""));
    }
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut cells = vec![object["metadata"]["name"].clone()];
            cells.extend(builtin.iter().map(|(_, _, cell)| cell(object)));
            cells.extend(custom.iter().map(|c| {
                let path: Vec<&str> = str_at(c, &["jsonPath"]).split('.').filter(|p| !p.is_empty()).collect();
                get(object, &path).cloned().unwrap_or(Value::Null)
            }));
            if !own_age {
                cells.push(age(str_at(object, &["metadata", "creationTimestamp"]), now).into());
            }
            json!({
                "cells": cells,
                "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]},
            })
        })
        .collect();
    let mut table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "rows": rows});
    if !revision.is_empty() {
        table["metadata"]["resourceVersion"] = revision.into();
    }
    table["columnDefinitions"] = if definitions { heads.into() } else { Value::Null };
    table
}
