//! Real manifests of other projects: each reaches health, is left alone while nothing changes, and loses just what is
//! removed from Git.

use std::collections::{BTreeMap, BTreeSet};

use gitops_engine::core::{ActionKind, Inventory, ObjectId};
use gitops_engine::git::write::Change;
use gitops_engine::manifest::{Program, Programs};
use gitops_engine::sync::reconcile::State;
use gitops_engine::{Application, ErrorKind, Event, Pass};
use serde_json::{Value, json};

use crate::outside::{Data, programs};
use crate::target::Target;
use crate::world::World;

const ARGO: &str = "argocd-example-apps";
const KUSTOMIZE: [Program; 2] = [Program::Kustomize, Program::Kubectl];

/// A sample, and the commit that removes half of it.
struct Sample {
    /// Its name, and that of its namespace.
    name: &'static str,
    path: &'static str,
    /// What is committed first.
    files: Vec<Change>,
    programs: Programs,
    /// How many objects it declares, without hooks.
    objects: usize,
    /// The commit that removes some of them.
    half: Vec<Change>,
    /// What it removes, as `Kind name`.
    removed: BTreeSet<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn guestbook() {
    let Some(data) = Data::find() else { return };
    live_and_lose_half(Sample {
        name: "guestbook",
        path: "guestbook",
        files: data.import(ARGO, "guestbook"),
        programs: Programs::none(),
        objects: 2,
        half: vec![Change::remove("guestbook/guestbook-ui-svc.yaml").unwrap()],
        removed: BTreeSet::from(["Service guestbook-ui".into()]),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sock_shop() {
    let Some(data) = Data::find() else { return };
    let Some(programs) = programs(&KUSTOMIZE) else { return };
    // Every second file of the kustomization.
    let mut removed = BTreeSet::new();
    let mut left = String::new();
    for (index, line) in data.text(&format!("{ARGO}/sock-shop/kustomization.yaml")).lines().enumerate() {
        match line.trim().strip_prefix("- ") {
            Some(file) if index % 2 == 0 => {
                removed.insert(identity(&data.text(&format!("{ARGO}/sock-shop/{file}"))));
            }
            _ => left += &format!("{line}\n"),
        }
    }
    assert_eq!(removed.len(), 14);
    live_and_lose_half(Sample {
        name: "sock-shop",
        path: "sock-shop",
        files: data.import(ARGO, "sock-shop"),
        programs,
        objects: 29,
        half: vec![Change::file("sock-shop/kustomization.yaml", left).unwrap()],
        removed,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_waves() {
    let Some(data) = Data::find() else { return };
    let manifests = data.text(&format!("{ARGO}/sync-waves/manifests.yaml"));
    let removed = BTreeSet::from(["ReplicaSet frontend".into(), "Service frontend".into()]);
    let left: Vec<_> = documents(&manifests).filter(|document| !removed.contains(&identity(document))).collect();
    let told = live_and_lose_half(Sample {
        name: "sync-waves",
        path: "sync-waves",
        files: data.import(ARGO, "sync-waves"),
        programs: Programs::none(),
        objects: 4,
        half: vec![Change::file("sync-waves/manifests.yaml", left.join("\n---\n")).unwrap()],
        removed,
    })
    .await;
    in_order(
        &told,
        &[
            "Job upgrade-sql-schema",
            "ReplicaSet backend",
            "Job maint-page-up",
            "ReplicaSet frontend",
            "Job maint-page-down",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pre_post_sync() {
    let Some(data) = Data::find() else { return };
    let Some(programs) = programs(&KUSTOMIZE) else { return };
    // Its base is the other sample, outside of its own directory.
    let mut files = data.import(ARGO, "pre-post-sync");
    files.extend(data.import(ARGO, "kustomize-guestbook"));
    let told = live_and_lose_half(Sample {
        name: "pre-post-sync",
        path: "pre-post-sync",
        files,
        programs,
        objects: 2,
        half: vec![without_service(&data)],
        removed: BTreeSet::from(["Service pre-post-sync-kustomize-guestbook-ui".into()]),
    })
    .await;
    let deployment = "Deployment pre-post-sync-kustomize-guestbook-ui";
    in_order(&told, &["Job pre-post-sync-before", deployment, "Job pre-post-sync-after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kustomize_guestbook() {
    let Some(data) = Data::find() else { return };
    let Some(programs) = programs(&KUSTOMIZE) else { return };
    live_and_lose_half(Sample {
        name: "kustomize-guestbook",
        path: "kustomize-guestbook",
        files: data.import(ARGO, "kustomize-guestbook"),
        programs,
        objects: 2,
        half: vec![without_service(&data)],
        removed: BTreeSet::from(["Service kustomize-guestbook-ui".into()]),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_guestbook() {
    let Some(data) = Data::find() else { return };
    let Some(programs) = programs(&[Program::Helm]) else { return };
    live_and_lose_half(Sample {
        name: "helm-guestbook",
        path: "helm-guestbook",
        files: data.import(ARGO, "helm-guestbook"),
        programs,
        objects: 2,
        half: vec![Change::remove("helm-guestbook/templates/service.yaml").unwrap()],
        removed: BTreeSet::from(["Service helm-guestbook".into()]),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn microservices_demo() {
    let Some(data) = Data::find() else { return };
    let file = "release/kubernetes-manifests.yaml";
    let manifests = data.text(&format!("microservices-demo/{file}"));
    // Every second object: Deployments that keep their ServiceAccount, and Services that lose their Deployment.
    let (mut removed, mut left) = (BTreeSet::new(), Vec::new());
    for (index, document) in documents(&manifests).enumerate() {
        if index % 2 == 1 {
            removed.insert(identity(document));
        } else {
            left.push(document);
        }
    }
    assert_eq!(removed.len(), 17);
    live_and_lose_half(Sample {
        name: "microservices-demo",
        path: "release",
        files: data.import("microservices-demo", file),
        programs: Programs::none(),
        objects: 35,
        half: vec![Change::file(file, left.join("\n---\n")).unwrap()],
        removed,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_the_cluster_does_not_know_are_named_one_by_one() {
    let Some(data) = Data::find() else { return };
    let world = World::new(Target::start().await).await;
    world.commit("Import", &data.import("microservices-demo", "release"));
    world.namespace("release").await;
    let application = world.application("release", "release").namespace("release");
    let problems = world.refused(&application, &mut State::default()).await;

    let text = data.text("microservices-demo/release/istio-manifests.yaml");
    let mut line = 0;
    let mut expected = BTreeMap::new();
    for text in text.lines() {
        line += 1;
        // The place of an object is its first line: `apiVersion` in all of these.
        if text.starts_with("apiVersion: ") {
            expected.insert(format!("release/istio-manifests.yaml:{line}"), false);
        }
    }
    assert_eq!(expected.len(), 5);
    for error in problems.errors() {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let object = error.object_id().expect("an object");
        let place = error.place().expect("a place").to_string();
        let seen = expected.get_mut(&place).unwrap_or_else(|| panic!("not expected: {error}"));
        assert!(!*seen, "twice: {error}");
        *seen = true;
        assert!(error.to_string().contains(&object.to_string()), "{error}");
        assert!(!object.kind.group.is_empty());
    }
    assert!(expected.values().all(|seen| *seen), "{problems}");
    assert_eq!(world.inventory(&application).await, Inventory::new(application.name.clone()));
}

/// Brings a sample to health, passes once more, removes some of it, and passes again. Returns what was told until the
/// first sync was done.
async fn live_and_lose_half(sample: Sample) -> Vec<Event> {
    let Sample { name, path, files, programs, objects, half, removed } = sample;
    let mut world = World::with(Target::start().await, |builder| builder.programs(programs)).await;
    world.commit("Import", &files);
    world.namespace(name).await;
    let application = world.application(name, path).namespace(name);
    let mut state = State::default();

    // All of it comes to health.
    let pass = world.synced(&application, &mut state).await;
    assert!(pass.writes() >= objects, "{pass:?}");
    let told = world.told();
    let mut hooks: BTreeSet<_> = told.iter().filter_map(hook).collect();
    let first = world.inventory(&application).await;
    // Hooks whose Jobs stay are in the inventory, too.
    let declared: Vec<_> = first.entries.keys().filter(|object| !hooks.contains(object)).collect();
    assert_eq!(declared.len(), objects, "{first:#?}");
    world.healthy(&first).await;

    // Nothing changed, nothing sent.
    nothing_sent(&world, &application, &mut state).await;
    // An engine that starts anew remembers nothing, and writes nothing all the same.
    let mark = world.target.mark();
    let pass = world.synced(&application, &mut State::default()).await;
    assert!(matches!(pass, Pass::InSync(_)), "{pass:?}");
    assert_eq!(world.target.writes_since(mark), []);

    // Half of it is removed from Git: just that goes.
    let (gone, kept): (Vec<_>, Vec<_>) = declared.into_iter().partition(|object| removed.contains(&short(object)));
    assert_eq!(gone.len(), removed.len(), "{removed:?} of {first:#?}");
    let before = untouched(&world, &kept).await;
    world.commit("Remove half", &half);
    world.told();
    let mark = world.target.mark();
    world.synced(&application, &mut state).await;
    hooks.extend(world.told().iter().filter_map(hook));
    let of_hooks: BTreeSet<_> = hooks.iter().map(|object| world.path(object)).collect();
    let writes = world.target.writes_since(mark).into_iter().filter(|request| request.verb == "delete");
    let pruned: BTreeSet<_> = writes.map(|request| request.path).filter(|path| !of_hooks.contains(path)).collect();
    assert_eq!(pruned, gone.iter().map(|object| world.path(object)).collect());
    for object in gone {
        assert_eq!(world.live(object).await, None, "{object} is pruned");
    }
    assert_eq!(untouched(&world, &kept).await, before);
    let second = world.inventory(&application).await;
    let declared = second.entries.keys().filter(|object| !hooks.contains(object));
    assert!(declared.eq(kept), "{second:#?}");
    world.healthy(&second).await;
    nothing_sent(&world, &application, &mut state).await;
    told
}

async fn nothing_sent(world: &World, application: &Application, state: &mut State) {
    let mark = world.target.mark();
    world.clock.advance(1);
    let pass = world.synced(application, state).await;
    assert!(matches!(pass, Pass::InSync(_)), "{pass:?}");
    assert_eq!(world.target.requests_since(mark), [], "nothing has changed but the time");
}

/// The objects as everybody but their controllers left them.
async fn untouched(world: &World, objects: &[&ObjectId]) -> BTreeMap<ObjectId, Value> {
    let mut all = BTreeMap::new();
    for object in objects {
        let mut live = world.live(object).await.unwrap_or_else(|| panic!("{object} is not there"));
        // Controllers write the status, and with it the resource version.
        let status = live.as_object_mut().unwrap().remove("status");
        if status.is_some_and(|status| status != json!({"loadBalancer": {}})) {
            let metadata = live["metadata"].as_object_mut().unwrap();
            metadata.remove("resourceVersion");
            metadata.remove("managedFields");
        }
        all.insert((*object).clone(), live);
    }
    all
}

fn hook(event: &Event) -> Option<ObjectId> {
    match event {
        Event::StepStarted { action: ActionKind::Run, object, .. } => Some(object.clone()),
        _ => None,
    }
}

/// Each of these succeeded before the next one was begun.
fn in_order(told: &[Event], names: &[&str]) {
    let begun = |name: &str| {
        told.iter()
            .position(|event| matches!(event, Event::StepStarted { object, .. } if short(object).starts_with(name)))
    };
    let ready = |name: &str| {
        told.iter()
            .position(|event| matches!(event, Event::StepSucceeded { object, .. } if short(object).starts_with(name)))
    };
    for pair in names.windows(2) {
        let (before, after) = (ready(pair[0]), begun(pair[1]));
        assert!(before.is_some() && before < after, "{} before {}: {told:#?}", pair[0], pair[1]);
    }
}

fn short(object: &ObjectId) -> String {
    format!("{} {}", object.kind.kind, object.name)
}

/// The documents of a file that hold an object.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n---\n").filter(|document| document.lines().any(|line| line.starts_with("kind: ")))
}

/// `Kind name` of a document in block style.
fn identity(document: &str) -> String {
    let after = |prefix: &str| document.lines().find_map(|line| line.strip_prefix(prefix)).unwrap_or_default().trim();
    format!("{} {}", after("kind: "), after("  name: "))
}

fn without_service(data: &Data) -> Change {
    let path = "kustomize-guestbook/kustomization.yaml";
    let text = data.text(&format!("{ARGO}/{path}"));
    let left = text.replace("- guestbook-ui-svc.yaml\n", "");
    assert_ne!(left, text);
    Change::file(path, left).unwrap()
}
