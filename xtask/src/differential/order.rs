//! The order of a sync: the tasks of the peer's `Sync()` against the steps of [`plan`].
//!
//! The peer's order ends at the name, ours is total: two orders agree where ours never turns round what the peer's phase,
//! wave and kind put in order. What is nothing but ours is checked beside: webhook configurations come last in their wave.

use std::collections::{BTreeMap, BTreeSet};

use gitops_engine_core::{
    ApplicationName, Declared, DesiredState, EntryState, GroupKind, Inventory, InventoryEntry, LiveObject,
    ManagedFields, Manifest, MemorySnapshot, Place, ResourceType, Scope, Timestamp, TreePath,
};
use gitops_engine_sync::Application;
use gitops_engine_sync::plan::{Plan, PlanInput, Predictions, Verdicts, plan};
use serde_json::{Value, json};

use super::random::Random;
use super::{Deviation, Judgement, Subject, refusal};

pub(super) struct Order;

const FORWARD: &str = "namespaces and CRDs";
const GROUPS: &str = "kinds of other groups";
const PRUNES: &str = "removals";

impl Subject for Order {
    fn name(&self) -> &'static str {
        "order"
    }

    fn usual(&self) -> usize {
        1_000
    }

    fn question(&self, random: &mut Random) -> Value {
        let (mut desired, mut live) = (Vec::new(), Vec::new());
        let mut taken = BTreeSet::new();
        for _ in 0..1 + random.below(16) {
            let object = object(random, None);
            let name = format!("{} {} {}", object["apiVersion"], object["kind"], object["metadata"]);
            if !taken.insert((object["kind"].to_string(), identity(&object))) || name.is_empty() {
                continue;
            }
            if random.one_in(5) && object.pointer("/metadata/annotations/argocd.argoproj.io~1hook").is_none() {
                live.push(object);
            } else {
                desired.push(object);
            }
        }
        json!({"desired": desired, "live": live})
    }

    fn judge(&self, question: &Value, answer: &Value) -> Option<Judgement> {
        let objects = |name: &str| -> Option<Vec<Manifest>> {
            let list = question.get(name)?.as_array()?;
            let read = |body: &Value| Manifest::from_json(body.to_string().as_bytes(), ManagedFields::Drop).ok();
            list.iter().map(read).collect()
        };
        let (desired, live) = (objects("desired")?, objects("live")?);
        if desired.iter().chain(&live).any(|object| !known(object)) || refusal(answer).is_some() {
            return None;
        }
        let ours = match our_plan(&desired, &live) {
            Ok(plan) => our_tasks(&plan),
            Err(error) => return Some(Judgement::differs("ours refuses", error, "")),
        };
        let theirs: Vec<Task> = answer.as_array()?.iter().map(Task::read).collect::<Option<_>>()?;
        Some(compare(&ours, &theirs))
    }

    fn deviations(&self) -> &'static [Deviation] {
        &[
            Deviation {
                name: FORWARD,
                reason: "both pull them before what needs them; here to the front of the earliest wave, a CRD for all \
                         kinds of its group, nothing for the sake of SyncFail, which may never run; and their removals \
                         behind what needs them",
            },
            Deviation {
                name: GROUPS,
                reason: "the rank of a kind counts for its own group only: a Service of serving.knative.dev is no \
                         Service",
            },
            Deviation {
                name: PRUNES,
                reason: "come after all that is applied in the phase, not between its waves; their own waves are in the \
                         same order",
            },
        ]
    }
}

/// Kinds as they are served here, in the order of the peer's ranks; those of rank `OTHER` have none.
const KINDS: &[(&str, &str, &str, bool)] = &[
    ("", "v1", "Namespace", false),
    ("networking.k8s.io", "v1", "NetworkPolicy", true),
    ("", "v1", "ResourceQuota", true),
    ("", "v1", "LimitRange", true),
    ("policy", "v1", "PodDisruptionBudget", true),
    ("", "v1", "ServiceAccount", true),
    ("", "v1", "Secret", true),
    ("", "v1", "ConfigMap", true),
    ("storage.k8s.io", "v1", "StorageClass", false),
    ("", "v1", "PersistentVolume", false),
    ("", "v1", "PersistentVolumeClaim", true),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", false),
    ("rbac.authorization.k8s.io", "v1", "Role", true),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", true),
    ("", "v1", "Service", true),
    ("apps", "v1", "DaemonSet", true),
    ("", "v1", "Pod", true),
    ("", "v1", "ReplicationController", true),
    ("apps", "v1", "ReplicaSet", true),
    ("apps", "v1", "Deployment", true),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", true),
    ("apps", "v1", "StatefulSet", true),
    ("batch", "v1", "Job", true),
    ("batch", "v1", "CronJob", true),
    ("networking.k8s.io", "v1", "IngressClass", false),
    ("networking.k8s.io", "v1", "Ingress", true),
    ("apiregistration.k8s.io", "v1", "APIService", false),
    // No rank: behind all that have one.
    ("example.com", "v1", "Shop", true),
    ("example.com", "v1", "Stall", true),
    ("scheduling.k8s.io", "v1", "PriorityClass", false),
    ("", "v1", "Endpoints", true),
    // A rank for the peer, which does not look at groups.
    ("serving.knative.dev", "v1", "Service", true),
    // Last, here.
    ("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", false),
];
/// How many of them have a rank.
const RANKED: usize = 29;

fn object(random: &mut Random, at: Option<usize>) -> Value {
    // The kinds with rules of their own more often.
    let at = at.unwrap_or_else(|| match random.below(8) {
        0 => 0,
        1 => 11,
        2 => RANKED + random.below(KINDS.len() - RANKED),
        _ => random.below(KINDS.len()),
    });
    let (group, version, kind, namespaced) = KINDS[at];
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut name = random.pick(&["a", "b", "c", "d"]).to_owned();
    let mut body = json!({"apiVersion": api_version, "kind": kind});
    if kind == "CustomResourceDefinition" {
        let (plural, defined) = [("shops", "Shop"), ("stalls", "Stall")][random.below(2)];
        name = format!("{plural}.example.com");
        body["spec"] = json!({
            "group": "example.com", "scope": "Namespaced", "names": {"kind": defined, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true}],
        });
    }
    body["metadata"]["name"] = json!(name);
    if namespaced {
        body["metadata"]["namespace"] = json!(random.pick(&["a", "b", "default"]));
    }
    if random.one_in(2) {
        let wave = random.number(&[-2, -1, 0, 1, 1, 2, 5, 100]);
        body["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = json!(wave.to_string());
    }
    if random.one_in(5) {
        let phases = ["PreSync", "Sync", "PostSync", "SyncFail", "PreSync,PostSync", "Skip"];
        body["metadata"]["annotations"]["argocd.argoproj.io/hook"] = json!(random.pick(&phases));
    }
    body
}

fn identity(object: &Value) -> String {
    format!("{} {} {}", object["apiVersion"], object["metadata"]["namespace"], object["metadata"]["name"])
}

/// Whether an object is of the kinds that are served here, with a name, and a namespace where it needs one.
fn known(object: &Manifest) -> bool {
    let id = object.id();
    !id.name.is_empty()
        && KINDS.iter().any(|(group, version, kind, namespaced)| {
            id.kind.is(group, kind) && &**object.version() == *version && *namespaced == id.namespace.is_some()
        })
}

fn our_plan(desired: &[Manifest], live: &[Manifest]) -> Result<Plan, String> {
    let mut snapshot = MemorySnapshot::new();
    for (group, version, kind, namespaced) in KINDS {
        snapshot = snapshot.serve(ResourceType {
            kind: GroupKind::new(*group, *kind),
            version: (*version).into(),
            plural: format!("{}s", kind.to_lowercase()).into(),
            scope: if *namespaced { Scope::Namespaced } else { Scope::Cluster },
        });
    }
    // The namespaces that are not declared are there: the peer does not ask.
    let name = ApplicationName::new("shop");
    for namespace in ["a", "b", "c", "d", "default"] {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace,
            "uid": format!("namespace-{namespace}"), "resourceVersion": "1"}});
        let declared = desired
            .iter()
            .chain(live)
            .any(|object| object.id().kind.is("", "Namespace") && &*object.id().name == namespace);
        if !declared {
            snapshot = snapshot.object(held(&body)?);
        }
    }
    let mut inventory = Inventory::new(name.clone());
    for (number, object) in live.iter().enumerate() {
        let mut body: Value = serde_json::from_slice(&object.body().to_json()).map_err(|error| error.to_string())?;
        let uid = format!("uid-{number}");
        body["metadata"]["uid"] = json!(uid);
        body["metadata"]["resourceVersion"] = json!("1");
        let mut entry = InventoryEntry::announced(object.version().clone());
        entry.state = EntryState::Applied;
        entry.uid = Some(uid.as_str().into());
        entry.wave = gitops_engine_core::Intent::read(object).wave;
        inventory.entries.insert(object.id().clone(), entry);
        snapshot = snapshot.object(held(&body)?);
    }
    let file = TreePath::parse("all.yaml").map_err(|error| error.to_string())?;
    let declared = desired.iter().map(|object| Declared::new(object.clone(), Place::line(file.clone(), 1))).collect();
    let desired = DesiredState::new("0123456".into(), declared);
    plan(&PlanInput {
        application: &Application::new(name).namespace("default"),
        desired: &desired,
        actual: &snapshot,
        inventory: &inventory,
        predictions: &Predictions::new(),
        verdicts: &Verdicts::new(),
        now: Timestamp::UNIX_EPOCH,
    })
    .map_err(|problems| problems.to_string())
}

fn held(body: &Value) -> Result<LiveObject, String> {
    let manifest = Manifest::from_json(body.to_string().as_bytes(), ManagedFields::Drop);
    manifest.and_then(LiveObject::from_manifest).map_err(|error| error.to_string())
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    phase: String,
    wave: i64,
    group: String,
    kind: String,
    namespace: String,
    name: String,
    prune: bool,
}

impl Task {
    fn read(task: &Value) -> Option<Self> {
        let text = |name: &str| Some(task.get(name)?.as_str()?.to_owned());
        let (group, kind) = (text("group")?, text("kind")?);
        let namespaced = KINDS.iter().any(|known| (known.0, known.2, known.3) == (&*group, &*kind, true));
        Some(Self {
            phase: text("phase")?,
            wave: task.get("wave")?.as_i64()?,
            // The peer stamps a namespace on everything.
            namespace: if namespaced { text("namespace")? } else { String::new() },
            group,
            kind,
            name: text("name")?,
            prune: task.get("prune")?.as_bool()?,
        })
    }

    fn identity(&self) -> (&str, &str, &str, &str) {
        (&self.group, &self.kind, &self.namespace, &self.name)
    }

    /// Its rank among kinds for the peer; the same for all that have none.
    fn their_rank(&self) -> usize {
        KINDS[..RANKED].iter().position(|known| known.2 == self.kind).unwrap_or(RANKED)
    }

    fn provides(&self) -> bool {
        matches!(&*self.kind, "Namespace" | "CustomResourceDefinition")
    }

    fn shown(&self) -> String {
        let prune = if self.prune { "-" } else { "" };
        format!("{prune}{}/{} {}/{}/{}", self.phase, self.wave, self.kind, self.namespace, self.name)
    }
}

fn our_tasks(plan: &Plan) -> Vec<Task> {
    let active = plan.steps.iter().filter(|step| !step.action.is_idle());
    active
        .map(|step| Task {
            phase: step.phase.to_string(),
            wave: step.wave.into(),
            group: step.object.kind.group.to_string(),
            kind: step.object.kind.kind.to_string(),
            namespace: step.object.namespace.as_deref().unwrap_or_default().to_owned(),
            name: step.object.name.to_string(),
            prune: step.action.removes(),
        })
        .collect()
}

/// Whether a task cannot do without what another one provides.
fn needs(by: &Task, provider: &Task) -> bool {
    match &*provider.kind {
        "Namespace" => by.namespace == provider.name,
        _ => by.group == "example.com",
    }
}

fn compare(ours: &[Task], theirs: &[Task]) -> Judgement {
    let show = |tasks: &[Task]| tasks.iter().map(Task::shown).collect::<Vec<_>>().join(", ");
    let differs = |label: &str| Judgement::differs(label, show(ours), show(theirs));
    let mut deviation = None;

    // The same tasks. A namespace or a CRD may have moved.
    let set = |tasks: &[Task]| -> BTreeSet<Task> {
        let plain = |task: &Task| Task {
            phase: if task.provides() { String::new() } else { task.phase.clone() },
            // The wave of a removal is turned round by the peer: compared by order, below.
            wave: if task.prune || task.provides() { 0 } else { task.wave },
            ..task.clone()
        };
        tasks.iter().map(plain).collect()
    };
    if set(ours) != set(theirs) {
        return differs("other tasks");
    }

    // What is applied, without namespaces and CRDs: no two may be the other way round.
    let applied = |tasks: &[Task]| -> Vec<Task> {
        tasks.iter().filter(|task| !task.prune && !task.provides()).cloned().collect()
    };
    let (our_applied, their_applied) = (applied(ours), applied(theirs));
    let place: BTreeMap<_, _> = their_applied.iter().enumerate().map(|(at, task)| (task.clone(), at)).collect();
    for (at, later) in our_applied.iter().enumerate() {
        for earlier in &our_applied[..at] {
            let tied =
                (&earlier.phase, earlier.wave, earlier.their_rank()) == (&later.phase, later.wave, later.their_rank());
            if tied || place[earlier] < place[later] {
                continue;
            }
            let same_wave = (&earlier.phase, earlier.wave) == (&later.phase, later.wave);
            match (&*earlier.group, &*later.group) {
                _ if !same_wave => return differs("waves the other way round"),
                (_, "serving.knative.dev") | ("serving.knative.dev", _) => deviation = Some(GROUPS),
                _ => return differs("kinds the other way round"),
            }
        }
        // Webhooks are behind everything else of their wave.
        if let Some(next) = our_applied.get(at + 1)
            && (&next.phase, next.wave) == (&later.phase, later.wave)
            && later.group == "admissionregistration.k8s.io"
            && next.group != later.group
        {
            return differs("a webhook configuration before something else");
        }
    }

    // Namespaces and CRDs: before all that needs them, on both sides; in the wave that the peer has them in, mostly.
    let whole = |tasks: &[Task]| -> Vec<Task> { tasks.iter().filter(|task| !task.prune).cloned().collect() };
    let (our_whole, their_whole) = (whole(ours), whole(theirs));
    for (at, task) in our_whole.iter().enumerate().filter(|(_, task)| task.provides()) {
        if our_whole[..at].iter().any(|by| by.phase != "SyncFail" && needs(by, task)) {
            return differs("something before its namespace or its CRD");
        }
    }
    if our_whole != their_whole && deviation.is_none() {
        let moved =
            |tasks: &[Task]| -> BTreeSet<Task> { tasks.iter().filter(|task| task.provides()).cloned().collect() };
        let needed = our_whole.iter().any(|task| our_whole.iter().any(|by| task.provides() && needs(by, task)));
        if moved(&our_whole) != moved(&their_whole) {
            if !needed {
                return differs("a namespace or a CRD moved for nothing");
            }
            deviation = Some(FORWARD);
        }
    }

    // Removals: the waves in the same order; a namespace or a CRD after what needs it.
    let removed = |tasks: &[Task]| -> Vec<Task> { tasks.iter().filter(|task| task.prune).cloned().collect() };
    let (our_removed, their_removed) = (removed(ours), removed(theirs));
    let waves: BTreeMap<_, _> = their_removed.iter().map(|task| (task.identity(), task.wave)).collect();
    let in_their_waves =
        |tasks: &mut dyn Iterator<Item = &Task>| -> bool { tasks.map(|task| waves[&task.identity()]).is_sorted() };
    if !in_their_waves(&mut our_removed.iter().filter(|task| !task.provides())) {
        return differs("waves of removals the other way round");
    }
    for (at, task) in our_removed.iter().enumerate().filter(|(_, task)| task.provides()) {
        if our_removed[at..].iter().any(|by| needs(by, task)) {
            return differs("a namespace or a CRD removed before what needs it");
        }
    }
    if deviation.is_none() && !in_their_waves(&mut our_removed.iter()) {
        deviation = Some(FORWARD);
    }
    if deviation.is_none() && !our_removed.is_empty() {
        let mixed =
            |tasks: &[Task]| tasks.windows(2).any(|pair| pair[0].prune && !pair[1].prune && pair[1].phase == "Sync");
        if mixed(ours) {
            return differs("something applied after a removal");
        }
        if mixed(theirs) {
            deviation = Some(PRUNES);
        }
    }
    deviation.map_or(Judgement::Same, Judgement::Deviates)
}
