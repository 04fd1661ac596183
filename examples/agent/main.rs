//! A GitOps agent, and a demonstration of the engine.
//!
//! Without arguments it needs nothing but Rust: a Kubernetes API in this process, a Git repository in a temporary
//! folder, and five acts: the first sync, a new commit, drift, a broken commit, a removal.
//! With `--repo` it is a small but real agent. `--help` tells the rest.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people: printing is its output")]

mod agent;
mod arguments;
mod demo;
mod repository;
mod screen;

use std::process::ExitCode;

use arguments::Arguments;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{}", arguments::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    let ended = match &arguments.repository {
        None => demo::run(&arguments).await,
        Some(repository) => agent::run(&arguments, repository).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
