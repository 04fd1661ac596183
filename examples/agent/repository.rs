//! The demo's Git repository: made in a temporary folder, without a git program.

use std::path::Path;

use anyhow::Result;
use gitops_engine::Revision;
use gitops_engine::core::Timestamp;
use gitops_engine::git::write::{Change, LocalRepository, Signature};

macro_rules! demo {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../demo/", $name)))),*]
    };
}

/// The shop, as it is first committed.
pub(crate) const SHOP: &[(&str, &str)] = demo![
    "namespace.yaml",
    "discounts.yaml",
    "settings.yaml",
    "database.yaml",
    "migrate.yaml",
    "web.yaml",
    "banner.yaml",
];
/// A new version of the web shop.
pub(crate) const NEXT: &[(&str, &str)] = &[("web.yaml", include_str!("../demo/changes/web.yaml"))];
/// Two files that are broken in two ways.
pub(crate) const BROKEN: &[(&str, &str)] = &[
    ("settings.yaml", include_str!("../demo/changes/broken-settings.yaml")),
    ("web.yaml", include_str!("../demo/changes/broken-web.yaml")),
];

pub(crate) const BRANCH: &str = "main";

/// A repository whose directory `shop/` is the desired state.
pub(crate) struct Repository(LocalRepository);

impl Repository {
    pub(crate) fn init(folder: &Path) -> Result<Self> {
        Ok(Self(LocalRepository::init(folder)?))
    }

    pub(crate) fn commit(&self, message: &str, files: &[(&str, &str)], removed: &[&str]) -> Result<Revision> {
        let written = files.iter().map(|(name, text)| Change::file(&format!("shop/{name}"), text.as_bytes().to_vec()));
        let removed = removed.iter().map(|name| Change::remove(&format!("shop/{name}")));
        let changes = written.chain(removed).collect::<Result<Vec<_>, _>>()?;
        let author = Signature::new("Demo", "demo@example.com", Timestamp::now());
        Ok(self.0.commit(BRANCH, message, &author, &changes)?)
    }
}
