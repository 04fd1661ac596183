//! What a rendering read.

use gitops_engine_core::{Input, TreePath};

/// Sorted, and without what is below a directory that is named, too.
pub(crate) fn pruned(mut inputs: Vec<Input>) -> Vec<Input> {
    // By parts, so that a directory stands right before all that is below it.
    inputs.sort_by(|a, b| a.path.parts().cmp(b.path.parts()));
    let mut last: Option<TreePath> = None;
    inputs.retain(|input| {
        let covered = last.as_ref().is_some_and(|last| input.path.below(last).is_some());
        if !covered {
            last = Some(input.path.clone());
        }
        !covered
    });
    inputs.sort();
    inputs
}
