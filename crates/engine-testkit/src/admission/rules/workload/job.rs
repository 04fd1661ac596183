//! Jobs, and the Jobs that CronJobs make.

use serde_json::{Map, Value};

use super::{At, Change, IMMUTABLE, fixed, is_readable, is_true, job_policies, matches_template, template};
use crate::{
    admission::names,
    json::{self, str_at},
    status::Cause,
};

/// The labels that tell the Pods of one Job from those of another: the older names, then those with a prefix.
const UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
const NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];

pub(super) fn job(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let root = change.root();
    let spec = root.field("spec");
    own_labels(change, causes);
    whole_spec(&spec, causes);
    pod_names(&root, &spec, causes);
    if let Some(before) = change.old_root() {
        whole_spec(&spec, causes);
        what_keeps_its_value(&before, &spec, causes);
    }
}

/// What the server puts into the template, so that the Job's Pods are its own.
fn own_labels(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let root = change.root();
    let spec = root.field("spec");
    if spec.field("manualSelector").value == true || !spec.field("selector").is_set() {
        return;
    }
    let (uid, name) = (str_at(root.value, &["metadata", "uid"]), str_at(root.value, &["metadata", "name"]));
    if uid.is_empty() {
        causes.push(Cause::required("metadata.uid", ""));
    }
    // Jobs of a time before the prefix do without it.
    let prefixed = change.before.is_none_or(|before| {
        let labels = json::map_at(before, &["spec", "template", "metadata", "labels"]);
        labels.is_some_and(|l| l.contains_key(UID_LABELS[1]) && l.contains_key(NAME_LABELS[1]))
    });
    let labels = spec.field("template").field("metadata").field("labels");
    let mut expected = Map::new();
    for known in 0..=usize::from(prefixed) {
        for (key, value) in [(UID_LABELS[known], uid), (NAME_LABELS[known], name)] {
            expected.insert(key.to_owned(), value.into());
            let (at, wanted) = (format!("{}[{key}]", labels.path), format!("must be '{value}'"));
            match labels.value.get(key).and_then(Value::as_str) {
                None => causes.push(Cause::required(at, &wanted)),
                Some(other) if other != value => causes.push(Cause::invalid(at, labels.value, wanted)),
                Some(_) => {}
            }
        }
    }
    let selector = spec.field("selector");
    let made = serde_json::json!({"metadata": {"labels": expected}});
    if is_readable(&selector) && !crate::store::selector::LabelSelector::from_object(selector.value).matches(&made) {
        selector.invalid("`selector` not auto-generated", causes);
    }
}

/// The Pods of an indexed Job are named after it and their index.
fn pod_names(root: &At<'_>, spec: &At<'_>, causes: &mut Vec<Cause>) {
    let completions = spec.field("completions").int();
    if spec.field("completionMode").text() != "Indexed" || completions <= 0 {
        return;
    }
    let name = str_at(root.value, &["metadata", "name"]);
    let longest = format!("{name}-{}", completions - 1);
    if !names::complaints(&longest, names::Rule::Label).is_empty() {
        let detail = format!("will not able to create pod with invalid DNS label: {longest}");
        causes.push(Cause::invalid("metadata.name", &name.into(), detail));
    }
}

fn whole_spec(spec: &At<'_>, causes: &mut Vec<Cause>) {
    any_spec(spec, causes);
    let selector = spec.field("selector");
    if selector.is_set() {
        selector.selector(causes);
    } else {
        selector.required("", causes);
    }
    if is_readable(&selector) {
        matches_template(spec, causes);
    }
}

/// What holds for a template of Jobs too.
pub(super) fn any_spec(spec: &At<'_>, causes: &mut Vec<Cause>) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        spec.field(field).not_negative(causes);
    }
    let (per_index, most) = (spec.field("backoffLimitPerIndex"), spec.field("maxFailedIndexes"));
    if most.is_set() && !per_index.is_set() {
        per_index.required("when maxFailedIndexes is specified", causes);
    }
    managed_by(&spec.field("managedBy"), causes);
    let mode = spec.field("completionMode");
    mode.one_of(&["NonIndexed", "Indexed"], causes);
    match mode.text() {
        "Indexed" => indexed(spec, causes),
        "NonIndexed" | "" => {
            for field in [&per_index, &most] {
                if field.is_set() {
                    field.invalid("requires indexed completion mode", causes);
                }
            }
        }
        _ => {}
    }
    job_policies::failure(spec, causes);
    job_policies::success(spec, causes);
    job_policies::replacement(spec, causes);
    template(&spec.field("template"), causes);
    let policy = spec.field("template").field("spec").field("restartPolicy");
    match policy.text() {
        "" | "Always" => policy.required("valid values: \"OnFailure\", \"Never\"", causes),
        "Never" => {}
        "OnFailure" => {
            if spec.field("podFailurePolicy").is_set() {
                policy.invalid("only \"Never\" is supported when podFailurePolicy is specified", causes);
            }
        }
        _ => policy.unsupported(&["OnFailure", "Never"], causes),
    }
}

fn managed_by(manager: &At<'_>, causes: &mut Vec<Cause>) {
    const MOST: usize = 63;
    if !manager.is_set() {
        return;
    }
    let text = manager.text();
    match text.split_once('/') {
        _ if text.is_empty() => manager.required("", causes),
        Some((host, path)) if !host.is_empty() && !path.is_empty() => {
            for complaint in names::complaints(host, names::Rule::Subdomain) {
                causes.push(Cause::invalid(manager.path.clone(), &host.into(), complaint));
            }
            if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-.~!$&'()*+,;=:".contains(&b) || b == b'%') {
                let detail = "Invalid path (regex used for validation is \
                              '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
                causes.push(Cause::invalid(manager.path.clone(), &path.into(), detail));
            }
        }
        _ => manager.invalid("must be a domain-prefixed path (such as \"acme.io/foo\")", causes),
    }
    if text.len() > MOST {
        causes.push(Cause::too_long(manager.path.clone(), MOST as u64));
    }
}

/// Which bounds there are when each completion has an index of its own.
fn indexed(spec: &At<'_>, causes: &mut Vec<Cause>) {
    const MOST_AT_ONCE: i64 = 100_000;
    const MANY: i64 = 100_000;
    const MOST_OF_MANY: i64 = 10_000;
    let completions = spec.field("completions");
    let (parallelism, most_failed) = (spec.field("parallelism"), spec.field("maxFailedIndexes"));
    if !completions.is_set() {
        completions.required("when completion mode is Indexed", causes);
    }
    if parallelism.int() > MOST_AT_ONCE {
        let detail = format!("must be less than or equal to {MOST_AT_ONCE} when completion mode is Indexed");
        parallelism.invalid(&detail, causes);
    }
    if completions.is_set() && most_failed.is_set() && most_failed.int() > completions.int() {
        most_failed.invalid("must be less than or equal to completions", causes);
    }
    if most_failed.int() > MANY {
        most_failed.invalid(&format!("must be less than or equal to {MANY}"), causes);
    }
    if completions.int() > MANY && spec.field("backoffLimitPerIndex").is_set() {
        if !most_failed.is_set() {
            most_failed.required(&format!("must be specified when completions is above {MANY}"), causes);
        }
        for bound in [&parallelism, &most_failed] {
            if bound.int() > MOST_OF_MANY {
                let detail = format!(
                    "must be less than or equal to {MOST_OF_MANY} when completions are above {MANY} and used with \
                     backoff limit per index"
                );
                bound.invalid(&detail, causes);
            }
        }
    }
}

fn what_keeps_its_value(before: &At<'_>, spec: &At<'_>, causes: &mut Vec<Cause>) {
    let old = before.field("spec");
    let (completions, parallelism) = (spec.field("completions"), spec.field("parallelism"));
    if spec.field("completionMode").text() != "Indexed" {
        fixed(&old.field("completions"), &completions, causes);
    } else if completions.value != old.field("completions").value
        && completions.is_set()
        && completions.value != parallelism.value
    {
        completions.invalid("can only be modified in tandem with spec.parallelism", causes);
    }
    fixed(&old.field("selector"), &spec.field("selector"), causes);
    same_template(before, spec, causes);
    for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        fixed(&old.field(field), &spec.field(field), causes);
    }
}

/// The template of a suspended Job may change what it asks of nodes; nothing else does.
fn same_template(before: &At<'_>, spec: &At<'_>, causes: &mut Vec<Cause>) {
    let old = before.field("spec");
    let suspended = old.field("suspend").value == true;
    let status = before.field("status");
    let started = status.field("startTime").is_set() && !is_true(before, "Suspended");
    let movable = suspended && !started && status.field("active").int() == 0;
    let new = spec.field("template");
    let mut allowed = old.field("template").value.clone();
    if movable {
        take_over_scheduling(&mut allowed, new.value);
    }
    if !suspended || !movable {
        if *new.value != allowed {
            new.invalid(IMMUTABLE, causes);
        }
        return;
    }
    take_over_resources(&mut allowed, new.value);
    let pods = new.field("spec");
    if *pods.value != allowed["spec"] {
        pods.invalid(IMMUTABLE, causes);
    }
}

fn take_over_scheduling(old: &mut Value, new: &Value) {
    json::remove(old, &["spec", "affinity", "nodeAffinity"]);
    let affinity = json::get(new, &["spec", "affinity"]);
    match affinity {
        // Nothing but the nodes' part may come and go with all of it.
        None => {
            if json::map_at(old, &["spec", "affinity"]).is_some_and(Map::is_empty) {
                json::remove(old, &["spec", "affinity"]);
            }
        }
        Some(affinity) => {
            json::default(old, &["spec", "affinity"], Value::Object(Map::new()));
            if let Some(nodes) = affinity.get("nodeAffinity") {
                json::set(old, &["spec", "affinity", "nodeAffinity"], nodes.clone());
            }
        }
    }
    for path in [
        &["spec", "nodeSelector"][..],
        &["spec", "tolerations"],
        &["spec", "schedulingGates"],
        &["metadata", "annotations"],
        &["metadata", "labels"],
    ] {
        json::copy(new, old, path);
    }
}

fn take_over_resources(old: &mut Value, new: &Value) {
    for key in ["containers", "initContainers"] {
        let now = json::list_at(new, &["spec", key]);
        let Some(then) = old["spec"].get_mut(key).and_then(Value::as_array_mut) else { continue };
        if then.len() != now.len() {
            continue;
        }
        for (then, now) in then.iter_mut().zip(now) {
            if str_at(then, &["name"]) == str_at(now, &["name"]) {
                json::copy(now, then, &["resources"]);
            }
        }
    }
}
