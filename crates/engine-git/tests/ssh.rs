//! Repositories over ssh, with this very binary in the place of the ssh program: started with a command for the other
//! side it serves, started by `cargo test` it runs the tests below. It needs neither a shell nor an ssh server.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test, and a program of its own")]

mod support;

use std::time::{Duration, Instant};

use gitops_engine_core::{ErrorKind, RevisionSpec, StateStore, TreePath};
use gitops_engine_git::{GitOptions, GitStore, Ssh};
use support::Shop;
use support::upload_pack::UploadPack;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(command) = arguments.last().and_then(|last| last.strip_prefix("git-upload-pack ")) {
        return serve(&arguments, command);
    }
    // `cargo test -- --list` and filters are those of the usual harness; this one has a single name.
    if arguments.iter().any(|argument| argument == "--list") {
        return println!("ssh: test");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(a_repository_is_read_over_ssh());
    runtime.block_on(troubles_of_the_program_are_classified());
    runtime.block_on(a_program_that_hangs_is_ended());
    println!("test ssh ... ok (3 parts)");
}

/// The other side: says what it was told on the error channel when asked to, and serves.
fn serve(arguments: &[String], command: &str) {
    let environment: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    assert!(environment.iter().all(|name| name == "GIT_PROTOCOL" || name.starts_with("TEST_")), "{environment:?}");
    assert_eq!(std::env::var("GIT_PROTOCOL").unwrap(), "version=2");
    assert_eq!(&arguments[..4], ["-F", "none", "-o", "BatchMode=yes"]);
    let at = arguments.iter().position(|argument| argument == "--").unwrap();
    assert_eq!(arguments[at + 1], "git@git.invalid");
    match std::env::var("TEST_TROUBLE").as_deref() {
        Ok("hang") => std::thread::sleep(Duration::from_secs(600)),
        Ok(trouble) => {
            eprintln!("{trouble}");
            std::process::exit(255);
        }
        Err(_) => {}
    }
    let path = command.trim_matches('\'');
    UploadPack::new(path.as_ref()).serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock());
}

fn ssh() -> Ssh {
    Ssh::program(std::env::current_exe().unwrap())
}

async fn a_repository_is_read_over_ssh() {
    let shop = Shop::new();
    let cache = tempfile::tempdir().unwrap();
    let options = GitOptions::new().cache_dir(cache.path());
    let url = format!("ssh://git@git.invalid:2222{}", shop.url());
    let scp = format!("git@git.invalid:{}", shop.url());
    let hosts = cache.path().join("known hosts");
    let ssh = ssh().identity("/keys/id").known_hosts(&hosts).argument("-4").environment("TEST_AGENT", "x");
    for url in [url, scp] {
        let store = GitStore::open(&url, options.clone().allow_ssh(ssh.clone())).unwrap();
        assert_eq!(store.resolve(&RevisionSpec::Default).await.unwrap(), shop.third);
        let tree = store.tree(&shop.first).await.unwrap();
        assert_eq!(tree.read(&TreePath::parse("README.md").unwrap(), 100).unwrap(), "# Shop\n");
    }
}

async fn troubles_of_the_program_are_classified() {
    let cache = tempfile::tempdir().unwrap();
    for (trouble, kind) in [
        ("git@git.invalid: Permission denied (publickey).", ErrorKind::Unauthenticated),
        ("Host key verification failed.", ErrorKind::PermissionDenied),
        ("ssh: Could not resolve hostname git.invalid", ErrorKind::Unavailable),
        ("fatal: '/x' does not appear to be a git repository", ErrorKind::NotFound),
    ] {
        let options = GitOptions::new().cache_dir(cache.path()).allow_ssh(ssh().environment("TEST_TROUBLE", trouble));
        let store = GitStore::open("git@git.invalid:x", options).unwrap();
        let error = store.resolve(&RevisionSpec::Default).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(trouble), "{error}");
    }
    let options = GitOptions::new().cache_dir(cache.path()).allow_ssh(Ssh::program("no-such-program-anywhere"));
    let store = GitStore::open("git@git.invalid:x", options.clone()).unwrap();
    let error = store.resolve(&RevisionSpec::Default).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    // What would be an option of the program is never given to it.
    for url in ["ssh://-oProxyCommand=x/a", "ssh://-x@git.invalid/a", "git@git.invalid:-x"] {
        let Ok(store) = GitStore::open(url, options.clone()) else { continue };
        let error = store.resolve(&RevisionSpec::Default).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}: {error}");
    }
}

async fn a_program_that_hangs_is_ended() {
    let cache = tempfile::tempdir().unwrap();
    let ssh = ssh().environment("TEST_TROUBLE", "hang");
    let options = GitOptions::new().cache_dir(cache.path()).allow_ssh(ssh);
    for options in
        [options.clone().deadline(Duration::from_millis(300)), options.clone().idle_timeout(Duration::from_millis(300))]
    {
        let started = Instant::now();
        let store = GitStore::open("git@git.invalid:x", options).unwrap();
        let error = store.resolve(&RevisionSpec::Default).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
