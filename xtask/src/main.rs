//! `cargo xtask`: the one door for everything heavier than `cargo test`.
fn main() {}
