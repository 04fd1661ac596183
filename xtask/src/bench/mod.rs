//! `cargo xtask bench`: our benches and the peers', in turn, so that both meet the same machine.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

mod cases;
mod table;

use cases::{Peer, SUITES, Suite};

use crate::arguments::Arguments;
use crate::cargo::{cargo, follow, root};
use crate::peers;
use crate::tally::Tally;

/// What either side prints for each case, as one line of JSON.
#[derive(Clone, Debug, Deserialize)]
struct Line {
    name: String,
    iterations: u64,
    /// Nanoseconds of one iteration.
    ns_min: u64,
    ns_median: u64,
    /// Allocations and their bytes in one iteration. For the cases `bytes_per_...`, what is held by one item.
    allocs: u64,
    bytes: u64,
    /// What the work came to: the same on both sides, or they did not do the same.
    result: Option<u64>,
}

/// Every line of one case, one for each round.
type Rounds = BTreeMap<String, Vec<Line>>;

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let rounds = arguments.count("--rounds", 3)?;
    let only = arguments.value("--only")?;
    let peers_only = arguments.flag("--peers-only");
    let without_peers = arguments.flag("--without-peers");
    arguments.end()?;
    if peers_only && without_peers {
        bail!("--peers-only and --without-peers leave nothing to run");
    }
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let suites: Vec<&Suite> = SUITES.iter().filter(|suite| suite.cases.iter().any(|case| wanted(case.name))).collect();
    if suites.is_empty() {
        let names: Vec<&str> = SUITES.iter().flat_map(|suite| suite.cases).map(|case| case.name).collect();
        bail!("there is no case `{}`: {}", only.unwrap_or_default(), names.join(", "));
    }
    let mut tally = Tally::default();
    for suite in suites {
        let plan = Plan { suite, rounds, only: only.as_deref(), ours: !peers_only, peers: !without_peers };
        let (ours, theirs) = plan.run()?;
        tally += table::report(suite, &ours, &theirs, peers_only, wanted);
    }
    Ok(tally)
}

/// What to run of one suite.
struct Plan<'a> {
    suite: &'a Suite,
    rounds: usize,
    only: Option<&'a str>,
    ours: bool,
    peers: bool,
}

impl Plan<'_> {
    /// All rounds: ours and the peer's in turn.
    fn run(&self) -> anyhow::Result<(Rounds, Rounds)> {
        let bench = self.suite.bench;
        let objects = root().join("target/bench-objects");
        let go = if self.peers && self.suite.peer == Peer::Go {
            peers::write_objects(&objects)?;
            Some(peers::build()?)
        } else {
            None
        };
        let assets = match self.suite.peer {
            Peer::KubeApiServer if self.peers => Some(crate::control_plane::binaries()?),
            _ => None,
        };
        let runs = self.ours || assets.is_some();
        // So that the first round does not compile beside the clock.
        if runs && !follow(cargo().args(["bench", "--bench", bench, "--no-run"]), |_| {})? {
            bail!("the bench `{bench}` does not compile");
        }
        let chosen = self.only.and_then(|only| self.suite.cases.iter().find(|case| case.name == only));
        let beside = chosen.and_then(|case| case.peer);
        let (mut ours, mut theirs) = (Rounds::new(), Rounds::new());
        for round in 1..=self.rounds {
            eprintln!("{bench}: round {round} of {}", self.rounds);
            if self.ours {
                collect(bench_command(bench).args(self.only.map(|only| ["--only", only]).iter().flatten()), &mut ours)?;
            }
            if chosen.is_some_and(|case| case.peer.is_none()) {
                continue;
            }
            if let Some(program) = &go {
                let mut command = Command::new(program);
                command.arg("-objects").arg(&objects).args(beside.map(|name| ["-only", name]).iter().flatten());
                collect(&mut command, &mut theirs)?;
            }
            if let Some(assets) = &assets {
                let mut command = bench_command(bench);
                command.arg("--real").env("KUBEBUILDER_ASSETS", assets.folder());
                command.args(["--only", beside.unwrap_or("real")]);
                collect(&mut command, &mut theirs)?;
            }
        }
        Ok((ours, theirs))
    }
}

fn bench_command(bench: &str) -> Command {
    let mut command = cargo();
    command.args(["bench", "--quiet", "--bench", bench, "--", "--json"]);
    command
}

fn collect(command: &mut Command, into: &mut Rounds) -> anyhow::Result<()> {
    let mut broken = None;
    let succeeded = follow(command, |line| {
        if !line.starts_with('{') {
            return;
        }
        match serde_json::from_str::<Line>(line) {
            Ok(read) => into.entry(read.name.clone()).or_default().push(read),
            Err(error) => broken = Some(anyhow::Error::new(error).context(line.to_owned())),
        }
    })?;
    if let Some(error) = broken {
        return Err(error).context("a bench printed a line that is not understood");
    }
    if !succeeded {
        bail!("a bench failed: {command:?}");
    }
    Ok(())
}
