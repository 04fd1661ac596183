//! Programs from a seed.

mod changes;
mod custom;
mod kinds;
mod mutate;
mod operations;
mod pod;
mod pod_actions;
mod pod_fields;
mod quotas;
mod reads;
mod refused;
mod rules;
mod security;
mod subject;
mod watch;
mod workload;

use serde_json::json;

pub(crate) use self::custom::{Definition, definitions};
use self::{
    kinds::KINDS,
    operations::{APPLY, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, create, manager, operation, options, plain},
    subject::{Source, Subject},
};
use super::normal::{GENERATED, prefix};
use super::program::{Body, JSON, Program, Step};
use super::rng::Rng;

/// How many of a hundred steps are reads with options.
const READS: usize = 12;
/// How many of a hundred programs about quotas make what those count, rather than quotas.
const UNDER_QUOTAS: usize = 60;
/// How many of a hundred of those are about what Pods may do rather than how much they may use.
const SECURED: usize = 35;
/// How many of a hundred programs watch what they write.
const WATCHED: usize = 60;

/// The areas that `--only` may name.
pub(crate) fn areas() -> Vec<&'static str> {
    let mut areas: Vec<&str> = KINDS.iter().map(|k| k.area).collect();
    areas.push("custom");
    areas.push(changes::AREA);
    areas.dedup();
    areas
}

/// The program with this number. `pool` are the custom kinds that both servers know.
pub(crate) fn program(seed: u64, number: u64, only: Option<&str>, pool: &[Definition]) -> Program {
    let mut program = drawn(seed, number, only, pool);
    number_prefixes(&mut program.steps);
    program
}

fn drawn(seed: u64, number: u64, only: Option<&str>, pool: &[Definition]) -> Program {
    let mut rng = Rng::new(seed, number);
    let areas = areas();
    let area = match only {
        Some(only) => areas.iter().find(|a| **a == only).copied().unwrap_or(areas[0]),
        None if rng.chance(15) => "custom",
        // Definitions come and go slowly.
        None if rng.chance(3) => changes::AREA,
        None => rng.pick(&areas[..areas.len() - 1]),
    };
    let mut steps: Vec<Step> = Vec::new();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "{{ns}}"}});
    steps.push(plain("POST", "/api/v1/namespaces", Body::Json(namespace)).into());
    let acts = pod_actions::AREAS.contains(&area);
    if acts {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        steps.push(plain("POST", "/api/v1/namespaces/{{ns}}/serviceaccounts", Body::Json(account)).into());
    }
    if acts && rng.chance(40) {
        steps.push(pod_actions::node().into());
    }
    if acts && rng.chance(25) {
        steps.extend(pod_actions::drain(&mut rng).into_iter().map(Step::from));
    }
    if area == changes::AREA {
        return changes::program(&mut rng, steps);
    }
    if area == quotas::AREA && rng.chance(UNDER_QUOTAS) {
        return match rng.chance(SECURED) {
            true => security::program(&mut rng, steps),
            false => quotas::program(&mut rng, steps),
        };
    }
    let subjects: Vec<Subject> = if area == "custom" {
        let definition = &pool[rng.below(pool.len())];
        definition.versions.iter().map(|v| Subject::custom(definition, v)).collect()
    } else {
        let kinds: Vec<&'static kinds::Kind> = KINDS.iter().filter(|k| k.area == area).collect();
        // The versions of one kind meet; different kinds need not.
        let first = kinds[rng.below(kinds.len())];
        kinds.iter().filter(|k| k.plural == first.plural).map(|k| Subject::built_in(k)).collect()
    };
    let count = 5 + rng.below(21);
    let mut collections: Vec<String> = subjects.iter().flat_map(Subject::final_reads).collect();
    for i in 0..count {
        let subject = &subjects[rng.below(subjects.len())];
        if i > 0 && rng.chance(READS) {
            reads::steps(&mut rng, subject, &mut steps);
            continue;
        }
        let next = match i {
            0 => create(&mut rng, subject),
            _ if acts && rng.chance(35) => pod_actions::operation(&mut rng),
            _ => operation(&mut rng, subject),
        };
        steps.push(next.into());
    }
    if acts {
        let both = [pod_actions::PODS, pod_actions::BUDGETS].map(str::to_owned);
        let others: Vec<String> = both.into_iter().filter(|path| !collections.contains(path)).collect();
        collections.extend(others);
    }
    let watches = if rng.chance(WATCHED) { 1 + rng.below(2) } else { 0 };
    for number in 0..watches {
        let subject = &subjects[rng.below(subjects.len())];
        // After the one that makes the namespace, before or among the writes.
        let at = 1 + rng.below(steps.len());
        steps.insert(at, watch::watch(&mut rng, subject, number));
    }
    if rng.chance(15) {
        let at = 1 + rng.below(steps.len());
        steps.insert(at, watch::refused(&mut rng, &subjects[0]));
    }
    Program { area, steps, collections }
}

/// Each prefix for generated names its own: what is generated later comes later in lists.
fn number_prefixes(steps: &mut [Step]) {
    let mut number = 0;
    for step in steps {
        let Step::Ask(operation) = step else { continue };
        match &mut operation.body {
            Body::Json(object) if object["metadata"]["generateName"] == GENERATED => {
                object["metadata"]["generateName"] = prefix(number).into();
            }
            Body::Text(text) if text.contains(&named(GENERATED)) => {
                *text = text.replace(&named(GENERATED), &named(&prefix(number)));
            }
            _ => continue,
        }
        number += 1;
    }
}

fn named(prefix: &str) -> String {
    format!("\"generateName\":\"{prefix}\"")
}
