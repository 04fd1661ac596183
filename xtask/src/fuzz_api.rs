//! `cargo xtask fuzz-api`: malformed requests for as long as one likes.

use crate::arguments::Arguments;
use crate::cargo::{cargo, test};
use crate::tally::Tally;

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let mut fuzz = cargo();
    fuzz.args(["test", "--package", "gitops-engine-testkit", "--test", "fuzz", "--", "--nocapture"]);
    for (option, variable) in [
        ("--minutes", "GITOPS_ENGINE_FUZZ_MINUTES"),
        ("--cases", "GITOPS_ENGINE_FUZZ_CASES"),
        ("--seed", "GITOPS_ENGINE_FUZZ_SEED"),
    ] {
        // The limit of time is a minute unless it is given.
        if let Some(value) = arguments.value(option)? {
            let number: u64 = value.parse().map_err(|_| anyhow::anyhow!("{option} wants a number, not `{value}`"))?;
            fuzz.env(variable, number.to_string());
        }
    }
    arguments.end()?;
    test(&mut fuzz)
}
