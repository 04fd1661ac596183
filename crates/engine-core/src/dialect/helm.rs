//! [Helm](https://helm.sh/docs/topics/charts_hooks/): hooks in the mapping of Argo CD, weights, and the resource policy.

use super::{Hook, HookDeletePolicy, Intent, Phase, list};
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
        read_hook(value, intent);
    }
    if let (Some(hook), Some(value)) = (&mut intent.hook, manifest.annotation(DELETE_POLICY)) {
        read_delete_policy(value, hook, native);
    }
    if intent.wave == 0
        && let Some(value) = manifest.annotation(WEIGHT)
    {
        match value.trim().parse() {
            Ok(weight) => intent.wave = weight,
            Err(_) => intent.notice(WEIGHT, format!("{value:?} is not an integer; the object is in wave 0")),
        }
    }
}

fn read_hook(value: &str, intent: &mut Intent) {
    let mut phases = Vec::new();
    let mut others = Vec::new();
    for part in list(value) {
        match part {
            "pre-install" | "pre-upgrade" => phases.push(Phase::PreSync),
            "post-install" | "post-upgrade" => phases.push(Phase::PostSync),
            // The old spelling of a CRD that Helm installs first: an ordinary object here.
            "crd-install" => return,
            other => others.push(other.to_owned()),
        }
    }
    phases.sort();
    phases.dedup();
    if phases.is_empty() {
        intent.skip = Some(format!("{HOOK}={value}"));
        intent.notice(HOOK, format!("{} never runs in a sync; the object is not applied", others.join(", ")));
        return;
    }
    intent.hook = Some(Hook { phases, delete: vec![HookDeletePolicy::BeforeCreation] });
}

fn read_delete_policy(value: &str, hook: &mut Hook, native: bool) {
    let mut delete: Vec<_> = list(value)
        .filter_map(|part| match part {
            "before-hook-creation" => Some(HookDeletePolicy::BeforeCreation),
            "hook-succeeded" => Some(HookDeletePolicy::Succeeded),
            "hook-failed" => Some(HookDeletePolicy::Failed),
            _ => None,
        })
        .collect();
    if delete.is_empty() {
        return;
    }
    if native {
        delete.extend(&hook.delete);
    }
    delete.sort();
    delete.dedup();
    hook.delete = delete;
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
    }

    #[test]
    fn kept_resources_are_kept() {
        assert!(matches!(intent(&[(RESOURCE_POLICY, "keep")]).prune, PruneIntent::Keep(_)));
    }
}
