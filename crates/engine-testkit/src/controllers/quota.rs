//! ResourceQuotas: what is used of what they limit is counted anew, which is how what is gone is given back.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

use std::time::Duration;

use super::{Decision, View};
use crate::{
    admission,
    store::{ObjectKey, Stored},
};

/// Between two counts where nothing has gone.
const RESYNC: Duration = Duration::from_secs(300);

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, quota: &Stored) -> Decision {
    let mut decision = Decision::default();
    if let Some(status) = admission::counted_anew(view.state, quota, view.now) {
        let mut after = quota.value.clone();
        after["status"] = status;
        decision.status(key, quota, after);
    }
    decision.wake_at(view.now.elapsed + RESYNC);
    decision
}
