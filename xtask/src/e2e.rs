//! `cargo xtask e2e`: the end-to-end suite of the root package, on either kind of cluster.
//!
//! The suite reads `GITOPS_ENGINE_E2E`: `embedded` or `real`. What it lacks is an error here: see `tests/e2e`.

use crate::arguments::Arguments;
use crate::cargo::{cargo, test};
use crate::control_plane;
use crate::programs;
use crate::tally::Tally;

/// What the suite is told by.
const VARIABLE: &str = "GITOPS_ENGINE_E2E";
/// That nothing may be left out.
const STRICT: &str = "GITOPS_ENGINE_E2E_STRICT";

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let real = arguments.flag("--real");
    let filter = arguments.word();
    arguments.end()?;

    let mut tally = Tally::default();
    let mut suite = cargo();
    suite.args(["test", "--package", "gitops-engine", "--test", "e2e"]);
    if real {
        let assets = control_plane::binaries()?.folder().to_owned();
        if filter.is_none() {
            // First that the harness itself can be trusted.
            let mut harness = cargo();
            harness
                .args(["test", "--package", "gitops-engine-testkit"])
                .args(["--features", "control-plane", "--test", "control_plane"])
                .args(["--", "--include-ignored"])
                .env("KUBEBUILDER_ASSETS", &assets);
            tally += test(&mut harness)?;
        }
        suite.env("KUBEBUILDER_ASSETS", &assets).env(VARIABLE, "real");
    } else {
        suite.env(VARIABLE, "embedded");
    }
    // Whoever asks for the suite gets all of it: what is ignored or left out elsewhere runs here.
    suite.env(STRICT, "1").envs(programs::install()?);
    suite.args(["--", "--include-ignored"]).args(filter);
    let of_suite = test(&mut suite)?;
    if of_suite == Tally::default() {
        eprintln!("error: no end-to-end case ran");
        tally += Tally::one_failed();
    }
    tally += of_suite;
    if tally.ignored > 0 {
        eprintln!("error: {} cases did not run", tally.ignored);
    }
    Ok(tally.strict())
}
