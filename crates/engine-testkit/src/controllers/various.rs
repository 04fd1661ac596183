//! API services: their controller only reports.

use super::{Decision, View, conditions::set_condition};
use crate::{
    aggregation,
    json::get,
    store::{ObjectKey, Stored},
};

/// A local one is available; another one, when there seems to be somebody behind its Service.
pub(super) fn api_service(view: &View<'_>, key: &ObjectKey, service: &Stored) -> Decision {
    let mut after = service.value.clone();
    let served = get(&service.value, &["spec", "service"]);
    let (status, reason, message) = match served {
        None => ("True", "Local", "Local APIServices are always available".to_owned()),
        Some(target) => match aggregation::why_not(view.state, target) {
            Some((reason, message)) => ("False", reason, message),
            None => ("True", "Passed", "all checks passed".to_owned()),
        },
    };
    set_condition(&mut after, "Available", status, reason, &message, view.now);
    let wake = served.map(|_| view.now.elapsed + std::time::Duration::from_secs(15));
    let mut decision = Decision { writes: Vec::new(), wake };
    decision.status(key, service, after);
    decision
}
