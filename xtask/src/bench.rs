//! `cargo xtask bench`: our benches and the peers', in turn, so that both meet the same machine.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

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

/// A case of the table.
struct Case {
    name: &'static str,
    /// The case of the peer that does the same work, where there is one.
    peer: Option<&'static str>,
    /// The part of the peer's time that ours may take.
    limit: Option<f64>,
}

impl Case {
    const fn beside(name: &'static str, peer: &'static str, limit: Option<f64>) -> Self {
        Self { name, peer: Some(peer), limit }
    }

    const fn ours(name: &'static str) -> Self {
        Self { name, peer: None, limit: None }
    }
}

/// The first plan and the whole pass do more than the peer's `Sync()`, which is told what is unchanged; the last ones are
/// ours alone, or `serde_json` beside us.
const CASES: [Case; 13] = [
    Case::beside("plan_1k", "plan_1k", Some(0.1)),
    Case::beside("plan_10k", "plan_10k", Some(0.1)),
    Case::beside("plan_10k_waves", "plan_10k_waves", Some(0.1)),
    Case::beside("plan_10k_first", "plan_10k", None),
    Case::beside("pass_10k", "plan_10k", None),
    Case::ours("replan_one_change_10k"),
    Case::beside("diff_three_way_1k", "diff_three_way_1k", Some(0.05)),
    Case::beside("health_10k", "health_10k", Some(0.1)),
    Case::ours("parse_pod_8k"),
    Case::ours("parse_pod_8k_serde_json"),
    Case::ours("bytes_per_pod"),
    Case::ours("bytes_per_pod_serde_json"),
    Case::ours("bytes_per_index_node"),
];

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
    let chosen = match &only {
        None => None,
        Some(only) => Some(CASES.iter().find(|case| case.name == only).with_context(|| {
            let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
            format!("there is no case `{only}`: {}", names.join(", "))
        })?),
    };

    let objects = root().join("target/bench-objects");
    let peer = if without_peers {
        None
    } else {
        peers::write_objects(&objects)?;
        Some(peers::build()?)
    };
    if !peers_only {
        // So that the first round does not compile beside the clock.
        if !follow(cargo().args(["bench", "--bench", "engine", "--no-run"]), |_| {})? {
            bail!("the bench `engine` does not compile");
        }
    }

    let (mut ours, mut theirs) = (Rounds::new(), Rounds::new());
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        if !peers_only {
            let mut command = cargo();
            command.args(["bench", "--quiet", "--bench", "engine", "--", "--json"]);
            if let Some(only) = &only {
                command.args(["--only", only]);
            }
            collect(&mut command, &mut ours)?;
        }
        if let Some(program) = &peer
            && chosen.is_none_or(|case| case.peer.is_some())
        {
            let mut command = Command::new(program);
            command.arg("-objects").arg(&objects);
            if let Some(peer) = chosen.and_then(|case| case.peer) {
                command.args(["-only", peer]);
            }
            collect(&mut command, &mut theirs)?;
        }
    }
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    Ok(report(&ours, &theirs, peers_only, wanted))
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

/// All rounds of one case.
#[derive(Clone, Copy)]
struct Summary {
    min: u64,
    median: u64,
    iterations: u64,
    allocs: u64,
    bytes: u64,
    result: Option<u64>,
}

impl Summary {
    fn of(lines: &[Line]) -> Option<Self> {
        let last = lines.last()?;
        let mut medians: Vec<u64> = lines.iter().map(|line| line.ns_median).collect();
        medians.sort_unstable();
        Some(Self {
            min: lines.iter().map(|line| line.ns_min).min()?,
            median: medians[medians.len() / 2],
            iterations: lines.iter().map(|line| line.iterations).sum(),
            allocs: last.allocs,
            bytes: last.bytes,
            result: last.result,
        })
    }
}

fn report(ours: &Rounds, theirs: &Rounds, peers_only: bool, wanted: impl Fn(&str) -> bool) -> Tally {
    let mut tally = Tally::default();
    println!(
        "{:<24} {:>6} {:>21} {:>21} {:>8} {:>6}  {:>21} {:>21}",
        "case",
        "runs",
        "ours: min / median",
        "Go: min / median",
        "ratio",
        "limit",
        "ours: allocs / bytes",
        "Go: allocs / bytes"
    );
    for Case { name, peer, limit } in CASES.into_iter().filter(|case| wanted(case.name)) {
        let our = ours.get(name).and_then(|lines| Summary::of(lines));
        let their = peer.and_then(|peer| Summary::of(theirs.get(peer)?));
        if our.is_none() && (peers_only && their.is_none()) {
            continue;
        }
        let ratio = our.zip(their).map(|(our, their)| our.median as f64 / their.median.max(1) as f64);
        println!(
            "{name:<24} {:>6} {:>21} {:>21} {:>8} {:>6}  {:>21} {:>21}",
            our.or(their).map_or(0, |summary| summary.iterations),
            times(our),
            times(their),
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.4}")),
            limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string()),
            memory(our),
            memory(their),
        );
        let complaint = complaint(our, their, ratio.zip(limit), peers_only);
        if let Some(complaint) = &complaint {
            println!("{name:<24} FAILED: {complaint}");
        }
        tally.case(complaint.is_none());
    }
    tally
}

fn complaint(
    our: Option<Summary>,
    their: Option<Summary>,
    limited: Option<(f64, f64)>,
    peers_only: bool,
) -> Option<String> {
    if our.is_none() && !peers_only {
        return Some("the bench `engine` printed no line for it".to_owned());
    }
    if let (Some(our), Some(their)) = (our.and_then(|s| s.result), their.and_then(|s| s.result))
        && our != their
    {
        return Some(format!("not the same work: we came to {our}, the peer to {their}"));
    }
    match limited {
        Some((ratio, limit)) if ratio > limit => {
            Some(format!("{ratio:.3} of the peer's time, more than the {limit} that is allowed"))
        }
        _ => None,
    }
}

fn times(summary: Option<Summary>) -> String {
    summary.map_or_else(|| "-".to_owned(), |summary| format!("{} / {}", time(summary.min), time(summary.median)))
}

fn time(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        1e9.. => format!("{:.2} s", ns / 1e9),
        1e6.. => format!("{:.2} ms", ns / 1e6),
        1e3.. => format!("{:.2} µs", ns / 1e3),
        _ => format!("{ns} ns"),
    }
}

fn memory(summary: Option<Summary>) -> String {
    summary.map_or_else(|| "-".to_owned(), |summary| format!("{} / {}", summary.allocs, bytes(summary.bytes)))
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::{Line, Rounds, Tally, report};

    fn rounds(lines: &[&str]) -> Rounds {
        let mut rounds = Rounds::new();
        for line in lines {
            let line: Line = serde_json::from_str(line).unwrap();
            rounds.entry(line.name.clone()).or_default().push(line);
        }
        rounds
    }

    fn line(name: &str, median: u64, result: u64) -> String {
        format!(
            r#"{{"name":"{name}","iterations":5,"ns_min":1,"ns_median":{median},"allocs":1,"bytes":2,"result":{result}}}"#
        )
    }

    #[test]
    fn a_case_fails_by_its_limit_its_result_or_its_absence() {
        let theirs = rounds(&[&line("plan_10k", 1_000, 0), &line("health_10k", 1_000, 8)]);
        let tally = |ours: &[&str], name: &str| report(&rounds(ours), &theirs, false, |wanted| wanted == name);
        assert_eq!(tally(&[&line("plan_10k", 99, 0)], "plan_10k"), Tally::one_passed());
        assert_eq!(tally(&[&line("plan_10k", 101, 0)], "plan_10k"), Tally::one_failed());
        assert_eq!(tally(&[&line("health_10k", 9, 7)], "health_10k"), Tally::one_failed());
        assert_eq!(tally(&[], "plan_10k"), Tally::one_failed());
        assert_eq!(tally(&[&line("plan_1k", 9, 7)], "plan_1k"), Tally::one_passed());
    }
}
