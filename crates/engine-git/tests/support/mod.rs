//! What the tests share: a repository with a small history.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its own part")]

pub(crate) mod git_server;
pub(crate) mod upload_pack;

use std::path::{Path, PathBuf};

use gitops_engine_core::{Revision, Timestamp};
use gitops_engine_git::write::{Change, LocalRepository, Signature};

/// Someone, at a time.
pub(crate) fn at(second: i64) -> Signature {
    Signature::new("Ada", "ada@example.org", Timestamp::from_second(1_700_000_000 + second).unwrap())
}

pub(crate) fn file(path: &str, content: &str) -> Change {
    Change::file(path, content.to_owned()).unwrap()
}

/// A repository of a shop: three commits on main, one on a branch, tags of each kind.
pub(crate) struct Shop {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) repo: LocalRepository,
    pub(crate) first: Revision,
    pub(crate) second: Revision,
    pub(crate) third: Revision,
    pub(crate) feature: Revision,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::build(LocalRepository::init)
    }

    pub(crate) fn with_worktree() -> Self {
        Self::build(LocalRepository::init_with_worktree)
    }

    fn build(init: fn(&Path) -> gitops_engine_core::Result<LocalRepository>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = init(&dir.path().join("shop")).unwrap();
        let start = [
            file("web/deployment.yaml", "kind: Deployment\n"),
            file("web/service.yaml", "kind: Service\n"),
            file("db/statefulset.yaml", "kind: StatefulSet\n"),
            file("README.md", "# Shop\n"),
            Change::symlink("web/link.yaml", "../db/statefulset.yaml").unwrap(),
            Change::executable("run.sh", "#!/bin/sh\n").unwrap(),
        ];
        let first = repo.commit("main", "Start\n\nThe shop opens.\n", &at(0), &start).unwrap();
        let second = repo
            .commit("main", "Grow the web", &at(10), &[file("web/deployment.yaml", "kind: Deployment\nspec: {}\n")])
            .unwrap();
        repo.set_branch("feature/x", &second).unwrap();
        let feature = repo.commit("feature/x", "Try", &at(15), &[file("feature.yaml", "kind: ConfigMap\n")]).unwrap();
        let third = repo
            .commit(
                "main",
                "Move the database",
                &at(20),
                &[Change::remove("db/statefulset.yaml").unwrap(), file("db/sts.yaml", "kind: StatefulSet\n")],
            )
            .unwrap();
        repo.tag("v1.0.0", &first).unwrap();
        repo.annotated_tag("v1.1.0", &second, "One point one\n", &at(11)).unwrap();
        repo.tag("v2.0.0-rc.1", &third).unwrap();
        repo.tag("nightly", &third).unwrap();
        repo.set_reference("refs/pull/7/head", &feature).unwrap();
        Self { dir, repo, first, second, third, feature }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("shop")
    }

    pub(crate) fn url(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }
}

/// Runs the tests of this binary again with nothing in the environment: no PATH, no HOME, no Git configuration.
pub(crate) fn again_with_an_empty_environment() {
    if std::env::var_os("PATH").is_none_or(|path| path.is_empty()) {
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .env_clear()
        .env("PATH", "")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
