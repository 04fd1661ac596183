//! Malformed requests: whatever is sent, the API answers with an object or a `Status`, in bounded time, and what it
//! keeps stays consistent. Everything comes from one seed: `GITOPS_ENGINE_FUZZ_SEED`, `GITOPS_ENGINE_FUZZ_CASES` and
//! `GITOPS_ENGINE_FUZZ_MINUTES` choose another run, as `cargo xtask fuzz-api` does.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]
#![allow(clippy::print_stdout, reason = "how many cases ran is what a long run is asked for")]

mod corpus;
mod invariants;
mod random;
mod wire;

use std::time::{Duration, Instant};

use gitops_engine_testkit::Cluster;
use http_body_util::BodyExt as _;
use kube::client::Body;
use random::Random;

/// What a run is told by.
struct Settings {
    seed: u64,
    cases: u64,
    limit: Duration,
}

impl Settings {
    fn read(cases: u64) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        let minutes = number("GITOPS_ENGINE_FUZZ_MINUTES");
        let chosen = number("GITOPS_ENGINE_FUZZ_CASES");
        Self {
            seed: number("GITOPS_ENGINE_FUZZ_SEED").unwrap_or(1),
            // Minutes alone mean: as many as there is time for.
            cases: chosen.unwrap_or(if minutes.is_some() { u64::MAX } else { cases }),
            limit: minutes.map_or(Duration::from_secs(60), |m| Duration::from_secs(m * 60)),
        }
    }
}

/// How many requests one cluster gets before it is looked over and replaced.
const ROUND: u64 = 400;

#[test]
fn whatever_is_sent_in_process_is_answered() {
    let settings = Settings::read(1_200);
    let began = Instant::now();
    let (mut done, mut refused, mut objects) = (0, 0, 0);
    let mut round = 0;
    while done < settings.cases && began.elapsed() < settings.limit {
        let seed = settings.seed.wrapping_add(round);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let cases = ROUND.min(settings.cases - done);
        let (no, kept) = runtime.block_on(one_round(seed, cases));
        (done, refused, objects, round) = (done + cases, refused + no, objects + kept, round + 1);
    }
    println!(
        "fuzz: {done} requests from seed {} on, {refused} refused, {objects} objects looked over, {:.1} s",
        settings.seed,
        began.elapsed().as_secs_f64()
    );
}

/// One cluster: how many requests were refused, and how many objects there were in the end.
async fn one_round(seed: u64, cases: u64) -> (u64, u64) {
    let mut random = Random::new(seed);
    let cluster = Cluster::builder().seed(seed).history(200).build();
    let client = cluster.client();
    let mut refused = 0;
    for case in 0..cases {
        let request = corpus::request(&mut random);
        let shown = format!("seed {seed}, request {case}: {request:?}");
        let Some(request) = request.build() else { continue };
        let began = Instant::now();
        let answer = client.send(request.map(Body::from)).await;
        let answer = answer.unwrap_or_else(|e| panic!("{shown}: {e}"));
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        // A watch goes on until it is left alone; the clock is paused, so that this takes no time.
        let mut body = Vec::new();
        let mut stream = answer.into_body();
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(Duration::from_secs(2), stream.frame()).await {
            body.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d));
        }
        let complaint = invariants::answer(status, &kind, &body);
        assert!(complaint.is_none(), "{shown}: {status} {complaint:?}: {}", String::from_utf8_lossy(&body));
        assert!(began.elapsed() < Duration::from_secs(10), "{shown}: took {:?}", began.elapsed());
        refused += u64::from(status >= 400);
    }
    let kept = invariants::state(&client, seed).await;
    (refused, kept)
}

#[test]
fn whatever_is_sent_over_a_socket_is_survived() {
    let settings = Settings::read(300);
    let cases = settings.cases.min(20_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = Cluster::builder().seed(settings.seed).build();
        let server = cluster.serve().await.unwrap();
        let began = Instant::now();
        let mut random = Random::new(settings.seed);
        let mut done = 0;
        while done < cases && began.elapsed() < settings.limit {
            wire::attack(server.address(), &mut random, settings.seed, done).await;
            done += 1;
        }
        let version = cluster.client().apiserver_version().await.unwrap();
        assert_eq!(version.minor, "36");
        println!("fuzz: {done} connections from seed {}, {:.1} s", settings.seed, began.elapsed().as_secs_f64());
    });
}
