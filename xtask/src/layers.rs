//! `cargo xtask layers`: what may depend on what, and what each place of the code may touch.
//!
//! These are the invariants of ARCHITECTURE.md that a machine can hold. They run as tests of this package, too.

use std::process::Stdio;

use anyhow::{Context as _, bail};

use crate::arguments::Arguments;
use crate::cargo::{cargo, root};
use crate::signatures::foreign;
use crate::source::sources;
use crate::tally::Tally;

/// A crate of ours and its place.
struct Layer {
    package: &'static str,
    folder: &'static str,
    /// Which of our own crates it may use.
    ours: &'static [&'static str],
    /// Which crates must not be among its dependencies, direct or not. An entry ending in `*` is a prefix.
    never: &'static [&'static str],
}

const RUNTIME: [&str; 12] = [
    "tokio",
    "async-std",
    "smol",
    "hyper*",
    "http",
    "reqwest",
    "tower*",
    "rustls",
    "kube*",
    "k8s-openapi",
    "gix*",
    "ring",
];

const CORE: &str = "gitops-engine-core";

const SCHEMA: &str = "gitops-engine-schema";

const LAYERS: [Layer; 10] = [
    Layer { package: CORE, folder: "crates/engine-core", ours: &[], never: &RUNTIME },
    Layer { package: SCHEMA, folder: "crates/engine-schema", ours: &[], never: &RUNTIME },
    Layer { package: "gitops-engine-diff", folder: "crates/engine-diff", ours: &[CORE], never: &RUNTIME },
    Layer { package: "gitops-engine-health", folder: "crates/engine-health", ours: &[CORE], never: &RUNTIME },
    Layer {
        package: "gitops-engine-git",
        folder: "crates/engine-git",
        ours: &[CORE],
        never: &["kube*", "k8s-openapi", "petgraph"],
    },
    Layer {
        package: "gitops-engine-manifest",
        folder: "crates/engine-manifest",
        ours: &[CORE],
        never: &["kube*", "k8s-openapi", "gix*", "hyper*", "http", "reqwest", "rustls"],
    },
    Layer {
        package: "gitops-engine-cache",
        folder: "crates/engine-cache",
        ours: &[CORE],
        never: &["gix*", "petgraph"],
    },
    Layer {
        package: "gitops-engine-sync",
        folder: "crates/engine-sync",
        ours: &[CORE, "gitops-engine-diff"],
        never: &["kube*", "k8s-openapi", "gix*", "hyper*", "http", "reqwest", "rustls", "ring"],
    },
    Layer { package: "gitops-engine-testkit", folder: "crates/engine-testkit", ours: &[SCHEMA], never: &["gix*"] },
    Layer {
        package: "gitops-engine",
        folder: "",
        ours: &[
            CORE,
            "gitops-engine-diff",
            "gitops-engine-health",
            "gitops-engine-git",
            "gitops-engine-manifest",
            "gitops-engine-cache",
            "gitops-engine-sync",
        ],
        never: &["gitops-engine-testkit", "openssl", "openssl-sys", "aws-lc*", "native-tls"],
    },
];

/// The crates whose types stay inside: their major versions are not ours.
const INSIDE: [&str; 12] = [
    "gix",
    "kube",
    "kube_client",
    "kube_core",
    "k8s_openapi",
    "reqwest",
    "rustls",
    "hyper",
    "petgraph",
    "granit_parser",
    "json_patch",
    "serde_saphyr",
];

/// … but for these: an embedder brings his client, and a test gets one.
const SHOWN: [(&str, &str); 2] = [("gitops-engine-cache", "kube::Client"), ("gitops-engine-testkit", "kube::Client")];

/// The code that decides. It sees values and returns values.
const PURE: [&str; 9] = [
    "crates/engine-core/src",
    "crates/engine-schema/src",
    "crates/engine-diff/src",
    "crates/engine-health/src",
    "crates/engine-manifest/src/yaml",
    "crates/engine-sync/src/plan",
    "crates/engine-sync/src/execute/machine",
    "crates/engine-sync/src/execute/journal.rs",
    "crates/engine-sync/src/execute/node.rs",
];

/// What code that decides must not name: I/O, clocks, the environment, threads, a runtime.
const IMPURE: [&str; 11] = [
    "tokio",
    "futures",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tracing",
];

/// The only places that start a program, each for one that the embedder allowed by name, or that a test needs.
const STARTS_PROGRAMS: [&str; 4] = [
    "crates/engine-manifest/src/external/",
    "crates/engine-git/src/remote/ssh",
    "crates/engine-testkit/src/control_plane",
    "xtask/",
];

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<Tally> {
    arguments.end()?;
    let mut tally = Tally::default();
    for (name, found) in checks()? {
        let good = found.is_empty();
        println!("{} {name}", if good { "ok    " } else { "FAILED" });
        for line in found {
            println!("         {line}");
        }
        tally.case(good);
    }
    Ok(tally)
}

/// Every check and what it found; nothing found is good.
pub(crate) fn checks() -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let mut checks = vec![("every crate has a place in the layers".to_owned(), without_place()?)];
    for layer in &LAYERS {
        checks.push((format!("{}: dependencies", layer.package), dependencies(layer)?));
        checks.push((format!("{}: public signatures", layer.package), signatures(layer)?));
    }
    for place in PURE {
        checks.push((format!("{place}: pure"), impure(place)?));
    }
    checks.push(("programs are started in known places only".to_owned(), programs()?));
    Ok(checks)
}

fn without_place() -> anyhow::Result<Vec<String>> {
    let folder = root().join("crates");
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = format!("crates/{}", entry?.file_name().to_string_lossy());
        if !LAYERS.iter().any(|layer| layer.folder == name) {
            missing.push(format!("{name}: say in `LAYERS` of xtask/src/layers.rs what it may use"));
        }
    }
    missing.sort();
    Ok(missing)
}

fn dependencies(layer: &Layer) -> anyhow::Result<Vec<String>> {
    let mut command = cargo();
    command.args(["tree", "--package", layer.package, "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let output = command.stdin(Stdio::null()).output().context("cannot run `cargo tree`")?;
    if !output.status.success() {
        bail!("`cargo tree -p {}` failed: {}", layer.package, String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found: Vec<String> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != layer.package && !is_fine(layer, name))
        .map(|name| format!("{} must not use {name}: see `cargo tree -p {} -i {name}`", layer.package, layer.package))
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

fn is_fine(layer: &Layer, name: &str) -> bool {
    if name.starts_with("gitops-engine") && !layer.ours.contains(&name) {
        return false;
    }
    !layer.never.iter().any(|never| match never.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *never,
    })
}

fn signatures(layer: &Layer) -> anyhow::Result<Vec<String>> {
    let folder = if layer.folder.is_empty() { "src".to_owned() } else { format!("{}/src", layer.folder) };
    let allowed =
        |path: &str| SHOWN.iter().any(|(package, shown)| *package == layer.package && path.starts_with(shown));
    Ok(foreign(&sources(&folder)?, &INSIDE, &allowed))
}

fn impure(place: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for source in sources(place)? {
        for path in source.paths() {
            let banned = IMPURE
                .iter()
                .any(|banned| path.strip_prefix(banned).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")));
            if banned || path.ends_with("Timestamp::now") {
                found.push(format!("{}: {path}", source.path));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn programs() -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for place in ["src", "crates", "examples"] {
        for source in sources(place)? {
            // Programs that tests start are the business of tests.
            if source.path.contains("/tests/") || STARTS_PROGRAMS.iter().any(|known| source.path.starts_with(known)) {
                continue;
            }
            let starts = |path: &String| path.contains("process::Command");
            found.extend(source.paths().into_iter().filter(starts).map(|path| format!("{}: {path}", source.path)));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::{LAYERS, checks, is_fine};

    #[test]
    fn every_layer_is_kept() {
        let broken: Vec<_> = checks().unwrap().into_iter().filter(|(_, found)| !found.is_empty()).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    #[test]
    fn the_core_may_use_neither_runtime_nor_network_nor_ours() {
        let core = &LAYERS[0];
        for name in ["tokio", "hyper-util", "kube-client", "gix", "gitops-engine-diff"] {
            assert!(!is_fine(core, name), "{name}");
        }
        for name in ["serde", "futures-core", "jiff"] {
            assert!(is_fine(core, name), "{name}");
        }
    }
}
