//! A cluster for kubectl: prints a kubeconfig's path and serves until Ctrl-C.
//!
//! ```text
//! cargo run -p gitops-engine-testkit --example serve -- /tmp/kubeconfig [--https]
//! KUBECONFIG=/tmp/kubeconfig kubectl get namespaces
//! ```
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::time::{Duration, SystemTime};

use gitops_engine_testkit::Cluster;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "kubeconfig".to_owned());
    let cluster = Cluster::builder()
        .start_at(SystemTime::now())
        .pod_start(Duration::from_secs(1))
        .pod_stop(Duration::from_secs(1))
        .job_duration(Duration::from_secs(2))
        .build();
    let secure = std::env::args().nth(2).is_some_and(|arg| arg == "--https");
    let server = if secure { cluster.serve_https().await? } else { cluster.serve().await? };
    std::fs::write(&path, server.kubeconfig())?;
    println!("serving {} (KUBECONFIG={path})", server.url());
    std::future::pending::<()>().await;
    Ok(())
}
