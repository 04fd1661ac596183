//! The Go engine's side of the benches and of the differential tests: `benches/peers`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use gitops_engine_testkit::control_plane::cache_folder;
use serde_json::{Value, json};

use crate::cargo::root;
use crate::objects::{self, Pair};

/// Builds the program of the benches, about a minute the first time, and says where it is.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    build_package("peers", ".").context("bench `--without-peers` needs no Go")
}

/// Builds the program that `cargo xtask differential` asks.
pub(crate) fn build_oracle() -> anyhow::Result<PathBuf> {
    build_package("oracle", "./oracle")
}

fn build_package(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    let program = cache_folder()?.join("peers").join(name);
    let sources = root().join("benches/peers");
    eprintln!("building {} into {}", sources.display(), program.display());
    let status = Command::new("go")
        .args(["build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-o"])
        .arg(&program)
        .arg(package)
        .current_dir(&sources)
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .status()
        .context("cannot run `go`: install Go 1.26")?;
    if !status.success() {
        bail!("`go build` failed in {}", sources.display());
    }
    Ok(program)
}

/// Writes the objects that both sides work on into `folder`.
pub(crate) fn write_objects(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let sets = [
        ("deployments.json", objects::deployments(1_000)),
        ("mixed.json", objects::mixed(10_000, None)),
        ("mixed-waves.json", objects::mixed(10_000, Some(11))),
    ];
    for (name, pairs) in sets {
        let path = folder.join(name);
        let list: Vec<Value> =
            pairs.into_iter().map(|Pair { desired, live }| json!({"desired": desired, "live": live})).collect();
        let text = serde_json::to_vec(&list)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::objects;

    /// Compact JSON, as near to what is promised as one byte.
    #[test]
    fn the_objects_have_the_promised_sizes_and_are_the_same_every_time() {
        let size = |value: &serde_json::Value| value.to_string().len();
        for pair in objects::deployments(20) {
            assert_eq!((size(&pair.desired), size(&pair.live)), (3379, 12800));
        }
        for pair in objects::mixed(100, Some(11)) {
            assert_eq!(size(&pair.live), 3891, "{}", pair.live["kind"]);
            assert!(size(&pair.desired) < 1200);
        }
        assert_eq!(size(&objects::pod(7)), 8192);
        assert_eq!(objects::pod(7), objects::pod(7));
        assert_ne!(objects::pod(7), objects::pod(8));
    }
}
