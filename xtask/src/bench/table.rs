//! The table of ratios.

use super::cases::{Case, Suite};
use super::{Line, Rounds};
use crate::tally::Tally;

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

pub(super) fn report(
    suite: &Suite,
    ours: &Rounds,
    theirs: &Rounds,
    peers_only: bool,
    wanted: impl Fn(&str) -> bool,
) -> Tally {
    let mut tally = Tally::default();
    let peer = suite.peer.name();
    println!(
        "{:<24} {:>6} {:>21} {:>21} {:>8} {:>6}  {:>21} {:>21}",
        "case",
        "runs",
        "ours: min / median",
        format!("{peer}: min / median"),
        "ratio",
        "limit",
        "ours: allocs / bytes",
        format!("{peer}: allocs / bytes")
    );
    for Case { name, peer, limit } in suite.cases.iter().filter(|case| wanted(case.name)) {
        let our = ours.get(*name).and_then(|lines| Summary::of(lines));
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
        let complaint = complaint(our, their, ratio.zip(*limit), peers_only);
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
        return Some("the bench printed no line for it".to_owned());
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

    use super::super::cases::SUITES;
    use super::super::{Line, Rounds};
    use super::{Tally, report};

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
        let tally =
            |ours: &[&str], name: &str| report(&SUITES[0], &rounds(ours), &theirs, false, |wanted| wanted == name);
        assert_eq!(tally(&[&line("plan_10k", 99, 0)], "plan_10k"), Tally::one_passed());
        assert_eq!(tally(&[&line("plan_10k", 101, 0)], "plan_10k"), Tally::one_failed());
        assert_eq!(tally(&[&line("health_10k", 9, 7)], "health_10k"), Tally::one_failed());
        assert_eq!(tally(&[], "plan_10k"), Tally::one_failed());
        assert_eq!(tally(&[&line("plan_1k", 9, 7)], "plan_1k"), Tally::one_passed());
    }
}
