//! Normalise, compare and explain: server-side dry-run results, three-way merges, field ownership and masking.
//!
//! | question | answer |
//! |---|---|
//! | has anyone touched what we declare? | [`applied_digest`]: no request, no copy of the object |
//! | what would an apply change? | [`compare`], from the server's dry run |
//! | … and the server cannot be asked? | [`three_way`], [`two_way`] |
//! | who owns a field? | [`managed_fields`] |
//! | how is it told to people? | [`summary`] |
//!
//! Everything is pure. Values of Secrets never come out: changes hold a number in their place, and equal numbers stand for
//! equal values.

mod changes;
mod desired;
mod dry_run;
mod mask;
mod merge;
mod note;
mod ownership;
mod projection;
mod quantity;
mod schema;
mod server;
mod summary;
mod three_way;

pub use dry_run::{Mutations, compare};
pub use ownership::{FieldSet, ManagerFields, managed_fields};
pub use projection::{applied_digest, keyed_applied_digest};
pub use schema::{ListType, MergeKey};
pub use summary::summary;
pub use three_way::{Forecast, LastApplied, three_way, two_way};
