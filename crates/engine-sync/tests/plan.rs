//! The planner, by tables and laws: no cluster, no runtime, no clock.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

mod support;

use gitops_engine_core::dialect::Phase;
use gitops_engine_core::{ErrorKind, Inventory, MemorySnapshot, ObjectId};
use gitops_engine_sync::plan::Guard;
use gitops_engine_sync::{Action, Pruning};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{World, applied, live, object, wave, with};

fn names(world: &World) -> Vec<String> {
    world.plan().unwrap().steps.iter().map(|step| format!("{} {}", step.action.word(), step.object.name)).collect()
}

fn errors(world: &World) -> Vec<(ErrorKind, String)> {
    world.plan().unwrap_err().errors().iter().map(|error| (error.kind(), error.to_string())).collect()
}

#[test]
fn new_objects_are_created_in_the_order_of_kinds() {
    let world = World::new()
        .declare(object("apps/v1", "Deployment", "shop", "web"))
        .declare(object("v1", "ConfigMap", "shop", "settings"))
        .declare(object("v1", "Namespace", "", "shop"));
    assert_eq!(names(&world), ["create shop", "create settings", "create web"]);
}

#[test]
fn waves_come_before_kinds_and_negative_ones_first() {
    let world = World::new()
        .namespace("shop")
        .declare(wave(object("v1", "ConfigMap", "shop", "late"), 5))
        .declare(wave(object("apps/v1", "Deployment", "shop", "early"), -1))
        .declare(object("v1", "ConfigMap", "shop", "middle"));
    assert_eq!(names(&world), ["create early", "create middle", "create late"]);
    let waves: Vec<_> = world.plan().unwrap().waves.iter().map(|wave| wave.wave).collect();
    assert_eq!(waves, [-1, 0, 5]);
}

#[test]
fn same_name_and_kind_in_two_namespaces_have_one_order() {
    let world = World::new()
        .namespace("a")
        .namespace("b")
        .declare(object("v1", "ConfigMap", "b", "x"))
        .declare(object("v1", "ConfigMap", "a", "x"));
    let namespaces: Vec<_> =
        world.plan().unwrap().steps.iter().map(|step| step.object.namespace.clone().unwrap()).collect();
    assert_eq!(namespaces, ["a".into(), "b".into()]);
}

#[test]
fn a_namespace_in_a_late_wave_is_moved_and_the_move_is_told() {
    let world = World::new().declare(wave(object("v1", "Namespace", "", "shop"), 5)).declare(object(
        "v1",
        "ConfigMap",
        "shop",
        "settings",
    ));
    let plan = world.plan().unwrap();
    assert_eq!(plan.steps[0].object.name.as_ref(), "shop");
    assert_eq!(plan.steps[0].wave, 0);
    assert!(plan.notices.iter().any(|notice| notice.contains("is moved from Sync wave 5")), "{:?}", plan.notices);
}

#[test]
fn the_removal_of_a_namespace_is_not_moved_to_what_needs_it() {
    let migrate = support::hook(object("batch/v1", "Job", "shop", "migrate"), "PreSync");
    let world = World::new().declare(migrate).own(&wave(object("v1", "Namespace", "", "shop"), 5));
    let plan = world.plan().unwrap();
    let gone = plan.steps.iter().find(|step| step.action.removes()).unwrap();
    assert_eq!((gone.phase, gone.wave), (Phase::Sync, 5));
    assert!(plan.notices.is_empty(), "{:?}", plan.notices);
}

#[test]
fn a_namespace_of_a_late_wave_is_removed_after_what_is_in_it() {
    let keep = object("v1", "ConfigMap", "other", "keep");
    let world = World::new()
        .namespace("other")
        .declare(keep.clone())
        .own(&keep)
        .own(&wave(object("v1", "Namespace", "", "shop"), 5))
        .own(&wave(object("v1", "ConfigMap", "shop", "middle"), 3))
        .own(&wave(object("v1", "ConfigMap", "shop", "early"), -1));
    let plan = world.plan().unwrap();
    assert_eq!(names(&world), ["unchanged keep", "prune middle", "prune early", "prune shop"]);
    assert!(plan.notices[0].contains("is moved from wave 5 to wave -1"), "{:?}", plan.notices);
}

#[test]
fn an_object_that_is_as_it_was_applied_stays() {
    let declared = object("v1", "ConfigMap", "shop", "settings");
    let world = World::new().namespace("shop").declare(declared.clone()).own(&declared);
    let plan = world.plan().unwrap();
    assert_eq!(plan.steps[0].action, Action::Unchanged);
    assert!(plan.is_in_sync());
    assert!(world.questions().unwrap().is_empty(), "nothing changed, nothing asked");
}

#[test]
fn drift_is_an_update_with_its_fields() {
    let declared = with(object("v1", "ConfigMap", "shop", "settings"), &["data", "colour"], "blue");
    let drifted = with(declared.clone(), &["data", "colour"], "red");
    let world = World::new().namespace("shop").declare(declared.clone()).own(&declared).put(live(&drifted));
    assert_eq!(world.questions().unwrap().len(), 1);
    let plan = world.plan().unwrap();
    let Action::Update { changes } = &plan.steps[0].action else { panic!("{:?}", plan.steps[0]) };
    assert_eq!(changes[0].path.to_string(), "data.colour");
    assert_eq!(plan.steps[0].reason, "the cluster has drifted from what is declared");
}

#[test]
fn what_is_no_longer_declared_goes_with_its_uid() {
    let kept = object("v1", "ConfigMap", "shop", "kept");
    let gone = object("v1", "ConfigMap", "shop", "gone");
    let world = World::new().namespace("shop").declare(kept.clone()).own(&kept).own(&gone);
    let plan = world.plan().unwrap();
    let step = plan.steps.iter().find(|step| &*step.object.name == "gone").unwrap();
    assert!(matches!(&step.action, Action::Prune { uid } if uid.as_str() == "uid-gone"), "{step:?}");
}

#[test]
fn removals_run_through_the_waves_backwards() {
    let objects: Vec<_> =
        [1, 2, 3].map(|number| wave(object("v1", "ConfigMap", "shop", &format!("wave-{number}")), number)).into();
    let keep = object("v1", "ConfigMap", "shop", "keep");
    let world = objects.iter().fold(World::new().namespace("shop").declare(keep.clone()).own(&keep), World::own);
    let gone: Vec<_> = names(&world).into_iter().filter(|name| name.starts_with("prune")).collect();
    assert_eq!(gone, ["prune wave-3", "prune wave-2", "prune wave-1"]);
}

#[test]
fn an_object_with_another_uid_is_not_ours_to_remove() {
    let keep = object("v1", "ConfigMap", "shop", "keep");
    let gone = object("v1", "ConfigMap", "shop", "gone");
    let mut world = World::new().namespace("shop").declare(keep.clone()).own(&keep).own(&gone);
    let id = ObjectId::namespaced("", "ConfigMap", "shop", "gone");
    world.inventory.entries.get_mut(&id).unwrap().uid = Some("another".into());
    assert_eq!(names(&world), ["unchanged keep", "forget gone"]);
}

#[test]
fn what_was_announced_is_only_removed_with_our_mark() {
    let keep = object("v1", "ConfigMap", "shop", "keep");
    let gone = object("v1", "ConfigMap", "shop", "gone");
    let mut world = World::new().namespace("shop").declare(keep.clone()).own(&keep).own(&gone);
    let id = ObjectId::namespaced("", "ConfigMap", "shop", "gone");
    world.inventory.entries.get_mut(&id).unwrap().uid = None;
    assert_eq!(names(&world), ["unchanged keep", "prune gone"]);
    let mut stranger = live(&gone);
    stranger.manifest =
        Some(stranger.manifest.unwrap().edit(|body| drop(body.unset(&["metadata", "annotations"]))).unwrap());
    assert_eq!(names(&world.put(stranger)), ["unchanged keep", "forget gone"]);
}

#[test]
fn annotations_keep_what_is_no_longer_declared() {
    let keep = object("v1", "ConfigMap", "shop", "keep");
    let guarded = with(
        object("v1", "ConfigMap", "shop", "guarded"),
        &["metadata", "annotations", "argocd.argoproj.io/sync-options"],
        "Prune=false",
    );
    let world = World::new().namespace("shop").declare(keep.clone()).own(&keep).own(&guarded);
    assert_eq!(names(&world), ["unchanged keep", "keep guarded"]);
    assert!(world.plan().unwrap().is_in_sync());
}

#[test]
fn pruning_can_be_off() {
    let keep = object("v1", "ConfigMap", "shop", "keep");
    let gone = object("v1", "ConfigMap", "shop", "gone");
    let mut world = World::new().namespace("shop").declare(keep.clone()).own(&keep).own(&gone);
    world.application.policy.pruning = Pruning::Off;
    assert_eq!(names(&world), ["unchanged keep", "keep gone"]);
}

#[test]
fn guards_stop_what_may_destroy() {
    let many: Vec<_> = (0..8).map(|number| object("v1", "ConfigMap", "shop", &format!("c{number}"))).collect();
    let owned = || many.iter().fold(World::new().namespace("shop"), World::own);
    let empty = owned().plan().unwrap();
    assert_eq!(empty.guards, [Guard::EmptyRender { removals: 8 }]);
    let most = many[..3].iter().cloned().fold(owned(), World::declare).plan().unwrap();
    assert_eq!(most.guards, [Guard::MassPrune { removals: 5, objects: 8 }]);
    let half = many[..4].iter().cloned().fold(owned(), World::declare).plan().unwrap();
    assert!(half.guards.is_empty());

    let namespace = object("v1", "Namespace", "", "old");
    let world = World::new().namespace("shop").declare(many[0].clone()).own(&many[0]).own(&namespace);
    let plan = world.plan().unwrap();
    assert_eq!(plan.guards, [Guard::ProtectedKind { object: ObjectId::cluster("", "Namespace", "old") }]);
    assert_eq!(plan.refusals(&world.application).len(), 1);
    let mut approved = world.application.clone();
    approved.policy.approved.insert(plan.digest());
    assert!(plan.refusals(&approved).is_empty());
}

#[test]
fn every_error_is_reported_with_its_place() {
    let world = World::new()
        .namespace("shop")
        .declare(object("example.com/v1", "Unknown", "shop", "a"))
        .declare(object("apps/v7", "Deployment", "shop", "b"))
        .declare(object("v1", "ConfigMap", "", "c"))
        .declare(object("v1", "ConfigMap", "nowhere", "d"))
        .declare(object("v1", "ConfigMap", "shop", "e"))
        .declare(object("v1", "ConfigMap", "shop", "e"));
    let errors = errors(&world);
    let expect = [
        ("the cluster does not know the kind example.com/Unknown", ErrorKind::NotFound),
        ("the cluster does not serve apps/Deployment as apps/v7", ErrorKind::NotFound),
        ("the object has no namespace", ErrorKind::InvalidInput),
        ("the namespace \"nowhere\" does not exist", ErrorKind::NotFound),
        ("it is declared at file-4.yaml:1, too", ErrorKind::InvalidInput),
    ];
    assert_eq!(errors.len(), expect.len(), "{errors:?}");
    for ((kind, text), (message, expected)) in errors.iter().zip(expect) {
        assert!(text.contains(message) && text.starts_with("file-") && *kind == expected, "{text}");
    }
}

#[test]
fn custom_resources_wait_for_the_definition_beside_them() {
    let world = World::new()
        .namespace("shop")
        .declare(object("example.com/v1", "Shop", "shop", "mine"))
        .declare(support::crd("example.com", "Shop", "shops"));
    let plan = world.plan().unwrap();
    assert_eq!(names(&world), ["create shops.example.com", "create mine"]);
    assert!(serde_json::to_string(&plan.edges).unwrap().contains("customResourceDefinition"));
    assert_eq!(plan.steps[1].resource.plural.as_ref(), "shops");
}

#[test]
fn cycles_are_refused_with_the_shortest_one_named() {
    const ON: &[&str] = &["metadata", "annotations", "config.kubernetes.io/depends-on"];
    let depends = |name: &str, on: &str| {
        let on: Vec<_> = on.split(' ').map(|on| format!("/namespaces/shop/ConfigMap/{on}")).collect();
        with(object("v1", "ConfigMap", "shop", name), ON, &on.join(","))
    };
    // a → b → c → a is a cycle of three, and d → e → d one of two; a → e joins them.
    let world = World::new()
        .namespace("shop")
        .declare(depends("a", "b e"))
        .declare(depends("b", "c"))
        .declare(depends("c", "a"))
        .declare(depends("d", "e"))
        .declare(depends("e", "d"))
        .declare(object("v1", "ConfigMap", "shop", "bystander"));
    let errors = errors(&world);
    assert_eq!(errors.len(), 2, "one error for each knot: {errors:?}");
    let two = errors.iter().find(|(_, text)| text.contains("shop/d waits for")).unwrap();
    assert!(two.1.contains("ConfigMap shop/d waits for ConfigMap shop/e (config.kubernetes.io/depends-on)"));
    assert!(two.1.contains("ConfigMap shop/e waits for ConfigMap shop/d"));
    assert!(!two.1.contains("shop/a"), "{}", two.1);
    assert_eq!(two.1.matches("waits for").count(), 2);
    let three = errors.iter().find(|(_, text)| text.contains("shop/a waits for")).unwrap();
    assert_eq!(three.1.matches("waits for").count(), 3, "{}", three.1);
}

#[test]
fn a_dependency_against_the_waves_is_a_cycle_that_names_them() {
    const ON: &[&str] = &["metadata", "annotations", "config.kubernetes.io/depends-on"];
    let early = with(object("v1", "ConfigMap", "shop", "early"), ON, "/namespaces/shop/ConfigMap/late");
    let world =
        World::new().namespace("shop").declare(early).declare(wave(object("v1", "ConfigMap", "shop", "late"), 1));
    let errors = errors(&world);
    assert!(errors[0].1.contains("wave 0 comes before wave 1"), "{errors:?}");
}

#[test]
fn a_dependency_beats_the_order_of_kinds() {
    const ON: &[&str] = &["metadata", "annotations", "config.kubernetes.io/depends-on"];
    let config = with(object("v1", "ConfigMap", "shop", "generated"), ON, "apps/namespaces/shop/Deployment/maker");
    let world =
        World::new().namespace("shop").declare(config).declare(object("apps/v1", "Deployment", "shop", "maker"));
    assert_eq!(names(&world), ["create maker", "create generated"]);
}

#[test]
fn hooks_run_when_there_is_something_to_sync_and_not_otherwise() {
    let hook = support::hook(object("batch/v1", "Job", "shop", "migrate"), "PreSync");
    let config = object("v1", "ConfigMap", "shop", "settings");
    let world = World::new().namespace("shop").declare(hook.clone()).declare(config.clone());
    let plan = world.plan().unwrap();
    assert_eq!(names(&world), ["run migrate", "create settings"]);
    assert_eq!(plan.steps[0].phase, Phase::PreSync);
    assert!(plan.operation.is_some());

    let mut settled = World::new().namespace("shop").declare(hook.clone()).declare(config.clone()).own(&config);
    settled.inventory.hooks = plan.hooks;
    assert!(settled.plan().unwrap().is_in_sync(), "{}", settled.plan().unwrap());
    assert!(settled.questions().unwrap().is_empty());

    let mut changed = World::new().namespace("shop").declare(config.clone()).own(&config);
    changed.inventory.hooks = plan.hooks;
    let changed = changed.declare(with(hook, &["spec", "backoffLimit"], "7"));
    assert_eq!(names(&changed), ["run migrate", "unchanged settings"]);
}

#[test]
fn drift_is_put_back_without_hooks_and_without_waiting_for_them() {
    const ON: &[&str] = &["metadata", "annotations", "config.kubernetes.io/depends-on"];
    let hook = support::hook(object("batch/v1", "Job", "shop", "migrate"), "Sync");
    let config = with(object("v1", "ConfigMap", "shop", "settings"), &["data", "colour"], "blue");
    let config = with(config, ON, "batch/namespaces/shop/Job/migrate");
    let drifted = with(config.clone(), &["data", "colour"], "red");
    let mut world = World::new().namespace("shop").declare(hook.clone()).declare(config.clone()).own(&config);
    world.inventory.hooks = World::new().namespace("shop").declare(hook).plan().unwrap().hooks;
    world.inventory.revision = Some(support::REVISION.into());
    let world = world.put(live(&drifted));
    assert_eq!(names(&world), ["update settings", "skip migrate"]);
    let mut newer = world.clone();
    newer.inventory.revision = Some("another".into());
    assert_eq!(names(&newer), ["run migrate", "update settings"]);
}

#[test]
fn what_an_unnamed_hook_left_goes_when_it_runs_again_and_not_before() {
    let unnamed = object("batch/v1", "Job", "shop", "upgrade").edit(|body| {
        body.unset(&["metadata", "name"]);
        body.set(&["metadata", "generateName"], "Upgrade-".into());
    });
    let unnamed = support::hook(unnamed.unwrap(), "PreSync");
    let config = with(object("v1", "ConfigMap", "shop", "settings"), &["data", "colour"], "blue");
    let former = object("batch/v1", "Job", "shop", "upgrade-abcdef0-1700000000");
    // Its name begins like one of the hook's, and it was declared by itself.
    let other = object("batch/v1", "Job", "shop", "upgrade-everything");
    let declared = World::new().namespace("shop").declare(unnamed).declare(config.clone());
    let mut world = declared.clone().own(&config).own(&former);
    world.inventory.hooks = declared.plan().unwrap().hooks;
    world.inventory.revision = Some(support::REVISION.into());
    assert!(world.plan().unwrap().is_in_sync(), "{}", world.plan().unwrap());
    let expected = [
        "unchanged settings",
        "prune upgrade-everything",
        "skip upgrade-0123456-1800000000",
        "keep upgrade-abcdef0-1700000000",
    ];
    assert_eq!(names(&world.clone().own(&other)), expected);

    let mut newer = world.put(live(&with(config, &["data", "colour"], "red")));
    newer.inventory.revision = Some("another".into());
    newer.application.policy.guards.small_prune = 0;
    newer.application.policy.guards.largest_prune = 0.0;
    assert!(newer.plan().unwrap().guards.is_empty(), "runs of hooks come and go");
    let names = names(&newer);
    assert!(names.contains(&"run upgrade-0123456-1800000000".to_owned()), "{names:?}");
    assert!(names.contains(&"prune upgrade-abcdef0-1700000000".to_owned()), "{names:?}");
}

#[test]
fn a_hook_that_ran_in_this_operation_does_not_run_again() {
    let hook = support::hook(object("batch/v1", "Job", "shop", "migrate"), "PreSync");
    let config = object("v1", "ConfigMap", "shop", "settings");
    let mut world = World::new().namespace("shop").declare(hook.clone()).declare(config);
    world.record_hook(&hook, "PreSync batch/Job shop/migrate");
    assert_eq!(names(&world), ["await migrate", "create settings"]);
}

#[test]
fn secrets_stay_out_of_plans() {
    let secret = with(object("v1", "Secret", "shop", "password"), &["stringData", "password"], "hunter2hunter2");
    let changed = with(secret.clone(), &["stringData", "password"], "correct-horse");
    let world = World::new().namespace("shop").declare(changed).own(&secret).put(live(&secret));
    let plan = world.plan().unwrap();
    let text = format!("{plan} {plan:?} {}", serde_json::to_string(&plan).unwrap());
    for secret in ["hunter2", "correct-horse", "aHVudGVyMmh1bnRlcjI", "Y29ycmVjdC1ob3JzZQ"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(plan.steps[0].desired.is_none());
}

#[test]
fn a_kind_that_we_may_not_list_is_an_error_not_a_guess() {
    let world = World::new().namespace("shop").forbid("", "ConfigMap").declare(object("v1", "ConfigMap", "shop", "x"));
    let errors = errors(&world);
    assert_eq!(errors[0].0, ErrorKind::PermissionDenied);
}

#[test]
fn a_plan_survives_json() {
    let world = World::new()
        .declare(object("v1", "Namespace", "", "shop"))
        .declare(support::hook(object("batch/v1", "Job", "shop", "migrate"), "PreSync"))
        .declare(object("apps/v1", "Deployment", "shop", "web"));
    let plan = world.plan().unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    let back: gitops_engine_sync::Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(back, plan);
    assert_eq!(back.digest(), plan.digest());
}

/// Law 1: the same inputs in any order give the same bytes.
#[test]
fn a_thousand_shuffles_give_the_same_bytes() {
    let mut world = World::new().namespace("a");
    for number in 0..40 {
        let kind = [("v1", "ConfigMap"), ("v1", "Secret"), ("apps/v1", "Deployment"), ("v1", "Service")][number % 4];
        let namespace = ["a", "b", "c"][number % 3];
        let name = format!("x{}", number / 12);
        let declared = object(kind.0, kind.1, namespace, &name);
        world = world.declare(wave(declared, i32::try_from(number % 5).unwrap() - 2));
    }
    world = world
        .declare(wave(object("v1", "Namespace", "", "b"), 3))
        .declare(object("v1", "Namespace", "", "c"))
        .declare(support::hook(object("batch/v1", "Job", "a", "before"), "PreSync"))
        .declare(support::hook(object("batch/v1", "Job", "b", "after"), "PostSync,SyncFail"));
    for number in 0..5 {
        world = world.own(&object("v1", "ConfigMap", "a", &format!("gone-{number}")));
    }
    let expected = serde_json::to_string(&world.plan().unwrap()).unwrap();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(1000) });
    let shuffles = Just(world.objects.clone()).prop_shuffle();
    runner
        .run(&shuffles, |objects| {
            let mut shuffled = world.clone();
            shuffled.objects = objects;
            prop_assert_eq!(serde_json::to_string(&shuffled.plan().unwrap()).unwrap(), expected.clone());
            Ok(())
        })
        .unwrap();
}

/// Law 2: the order respects every edge, and idle steps have none.
#[test]
fn the_order_respects_every_edge() {
    use gitops_engine_sync::plan::Node;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(200) });
    let objects = prop::collection::btree_map(0..30_usize, (0..4_usize, -2..3_i32, any::<bool>()), 1..25);
    runner
        .run(&objects, |objects| {
            let mut world = World::new().namespace("a");
            for (number, (kind, number_of_wave, owned)) in objects {
                let kind = [("v1", "ConfigMap"), ("v1", "Secret"), ("apps/v1", "Deployment"), ("v1", "Service")][kind];
                let declared = wave(object(kind.0, kind.1, "a", &format!("o{number}")), number_of_wave);
                world = if owned { world.own(&declared) } else { world.declare(declared) };
            }
            let plan = world.plan().unwrap();
            // A barrier stands between all of its predecessors and all of its successors.
            let mut before = vec![0; plan.barriers.len()];
            for edge in &plan.edges {
                if let (Node::Step(step), Node::Barrier(barrier)) = (edge.from, edge.to) {
                    before[barrier] = before[barrier].max(step);
                }
            }
            for edge in &plan.edges {
                match (edge.from, edge.to) {
                    (Node::Step(from), Node::Step(to)) => prop_assert!(from < to),
                    (Node::Barrier(barrier), Node::Step(to)) => prop_assert!(before[barrier] < to),
                    _ => {}
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_inventory_survives_json() {
    let mut world = World::new().own(&object("v1", "ConfigMap", "shop", "x"));
    world.record_hook(&object("batch/v1", "Job", "shop", "h"), "PreSync batch/Job shop/h");
    let text = serde_json::to_string(&world.inventory).unwrap();
    assert_eq!(serde_json::from_str::<Inventory>(&text).unwrap(), world.inventory);
    let _ = (MemorySnapshot::new(), applied(&object("v1", "ConfigMap", "shop", "x")));
}
