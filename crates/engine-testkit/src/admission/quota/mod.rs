//! ResourceQuotas: what may be made in a namespace, and what is used of that.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

mod claims;
mod counted;
mod decide;
mod pods;
mod scope;
mod services;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use self::{
    counted::{Counted, Deed},
    decide::{Quota, decide},
    scope::scopes,
};
use super::amounts::{Amount, Amounts, add, amounts, to_value};
use crate::{
    clock::Now,
    json,
    resources::GroupResource,
    state::State,
    status::ApiError,
    store::Stored,
    write::{Options, Target, update},
};

const QUOTAS: &str = "resourcequotas";
/// As whom the server itself writes.
const SERVER: &str = "kube-apiserver";

/// The last thing that is done before an object is stored: what it uses is written into the quotas of its namespace, all
/// of which have to allow it. That stays so when the object is refused after all, until somebody counts anew.
pub(crate) fn charge(
    state: &mut State,
    target: &Target<'_>,
    before: Option<&Value>,
    after: &Value,
    options: &Options,
) -> Result<(), ApiError> {
    if target.namespace.is_empty() {
        return Ok(());
    }
    let quotas: Vec<Arc<Stored>> =
        state.store.objects(&GroupResource::new("", QUOTAS), Some(target.namespace)).into_iter().cloned().collect();
    let Some(counted) = Counted::of(&target.resource.gr).filter(|_| !quotas.is_empty()) else { return Ok(()) };
    let deed = match before {
        None if target.subresource.is_empty() => Deed::Create(after),
        None => return Ok(()),
        Some(before) => Deed::Update { subresource: target.subresource, before, after },
    };
    let read: Vec<Quota<'_>> = quotas.iter().map(|quota| Quota::of(&quota.value)).collect();
    let changed = decide(&read, &counted, deed, options.now).map_err(|why| ApiError::forbidden(target.about(), why))?;
    if options.dry_run {
        return Ok(());
    }
    for (i, used) in changed {
        write(state, &quotas[i], &used, options)?;
    }
    Ok(())
}

fn write(state: &mut State, quota: &Arc<Stored>, used: &Amounts, options: &Options) -> Result<(), ApiError> {
    let Some(resource) = state.registry.get("", QUOTAS).cloned() else { return Ok(()) };
    let mut after = quota.whole().into_owned();
    json::set(&mut after, &["status", "used"], to_value(used));
    let target = Target {
        resource: &resource,
        version: &resource.storage_version,
        namespace: quota.namespace(),
        name: quota.name(),
        subresource: "status",
    };
    let own = Options { course: None, manager: SERVER.to_owned(), ..options.ignoring() };
    update::finish(state, target, quota, after, &own, None).map(drop)
}

/// The status of a quota, counted anew, if it is another one: what nobody knows how to count stays as it was.
pub(crate) fn counted_anew(state: &State, quota: &Stored, now: Now) -> Option<Value> {
    let hard = json::map_at(&quota.value, &["spec", "hard"]).cloned().unwrap_or_default();
    let scopes = scopes(&quota.value);
    let before = amounts(&quota.value, &["status", "used"]);
    let mut used = before.clone();
    used.retain(|name, _| hard.contains_key(name));
    let mut sums: BTreeMap<GroupResource, Amounts> = BTreeMap::new();
    for name in hard.keys() {
        let Some(counted) = Counted::of_name(name) else { continue };
        if !state.registry.of(&counted.gr).is_some_and(|resource| resource.namespaced) {
            continue;
        }
        let sum = sums.entry(counted.gr.clone()).or_insert_with(|| {
            let mut sum = Amounts::new();
            for object in state.store.objects(&counted.gr, Some(quota.namespace())) {
                if counted.is_in(&scopes, &object.value) {
                    add(&mut sum, &counted.usage(&object.value, now));
                }
            }
            sum
        });
        used.insert(name.clone(), sum.get(name).cloned().unwrap_or_else(|| Amount::count(0)));
    }
    let same = used == before && amounts(&quota.value, &["spec", "hard"]) == amounts(&quota.value, &["status", "hard"]);
    (!same).then(|| json!({"hard": hard, "used": to_value(&used)}))
}
