//! Git repositories as state stores, on gix: resolve, fetch, read trees without a checkout, history.
