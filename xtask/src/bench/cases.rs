//! What is timed, and what it is held against.

/// A bench program of ours, and who does the same work.
pub(super) struct Suite {
    /// The name of the bench in Cargo.toml.
    pub(super) bench: &'static str,
    pub(super) peer: Peer,
    pub(super) cases: &'static [Case],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The Go program of `benches/peers`.
    Go,
    /// A real kube-apiserver, which the bench itself starts when it is asked to.
    KubeApiServer,
}

impl Peer {
    /// What the table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Go => "Go",
            Self::KubeApiServer => "real",
        }
    }
}

/// A case of the table.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The case of the peer that does the same work, where there is one.
    pub(super) peer: Option<&'static str>,
    /// The part of the peer's time that ours may take.
    pub(super) limit: Option<f64>,
}

impl Case {
    const fn beside(name: &'static str, peer: &'static str, limit: Option<f64>) -> Self {
        Self { name, peer: Some(peer), limit }
    }

    const fn ours(name: &'static str) -> Self {
        Self { name, peer: None, limit: None }
    }
}

pub(super) const SUITES: [Suite; 2] = [
    // The first plan and the whole pass do more than the peer's `Sync()`, which is told what is unchanged; the last ones
    // are ours alone, or `serde_json` beside us.
    Suite {
        bench: "engine",
        peer: Peer::Go,
        cases: &[
            Case::beside("plan_1k", "plan_1k", Some(0.1)),
            Case::beside("plan_10k", "plan_10k", Some(0.1)),
            Case::beside("plan_10k_waves", "plan_10k_waves", Some(0.1)),
            Case::beside("plan_10k_first", "plan_10k", None),
            Case::beside("pass_10k", "plan_10k", None),
            Case::ours("replan_one_change_10k"),
            Case::beside("diff_three_way_1k", "diff_three_way_1k", Some(0.05)),
            Case::beside("health_10k", "health_10k", Some(0.1)),
            Case::ours("parse_pod_8k"),
            Case::ours("parse_pod_8k_serde_json"),
            Case::ours("bytes_per_pod"),
            Case::ours("bytes_per_pod_serde_json"),
            Case::ours("bytes_per_index_node"),
        ],
    },
    // Times of one request with sixteen under way. The in-process API keeps nothing on disk and has one writer at a time:
    // these say what a test costs, not which server is better.
    Suite {
        bench: "testkit",
        peer: Peer::KubeApiServer,
        cases: &[
            Case::ours("api_first_answer"),
            Case::ours("api_first_write"),
            Case::ours("api_first_answer_loopback"),
            Case::ours("api_load_100k"),
            Case::ours("api_list_100k"),
            Case::ours("api_pages_100k"),
            Case::ours("api_watch_100k"),
            Case::ours("api_bytes_per_object"),
            Case::beside("api_get", "api_get_real", None),
            Case::beside("api_get_loopback", "api_get_real", None),
            Case::beside("api_create", "api_create_real", None),
            Case::beside("api_create_loopback", "api_create_real", None),
            Case::beside("api_apply", "api_apply_real", None),
            Case::beside("api_apply_loopback", "api_apply_real", None),
            Case::beside("api_list_100", "api_list_100_real", None),
            Case::beside("api_list_100_loopback", "api_list_100_real", None),
            Case::beside("api_list_5k", "api_list_5k_real", None),
            Case::beside("api_list_5k_loopback", "api_list_5k_real", None),
            Case::beside("api_events", "api_events_real", None),
            Case::beside("api_events_loopback", "api_events_real", None),
        ],
    },
];
