//! [Argo CD](https://argo-cd.readthedocs.io/en/stable/user-guide/sync-waves/): hooks, waves and sync options.

use super::{Hook, HookDeletePolicy, Intent, Phase, PruneIntent, helm, list};
use crate::Manifest;

pub(super) const DOMAINS: &[&str] = &["argocd.argoproj.io"];

const HOOK: &str = "argocd.argoproj.io/hook";
const DELETE_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
const WAVE: &str = "argocd.argoproj.io/sync-wave";
const OPTIONS: &str = "argocd.argoproj.io/sync-options";

/// Options that Argo CD knows on an object and that this engine does not act on (yet): told, not ignored.
const NOT_ACTED_ON: &[&str] = &[
    "Validate",
    "SkipDryRunOnMissingResource",
    "Replace",
    "Force",
    "ServerSideApply",
    "Delete",
    "ClientSideApplyMigration",
];

pub(super) fn read(manifest: &Manifest, intent: &mut Intent) {
    if let Some(value) = manifest.annotation(HOOK) {
        read_hook(value, manifest, intent);
    }
    match (wave(manifest), manifest.annotation(WAVE)) {
        (Some(wave), _) => intent.wave = wave,
        (None, Some(value)) => intent.notice(WAVE, format!("{value:?} is not an integer; it does not count")),
        (None, None) => {}
    }
    if let Some(value) = manifest.annotation(OPTIONS) {
        read_options(value, intent);
    }
}

/// The wave that the annotation gives, if that is an integer.
pub(super) fn wave(manifest: &Manifest) -> Option<i32> {
    manifest.annotation(WAVE)?.trim().parse().ok()
}

fn read_hook(value: &str, manifest: &Manifest, intent: &mut Intent) {
    let mut phases = Vec::new();
    let mut skip = false;
    for part in list(value) {
        match part {
            "PreSync" => phases.push(Phase::PreSync),
            "Sync" => phases.push(Phase::Sync),
            "PostSync" => phases.push(Phase::PostSync),
            "SyncFail" => phases.push(Phase::SyncFail),
            "Skip" => skip = true,
            "PreDelete" | "PostDelete" => {
                skip = true;
                intent.notice(HOOK, format!("{part} hooks run when an application is deleted, not in a sync"));
            }
            other => intent.notice(HOOK, format!("{other:?} is no phase")),
        }
    }
    if phases.is_empty() && !skip {
        // Argo CD looks at Helm's annotation then, and drops a hook of no phase in silence; so do we, and say so.
        phases = helm::phases(manifest);
        let instead = if phases.is_empty() { "the object is not applied" } else { "those of helm.sh/hook count" };
        intent.notice(HOOK, format!("no phase is left; {instead}"));
    }
    phases.sort();
    phases.dedup();
    if phases.is_empty() {
        intent.skip = Some(format!("{HOOK}={value}"));
        return;
    }
    intent.hook = Some(Hook { phases, delete: Vec::new() });
}

/// The delete policies of a hook, whichever dialect made it one.
pub(super) fn delete_policies(manifest: &Manifest, intent: &mut Intent) -> Vec<HookDeletePolicy> {
    let policies = manifest.annotation(DELETE_POLICY).into_iter().flat_map(list);
    policies
        .filter_map(|part| match part {
            "HookSucceeded" => Some(HookDeletePolicy::Succeeded),
            "HookFailed" => Some(HookDeletePolicy::Failed),
            "BeforeHookCreation" => Some(HookDeletePolicy::BeforeCreation),
            other => {
                intent.notice(DELETE_POLICY, format!("{other:?} is no policy"));
                None
            }
        })
        .collect()
}

fn read_options(value: &str, intent: &mut Intent) {
    for option in list(value) {
        let (name, setting) = option.split_once('=').unwrap_or((option, ""));
        match (name.trim(), setting.trim()) {
            ("Prune", "false") => intent.keep(OPTIONS, "Prune=false"),
            ("Prune", "confirm") if !matches!(intent.prune, PruneIntent::Keep(_)) => {
                intent.prune = PruneIntent::Confirm(format!("{OPTIONS}=Prune=confirm"));
            }
            ("Prune", "true" | "confirm") | ("PruneLast", "false") => {}
            ("PruneLast", "true") => intent.prune_last = true,
            (known, _) if NOT_ACTED_ON.contains(&known) => {
                intent.notice(OPTIONS, format!("{option} has no effect here: objects are applied server-side"));
            }
            _ => intent.notice(OPTIONS, format!("{option:?} is no option")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::intent;
    use super::*;

    #[test]
    fn hooks() {
        let hook = |value: &str| intent(&[(HOOK, value)]).hook.map(|hook| hook.phases);
        assert_eq!(hook("PreSync"), Some(vec![Phase::PreSync]));
        assert_eq!(hook(" PostSync, PreSync ,PreSync"), Some(vec![Phase::PreSync, Phase::PostSync]));
        assert_eq!(hook("Skip"), None);
        assert!(intent(&[(HOOK, "Skip")]).skip.is_some());
        let garbage = intent(&[(HOOK, "Before")]);
        assert!(garbage.skip.is_some() && garbage.notices.len() == 2);
    }

    #[test]
    fn delete_policies_default_to_before_creation() {
        let delete = |policy: &str| {
            intent(&[(HOOK, "Sync"), (DELETE_POLICY, policy)]).hook.map(|hook| hook.delete).unwrap_or_default()
        };
        assert_eq!(delete(""), [HookDeletePolicy::BeforeCreation]);
        assert_eq!(delete("nonsense"), [HookDeletePolicy::BeforeCreation]);
        assert_eq!(delete("HookFailed,HookSucceeded"), [HookDeletePolicy::Succeeded, HookDeletePolicy::Failed]);
    }

    #[test]
    fn waves() {
        assert_eq!(intent(&[(WAVE, "-5")]).wave, -5);
        let bad = intent(&[(WAVE, "soon")]);
        assert_eq!((bad.wave, bad.notices.len()), (0, 1));
    }

    #[test]
    fn options_are_read_and_unknown_ones_are_told() {
        assert!(matches!(intent(&[(OPTIONS, "Prune=false")]).prune, PruneIntent::Keep(_)));
        assert!(matches!(intent(&[(OPTIONS, "Prune=confirm")]).prune, PruneIntent::Confirm(_)));
        assert!(intent(&[(OPTIONS, "PruneLast=true")]).prune_last);
        let told = intent(&[(OPTIONS, "prune=false, Replace=true")]);
        assert_eq!(told.prune, PruneIntent::Allowed);
        assert_eq!(told.notices.len(), 2);
    }
}
