//! `cargo xtask api-differential`: random programs on the in-process API and on a real API server must give equal answers.
//!
//! The real side is etcd and kube-apiserver alone, and the in-process side is without controllers, so that nothing but the
//! programs changes an object. Each program has a namespace of its own. uids, versions, times, addresses and generated
//! names may differ, but each must be the same wherever it appears. A difference is made small and printed as requests.

mod compare;
mod generate;
mod minimise;
mod normal;
mod program;
mod rng;
mod run;
mod sides;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::Mutex;

use self::generate::Definition;
use self::program::{Body, JSON, Memory, Operation, Program};
use self::run::{Counts, Found};
use self::sides::Sides;
use crate::arguments::Arguments;
use crate::tally::Tally;

/// Programs under way at once.
const IN_FLIGHT: usize = 24;
/// Custom kinds of a run.
const POOL: usize = 24;
/// Programs on one control plane: after that a fresh one, since etcd keeps everything it ever saw for a while.
const PER_PLANE: u64 = 5_000;
/// How many different differences are made small and printed; of the others only the names are.
const SHOWN: usize = 60;

/// What differs on purpose: a part of the signature, and why. Counted and printed, not failed.
const ACCEPTED: &[(&str, &str)] = &[];

#[derive(Clone, Copy)]
struct Settings<'a> {
    programs: u64,
    seed: u64,
    start: u64,
    only: Option<&'a str>,
    shown: usize,
}

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let programs = arguments.count("--programs", 2_000)? as u64;
    let seed = number(&mut arguments, "--seed")?;
    let start = number(&mut arguments, "--start")?;
    let only = arguments.value("--only")?;
    let shown = arguments.count("--shown", SHOWN)?;
    arguments.end()?;
    if let Some(only) = &only
        && !generate::areas().contains(&only.as_str())
    {
        bail!("there is no area `{only}`: {}", generate::areas().join(" "));
    }
    let settings = Settings { programs, seed, start, only: only.as_deref(), shown };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(all(settings))
}

fn number(arguments: &mut Arguments, name: &str) -> anyhow::Result<u64> {
    match arguments.value(name)? {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| anyhow::anyhow!("{name} wants a number, not `{text}`")),
    }
}

/// Equal differences, and the first program that showed them.
struct Group {
    count: u64,
    program: u64,
    found: Found,
}

async fn all(settings: Settings<'_>) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut groups: HashMap<String, Group> = HashMap::new();
    let mut smaller: Vec<(String, Found)> = Vec::new();
    let (mut counts, mut spent) = (Counts::default(), Duration::ZERO);
    let mut from = settings.start;
    let end = settings.start + settings.programs;
    while from < end {
        let to = end.min(from + PER_PLANE);
        let began = Instant::now();
        let sides = Arc::new(Sides::start(settings.seed).await?);
        let needed = if settings.only.is_none_or(|only| only == "custom") { POOL } else { 0 };
        let pool: Arc<[Definition]> = generate::definitions(settings.seed, needed).into();
        establish(&sides, &pool).await?;
        eprintln!("programs {from} to {}: both servers ready after {:.1} s", to - 1, began.elapsed().as_secs_f64());
        let began = Instant::now();
        let known = groups.keys().cloned().collect::<Vec<_>>();
        counts += batch(settings, from..to, &sides, &pool, &mut groups, &mut tally).await;
        spent += began.elapsed();
        let mut fresh: Vec<(&String, &Group)> = groups.iter().filter(|(s, _)| !known.contains(s)).collect();
        fresh.sort_by_key(|(signature, group)| (std::cmp::Reverse(group.count), (*signature).clone()));
        fresh.truncate(settings.shown.saturating_sub(smaller.len()));
        let work = fresh.into_iter().map(|(signature, group)| {
            let program = generate::program(settings.seed, group.program, settings.only, &pool);
            let (found, sides) = (group.found.clone(), &sides);
            async move { (signature.clone(), minimise::minimise(program, found, sides).await) }
        });
        smaller.extend(futures::future::join_all(work).await);
        from = to;
    }
    report(&groups, &smaller);
    let Counts { requests, lists, watches, events, endless, unanswered } = counts;
    let rate = f64::from(u32::try_from(requests).unwrap_or(u32::MAX)) / spent.as_secs_f64();
    println!("{requests} requests to each server in {:.1} s, {rate:.0} a second", spent.as_secs_f64());
    println!("{lists} lists with options, {watches} watches with {events} events; {endless} watches without an end");
    println!("{unanswered} programs ended at a request that the real server did not answer");
    Ok(tally)
}

/// Runs programs, many at once; the order in which they end changes nothing of the report.
async fn batch(
    settings: Settings<'_>,
    range: std::ops::Range<u64>,
    sides: &Arc<Sides>,
    pool: &Arc<[Definition]>,
    groups: &mut HashMap<String, Group>,
    tally: &mut Tally,
) -> Counts {
    let next = Arc::new(AtomicU64::new(range.start));
    let counts: Arc<Mutex<Counts>> = Arc::default();
    let found: Arc<Mutex<BTreeMap<u64, Found>>> = Arc::default();
    let (seed, only) = (settings.seed, settings.only.map(str::to_owned));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (next, counts, found) = (next.clone(), counts.clone(), found.clone());
        let (sides, pool, only, end) = (sides.clone(), pool.clone(), only.clone(), range.end);
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return;
                }
                let program = generate::program(seed, number, only.as_deref(), &pool);
                let (ran, difference) = settle(&program, &sides, number).await;
                *counts.lock().await += ran;
                if let Some(difference) = difference {
                    found.lock().await.insert(number, difference);
                }
            }
        });
    }
    workers.join_all().await;
    let found = std::mem::take(&mut *found.lock().await);
    let mut failed = 0;
    for (program, found) in found {
        let accepted = ACCEPTED.iter().any(|(part, _)| found.difference.signature.contains(part));
        failed += usize::from(!accepted);
        let signature = found.difference.signature.clone();
        groups.entry(signature).and_modify(|g| g.count += 1).or_insert(Group { count: 1, program, found });
    }
    tally.failed += failed;
    tally.passed += usize::try_from(range.end - range.start).unwrap_or(usize::MAX) - failed;
    *counts.lock().await
}

/// Runs a program; one that shows a difference runs again. What does not come back is by chance: Go goes through maps in any
/// order, entries of managers are ordered by the second, connections break. It is printed and does not count.
async fn settle(program: &Program, sides: &Sides, number: u64) -> (Counts, Option<Found>) {
    let mut counts = Counts::default();
    let mut first: Option<Found> = None;
    for namespace in [format!("p{number}"), format!("p{number}-again"), format!("p{number}-third")] {
        let ran = run::run(program, sides, &namespace).await;
        clean(program, sides, &namespace).await;
        counts += ran.counts;
        match (ran.difference, first.as_ref()) {
            (None, None) => return (counts, None),
            (None, Some(first)) => {
                println!("by chance, in program {number}: {}", first.difference.signature);
                return (counts, None);
            }
            (Some(found), _) => first = Some(found),
        }
    }
    (counts, first)
}

/// Gives back what there is little of: node ports.
async fn clean(program: &Program, sides: &Sides, namespace: &str) {
    if program.area == "service" {
        let operation = Operation {
            method: "DELETE",
            path: "/api/v1/namespaces/{{ns}}/services".to_owned(),
            query: Vec::new(),
            content_type: "",
            body: Body::Empty,
        };
        let request = Memory::new(namespace).resolve(&operation);
        tokio::join!(sides.real.send(&request), sides.ours.send(&request));
    }
}

/// Creates the pool on both servers, and waits until both serve it.
async fn establish(sides: &Sides, pool: &[Definition]) -> anyhow::Result<()> {
    let memory = Memory::new("default");
    let operation =
        |method, path: String, body| Operation { method, path, query: Vec::new(), content_type: JSON, body };
    for definition in pool {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions".to_owned();
        let post = |manifest| memory.resolve(&operation("POST", path.clone(), Body::Json(manifest)));
        let mut request = post(definition.manifest.clone());
        let mut real = sides.real.send(&request).await;
        // Rules by chance may be too expensive for it, which it estimates and we do not.
        if !real.is_success() && real.body["message"].as_str().is_some_and(|why| why.contains("estimated rule cost")) {
            request = post(definition.unruled());
            real = sides.real.send(&request).await;
        }
        for (who, answer) in [("real", real), ("in-process", sides.ours.send(&request).await)] {
            if !answer.is_success() {
                bail!("the {who} server refused a definition of the pool: {}\n{}", answer.body, request.body);
            }
        }
    }
    for definition in pool {
        for version in &definition.versions {
            let path = definition.collection(version);
            let request = memory.resolve(&operation("GET", path, Body::Empty));
            let began = Instant::now();
            loop {
                let (real, ours) = (sides.real.send(&request).await, sides.ours.send(&request).await);
                if real.is_success() && ours.is_success() {
                    break;
                }
                if began.elapsed() > Duration::from_secs(60) {
                    bail!("{} is not served after a minute: {} and {}", request.uri, real.body, ours.body);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    Ok(())
}

fn report(groups: &HashMap<String, Group>, smaller: &[(String, Found)]) {
    let mut order: Vec<(&String, &Group)> = groups.iter().collect();
    order.sort_by_key(|(signature, group)| (std::cmp::Reverse(group.count), (*signature).clone()));
    for (signature, group) in order {
        let accepted = ACCEPTED.iter().find(|(part, _)| signature.contains(part));
        if let Some((_, why)) = accepted {
            println!("accepted {} times: {signature}: {why}", group.count);
            continue;
        }
        let weaker = if group.found.difference.text_only { " (only the text)" } else { "" };
        println!("\n--- {} times, first in program {}{weaker}: {signature}", group.count, group.program);
        if let Some((_, found)) = smaller.iter().find(|(s, _)| s == signature) {
            // The first request made the namespace.
            for request in found.transcript.iter().skip(1) {
                println!("  {request}");
            }
            print!("{}", found.difference.details);
        }
    }
    println!();
}
