//! The smallest program with the same difference: fewer requests, then smaller bodies.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::program::{Body, Operation, Program, Read, Step};
use super::run::{Found, run};
use super::sides::Sides;

/// How many runs one difference may cost.
const RUNS: usize = 250;
/// The same where a run waits for definitions, or for events that may not come.
const SLOW_RUNS: usize = 12;

static NEXT: AtomicUsize = AtomicUsize::new(0);

struct Minimiser<'a> {
    sides: &'a Sides,
    best: Program,
    found: Found,
    left: usize,
}

pub(crate) async fn minimise(program: Program, found: Found, sides: &Sides) -> Found {
    let slow = program.steps.iter().any(|step| matches!(step, Step::Wait(_)));
    let left = if slow { SLOW_RUNS } else { RUNS };
    let mut minimiser = Minimiser { sides, best: program, found, left };
    minimiser.drop_steps().await;
    minimiser.drop_options().await;
    minimiser.shrink_bodies().await;
    minimiser.found
}

impl Minimiser<'_> {
    /// Keeps the program if it still shows the same.
    async fn try_it(&mut self, candidate: Program) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let run = run(&candidate, self.sides, &format!("m{number}")).await;
        match run.difference {
            Some(found) if found.difference.signature == self.found.difference.signature => {
                self.best = candidate;
                self.found = found;
                true
            }
            _ => false,
        }
    }

    async fn drop_steps(&mut self) {
        let mut shorter = self.best.clone();
        shorter.steps.truncate(self.found.at + 1);
        if self.found.at < self.best.steps.len() {
            shorter.collections.clear();
        }
        if !self.try_it(shorter).await {
            return;
        }
        // The first makes the namespace; the last is the one that differs, unless it is the final state or a watch.
        let mut at = self.best.steps.len();
        while at > 1 {
            at -= 1;
            if at < self.best.steps.len() {
                let mut without = self.best.clone();
                without.steps.remove(at);
                self.try_it(without).await;
            }
        }
    }

    async fn drop_options(&mut self) {
        for i in 0..self.best.steps.len() {
            for q in (0..query(&mut self.best.steps[i]).map_or(0, |query| query.len())).rev() {
                let mut without = self.best.clone();
                if let Some(query) = query(&mut without.steps[i]).filter(|query| query[q].0 != "watch") {
                    query.remove(q);
                    self.try_it(without).await;
                }
            }
            if let Some(Body::Seen { edits, .. }) = body(&mut self.best.steps[i]) {
                for e in (0..edits.len()).rev() {
                    let mut without = self.best.clone();
                    if let Some(Body::Seen { edits, .. }) = body(&mut without.steps[i]) {
                        edits.remove(e);
                    }
                    self.try_it(without).await;
                }
            }
        }
    }

    async fn shrink_bodies(&mut self) {
        for i in (1..self.best.steps.len()).rev() {
            let mut path = Vec::new();
            Box::pin(self.shrink(i, &mut path)).await;
        }
    }

    /// Removes what is below a place, children first by whole subtrees.
    async fn shrink(&mut self, step: usize, path: &mut Vec<String>) {
        let Some(Body::Json(value)) = body(&mut self.best.steps[step]) else { return };
        let keys: Vec<String> = match pointer(value, path) {
            Some(Value::Object(map)) => map.keys().cloned().collect(),
            Some(Value::Array(list)) => (0..list.len()).rev().map(|i| i.to_string()).collect(),
            _ => return,
        };
        for key in keys {
            path.push(key);
            if !matches!(path.join(".").as_str(), "apiVersion" | "kind" | "metadata" | "metadata.name") {
                let mut without = self.best.clone();
                if let Some(Body::Json(value)) = body(&mut without.steps[step]) {
                    super::program::Edit::Remove(path.clone()).apply(value);
                }
                if self.try_it(without).await {
                    path.pop();
                    continue;
                }
            }
            Box::pin(self.shrink(step, path)).await;
            path.pop();
        }
    }
}

/// The options of a step.
fn query(step: &mut Step) -> Option<&mut Vec<(&'static str, String)>> {
    match step {
        Step::Ask(Operation { query, .. }) | Step::Read(Read { query, .. }) | Step::Pages(Read { query, .. }) => {
            Some(query)
        }
        Step::Watch(watch) => Some(&mut watch.read.query),
        Step::Wait(_) => None,
    }
}

/// What a step sends.
fn body(step: &mut Step) -> Option<&mut Body> {
    match step {
        Step::Ask(operation) => Some(&mut operation.body),
        _ => None,
    }
}

fn pointer<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |v, key| match v {
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        other => other.get(key),
    })
}
