//! Watches: where they begin, what they select, in which form they tell it, and how they end.

use serde_json::{Value, json};

use super::super::program::{Body, Edit, JSON, Operation, Read, Step, Watch};
use super::super::rng::Rng;
use super::reads::{METADATA, TABLE, caught_up, truth};
use super::{MERGE_PATCH, Source, Subject, plain};

/// A selection, and what makes the last object one of it.
struct Selection {
    query: Vec<(&'static str, String)>,
    labels: Value,
    edits: Vec<Edit>,
    /// The object that alone is selected.
    only: Option<String>,
}

/// Label selectors and labels that they select.
const LABELS: &[(&str, Option<&str>)] = &[
    ("app=web", Some("web")),
    ("app=db", Some("db")),
    ("app!=web", Some("db")),
    ("app", Some("web")),
    ("!app", None),
    ("app in (web,db)", Some("db")),
    ("app notin (web)", None),
];

/// Field selectors of kinds, and the field that is taken out or set so that an object is selected.
const FIELDS: &[(&str, &str, &str, Option<&str>)] = &[
    ("secrets", "type=Opaque", "type", None),
    ("services", "spec.type=ClusterIP", "spec.type", None),
    ("pods", "status.phase=Pending", "status", None),
    ("pods", "spec.nodeName=", "spec.nodeName", None),
    ("pods", "spec.restartPolicy!=Never", "spec.restartPolicy", None),
    ("events", "type=Normal", "type", Some("Normal")),
    ("events", "reason!=Started", "reason", Some("Stopped")),
    ("jobs", "status.successful=0", "status", None),
];

fn selection(rng: &mut Rng, subject: &Subject) -> Selection {
    let none = Selection { query: Vec::new(), labels: json!({}), edits: Vec::new(), only: None };
    if !subject.namespaced || rng.chance(10) {
        let name = subject.name(rng);
        let query = vec![("fieldSelector", format!("metadata.name={name}"))];
        return Selection { query, only: Some(name), ..none };
    }
    let plural = subject.collection.rsplit('/').next().unwrap_or_default();
    let fields: Vec<_> = FIELDS.iter().filter(|(of, ..)| *of == plural).collect();
    match rng.below(10) {
        0..3 => {
            let (selector, label) = rng.pick(LABELS);
            let labels = label.map_or_else(|| json!({}), |label| json!({"app": label}));
            Selection { query: vec![("labelSelector", selector.to_owned())], labels, ..none }
        }
        3 => Selection { query: vec![("fieldSelector", "metadata.name!=a".to_owned())], ..none },
        4 | 5 if !fields.is_empty() => {
            let (_, selector, field, value) = fields[rng.below(fields.len())];
            let path: Vec<String> = field.split('.').map(str::to_owned).collect();
            let edit = value.map_or_else(|| Edit::Remove(path.clone()), |v| Edit::Set(path.clone(), v.into()));
            Selection { query: vec![("fieldSelector", (*selector).to_owned())], edits: vec![edit], ..none }
        }
        _ => none,
    }
}

/// Where a watch begins.
fn beginning(rng: &mut Rng, subject: &Subject, query: &mut Vec<(&'static str, String)>) {
    let first = "{{at:the beginning}}".to_owned();
    let object = format!("{{{{at:{}/a}}}}", subject.collection);
    match rng.below(12) {
        0..3 => query.push(("resourceVersion", first)),
        3 => query.push(("resourceVersion", object)),
        4 => query.push(("resourceVersion", format!("{{{{list-rv:{}}}}}", subject.collection))),
        5 => query.push(("resourceVersion", "0".to_owned())),
        6 | 7 => {}
        // Of before the cache: those of built-in kinds are as old as the server.
        8 if matches!(subject.body, Source::Custom(_)) => query.push(("resourceVersion", "1".to_owned())),
        _ => {
            query.push(("sendInitialEvents", rng.pick(&["true", "true", "true", "1", "false"]).to_owned()));
            query.push(("resourceVersionMatch", "NotOlderThan".to_owned()));
            if rng.chance(80) {
                query.push(("allowWatchBookmarks", "true".to_owned()));
            }
            match rng.below(4) {
                0 => query.push(("resourceVersion", "0".to_owned())),
                1 => query.push(("resourceVersion", object)),
                2 => query.push(("resourceVersion", first)),
                _ => {}
            }
        }
    }
}

/// A watch of what is written. `number` is that of the watch in its program.
pub(super) fn watch(rng: &mut Rng, subject: &Subject, number: usize) -> Step {
    let mark = format!("end-{number}");
    let selection = selection(rng, subject);
    let mut query = vec![("watch", rng.pick(&["true", "1"]).to_owned())];
    let mut path = subject.collection.clone();
    let built_in = matches!(subject.body, Source::BuiltIn(_));
    let fields = selection.query.iter().any(|(key, _)| *key == "fieldSelector");
    if subject.namespaced && !fields && rng.chance(10) {
        path = path.replace("/namespaces/{{ns}}", "");
        query.push(("fieldSelector", "metadata.namespace={{ns}}".to_owned()));
    }
    if built_in && rng.chance(8) {
        // The way to watch before there was a parameter for it.
        query.retain(|(key, _)| *key != "watch");
        let at = if path.starts_with("/api/") { "/api/v1".len() } else { group_end(&path) };
        path.insert_str(at, "/watch");
    }
    query.extend(selection.query);
    beginning(rng, subject, &mut query);
    // Two tables of one kind are told from one cache on the real server, and whichever is told second may get its columns
    // twice.
    let accept = rng.pick(&[JSON, JSON, JSON, METADATA, if number == 0 { TABLE } else { JSON }]);
    if accept == TABLE && rng.chance(40) {
        query.push(("includeObject", rng.pick(&["Metadata", "Object"]).to_owned()));
    }
    let caught_up = Some(caught_up(&subject.collection_of_its_own()));
    let mut end = Vec::new();
    for _ in 0..3 {
        let name = selection.only.clone().unwrap_or_else(|| mark.clone());
        let mut object = subject.object(rng, &name);
        object["metadata"] = json!({"name": name, "labels": selection.labels});
        object["metadata"]["labels"]["end"] = mark.as_str().into();
        selection.edits.iter().for_each(|edit| edit.apply(&mut object));
        end.push(plain("POST", &subject.collection, Body::Json(object)));
    }
    if let Some(name) = &selection.only {
        let patch = Body::Json(json!({"metadata": {"labels": {"end": mark}}}));
        let at = format!("{}/{name}", subject.collection);
        end.push(Operation { content_type: MERGE_PATCH, ..plain("PATCH", &at, patch) });
    }
    Step::Watch(Watch { read: Read { path, query, accept }, caught_up, end, mark: format!("\"{mark}\"") })
}

/// Where the group and version of a path end.
fn group_end(path: &str) -> usize {
    path.match_indices('/').nth(3).map_or(path.len(), |(at, _)| at)
}

/// A watch that servers refuse, or that says at once what is wrong.
pub(super) fn refused(rng: &mut Rng, subject: &Subject) -> Step {
    let mut query = vec![("watch", "true".to_owned())];
    for _ in 0..1 + rng.below(3) {
        let option = match rng.below(9) {
            0 => ("sendInitialEvents", truth(rng)),
            1 => ("resourceVersionMatch", rng.pick(&["Exact", "NotOlderThan", "", "exact"]).to_owned()),
            2 => ("allowWatchBookmarks", truth(rng)),
            3 => ("timeoutSeconds", rng.pick(&["x", "", "1.5", "-", "9223372036854775808"]).to_owned()),
            4 => ("resourceVersion", rng.pick(&["abc", "-1", "1.5", "01x"]).to_owned()),
            5 => ("continue", rng.pick(&["abc", "e30"]).to_owned()),
            6 => ("limit", rng.pick(&["x", "1", "0"]).to_owned()),
            7 => ("labelSelector", rng.pick(&["a b", "in (", "app="]).to_owned()),
            _ => ("fieldSelector", rng.pick(&["spec.nothing=1", "metadata.name", "a=b=c"]).to_owned()),
        };
        query.push(option);
    }
    let accept =
        rng.pick(&[JSON, JSON, JSON, TABLE, METADATA, "text/html", "application/json;as=Chair;v=v1;g=meta.k8s.io"]);
    let read = Read { path: subject.collection.clone(), query, accept };
    // If it is not refused, it is one of many answers, and ends with the program.
    Step::Watch(Watch { read, caught_up: None, end: Vec::new(), mark: String::new() })
}
