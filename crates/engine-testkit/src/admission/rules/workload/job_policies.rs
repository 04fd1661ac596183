//! What a Job makes of Pods that fail, and when it is done early.

use super::{At, indexes};
use crate::status::Cause;

const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];
const MOST_RULES: usize = 20;
const MOST_CODES: usize = 255;
const MOST_CONDITIONS: usize = 20;

/// A text that must be there and be one of these, as Go prints a list of texts.
fn one_of(at: &At<'_>, supported: &[&str], causes: &mut Vec<Cause>) {
    if at.text().is_empty() {
        let quoted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        at.required(&format!("valid values: [{}]", quoted.join(" ")), causes);
    } else {
        at.one_of(supported, causes);
    }
}

fn at_most(at: &At<'_>, most: usize, causes: &mut Vec<Cause>) {
    if at.len() > most {
        causes.push(Cause::too_many(at.path.clone(), at.len() as u64, most as u64));
    }
}

/// An error about a place, without what is there.
fn bare(at: &At<'_>, detail: &str, causes: &mut Vec<Cause>) {
    causes.push(Cause::invalid_without_value(at.path.clone(), detail));
}

pub(super) fn failure(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let policy = spec.field("podFailurePolicy");
    if !policy.is_set() {
        return;
    }
    let rules = policy.field("rules");
    at_most(&rules, MOST_RULES, causes);
    let pod = spec.field("template").field("spec");
    let containers: Vec<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|key| pod.field(key).items().map(|c| c.field("name").text()).collect::<Vec<_>>())
        .collect();
    for rule in rules.items() {
        let action = rule.field("action");
        if action.text() == "FailIndex" {
            if !spec.field("backoffLimitPerIndex").is_set() {
                action.invalid("requires the backoffLimitPerIndex to be set", causes);
            }
        } else {
            one_of(&action, &ACTIONS, causes);
        }
        let (codes, conditions) = (rule.field("onExitCodes"), rule.field("onPodConditions"));
        if codes.is_set() {
            exit_codes(&codes, &containers, causes);
        }
        at_most(&conditions, MOST_CONDITIONS, causes);
        for pattern in conditions.items() {
            let kind = pattern.field("type");
            kind.key(causes);
            one_of(&pattern.field("status"), &STATUSES, causes);
        }
        match (codes.is_set(), conditions.len() > 0) {
            (true, true) => bare(&rule, "specifying both OnExitCodes and OnPodConditions is not supported", causes),
            (false, false) => bare(&rule, "specifying one of OnExitCodes and OnPodConditions is required", causes),
            _ => {}
        }
    }
}

fn exit_codes(codes: &At<'_>, containers: &[&str], causes: &mut Vec<Cause>) {
    let operator = codes.field("operator");
    one_of(&operator, &OPERATORS, causes);
    let container = codes.field("containerName");
    if container.is_set() && !containers.contains(&container.text()) {
        container.invalid("must be one of the container or initContainer names in the pod template", causes);
    }
    let values = codes.field("values");
    if values.len() == 0 {
        values.invalid("at least one value is required", causes);
    }
    at_most(&values, MOST_CODES, causes);
    let mut seen = Vec::new();
    for value in values.items() {
        let code = value.int();
        if operator.text() == "In" && code == 0 {
            value.invalid("must not be 0 for the In operator", causes);
        }
        if seen.contains(&code) {
            causes.push(Cause::duplicate(value.path.clone(), value.value));
        }
        seen.push(code);
    }
    if !seen.is_sorted() {
        values.invalid("must be ordered", causes);
    }
}

pub(super) fn success(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let policy = spec.field("successPolicy");
    if !policy.is_set() {
        return;
    }
    if spec.field("completionMode").text() != "Indexed" {
        policy.invalid("requires indexed completion mode", causes);
        return;
    }
    let rules = policy.field("rules");
    if rules.len() == 0 {
        rules.required("at least one rules must be specified when the successPolicy is specified", causes);
    }
    at_most(&rules, MOST_RULES, causes);
    // Without completions the Job is refused already.
    let completions = spec.field("completions").int();
    for rule in rules.items() {
        success_rule(&rule, completions, causes);
    }
}

fn success_rule(rule: &At<'_>, completions: i64, causes: &mut Vec<Cause>) {
    const LONGEST: usize = 64 * 1024;
    let (count, indexes) = (rule.field("succeededCount"), rule.field("succeededIndexes"));
    if !count.is_set() && !indexes.is_set() {
        rule.required("at least one of succeededCount or succeededIndexes must be specified", causes);
    }
    let mut total = 0;
    if indexes.is_set() {
        if indexes.len() > LONGEST {
            causes.push(Cause::too_long(indexes.path.clone(), LONGEST as u64));
        }
        match indexes::count(indexes.text(), completions) {
            Ok(count) => total = count,
            Err(e) => indexes.invalid(&format!("error parsing succeededIndexes: {e}"), causes),
        }
    }
    if count.is_set() {
        count.not_negative(causes);
        let mut no_more = |most: i64, of: &str| {
            if count.int() > most {
                count.invalid(&format!("must be less than or equal to {most} (the number of {of})"), causes);
            }
        };
        no_more(completions, "specified completions");
        if indexes.is_set() {
            no_more(total, "indexes in the specified succeededIndexes field");
        }
    }
}

pub(super) fn replacement(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let supported: &[&str] =
        if spec.field("podFailurePolicy").is_set() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    spec.field("podReplacementPolicy").one_of(supported, causes);
}
