//! Devices that a Pod claims.

use super::{At, Context, text};
use crate::{admission::names, status::Cause};

pub(super) fn names<'a>(list: &At<'a>) -> Vec<&'a str> {
    list.items().map(|claim| claim.field("name").text()).filter(|name| !name.is_empty()).collect()
}

pub(super) fn all(list: &At<'_>, context: Context<'_>, causes: &mut Vec<Cause>) {
    let mut seen = Vec::new();
    for claim in list.items() {
        if context.is_mirror() {
            causes.push(Cause::forbidden("", "static pods do not support resource claims"));
            continue;
        }
        let name = claim.field("name");
        if name.must_be_there(causes) {
            if seen.contains(&name.text()) {
                causes.push(Cause::duplicate(name.path.clone(), name.value));
            } else {
                name.name(names::Rule::Label, causes);
                seen.push(name.text());
            }
        }
        let (by_name, by_template) = (claim.field("resourceClaimName"), claim.field("resourceClaimTemplateName"));
        match (by_name.is_set(), by_template.is_set()) {
            (true, true) => {
                let detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                claim.invalid(detail, causes);
            }
            (false, false) => {
                let detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                claim.invalid(detail, causes);
            }
            _ => {}
        }
        for at in [by_name, by_template] {
            if at.is_set() {
                at.name(names::Rule::Subdomain, causes);
            }
        }
    }
}

/// The claims that a container (or the Pod) uses.
pub(super) fn used(list: &At<'_>, claims: &[&str], causes: &mut Vec<Cause>) {
    let mut seen: Vec<String> = Vec::new();
    for claim in list.items() {
        let (name, request) = (claim.field("name").text(), claim.field("request"));
        let mut again = |key: &str| causes.push(Cause::duplicate(claim.path.clone(), &key.into()));
        if name.is_empty() {
            claim.required("", causes);
            continue;
        }
        if seen.iter().any(|s| s == name) {
            again(name);
        } else {
            let key = if request.text().is_empty() { name.to_owned() } else { format!("{name}/{}", request.text()) };
            if seen.contains(&key) {
                again(&key);
            } else if request.text().is_empty() {
                let parts = seen.iter().filter(|s| s.split_once('/').is_some_and(|(of, _)| of == name)).count();
                (0..parts).for_each(|_| again(name));
            }
            text::optional_name(&request, names::Rule::Label, causes);
            seen.push(key);
        }
        if !claims.contains(&name) {
            let mut known = claims.to_vec();
            known.sort_unstable();
            let rest = if known.is_empty() { " which is empty".to_owned() } else { format!(": {}", known.join(", ")) };
            let mut cause = Cause::not_found(claim.path.clone(), &name.into());
            cause.message.push_str(&format!(": must be one of the names in pod.spec.resourceClaims{rest}"));
            causes.push(cause);
        }
    }
}
