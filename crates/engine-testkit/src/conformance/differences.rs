//! Where the in-process API differs from a real one on purpose.

/// A case, or a clause of one, in which the in-process API is not like a real server, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The name of a case that fails on the in-process API, or a few words about what no case asks for.
    pub what: &'static str,
    /// Why it stays so.
    pub reason: &'static str,
}

/// All of them. [`Suite::tolerate`](super::Suite::tolerate) takes the list.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        what: "aggregation",
        reason: "nobody is behind the Service of an APIService: its group version is down (503, Stale) until the Service has \
                 endpoints, and then has no kinds. Deleting or changing the APIService of what the server serves itself \
                 changes no discovery",
    },
    Difference {
        what: "protobuf",
        reason: "answers are JSON or YAML: whoever accepts nothing but protobuf gets 406, as for custom kinds everywhere",
    },
    Difference {
        what: "objects of more than 100 levels",
        reason: "they are refused with 400 (\"exceeded max depth\"), as a real server refuses those of more than 10,000: \
                 values are copied, compared and dropped by recursion on stacks of 2 MiB, and clients that read with \
                 serde_json stop at 128 levels",
    },
    Difference {
        what: "rules in CEL (x-kubernetes-validations) of a definition are kept and shown, but neither compiled nor evaluated",
        reason: "the CEL interpreter for Rust brings a parser runtime of its own and has neither the type checker nor the \
                 cost limits by which a real server refuses rules",
    },
];
