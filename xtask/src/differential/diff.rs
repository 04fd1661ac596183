//! Comparison of a desired object with a live one: `diff.Diff` against [`three_way`] by the last-applied annotation.

use gitops_engine_core::{FieldChange, ManagedFields, Manifest, Shown, Value as OurValue};
use gitops_engine_diff::{LastApplied, summary, three_way};
use serde_json::{Value, json};

use super::random::Random;
use super::{Deviation, Judgement, Subject, refusal};

pub(super) struct Diff;

const NOTE: &str = "kubectl.kubernetes.io/last-applied-configuration";

const REFUSED: &str = "what the peer refuses";
const NULLS: &str = "nulls";
const MAPS: &str = "maps and lists that are no longer declared";
const UNIONS: &str = "sources of volumes";
const ATOMIC: &str = "atomic fields";
const KEYS: &str = "keys of ports";
const DEFAULTS: &str = "defaults of fields that are no longer declared";

impl Subject for Diff {
    fn name(&self) -> &'static str {
        "diff"
    }

    fn usual(&self) -> usize {
        2_000
    }

    fn question(&self, random: &mut Random) -> Value {
        let mut last = desired(random);
        let mut live = last.clone();
        defaults(&mut live);
        server(&mut live, random);
        for _ in 0..[0, 0, 0, 1, 2][random.below(5)] {
            edit(&mut live, random);
        }
        // No server hands out nulls, or an object without its defaults.
        drop_nulls(&mut live);
        defaults(&mut live);
        let mut desired = last.clone();
        for _ in 0..[0, 0, 1, 1, 2, 3][random.below(6)] {
            edit(&mut desired, random);
        }
        if random.one_in(12) {
            edit(&mut last, random);
        }
        if !random.one_in(6) {
            let mut note = last.to_string();
            if random.one_in(2) {
                note.push('\n');
            }
            live["metadata"]["annotations"][NOTE] = json!(note);
        }
        // The names stay: other objects are not compared.
        for body in [&mut desired, &mut live] {
            body["metadata"]["name"] = json!("web");
            body["metadata"]["namespace"] = json!("shop");
        }
        json!({"desired": desired, "live": live})
    }

    fn judge(&self, question: &Value, answer: &Value) -> Option<Judgement> {
        let read =
            |name: &str| Manifest::from_json(question.get(name)?.to_string().as_bytes(), ManagedFields::Keep).ok();
        let (desired, live) = (read("desired")?, read("live")?);
        if desired.id() != live.id() || desired.version() != live.version() {
            return None;
        }
        let forecast = three_way(&desired, LastApplied::Annotation, &live);
        let shown = summary(&forecast.changes).to_string();
        if refusal(answer).is_some() {
            return Some(Judgement::Deviates(REFUSED));
        }
        let modified = answer.get("modified")?.as_bool()?;
        if modified != forecast.is_unchanged() {
            return Some(Judgement::Same);
        }
        if answer.get("fallback") == Some(&Value::Bool(true)) {
            return Some(Judgement::Deviates(REFUSED));
        }
        let note = desired_before(&live);
        if [desired.body(), live.body()].into_iter().chain(note.as_ref()).any(has_null) {
            return Some(Judgement::Deviates(NULLS));
        }
        let kind = &desired.id().kind.kind;
        if modified {
            let (before, after) = (answer.get("live")?, answer.get("predicted")?);
            let change = first_difference(before, after).unwrap_or_default();
            let path = change.split(": ").next().unwrap_or_default();
            let gone = change.ends_with("-> gone");
            // What the map or the list was, and what is declared in its place.
            let was = note.as_ref().and_then(|note| find(note, path));
            let is = find(desired.body(), path);
            let collection = |value: &OurValue| matches!(value, OurValue::Object(_) | OurValue::Array(_));
            let empty = |value: &OurValue| match value {
                OurValue::Object(map) => map.is_empty(),
                OurValue::Array(items) => items.is_empty(),
                _ => false,
            };
            if gone && was.is_some_and(collection) && is.is_none_or(empty) {
                return Some(Judgement::Deviates(MAPS));
            }
            if &**kind == "Service" && path.starts_with("spec.ports") {
                return Some(Judgement::Deviates(KEYS));
            }
            if gone && path.contains(".volumes.") {
                return Some(Judgement::Deviates(UNIONS));
            }
            if path.contains("volumeClaimTemplates") {
                return Some(Judgement::Deviates(ATOMIC));
            }
            if path.contains(".resources.") && change.ends_with(r#""0.5" -> "500m""#) {
                return Some(Judgement::Deviates(REFUSED));
            }
            return Some(Judgement::differs(format!("{kind} theirs changes {}", class(path)), "unchanged", change));
        }
        let meant: Vec<_> = forecast.changes.iter().map(|change| meant(change, note.is_some())).collect();
        if let (true, Some(Some(first))) = (meant.iter().all(Option::is_some), meant.first()) {
            return Some(Judgement::Deviates(first));
        }
        let first = forecast.changes.first().map(|change| class(&change.path.to_string())).unwrap_or_default();
        Some(Judgement::differs(format!("{kind} ours changes {first}"), shown, "unchanged"))
    }

    fn deviations(&self) -> &'static [Deviation] {
        &[
            Deviation {
                name: REFUSED,
                reason: "what its types do not have, or items without the key of their list: it fails, or forgets what \
                         was applied last",
            },
            Deviation {
                name: NULLS,
                reason: "null is no value here; the peer takes it for a removal in one place and for the empty value \
                         of its type in another",
            },
            Deviation {
                name: MAPS,
                reason: "when a map or a list is no longer declared, the peer removes all of it, with what others have in it",
            },
            Deviation {
                name: UNIONS,
                reason: "of the sources of a volume the peer keeps the declared one; what the server does with two is for \
                         its dry run to tell",
            },
            Deviation {
                name: ATOMIC,
                reason: "selectors (of nodes, too), tolerations and claim templates are replaced as a whole by the server; the peer merges \
                         them",
            },
            Deviation {
                name: KEYS,
                reason: "ports are told apart by protocol, too, as the server does; the peer looks at the number",
            },
            Deviation {
                name: DEFAULTS,
                reason: "a field that is no longer declared is shown as gone; where the server has a default for it, \
                         the peer puts that back",
            },
        ]
    }
}

/// Why we find a change where the peer finds none.
fn meant(change: &FieldChange, noted: bool) -> Option<&'static str> {
    let path = change.path.to_string();
    if ["selector", "nodeSelector", "volumeClaimTemplates", "tolerations"].iter().any(|atomic| path.contains(atomic)) {
        return Some(ATOMIC);
    }
    if path.contains(".ports[") {
        return Some(KEYS);
    }
    (noted && matches!(change.after, Shown::Absent)).then_some(DEFAULTS)
}

/// A field by the path of a difference: `spec.containers.[0].image`.
fn find<'a>(value: &'a OurValue, path: &str) -> Option<&'a OurValue> {
    path.split('.').try_fold(value, |at, part| match part.strip_prefix('[').and_then(|part| part.strip_suffix(']')) {
        Some(index) => at.as_array()?.get(index.parse::<usize>().ok()?),
        None => at.get(part),
    })
}

/// What the annotation of a live object says.
fn desired_before(live: &Manifest) -> Option<OurValue> {
    OurValue::from_json(live.annotation(NOTE)?.as_bytes()).ok()
}

fn has_null(value: &OurValue) -> bool {
    match value {
        OurValue::Null => true,
        OurValue::Array(items) => items.iter().any(has_null),
        OurValue::Object(map) => map.iter().any(|(_, value)| has_null(value)),
        _ => false,
    }
}

/// A path without indexes and keys of lists.
fn class(path: &str) -> String {
    let mut depth = 0_usize;
    let path = path.split(": ").next().unwrap_or(path);
    path.chars()
        .filter(|character| {
            match character {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *character != ']'
        })
        .collect()
}

fn first_difference(before: &Value, after: &Value) -> Option<String> {
    match (before, after) {
        _ if before == after => None,
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let (left, right) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                match (a.contains_key(key), b.contains_key(key)) {
                    (true, true) => first_difference(left, right).map(|path| format!("{key}.{path}")),
                    (true, false) => Some(format!("{key}: {left} -> gone")),
                    _ => Some(format!("{key}: new -> {right}")),
                }
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(at, (left, right))| first_difference(left, right).map(|path| format!("[{at}].{path}"))),
        _ => Some(format!(": {before} -> {after}")),
    }
}

fn desired(random: &mut Random) -> Value {
    let labels = json!({"app": "web", "tier": random.pick(&["front", "back"])});
    let metadata = json!({"name": "web", "namespace": "shop", "labels": labels,
        "annotations": {"example.com/owner": random.pick(&["a", "b", ""])}});
    match random.below(10) {
        0..=2 => json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "replicas": random.number(&[1, 2, 3]),
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(random),
        }}),
        3 => json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": {
            "replicas": 2, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}},
            "template": template(random),
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": random.pick(&["1Gi", "1024Mi", "10Gi"])}}}}],
        }}),
        4 => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {
            "mode": random.pick(&["on", "off"]), "text": "one\ntwo\n", "empty": "",
        }}),
        5 => {
            let mut body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"});
            if random.one_in(2) {
                body["data"] = json!({"user": "YWRtaW4=", "password": random.pick(&["cGFzcw==", "c2VjcmV0"])});
            }
            if random.one_in(2) {
                body["stringData"] = json!({"password": random.pick(&["pass", "secret"]), "token": "t"});
            }
            body
        }
        6 | 7 => json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {
            "selector": {"app": "web"},
            "ports": ports(random),
        }}),
        _ => json!({"apiVersion": "example.com/v1", "kind": "Shop", "metadata": metadata, "spec": {
            "size": random.pick(&["small", "large"]), "open": true, "shelves": [1, 2, 3],
            "owner": {"name": "x", "mail": null}, "items": [{"name": "a", "price": 1}, {"name": "b", "price": 2}],
        }}),
    }
}

fn ports(random: &mut Random) -> Value {
    let mut ports = json!([{"name": "http", "port": 80, "targetPort": 8080}]);
    if random.one_in(2) {
        ports[0]["protocol"] = json!("TCP");
    }
    if let (true, Value::Array(list)) = (random.one_in(2), &mut ports) {
        list.push(json!({"name": "dns", "port": 53, "protocol": "UDP"}));
    }
    ports
}

fn template(random: &mut Random) -> Value {
    let mut container = json!({
        "name": "app", "image": random.pick(&["nginx:1.25", "nginx:1.26"]),
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"limits": {"cpu": random.pick(&["1", "1000m", "0.5"]), "memory": "1Gi"},
            "requests": {"cpu": "100m"}},
        "args": ["--a", "--b"],
    });
    if random.one_in(3) {
        container["readinessProbe"] = json!({"httpGet": {"path": "/", "port": "http"}});
    }
    if random.one_in(3) {
        container["volumeMounts"] = json!([{"name": "config", "mountPath": "/etc/app"}]);
    }
    let mut containers = vec![container];
    if random.one_in(3) {
        containers.push(json!({"name": "side", "image": "envoy:1"}));
    }
    let mut spec = json!({"containers": containers});
    if random.one_in(3) {
        spec["volumes"] =
            json!([{"name": "config", "configMap": {"name": "settings"}}, {"name": "tmp", "emptyDir": {}}]);
    }
    if random.one_in(4) {
        spec["nodeSelector"] = json!({"disk": "ssd"});
        spec["tolerations"] = json!([{"key": "a", "operator": "Exists"}]);
    }
    if random.one_in(4) {
        spec["imagePullSecrets"] = json!([{"name": "registry"}]);
    }
    json!({"metadata": {"labels": {"app": "web"}}, "spec": spec})
}

/// The defaults that a server writes.
fn defaults(live: &mut Value) {
    let kind = live["kind"].as_str().unwrap_or_default().to_owned();
    if kind == "Secret" {
        put(live, "type", json!("Opaque"));
    }
    if matches!(&*kind, "Deployment" | "StatefulSet" | "Service") {
        put(live, "spec", json!({}));
    }
    let Some(spec) = live.get_mut("spec") else { return };
    if matches!(&*kind, "Deployment" | "StatefulSet") {
        put(spec, "replicas", json!(1));
        put(spec, "template", json!({}));
    }
    match &*kind {
        "Deployment" => {
            put(
                spec,
                "strategy",
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
            );
            put(spec, "revisionHistoryLimit", json!(10));
            put(spec, "progressDeadlineSeconds", json!(600));
        }
        "StatefulSet" => {
            put(spec, "updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
            put(spec, "revisionHistoryLimit", json!(10));
            put(spec, "podManagementPolicy", json!("OrderedReady"));
            for claim in spec["volumeClaimTemplates"].as_array_mut().into_iter().flatten() {
                put(claim, "apiVersion", json!("v1"));
                put(claim, "kind", json!("PersistentVolumeClaim"));
                put(claim, "status", json!({"phase": "Pending"}));
                put(&mut claim["spec"], "volumeMode", json!("Filesystem"));
            }
        }
        "Service" => {
            put(spec, "type", json!("ClusterIP"));
            put(spec, "clusterIP", json!("10.0.0.7"));
            put(spec, "clusterIPs", json!(["10.0.0.7"]));
            put(spec, "sessionAffinity", json!("None"));
            put(spec, "ipFamilies", json!(["IPv4"]));
            put(spec, "ipFamilyPolicy", json!("SingleStack"));
            put(spec, "internalTrafficPolicy", json!("Cluster"));
            for port in spec["ports"].as_array_mut().into_iter().flatten() {
                put(port, "protocol", json!("TCP"));
                let number = port["port"].clone();
                put(port, "targetPort", number);
            }
        }
        _ => {}
    }
    if let Some(template) = spec.get_mut("template") {
        put(template, "spec", json!({}));
    }
    let Some(pod) = spec.pointer_mut("/template/spec") else { return };
    put(pod, "restartPolicy", json!("Always"));
    put(pod, "dnsPolicy", json!("ClusterFirst"));
    put(pod, "schedulerName", json!("default-scheduler"));
    put(pod, "terminationGracePeriodSeconds", json!(30));
    put(pod, "securityContext", json!({}));
    for volume in pod["volumes"].as_array_mut().into_iter().flatten() {
        match volume.get_mut("configMap") {
            Some(map) => put(map, "defaultMode", json!(420)),
            None => put(volume, "emptyDir", json!({})),
        }
    }
    for container in pod["containers"].as_array_mut().into_iter().flatten() {
        put(container, "imagePullPolicy", json!("IfNotPresent"));
        put(container, "terminationMessagePath", json!("/dev/termination-log"));
        put(container, "terminationMessagePolicy", json!("File"));
        put(container, "resources", json!({}));
        for port in container["ports"].as_array_mut().into_iter().flatten() {
            put(port, "protocol", json!("TCP"));
        }
        if let Some(probe) = container.get_mut("readinessProbe") {
            for (key, number) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                put(probe, key, json!(number));
            }
            put(probe, "httpGet", json!({"port": "http"}));
            put(&mut probe["httpGet"], "path", json!("/"));
            put(&mut probe["httpGet"], "scheme", json!("HTTP"));
        }
        // A server keeps one spelling of a quantity.
        for amounts in ["/resources/limits", "/resources/requests"] {
            for amount in container.pointer_mut(amounts).and_then(Value::as_object_mut).into_iter().flatten() {
                let canonical = match amount.1.as_str() {
                    Some("1000m") => "1",
                    Some("0.5") => "500m",
                    Some("1024Mi") => "1Gi",
                    _ => continue,
                };
                *amount.1 = json!(canonical);
            }
        }
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|value| !value.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

fn put(map: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = map
        && !map.contains_key(key)
    {
        map.insert(key.to_owned(), value);
    }
}

/// What else a live object has.
fn server(live: &mut Value, random: &mut Random) {
    if let Some(Value::Object(text)) = live.as_object_mut().and_then(|body| body.remove("stringData")) {
        for (key, value) in text {
            let encoded = match value.as_str() {
                Some("pass") => "cGFzcw==",
                Some("secret") => "c2VjcmV0",
                _ => "dA==",
            };
            live["data"][key] = json!(encoded);
        }
    }
    for (key, value) in [
        ("uid", json!("6f1c")),
        ("resourceVersion", json!("17")),
        ("generation", json!(3)),
        ("creationTimestamp", json!("2026-01-02T03:04:05Z")),
    ] {
        live["metadata"][key] = value;
    }
    if random.one_in(2) {
        live["status"] = json!({"observedGeneration": 3});
    }
    if random.one_in(3) {
        live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("4");
    }
    if random.one_in(4) {
        live["metadata"]["labels"]["added-by"] = json!("somebody");
    }
}

/// One random change somewhere.
fn edit(body: &mut Value, random: &mut Random) {
    let mut paths = Vec::new();
    collect(body, String::new(), &mut paths);
    paths.retain(|path| {
        !matches!(
            &**path,
            "/apiVersion"
                | "/kind"
                | "/metadata"
                | "/metadata/name"
                | "/metadata/namespace"
                | "/spec/selector"
                | "/spec/template/spec/containers"
        )
    });
    if paths.is_empty() {
        return;
    }
    let path = &paths[random.below(paths.len())];
    let Some(value) = body.pointer_mut(path) else { return };
    let replacement = match (&*value, random.below(8)) {
        (Value::Array(items), 0 | 1) => {
            let mut items = items.clone();
            items.reverse();
            json!(items)
        }
        (Value::Array(items), 2 | 3) => {
            let mut items = items.clone();
            let extra = match items.first() {
                Some(Value::Object(first)) => {
                    let mut first = first.clone();
                    for (key, value) in [
                        ("name", json!("extra")),
                        ("containerPort", json!(9090)),
                        ("port", json!(443)),
                        ("mountPath", json!("/extra")),
                    ] {
                        if first.contains_key(key) {
                            first.insert(key.to_owned(), value);
                        }
                    }
                    Value::Object(first)
                }
                Some(Value::Number(_)) => json!(9),
                _ => json!("extra"),
            };
            items.push(extra);
            json!(items)
        }
        (Value::Array(items), 4 | 5) => json!(items.iter().skip(1).collect::<Vec<_>>()),
        (Value::Object(_), 0) => json!({}),
        (Value::Object(map), 1 | 2) if map.values().all(Value::is_string) => {
            let mut map = map.clone();
            map.insert("extra".into(), json!("x"));
            json!(map)
        }
        (Value::String(text), 0..=5) => match &**text {
            "1" => json!("1000m"),
            "1000m" => json!("1"),
            "500m" => json!("0.5"),
            "1Gi" => json!("1024Mi"),
            "1024Mi" => json!("1Gi"),
            "100m" => json!("0.1"),
            "YWRtaW4=" | "cGFzcw==" | "c2VjcmV0" | "dA==" => json!("bmV1"),
            "TCP" | "UDP" => json!("SCTP"),
            "IfNotPresent" => json!("Always"),
            _ => json!("changed"),
        },
        (Value::Number(number), 0..=5) => json!(number.as_i64().unwrap_or_default() + 1),
        (Value::Bool(flag), 0..=5) => json!(!flag),
        (_, 6) => Value::Null,
        _ => {
            remove(body, path);
            return;
        }
    };
    *value = replacement;
}

fn collect(value: &Value, path: String, into: &mut Vec<String>) {
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let path = format!("{path}/{}", escape(key));
                into.push(path.clone());
                collect(child, path, into);
            }
        }
        Value::Array(items) => {
            for (at, child) in items.iter().enumerate() {
                collect(child, format!("{path}/{at}"), into);
            }
        }
        _ => {}
    }
}

fn remove(body: &mut Value, path: &str) {
    let Some((parent, key)) = path.rsplit_once('/') else { return };
    if let Some(Value::Object(map)) = body.pointer_mut(parent) {
        map.remove(&key.replace("~1", "/").replace("~0", "~"));
    }
}
