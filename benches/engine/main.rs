//! Times our engine at the work that `benches/peers` times the Go engine at, on the same objects, and counts what it
//! allocates.
//!
//! `cargo bench --bench engine` runs every case, `-- --only NAME` one of them; with `--json` each prints a line of JSON
//! for `cargo xtask bench`, which runs both engines in turn and prints the ratios.
//!
//! Times include the counting of allocations, two atomic additions for each.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people: printing is its output")]
#![allow(clippy::unwrap_used, reason = "the objects are made up here: a failed unwrap is a mistake in a bench")]

mod cluster;
mod compare;
mod memory;
mod plans;

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "shared with the bench `testkit`, which uses the rest")]
mod harness;

#[path = "../objects/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with xtask, which uses the rest")]
mod objects;

use std::process::ExitCode;

use harness::{Arguments, Line};

/// A case: what it is called, and what runs it.
type Case = (&'static str, fn() -> Line);

const CASES: [Case; 13] = [
    ("plan_1k", || plans::unchanged("plan_1k", 1_000, None)),
    ("plan_10k", || plans::unchanged("plan_10k", 10_000, None)),
    ("plan_10k_waves", || plans::unchanged("plan_10k_waves", 10_000, Some(11))),
    ("plan_10k_first", || plans::first("plan_10k_first", 10_000)),
    ("pass_10k", || plans::pass("pass_10k", 10_000)),
    ("replan_one_change_10k", || plans::one_change("replan_one_change_10k", 10_000)),
    ("diff_three_way_1k", || compare::three_way_diff("diff_three_way_1k", 1_000)),
    ("health_10k", || compare::health("health_10k", 10_000)),
    ("parse_pod_8k", || memory::parse("parse_pod_8k", 1_000)),
    ("parse_pod_8k_serde_json", || memory::parse_serde_json("parse_pod_8k_serde_json", 1_000)),
    ("bytes_per_pod", || memory::pod("bytes_per_pod", 1_000)),
    ("bytes_per_pod_serde_json", || memory::pod_serde_json("bytes_per_pod_serde_json", 1_000)),
    ("bytes_per_index_node", || cluster::index_node("bytes_per_index_node", 12_000)),
];

fn main() -> ExitCode {
    let names = CASES.map(|(name, _)| name);
    let arguments = match Arguments::parse("engine", &[], &names) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    for (name, case) in CASES {
        if arguments.only.as_deref().is_none_or(|only| only == name) {
            arguments.show(&case());
        }
    }
    ExitCode::SUCCESS
}
