//! Reads with everything that a list or a get may be asked, sense or not.

use serde_json::json;

use super::super::program::{Body, JSON, Operation, Read, Step};
use super::super::rng::Rng;
use super::{Source, Subject};

pub(super) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const ACCEPTS: &[&str] = &[
    JSON,
    JSON,
    JSON,
    TABLE,
    TABLE,
    METADATA,
    METADATA_LIST,
    METADATA_LIST,
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1beta1;g=meta.k8s.io",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=Table;v=v2;g=meta.k8s.io,application/json;q=0.5",
    "application/json;as=Chair;v=v1;g=meta.k8s.io",
    "application/json;as=Table;g=meta.k8s.io",
    "*/*",
    "text/html",
];

/// Label selectors that are about the labels that objects of programs have, and some that are none.
const LABELS: &[&str] = &[
    "app=web",
    "app==web",
    "app!=web",
    "app",
    "!app",
    "app in (web,db)",
    "app in (web)",
    "app notin (web)",
    "app in ()",
    "app=",
    "app!=",
    "app=web,app!=db",
    "app=web,other",
    "app>3",
    "app<3",
    "app>x",
    "",
    ",",
    " app = web ",
    "a b",
    "app in",
    "app in (web",
    "app=web=db",
    "=web",
    "!",
    "!!app",
    "app in (web,,db)",
    "-app",
    "example.com/app=web",
    "example.com/=web",
    "a/b/c=web",
    "app=web;db",
    "app=-web",
    "in in (in)",
    "(app)",
    "app not in (web)",
    "Ä=web",
];

/// The same about fields.
const FIELDS: &[&str] = &[
    "metadata.name=a",
    "metadata.name==a",
    "metadata.name!=a",
    "metadata.name=",
    "metadata.name!=",
    "metadata.name=a,metadata.name=b",
    "metadata.name=a,metadata.name!=b",
    "metadata.namespace={{ns}}",
    "metadata.namespace=elsewhere",
    "metadata.namespace!={{ns}}",
    "metadata.name=a,metadata.namespace={{ns}}",
    "metadata.uid=1",
    "metadata.labels.app=web",
    "spec.nothing=1",
    "",
    ",",
    "metadata.name",
    "=a",
    "!=a",
    "metadata.name=a=b",
    "metadata.name=a\\,b",
    "metadata.name=a\\=b",
    "metadata.name=a\\b",
    "metadata.name in (a)",
    "metadata.name=a,,metadata.name=a",
    " metadata.name=a",
    "metadata.name= a",
    "metadata.name=a,",
    "status.phase=Active",
    "status.phase=Pending",
    "status.phase!=Running",
    "spec.nodeName=",
    "spec.restartPolicy=Always",
    "spec.serviceAccountName=default",
    "spec.hostNetwork=false",
    "spec.schedulerName=default-scheduler",
    "status.podIP=",
    "status.nominatedNodeName=",
    "type=Opaque",
    "type!=Opaque",
    "spec.type=ClusterIP",
    "spec.clusterIP=None",
    "involvedObject.kind=Pod",
    "involvedObject.name=a,reason=Started",
    "reason!=Started",
    "source=kubelet",
    "reportingComponent=",
    "type=Normal",
    "status.successful=0",
    "status.replicas=0",
];

/// Versions: of objects, of lists, of the past and of no server.
fn version(rng: &mut Rng, subject: &Subject) -> String {
    let collection = &subject.collection;
    match rng.below(16) {
        0..4 => "0".to_owned(),
        4..8 => format!("{{{{at:{collection}/a}}}}"),
        8 => "{{at:the beginning}}".to_owned(),
        9 | 10 => format!("{{{{list-rv:{collection}}}}}"),
        // The caches of built-in kinds are as old as the server, and forget some time after the store does.
        11 if matches!(subject.body, Source::Custom(_)) => "1".to_owned(),
        12 => String::new(),
        _ => rng.pick(&["abc", "-1", "1.5", "0x10", "00", "18446744073709551616", " 1", "+1"]).to_owned(),
    }
}

fn rule(rng: &mut Rng) -> String {
    rng.pick(&["Exact", "Exact", "Exact", "NotOlderThan", "NotOlderThan", "", "exact", "Newest"]).to_owned()
}

pub(super) fn truth(rng: &mut Rng) -> String {
    rng.pick(&["true", "false", "1", "0", "True", "FALSE", "", "maybe", "no"]).to_owned()
}

fn number(rng: &mut Rng) -> String {
    rng.pick(&[
        "1",
        "2",
        "3",
        "0",
        "-1",
        "",
        "x",
        "1.0",
        "9223372036854775808",
        "-9223372036854775809",
        "0x1",
        "+2",
        "1_0",
    ])
    .to_owned()
}

/// What every read may have: options that it ignores, or refuses.
fn noise(rng: &mut Rng, query: &mut Vec<(&'static str, String)>) {
    if rng.chance(75) {
        return;
    }
    let option = match rng.below(14) {
        0 => ("pretty", truth(rng)),
        1 => ("unknown", "1".to_owned()),
        2 => ("watch", rng.pick(&["false", "0", "False"]).to_owned()),
        3 => ("allowWatchBookmarks", truth(rng)),
        4 => ("timeoutSeconds", number(rng)),
        5 => ("sendInitialEvents", truth(rng)),
        6 => ("limit", number(rng)),
        7 => ("fieldManager", "one".to_owned()),
        8 => ("dryRun", "All".to_owned()),
        9 => ("fieldValidation", "Never".to_owned()),
        10 => ("export", truth(rng)),
        11 => ("timeout", rng.pick(&["10s", "0", "x", "1m30s", "10", "3y", ".s"]).to_owned()),
        12 => ("resourceVersionMatch", rule(rng)),
        _ => ("continue", rng.pick(&["", "abc", "e30", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"]).to_owned()),
    };
    query.push(option);
}

fn form(rng: &mut Rng, query: &mut Vec<(&'static str, String)>) -> &'static str {
    let accept = rng.pick(ACCEPTS);
    if rng.chance(if accept.contains("Table") { 60 } else { 5 }) {
        query.push(("includeObject", rng.pick(&["None", "Metadata", "Object", "", "object", "All"]).to_owned()));
    }
    accept
}

/// The cache of the real server may be behind what was written; after a read that may not be stale it is not.
pub(super) fn caught_up(collection: &str) -> Read {
    Read { path: collection.to_owned(), query: Vec::new(), accept: JSON }
}

pub(super) fn steps(rng: &mut Rng, subject: &Subject, steps: &mut Vec<Step>) {
    steps.push(Step::Read(caught_up(&subject.collection_of_its_own())));
    let step = match rng.below(10) {
        0..2 => get(rng, subject),
        2..4 if subject.namespaced => pages(rng, subject),
        4 if subject.namespaced => {
            chunks(rng, subject, steps);
            return;
        }
        5 if subject.namespaced && deletes(subject) => delete_collection(rng, subject).into(),
        6 if subject.namespaced => across(rng, subject),
        _ => list(rng, subject),
    };
    steps.push(step);
}

/// Whether the kind has that method for collections.
fn deletes(subject: &Subject) -> bool {
    !matches!(&subject.body, Source::BuiltIn(kind) if kind.plural == "namespaces")
}

fn get(rng: &mut Rng, subject: &Subject) -> Step {
    let path = format!("{}/{}", subject.collection, subject.name(rng));
    let mut query = Vec::new();
    if rng.chance(60) {
        query.push(("resourceVersion", version(rng, subject)));
    }
    if rng.chance(10) {
        query.push(("resourceVersionMatch", rule(rng)));
    }
    noise(rng, &mut query);
    let accept = form(rng, &mut query);
    Step::Read(Read { path, query, accept })
}

fn selectors(rng: &mut Rng, query: &mut Vec<(&'static str, String)>) {
    if rng.chance(40) {
        query.push(("labelSelector", rng.pick(LABELS).to_owned()));
    }
    if rng.chance(35) {
        query.push(("fieldSelector", rng.pick(FIELDS).to_owned()));
    }
}

fn list(rng: &mut Rng, subject: &Subject) -> Step {
    let mut query = Vec::new();
    if subject.namespaced {
        selectors(rng, &mut query);
    } else {
        query.push(("fieldSelector", format!("metadata.name={{{{ns}}}}-{}", rng.pick(&["a", "b"]))));
        if rng.chance(40) {
            query.push(("labelSelector", rng.pick(LABELS).to_owned()));
        }
    }
    if rng.chance(45) {
        query.push(("resourceVersion", version(rng, subject)));
    }
    if rng.chance(35) {
        query.push(("resourceVersionMatch", rule(rng)));
    }
    if subject.namespaced && rng.chance(20) {
        query.push(("limit", number(rng)));
    }
    if subject.namespaced && rng.chance(8) {
        query.push(("continue", format!("{{{{continue:{}}}}}", subject.collection)));
    }
    noise(rng, &mut query);
    let accept = form(rng, &mut query);
    // Where the kinds are everybody's, a limit cuts at what others have.
    if !subject.namespaced {
        query.retain(|(key, _)| *key != "limit");
    }
    Step::Read(Read { path: subject.collection.clone(), query, accept })
}

fn pages(rng: &mut Rng, subject: &Subject) -> Step {
    let mut query = vec![("limit", rng.pick(&["1", "1", "2", "3"]).to_owned())];
    if rng.chance(30) {
        selectors(rng, &mut query);
    }
    if rng.chance(25) {
        query.push(("resourceVersion", version(rng, subject)));
    }
    if rng.chance(15) {
        query.push(("resourceVersionMatch", rule(rng)));
    }
    let accept = rng.pick(&[JSON, JSON, JSON, TABLE, METADATA_LIST]);
    Step::Pages(Read { path: subject.collection.clone(), query, accept })
}

/// A page, writes, and the next page, which is of the same moment.
fn chunks(rng: &mut Rng, subject: &Subject, steps: &mut Vec<Step>) {
    let path = subject.collection.clone();
    let page = |query| Step::Read(Read { path: path.clone(), query, accept: JSON });
    steps.push(page(vec![("limit", "1".to_owned())]));
    for _ in 0..=rng.below(2) {
        steps.push(super::operation(rng, subject).into());
    }
    let mut query = vec![("continue", format!("{{{{continue:{path}}}}}"))];
    if rng.chance(60) {
        query.push(("limit", "1".to_owned()));
    }
    match rng.below(8) {
        0 => query.push(("resourceVersion", version(rng, subject))),
        1 => query.push(("labelSelector", "app=web".to_owned())),
        2 => query.push(("fieldSelector", "metadata.name!=a".to_owned())),
        _ => {}
    }
    steps.push(page(query));
}

/// Over all namespaces, of which only one is selected.
fn across(rng: &mut Rng, subject: &Subject) -> Step {
    let path = subject.collection.replace("/namespaces/{{ns}}", "");
    let mut query = vec![("fieldSelector", "metadata.namespace={{ns}}".to_owned())];
    if rng.chance(40) {
        query.push(("labelSelector", rng.pick(LABELS).to_owned()));
    }
    if rng.chance(40) {
        query.push(("resourceVersion", version(rng, subject)));
    }
    if rng.chance(30) {
        query.push(("resourceVersionMatch", rule(rng)));
    }
    let accept = form(rng, &mut query);
    Step::Read(Read { path, query, accept })
}

fn delete_collection(rng: &mut Rng, subject: &Subject) -> Operation {
    let mut query = Vec::new();
    selectors(rng, &mut query);
    if rng.chance(30) {
        query.push(("limit", number(rng)));
    }
    if rng.chance(20) {
        query.push(("resourceVersion", version(rng, subject)));
    }
    if rng.chance(15) {
        query.push(("resourceVersionMatch", rule(rng)));
    }
    if rng.chance(15) {
        query.push(("dryRun", rng.pick(&["All", "all", ""]).to_owned()));
    }
    if rng.chance(15) {
        query.push(("propagationPolicy", rng.pick(&["Background", "Foreground", "Orphan", "Sideways", ""]).to_owned()));
    }
    if rng.chance(10) {
        query.push(("gracePeriodSeconds", number(rng)));
    }
    noise(rng, &mut query);
    let body = match rng.below(6) {
        0 => Body::Json(json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"})),
        1 => Body::Json(json!({"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]})),
        _ => Body::Empty,
    };
    let content_type = if matches!(body, Body::Empty) { "" } else { JSON };
    Operation { method: "DELETE", path: subject.collection.clone(), query, content_type, body }
}
