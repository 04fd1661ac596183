//! Which foreign types stand in the public signatures of a crate.
//!
//! The workspace denies `unreachable_pub`, so whatever is `pub` without a restriction can be reached from outside. What
//! macros write is not seen.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

use crate::source::{Source, use_paths};

/// The paths with one of these roots in public signatures, as `file: item: path`.
pub(crate) fn foreign<'a>(
    sources: &'a [Source],
    roots: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
) -> Vec<String> {
    let mut search = Search { roots, allowed, hidden: BTreeMap::new(), public: BTreeSet::new(), found: Vec::new() };
    for source in sources {
        search.learn(source);
    }
    for source in sources {
        for item in &source.items {
            search.item(source, item);
        }
    }
    search.found
}

struct Search<'a> {
    roots: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
    /// Our own names for foreign types: aliases and restricted re-exports.
    hidden: BTreeMap<String, String>,
    /// The types that are public.
    public: BTreeSet<String>,
    found: Vec<String>,
}

impl Search<'_> {
    fn is_foreign(&self, path: &str) -> bool {
        let first = path.split("::").next().unwrap_or_default();
        self.roots.contains(&first) && !(self.allowed)(path)
    }

    fn learn(&mut self, source: &Source) {
        for item in &source.items {
            match item {
                syn::Item::Type(alias) => {
                    let mut types = Types { search: self, source, found: Vec::new() };
                    types.visit_type(&alias.ty);
                    if let Some(path) = types.found.pop() {
                        self.hidden.insert(alias.ident.to_string(), path);
                    }
                }
                syn::Item::Use(import) if matches!(import.vis, syn::Visibility::Restricted(_)) => {
                    for (name, path) in use_paths(&import.tree) {
                        if self.is_foreign(&path) {
                            self.hidden.insert(name, path);
                        }
                    }
                }
                syn::Item::Struct(item) if is_public(&item.vis) => drop(self.public.insert(item.ident.to_string())),
                syn::Item::Enum(item) if is_public(&item.vis) => drop(self.public.insert(item.ident.to_string())),
                _ => {}
            }
        }
    }

    fn item(&mut self, source: &Source, item: &syn::Item) {
        match item {
            syn::Item::Fn(item) if is_public(&item.vis) => {
                self.check(source, &item.sig.ident.to_string(), |types| types.visit_signature(&item.sig));
            }
            syn::Item::Struct(item) if is_public(&item.vis) => {
                self.check(source, &item.ident.to_string(), |types| {
                    types.visit_generics(&item.generics);
                    for field in item.fields.iter().filter(|field| is_public(&field.vis)) {
                        types.visit_type(&field.ty);
                    }
                });
            }
            syn::Item::Enum(item) if is_public(&item.vis) => {
                self.check(source, &item.ident.to_string(), |types| types.visit_item_enum(item));
            }
            syn::Item::Trait(item) if is_public(&item.vis) => {
                self.check(source, &item.ident.to_string(), |types| {
                    for part in &item.supertraits {
                        types.visit_type_param_bound(part);
                    }
                    for part in &item.items {
                        match part {
                            // A default body is nobody's signature.
                            syn::TraitItem::Fn(method) => types.visit_signature(&method.sig),
                            other => types.visit_trait_item(other),
                        }
                    }
                });
            }
            syn::Item::Type(item) if is_public(&item.vis) => {
                self.check(source, &item.ident.to_string(), |types| types.visit_type(&item.ty));
            }
            syn::Item::Const(item) if is_public(&item.vis) => {
                self.check(source, &item.ident.to_string(), |types| types.visit_type(&item.ty));
            }
            syn::Item::Static(item) if is_public(&item.vis) => {
                self.check(source, &item.ident.to_string(), |types| types.visit_type(&item.ty));
            }
            syn::Item::Use(item) if is_public(&item.vis) => {
                for (name, path) in use_paths(&item.tree) {
                    if self.is_foreign(&path) {
                        self.found.push(format!("{}: pub use {name}: {path}", source.path));
                    }
                }
            }
            syn::Item::Impl(item) => self.implementation(source, item),
            _ => {}
        }
    }

    fn implementation(&mut self, source: &Source, item: &syn::ItemImpl) {
        let syn::Type::Path(of) = &*item.self_ty else { return };
        let Some(name) = of.path.segments.last().map(|segment| segment.ident.to_string()) else { return };
        if !self.public.contains(&name) {
            return;
        }
        if let Some((_, implemented, _)) = &item.trait_ {
            self.check(source, &name, |types| {
                types.visit_path(implemented);
                for part in &item.items {
                    if let syn::ImplItem::Type(associated) = part {
                        types.visit_type(&associated.ty);
                    }
                }
            });
            return;
        }
        for part in &item.items {
            match part {
                syn::ImplItem::Fn(method) if is_public(&method.vis) => {
                    let name = format!("{name}::{}", method.sig.ident);
                    self.check(source, &name, |types| types.visit_signature(&method.sig));
                }
                syn::ImplItem::Const(constant) if is_public(&constant.vis) => {
                    let name = format!("{name}::{}", constant.ident);
                    self.check(source, &name, |types| types.visit_type(&constant.ty));
                }
                _ => {}
            }
        }
    }

    fn check(&mut self, source: &Source, what: &str, visit: impl FnOnce(&mut Types<'_, '_>)) {
        let mut types = Types { search: self, source, found: Vec::new() };
        visit(&mut types);
        let found = types.found;
        self.found.extend(found.into_iter().map(|path| format!("{}: {what}: {path}", source.path)));
    }
}

/// Collects foreign paths.
struct Types<'a, 'b> {
    search: &'a Search<'b>,
    source: &'a Source,
    found: Vec<String>,
}

impl<'ast> Visit<'ast> for Types<'_, '_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let full = self.source.resolve(path);
        let last = full.rsplit("::").next().unwrap_or_default();
        let own = !full.contains("::") || ["crate", "super", "self"].iter().any(|root| full.starts_with(root));
        if self.search.is_foreign(&full) {
            self.found.push(full);
        } else if let Some(hidden) = self.search.hidden.get(last).filter(|_| own) {
            self.found.push(hidden.clone());
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::foreign;
    use crate::source::Source;

    fn found(text: &str) -> Vec<String> {
        let sources = [Source::parse("a.rs", text).unwrap()];
        foreign(&sources, &["gix", "kube"], &|path| path == "kube::Client")
    }

    #[test]
    fn foreign_types_are_found_wherever_they_stand() {
        for text in [
            "pub fn f() -> gix::ObjectId {}",
            "use gix::ObjectId; pub fn f(id: &ObjectId) {}",
            "use gix::{hash, bstr::BStr as Text}; pub fn f(text: Option<&Text>) {}",
            "pub struct S { pub id: gix::ObjectId }",
            "pub enum E { A(Box<dyn gix::T>) }",
            "pub trait T: gix::T {}",
            "pub trait T { fn f(&self, id: gix::Id); }",
            "pub struct S; impl S { pub fn f(self) -> gix::Id {} }",
            "pub struct S; impl From<gix::Id> for S { fn from(_: gix::Id) -> S { S } }",
            "pub use gix::ObjectId;",
            "type Id = gix::ObjectId; pub fn f() -> Id {}",
            "pub(crate) use gix::ObjectId as Id; pub fn f() -> crate::Id {}",
            "pub type Api = kube::Api<()>;",
        ] {
            assert_eq!(found(text).len(), 1, "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn what_is_inside_or_allowed_is_not_found() {
        for text in [
            "pub fn f() { gix::open(\".\"); }",
            "pub struct S { id: gix::ObjectId }",
            "pub(crate) fn f() -> gix::ObjectId {}",
            "struct S; impl From<gix::Id> for S { fn from(_: gix::Id) -> S { S } }",
            "use kube::Client; pub fn f() -> Client {}",
            "pub use kube::Client;",
            "use gitops_engine_core::ObjectId; pub fn f() -> ObjectId {}",
            "#[cfg(test)] mod tests { pub fn f() -> gix::ObjectId {} }",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }
}
