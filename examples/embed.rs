//! The smallest embedder: an agent for one application on the cluster of the present kubeconfig.
#![allow(clippy::print_stderr, reason = "a program for people")]
use gitops_engine::{Application, ApplicationName, Connection, Engine, Event, TreePath, git::GitOptions};
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repository = std::env::args().nth(1).ok_or("usage: embed REPOSITORY [PATH]")?;
    let path = std::env::args().nth(2).unwrap_or_default();
    let engine = Engine::builder()
        .repository(repository)
        .git(GitOptions::new().cache_dir(".cache/git"))
        .connection(Connection::infer().await?)
        .events(Arc::new(|event: Event| eprintln!("{event:?}")))
        .start()?;
    let application =
        Application::new(ApplicationName::parse("embedded")?).path(TreePath::parse(&path)?).namespace("default");
    engine.run(vec![application], async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
