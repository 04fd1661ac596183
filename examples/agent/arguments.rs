//! The command line.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use gitops_engine::manifest::{Program, Programs};

pub(crate) const USAGE: &str = "\
usage: agent [OPTIONS]

Without --repo: a demonstration on an embedded cluster, in five acts.

  --repo URL        the Git repository: a path or a URL
  --revision REV    a branch, tag, commit, refs/… or semver:RANGE (default: HEAD)
  --path PATH       the directory of the repository (default: its root)
  --name NAME       the name of the application (default: agent)
  --namespace NS    the namespace of objects that name none (default: default)
  --context CTX     a cluster of your kubeconfig; `current` for the present one
                    (default: an embedded cluster)
  --allow PROGRAM=PATH
                    allow an external generator: kustomize, kubectl or helm
  --plan-only       print what would be done, and why; write nothing
  --watch           go on until Ctrl-C: new commits, drift
  --json            events, or the plan, as JSON lines
  --help            this page
";

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) repository: Option<String>,
    pub(crate) revision: String,
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) context: Option<String>,
    pub(crate) programs: Programs,
    pub(crate) plan_only: bool,
    pub(crate) watch: bool,
    pub(crate) json: bool,
}

impl Arguments {
    /// `None` when help is asked for.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Option<Self>> {
        let mut parsed = Self { name: "agent".into(), namespace: "default".into(), ..Self::default() };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--repo" => parsed.repository = Some(value()?),
                "--revision" => parsed.revision = value()?,
                "--path" => parsed.path = value()?,
                "--name" => parsed.name = value()?,
                "--namespace" => parsed.namespace = value()?,
                "--context" => parsed.context = Some(value()?),
                "--allow" => parsed.programs = allow(parsed.programs, &value()?)?,
                "--plan-only" => parsed.plan_only = true,
                "--watch" => parsed.watch = true,
                "--json" => parsed.json = true,
                "--help" | "-h" => return Ok(None),
                other => bail!("there is no option {other:?}"),
            }
        }
        if parsed.repository.is_none() && (parsed.plan_only || parsed.watch || parsed.context.is_some()) {
            bail!("--plan-only, --watch and --context need --repo");
        }
        Ok(Some(parsed))
    }
}

fn allow(programs: Programs, text: &str) -> anyhow::Result<Programs> {
    let (name, path) = text.split_once('=').context("--allow wants PROGRAM=PATH, such as helm=/usr/local/bin/helm")?;
    let program = match name {
        "kustomize" => Program::Kustomize,
        "kubectl" => Program::Kubectl,
        "helm" => Program::Helm,
        other => bail!("{other:?} is none of kustomize, kubectl, helm"),
    };
    Ok(programs.allow(program, PathBuf::from(path)))
}
