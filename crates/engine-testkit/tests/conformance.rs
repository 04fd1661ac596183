//! The in-process API is held against the conformance suite; `cargo xtask api-suite --real` holds a real one against it.

use gitops_engine_testkit::{
    Cluster,
    conformance::{DIFFERENCES, Suite},
};

#[tokio::test(start_paused = true)]
async fn the_in_process_api_passes() {
    let cluster = Cluster::builder().build();
    let report = Suite::in_process(&cluster).tolerate(DIFFERENCES).run().await;
    assert!(report.is_good() && report.skipped() == 0, "{report}");
}
