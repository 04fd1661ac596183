//! Everything that is known about a cluster, as one immutable value.

mod ledger;
mod tree;
mod view;

pub(crate) use ledger::{Arrival, KindEntry, KindTable, Ledger, Update};
pub(crate) use view::View;
