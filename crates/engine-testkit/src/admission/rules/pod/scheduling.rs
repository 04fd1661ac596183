//! Tolerations, spreading and gates.

use super::{At, affinity, text};
use crate::{admission::names, status::Cause};

pub(super) fn tolerations(list: &At<'_>, causes: &mut Vec<Cause>) {
    for toleration in list.items() {
        let (key, operator, effect) =
            (toleration.field("key"), toleration.field("operator"), toleration.field("effect"));
        let value = toleration.field("value").text();
        if !key.text().is_empty() {
            key.key(causes);
        } else if operator.text() != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            operator.wrong(detail, causes);
        }
        if toleration.field("tolerationSeconds").is_set() && effect.text() != "NoExecute" {
            effect.wrong("effect must be 'NoExecute' when `tolerationSeconds` is set", causes);
        }
        // What is wrong with the value is said of the operator.
        let mut wrong = |detail: &str| causes.push(Cause::invalid(operator.path.clone(), &value.into(), detail));
        match operator.text() {
            "" | "Equal" => {
                let complaints = names::value_complaints(value);
                if !complaints.is_empty() {
                    wrong(&complaints.join(";"));
                }
            }
            "Exists" if !value.is_empty() => wrong("value must be empty when `operator` is 'Exists'"),
            "Exists" => {}
            "Lt" | "Gt" => operator.unsupported(&["Equal", "Exists", "Lt", "Gt"], causes),
            _ => operator.unsupported(&["Equal", "Exists"], causes),
        }
        if !effect.text().is_empty() {
            effect.one_of(&["NoSchedule", "PreferNoSchedule", "NoExecute"], causes);
        }
    }
}

/// What must be before a Pod counts as ready, and before it is scheduled at all.
pub(super) fn gates(spec: &At<'_>, causes: &mut Vec<Cause>) {
    for gate in spec.field("readinessGates").items() {
        gate.field("conditionType").key(causes);
    }
    let mut seen = Vec::new();
    for gate in spec.field("schedulingGates").items() {
        let name = At::new(gate.field("name").value, &gate.path);
        name.key(causes);
        if seen.contains(&name.text()) {
            causes.push(Cause::duplicate(gate.path.clone(), &name.text().into()));
        }
        seen.push(name.text());
    }
}

pub(super) fn spread(list: &At<'_>, causes: &mut Vec<Cause>) {
    let all: Vec<At<'_>> = list.items().collect();
    for (i, constraint) in all.iter().enumerate() {
        text::positive(&constraint.field("maxSkew"), causes);
        let (key, action) = (constraint.field("topologyKey"), constraint.field("whenUnsatisfiable"));
        if key.text().is_empty() {
            key.required("can not be empty", causes);
        }
        text::exactly_one_of(&action, &["DoNotSchedule", "ScheduleAnyway"], causes);
        let same = |other: &At<'_>| {
            ["topologyKey", "whenUnsatisfiable"].iter().all(|f| other.field(f).text() == constraint.field(f).text())
        };
        if all[i + 1..].iter().any(same) {
            causes.push(Cause::duplicate(
                format!("{}.{{topologyKey, whenUnsatisfiable}}", constraint.path),
                &format!("{{{}, {}}}", key.text(), action.text()).into(),
            ));
        }
        let domains = constraint.field("minDomains");
        if domains.is_set() {
            text::positive(&domains, causes);
            if action.text() != "DoNotSchedule" {
                let detail =
                    format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", action.text());
                domains.invalid(&detail, causes);
            }
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            constraint.field(policy).one_of(&["Honor", "Ignore"], causes);
        }
        affinity::label_keys(constraint, causes);
        constraint.field("labelSelector").selector(causes);
    }
}
