//! `cargo xtask lint`: formatting, Clippy, layers, and what our dependencies may be.

use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::cargo::{cargo, follow, root};
use crate::layers;
use crate::tally::Tally;

/// Crates that need a C toolchain of their own or the system's TLS, anywhere in the lock file.
const BANNED: [&str; 8] =
    ["openssl", "openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs", "cmake", "curl-sys", "libgit2-sys"];

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let fast = arguments.flag("--fast");
    arguments.end()?;
    let mut tally = Tally::default();
    let mut say = |name: &str, found: &[String]| {
        println!("{} {name}", if found.is_empty() { "ok    " } else { "FAILED" });
        for line in found {
            println!("         {line}");
        }
        tally.case(found.is_empty());
    };
    say("Cargo.lock holds no banned crate", &banned(&read("Cargo.lock")?));
    let metadata = metadata()?;
    say("every package follows the workspace", &packages(&metadata));
    say("no dependency needs a newer compiler than we promise", &compilers(&metadata)?);
    for (name, found) in layers::checks()? {
        say(&name, &found);
    }
    let mut program = |name: &str, arguments: &[&str]| -> anyhow::Result<()> {
        let good = follow(cargo().args(arguments), |line| println!("{line}"))?;
        say(name, &if good { Vec::new() } else { vec![format!("cargo {}", arguments.join(" "))] });
        Ok(())
    };
    program("formatting", &["fmt", "--all", "--check"])?;
    if has_deny()? {
        program("cargo deny", &["deny", "--all-features", "check"])?;
    } else {
        println!("        cargo deny is not installed: licences and advisories are not checked here");
    }
    if !fast {
        program("Clippy", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    }
    Ok(tally)
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

fn banned(lock: &str) -> Vec<String> {
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    names
        .filter(|name| BANNED.contains(name))
        .map(|name| format!("{name}: see `cargo tree --workspace -i {name}`"))
        .collect()
}

fn metadata() -> anyhow::Result<Value> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--locked"]);
    let output = command.stdin(Stdio::null()).output().context("cannot run `cargo metadata`")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")
}

fn all(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// Ours are those without a source.
fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}

fn packages(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for package in all(metadata).filter(|package| is_ours(package)) {
        let name = package["name"].as_str().unwrap_or_default();
        let mut wants = |field: &str, wanted: &str| {
            if package[field].as_str() != Some(wanted) {
                found.push(format!("{name}: {field} is {}, not {wanted}", package[field]));
            }
        };
        wants("license", "Apache-2.0");
        wants("edition", "2024");
        wants("rust_version", "1.89");
        if package["description"].as_str().is_none_or(str::is_empty) {
            found.push(format!("{name}: it has no description"));
        }
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        let text = std::fs::read_to_string(manifest).unwrap_or_default();
        if !text.contains("[lints]\nworkspace = true") {
            found.push(format!("{name}: it does not take the lints of the workspace"));
        }
    }
    found
}

fn compilers(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let number = |package: &Value| {
        let mut parts = package["rust_version"].as_str()?.split('.').map(str::parse::<u32>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    let promised = all(metadata).filter(|package| is_ours(package)).filter_map(number).min();
    let promised = promised.context("no package of ours names a compiler")?;
    let newer = all(metadata).filter(|package| number(package).is_some_and(|number| number > promised));
    Ok(newer
        .map(|package| format!("{} {} needs {}", package["name"], package["version"], package["rust_version"]))
        .collect())
}

fn has_deny() -> anyhow::Result<bool> {
    let mut command = cargo();
    command.args(["deny", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().context("cannot run cargo")?.success())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::{banned, read};

    #[test]
    fn our_lock_file_holds_no_banned_crate() {
        assert_eq!(banned(&read("Cargo.lock").unwrap()), Vec::<String>::new());
        assert_eq!(banned("name = \"openssl-sys\"\nname = \"openssl-probe\"\n").len(), 1);
    }
}
