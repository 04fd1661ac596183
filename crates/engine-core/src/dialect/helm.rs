//! [Helm](https://helm.sh/docs/topics/charts_hooks/): hooks in the mapping of Argo CD, weights, and the resource policy.

use super::{Hook, HookDeletePolicy, Intent, Phase, argo, list};
use crate::Manifest;

pub(super) const DOMAINS: &[&str] = &["helm.sh"];

const HOOK: &str = "helm.sh/hook";
const WEIGHT: &str = "helm.sh/hook-weight";
const DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

pub(super) fn read(manifest: &Manifest, intent: &mut Intent) {
    if let Some(value @ "keep") = manifest.annotation(RESOURCE_POLICY).map(str::trim) {
        intent.keep(RESOURCE_POLICY, value);
    }
    let native = intent.hook.is_some() || intent.skip.is_some();
    if let Some(value) = manifest.annotation(HOOK).filter(|_| !native) {
        read_hook(value, manifest, intent);
    }
    if argo::wave(manifest).is_none()
        && let Some(value) = manifest.annotation(WEIGHT)
    {
        match value.trim().parse() {
            Ok(weight) => intent.wave = weight,
            Err(_) => intent.notice(WEIGHT, format!("{value:?} is not an integer; the object is in wave 0")),
        }
    }
}

fn read_hook(value: &str, manifest: &Manifest, intent: &mut Intent) {
    // The old spelling of a CRD that Helm installs first: an ordinary object here.
    if value.trim() == "crd-install" {
        return;
    }
    let mut phases = phases(manifest);
    phases.sort();
    phases.dedup();
    if phases.is_empty() {
        intent.skip = Some(format!("{HOOK}={value}"));
        intent.notice(HOOK, format!("{value:?} never runs in a sync; the object is not applied"));
        return;
    }
    intent.hook = Some(Hook { phases, delete: Vec::new() });
}

/// The phases in which Argo CD runs the hook. Helm's other hooks (rollback, deletion, test) have none.
pub(super) fn phases(manifest: &Manifest) -> Vec<Phase> {
    let parts = manifest.annotation(HOOK).into_iter().flat_map(list);
    parts
        .filter_map(|part| match part {
            "pre-install" | "pre-upgrade" => Some(Phase::PreSync),
            "post-install" | "post-upgrade" => Some(Phase::PostSync),
            _ => None,
        })
        .collect()
}

/// The delete policies of a hook, whichever dialect made it one.
pub(super) fn delete_policies(manifest: &Manifest, intent: &mut Intent) -> Vec<HookDeletePolicy> {
    let policies = manifest.annotation(DELETE_POLICY).into_iter().flat_map(list);
    policies
        .filter_map(|part| match part {
            "before-hook-creation" => Some(HookDeletePolicy::BeforeCreation),
            "hook-succeeded" => Some(HookDeletePolicy::Succeeded),
            "hook-failed" => Some(HookDeletePolicy::Failed),
            other => {
                intent.notice(DELETE_POLICY, format!("{other:?} is no policy"));
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::intent;
    use super::*;
    use crate::dialect::PruneIntent;

    #[test]
    fn hooks_map_as_in_argo_cd() {
        let hook = |value: &str| intent(&[(HOOK, value)]).hook.map(|hook| hook.phases);
        assert_eq!(hook("pre-install,pre-upgrade"), Some(vec![Phase::PreSync]));
        assert_eq!(hook("post-install"), Some(vec![Phase::PostSync]));
        assert_eq!(hook("crd-install"), None);
        assert_eq!(intent(&[(HOOK, "crd-install")]).skip, None);
        assert!(intent(&[(HOOK, "test")]).skip.is_some());
    }

    #[test]
    fn the_native_annotation_wins() {
        let read = intent(&[(HOOK, "post-install"), ("argocd.argoproj.io/hook", "PreSync")]);
        assert_eq!(read.hook.map(|hook| hook.phases), Some(vec![Phase::PreSync]));
    }

    #[test]
    fn weights_are_waves() {
        assert_eq!(intent(&[(HOOK, "pre-install"), (WEIGHT, "-3")]).wave, -3);
        assert_eq!(intent(&[(WEIGHT, "2"), ("argocd.argoproj.io/sync-wave", "7")]).wave, 7);
        assert_eq!(intent(&[(WEIGHT, "2"), ("argocd.argoproj.io/sync-wave", "0")]).wave, 0);
        assert_eq!(intent(&[(WEIGHT, "2"), ("argocd.argoproj.io/sync-wave", "soon")]).wave, 2);
    }

    #[test]
    fn a_native_annotation_without_a_phase_leaves_it_to_helm() {
        let read = intent(&[(HOOK, "post-install"), ("argocd.argoproj.io/hook", "garbage")]);
        assert_eq!(read.hook.map(|hook| hook.phases), Some(vec![Phase::PostSync]));
        assert!(intent(&[(HOOK, "post-install"), ("argocd.argoproj.io/hook", "Skip")]).skip.is_some());
        assert!(intent(&[(HOOK, "crd-install"), ("argocd.argoproj.io/hook", "garbage")]).skip.is_some());
    }

    #[test]
    fn delete_policies_of_both_dialects_add_up() {
        const NATIVE: &str = "argocd.argoproj.io/hook-delete-policy";
        use HookDeletePolicy::{BeforeCreation, Failed, Succeeded};
        let delete = |annotations: &[(&str, &str)]| intent(annotations).hook.map(|hook| hook.delete);
        let hook = (HOOK, "pre-install");
        assert_eq!(delete(&[hook]), Some(vec![BeforeCreation]));
        assert_eq!(delete(&[hook, (NATIVE, "HookFailed")]), Some(vec![Failed]));
        let native = ("argocd.argoproj.io/hook", "Sync");
        assert_eq!(delete(&[native, (DELETE_POLICY, "hook-succeeded")]), Some(vec![Succeeded]));
        let both = [native, (DELETE_POLICY, "hook-succeeded"), (NATIVE, "HookFailed")];
        assert_eq!(delete(&both), Some(vec![Succeeded, Failed]));
    }

    #[test]
    fn kept_resources_are_kept() {
        assert!(matches!(intent(&[(RESOURCE_POLICY, "keep")]).prune, PruneIntent::Keep(_)));
    }
}
