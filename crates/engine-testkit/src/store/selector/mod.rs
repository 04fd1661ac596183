//! Label and field selectors.

mod fields;
mod labels;

pub(crate) use self::{
    fields::{FieldSelector, FieldTerms},
    labels::LabelSelector,
};
