//! [Horizontal Pod autoscalers](https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale-walkthrough/#appendix-horizontal-pod-autoscaler-status-conditions).

use gitops_engine_core::{Health, HealthStatus, Manifest, Value};

use crate::fields::{Condition, Judgement, part, verdict};

/// `autoscaling/v1` has no field for conditions: the server writes them here.
const V1_CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

pub(super) fn horizontal_pod_autoscaler(object: &Manifest) -> Judgement {
    let conditions = part(object, "status")?.list(&["conditions"])?;
    if let ("v1", Some(text)) = (&**object.version(), object.annotation(V1_CONDITIONS)) {
        return Ok(match Value::from_json(text.as_bytes()) {
            Ok(Value::Array(conditions)) => judge(&conditions),
            Ok(Value::Null) => waiting(),
            Ok(_) | Err(_) => Health::new(
                HealthStatus::Unknown,
                format!("the annotation {V1_CONDITIONS} is not a JSON list of conditions"),
            ),
        });
    }
    Ok(judge(conditions))
}

fn waiting() -> Health {
    Health::new(HealthStatus::Progressing, "Waiting to Autoscale")
}

fn judge(conditions: &[Value]) -> Health {
    let conditions = || conditions.iter().map(Condition);
    if let Some(failed) = conditions().find(|condition| cannot_scale(*condition)) {
        return verdict(HealthStatus::Degraded, failed.message());
    }
    let able =
        |condition: &Condition<'_>| matches!(condition.kind(), "AbleToScale" | "ScalingLimited") && condition.is_true();
    match conditions().find(able) {
        Some(able) => verdict(HealthStatus::Healthy, able.message()),
        None => waiting(),
    }
}

fn cannot_scale(condition: Condition<'_>) -> bool {
    match condition.kind() {
        "AbleToScale" => matches!(condition.reason(), "FailedGetScale" | "FailedUpdateScale"),
        "ScalingActive" => matches!(
            condition.reason(),
            "FailedGetResourceMetric"
                | "FailedGetObjectMetric"
                | "FailedGetPodsMetric"
                | "FailedGetExternalMetric"
                | "FailedComputeMetricsReplicas"
                | "InvalidSelector"
        ),
        _ => false,
    }
}
