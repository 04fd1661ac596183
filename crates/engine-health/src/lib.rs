//! The health of one Kubernetes object, by pure kind rules.
//!
//! [`KindRules`] judges the built-in kinds as
//! [Argo CD does](https://argo-cd.readthedocs.io/en/stable/operator-manual/health/), status and message, and goes beyond
//! its table in four places:
//!
//! - **CustomResourceDefinition**: Argo CD has no rule. The engine must not apply custom resources before their kind is
//!   served, so [`Established`](https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/)
//!   decides here.
//! - **Namespace**: one in phase `Terminating` accepts no new objects, so it is progressing.
//! - **API versions**: Argo CD knows exact versions and calls every other one unknown. Here any version of a known kind
//!   is judged by its fields, which have kept their meaning.
//! - **Workloads that nobody has looked at yet**: without `status.observedGeneration` a Deployment, StatefulSet,
//!   DaemonSet or ReplicaSet is progressing, even where its `metadata.generation` is not known either.
//!
//! Kinds without a rule (a ConfigMap, a custom resource) have no health of their own: they are done once they are there.
//!
//! ```
//! use gitops_engine_core::{HealthAssessor, HealthStatus, ManagedFields, Manifest, Timestamp};
//! use gitops_engine_health::KindRules;
//!
//! let web = Manifest::from_json(
//!     br#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "generation": 2},
//!          "spec": {"replicas": 3},
//!          "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 3}}"#,
//!     ManagedFields::Drop,
//! )?;
//! let health = KindRules::default().assess(&web, Timestamp::UNIX_EPOCH).unwrap();
//! assert_eq!(health.status, HealthStatus::Progressing);
//! assert_eq!(health.message, "Waiting for rollout to finish: 1 out of 3 new replicas have been updated...");
//! # Ok::<(), gitops_engine_core::Error>(())
//! ```

mod fields;
mod rules;

use gitops_engine_core::{Health, HealthAssessor, HealthStatus, Manifest, Timestamp};

/// A hook that is being deleted is held by this finalizer until the sync has read its outcome: it is judged by its
/// fields, like a living object.
const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

/// Whose idea of health the rules follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// [Argo CD's](https://argo-cd.readthedocs.io/en/stable/operator-manual/health/).
    #[default]
    Argo,
}

/// Judges objects of the built-in kinds by their own fields.
///
/// Pure, and free of allocations wherever the verdict carries no message (a healthy Deployment, DaemonSet, Service, Pod).
/// Objects of a hostile shape, such as a text for a number of replicas, are [`HealthStatus::Unknown`] with a message that
/// names the field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KindRules {
    profile: Profile,
}

impl KindRules {
    /// The rules of a profile.
    pub const fn new(profile: Profile) -> Self {
        Self { profile }
    }

    /// The profile.
    pub const fn profile(self) -> Profile {
        self.profile
    }
}

impl HealthAssessor for KindRules {
    fn assess(&self, object: &Manifest, _now: Timestamp) -> Option<Health> {
        match self.profile {
            Profile::Argo => {
                if object.is_deleting() && !has_hook_finalizer(object) {
                    return Some(Health::new(HealthStatus::Progressing, "Pending deletion"));
                }
                let judgement = rules::judge(object)?;
                Some(judgement.unwrap_or_else(|malformed| Health::new(HealthStatus::Unknown, malformed.to_string())))
            }
        }
    }
}

fn has_hook_finalizer(object: &Manifest) -> bool {
    let finalizers = object.body().items(["metadata", "finalizers"]);
    finalizers.iter().any(|finalizer| finalizer.as_str() == Some(HOOK_FINALIZER))
}
