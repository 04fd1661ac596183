//! Times the in-process Kubernetes API of `gitops-engine-testkit`: how long until it answers, what 100,000 objects cost,
//! and how many requests it answers, in process and over loopback, beside a real kube-apiserver.
//!
//! `cargo bench --bench testkit` runs every case of ours, `-- --only NAME` one of them, `-- --real` those of a real
//! kube-apiserver too (it needs Go or `KUBEBUILDER_ASSETS`), `-- --real --only real` these alone; with `--json` each
//! prints a line of JSON for `cargo xtask bench`, which prints the ratios.
//!
//! All servers get the same requests from the same client. Times include the counting of allocations, two atomic additions
//! for each; allocations are those of the client too, and of our server where it is in the same process.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people: printing is its output")]
#![allow(clippy::unwrap_used, reason = "the requests are made up here: a failed unwrap is a mistake in a bench")]

mod requests;
mod scale;
mod start;
mod target;

#[path = "../harness/mod.rs"]
mod harness;

use std::process::ExitCode;

use harness::{Arguments, Line};
use target::{Kind, Target};

/// A case that is about our server alone.
type Own = (&'static str, fn(&'static str) -> Line);
/// A case that any server runs: its name for each, in the order of [`Kind::ALL`].
type Shared = ([&'static str; 3], fn(&'static str, &Target) -> Line);

const OWN: [Own; 8] = [
    ("api_first_answer", start::in_process),
    ("api_first_write", start::write),
    ("api_first_answer_loopback", start::loopback),
    ("api_load_100k", scale::load),
    ("api_list_100k", scale::list),
    ("api_pages_100k", scale::pages),
    ("api_watch_100k", scale::watch),
    ("api_bytes_per_object", scale::bytes_per_object),
];

const SHARED: [Shared; 6] = [
    (["api_get", "api_get_loopback", "api_get_real"], requests::get),
    (["api_create", "api_create_loopback", "api_create_real"], requests::create),
    (["api_apply", "api_apply_loopback", "api_apply_real"], requests::apply),
    (["api_list_100", "api_list_100_loopback", "api_list_100_real"], requests::list),
    (["api_list_5k", "api_list_5k_loopback", "api_list_5k_real"], requests::long_list),
    (["api_events", "api_events_loopback", "api_events_real"], requests::events),
];

/// All cases of the real server.
const REAL: &str = "real";

fn main() -> ExitCode {
    let own = OWN.iter().map(|(name, _)| *name);
    let names: Vec<&str> = own.chain(SHARED.iter().flat_map(|(names, _)| *names)).chain([REAL]).collect();
    let arguments = match Arguments::parse("testkit", &["--real"], &names) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let (real, only) = (!arguments.flags.is_empty(), arguments.only.as_deref());
    let wanted = |name: &str| only.is_none_or(|only| only == name || (only == REAL && name.ends_with("_real")));
    for (name, case) in OWN.into_iter().filter(|(name, _)| wanted(name)) {
        arguments.show(&case(name));
    }
    // One server at a time: an idle kube-apiserver is not idle.
    for (at, kind) in Kind::ALL.into_iter().enumerate() {
        if (kind == Kind::Real && !real) || !SHARED.iter().any(|(names, _)| wanted(names[at])) {
            continue;
        }
        let target = match Target::start(kind) {
            Ok(target) => target,
            Err(error) => {
                eprintln!("cannot start a server: {error}");
                return ExitCode::FAILURE;
            }
        };
        for (names, case) in SHARED.into_iter().filter(|(names, _)| wanted(names[at])) {
            arguments.show(&case(names[at], &target));
        }
    }
    ExitCode::SUCCESS
}
