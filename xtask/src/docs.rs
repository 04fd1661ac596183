//! `cargo xtask docs`: that what is written is true, as far as a machine can tell.
//!
//! The checks of files run as tests of this package, too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::arguments::Arguments;
use crate::cargo::{cargo, follow, root};
use crate::tally::Tally;

/// The commands that the README promises.
const COMMANDS: [&str; 2] = ["cargo run --release --example agent", "cargo test --workspace"];
/// The smallest embedder may be this long: lines that are neither empty nor a comment.
const SMALLEST: usize = 20;

/// A check of files: what is wrong, or nothing.
type Check = (&'static str, fn() -> anyhow::Result<Vec<String>>);

const CHECKS: [Check; 5] = [
    ("the README shows examples/embed.rs as it is", embed),
    ("the README and ARCHITECTURE.md know every crate", crates),
    ("the book's summary lists its pages", summary),
    ("links lead somewhere", links),
    ("files that are named exist", named_files),
];

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let files_only = arguments.flag("--files-only");
    arguments.end()?;
    let mut tally = Tally::default();
    for (name, check) in CHECKS {
        let found = check()?;
        println!("{} {name}", if found.is_empty() { "ok    " } else { "FAILED" });
        for line in &found {
            println!("         {line}");
        }
        tally.case(found.is_empty());
    }
    if !files_only {
        let mut doc = cargo();
        doc.args(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings");
        let good = follow(&mut doc, |line| println!("{line}"))?;
        println!("{} cargo doc has no warnings", if good { "ok    " } else { "FAILED" });
        tally.case(good);
    }
    Ok(tally)
}

fn read(path: impl AsRef<Path>) -> anyhow::Result<String> {
    let path = root().join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn embed() -> anyhow::Result<Vec<String>> {
    let readme = read("README.md")?;
    let program = read("examples/embed.rs")?;
    let mut found = Vec::new();
    if !readme.contains(&format!("```rust\n{}```", program.trim_start())) {
        found.push("README.md: the Rust block differs from examples/embed.rs: copy the file into it".to_owned());
    }
    for command in COMMANDS {
        if !readme.lines().any(|line| line.trim() == command) {
            found.push(format!("README.md: the command `{command}` does not stand on a line of its own"));
        }
    }
    let long = program.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
    if long > SMALLEST {
        found.push(format!("examples/embed.rs: {long} lines of code; the promise is {SMALLEST}"));
    }
    Ok(found)
}

fn crates() -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = read(document)?;
        for entry in std::fs::read_dir(root().join("crates"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !text.contains(&format!("crates/{name}")) {
                found.push(format!("{document}: crates/{name} is not mentioned"));
            }
        }
    }
    Ok(found)
}

fn summary() -> anyhow::Result<Vec<String>> {
    let text = read("docs/src/SUMMARY.md")?;
    let listed: BTreeSet<String> = link_targets(&text).into_iter().map(|(_, target)| target).collect();
    let mut found = Vec::new();
    for page in markdown(&root().join("docs/src"))? {
        let name = page.strip_prefix(root().join("docs/src"))?.to_string_lossy().into_owned();
        if name != "SUMMARY.md" && !listed.contains(&name) {
            found.push(format!("docs/src/SUMMARY.md: {name} is not listed"));
        }
    }
    Ok(found)
}

/// Every document of the repository that a person reads.
fn documents() -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            all.push(path);
        }
    }
    for folder in ["docs", "crates", "benches", "tools", "examples"] {
        all.extend(markdown(&root().join(folder))?);
    }
    ensure!(!all.is_empty(), "there are no documents");
    all.sort();
    Ok(all)
}

fn markdown(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn links() -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for document in documents()? {
        let text = std::fs::read_to_string(&document)?;
        let shown = document.strip_prefix(root())?.display().to_string();
        for (line, target) in link_targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if file.is_empty() { document.clone() } else { document.with_file_name("").join(file) };
            if !file.exists() {
                found.push(format!("{shown}:{line}: there is no {target}"));
            } else if !anchor.is_empty() && !has_anchor(&std::fs::read_to_string(&file)?, anchor) {
                found.push(format!("{shown}:{line}: there is no heading for {target}"));
            }
        }
    }
    Ok(found)
}

/// The targets of Markdown's inline links, with their lines. Code blocks hold none.
fn link_targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else { break };
            targets.push((number, target.to_owned()));
            rest = after;
        }
    }
    targets
}

/// The lines outside of code blocks, numbered from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((at + 1, line));
        }
    }
    lines
}

/// Whether a heading gets this anchor: lower case, spaces as hyphens, punctuation dropped.
fn has_anchor(text: &str, anchor: &str) -> bool {
    prose(text).into_iter().filter_map(|(_, line)| line.strip_prefix('#')).any(|heading| {
        let slug: String = heading
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            })
            .collect();
        slug == anchor
    })
}

/// Paths of this repository that stand in backticks.
fn named_files() -> anyhow::Result<Vec<String>> {
    const PLACES: [&str; 9] =
        ["crates/", "src/", "xtask/", "examples/", "benches/", "docs/", "tools/", "tests/", ".ci/"];
    let mut found = Vec::new();
    for document in documents()? {
        let shown = document.strip_prefix(root())?.display().to_string();
        // A README of a package speaks of its own `src/`.
        let own = shown.starts_with("crates/") || shown.starts_with("tools/") || shown.starts_with("benches/");
        let text = std::fs::read_to_string(&document)?;
        // Below a heading that names a crate, paths are the crate's.
        let mut section = "";
        for (line, prose) in prose(&text) {
            if prose.starts_with('#') {
                section = prose.split('`').nth(1).unwrap_or_default();
            }
            for code in prose.split('`').skip(1).step_by(2) {
                let is_path = PLACES.iter().any(|place| code.starts_with(place))
                    && !code.contains(|c: char| c.is_whitespace() || "*<>{}$…".contains(c));
                let known = root().join(code).exists()
                    || root().join(section).join(code).exists()
                    || own && document.with_file_name("").join(code).exists();
                if is_path && !known {
                    found.push(format!("{shown}:{line}: there is no {code}"));
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::{CHECKS, has_anchor, link_targets};

    #[test]
    fn what_is_written_is_true() {
        for (name, check) in CHECKS {
            let found = check().unwrap();
            assert!(found.is_empty(), "{name}: {found:#?}");
        }
    }

    #[test]
    fn links_and_anchors() {
        let text = "# A map: of the *code*\nsee [one](a.md) and [two](b.md#c)\n```\n[not](this)\n```\n";
        assert_eq!(link_targets(text), [(2, "a.md".to_owned()), (2, "b.md#c".to_owned())]);
        assert!(has_anchor(text, "a-map-of-the-code"));
        assert!(!has_anchor(text, "not"));
    }
}
