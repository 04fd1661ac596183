//! A small but real agent: `--repo`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gitops_engine::cache::CacheOptions;
use gitops_engine::git::GitOptions;
use gitops_engine::sync::reconcile::State;
use gitops_engine::{
    Application, ApplicationName, Connection, Engine, Pass, RevisionSpec, Schedule, TreePath, health_tree,
};
use gitops_engine_testkit::Cluster;

use crate::arguments::Arguments;
use crate::screen::Screen;

pub(crate) async fn run(arguments: &Arguments, repository: &str) -> Result<()> {
    let screen = Arc::new(Screen::new(arguments.json));
    let connection = match arguments.context.as_deref() {
        None => {
            screen.say("no --context: this is an embedded cluster, gone when the program ends");
            Connection::new(Cluster::builder().build().client())
        }
        Some("current") => Connection::infer().await?,
        Some(context) => Connection::from_kubeconfig_context(Some(context)).await?,
    };
    let cache = tempfile::tempdir().context("no folder for the copy of the repository")?;
    let engine = Engine::builder()
        .repository(repository)
        .git(GitOptions::new().cache_dir(cache.path()))
        .programs(arguments.programs.clone())
        .connection(connection)
        .cache_options(CacheOptions::default())
        .events(screen.clone())
        .schedule(Schedule::default().poll(Duration::from_secs(30)))
        .start()?;
    let application = Application::new(ApplicationName::parse(&arguments.name)?)
        .revision(RevisionSpec::parse(&arguments.revision))
        .path(TreePath::parse(&arguments.path)?)
        .namespace(&arguments.namespace);
    if arguments.plan_only {
        let plan = engine.plan(&application).await?;
        if arguments.json {
            println!("{}", serde_json::to_string(&plan)?);
        } else {
            print!("{plan}");
        }
        return Ok(());
    }
    if arguments.watch {
        engine.run(vec![application], interrupt()).await;
        return Ok(());
    }
    let mut state = State::default();
    let pass = engine.reconciler().pass(&application, &mut state, interrupt()).await?;
    let driver = &engine.reconciler().parts().driver;
    if let Some(inventory) = state.inventory() {
        let snapshot = engine.cache().snapshot();
        screen.tree(&health_tree(inventory, &*snapshot, &*driver.health, driver.clock.now()));
    }
    match pass {
        Pass::Executed(_, report) if !report.errors.is_empty() => {
            bail!("{} of the steps failed", report.errors.len())
        }
        _ => Ok(()),
    }
}

/// Completes at Ctrl-C.
pub(crate) async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // No signals on this platform: then nobody interrupts.
        std::future::pending::<()>().await;
    }
}
