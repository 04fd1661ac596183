//! What a failed Pod means for its Job:
//! <https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy>

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{index_of, phase};
use crate::{
    json::{i64_at, list_at, str_at},
    store::Stored,
};

/// What the policy says about Pods that failed.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// The Job fails, and why.
    pub(super) fail_job: Option<String>,
    /// Pods, by uid, that do not count.
    pub(super) ignored: BTreeSet<String>,
    /// Indexes that are given up.
    pub(super) failed_indexes: BTreeSet<i64>,
}

pub(super) fn judge(job: &Stored, ended: &[&Arc<Stored>]) -> Verdict {
    let mut verdict = Verdict::default();
    let rules = list_at(&job.value, &["spec", "podFailurePolicy", "rules"]);
    for pod in ended.iter().filter(|p| phase(p) == "Failed") {
        let matched = rules.iter().enumerate().find_map(|(at, rule)| Some((at, rule, why(pod, rule)?)));
        let Some((at, rule, why)) = matched else { continue };
        match str_at(rule, &["action"]) {
            "FailJob" => {
                let message = format!("{why} matching FailJob rule at index {at}");
                verdict.fail_job.get_or_insert(message);
            }
            "Ignore" => {
                verdict.ignored.insert(pod.uid().to_owned());
            }
            "FailIndex" => verdict.failed_indexes.extend(index_of(pod)),
            _ => {}
        }
    }
    verdict
}

/// Why a rule is about this Pod, when it is.
fn why(pod: &Stored, rule: &Value) -> Option<String> {
    let name = format!("{}/{}", pod.namespace(), pod.name());
    let codes = &rule["onExitCodes"];
    if codes.is_object() {
        let wanted = list_at(codes, &["values"]);
        let only = str_at(codes, &["containerName"]);
        let statuses = ["containerStatuses", "initContainerStatuses"];
        return statuses.iter().flat_map(|f| list_at(&pod.value, &["status", f])).find_map(|status| {
            let container = str_at(status, &["name"]);
            let code = i64_at(status, &["state", "terminated", "exitCode"]).filter(|c| *c != 0)?;
            let listed = wanted.iter().any(|v| v.as_i64() == Some(code));
            let matches = (only.is_empty() || only == container)
                && match str_at(codes, &["operator"]) {
                    "In" => listed,
                    "NotIn" => !listed,
                    _ => false,
                };
            matches.then(|| format!("Container {container} for pod {name} failed with exit code {code}"))
        });
    }
    list_at(rule, &["onPodConditions"]).iter().find_map(|pattern| {
        let kind = str_at(pattern, &["type"]);
        let status = match str_at(pattern, &["status"]) {
            "" => "True",
            other => other,
        };
        let mut conditions = list_at(&pod.value, &["status", "conditions"]).iter();
        conditions
            .any(|c| str_at(c, &["type"]) == kind && str_at(c, &["status"]) == status)
            .then(|| format!("Pod {name} has condition {kind}"))
    })
}
