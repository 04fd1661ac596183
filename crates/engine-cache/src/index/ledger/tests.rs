//! The ledger against naive models.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
use super::*;
use crate::options::CacheOptions;
use crate::watch::Intake;
use gitops_engine_core::{KindState, Scope, Snapshot};
use proptest::prelude::*;
use serde_json::json;

fn kind(name: &str) -> GroupKind {
    GroupKind::new(if matches!(name, "StatefulSet" | "ReplicaSet") { "apps" } else { "" }, name)
}

fn resource(name: &str) -> ResourceType {
    let plural = format!("{}s", name.to_lowercase()).into();
    ResourceType { kind: kind(name), version: "v1".into(), plural, scope: Scope::Namespaced }
}

const KINDS: [&str; 4] = ["StatefulSet", "ReplicaSet", "PersistentVolumeClaim", "Pod"];

fn table(kinds: &[(&str, u64)]) -> Update {
    let entry = |(name, run): &(&str, u64)| KindEntry {
        kind: kind(name),
        versions: vec![Arc::new(resource(name))],
        run: Some(*run),
    };
    Update::Kinds(Box::new(KindTable {
        capabilities: Arc::default(),
        kinds: kinds.iter().map(entry).collect(),
        broken_groups: BTreeMap::new(),
    }))
}

fn arrival(kind: &str, name: &str, uid: &str, version: u64, extra: &serde_json::Value) -> Arrival {
    let resource = resource(kind);
    let mut object = json!({"apiVersion": resource.api_version(), "kind": kind,
        "metadata": {"name": name, "namespace": "n", "uid": uid, "resourceVersion": version.to_string()}});
    object["metadata"]["ownerReferences"] = extra["owners"].clone();
    object["spec"] = extra["spec"].clone();
    Intake::new(CacheOptions::default()).object(&resource, object.to_string().as_bytes()).unwrap()
}

#[test]
fn what_an_ended_watch_still_sends_is_void() {
    let mut ledger = Ledger::default();
    let pod = |run| Update::Put { kind: kind("Pod"), run, arrivals: vec![arrival("Pod", "p", "u", 1, &json!(null))] };
    ledger.apply(table(&[("Pod", 1)]));
    ledger.apply(pod(1));
    ledger.apply(table(&[]));
    ledger.apply(pod(1));
    let (view, batch) = ledger.seal().unwrap();
    assert_eq!(batch.objects.len(), 1, "it came and went");
    assert_eq!(view.kind(&kind("Pod")), KindState::NotServed);
    ledger.apply(table(&[("Pod", 2)]));
    ledger.apply(pod(1));
    let (view, batch) = ledger.seal().unwrap();
    assert!(batch.kinds && batch.objects.is_empty());
    assert!(view.in_namespace("n").is_empty());
    assert!(ledger.seal().is_none(), "nothing changed, nothing published");
}

#[test]
fn texts_are_shared_whichever_came_first() {
    let owned = json!({"owners": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u-r"}]});
    let set = || ("ReplicaSet", arrival("ReplicaSet", "r", "u-r", 1, &json!(null)));
    let pod = |name| ("Pod", arrival("Pod", name, name, 1, &owned));
    for order in [[set(), pod("a"), pod("b")], [pod("a"), set(), pod("b")], [pod("a"), pod("b"), set()]] {
        let mut ledger = Ledger::default();
        ledger.apply(table(&[("ReplicaSet", 1), ("Pod", 2)]));
        for (name, arrival) in order {
            let run = if name == "Pod" { 2 } else { 1 };
            ledger.apply(Update::Put { kind: kind(name), run, arrivals: vec![arrival] });
        }
        let (view, _) = ledger.seal().unwrap();
        let set = view.get(&ObjectId::namespaced("apps", "ReplicaSet", "n", "r")).unwrap();
        for child in view.children(&set.uid) {
            assert!(Arc::ptr_eq(&child.owners[0].name, &set.id.name));
            assert!(std::ptr::eq(child.owners[0].uid.as_str(), set.uid.as_str()));
        }
    }
}

/// One object of the model: uid, version, owner references as written, claim templates.
#[derive(Clone, Debug)]
struct Fact {
    uid: String,
    version: u64,
    owner: Option<u8>,
    templates: Vec<&'static str>,
}

#[derive(Clone, Debug)]
enum Step {
    Put { kind: usize, name: usize, owner: Option<u8>, renew: bool, templates: u8 },
    Remove { kind: usize, name: usize },
    Relist { kind: usize, dropped: Vec<usize> },
    Seal,
}

const NAMES: [&str; 8] =
    ["web", "my-web", "data-web-0", "data-my-web-0", "logs-web-1", "data-web-00", "x", "x-data-web-0"];
const TEMPLATES: [&str; 3] = ["data", "logs", "data-my"];

fn step() -> impl Strategy<Value = Step> {
    let (kind, name) = (0..KINDS.len(), 0..NAMES.len());
    prop_oneof![
        8 => (kind.clone(), name.clone(), prop::option::weighted(0.3, 0..4_u8), prop::bool::weighted(0.2), 0..8_u8)
            .prop_map(|(kind, name, owner, renew, templates)| Step::Put { kind, name, owner, renew, templates }),
        3 => (kind.clone(), name.clone()).prop_map(|(kind, name)| Step::Remove { kind, name }),
        1 => (kind, prop::collection::vec(name, 0..4)).prop_map(|(kind, dropped)| Step::Relist { kind, dropped }),
        2 => Just(Step::Seal),
    ]
}

type Model = BTreeMap<(usize, usize), Fact>;

/// The owners of each object, worked out from scratch.
fn owners(model: &Model, kind: usize, name: usize) -> Vec<String> {
    let fact = &model[&(kind, name)];
    if let Some(owner) = fact.owner {
        return vec![format!("owner-{owner}")];
    }
    if KINDS[kind] != "PersistentVolumeClaim" {
        return Vec::new();
    }
    let mut candidates: Vec<(&str, &Fact)> =
        model.iter().filter(|((kind, _), _)| *kind == 0).map(|((_, name), fact)| (NAMES[*name], fact)).collect();
    candidates.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let matches =
        |(set, fact): &&(&str, &Fact)| fact.templates.iter().any(|template| is_claim_of(NAMES[name], template, set));
    candidates.iter().find(matches).map(|(_, fact)| fact.uid.clone()).into_iter().collect()
}

fn check(view: &View, model: &Model) -> Result<(), TestCaseError> {
    let mut expected: Vec<(ObjectId, String, Vec<String>)> = Vec::new();
    for ((kind_at, name), fact) in model {
        let id = ObjectId { kind: kind(KINDS[*kind_at]), namespace: Some("n".into()), name: NAMES[*name].into() };
        expected.push((id, fact.version.to_string(), owners(model, *kind_at, *name)));
    }
    expected.sort();
    let uids = |object: &LiveObject| object.owners.iter().map(|owner| owner.uid.to_string()).collect::<Vec<_>>();
    let found = view.in_namespace("n");
    let found: Vec<_> =
        found.iter().map(|object| (object.id.clone(), object.resource_version.to_string(), uids(object))).collect();
    prop_assert_eq!(&found, &expected);
    let mut children: BTreeMap<String, Vec<ObjectId>> = BTreeMap::new();
    for (id, _, owners) in &expected {
        for owner in owners {
            children.entry(owner.clone()).or_default().push(id.clone());
        }
        prop_assert_eq!(&view.get(id).unwrap().id, id);
    }
    prop_assert_eq!(view.children.len(), children.values().map(Vec::len).sum::<usize>());
    for (owner, ids) in children {
        let found: Vec<_> = view.children(&Uid::from(owner.as_str())).iter().map(|child| child.id.clone()).collect();
        prop_assert_eq!(found, ids);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn snapshots_equal_a_naive_model_and_never_change(steps in prop::collection::vec(step(), 1..80)) {
        let mut ledger = Ledger::default();
        let mut model = Model::new();
        let mut kept: Vec<(Arc<View>, Model)> = Vec::new();
        let mut named: BTreeSet<ObjectId> = BTreeSet::new();
        let runs: Vec<(&str, u64)> = KINDS.iter().copied().zip(1..).collect();
        ledger.apply(table(&runs));
        let send = |ledger: &mut Ledger, model: &Model, kind_at: usize, name: usize| {
            let fact = &model[&(kind_at, name)];
            let owner = |owner: u8| json!({"apiVersion": "v1", "kind": "Node", "name": "o", "uid": format!("owner-{owner}")});
            let templates: Vec<_> = fact.templates.iter().map(|name| json!({"metadata": {"name": name}})).collect();
            let extra = json!({"owners": fact.owner.map(owner).into_iter().collect::<Vec<_>>(),
                "spec": {"volumeClaimTemplates": templates}});
            let arrivals = vec![arrival(KINDS[kind_at], NAMES[name], &fact.uid, fact.version, &extra)];
            ledger.apply(Update::Put { kind: kind(KINDS[kind_at]), run: kind_at as u64 + 1, arrivals });
        };
        for (at, step) in (1_u64..).zip(steps) {
            match step {
                Step::Put { kind, name, owner, renew, templates } => {
                    let old = model.get(&(kind, name)).filter(|_| !renew).map(|fact| fact.uid.clone());
                    let templates = TEMPLATES.iter().enumerate().filter(|(bit, _)| kind == 0 && templates & (1 << bit) != 0);
                    let fact = Fact {
                        uid: old.unwrap_or_else(|| format!("uid-{at}")),
                        version: at,
                        owner,
                        templates: templates.map(|(_, name)| *name).collect(),
                    };
                    model.insert((kind, name), fact);
                    send(&mut ledger, &model, kind, name);
                }
                Step::Remove { kind: kind_at, name } => {
                    model.remove(&(kind_at, name));
                    let id = ObjectId { kind: kind(KINDS[kind_at]), namespace: Some("n".into()), name: NAMES[name].into() };
                    ledger.apply(Update::Remove { run: kind_at as u64 + 1, id });
                }
                Step::Relist { kind: kind_at, dropped } => {
                    for name in dropped {
                        model.remove(&(kind_at, name));
                    }
                    let names: Vec<usize> = model.keys().filter(|(other, _)| *other == kind_at).map(|(_, name)| *name).collect();
                    let mut ids = Vec::new();
                    for name in names {
                        send(&mut ledger, &model, kind_at, name);
                        ids.push(ObjectId { kind: kind(KINDS[kind_at]), namespace: Some("n".into()), name: NAMES[name].into() });
                    }
                    let coverage = Coverage::Complete;
                    ledger.apply(Update::Listed { kind: kind(KINDS[kind_at]), run: kind_at as u64 + 1, ids, coverage });
                }
                Step::Seal => {
                    if let Some((view, batch)) = ledger.seal() {
                        prop_assert!(batch.objects.is_sorted());
                        named.extend(batch.objects);
                        // Whatever differs from the last snapshot was named.
                        if let Some((before, _)) = kept.last() {
                            for object in view.in_namespace("n") {
                                let same = before.get(&object.id).is_some_and(|old| Arc::ptr_eq(&old, &object));
                                prop_assert!(same || named.contains(&object.id));
                            }
                        }
                        kept.push((view, model.clone()));
                        named.clear();
                    }
                }
            }
        }
        if let Some((view, _)) = ledger.seal() {
            kept.push((view, model));
        }
        for (view, model) in &kept {
            check(view, model)?;
        }
    }
}
