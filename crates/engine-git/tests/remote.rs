//! Repositories on servers, over HTTP and over the protocol of the Git daemon.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gitops_engine_core::{ErrorKind, Result, Revision, RevisionSpec, StateStore, TreePath};
use gitops_engine_git::{CredentialRequest, CredentialSource, Credentials, GitOptions, GitStore};
use support::git_server::{AUTHORITY, GitServer};
use support::{Shop, at, file};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::UnboundedReceiver;

/// Far more than anything here takes, so that a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(60);

struct Setup {
    shop: Shop,
    server: GitServer,
    cache: tempfile::TempDir,
}

impl Setup {
    async fn http() -> Self {
        let shop = Shop::new();
        let server = GitServer::http(&shop.path()).await;
        Self { shop, server, cache: tempfile::tempdir().unwrap() }
    }

    fn options(&self) -> GitOptions {
        GitOptions::new().cache_dir(self.cache.path())
    }

    fn store(&self) -> GitStore {
        self.open(self.options())
    }

    fn open(&self, options: GitOptions) -> GitStore {
        GitStore::open(&self.server.url(), options).unwrap()
    }
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn spec(text: &str) -> RevisionSpec {
    RevisionSpec::parse(text)
}

async fn resolve(store: &GitStore, text: &str) -> Result<Revision> {
    tokio::time::timeout(PATIENCE, store.resolve(&spec(text))).await.expect("resolving hangs")
}

async fn titles(store: &GitStore, revision: &Revision) -> Vec<String> {
    let commits = store.history(revision, &TreePath::root(), 10).await.unwrap();
    commits.iter().map(|commit| commit.title().to_owned()).collect()
}

#[tokio::test]
async fn every_kind_of_spec_is_resolved() {
    let setup = Setup::http().await;
    let (store, shop) = (setup.store(), &setup.shop);
    for (text, revision) in [
        ("", &shop.third),
        ("main", &shop.third),
        ("feature/x", &shop.feature),
        ("nightly", &shop.third),
        ("tag:v1.0.0", &shop.first),
        ("tag:v1.1.0", &shop.second),
        ("v1.1.0", &shop.second),
        ("refs/heads/feature/x", &shop.feature),
        ("refs/tags/v1.1.0", &shop.second),
        ("refs/pull/7/head", &shop.feature),
        (shop.first.as_str(), &shop.first),
        ("semver:1.x", &shop.second),
        ("semver:>=1.0.0-0", &shop.third),
    ] {
        let resolved = resolve(&store, text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(&resolved, revision, "{text}");
        // Each in a store of its own as well, where nothing was fetched before.
        let cold = tempfile::tempdir().unwrap();
        let store = setup.open(GitOptions::new().cache_dir(cold.path()));
        assert_eq!(&resolve(&store, text).await.unwrap(), revision, "{text}");
        let tree = store.tree(revision).await.unwrap();
        assert_eq!(tree.read(&path("README.md"), 100).unwrap(), "# Shop\n");
    }
}

#[tokio::test]
async fn nothing_new_costs_one_listing_and_no_fetch() {
    let setup = Setup::http().await;
    let store = setup.store();
    assert_eq!(resolve(&store, "main").await.unwrap(), setup.shop.third);
    assert_eq!(setup.server.requests(), ["discover", "ls-refs", "fetch"]);
    assert_eq!(resolve(&store, "main").await.unwrap(), setup.shop.third);
    assert_eq!(setup.server.requests(), ["discover", "ls-refs"]);
    // Another process starts with what is there.
    assert_eq!(resolve(&setup.store(), "main").await.unwrap(), setup.shop.third);
    assert_eq!(setup.server.requests(), ["discover", "ls-refs"]);
    // What is here is not asked for.
    let tree = store.tree(&setup.shop.second).await.unwrap();
    tree.read(&path("db/statefulset.yaml"), 100).unwrap();
    assert_eq!(resolve(&store, setup.shop.first.as_str()).await.unwrap(), setup.shop.first);
    assert_eq!(titles(&store, &setup.shop.third).await, ["Move the database", "Grow the web", "Start"]);
    assert_eq!(setup.server.requests(), [""; 0]);

    let next = setup.shop.repo.commit("main", "Next", &at(30), &[file("web/new.yaml", "x")]).unwrap();
    assert_eq!(resolve(&store, "").await.unwrap(), next);
    assert_eq!(setup.server.requests(), ["discover", "ls-refs", "fetch"]);
    let changes = store.changed_paths(&setup.shop.third, &next).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(tree.read(&path("README.md"), 100).unwrap(), "# Shop\n", "a tree outlives a fetch");
}

#[tokio::test]
async fn a_shallow_store_stays_shallow() {
    let setup = Setup::http().await;
    let store = setup.open(setup.options().depth(NonZeroU32::MIN));
    let tip = resolve(&store, "main").await.unwrap();
    assert_eq!(titles(&store, &tip).await, ["Move the database"]);
    let next = setup.shop.repo.commit("main", "Next", &at(30), &[file("web/new.yaml", "x")]).unwrap();
    let resolved = resolve(&store, "main").await.unwrap();
    assert_eq!(resolved, next);
    assert!(titles(&store, &next).await.len() <= 2);
    let changes = store.changed_paths(&tip, &next).await.unwrap();
    assert_eq!(changes.len(), 1, "the files are all there: {changes:?}");
    // An older commit is fetched on its own.
    let tree = store.tree(&setup.shop.first).await.unwrap();
    assert_eq!(tree.read(&path("db/statefulset.yaml"), 100).unwrap(), "kind: StatefulSet\n");
    // A store without a depth has all of the history, in the same cache directory.
    assert_eq!(titles(&setup.store(), &next).await, ["Next", "Move the database", "Grow the web", "Start"]);
}

#[tokio::test]
async fn a_commit_is_fetched_by_its_id_or_with_everything() {
    for tips_only in [false, true] {
        let setup = Setup::http().await;
        setup.server.behave(|behaviour| behaviour.tips_only = tips_only);
        for depth in [None, Some(NonZeroU32::MIN)] {
            let mut options = setup.options();
            if let Some(depth) = depth {
                options = options.depth(depth);
            }
            let store = setup.open(options);
            assert_eq!(resolve(&store, setup.shop.second.as_str()).await.unwrap(), setup.shop.second);
            let tree = store.tree(&setup.shop.second).await.unwrap();
            assert_eq!(tree.read(&path("web/service.yaml"), 100).unwrap(), "kind: Service\n");
            let unknown = "0123456789012345678901234567890123456789";
            let error = resolve(&store, unknown).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.to_string().contains(unknown), "{error}");
        }
    }
}

#[tokio::test]
async fn an_unknown_revision_says_what_is_there() {
    let setup = Setup::http().await;
    let store = setup.store();
    for (text, kind, says) in [
        ("mian", ErrorKind::NotFound, "main"),
        ("tag:v1.0.1", ErrorKind::NotFound, "v1.0.0"),
        ("refs/heads/none", ErrorKind::NotFound, "refs/heads/main"),
        ("semver:9.x", ErrorKind::NotFound, "v2.0.0-rc.1"),
        ("semver:nonsense", ErrorKind::InvalidInput, "nonsense"),
    ] {
        let error = resolve(&store, text).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
    let empty = tempfile::tempdir().unwrap();
    gitops_engine_git::write::LocalRepository::init(empty.path()).unwrap();
    let server = GitServer::http(empty.path()).await;
    let store = GitStore::open(&server.url(), setup.options()).unwrap();
    let error = resolve(&store, "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn credentials_are_given_by_value_and_never_shown() {
    let setup = Setup::http().await;
    setup.server.behave(|behaviour| behaviour.authorization = Some("Basic bWU6czNjcmV0".into()));
    let denied = |store: GitStore| async move {
        let error = resolve(&store, "main").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
        for text in [error.to_string(), format!("{error:?}"), format!("{store:?}"), store.name()] {
            assert!(!text.contains("s3cret") && !text.contains("wr0ng"), "{text}");
        }
    };
    denied(setup.store()).await;
    denied(setup.open(setup.options().credentials(Credentials::basic("me", "wr0ng")))).await;
    denied(setup.open(setup.options().credentials(Credentials::bearer("s3cret")))).await;
    assert!(!format!("{:?}", Credentials::basic("me", "s3cret")).contains("s3cret"));

    let store = setup.open(setup.options().credentials(Credentials::basic("me", "s3cret")));
    assert_eq!(resolve(&store, "main").await.unwrap(), setup.shop.third);
    let url = setup.server.url().replace("http://", "http://me:s3cret@");
    let store = GitStore::open(&url, setup.options()).unwrap();
    assert_eq!(resolve(&store, "main").await.unwrap(), setup.shop.third);
    assert_eq!(store.name(), setup.server.url());

    setup.server.behave(|behaviour| behaviour.authorization = Some("Bearer t0ken".into()));
    let store = setup.open(setup.options().credentials(Credentials::bearer("t0ken")));
    assert_eq!(resolve(&store, "main").await.unwrap(), setup.shop.third);
}

/// Gives an expired token until it is told so.
struct Rotating(AtomicU32);

#[async_trait]
impl CredentialSource for Rotating {
    async fn credentials(&self, request: &CredentialRequest) -> Result<Option<Credentials>> {
        if request.rejected {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        Ok(Some(Credentials::bearer(format!("token-{}", self.0.load(Ordering::SeqCst)))))
    }
}

#[tokio::test]
async fn a_source_of_credentials_is_asked_again_when_a_token_expired() {
    let setup = Setup::http().await;
    let store = setup.open(setup.options().credentials(Rotating(AtomicU32::new(0))));
    setup.server.behave(|behaviour| behaviour.authorization = Some("Bearer token-1".into()));
    assert_eq!(resolve(&store, "main").await.unwrap(), setup.shop.third);
    setup.server.behave(|behaviour| behaviour.authorization = Some("Bearer never".into()));
    setup.server.requests();
    assert_eq!(resolve(&store, "main").await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert_eq!(setup.server.requests().len(), 2, "asked twice, not for ever");
}

#[tokio::test]
async fn credentials_do_not_go_over_the_network_in_plain_text() {
    let cache = tempfile::tempdir().unwrap();
    let options = GitOptions::new().cache_dir(cache.path()).credentials(Credentials::basic("me", "s3cret"));
    let store = GitStore::open("http://git.invalid/shop.git", options).unwrap();
    let error = resolve(&store, "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn refusals_are_classified() {
    let setup = Setup::http().await;
    for (status, kind) in [
        (401, ErrorKind::Unauthenticated),
        (403, ErrorKind::PermissionDenied),
        (404, ErrorKind::NotFound),
        (429, ErrorKind::Unavailable),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (302, ErrorKind::InvalidInput),
        (418, ErrorKind::Internal),
    ] {
        setup.server.behave(|behaviour| behaviour.status = Some(status));
        let error = resolve(&setup.store(), "main").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert!(error.to_string().contains(&setup.server.url()), "{error}");
    }
    setup.server.behave(|behaviour| (behaviour.status, behaviour.web_page) = (None, true));
    let error = resolve(&setup.store(), "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let url = format!("http://{}/other.git", setup.server.address);
    setup.server.behave(|behaviour| behaviour.web_page = false);
    let error = resolve(&GitStore::open(&url, setup.options()).unwrap(), "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    // A port that nobody listens on.
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    for url in [format!("http://{free}/a"), format!("https://{free}/a"), format!("git://{free}/a")] {
        let error = resolve(&GitStore::open(&url, setup.options()).unwrap(), "main").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}

#[tokio::test]
async fn what_a_store_needs_is_said_at_once() {
    let url = "https://git.invalid/a";
    let error = GitStore::open(url, GitOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("cache_dir"), "{error}");
    let cache = tempfile::tempdir().unwrap();
    let options = GitOptions::new().cache_dir(cache.path());
    let error = GitStore::open("git@git.invalid:a/b", options.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("allow_ssh"), "{error}");
    let error = GitStore::open(url, options.certificate_authorities(b"nonsense".to_vec())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[tokio::test]
async fn only_trusted_certificates_are_accepted() {
    let shop = Shop::new();
    let server = GitServer::https(&shop.path()).await;
    let cache = tempfile::tempdir().unwrap();
    let options = GitOptions::new().cache_dir(cache.path());
    let trusting = options.clone().certificate_authorities(AUTHORITY);
    let url = |host: &str| format!("https://{host}:{}/shop.git", server.address.port());
    let store = GitStore::open(&url("localhost"), trusting.clone()).unwrap();
    assert_eq!(resolve(&store, "main").await.unwrap(), shop.third);
    // An authority that nobody named, and a certificate for another host.
    for (host, options) in [("localhost", options), ("127.0.0.1", trusting)] {
        let error = resolve(&GitStore::open(&url(host), options).unwrap(), "main").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_moved_repository_is_followed_on_the_same_host_only() {
    let setup = Setup::http().await;
    let url = format!("http://{}/moved.git", setup.server.address);
    setup.server.behave(|behaviour| behaviour.moved_to = Some("/shop.git".into()));
    let store = GitStore::open(&url, setup.options()).unwrap();
    assert_eq!(resolve(&store, "main").await.unwrap(), setup.shop.third);
    let other = setup.server.url().replace("127.0.0.1", "localhost");
    for to in [other, "https://git.invalid/shop.git".to_owned(), url.clone()] {
        setup.server.behave(|behaviour| behaviour.moved_to = Some(to.clone()));
        setup.server.requests();
        let error = resolve(&store, "main").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{to}: {error}");
        assert!(setup.server.requests().len() < 10);
    }
}

/// What a silent server sees of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Come,
    Gone,
}

/// Accepts, and says nothing. Tells who comes and goes.
async fn silent_server() -> (std::net::SocketAddr, UnboundedReceiver<Seen>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tell.send(Seen::Come).ok();
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(1..) = stream.read(&mut buffer).await {}
                tell.send(Seen::Gone).ok();
            });
        }
    });
    (address, seen)
}

/// Waits until the server sees this.
async fn wait_for(seen: &mut UnboundedReceiver<Seen>, what: Seen) {
    let wait = async { while seen.recv().await.unwrap() != what {} };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("the server does not see {what:?}"));
}

#[tokio::test]
async fn a_silent_server_is_left_within_the_deadline() {
    let cache = tempfile::tempdir().unwrap();
    for scheme in ["http", "git", "https"] {
        let (address, mut seen) = silent_server().await;
        let url = format!("{scheme}://{address}/shop.git");
        let options = GitOptions::new().cache_dir(cache.path());
        // Long enough to reach the server on a busy machine, for the server to see that the connection is closed.
        for options in
            [options.clone().deadline(Duration::from_secs(2)), options.clone().idle_timeout(Duration::from_millis(500))]
        {
            let store = GitStore::open(&url, options).unwrap();
            let started = Instant::now();
            let error = resolve(&store, "main").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            assert!(started.elapsed() < PATIENCE / 3, "{:?}", started.elapsed());
            while let Ok(Seen::Come) = seen.try_recv() {
                wait_for(&mut seen, Seen::Gone).await;
            }
        }
        // Dropping the future is enough.
        let store = GitStore::open(&url, options).unwrap();
        let waiting = tokio::spawn(async move { store.resolve(&spec("main")).await.map(drop) });
        wait_for(&mut seen, Seen::Come).await;
        waiting.abort();
        wait_for(&mut seen, Seen::Gone).await;
    }
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_is_left_and_the_store_stays_usable() {
    let setup = Setup::http().await;
    let big = "x".repeat(100_000);
    let tip = setup.shop.repo.commit("main", "Big", &at(30), &[file("big", &big)]).unwrap();
    setup.server.behave(|behaviour| behaviour.stall_in_pack = true);
    for options in
        [setup.options().deadline(Duration::from_millis(500)), setup.options().idle_timeout(Duration::from_millis(200))]
    {
        let store = setup.open(options);
        let error = resolve(&store, "main").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        let error = store.tree(&tip).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    setup.server.behave(|behaviour| (behaviour.stall_in_pack, behaviour.cut_in_pack) = (false, true));
    let store = setup.store();
    let error = resolve(&store, "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    setup.server.behave(|behaviour| behaviour.cut_in_pack = false);
    assert_eq!(resolve(&store, "main").await.unwrap(), tip);
    assert_eq!(store.tree(&tip).await.unwrap().read(&path("big"), 1 << 20).unwrap().len(), 100_000);
    assert_eq!(leftovers(setup.cache.path()), [""; 0]);
}

/// Files that are neither finished packs nor anything else that belongs there.
fn leftovers(cache: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for repository in std::fs::read_dir(cache).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        for entry in std::fs::read_dir(repository.path().join("objects/pack")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if !name.ends_with(".pack") && !name.ends_with(".idx") {
                found.push(name);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_server_that_sends_too_much_is_left() {
    let setup = Setup::http().await;
    let noise: String = (0..200_000u64).map(|n| char::from(33 + u8::try_from(n * n % 91).unwrap())).collect();
    setup.shop.repo.commit("main", "Big", &at(30), &[file("big", &noise)]).unwrap();
    let error = resolve(&setup.open(setup.options().max_fetch(1000)), "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_of_a_cold_store_fetch_once() {
    let setup = Arc::new(Setup::http().await);
    // Two stores over one cache directory are what two processes are to each other.
    let stores = [setup.store(), setup.store()];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = stores[n % 2].clone();
        tasks.spawn(async move { resolve(&store, "main").await });
    }
    for result in tasks.join_all().await {
        assert_eq!(result.unwrap(), setup.shop.third);
    }
    let fetches = setup.server.requests().iter().filter(|request| *request == "fetch").count();
    assert_eq!(fetches, 1);
    assert_eq!(leftovers(setup.cache.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fetches_for_long_stays_small_and_readable() {
    let setup = Setup::http().await;
    let store = setup.store();
    let first = store.tree(&setup.shop.first).await.unwrap();
    store.tree(&setup.shop.third).await.unwrap();
    let reader = setup.store();
    // And one that never stops reading, cold and warm in turn.
    let done = Arc::new(AtomicBool::new(false));
    let busy = tokio::spawn({
        let (done, options, url, third) =
            (Arc::clone(&done), setup.options(), setup.server.url(), setup.shop.third.clone());
        async move {
            let mut reads = 0u32;
            while !done.load(Ordering::SeqCst) {
                let tree = GitStore::open(&url, options.clone()).unwrap().tree(&third).await.unwrap();
                for _ in 0..10 {
                    assert_eq!(tree.list(&path("web")).unwrap().len(), 3);
                    assert_eq!(tree.read(&path("db/sts.yaml"), 100).unwrap(), "kind: StatefulSet\n");
                }
                reads += 1;
                tokio::task::yield_now().await;
            }
            reads
        }
    });
    let mut revisions = Vec::new();
    let mut most = 0;
    for n in 0..100 {
        let content = file("web/deployment.yaml", &format!("n: {n}\n"));
        revisions.push(setup.shop.repo.commit("main", "Next", &at(100 + n), &[content]).unwrap());
        assert_eq!(resolve(&store, "main").await.unwrap(), revisions[revisions.len() - 1]);
        // Readers of long ago and of another process see everything at all times.
        assert_eq!(first.read(&path("README.md"), 100).unwrap(), "# Shop\n");
        let old = &revisions[revisions.len() / 2];
        let tree = reader.tree(old).await.unwrap();
        let content = tree.read(&path("web/deployment.yaml"), 100).unwrap();
        assert_eq!(content, format!("n: {}\n", revisions.len() / 2));
        most = most.max(packs(setup.cache.path()));
    }
    done.store(true, Ordering::SeqCst);
    assert!(busy.await.unwrap() > 0);
    assert!((30..=45).contains(&most), "{most} packs");
    assert_eq!(leftovers(setup.cache.path()), [""; 0]);
    let cold = setup.store();
    for (n, revision) in revisions.iter().enumerate() {
        let content = cold.tree(revision).await.unwrap().read(&path("web/deployment.yaml"), 100).unwrap();
        assert_eq!(content, format!("n: {n}\n"));
    }
    let fetches = setup.server.requests().iter().filter(|request| *request == "fetch").count();
    assert_eq!(fetches, 102, "nothing was fetched twice");
}

fn packs(cache: &Path) -> usize {
    let repository = std::fs::read_dir(cache).unwrap().flatten().find(|entry| entry.path().is_dir()).unwrap().path();
    let files = std::fs::read_dir(repository.join("objects/pack")).unwrap().flatten();
    files.filter(|file| file.path().extension().is_some_and(|ending| ending == "pack")).count()
}

#[tokio::test]
async fn what_a_killed_writer_left_is_no_obstacle() {
    let setup = Setup::http().await;
    let store = setup.store();
    resolve(&store, "main").await.unwrap();
    let repository =
        std::fs::read_dir(setup.cache.path()).unwrap().flatten().find(|e| e.path().is_dir()).unwrap().path();
    let tip = setup.shop.repo.commit("main", "Next", &at(30), &[file("x", "1")]).unwrap();
    for left in ["shallow.lock", "packed-refs.lock", "refs/engine/refs%2Fheads%2Fmain.lock", "objects/pack/.tmpAbC"] {
        std::fs::write(repository.join(left), "").unwrap();
    }
    assert_eq!(resolve(&store, "main").await.unwrap(), tip);
    assert_eq!(leftovers(setup.cache.path()), [""; 0]);
    // Nor is a cache that somebody emptied.
    std::fs::remove_dir_all(&repository).unwrap();
    assert_eq!(resolve(&store, "main").await.unwrap(), tip);
    // One that is damaged says what to do.
    std::fs::write(repository.join("config"), "[core\n").unwrap();
    std::fs::write(repository.join("HEAD"), "nonsense").unwrap();
    let error = resolve(&setup.store(), "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("remove"), "{error}");
}

#[tokio::test]
async fn partitions_do_not_share_what_was_fetched() {
    let setup = Setup::http().await;
    resolve(&setup.open(setup.options().partition("a")), "main").await.unwrap();
    setup.server.behave(|behaviour| behaviour.authorization = Some("Bearer a".into()));
    setup.open(setup.options().partition("a")).tree(&setup.shop.third).await.unwrap();
    let error = setup.open(setup.options().partition("b")).tree(&setup.shop.third).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
}

#[tokio::test]
async fn the_git_daemon_is_spoken_to() {
    let shop = Shop::new();
    let server = GitServer::daemon(&shop.path()).await;
    let cache = tempfile::tempdir().unwrap();
    let options = GitOptions::new().cache_dir(cache.path());
    let url = format!("git://{}/shop.git", server.address);
    let store = GitStore::open(&url, options.clone()).unwrap();
    assert_eq!(resolve(&store, "main").await.unwrap(), shop.third);
    assert_eq!(server.requests(), ["ls-refs", "fetch"]);
    assert_eq!(resolve(&store, "semver:1.x").await.unwrap(), shop.second);
    let tip = shop.repo.commit("main", "Next", &at(30), &[file("x", "1")]).unwrap();
    server.behave(|behaviour| behaviour.stall_in_pack = true);
    let hasty = GitStore::open(&url, options.idle_timeout(Duration::from_millis(200))).unwrap();
    let error = resolve(&hasty, "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    server.behave(|behaviour| behaviour.stall_in_pack = false);
    assert_eq!(resolve(&store, "main").await.unwrap(), tip);
}

#[tokio::test]
async fn a_branch_may_become_a_directory_of_branches() {
    let setup = Setup::http().await;
    let store = setup.store();
    setup.shop.repo.set_branch("a", &setup.shop.first).unwrap();
    assert_eq!(resolve(&store, "a").await.unwrap(), setup.shop.first);
    setup.shop.repo.remove_reference("refs/heads/a").unwrap();
    let next = setup.shop.repo.commit("main", "Next", &at(40), &[file("x", "1")]).unwrap();
    setup.shop.repo.set_branch("a/b", &next).unwrap();
    assert_eq!(resolve(&store, "a/b").await.unwrap(), next);
}

#[test]
fn everything_works_with_an_empty_environment() {
    support::again_with_an_empty_environment();
}
