//! `cargo xtask control-plane`.

use gitops_engine_testkit::control_plane::{BinariesState, ControlPlane, ControlPlaneBinaries, ControlPlaneUser};

use crate::arguments::Arguments;
use crate::tally::Tally;

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let build_only = arguments.flag("--build-only");
    arguments.end()?;
    let binaries = binaries()?;
    if build_only {
        println!("export KUBEBUILDER_ASSETS={}", binaries.folder().display());
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(binaries))?;
    }
    Ok(Tally::one_passed())
}

/// The programs, built now when they have to be, which takes long enough to say so.
pub(crate) fn binaries() -> anyhow::Result<ControlPlaneBinaries> {
    if let BinariesState::MustBuild { folder } = ControlPlaneBinaries::look()? {
        eprintln!("building a control plane into {}: some four to six minutes on two cores, once", folder.display());
    }
    Ok(ControlPlaneBinaries::find()?)
}

async fn serve(binaries: ControlPlaneBinaries) -> anyhow::Result<()> {
    let interrupted = interrupted()?;
    tokio::pin!(interrupted);
    let began = std::time::Instant::now();
    let start = ControlPlane::builder().binaries(binaries).start();
    let plane = tokio::select! {
        plane = start => plane?,
        () = &mut interrupted => return Ok(()),
    };
    eprintln!("a control plane at {}, ready after {:.1} s, until Ctrl-C", plane.url(), began.elapsed().as_secs_f64());
    println!("export KUBECONFIG={}", plane.kubeconfig_path(ControlPlaneUser::Admin).display());
    interrupted.await;
    eprintln!("ending it");
    Ok(())
}

/// Ctrl-C, or the polite way to end a process.
fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
