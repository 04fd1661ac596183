//! The sources of our crates, read with `syn`: which names a file imports, and what the paths in it mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use syn::visit::Visit;

use crate::cargo::root;

/// One file of a crate, without what is compiled for tests only.
pub(crate) struct Source {
    /// From the root of the workspace.
    pub(crate) path: String,
    pub(crate) items: Vec<syn::Item>,
    /// What the names mean that `use` brings in: `Client` is `kube::Client`.
    imports: BTreeMap<String, String>,
}

impl Source {
    pub(crate) fn parse(path: &str, text: &str) -> anyhow::Result<Self> {
        let mut file = syn::parse_file(text).with_context(|| format!("{path} is not Rust"))?;
        let mut items = Vec::new();
        flatten(std::mem::take(&mut file.items), &mut items);
        let mut imports = BTreeMap::new();
        for item in &items {
            if let syn::Item::Use(import) = item {
                for (name, path) in use_paths(&import.tree) {
                    imports.insert(name, path);
                }
            }
        }
        Ok(Self { path: path.to_owned(), items, imports })
    }

    /// A path as it would be written in full: `Client` is `kube::Client` where that is imported.
    pub(crate) fn resolve(&self, path: &syn::Path) -> String {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let Some((first, rest)) = segments.split_first() else { return String::new() };
        let mut full = self.imports.get(first).cloned().unwrap_or_else(|| first.clone());
        for segment in rest {
            full.push_str("::");
            full.push_str(segment);
        }
        full
    }

    /// Every path that the file names, in full: those of `use`, of types, of expressions.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Found { source: self, paths: self.imports.values().cloned().collect() };
        for item in &self.items {
            found.visit_item(item);
        }
        found.paths
    }
}

struct Found<'a> {
    source: &'a Source,
    paths: Vec<String>,
}

impl<'a> Visit<'a> for Found<'_> {
    fn visit_path(&mut self, path: &'a syn::Path) {
        self.paths.push(self.source.resolve(path));
        syn::visit::visit_path(self, path);
    }

    fn visit_item(&mut self, item: &'a syn::Item) {
        if !is_for_tests(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }
}

/// Items of inline modules too: whose module they are in makes no difference here.
fn flatten(items: Vec<syn::Item>, into: &mut Vec<syn::Item>) {
    for item in items {
        if is_for_tests(attributes(&item)) {
            continue;
        }
        match item {
            syn::Item::Mod(module) => {
                if let Some((_, items)) = module.content {
                    flatten(items, into);
                }
            }
            other => into.push(other),
        }
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test" || word == "doctest")
    })
}

/// The names that a `use` brings in, with their full paths. A glob has the name `*`.
pub(crate) fn use_paths(tree: &syn::UseTree) -> Vec<(String, String)> {
    fn walk(tree: &syn::UseTree, prefix: &str, into: &mut Vec<(String, String)>) {
        let join = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
        match tree {
            syn::UseTree::Path(path) => walk(&path.tree, &join(&path.ident.to_string()), into),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let last = prefix.rsplit("::").next().unwrap_or_default();
                into.push((last.to_owned(), prefix.to_owned()));
            }
            syn::UseTree::Name(name) => into.push((name.ident.to_string(), join(&name.ident.to_string()))),
            syn::UseTree::Rename(name) => into.push((name.rename.to_string(), join(&name.ident.to_string()))),
            syn::UseTree::Glob(_) => into.push(("*".to_owned(), join("*"))),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, prefix, into)),
        }
    }
    let mut found = Vec::new();
    walk(tree, "", &mut found);
    found
}

/// The sources below a folder or of one file, given from the root of the workspace; those of tests left out.
pub(crate) fn sources(below: &str) -> anyhow::Result<Vec<Source>> {
    let mut files = Vec::new();
    let start = root().join(below);
    if start.is_file() {
        files.push(start);
    } else {
        rust_files(&start, &mut files)?;
    }
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> anyhow::Result<Source> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let path = file.strip_prefix(root()).unwrap_or(file);
    Source::parse(&path.to_string_lossy().replace('\\', "/"), &text)
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        // By convention these hold `#[cfg(test)] mod tests;`.
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            rust_files(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::Source;

    #[test]
    fn names_are_resolved_and_tests_left_out() {
        let text = "use std::time::{Duration, Instant as Moment}; use tokio::time;
            fn wait() { let now = Moment::now(); time::sleep(Duration::ZERO); }
            #[cfg(test)] mod tests { use std::fs; fn f() { fs::read(\"x\"); } }";
        let paths = Source::parse("a.rs", text).unwrap().paths();
        for expected in ["std::time::Instant::now", "tokio::time::sleep", "std::time::Duration::ZERO"] {
            assert!(paths.iter().any(|path| path == expected), "{expected} in {paths:?}");
        }
        assert!(!paths.iter().any(|path| path.starts_with("std::fs")), "{paths:?}");
    }
}
