//! Programs that bring a definition of their own, change it with objects in between, and take it away.

use serde_json::{Value, json};

use super::super::program::{Body, Operation, Program, Step, Until, Wait};
use super::super::rng::Rng;
use super::custom::{self, Definition};
use super::{MERGE_PATCH, Subject, create, operation, plain, refused as refusals};

pub(super) const AREA: &str = "definition";
pub(super) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

pub(super) fn program(rng: &mut Rng, mut steps: Vec<Step>) -> Program {
    if rng.chance(50) {
        return refusals::program(rng, steps);
    }
    let mut definition = custom::own(rng);
    let at = format!("{DEFINITIONS}/{}.{}", definition.plural, definition.group);
    steps.push(plain("POST", DEFINITIONS, Body::Json(definition.manifest.clone())).into());
    steps.push(wait(&definition.collection("v1"), Until::Code(200)));
    objects(rng, &definition, &mut steps);
    for number in 0..=rng.below(3) {
        let mut next = definition.clone();
        let dry_run = rng.chance(10);
        let (body, taken) = match rng.chance(25) {
            true => (refused(rng), false),
            false => (change(rng, &mut next, number), !dry_run),
        };
        let query = if dry_run { vec![("dryRun", "All".to_owned())] } else { Vec::new() };
        let patch = plain("PATCH", &at, Body::Json(body));
        steps.push(Operation { query, content_type: MERGE_PATCH, ..patch }.into());
        if taken {
            definition = next;
            steps.push(settled(&definition, number));
        } else {
            steps.push(wait(&at, Until::Accepted));
        }
        for _ in 0..rng.below(4) {
            steps.push(refusals::patch(rng, &at, &definition.unruled()).into());
        }
        objects(rng, &definition, &mut steps);
    }
    steps.push(read(&at).into());
    if rng.chance(30) {
        gone(&definition, &mut steps);
        steps.push(Operation { method: "DELETE", ..read(&at) }.into());
        steps.push(wait(&at, Until::Code(404)));
        steps.push(wait(&definition.collection("v1"), Until::Code(404)));
        steps.push(read(&definition.collection("v1")).into());
    }
    Program { area: AREA, steps, collections: Vec::new() }
}

/// Takes the objects away, held or not. A real server would do that as well, but few definitions at a time, and looks only
/// every five seconds whether it is done.
fn gone(definition: &Definition, steps: &mut Vec<Step>) {
    let Some(version) = definition.versions.first() else { return };
    let collection = definition.collection(version);
    for name in ["a", "b"] {
        let name = if definition.namespaced { name.to_owned() } else { format!("{{{{ns}}}}-{name}") };
        let path = format!("{collection}/{name}");
        let free = Body::Json(json!({"metadata": {"finalizers": null}}));
        steps.push(Operation { content_type: MERGE_PATCH, ..plain("PATCH", &path, free) }.into());
    }
    steps.push(Operation { method: "DELETE", ..read(&collection) }.into());
    steps.push(wait(&collection, Until::AsMuchLeft));
    steps.push(read(&collection).into());
}

fn read(path: &str) -> Operation {
    Operation { content_type: "", ..plain("GET", path, Body::Empty) }
}

/// Waits until both servers answer a read so.
fn wait(path: &str, until: Until) -> Step {
    Step::Wait(Wait { operation: read(path), until })
}

/// The field by which a program sees which form of a definition its objects are judged by: it takes one value, which is
/// another one with each change.
const MARKER: &str = "marker";

/// Waits until both servers judge objects by this change of a definition.
fn settled(definition: &Definition, change: usize) -> Step {
    let version = definition.versions.first().map_or("v1", String::as_str);
    let probe = json!({
        "apiVersion": format!("{}/{version}", definition.group), "kind": definition.kind,
        "metadata": {"name": "probe"}, MARKER: "?",
    });
    let trial = plain("POST", &definition.collection(version), Body::Json(probe));
    let operation = Operation { query: vec![("dryRun", "All".to_owned())], ..trial };
    Step::Wait(Wait { operation, until: Until::Refused(marker(change)) })
}

fn marker(change: usize) -> String {
    format!("change-{change}")
}

fn objects(rng: &mut Rng, definition: &Definition, steps: &mut Vec<Step>) {
    let subjects: Vec<Subject> = definition.versions.iter().map(|v| Subject::custom(definition, v)).collect();
    for i in 0..2 + rng.below(5) {
        let subject = &subjects[rng.below(subjects.len())];
        steps.push(if i == 0 { create(rng, subject) } else { operation(rng, subject) }.into());
    }
    for subject in &subjects {
        steps.push(read(&subject.collection).into());
    }
}

/// A merge patch of the definition, which is changed along.
fn change(rng: &mut Rng, definition: &mut Definition, number: usize) -> Value {
    let mut next = definition.manifest["spec"]["versions"].clone();
    let versions = next.as_array_mut().map_or(0, |list| list.len());
    let one = rng.below(versions.max(1));
    match rng.below(12) {
        0 | 1 => {
            let schema = &mut next[one]["schema"]["openAPIV3Schema"]["properties"]["spec"];
            schema["properties"]["added"] = json!({"type": "string", "default": "new"});
        }
        2 | 3 => {
            let schema = &mut next[one]["schema"]["openAPIV3Schema"]["properties"]["spec"];
            if let Some(properties) = schema["properties"].as_object_mut() {
                properties.remove(rng.pick(&["alpha", "beta", "gamma"]));
            }
            if let Some(map) = schema.as_object_mut() {
                map.remove("required");
                // Its rules may be about the field.
                map.remove("x-kubernetes-validations");
            }
        }
        4 | 5 if versions < 3 => {
            let mut version = next[0].clone();
            version["name"] = "v2".into();
            version["storage"] = false.into();
            let known = definition.versions.iter().any(|v| v == "v2");
            if let Some(list) = next.as_array_mut().filter(|_| !known) {
                list.push(version);
            }
        }
        6 | 7 if versions > 1 => {
            let storage = rng.below(versions);
            for (i, version) in next.as_array_mut().into_iter().flatten().enumerate() {
                version["storage"] = (i == storage).into();
            }
        }
        8 if versions > 1 => next[versions - 1]["served"] = rng.chance(50).into(),
        9 | 10 => {
            let on = next[one]["subresources"]["status"].is_object();
            next[one]["subresources"] = if on { json!({}) } else { json!({"status": {}}) };
        }
        _ => {
            next[one]["additionalPrinterColumns"] =
                json!([{"name": "Spec", "type": "string", "jsonPath": ".spec.alpha"}]);
        }
    }
    for version in next.as_array_mut().into_iter().flatten() {
        version["schema"]["openAPIV3Schema"]["properties"][MARKER] =
            json!({"type": "string", "enum": [marker(number)]});
    }
    definition.take(next.clone());
    json!({"spec": {"versions": next}})
}

/// A change that no server takes, or one that changes nothing of what is served.
fn refused(rng: &mut Rng) -> Value {
    match rng.below(5) {
        0 => json!({"spec": {"versions": []}}),
        1 => json!({"spec": {"group": "other.example.com"}}),
        2 => json!({"spec": {"scope": "Elsewhere"}}),
        3 => json!({"metadata": {"labels": {"app": "web"}}}),
        _ => json!({"spec": {"names": {"shortNames": ["sh"]}}}),
    }
}
