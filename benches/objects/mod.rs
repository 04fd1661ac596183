//! The objects that the benches work on: made up, the same in every run, of the sizes and shapes that clusters
//! have. The Rust benches take them as values; `cargo xtask bench` writes them as JSON for the Go peers.
//!
//! Sizes are of compact JSON. A size that is promised is reached with an annotation of filler text.

mod fields;
mod kinds;

use serde_json::{Value, json};

/// An object as Git has it and as the cluster has it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What is wanted.
    pub desired: Value,
    /// What is there: the same with defaults, status, `managedFields` and the last-applied annotation.
    pub live: Value,
}

/// The namespace of all of them.
pub const NAMESPACE: &str = "shop";
/// One Deployment of this many is not as Git has it: somebody changed an image.
pub const DRIFTED_ONE_IN: usize = 10;
/// One turn of all kinds of [`mixed`] of this many is unhealthy.
pub const UNHEALTHY_ONE_IN: usize = 8;

const KB: usize = 1024;
const DESIRED_DEPLOYMENT: usize = 3 * KB + 3 * KB / 10;
const LIVE_DEPLOYMENT: usize = 12 * KB + KB / 2;
const LIVE_MIXED: usize = 3 * KB + 8 * KB / 10;
const POD: usize = 8 * KB;

/// Deployments of 3.3 KB as desired and 12.5 KB as live, applied once by `kubectl apply`.
/// One in [`DRIFTED_ONE_IN`] has drifted.
#[must_use]
pub fn deployments(count: usize) -> Vec<Pair> {
    (0..count)
        .map(|index| {
            let mut desired = kinds::large_deployment(index);
            fill(&mut desired, NOTES, DESIRED_DEPLOYMENT);
            let mut live = kinds::live(&desired, index, Health::Good);
            if index.is_multiple_of(DRIFTED_ONE_IN) {
                live["spec"]["template"]["spec"]["containers"][0]["image"] =
                    json!("registry.example.com/shop/web:hotfix");
            }
            fill(&mut live, CLUSTER_NOTES, LIVE_DEPLOYMENT);
            Pair { desired, live }
        })
        .collect()
}

/// Ten kinds in turn, 3.8 KB each as live, none of them drifted. One turn in [`UNHEALTHY_ONE_IN`] is unhealthy
/// where its kinds can be. With `waves`, each has one of that many sync waves around zero.
#[must_use]
pub fn mixed(count: usize, waves: Option<usize>) -> Vec<Pair> {
    (0..count)
        .map(|index| {
            let mut desired = kinds::small(index);
            if let Some(waves) = waves {
                let wave = (index % waves) as i64 - waves as i64 / 2;
                desired["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = json!(wave.to_string());
            }
            let turn = index / kinds::SMALL_KINDS;
            let health = if turn.is_multiple_of(UNHEALTHY_ONE_IN) { Health::Bad } else { Health::Good };
            let mut live = kinds::live(&desired, index, health);
            fill(&mut live, CLUSTER_NOTES, LIVE_MIXED);
            Pair { desired, live }
        })
        .collect()
}

/// A live Pod of 8 KB with its `managedFields`, as a cache gets it from a watch.
#[must_use]
pub fn pod(index: usize) -> Value {
    let mut pod = kinds::large_pod(index);
    fill(&mut pod, CLUSTER_NOTES, POD);
    pod
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Health {
    Good,
    Bad,
}

/// What fills an object as a person wrote it, and what was added in the cluster.
const NOTES: &str = "example.com/notes";
const CLUSTER_NOTES: &str = "example.com/live";

/// Brings an object that is not larger to `size` bytes, with an annotation.
fn fill(object: &mut Value, key: &str, size: usize) {
    const WORDS: &str = "Restart after the nightly import; see the runbook of the team that owns this. ";
    object["metadata"]["annotations"][key] = json!("");
    let missing = size.saturating_sub(object.to_string().len());
    let text: String = WORDS.chars().cycle().take(missing).collect();
    object["metadata"]["annotations"][key] = json!(text);
}
