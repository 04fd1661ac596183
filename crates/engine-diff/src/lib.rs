//! Normalise, compare and explain: server-side dry-run results, three-way merges, field ownership and masking.
