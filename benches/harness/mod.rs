//! What benches share: their arguments, the clock and the allocator's count.

use std::alloc::System;
use std::fmt;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What a bench is asked for.
pub(crate) struct Arguments {
    /// Lines of JSON, for `cargo xtask bench`.
    pub(crate) json: bool,
    /// The flags that were given, of those that the bench has for itself.
    pub(crate) flags: Vec<String>,
    /// The only case to run.
    pub(crate) only: Option<String>,
}

impl Arguments {
    /// What the program was called with. The error is the exit code of a program that has nothing to do.
    ///
    /// `bench` is its name, `own` are flags of its own, `names` what `--only` may name.
    pub(crate) fn parse(bench: &str, own: &[&str], names: &[&str]) -> Result<Self, ExitCode> {
        let (mut json, mut flags, mut only) = (false, Vec::new(), None);
        let optional: String = own.iter().map(|flag| format!(" [{flag}]")).collect();
        let usage = format!("usage: cargo bench --bench {bench} -- [--json]{optional} [--only NAME]");
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => json = true,
                "--only" => only = arguments.next(),
                // Cargo's own, to every bench.
                "--bench" => {}
                // Cargo's own, to every test: `cargo test --benches` must not take minutes.
                "--test" => return Err(ExitCode::SUCCESS),
                flag if own.contains(&flag) => flags.push(argument),
                _ => {
                    eprintln!("{usage}");
                    return Err(ExitCode::from(2));
                }
            }
        }
        if let Some(only) = only.as_deref().filter(|only| !names.contains(only)) {
            eprintln!("there is no case `{only}`: {}\n{usage}", names.join(", "));
            return Err(ExitCode::from(2));
        }
        Ok(Self { json, flags, only })
    }

    pub(crate) fn show(&self, line: &Line) {
        if self.json { println!("{}", line.json()) } else { println!("{line}") }
    }
}

/// What one case came to.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// How often the work was done under the clock.
    pub(crate) iterations: usize,
    /// Nanoseconds of one iteration, or of one item where the case is about one item.
    pub(crate) ns_min: u64,
    pub(crate) ns_median: u64,
    /// Allocations and their bytes, likewise. For `bytes_per_...`, what is held by one item.
    pub(crate) allocs: u64,
    pub(crate) bytes: u64,
    /// What the work came to: the peer must come to the same.
    pub(crate) result: u64,
}

impl Line {
    /// One line of JSON, as `benches/peers` prints it.
    pub(crate) fn json(&self) -> String {
        let Self { name, iterations, ns_min, ns_median, allocs, bytes, result } = self;
        json!({
            "name": name, "iterations": iterations, "ns_min": ns_min, "ns_median": ns_median,
            "allocs": allocs, "bytes": bytes, "result": result,
        })
        .to_string()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let micros = |ns: u64| ns as f64 / 1e3;
        let Self { name, iterations, ns_min, ns_median, allocs, bytes, result } = self;
        write!(f, "{name:<26}")?;
        if *ns_median > 0 {
            let (min, median) = (micros(*ns_min), micros(*ns_median));
            write!(f, " {min:>12.2} µs min {median:>12.2} µs median of {iterations:>3},")?;
        }
        write!(f, " {allocs:>8} allocations, {bytes:>10} B, result {result}")
    }
}

/// Does `work` several times and reports one iteration.
///
/// `prepare` makes what one iteration uses up; that, and the dropping of what `work` returns, is outside the clock.
pub(crate) fn measure<S, T>(
    name: &'static str,
    iterations: usize,
    mut prepare: impl FnMut() -> S,
    mut work: impl FnMut(S) -> T,
    result: impl Fn(&T) -> u64,
) -> Line {
    // The first one is not timed: it fills tables that are built at first use, and counts nothing of them.
    let mut came_to = result(&work(prepare()));
    let mut times: Vec<u64> = (0..iterations)
        .map(|_| {
            let state = black_box(prepare());
            let start = Instant::now();
            let done = black_box(work(state));
            let took = start.elapsed();
            came_to = result(&done);
            u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
        })
        .collect();
    times.sort_unstable();
    let state = prepare();
    let region = Region::new(ALLOCATOR);
    let done = black_box(work(state));
    let stats = region.change();
    drop(done);
    Line {
        name,
        iterations,
        ns_min: times[0],
        ns_median: times[times.len() / 2],
        allocs: (stats.allocations + stats.reallocations) as u64,
        bytes: stats.bytes_allocated as u64,
        result: came_to,
    }
}

/// Does `work` once, with nothing before it: what takes seconds, or shows only the first time.
pub(crate) fn once<T>(name: &'static str, work: impl FnOnce() -> T, result: impl FnOnce(&T) -> u64) -> Line {
    let region = Region::new(ALLOCATOR);
    let start = Instant::now();
    let done = black_box(work());
    let took = start.elapsed();
    let stats = region.change();
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    Line {
        name,
        iterations: 1,
        ns_min: nanos,
        ns_median: nanos,
        allocs: (stats.allocations + stats.reallocations) as u64,
        bytes: stats.bytes_allocated as u64,
        result: result(&done),
    }
}

/// The same for one of `items` things that an iteration goes through.
pub(crate) fn per_item(line: Line, items: usize) -> Line {
    let items = items as u64;
    Line {
        ns_min: line.ns_min / items,
        ns_median: line.ns_median / items,
        allocs: line.allocs / items,
        bytes: line.bytes / items,
        ..line
    }
}

/// What `make` leaves allocated, divided by the number of items that it made.
pub(crate) fn held<T>(name: &'static str, make: impl FnOnce() -> (T, usize)) -> Line {
    let region = Region::new(ALLOCATOR);
    let (kept, items) = make();
    let Stats { allocations, deallocations, bytes_allocated, bytes_deallocated, .. } = region.change();
    drop(kept);
    let each = |gained: usize, lost: usize| (gained.saturating_sub(lost) / items.max(1)) as u64;
    Line {
        name,
        iterations: 1,
        ns_min: 0,
        ns_median: 0,
        allocs: each(allocations, deallocations),
        bytes: each(bytes_allocated, bytes_deallocated),
        result: items as u64,
    }
}
