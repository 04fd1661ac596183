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
        what: "a definition whose rules in CEL (x-kubernetes-validations) are estimated to cost too much is taken",
        reason: "the estimate is a model of the server's own interpreter, and only ever refuses. How long rules go on for a \
                 real object is bounded as there, by steps of our own counting: those that run out are told of in the same words",
    },
    Difference {
        what: "what a rule in CEL is told that cannot be read",
        reason: "the text after \"Syntax error:\" is that of a generated parser, which tells what it might have taken next. \
                 Place, field and reason are the same, and so are all texts about names and types. Rules of more than 60 \
                 levels are refused, as a real server refuses those of more than 250",
    },
    Difference {
        what: "a rule in CEL that compares a whole object with what it was",
        reason: "rules see but the names in metadata; of the rest of it a real server compares how many fields there are, and \
                 does so before and after it wrote some of its own",
    },
    Difference {
        what: "some functions of rules in CEL",
        reason: "`sortBy` is not known; errors in texts that should be addresses, networks, places, versions, \
                 formatting clauses or regular expressions are found, and not always told in the same words",
    },
    Difference {
        what: "ValidatingAdmissionPolicies and MutatingAdmissionPolicies, match conditions of webhooks, and their rules in CEL",
        reason: "they are kept and shown, and their rules are neither compiled nor evaluated: tests say what is refused by \
                 webhooks of their own and by faults",
    },
];
