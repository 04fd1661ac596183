//! The graph: what waits for what, each edge with its cause.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::fmt;

use gitops_engine_core::dialect::{Dependency, Phase};
use gitops_engine_core::{Error, ErrorKind, ObjectId, Problems, Snapshot};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::{Deserialize, Serialize};

use super::order::{Provided, Ranks, Slot, is_crd, provides, requires};
use super::{Action, Step, Wave};

/// What has to be true of a node before one that waits for it may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Needs {
    /// It was written; it need not be healthy.
    Written,
    /// It is done: healthy on fresh evidence, run to its end, or gone.
    Done,
}

/// Why one node waits for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Cause {
    /// The object lives in this namespace.
    Namespace,
    /// The object is of a kind that this CRD defines.
    CustomResourceDefinition,
    /// An annotation says so.
    DependsOn(String),
    /// One wave is done before the next one starts.
    Wave,
    /// Kinds that others use are written first.
    KindOrder,
}

/// A point that a set of steps reaches together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Barrier {
    /// What it stands for, for people.
    pub name: String,
}

/// An end of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Node {
    /// An index into [`Plan::steps`](super::Plan::steps).
    Step(usize),
    /// An index into [`Plan::barriers`](super::Plan::barriers).
    Barrier(usize),
}

/// One node waits for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// What is waited for.
    pub from: Node,
    /// What waits.
    pub to: Node,
    /// What has to be true of `from`.
    pub needs: Needs,
    /// Why.
    pub cause: Cause,
}

/// Steps in a total order that respects every edge, and the edges between them.
pub(super) struct Ordered {
    pub(super) steps: Vec<Step>,
    pub(super) barriers: Vec<Barrier>,
    pub(super) edges: Vec<Edge>,
    pub(super) waves: Vec<Wave>,
}

type Graph = DiGraph<Node, (Needs, Cause)>;

/// Builds the graph and sorts the steps.
///
/// `depends_on` are the dependencies of annotations, by the identity of the object that has them.
///
/// # Errors
/// A cycle, with one shortest path; a dependency that is neither declared nor there.
pub(super) fn order(
    mut steps: Vec<Step>,
    depends_on: &BTreeMap<ObjectId, Vec<Dependency>>,
    actual: &dyn Snapshot,
) -> Result<Ordered, Problems> {
    // By identity, and then, keeping that order, by all else: most steps come sorted by identity.
    steps.sort_by(|a, b| a.object.cmp(&b.object));
    let mut ranks = Ranks::default();
    steps.sort_by_cached_key(|step| (step.action.is_idle(), Slot::of(step), ranks.of(step)));
    let slots: Vec<_> = steps.iter().map(Slot::of).collect();
    let active: Vec<_> = (0..steps.len()).filter(|at| !steps[*at].action.is_idle()).collect();

    let mut builder = Builder { graph: Graph::with_capacity(steps.len() + 64, steps.len() * 3), barriers: Vec::new() };
    for at in 0..steps.len() {
        builder.graph.add_node(Node::Step(at));
    }
    let explicit = builder.add_hard_edges(&steps, &active, depends_on, actual)?;
    builder.add_waves(&slots, &active);
    builder.check_cycles(&steps, &explicit)?;
    builder.add_kind_order(&steps, &slots, &active);
    Ok(builder.finish(steps, &slots, &active))
}

struct Builder {
    graph: Graph,
    barriers: Vec<Barrier>,
}

impl Builder {
    fn barrier(&mut self, name: impl fmt::Display) -> NodeIndex {
        self.barriers.push(Barrier { name: name.to_string() });
        self.graph.add_node(Node::Barrier(self.barriers.len() - 1))
    }

    fn edge(&mut self, from: usize, to: usize, cause: Cause) {
        self.graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), (Needs::Done, cause));
    }

    /// Namespaces, CRDs and annotations. Returns the ends of the edges that could close a cycle.
    fn add_hard_edges(
        &mut self,
        steps: &[Step],
        active: &[usize],
        depends_on: &BTreeMap<ObjectId, Vec<Dependency>>,
        actual: &dyn Snapshot,
    ) -> Result<Vec<usize>, Problems> {
        let mut explicit = Vec::new();
        let mut errors = Vec::new();
        let mut providers: BTreeMap<(bool, Provided), Vec<usize>> = BTreeMap::new();
        let mut by_id: HashMap<&ObjectId, Vec<usize>> = HashMap::new();
        // Declared and idle: a hook that has run, an object that is not applied. It is not waited for.
        let idle: BTreeSet<_> =
            steps.iter().filter(|step| matches!(step.action, Action::Skip)).map(|step| &step.object).collect();
        for &at in active {
            let step = &steps[at];
            if !depends_on.is_empty() {
                by_id.entry(&step.object).or_default().push(at);
            }
            if let Some(provided) = provides(step) {
                providers.entry((Slot::of(step).prunes, provided)).or_default().push(at);
            }
        }
        for &at in active {
            let step = &steps[at];
            let prunes = Slot::of(step).prunes;
            if !providers.is_empty() {
                for provided in requires(&step.object) {
                    for &provider in providers.get(&(prunes, provided)).into_iter().flatten() {
                        let cause = if is_crd(&steps[provider].object.kind) {
                            Cause::CustomResourceDefinition
                        } else {
                            Cause::Namespace
                        };
                        // What is needed is made first, and removed last.
                        let (from, to) = if prunes { (at, provider) } else { (provider, at) };
                        self.edge(from, to, cause);
                    }
                }
            }
            if prunes {
                continue;
            }
            for dependency in depends_on.get(&step.object).into_iter().flatten() {
                let targets = by_id.get(&dependency.object).map(Vec::as_slice).unwrap_or_default();
                let mut found = idle.contains(&dependency.object);
                for &target in targets {
                    if !Slot::of(&steps[target]).prunes && (target != at || targets.len() == 1) {
                        found = true;
                        explicit.push(at);
                        self.edge(target, at, Cause::DependsOn(dependency.annotation.to_owned()));
                    }
                }
                if !found && actual.get(&dependency.object).is_none() {
                    let error = Error::new(
                        ErrorKind::NotFound,
                        format!(
                            "{} names {}, which is neither declared nor in the cluster",
                            dependency.annotation, dependency.object
                        ),
                    )
                    .object(step.object.clone())
                    .help("correct the annotation, or declare the object");
                    errors.push(match &step.place {
                        Some(place) => error.at(place.clone()),
                        None => error,
                    });
                }
            }
        }
        Problems::check(errors)?;
        Ok(explicit)
    }

    /// A barrier between each wave and the next one. SyncFail has a chain of its own: it does not wait for success.
    fn add_waves(&mut self, slots: &[Slot], active: &[usize]) {
        let mut groups: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
        for &at in active {
            groups.entry(slots[at]).or_default().push(at);
        }
        let groups: Vec<_> = groups.into_iter().collect();
        for pair in groups.windows(2) {
            let [(before, earlier), (after, later)] = pair else { continue };
            if (after.phase == Phase::SyncFail) != (before.phase == Phase::SyncFail) {
                continue;
            }
            let barrier = self.barrier(Shown(*before));
            for &at in earlier {
                self.graph.add_edge(NodeIndex::new(at), barrier, (Needs::Done, Cause::Wave));
            }
            for &at in later {
                self.graph.add_edge(barrier, NodeIndex::new(at), (Needs::Done, Cause::Wave));
            }
        }
    }

    /// Within a wave, kinds that others use are written before these others. An explicit dependency beats it: a step
    /// is never asked to come before what it depends on.
    fn add_kind_order(&mut self, steps: &[Step], slots: &[Slot], active: &[usize]) {
        let mut by_kind = Ranks::default();
        let mut ranks: Vec<u8> = steps.iter().map(|step| by_kind.of(step)).collect();
        for node in self.topological() {
            let Node::Step(at) = self.graph[node] else { continue };
            let before = self.graph.edges_directed(node, petgraph::Direction::Incoming);
            for edge in before {
                if let Node::Step(earlier) = self.graph[edge.source()]
                    && slots[earlier] == slots[at]
                {
                    ranks[at] = ranks[at].max(ranks[earlier]);
                }
            }
        }
        let mut groups: BTreeMap<Slot, BTreeMap<u8, Vec<usize>>> = BTreeMap::new();
        for &at in active {
            groups.entry(slots[at]).or_default().entry(ranks[at]).or_default().push(at);
        }
        for (slot, kinds) in groups {
            let kinds: Vec<_> = kinds.into_values().collect();
            for pair in kinds.windows(2) {
                let [earlier, later] = pair else { continue };
                let kind = earlier.first().map(|at| steps[*at].object.kind.to_string()).unwrap_or_default();
                let barrier = self.barrier(format_args!("{}, kinds up to {kind}", Shown(slot)));
                for &at in earlier {
                    self.graph.add_edge(NodeIndex::new(at), barrier, (Needs::Written, Cause::KindOrder));
                }
                for &at in later {
                    self.graph.add_edge(barrier, NodeIndex::new(at), (Needs::Written, Cause::KindOrder));
                }
            }
        }
    }

    /// The nodes in an order that respects every edge, the smallest ready one first. Nodes on a cycle are left out.
    fn topological(&self) -> Vec<NodeIndex> {
        let mut missing: Vec<usize> = vec![0; self.graph.node_count()];
        for edge in self.graph.edge_references() {
            missing[edge.target().index()] += 1;
        }
        // Barriers have the highest indexes, so they would be taken last; taking them first instead releases the steps
        // behind them as early as possible, and these are then taken by their own order.
        let urgency = |node: NodeIndex| (matches!(self.graph[node], Node::Step(_)), node.index());
        let mut ready: BinaryHeap<_> = self
            .graph
            .node_indices()
            .filter(|node| missing[node.index()] == 0)
            .map(|node| Reverse(urgency(node)))
            .collect();
        let mut order = Vec::with_capacity(missing.len());
        while let Some(Reverse((_, index))) = ready.pop() {
            let node = NodeIndex::new(index);
            order.push(node);
            for next in self.graph.neighbors(node) {
                missing[next.index()] -= 1;
                if missing[next.index()] == 0 {
                    ready.push(Reverse(urgency(next)));
                }
            }
        }
        order
    }

    fn check_cycles(&self, steps: &[Step], explicit: &[usize]) -> Result<(), Problems> {
        if explicit.is_empty() || self.topological().len() == self.graph.node_count() {
            return Ok(());
        }
        let mut component = vec![usize::MAX; self.graph.node_count()];
        let mut errors = Vec::new();
        for (number, nodes) in tarjan_scc(&self.graph).into_iter().enumerate() {
            for node in &nodes {
                component[node.index()] = number;
            }
            // Every cycle goes through a dependency that an annotation made: nothing else can close one.
            let mut starts: Vec<_> = explicit.iter().copied().filter(|at| component[*at] == number).collect();
            starts.sort_unstable();
            starts.dedup();
            let cycles = starts.iter().filter_map(|at| self.shortest_cycle(NodeIndex::new(*at), &component));
            if let Some(cycle) = cycles.min_by_key(|cycle| (self.length(cycle), cycle.clone())) {
                errors.push(self.describe(&cycle, steps));
            }
        }
        Problems::check(errors)
    }

    /// How many steps a cycle has: barriers do not count.
    fn length(&self, cycle: &[NodeIndex]) -> usize {
        cycle.iter().filter(|node| matches!(self.graph[**node], Node::Step(_))).count()
    }

    /// The shortest way from a node back to itself, without the end.
    fn shortest_cycle(&self, start: NodeIndex, component: &[usize]) -> Option<Vec<NodeIndex>> {
        let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            let mut next: Vec<_> = self.graph.neighbors(node).collect();
            next.sort_unstable();
            for next in next {
                if next == start {
                    let mut cycle = vec![node];
                    while let Some(&before) = came_from.get(cycle.last()?) {
                        cycle.push(before);
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                if component[next.index()] == component[start.index()] && !came_from.contains_key(&next) {
                    came_from.insert(next, node);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// `A waits for B (why), B waits for A (why)`.
    fn describe(&self, cycle: &[NodeIndex], steps: &[Step]) -> Error {
        // The smallest step first, so that the message does not depend on where the search began.
        let ring: Vec<_> = cycle
            .iter()
            .filter_map(|node| match self.graph[*node] {
                Node::Step(at) => Some(at),
                Node::Barrier(_) => None,
            })
            .collect();
        let first = ring.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(position, _)| position);
        let mut parts = Vec::new();
        for offset in 0..ring.len() {
            // Edges point from what is waited for to what waits; people say it the other way round.
            let waits = ring[(first + ring.len() - offset) % ring.len()];
            let for_it = ring[(first + 2 * ring.len() - offset - 1) % ring.len()];
            let cause = self
                .graph
                .edges_connecting(NodeIndex::new(for_it), NodeIndex::new(waits))
                .map(|edge| edge.weight().1.clone())
                .min();
            let why = match cause {
                Some(Cause::DependsOn(annotation)) => annotation,
                Some(Cause::Namespace) => "it is its namespace".to_owned(),
                Some(Cause::CustomResourceDefinition) => "it defines its kind".to_owned(),
                _ => format!("wave {} comes before wave {}", steps[for_it].wave, steps[waits].wave),
            };
            parts.push(format!("{} waits for {} ({why})", steps[waits].object, steps[for_it].object));
        }
        let error = Error::new(ErrorKind::InvalidInput, format!("dependencies form a cycle: {}", parts.join(", ")))
            .help("remove one of these dependencies");
        match ring.get(first).and_then(|at| steps[*at].place.clone()) {
            Some(place) => error.at(place),
            None => error,
        }
    }

    /// Renumbers the steps in topological order.
    fn finish(self, steps: Vec<Step>, slots: &[Slot], active: &[usize]) -> Ordered {
        let mut position = vec![usize::MAX; steps.len()];
        let mut order = Vec::with_capacity(steps.len());
        let topological = self.topological();
        let active_first = topological
            .iter()
            .filter_map(|node| match self.graph[*node] {
                Node::Step(at) => Some(at),
                Node::Barrier(_) => None,
            })
            .filter(|at| !steps[*at].action.is_idle());
        // SyncFail steps wait for nothing of the main chain: they go behind it by hand.
        let (main, fail): (Vec<_>, Vec<_>) = active_first.partition(|at| steps[*at].phase != Phase::SyncFail);
        let idle = (0..steps.len()).filter(|at| steps[*at].action.is_idle());
        for at in main.into_iter().chain(fail).chain(idle) {
            position[at] = order.len();
            order.push(at);
        }
        let renumber = |node: Node| match node {
            Node::Step(at) => Node::Step(position[at]),
            Node::Barrier(at) => Node::Barrier(at),
        };
        let mut edges: Vec<_> = self
            .graph
            .edge_references()
            .map(|edge| {
                let (needs, cause) = edge.weight().clone();
                let (from, to) = (self.graph[edge.source()], self.graph[edge.target()]);
                Edge { from: renumber(from), to: renumber(to), needs, cause }
            })
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let mut groups: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
        for &at in active {
            groups.entry(slots[at]).or_default().push(position[at]);
        }
        let waves = groups
            .into_iter()
            .map(|(slot, mut steps)| {
                steps.sort_unstable();
                Wave { phase: slot.phase, wave: slot.wave(), prunes: slot.prunes, steps }
            })
            .collect();
        // Most plans are in order already: only explicit dependencies move a step.
        let steps = if order.is_sorted() {
            steps
        } else {
            let mut sorted: Vec<_> = steps.into_iter().enumerate().collect();
            sorted.sort_by_key(|(at, _)| position[*at]);
            sorted.into_iter().map(|(_, step)| step).collect()
        };
        Ordered { steps, barriers: self.barriers, edges, waves }
    }
}

/// A slot in words.
struct Shown(Slot);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.0.prunes { "removals of wave" } else { "wave" };
        write!(f, "{} {what} {}", self.0.phase, self.0.wave())
    }
}
