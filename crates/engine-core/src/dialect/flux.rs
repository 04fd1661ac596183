//! [Flux](https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources): what
//! its annotations say about removal and about being left alone. They may stand among the labels, too.

use super::Intent;
use crate::Manifest;

pub(super) const DOMAINS: &[&str] = &["kustomize.toolkit.fluxcd.io"];

const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
const NOT_ACTED_ON: &[&str] = &["kustomize.toolkit.fluxcd.io/ssa", "kustomize.toolkit.fluxcd.io/force"];

pub(super) fn read(manifest: &Manifest, intent: &mut Intent) {
    let value = |name: &str| manifest.annotation(name).or_else(|| manifest.label(name)).map(str::trim);
    if let Some(value) = value(PRUNE)
        && value.eq_ignore_ascii_case("disabled")
    {
        intent.keep(PRUNE, value);
    }
    if let Some(value) = value(RECONCILE)
        && value.eq_ignore_ascii_case("disabled")
    {
        intent.skip = Some(format!("{RECONCILE}={value}"));
    }
    for name in NOT_ACTED_ON {
        if value(name).is_some() {
            intent.notice(name, "this annotation has no effect here");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::intent;
    use super::*;
    use crate::dialect::PruneIntent;

    #[test]
    fn removal_and_reconciliation_can_be_disabled() {
        assert!(matches!(intent(&[(PRUNE, "Disabled")]).prune, PruneIntent::Keep(_)));
        assert_eq!(intent(&[(PRUNE, "enabled")]).prune, PruneIntent::Allowed);
        assert!(intent(&[(RECONCILE, "disabled")]).skip.is_some());
    }
}
