//! Bad input: each is refused with an error that says what is wrong and where, and nothing is written.

use std::time::Duration;

use gitops_engine::cache::CacheOptions;
use gitops_engine::core::{Error, Inventory, ObjectId};
use gitops_engine::git::write::Change;
use gitops_engine::git::{Credentials, GitOptions};
use gitops_engine::sync::reconcile::State;
use gitops_engine::{Connection, ErrorKind, Problems, RevisionSpec};
use gitops_engine_testkit::control_plane::ControlPlaneUser;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::target::Target;
use crate::world::{PATIENCE, World};

/// What the engine says to these files, of which nothing must get into the cluster.
async fn refusal(name: &str, files: &[(&str, &str)]) -> Problems {
    let world = World::new(Target::start().await).await;
    world.commit_files(files);
    world.namespace(name).await;
    let application = world.application(name, "app").namespace(name);
    let problems = world.refused(&application, &mut State::default()).await;
    assert_eq!(world.inventory(&application).await, Inventory::new(application.name.clone()));
    problems
}

/// The only error.
fn only(problems: &Problems) -> &Error {
    let [error] = problems.errors() else { panic!("not one error: {problems}") };
    error
}

fn at(error: &Error) -> String {
    error.place().unwrap_or_else(|| panic!("no place: {error}")).to_string()
}

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: value\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_path() {
    let world = World::new(Target::start().await).await;
    let revision = world.commit_files(&[("app/settings.yaml", &config_map("settings"))]);
    let application = world.application("missing-path", "apps/nowhere").namespace("default");
    let problems = world.refused(&application, &mut State::default()).await;
    let error = only(&problems);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    for part in ["apps/nowhere", revision.short()] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_revision() {
    let world = World::new(Target::start().await).await;
    world.commit_files(&[("app/settings.yaml", &config_map("settings"))]);
    let absent = "0123456789012345678901234567890123456789";
    for text in ["mian", "tag:v9", "refs/heads/gone", "semver:^9", absent] {
        let application = world.application("unknown-revision", "app").namespace("default");
        let application = application.revision(RevisionSpec::parse(text));
        let problems = world.refused(&application, &mut State::default()).await;
        let error = only(&problems);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let named = text.rsplit(':').next().unwrap();
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
    let application = world.application("unknown-revision", "app").revision(RevisionSpec::parse("mian"));
    let problems = world.refused(&application, &mut State::default()).await;
    assert!(problems.to_string().contains("main"), "it says what there is: {problems}");
}

/// What the engine says about a repository on a server.
async fn of_server(url: &str, options: GitOptions) -> Problems {
    let cache = tempfile::tempdir().unwrap();
    let options = options.cache_dir(cache.path());
    let world = World::with(Target::start().await, |builder| builder.repository(url).git(options)).await;
    let application = world.application("of-server", "app").namespace("default");
    world.refused(&application, &mut State::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_git_server() {
    let closed = closed_port().await;
    let url = format!("http://{closed}/shop.git");
    let problems = of_server(&url, GitOptions::new()).await;
    let error = only(&problems);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains(&url), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_git_server() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/shop.git", listener.local_addr().unwrap());
    // Accepts, and says nothing.
    let server = tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            silent.push(listener.accept().await.unwrap());
        }
    });
    let problems = of_server(&url, GitOptions::new().deadline(Duration::from_millis(300))).await;
    server.abort();
    let error = only(&problems);
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains(&url), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/shop.git", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(unauthorized(stream));
        }
    });
    let options = GitOptions::new().credentials(Credentials::basic("robot", "hunter2"));
    let problems = of_server(&url, options).await;
    server.abort();
    let error = only(&problems);
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert!(error.to_string().contains(&url), "{error}");
    let all = format!("{problems} {problems:?}");
    assert!(!all.contains("hunter2") && !all.contains("cm9ib3Q6aHVudGVyMg"), "{all}");
}

/// Answers every request like a server that does not know the user.
async fn unauthorized(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
        let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\n\r\n";
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_yaml_in_one_of_fifty_files() {
    let mut files: Vec<_> =
        (0..50).map(|index| (format!("app/{index:02}.yaml"), config_map(&format!("c{index}")))).collect();
    files[17].1 = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c17\n   labels: {}\n".into();
    files[30].1 = format!("{}---\napiVersion: v1\nkind: Service\nmetadata: {{}}\n", config_map("c30"));
    files[42].1 = "apiVersion: v1\nmetadata:\n  name: c42\n".into();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let problems = refusal("broken-yaml", &files).await;
    let places: Vec<_> = problems.errors().iter().map(at).collect();
    assert_eq!(places, ["app/17.yaml:5", "app/30.yaml:8", "app/42.yaml:1"], "{problems}");
    assert!(problems.errors().iter().all(|error| error.kind() == ErrorKind::InvalidInput), "{problems:?}");
    for (error, part) in problems.errors().iter().zip(["map", "name", "kind"]) {
        assert!(error.message().contains(part), "{part}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_object() {
    let twice = format!("{}---\n{}", config_map("other"), config_map("settings"));
    let files = [("app/one.yaml", config_map("settings")), ("app/two.yaml", twice)];
    let problems = refusal("duplicate", &files.each_ref().map(|(path, text)| (*path, text.as_str()))).await;
    let error = only(&problems);
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(at(error), "app/two.yaml:8");
    assert_eq!(error.object_id(), Some(&ObjectId::namespaced("", "ConfigMap", "duplicate", "settings")));
    assert!(error.to_string().contains("app/one.yaml:1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_the_cluster_does_not_know() {
    let unknown = "# A comment.\napiVersion: example.com/v1\nkind: Gizmo\nmetadata:\n  name: g\n";
    let wrong = "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata:\n  name: d\n";
    let settings = config_map("settings");
    let files = [("app/gizmo.yaml", unknown), ("app/old.yaml", wrong), ("app/settings.yaml", &settings)];
    let problems = refusal("unknown-kind", &files).await;
    let [gizmo, old] = problems.errors() else { panic!("{problems}") };
    assert_eq!((gizmo.kind(), at(gizmo)), (ErrorKind::NotFound, "app/gizmo.yaml:2".into()));
    assert!(gizmo.to_string().contains("example.com/Gizmo g"), "{gizmo}");
    assert!(gizmo.to_string().contains("CustomResourceDefinition"), "it says what to do: {gizmo}");
    // The kind is known, this version of it is not.
    assert_eq!((old.kind(), at(old)), (ErrorKind::NotFound, "app/old.yaml:1".into()));
    assert!(old.to_string().contains("it serves apps/v1"), "{old}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_render_is_refused_until_it_is_approved() {
    let world = World::new(Target::start().await).await;
    world.commit_files(&[("app/a.yaml", &config_map("a")), ("app/b.yaml", &config_map("b"))]);
    world.namespace("empty-render").await;
    let mut application = world.application("empty-render", "app").namespace("empty-render");
    let mut state = State::default();
    world.synced(&application, &mut state).await;
    let before = world.inventory(&application).await;
    assert_eq!(before.entries.len(), 2);

    let emptied = Change::file("app/a.yaml", "# Nothing left.\n").unwrap();
    world.commit("Empty", &[emptied, Change::remove("app/b.yaml").unwrap()]);
    let problems = world.refused(&application, &mut state).await;
    let error = only(&problems);
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("all 2 objects"), "{error}");
    assert_eq!(world.inventory(&application).await, before);
    for object in before.entries.keys() {
        assert!(world.live(object).await.is_some());
    }

    // Whoever means it says so, in the words of the error.
    let plan = world.engine.plan(&application).await.unwrap();
    assert!(error.to_string().contains(&plan.digest().to_string()), "{error}");
    application.policy.approved.insert(plan.digest());
    let pass = world.synced(&application, &mut state).await;
    assert_eq!(pass.writes(), 2);
    assert!(world.inventory(&application).await.entries.is_empty());
    for object in before.entries.keys() {
        assert_eq!(world.live(object).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_there() {
    let closed = closed_port().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "gone",
        "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "robot"}}],
        "clusters": [{"name": "gone", "cluster": {"server": format!("http://{closed}")}}],
        "users": [{"name": "robot", "user": {"token": "hunter2"}}],
    });
    std::fs::write(&kubeconfig, text.to_string()).unwrap();
    let connection = Connection::from_kubeconfig_file(&kubeconfig, None).await.unwrap();
    let options = CacheOptions::default().connect_deadline(Duration::from_millis(500));
    let target = Target::start().await;
    let world = World::with(target, |builder| builder.connection(connection).cache_options(options)).await;
    world.commit_files(&[("app/settings.yaml", &config_map("settings"))]);
    let application = world.application("no-cluster", "app").namespace("default");
    let problems = world.refused(&application, &mut State::default()).await;
    let error = only(&problems);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains(&closed), "{error}");
    assert!(!format!("{problems:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_forbids_half_of_the_kinds() {
    let target = Target::start().await;
    match target.embedded() {
        Some(cluster) => {
            for group in ["apps", "batch"] {
                cluster.forbid(group, "*", ["*"]);
            }
        }
        None => allow_core_only(&target).await,
    }
    let connection = target.connection_of(ControlPlaneUser::Restricted).await;
    let world = World::with(target, |builder| builder.connection(connection)).await;
    let workload =
        |api: &str, kind: &str| format!("apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: web\nspec: {{}}\n");
    let files = [
        ("app/1-settings.yaml", config_map("settings")),
        ("app/2-web.yaml", workload("apps/v1", "Deployment")),
        (
            "app/3-service.yaml",
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports: [{port: 80}]\n".into(),
        ),
        ("app/4-job.yaml", format!("---\n{}", workload("batch/v1", "Job"))),
    ];
    world.commit_files(&files.each_ref().map(|(path, text)| (*path, text.as_str())));
    world.namespace("forbidden").await;
    let application = world.application("forbidden", "app").namespace("forbidden");
    let problems = world.refused(&application, &mut State::default()).await;
    let seen: Vec<_> =
        problems.errors().iter().map(|error| (error.kind(), at(error), error.object_id().cloned())).collect();
    let denied = |place: &str, group: &str, kind: &str| {
        (ErrorKind::PermissionDenied, place.to_owned(), Some(ObjectId::namespaced(group, kind, "forbidden", "web")))
    };
    assert_eq!(seen, [denied("app/2-web.yaml:1", "apps", "Deployment"), denied("app/4-job.yaml:2", "batch", "Job")]);
    for (error, resource) in problems.errors().iter().zip(["deployments", "jobs"]) {
        assert!(error.to_string().contains(resource), "it says what is not allowed: {error}");
    }
}

/// Lets the restricted user of a real control plane do everything with the core group, and nothing with others.
async fn allow_core_only(target: &Target) {
    let client = target.client().await;
    let rules = json!([{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}]);
    let group = "rbac.authorization.k8s.io";
    let bound = json!({"apiGroup": group, "kind": "ClusterRole", "name": "core-only"});
    let subject = json!({"apiGroup": group, "kind": "User", "name": ControlPlaneUser::Restricted.name()});
    for (kind, rest) in [
        ("ClusterRole", json!({"rules": rules})),
        ("ClusterRoleBinding", json!({"roleRef": bound, "subjects": [subject]})),
    ] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        let mut object = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": "core-only"}});
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        api.patch("core-only", &PatchParams::apply("test"), &Patch::Apply(&object)).await.unwrap();
    }
    // The authorizer learns of it a moment later.
    let restricted = target.connection_of(ControlPlaneUser::Restricted).await;
    let allowed = async {
        let api: Api<ConfigMap> = Api::default_namespaced(restricted.client().clone());
        while api.list(&ListParams::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, allowed).await.unwrap();
}

/// An address of this machine where nobody listens.
async fn closed_port() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().to_string()
}
