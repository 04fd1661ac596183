//! Simulation with faults over seeds: whatever the network and the API server do, the engine reaches what Git says, and
//! at no moment does it lose track of an object.
//!
//! A failure names its seed; `GITOPS_ENGINE_SEED=N cargo test --test simulation` runs that one alone, and
//! `GITOPS_ENGINE_SEEDS=N` runs so many.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gitops_engine::{Application, ApplicationName, Connection, Engine, Event, Schedule};
use gitops_engine_testkit::{AdmissionAnswer, ClockJump, Cluster, Fault, Injection, Requests, WatchEnd, Webhook};
use support::{Heard, NEXT, Picture, Repository, SHOP, TokioClock, assert_nothing_untracked};

const SEEDS: u64 = 24;

fn synced(event: &Event) -> bool {
    matches!(event, Event::Synced { .. })
}

/// One life of a shop: it opens, releases, is meddled with, and closes a stall; under faults, or without.
async fn live(seed: u64, faulty: bool) -> Picture {
    let repository = Repository::new(SHOP);
    let cluster = Cluster::builder().seed(seed).build();
    let heard = Heard::default();
    let engine = Engine::builder()
        .repository(repository.location())
        .connection(Connection::new(cluster.client()))
        .events(Arc::new(heard.clone()))
        .clock(TokioClock::start())
        .schedule(Schedule::default().poll(Duration::from_secs(3)))
        .start()
        .unwrap();
    let application = Application::new(ApplicationName::parse("shop").unwrap()).namespace("shop");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let agent = tokio::spawn(async move { engine.run(vec![application], async { drop(stopped.await) }).await });

    for act in 0..3_u64 {
        if faulty {
            trouble(&cluster, seed.wrapping_mul(31).wrapping_add(act));
        }
        match act {
            0 => {}
            1 => repository.commit(&[("web.yaml", NEXT)], &[]),
            _ => {
                cluster.edit("Deployment", "shop", "web", |object| object["spec"]["replicas"] = 7.into()).unwrap();
                repository.commit(&[], &["banner.yaml"]);
            }
        }
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_nothing_untracked(&cluster, &format!("seed {seed}, act {act}"));
            if faulty && seed.is_multiple_of(3) {
                cluster.drop_watches();
            }
        }
        peace(&cluster);
        let told = heard.count(synced);
        // A failure may have to wait for its back-off, and the last word must be a success.
        tokio::time::sleep(Duration::from_secs(600)).await;
        let told_more = heard.count(synced);
        assert!(told_more > 0, "seed {seed}, act {act}: never in sync; {told} before the faults ended");
    }
    drop(stop);
    agent.await.unwrap();
    Picture::take(&cluster)
}

/// A mixture of faults that only the seed decides.
fn trouble(cluster: &Cluster, seed: u64) {
    let second = Duration::from_secs(1);
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let ends = [None, Some(WatchEnd::Drop), Some(WatchEnd::Expire), Some(WatchEnd::Close)];
    let faults = [
        Fault::Conflict,
        Fault::TooManyRequests { retry_after: 1 },
        Fault::InternalError,
        Fault::Unavailable,
        Fault::TimeoutAfterCommit,
        Fault::CutBeforeCommit,
        Fault::CutAfterCommit,
        Fault::Delay(Duration::from_millis(700)),
        Fault::CutBody,
        Fault::Gone,
        Fault::DelayBetween(Duration::ZERO, 5 * second),
        Fault::StaleByRevisions(1 + mixed % 10),
        Fault::StaleBy(3 * second),
        Fault::EndWatch { after: 2 * second, how: WatchEnd::Expire },
        Fault::StallWatch { after: second, lasts: 90 * second, then: ends[(mixed % 4) as usize] },
        // What nobody else may undo, and nothing that the engine wants.
        Fault::concurrent_write(|object| object["metadata"]["annotations"]["somebody"] = "else".into()),
        Fault::ClockJump(ClockJump::Forwards(17 * second)),
        Fault::ClockJump(ClockJump::Backwards(29 * second)),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        if ((seed ^ mixed) >> number) & 1 == 1 {
            cluster.inject(Injection::new(Requests::any(), fault).one_in(4 + (seed + number as u64) % 13));
        }
    }
    let writes = Requests::writes().namespace("shop");
    if mixed & 0x10_0000 != 0 {
        cluster.add_webhook(Webhook::mutating("mesh.example.com", writes.clone(), |request| {
            let Some(mut object) = request.object.clone() else { return AdmissionAnswer::allow() };
            object["metadata"]["annotations"]["mesh"] = "yes".into();
            AdmissionAnswer::rewrite(object)
        }));
    }
    if mixed & 0x20_0000 != 0 {
        let asked = AtomicU64::new(seed);
        cluster.add_webhook(Webhook::validating("policy.example.com", writes, move |_| {
            match asked.fetch_add(1, Ordering::Relaxed) % 7 {
                0 => AdmissionAnswer::deny("not now").code(403).reason("Forbidden"),
                1 => AdmissionAnswer::fail("connection refused"),
                2 => AdmissionAnswer::time_out(),
                _ => AdmissionAnswer::allow().warning("mind the policy"),
            }
        }));
    }
}

/// Ends all trouble.
fn peace(cluster: &Cluster) {
    cluster.heal();
    cluster.remove_webhook("mesh.example.com");
    cluster.remove_webhook("policy.example.com");
}

#[tokio::test(start_paused = true)]
async fn every_seed_ends_as_git_says() {
    let expected = live(0, false).await;
    assert!(expected.closed && expected.objects.len() > 8, "{expected:?}");
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let many = 1..=number("GITOPS_ENGINE_SEEDS").unwrap_or(SEEDS);
    let seeds = number("GITOPS_ENGINE_SEED").map_or(many, |seed| seed..=seed);
    for seed in seeds {
        let reached = live(seed, true).await;
        assert_eq!(reached, expected, "seed {seed}");
    }
}
