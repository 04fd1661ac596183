//! [kapp](https://carvel.dev/kapp/docs/latest/apply/): what its annotations say about removal.

use super::Intent;
use crate::Manifest;

pub(super) const DOMAINS: &[&str] = &["kapp.k14s.io"];

const DELETE_STRATEGY: &str = "kapp.k14s.io/delete-strategy";
const NOT_ACTED_ON: &[&str] = &["kapp.k14s.io/change-group", "kapp.k14s.io/change-rule"];

pub(super) fn read(manifest: &Manifest, intent: &mut Intent) {
    if let Some(value @ "orphan") = manifest.annotation(DELETE_STRATEGY).map(str::trim) {
        intent.keep(DELETE_STRATEGY, value);
    }
    for name in NOT_ACTED_ON {
        if manifest.annotation(name).is_some() {
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
    fn orphans_are_kept() {
        assert!(matches!(intent(&[(DELETE_STRATEGY, "orphan")]).prune, PruneIntent::Keep(_)));
    }
}
