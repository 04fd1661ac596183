//! `cargo xtask api-suite`: one suite of cases on the in-process API and on a real control plane.

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use gitops_engine_testkit::Cluster;
use gitops_engine_testkit::conformance::{DIFFERENCES, Report, Suite};
use gitops_engine_testkit::control_plane::{ControlPlane, ControlPlaneUser};

use crate::arguments::Arguments;
use crate::control_plane;
use crate::tally::Tally;

/// How many slow cases are worth a line.
const SLOWEST: usize = 5;

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let real = arguments.flag("--real");
    let filter = arguments.word().unwrap_or_default();
    arguments.end()?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all();
    let began = Instant::now();
    let report = if real {
        let binaries = control_plane::binaries()?;
        runtime.build()?.block_on(async {
            let plane = Arc::new(ControlPlane::builder().binaries(binaries).start().await?);
            let client = plane.plain_client(ControlPlaneUser::Admin).await?;
            let compacted = plane.clone();
            let compact = move || {
                let plane = compacted.clone();
                async move { plane.compact().await.map_err(|e| e.to_string()) }.boxed()
            };
            // What the cases leave goes with the control plane.
            let suite = Suite::new(client).filter(filter).with_controllers().compact_with(compact);
            anyhow::Ok(suite.leave_everything().run().await)
        })?
    } else {
        // A paused clock: nothing waits for the controllers.
        runtime.start_paused(true).build()?.block_on(async {
            let cluster = Cluster::builder().build();
            Suite::in_process(&cluster).filter(filter).tolerate(DIFFERENCES).run().await
        })
    };
    print!("{}", shown(&report));
    println!("{} cases in {:.1} s", report.cases().len(), began.elapsed().as_secs_f64());
    // What could not run did not pass.
    Ok(Tally { passed: report.passed(), failed: report.failed(), ignored: report.skipped() }.strict())
}

/// The report without its last line, which is ours, and with the slowest cases.
fn shown(report: &Report) -> String {
    let text = report.to_string();
    let mut out = text.rsplit_once('\n').map(|(rest, _)| format!("{rest}\n")).unwrap_or_default();
    let mut slowest: Vec<_> = report.cases().iter().collect();
    slowest.sort_by_key(|case| std::cmp::Reverse(case.took));
    for case in slowest.iter().take(SLOWEST) {
        out.push_str(&format!("{:6.2} s {}\n", case.took.as_secs_f64(), case.name));
    }
    out
}
