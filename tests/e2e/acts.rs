//! The five acts of the demonstration, with the same files: a first sync, a new commit, drift, a broken commit, a
//! removal.

use std::collections::BTreeSet;
use std::time::Duration;

use gitops_engine::core::{ActionKind, ObjectId};
use gitops_engine::{Event, HealthStatus, ObjectHealth, Revision, Schedule};
use serde_json::json;
use tokio::sync::oneshot;

use crate::demo::{BROKEN, NEXT, SHOP};
use crate::target::Target;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_five_acts_of_the_demonstration() {
    let target = Target::start_alone().await;
    let schedule = Schedule::default().poll(Duration::from_millis(250));
    let mut world = World::with(target, |builder| builder.schedule(schedule)).await;
    let application = world.application("shop", "shop").namespace("shop");
    let first = commit(&world, SHOP, &[]);

    let (stop, stopped) = oneshot::channel::<()>();
    let agent = tokio::spawn({
        let (engine, application) = (world.engine.clone(), application.clone());
        async move { engine.run(vec![application], async { drop(stopped.await) }).await }
    });

    // Act 1: the first sync, in the order that the manifests ask for.
    let told = synced(&mut world, &first).await;
    let database = apps("StatefulSet", "database");
    let migrate = ObjectId::namespaced("batch", "Job", "shop", "migrate");
    let discount = ObjectId::namespaced("shop.example.com", "Discount", "shop", "spring");
    let crd = ObjectId::cluster("apiextensions.k8s.io", "CustomResourceDefinition", "discounts.shop.example.com");
    let web = apps("Deployment", "web");
    for (before, after) in [(&crd, &discount), (&database, &migrate), (&migrate, &web)] {
        assert!(ready(&told, before) < begun(&told, after), "{before} before {after}: {told:#?}");
    }
    let objects = world.inventory(&application).await;
    assert_eq!(objects.revision.as_ref(), Some(&first));
    // Every document; the hook, whose Job stays, among them.
    assert_eq!(objects.entries.len(), 12, "{objects:#?}");
    let tree = world.healthy(&objects).await;
    for (object, pods) in [(&database, 1), (&web, 2)] {
        assert_eq!(running_pods(&tree, object), pods, "{tree:#?}");
    }
    let live = world.live(&migrate).await.expect("the hook's Job stays until it runs again");
    assert_eq!(live["status"]["succeeded"], 1);

    // Act 2: a new commit changes what it names, and nothing else.
    let uid_of_database = world.live(&database).await.unwrap()["metadata"]["uid"].clone();
    let next = commit(&world, NEXT, &[]);
    let mark = world.target.mark();
    let told = synced(&mut world, &next).await;
    let changed: BTreeSet<_> = told.iter().filter_map(written).collect();
    // The hook runs in each sync.
    assert_eq!(changed, BTreeSet::from([(ActionKind::Run, migrate.clone()), (ActionKind::Update, web.clone())]));
    assert_eq!(deleted(&world, mark), BTreeSet::from([world.path(&migrate)]), "the Job of the sync before");
    let live = world.live(&web).await.unwrap();
    assert_eq!(live["spec"]["replicas"], 3);
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "example.com/shop/web:1.1.0");
    let tree = world.healthy(&world.inventory(&application).await).await;
    assert_eq!(running_pods(&tree, &web), 3);
    assert_eq!(world.live(&database).await.unwrap()["metadata"]["uid"], uid_of_database);

    // Act 3: drift is found by its field and its author, and put back.
    world.patch(&web, "kubectl-scale", &json!({"spec": {"replicas": 9}})).await;
    let told = synced(&mut world, &next).await;
    let drift = told.iter().find_map(|event| match event {
        Event::DriftFound { object, fields, managers, .. } => Some((object, fields, managers)),
        _ => None,
    });
    let (object, fields, managers) = drift.unwrap_or_else(|| panic!("no drift was told: {told:#?}"));
    assert_eq!(*object, web);
    assert_eq!(fields.iter().map(ToString::to_string).collect::<Vec<_>>(), ["spec.replicas"]);
    assert_eq!(*managers, ["kubectl-scale"]);
    assert_eq!(world.live(&web).await.unwrap()["spec"]["replicas"], 3);
    assert_eq!(told.iter().filter_map(written).count(), 1, "only what drifted is written: {told:#?}");

    // Act 4: a broken commit is refused with every place, and nothing is touched.
    let mark = world.target.mark();
    let broken = commit(&world, BROKEN, &[]);
    let told = world.hear("the refusal", |event| matches!(event, Event::Failed { .. })).await;
    let Some(Event::Failed { revision, writes, errors, .. }) = told.last() else { unreachable!() };
    assert_eq!((revision.as_ref(), *writes), (Some(&broken), 0));
    let places: Vec<_> = errors.iter().map(|error| error.place().expect("a place").to_string()).collect();
    assert_eq!(places, ["shop/settings.yaml:8", "shop/web.yaml:1"], "{errors:?}");
    assert_eq!(world.target.requests_since(mark), [], "a broken commit is no business of the cluster");

    // Act 5: it is mended, and a file is removed: what it declared is pruned, and nothing else.
    let banner = [apps("Deployment", "banner"), ObjectId::namespaced("", "ConfigMap", "shop", "banner")];
    let before = world.inventory(&application).await;
    let mark = world.target.mark();
    let mended: Vec<_> = SHOP.iter().filter(|(name, _)| *name == "settings.yaml").chain(NEXT).copied().collect();
    let last = commit(&world, &mended, &["banner.yaml"]);
    synced(&mut world, &last).await;
    let expected = banner.iter().chain([&migrate]).map(|object| world.path(object)).collect();
    assert_eq!(deleted(&world, mark), expected);
    for object in &banner {
        assert_eq!(world.live(object).await, None);
    }
    let after = world.inventory(&application).await;
    let left = before.entries.keys().filter(|object| !banner.contains(object));
    assert!(left.eq(after.entries.keys()), "{after:#?}");
    world.healthy(&after).await;

    drop(stop);
    agent.await.unwrap();
}

fn commit(world: &World, files: &[(&str, &str)], removed: &[&str]) -> Revision {
    use gitops_engine::git::write::Change;
    let written = files.iter().map(|(name, text)| Change::file(&format!("shop/{name}"), text.as_bytes().to_vec()));
    let removed = removed.iter().map(|name| Change::remove(&format!("shop/{name}")));
    world.commit("Act", &written.chain(removed).collect::<Result<Vec<_>, _>>().unwrap())
}

/// Waits until the agent says that the cluster is as a revision wants it. Everything that it told until then.
async fn synced(world: &mut World, wanted: &Revision) -> Vec<Event> {
    world.hear("a sync", |event| matches!(event, Event::Synced { revision, .. } if revision == wanted)).await
}

fn apps(kind: &str, name: &str) -> ObjectId {
    ObjectId::namespaced("apps", kind, "shop", name)
}

fn begun(told: &[Event], wanted: &ObjectId) -> usize {
    let found = told.iter().position(|event| matches!(event, Event::StepStarted { object, .. } if object == wanted));
    found.unwrap_or_else(|| panic!("{wanted} was not begun: {told:#?}"))
}

fn ready(told: &[Event], wanted: &ObjectId) -> usize {
    let found = told.iter().position(|event| matches!(event, Event::StepSucceeded { object, .. } if object == wanted));
    found.unwrap_or_else(|| panic!("{wanted} has not succeeded: {told:#?}"))
}

fn written(event: &Event) -> Option<(ActionKind, ObjectId)> {
    match event {
        Event::StepWritten { action, object, .. } => Some((*action, object.clone())),
        _ => None,
    }
}

/// The paths of what was deleted since.
fn deleted(world: &World, mark: usize) -> BTreeSet<String> {
    let writes = world.target.writes_since(mark).into_iter();
    writes.filter(|request| request.verb == "delete").map(|request| request.path).collect()
}

fn running_pods(tree: &[ObjectHealth], owner: &ObjectId) -> usize {
    fn count(object: &ObjectHealth) -> usize {
        let healthy = object.health.as_ref().is_some_and(|health| health.status == HealthStatus::Healthy);
        let own = usize::from(object.object.kind.is("", "Pod") && healthy);
        own + object.owns.iter().map(count).sum::<usize>()
    }
    tree.iter().find(|object| object.object == *owner).map_or(0, count)
}
