//! External programs: what they get, and that each bound holds.
//!
//! The programs are played by this very executable: the generators start it with the arguments of `kustomize`,
//! `kubectl` or `helm`, and it behaves as the file `play` in the directory says. So nothing has to be installed. With
//! `GITOPS_ENGINE_TEST_KUBECTL` and `GITOPS_ENGINE_TEST_HELM` the real programs at these paths are tried, too.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests fail by panicking")]

use std::io::{Read, Write};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gitops_engine_core::{
    Capabilities, ErrorKind, GenerateRequest, Generator, MemoryTree, Problems, Rendering, TreePath, Value,
};
use gitops_engine_manifest::{
    DetectingGenerator, HelmGenerator, KustomizeGenerator, ProcessLimits, Program, Programs, TreeLimits,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("build" | "kustomize") => return play(Path::new(&arguments[1]), &arguments),
        Some("template") => return play(Path::new(&arguments[2]), &arguments),
        Some("survivor") => {
            // Holds its output open until it is killed.
            let _ = std::io::stdin().read(&mut [0]);
            loop {
                std::thread::park();
            }
        }
        _ => {}
    }
    run(&arguments)
}

// ---------------------------------------------------------------------------------------------------------------------
// The programs.

fn config_map(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {data}\n")
}

fn play(directory: &Path, arguments: &[String]) -> ExitCode {
    let script = std::fs::read_to_string(directory.join("play")).unwrap_or_default();
    let (word, rest) = script.split_once(' ').unwrap_or((&script, ""));
    match word {
        "print" => print!("{rest}"),
        "environment" => {
            let variables: Vec<_> = std::env::vars().map(|(name, _)| format!("{name}: x")).collect();
            let mut stdin = Vec::new();
            std::io::stdin().read_to_end(&mut stdin).unwrap();
            assert!(stdin.is_empty());
            print!("{}", config_map("environment", &format!("{{{}}}", variables.join(", "))));
        }
        "arguments" => {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|argument| match argument.strip_prefix("--values=") {
                    Some(file) => format!("--values={}", std::fs::read_to_string(file).unwrap()),
                    None => argument.replace(directory.to_str().unwrap(), "DIRECTORY"),
                })
                .collect();
            let mut value =
                Value::from_json(br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#).unwrap();
            value.set(&["data", "arguments"], arguments.join(" ").into());
            print!("{value}");
        }
        "files" => {
            let root = directory.ancestors().find(|path| path.ends_with("tree")).unwrap();
            let mut found = Vec::new();
            list(root, root, &mut found);
            found.sort();
            print!("{}", config_map("files", &format!("{{files: {:?}}}", found.join(" "))));
        }
        "fail" => {
            eprintln!("Error: {} {rest}\u{1b}[31m", directory.join("x.yaml").display());
            return ExitCode::from(3);
        }
        "hang" => loop {
            std::thread::park();
        },
        // Leaves a child behind that holds on to its output, and says who it is.
        "survivor" => {
            let child = Command::new(std::env::current_exe().unwrap()).arg("survivor").spawn().unwrap();
            print!("{}", config_map("survivor", &format!("{{pid: \"{}\"}}", child.id())));
            std::mem::forget(child);
        }
        "survivor-then-hang" => {
            let child = Command::new(std::env::current_exe().unwrap()).arg("survivor").stdin(Stdio::null()).spawn();
            std::mem::forget(child.unwrap());
            loop {
                std::thread::park();
            }
        }
        "flood" => while std::io::stdout().write_all(&[b'#'; 65536]).is_ok() {},
        "flood-errors" => {
            for _ in 0..200 {
                std::io::stderr().write_all(&[b'x'; 65536]).unwrap();
            }
            eprintln!("the end");
            return ExitCode::FAILURE;
        }
        "eat" => {
            let mut hoard = Vec::new();
            for _ in 0..64 {
                hoard.push(vec![1_u8; 4 << 20]);
            }
            print!("{}", config_map("eaten", &format!("{{bytes: \"{}\"}}", hoard.len())));
        }
        other => {
            eprintln!("no play {other:?} in {}", directory.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn list(root: &Path, directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            list(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The helpers.

fn this_program() -> Programs {
    let path = std::env::current_exe().unwrap();
    Programs::none().allow(Program::Kustomize, &path).allow(Program::Helm, path)
}

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let tree = MemoryTree::new("r1".into());
    files.iter().fold(tree, |tree, (path, text)| match text.strip_prefix("-> ") {
        Some(target) => tree.symlink(path, target).unwrap(),
        None => tree.file(path, text.as_bytes().to_vec()).unwrap(),
    })
}

fn request(files: &[(&str, &str)], path: &str) -> GenerateRequest {
    GenerateRequest::new(Arc::new(tree(files)), TreePath::parse(path).unwrap(), "app")
}

fn kustomize(play: &str) -> Result<Rendering, Problems> {
    kustomize_within(play, ProcessLimits::default())
}

fn kustomize_within(play: &str, limits: ProcessLimits) -> Result<Rendering, Problems> {
    let files = [("app/kustomization.yaml", "resources: []\n"), ("app/play", play)];
    KustomizeGenerator::new(this_program()).process_limits(limits).render(&request(&files, "app"))
}

fn limits(change: impl FnOnce(&mut ProcessLimits)) -> ProcessLimits {
    let mut limits = ProcessLimits::default();
    change(&mut limits);
    limits
}

fn data<'a>(rendering: &'a Rendering, key: &str) -> &'a str {
    rendering.objects[0].manifest.body().text(["data", key]).unwrap()
}

fn errors(result: Result<Rendering, Problems>) -> Vec<String> {
    result.unwrap_err().errors().iter().map(ToString::to_string).collect()
}

fn chart() -> Vec<(&'static str, &'static str)> {
    vec![
        ("shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
        ("shop/values.yaml", "replicas: 1\n"),
        (
            "shop/templates/web.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-web\n  namespace: {{ .Release.Namespace }}\n\
             data:\n  replicas: {{ .Values.replicas | quote }}\n  kube: {{ .Capabilities.KubeVersion.Version }}\n\
             {{- if .Capabilities.APIVersions.Has \"example.com/v1/Shop\" }}\n  shop: served\n{{- end }}\n",
        ),
        (
            "shop/templates/hook.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    helm.sh/hook: pre-install\n",
        ),
        (
            "shop/templates/tests/test.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: try\n  annotations:\n    helm.sh/hook: test\n",
        ),
        (
            "shop/crds/shop.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: shops.example.com\n",
        ),
    ]
}

// ---------------------------------------------------------------------------------------------------------------------
// The cases.

fn nothing_starts_without_permission() {
    let files = [("k/kustomization.yaml", "resources: []\n"), ("h/Chart.yaml", "name: h\n")];
    let generator = DetectingGenerator::new(Programs::none());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (path, file, program) in [("k", "k/kustomization.yaml", "Kustomize"), ("h", "h/Chart.yaml", "Helm")] {
        let problems = runtime.block_on(generator.generate(request(&files, path))).unwrap_err();
        assert_eq!(problems.kind(), ErrorKind::Refused);
        let text = problems.to_string();
        assert!(text.starts_with(&format!("{file}: ")), "{text}");
        assert!(text.contains(&format!("Programs::none().allow(Program::{program}, ")), "{text}");
    }
    let kubectl_only = KustomizeGenerator::new(Programs::none().allow(Program::Kubectl, "kubectl"));
    assert!(errors(kubectl_only.render(&request(&files, "k")))[0].contains("not an absolute path"));
    let missing = KustomizeGenerator::new(Programs::none().allow(Program::Kubectl, "/nowhere/kubectl"));
    let problems = missing.render(&request(&files, "k")).unwrap_err();
    assert_eq!(problems.kind(), ErrorKind::NotFound);
    assert!(problems.to_string().contains("/nowhere/kubectl"), "{problems}");
}

fn the_generator_is_chosen_by_the_files() {
    let files = [
        ("a/kustomization.yml", ""),
        ("b/Kustomization", ""),
        ("c/Chart.yaml", ""),
        ("d/x.yaml", ""),
        ("e/Chart.yaml", ""),
        ("e/kustomization.yaml", ""),
        ("f/kustomization.yaml/x", ""),
    ];
    let (tree, generator) = (tree(&files), DetectingGenerator::new(Programs::none()));
    for (path, name) in [
        ("a", "kustomize"),
        ("b", "kustomize"),
        ("c", "helm"),
        ("d", "directory"),
        ("e", "kustomize"),
        ("f", "directory"),
        ("", "directory"),
    ] {
        assert_eq!(generator.detect(&tree, &TreePath::parse(path).unwrap()).unwrap().name(), name, "{path}");
    }
    let Err(error) = generator.detect(&tree, &TreePath::parse("nowhere").unwrap()) else { panic!("found nowhere") };
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

fn objects_are_placed_at_the_kustomization() {
    let rendering = kustomize(&format!("print {}---\n{}", config_map("a", "{}"), config_map("b", "{}"))).unwrap();
    let places: Vec<_> =
        rendering.objects.iter().map(|object| format!("{} {}", object.place, object.id().name)).collect();
    assert_eq!(places, ["app/kustomization.yaml a", "app/kustomization.yaml b"]);
    let found = errors(kustomize("print a: b: c\n---\nkind: x\n"));
    assert!(found[0].starts_with("app/kustomization.yaml: line 1 of what kustomize printed: "), "{found:?}");
}

fn the_environment_is_empty() {
    let rendering = kustomize("environment").unwrap();
    let mut names: Vec<_> = rendering.objects[0]
        .manifest
        .get("data")
        .unwrap()
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    // On some systems the loader sets these itself.
    names.retain(|name| !name.starts_with("__CF"));
    assert_eq!(names, ["GOMEMLIMIT", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "TMPDIR"]);
}

fn a_failure_tells_what_the_program_said() {
    let problems = kustomize("fail badly").unwrap_err();
    assert_eq!(problems.kind(), ErrorKind::InvalidInput);
    let text = problems.to_string();
    assert!(text.contains("(exit status: 3)") && text.contains("it said: Error: app/x.yaml badly"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("gitops-engine-"), "{text:?}");
    let text = kustomize("flood-errors").unwrap_err().to_string();
    assert!(text.ends_with("the end") && text.len() < 5000, "{}", text.len());
}

fn time_is_bounded() {
    for play in ["hang", "survivor-then-hang"] {
        let started = Instant::now();
        let problems = kustomize_within(play, limits(|l| l.time = Duration::from_millis(300))).unwrap_err();
        assert_eq!(problems.kind(), ErrorKind::Timeout, "{problems}");
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }
}

fn output_is_bounded() {
    let problems = kustomize_within("flood", limits(|l| l.output_bytes = 1 << 20)).unwrap_err();
    assert_eq!(problems.kind(), ErrorKind::LimitExceeded, "{problems}");
}

fn memory_is_bounded() {
    if !cfg!(target_os = "linux") {
        return;
    }
    assert_eq!(data(&kustomize("eat").unwrap(), "bytes"), "64");
    assert!(kustomize_within("eat", limits(|l| l.memory_bytes = 128 << 20)).is_err());
}

fn what_a_program_leaves_behind_is_killed() {
    let rendering = kustomize("survivor").unwrap();
    let pid = data(&rendering, "pid").to_owned();
    // It held the output open, so that it is gone follows from the rendering being here; this looks again.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z ") || stat.contains(") X "), "{stat}");
}

fn dropping_the_future_kills_the_program() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let started = Instant::now();
    let files = [("app/kustomization.yaml", "resources: []\n"), ("app/play", "hang")];
    runtime.block_on(async {
        let generator = KustomizeGenerator::new(this_program());
        let rendering = generator.generate(request(&files, "app"));
        assert!(tokio::time::timeout(Duration::from_millis(200), rendering).await.is_err());
    });
    // Waits for the thread that looks after the program.
    drop(runtime);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

fn the_program_gets_the_directories_that_are_named() {
    let files = [
        ("apps/shop/kustomization.yaml", "resources: [../../base, web.yaml]\ncomponents:\n- ../../parts/tls\n"),
        ("apps/shop/web.yaml", "a: 1\n"),
        ("apps/shop/play", "files"),
        ("apps/shop/link.yaml", "-> ../../shared/x.yaml"),
        ("apps/other/secret.yaml", ""),
        ("base/kustomization.yaml", "bases: [../deeper]\n"),
        ("deeper/kustomization.yaml", "resources: []\n"),
        ("deeper/below/y.yaml", ""),
        ("parts", "-> real"),
        ("real/tls/kustomization.yaml", ""),
        ("shared/x.yaml", ""),
        ("shared/unused.yaml", ""),
    ];
    let generator = KustomizeGenerator::new(this_program());
    let rendering = generator.render(&request(&files, "apps/shop")).unwrap();
    assert_eq!(
        data(&rendering, "files"),
        "apps/shop/kustomization.yaml apps/shop/link.yaml apps/shop/play apps/shop/web.yaml base/kustomization.yaml \
         deeper/below/y.yaml deeper/kustomization.yaml parts real/tls/kustomization.yaml shared/x.yaml"
    );
    let inputs: Vec<_> = rendering.inputs.iter().map(|input| input.path.as_str()).collect();
    assert_eq!(inputs, ["apps/shop", "base", "deeper", "parts", "real/tls", "shared/x.yaml"]);
}

fn remote_bases_are_refused_before_anything_starts() {
    let kustomization = "resources:\n- https://user:hunter2@example.com/base?ref=v1\n- git@github.com:example/base\n\
                         - github.com/example/base?ref=main\n- missing.yaml\n- ../../out\n\
                         patches:\n- path: https://example.com/patch.yaml\n\
                         configMapGenerator:\n- name: x\n  files: [a=HTTP://example.com/a]\ngenerators: [generator.yaml]\n";
    let generator =
        "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: x}\nfiles:\n- https://example.com/f\n";
    let files = [("app/kustomization.yaml", kustomization), ("app/generator.yaml", generator), ("app/play", "hang")];
    let found = errors(KustomizeGenerator::new(this_program()).render(&request(&files, "app")));
    let places: Vec<_> = found.iter().filter_map(|error| error.split(": ").next()).collect();
    let expected = ["generator.yaml:5"].into_iter().map(|place| format!("app/{place}"));
    let lines = [2, 3, 4, 5, 6, 8, 11].map(|line| format!("app/kustomization.yaml:{line}"));
    assert_eq!(places, expected.chain(lines).collect::<Vec<_>>(), "{found:#?}");
    assert!(!found.join(" ").contains("hunter2"), "{found:?}");
}

fn hostile_trees_cost_an_error() {
    let generator = KustomizeGenerator::new(this_program());
    for target in ["/etc/passwd", "../../../etc/passwd", "link"] {
        let target = format!("-> {target}");
        let files = [("app/kustomization.yaml", ""), ("app/link", target.as_str()), ("app/play", "files")];
        let found = errors(generator.render(&request(&files, "app")));
        assert!(found[0].starts_with("app/link: this symbolic link"), "{found:?}");
    }
    let circle = [
        ("a/kustomization.yaml", "resources: [../b]\n"),
        ("b/kustomization.yaml", "resources: [../a]\n"),
        ("a/play", "files"),
    ];
    assert_eq!(generator.render(&request(&circle, "a")).unwrap().objects.len(), 1, "the program judges circles");
    let mut few = TreeLimits::default();
    few.files = 2;
    let problems = generator.tree_limits(few).render(&request(&circle, "a")).unwrap_err();
    assert_eq!(problems.kind(), ErrorKind::LimitExceeded);
}

fn helm_gets_names_values_and_capabilities() {
    let mut files = chart();
    files.extend([
        ("shop/play", "arguments"),
        ("shop/values-production.yaml", "replicas: 3"),
        ("environments/eu.yaml", "region: eu"),
    ]);
    let mut request = request(&files, "shop");
    request.namespace = Some("store".to_owned());
    let mut capabilities = Capabilities::default();
    capabilities.kubernetes_version = Some("v1.36.0".to_owned());
    capabilities.api_versions = vec!["apps/v1/Deployment".to_owned(), "v1/Pod".to_owned()];
    request.capabilities = capabilities;
    let parameters = Value::from_json(
        br#"{"valueFiles": ["values-production.yaml", "/environments/eu.yaml"], "values": {"a": 1}, "releaseName": "store"}"#,
    );
    for (name, value) in parameters.unwrap().as_object().unwrap() {
        request.parameters.insert(name.to_string(), value.clone());
    }
    let generator = HelmGenerator::new(this_program());
    let rendering = generator.render(&request).unwrap();
    assert_eq!(
        data(&rendering, "arguments"),
        "template store DIRECTORY --namespace=store --include-crds --kube-version=v1.36.0 \
         --api-versions=apps/v1/Deployment --api-versions=v1/Pod --values=replicas: 3 --values=region: eu \
         --values={\"a\":1}"
    );
    let inputs: Vec<_> = rendering.inputs.iter().map(|input| input.path.as_str()).collect();
    assert_eq!(inputs, ["environments/eu.yaml", "shop"]);

    request.parameters.insert("valueFiles".to_owned(), vec!["https://example.com/v".into(), "../../x".into()].into());
    assert_eq!(errors(generator.render(&request)).len(), 2);
    request.parameters.insert("values".to_owned(), "text".into());
    request.parameters.insert("releaseName".to_owned(), "--post-renderer=x".into());
    request.parameters.insert("vaules".to_owned(), "".into());
    assert_eq!(errors(generator.render(&request)).len(), 3);
}

fn helm_output_is_placed_at_the_templates() {
    let play = "print ---\n# Source: shop/crds/shop.yaml\napiVersion: v1\nkind: A\nmetadata: {name: a}\n---\n\
                # Source: shop/templates/web.yaml\n# a comment\napiVersion: v1\nkind: B\nmetadata: {name: b}\n\
                text: |\n  ---\n  # Source: shop/Chart.yaml\n---\napiVersion: v1\nkind: C\nmetadata: {name: c, name: c}\n---\n\
                # Source: shop/charts/db/templates/db.yaml\napiVersion: v1\nkind: D\nmetadata: {name: d}\n";
    let mut files = chart();
    files.push(("shop/play", play));
    let rendering = HelmGenerator::new(this_program()).render(&request(&files, "shop")).unwrap();
    let places: Vec<_> = rendering.objects.iter().map(|object| object.place.to_string()).collect();
    assert_eq!(
        places,
        ["shop/crds/shop.yaml", "shop/templates/web.yaml", "shop/templates/web.yaml", "shop/Chart.yaml"]
    );
}

fn missing_dependencies_are_refused_before_helm_starts() {
    let dependencies = "dependencies:\n- {name: db, repository: 'https://user:hunter2@example.com/charts', version: 1.x}\n\
                        - {name: cache, repository: 'oci://example.com/cache'}\n- {name: local, repository: 'file://../local'}\n";
    let chart_yaml = format!("apiVersion: v2\nname: shop\nversion: 1.0.0\n{dependencies}");
    let mut files = chart();
    files[0].1 = &chart_yaml;
    files.extend([("shop/charts/local/Chart.yaml", ""), ("shop/charts/cache-1.2.3.tgz", ""), ("shop/play", "hang")]);
    let found = errors(HelmGenerator::new(this_program()).render(&request(&files, "shop")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("shop/Chart.yaml: the dependency \"db\" (from example.com/charts)"), "{found:?}");
    assert!(!found[0].contains("hunter2"));
}

/// Kustomize on the shape of `kustomize-guestbook`: two resources, a name prefix, and a base outside of the directory.
fn the_real_kubectl_renders() {
    let Some(path) = program("GITOPS_ENGINE_TEST_KUBECTL") else { return };
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ui}\nspec:\n  selector: {matchLabels: {app: ui}}\n\
                      \x20 template:\n    metadata: {labels: {app: ui}}\n    spec: {containers: [{name: ui, image: ui:1}]}\n";
    let files = [
        ("base/kustomization.yaml", "resources: [deployment.yaml]\n"),
        ("base/deployment.yaml", deployment),
        (
            "app/kustomization.yaml",
            "namePrefix: shop-\nnamespace: shop\nresources: [../base, service.yaml]\nconfigMapGenerator:\n- name: c\n  literals: [a=b]\n",
        ),
        ("app/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: ui}\nspec: {ports: [{port: 80}]}\n"),
        ("broken/kustomization.yaml", "resources: [x.yaml]\nnonsense: 1\n"),
        ("broken/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"),
    ];
    let generator = KustomizeGenerator::new(Programs::none().allow(Program::Kubectl, path));
    let rendering = generator.render(&request(&files, "app")).unwrap();
    let ids: Vec<_> = rendering.objects.iter().map(|object| object.id().to_string()).collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(ids.contains(&"apps/Deployment shop/shop-ui".to_owned()), "{ids:?}");
    assert!(rendering.objects.iter().all(|object| object.place.to_string() == "app/kustomization.yaml"));
    let again = generator.render(&request(&files, "app")).unwrap();
    assert!(rendering.objects.iter().zip(&again.objects).all(|(a, b)| a.manifest.digest() == b.manifest.digest()));
    let found = errors(generator.render(&request(&files, "broken")));
    assert!(
        found[0].starts_with("broken/kustomization.yaml: kubectl failed") && found[0].contains("nonsense"),
        "{found:?}"
    );
}

fn the_real_helm_renders() {
    let Some(path) = program("GITOPS_ENGINE_TEST_HELM") else { return };
    let generator = HelmGenerator::new(Programs::none().allow(Program::Helm, path));
    let mut files = chart();
    files.push(("shop/templates/broken.yaml", "{{ if .Values.broken }}{{ fail \"as it was told\" }}{{ end }}"));
    let mut request = request(&files, "shop");
    request.namespace = Some("store".to_owned());
    request.capabilities.kubernetes_version = Some("v1.36.3".to_owned());
    request.capabilities.api_versions = vec!["example.com/v1/Shop".to_owned()];
    request.parameters.insert("values".to_owned(), Value::from_json(br#"{"replicas": 7}"#).unwrap());
    let rendering = generator.render(&request).unwrap();
    let mut places: Vec<_> =
        rendering.objects.iter().map(|object| format!("{} {}", object.place, object.id())).collect();
    places.sort();
    assert_eq!(
        places,
        [
            "shop/crds/shop.yaml apiextensions.k8s.io/CustomResourceDefinition shops.example.com",
            "shop/templates/hook.yaml batch/Job migrate",
            "shop/templates/tests/test.yaml Pod try",
            "shop/templates/web.yaml ConfigMap store/app-web",
        ]
    );
    let web = rendering.objects.iter().find(|object| &*object.id().name == "app-web").unwrap();
    assert_eq!(web.manifest.get("data").unwrap().to_string(), r#"{"kube":"v1.36.3","replicas":"7","shop":"served"}"#);
    request.parameters.insert("values".to_owned(), Value::from_json(br#"{"broken": true}"#).unwrap());
    let found = errors(generator.render(&request));
    assert!(found[0].starts_with("shop/Chart.yaml: helm failed") && found[0].contains("as it was told"), "{found:?}");
}

fn program(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        println!("  did not run: {variable} names no program");
    }
    path
}

// ---------------------------------------------------------------------------------------------------------------------
// The harness: libtest would print into what the programs print.

const CASES: &[(&str, fn())] = &[
    ("nothing_starts_without_permission", nothing_starts_without_permission),
    ("the_generator_is_chosen_by_the_files", the_generator_is_chosen_by_the_files),
    ("objects_are_placed_at_the_kustomization", objects_are_placed_at_the_kustomization),
    ("the_environment_is_empty", the_environment_is_empty),
    ("a_failure_tells_what_the_program_said", a_failure_tells_what_the_program_said),
    ("time_is_bounded", time_is_bounded),
    ("output_is_bounded", output_is_bounded),
    ("memory_is_bounded", memory_is_bounded),
    ("what_a_program_leaves_behind_is_killed", what_a_program_leaves_behind_is_killed),
    ("dropping_the_future_kills_the_program", dropping_the_future_kills_the_program),
    ("the_program_gets_the_directories_that_are_named", the_program_gets_the_directories_that_are_named),
    ("remote_bases_are_refused_before_anything_starts", remote_bases_are_refused_before_anything_starts),
    ("hostile_trees_cost_an_error", hostile_trees_cost_an_error),
    ("helm_gets_names_values_and_capabilities", helm_gets_names_values_and_capabilities),
    ("helm_output_is_placed_at_the_templates", helm_output_is_placed_at_the_templates),
    ("missing_dependencies_are_refused_before_helm_starts", missing_dependencies_are_refused_before_helm_starts),
    ("the_real_kubectl_renders", the_real_kubectl_renders),
    ("the_real_helm_renders", the_real_helm_renders),
];

/// Understands what `cargo test` and editors pass: `--list`, and names to filter by.
fn run(arguments: &[String]) -> ExitCode {
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let filters: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |name: &str| {
        filters.is_empty() || filters.iter().any(|filter| if exact { name == *filter } else { name.contains(*filter) })
    };
    let cases = CASES.iter().filter(|(name, _)| chosen(name));
    if arguments.iter().any(|argument| argument == "--list") {
        cases.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", cases.clone().count());
    let started = Instant::now();
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in cases {
        if catch_unwind(case).is_ok() {
            println!("test {name} ... ok");
            passed += 1;
        } else {
            println!("test {name} ... FAILED");
            failed += 1;
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let (filtered, time) = (CASES.len() - passed - failed, started.elapsed().as_secs_f64());
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out; \
         finished in {time:.2}s\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
