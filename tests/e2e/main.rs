//! The whole engine against a whole cluster: from commits in a Git repository to healthy objects.
//!
//! `GITOPS_ENGINE_E2E=embedded`, the default, runs every test on an in-process cluster of its own; `real` runs them on a
//! real control plane, one for all of them. Nothing here knows which of the two it talks to, except where it says so.
//! `cargo xtask e2e` and `cargo xtask e2e --real` run everything; plain `cargo test` leaves out, and says so, what needs
//! sample data or programs that are not there.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod acts;
#[allow(dead_code, reason = "the files are shared; how they are committed is the example's own affair")]
#[path = "../../examples/agent/repository.rs"]
mod demo;
mod outside;
mod refusals;
mod samples;
mod target;
mod world;
