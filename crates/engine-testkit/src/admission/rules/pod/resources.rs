//! What containers and Pods ask for:
//! <https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/>

use super::{At, claims};
use crate::{
    admission::{
        amounts::{Amount, of_containers, of_kind},
        quantity::{self, ONE},
        rules::resource_names::{self, is_native, is_pages},
    },
    status::Cause,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Container,
    Pod,
}

pub(super) fn of_container(at: &At<'_>, claims: &[&str], causes: &mut Vec<Cause>) {
    requirements(at, Level::Container, causes);
    claims::used(&at.field("claims"), claims, causes);
}

/// What a Pod asks for as a whole, besides its containers.
pub(super) fn of_pod(spec: &At<'_>, claims: &[&str], causes: &mut Vec<Cause>) {
    let at = spec.field("resources");
    if !at.is_set() {
        return;
    }
    if spec.field("os").field("name").text() == "windows" {
        return at.forbidden("may not be set for a windows pod", causes);
    }
    if at.field("claims").is_set() {
        at.field("claims").forbidden("claims may not be set for Resources at pod-level", causes);
    }
    requirements(&at, Level::Pod, causes);
    claims::used(&at.field("claims"), claims, causes);
    let too_little = |at: &At<'_>, kind: &str, sum: &Amount, causes: &mut Vec<Cause>| {
        if at.is_set() && at.quantity().is_some_and(|own| sum.nanos > own) {
            let sum = &sum.text;
            at.invalid(&format!("must be greater than or equal to aggregate container {kind} of {sum}"), causes);
        }
    };
    for (name, sum) in of_containers(spec.value, of_kind("requests")) {
        too_little(&entry(&at, "requests", &name), "requests", &sum, causes);
    }
    for (name, sum) in of_containers(spec.value, of_kind("limits")) {
        if is_pages(&name) {
            too_little(&entry(&at, "limits", &name), "limits", &sum, causes);
        }
    }
    for (i, container) in spec.field("containers").items().enumerate() {
        for (name, limit) in container.field("resources").field("limits").entries() {
            let most = entry(&at, "limits", name);
            if most.is_set() && limit.quantity() > most.quantity() {
                causes.push(Cause::invalid(
                    format!("{}.containers[{i}][{name}].limits", at.path),
                    limit.value,
                    format!("must be less than or equal to pod limits of {}", most.text()),
                ));
            }
        }
    }
}

/// An amount as a number that is as exact as amounts are, written out, since it may be larger than any number of JSON.
pub(super) fn billionths(amount: &serde_json::Value) -> Option<String> {
    quantity::value(amount.as_str()?).map(|n| n.to_string())
}

fn entry<'a>(at: &At<'a>, list: &str, name: &str) -> At<'a> {
    let list = at.field(list);
    At::new(list.field(name).value, &format!("{}[{name}]", list.path))
}

pub(super) fn overhead(at: &At<'_>, causes: &mut Vec<Cause>) {
    let limits = At::new(at.value, &format!("{}.limits", at.path));
    amounts(&limits, &At::new(&serde_json::Value::Null, ""), Level::Container, causes);
}

fn requirements(at: &At<'_>, level: Level, causes: &mut Vec<Cause>) {
    let (limits, requests) = (at.field("limits"), at.field("requests"));
    amounts(&limits, &requests, level, causes);
    let has = |wanted: &dyn Fn(&str) -> bool| limits.entries().chain(requests.entries()).any(|(name, _)| wanted(name));
    if has(&is_pages) && !has(&|name| matches!(name, "cpu" | "memory")) {
        at.forbidden("HugePages require cpu or memory", causes);
    }
}

fn amounts(limits: &At<'_>, requests: &At<'_>, level: Level, causes: &mut Vec<Cause>) {
    for (name, limit) in limits.entries() {
        amount(name, &limit, level, causes);
    }
    for (name, request) in requests.entries() {
        amount(name, &request, level, causes);
        let limit = At::new(limits.field(name).value, "");
        let overcommitted = is_native(name) && !is_pages(name);
        let detail = match limit.is_set() {
            true if !overcommitted && request.quantity() != limit.quantity() => "must be equal to",
            true if request.quantity() > limit.quantity() => "must be less than or equal to",
            true => continue,
            false => {
                if !overcommitted {
                    limits.required("Limit must be set for non overcommitable resources", causes);
                }
                continue;
            }
        };
        let detail = format!("{detail} {name} limit of {}", limit.text());
        causes.push(Cause::invalid(requests.path.clone(), request.value, detail));
    }
}

fn amount(name: &str, at: &At<'_>, level: Level, causes: &mut Vec<Cause>) {
    resource_name(name, &at.path, level, causes);
    let value = at.quantity().unwrap_or(0);
    if value < 0 {
        at.invalid("must be greater than or equal to 0", causes);
    }
    if resource_names::is_whole(name) && value % ONE != 0 {
        at.invalid("must be an integer", causes);
    }
    if let Some(size) = name.strip_prefix("hugepages-") {
        let size = quantity::value(size).filter(|size| *size > 0 && size % ONE == 0);
        if size.is_none_or(|size| value % size != 0) {
            at.invalid(&format!("{} is not positive integer multiple of {name}", at.text()), causes);
        }
    }
}

fn resource_name(name: &str, path: &str, level: Level, causes: &mut Vec<Cause>) {
    match level {
        Level::Container => resource_names::of_container(name, path, causes),
        Level::Pod => {
            let known = resource_names::anywhere(name, path, causes);
            if known && !matches!(name, "cpu" | "memory") && !is_pages(name) {
                causes.push(Cause::unsupported(path, &name.into(), &["cpu", "hugepages-", "memory"]));
            }
        }
    }
}
