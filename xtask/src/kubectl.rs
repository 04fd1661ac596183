//! `cargo xtask kubectl`: what kubectl says to the in-process API server on a loopback socket, held against what it says
//! to a real one.
//!
//! `script.txt` is a list of commands in sections. `real.txt` is what they printed on a real control plane, without ages,
//! addresses and generated names; `--real --record` writes it. Without `--real` the same commands run on the in-process
//! API; with it they run on a real control plane, so that the record itself is proven.

mod outcome;
mod program;
mod script;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use gitops_engine_testkit::Cluster;
use gitops_engine_testkit::control_plane::{ControlPlane, ControlPlaneUser};

use crate::arguments::Arguments;
use crate::cargo::root;
use crate::control_plane;
use crate::tally::Tally;

use outcome::{Record, difference};
use script::{Kubectl, Section};

const SCRIPT: &str = "xtask/src/kubectl/script.txt";
const RECORD: &str = "xtask/src/kubectl/real.txt";

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let real = arguments.flag("--real");
    let record = arguments.flag("--record");
    let filter = arguments.word();
    arguments.end()?;
    ensure!(!record || (real && filter.is_none()), "--record goes with --real, and without a filter");
    let program = program::find()?;
    let samples = samples()?;
    let script = read(SCRIPT)?;
    let sections = script::parse(&script)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir().context("cannot make a folder for kubectl")?;
    let kubectl = |config: PathBuf| Kubectl::new(&program, folder.path(), config, &samples);
    let began = Instant::now();
    let outcomes = if real {
        let binaries = control_plane::binaries()?;
        let plane = runtime.block_on(ControlPlane::builder().binaries(binaries).start())?;
        play(&kubectl(plane.kubeconfig_path(ControlPlaneUser::Admin).to_owned())?, &sections, filter.as_deref())?
    } else {
        let cluster = Cluster::builder().build();
        let server = runtime.block_on(cluster.serve()).context("cannot listen on a loopback port")?;
        let config = folder.path().join("kubeconfig");
        std::fs::write(&config, server.kubeconfig()).context("cannot write a kubeconfig")?;
        play(&kubectl(config)?, &sections, filter.as_deref())?
    };
    if record {
        std::fs::write(root().join(RECORD), outcome::write(&outcomes)).context("cannot write the record")?;
        println!("recorded {} sections in {RECORD}", outcomes.len());
    }
    let expected = outcome::read(&read(RECORD)?)?;
    let mut tally = Tally::default();
    for outcome in &outcomes {
        let wanted = expected.iter().find(|record| record.section == outcome.section);
        let difference = difference(wanted, outcome);
        println!("{} {}", if difference.is_none() { "ok    " } else { "FAILED" }, outcome.section);
        if let Some(text) = &difference {
            println!("{text}");
        }
        tally.case(difference.is_none());
    }
    let commands: usize = outcomes.iter().map(|o| o.steps.len()).sum();
    println!("{commands} commands of {} in {:.1} s", program.display(), began.elapsed().as_secs_f64());
    Ok(tally)
}

/// Runs the sections in order. A filter leaves out only what nothing else stands on.
fn play(kubectl: &Kubectl, sections: &[Section], filter: Option<&str>) -> anyhow::Result<Vec<Record>> {
    let wanted = |section: &Section| section.is_needed || filter.is_none_or(|f| section.name.contains(f));
    let outcomes =
        sections.iter().filter(|s| wanted(s)).map(|s| kubectl.play(s)).collect::<anyhow::Result<Vec<_>>>()?;
    if outcomes.is_empty() {
        bail!("no section has that in its name");
    }
    Ok(outcomes)
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// The manifests of a real application.
fn samples() -> anyhow::Result<PathBuf> {
    const VARIABLE: &str = "GITOPS_ENGINE_SHARED_DATA";
    let folder = std::env::var_os(VARIABLE).map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let folder = folder.join("microservices-demo/kubernetes-manifests");
    if !folder.is_dir() {
        bail!("there is no sample data at {}: name the folder of the samples with {VARIABLE}", folder.display());
    }
    Path::canonicalize(&folder).with_context(|| format!("cannot find {}", folder.display()))
}
