//! Which nodes and which other Pods a Pod wants or avoids.

use super::At;
use crate::{admission::names, status::Cause};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn all(at: &At<'_>, causes: &mut Vec<Cause>) {
    nodes(&at.field("nodeAffinity"), causes);
    for name in ["podAffinity", "podAntiAffinity"] {
        let pods = at.field(name);
        pods.field(REQUIRED).items().for_each(|t| term(&t, causes));
        for preferred in pods.field(PREFERRED).items() {
            weight(&preferred, causes);
            term(&preferred.field("podAffinityTerm"), causes);
        }
    }
}

fn weight(at: &At<'_>, causes: &mut Vec<Cause>) {
    let weight = at.field("weight");
    if !(1..=100).contains(&weight.int()) {
        causes.push(Cause::invalid(weight.path.clone(), &weight.int().into(), "must be in the range 1-100"));
    }
}

fn nodes(at: &At<'_>, causes: &mut Vec<Cause>) {
    let required = at.field(REQUIRED);
    if required.is_set() {
        node_selector(&required, causes);
    }
    for preferred in at.field(PREFERRED).items() {
        weight(&preferred, causes);
        node_term(&preferred.field("preference"), Values::Any, causes);
    }
}

/// What a node has to have.
pub(in crate::admission::rules) fn node_selector(at: &At<'_>, causes: &mut Vec<Cause>) {
    let terms = at.field("nodeSelectorTerms");
    if terms.len() == 0 {
        terms.required("must have at least one node selector term", causes);
    }
    terms.items().for_each(|term| node_term(&term, Values::OfLabels, causes));
}

/// Whether the values of expressions have to be such as labels have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    OfLabels,
    Any,
}

fn node_term(at: &At<'_>, wanted: Values, causes: &mut Vec<Cause>) {
    for expression in at.field("matchExpressions").items() {
        let (operator, values) = (expression.field("operator"), expression.field("values"));
        match operator.text() {
            "In" | "NotIn" if values.len() == 0 => {
                values.required("must be specified when `operator` is 'In' or 'NotIn'", causes);
            }
            "Exists" | "DoesNotExist" if values.len() > 0 => {
                values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'", causes);
            }
            "Gt" | "Lt" if values.len() != 1 => {
                values.required("must be specified single value when `operator` is 'Lt' or 'Gt'", causes);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            _ => operator.wrong("not a valid selector operator", causes),
        }
        expression.field("key").key(causes);
        if wanted == Values::OfLabels {
            for value in values.items() {
                value.label_value(causes);
            }
        }
    }
    for expression in at.field("matchFields").items() {
        let (operator, values) = (expression.field("operator"), expression.field("values"));
        match operator.text() {
            "In" | "NotIn" => {
                if values.len() != 1 {
                    let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                    values.required(detail, causes);
                }
            }
            _ => operator.wrong("not a valid selector operator", causes),
        }
        let key = expression.field("key");
        if key.text() == "metadata.name" {
            values.items().for_each(|value| value.name(names::Rule::Subdomain, causes));
        } else {
            key.wrong("not a valid field selector key", causes);
        }
    }
}

fn term(at: &At<'_>, causes: &mut Vec<Cause>) {
    at.field("labelSelector").selector(causes);
    at.field("namespaceSelector").selector(causes);
    for name in at.field("namespaces").items() {
        At::new(name.value, &at.field("namespace").path).name(names::Rule::Label, causes);
    }
    label_keys(at, causes);
    let key = at.field("topologyKey");
    if key.text().is_empty() {
        key.required("can not be empty", causes);
    }
    key.key(causes);
}

/// Labels of the Pod itself that its selector is extended by.
pub(super) fn label_keys(at: &At<'_>, causes: &mut Vec<Cause>) {
    let selector = at.field("labelSelector");
    let (matching, mismatching) = (at.field("matchLabelKeys"), at.field("mismatchLabelKeys"));
    for list in [&matching, &mismatching] {
        if list.len() > 0 && !selector.is_set() {
            list.forbidden("must not be specified when labelSelector is not set", causes);
        } else {
            list.items().for_each(|key| key.key(causes));
        }
    }
    let mut selected: Vec<&str> = selector.field("matchLabels").entries().map(|(key, _)| key).collect();
    for expression in selector.field("matchExpressions").items() {
        let key = expression.field("key").text();
        // The last of those with one name counts, and the place is one of the term.
        let place = matching.items().enumerate().filter(|(_, k)| k.text() == key).last();
        if let Some((i, _)) = place.filter(|_| selected.contains(&key)) {
            let detail = "exists in both matchLabelKeys and labelSelector";
            causes.push(Cause::invalid(format!("{}[{i}]", at.path), &key.into(), detail));
        }
        selected.push(key);
    }
    for key in matching.items() {
        if mismatching.items().any(|other| other.text() == key.text()) {
            key.invalid("exists in both matchLabelKeys and mismatchLabelKeys", causes);
        }
    }
}
