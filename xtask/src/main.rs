//! `cargo xtask`: the one door for everything heavier than `cargo test`.
//!
//! Each command prints what it ran, and as its last line how many cases: `N passed, N failed`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for people: printing is its output

mod api_differential;
mod api_suite;
mod arguments;
mod bench;
mod cargo;
mod control_plane;
mod differential;
mod docs;
mod e2e;
mod fuzz_api;
mod kubectl;
mod layers;
mod lint;
mod openapi;
mod peers;
mod programs;
mod signatures;
mod source;
mod tally;

#[path = "../../benches/objects/mod.rs"]
#[allow(dead_code, unreachable_pub)] // a module of the benches too, which use the rest
mod objects;

use std::process::ExitCode;

use arguments::Arguments;
use tally::Tally;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  e2e [--real] [FILTER]            the end-to-end suite, on the in-process API or on a real control plane
  api-suite [--real] [FILTER]      how a Kubernetes API behaves, on the in-process API or on a real control plane
  api-differential [--programs N] [--seed S] [--only AREA] [--start K] [--shown N]
                                   random programs on the in-process API and on a real API server give equal answers
  kubectl [--real [--record]] [FILTER]
                                   what kubectl says to the in-process API, held against what it says to a real one
  fuzz-api [--minutes N] [--cases N] [--seed S]
                                   malformed requests to the in-process API: every one is answered
  control-plane [--build-only]     a real control plane for yourself, until Ctrl-C
  openapi [--check]                writes the types and the discovery that gitops-engine-schema ships, as a real control
                                   plane serves them; --check: whether they are what it serves
  bench [--rounds N] [--only NAME] [--peers-only | --without-peers]
                                   our benches and the Go engine's in turn, as one table of ratios
  differential [--cases N] [--seed S] [--only health|diff|order|hooks|yaml]
                                   our pure functions and the peers' own, on the same generated questions
  lint [--fast]                    formatting, Clippy, layers, dependencies; --fast leaves Clippy out
  layers                           what may depend on what, and what each place of the code may touch
  docs [--files-only]              that links, names and examples in documents are true, and `cargo doc`

Programs that are built once are kept in $GITOPS_ENGINE_CACHE (~/.cache/gitops-engine). A real control plane
is taken from $KUBEBUILDER_ASSETS when that is set, and built with Go otherwise; kustomize and helm from
$GITOPS_ENGINE_TEST_KUSTOMIZE and $GITOPS_ENGINE_TEST_HELM likewise. The end-to-end suite takes manifests of other
projects from $GITOPS_ENGINE_SHARED_DATA (../shared/data).
";

fn main() -> ExitCode {
    match run(Arguments::new(std::env::args().skip(1))) {
        Ok(Some(tally)) => {
            println!("{tally}");
            if tally.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            // What could not run did not pass.
            println!("{}", Tally::one_failed());
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments) -> anyhow::Result<Option<Tally>> {
    match arguments.word().as_deref() {
        Some("e2e") => e2e::run(arguments).map(Some),
        Some("api-suite") => api_suite::run(arguments).map(Some),
        Some("api-differential") => api_differential::run(arguments).map(Some),
        Some("control-plane") => control_plane::run(arguments).map(Some),
        Some("openapi") => openapi::run(arguments).map(Some),
        Some("kubectl") => kubectl::run(arguments).map(Some),
        Some("fuzz-api") => fuzz_api::run(arguments).map(Some),
        Some("bench") => bench::run(arguments).map(Some),
        Some("differential") => differential::run(arguments).map(Some),
        Some("lint") => lint::run(arguments).map(Some),
        Some("layers") => layers::run(arguments).map(Some),
        Some("docs") => docs::run(arguments).map(Some),
        Some("help") => {
            print!("{USAGE}");
            Ok(None)
        }
        Some(other) => anyhow::bail!("there is no command `{other}`\n\n{USAGE}"),
        None => {
            if arguments.flag("--help") {
                print!("{USAGE}");
                return Ok(None);
            }
            anyhow::bail!("say what to run\n\n{USAGE}")
        }
    }
}
