//! The directory generator: what it reads, what it refuses, and where it says the error is.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use gitops_engine_core::{ErrorKind, GenerateRequest, Generator, MemoryTree, Problems, Rendering, TreePath, Value};
use gitops_engine_manifest::{DirectoryGenerator, TreeLimits, yaml};

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let tree = MemoryTree::new("r1".into());
    files.iter().fold(tree, |tree, (path, text)| match text.strip_prefix("-> ") {
        Some(target) => tree.symlink(path, target).unwrap(),
        None => tree.file(path, text.as_bytes().to_vec()).unwrap(),
    })
}

fn request(tree: MemoryTree, path: &str) -> GenerateRequest {
    GenerateRequest::new(Arc::new(tree), TreePath::parse(path).unwrap(), "app")
}

fn render(generator: &DirectoryGenerator, files: &[(&str, &str)], path: &str) -> Result<Rendering, Problems> {
    generator.render(&request(tree(files), path))
}

fn recursive() -> DirectoryGenerator {
    DirectoryGenerator::new().recursive()
}

fn object(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

fn places(rendering: &Rendering) -> Vec<String> {
    rendering.objects.iter().map(|object| format!("{} {}", object.place, object.id().name)).collect()
}

fn errors(result: Result<Rendering, Problems>) -> Vec<String> {
    result.unwrap_err().errors().iter().map(ToString::to_string).collect()
}

fn inputs(rendering: &Rendering) -> Vec<&str> {
    rendering.inputs.iter().map(|input| input.path.as_str()).collect()
}

#[test]
fn every_object_has_its_file_line_and_document() {
    let files = [
        (
            "app/b.yml",
            "# a comment\n---\n\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b1}\n---\n# x\n---\n# y\n\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b2}\n",
        ),
        ("app/a.json", "\n{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"a\"}}\n"),
        ("app/notes.txt", "not: [yaml"),
        ("app/empty.yaml", ""),
        ("app/comments.yaml", "# nothing\n---\n# at all\n"),
    ];
    let rendering = render(&DirectoryGenerator::new(), &files, "app").unwrap();
    assert_eq!(places(&rendering), ["app/a.json:2 a", "app/b.yml:5 b1", "app/b.yml:13 b2"]);
    let documents: Vec<_> = rendering.objects.iter().map(|object| object.place.document).collect();
    assert_eq!(documents, [0, 1, 3]);
    assert_eq!(inputs(&rendering), ["app"]);
    assert!(rendering.warnings.is_empty());
}

#[test]
fn lists_give_their_items_with_their_lines() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n\
                - apiVersion: v1\n  kind: List\n  items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}]\n";
    // Typed lists, as API servers write them, leave out what they say once.
    let typed = "kind: ConfigMapList\napiVersion: v1\nitems:\n\n  - metadata: {name: c}\n  - metadata: {name: d}\n";
    let named = "apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: e}\nitems: [x]\n";
    let empty = "apiVersion: v1\nkind: List\nitems: null\n";
    let files = [("1.yaml", list), ("2.yaml", typed), ("3.yaml", named), ("4.yaml", empty)];
    let rendering = render(&DirectoryGenerator::new(), &files, "").unwrap();
    assert_eq!(places(&rendering), ["1.yaml:4 a", "1.yaml:7 b", "2.yaml:5 c", "2.yaml:6 d", "3.yaml:1 e"]);
    assert_eq!(rendering.objects[2].id().to_string(), "ConfigMap c");

    let wrong = "apiVersion: v1\nkind: List\nitems:\n- kind: ConfigMap\n- 7\n";
    let found = errors(render(&DirectoryGenerator::new(), &[("l.yaml", wrong)], ""));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("l.yaml:4: ") && found[0].contains("no apiVersion"), "{found:?}");
    assert!(found[1].starts_with("l.yaml:5: ") && found[1].contains("an integer"), "{found:?}");
    assert!(
        errors(render(&DirectoryGenerator::new(), &[("l.yaml", "apiVersion: v1\nkind: List\nitems: 1\n")], ""))[0]
            .contains("must be a list")
    );
}

#[test]
fn one_broken_file_of_fifty_does_not_hide_the_others() {
    let mut files: Vec<(String, String)> =
        (0..50).map(|number| (format!("{number:02}.yaml"), object(&format!("o{number}")))).collect();
    files[17].1 = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [broken\n".to_owned();
    files[30].1 = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: '1'\n  a: '2'\n".to_owned();
    files[31].1 = format!("{}---\nkind: ConfigMap\n---\na: b: c\n---\n- 1\n", object("x"));
    files[49].1 = "kind: Nothing\n".to_owned();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let result = render(&DirectoryGenerator::new(), &files, "");
    assert_eq!(result.as_ref().unwrap_err().kind(), ErrorKind::InvalidInput);
    let found = errors(result);
    let starts = [
        "17.yaml:4: this is not YAML",
        "30.yaml:6: the key \"a\" is given twice",
        "31.yaml:7: this is not YAML",
        "49.yaml:1: this is not a Kubernetes object",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found:?} is not {start:?}");
    }
}

#[test]
fn what_is_not_an_object_is_an_error_unless_it_says_so() {
    let values = "replicas: 2\n";
    let marked = "# +argocd:skip-file-rendering\nreplicas: 2\n";
    let only_text = "text: '+argocd:skip-file-rendering'\n";
    let found = errors(render(&DirectoryGenerator::new(), &[("v.yaml", values)], ""));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("v.yaml:1: this is not a Kubernetes object: it has no apiVersion; exclude"),
        "{found:?}"
    );
    assert!(render(&DirectoryGenerator::new(), &[("v.yaml", marked)], "").unwrap().objects.is_empty());
    assert_eq!(errors(render(&DirectoryGenerator::new(), &[("v.yaml", only_text)], "")).len(), 1);
    let jsonnet = errors(render(&DirectoryGenerator::new(), &[("v.jsonnet", "{}")], ""));
    assert!(jsonnet[0].starts_with("v.jsonnet: Jsonnet is not rendered here"), "{jsonnet:?}");
}

#[test]
fn recursion_and_globs_choose_the_files() {
    let objects = ["a", "b", "c", "d"].map(object);
    let files = [
        ("app/a.yaml", &*objects[0]),
        ("app/config/b.yaml", &*objects[1]),
        ("app/config/deep/c.json.yaml", &*objects[2]),
        ("app/values.yaml", "x: 1\n"),
        ("other/d.yaml", &*objects[3]),
    ];
    let names = |generator: DirectoryGenerator| {
        let rendering = render(&generator.exclude("*values.yaml").unwrap(), &files, "app").unwrap();
        rendering.objects.iter().map(|object| object.id().name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(DirectoryGenerator::new()), ["a"]);
    assert_eq!(names(recursive()), ["a", "b", "c"]);
    assert_eq!(names(recursive().include("config/*").unwrap()), ["b", "c"]);
    assert_eq!(names(recursive().include("{a,config/b}.yaml").unwrap()), ["a", "b"]);
    assert_eq!(names(recursive().include("a.yaml").unwrap().include("*c*.yaml").unwrap()), ["a", "b", "c"]);
    assert_eq!(names(recursive().exclude("config").unwrap()), ["a"]);
    assert_eq!(names(recursive().exclude("*/deep/*").unwrap()), ["a", "b"]);
    assert!(DirectoryGenerator::new().include("[").is_err());

    let below = render(&DirectoryGenerator::new(), &[("app/x/a.yaml", &objects[0])], "app").unwrap();
    assert_eq!(below.warnings.len(), 1, "says that there is something below");
}

#[test]
fn parameters_stand_in_for_options_and_are_checked() {
    let files = [("app/x/a.yaml", &*object("a")), ("app/b.yaml", "x: 1\n")];
    let with = |parameters: &[(&str, Value)]| {
        let mut request = request(tree(&files), "app");
        request.parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        DirectoryGenerator::new().render(&request)
    };
    let rendering = with(&[("recurse", true.into()), ("exclude", vec!["b.yaml".into()].into())]).unwrap();
    assert_eq!(places(&rendering), ["app/x/a.yaml:1 a"]);
    let found = errors(with(&[("recurze", true.into()), ("recurse", "yes".into()), ("include", "{a".into())]));
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn links_are_followed_inside_of_the_tree() {
    let (one, two) = (object("one"), object("two"));
    let files = [
        ("app/link.yaml", "-> ../shared/one.yaml"),
        ("app/more", "-> ../shared/./more"),
        ("shared/one.yaml", &*one),
        ("shared/more/two.yaml", "-> ../../real/two.yaml"),
        ("real/two.yaml", &*two),
        ("alias", "-> app"),
    ];
    let rendering = render(&recursive(), &files, "app").unwrap();
    assert_eq!(places(&rendering), ["app/link.yaml:1 one", "app/more/two.yaml:1 two"]);
    assert_eq!(inputs(&rendering), ["app", "real/two.yaml", "shared/more", "shared/one.yaml"]);
    // The directory itself may be reached by a link.
    let rendering = render(&DirectoryGenerator::new(), &files, "alias").unwrap();
    assert_eq!(places(&rendering), ["alias/link.yaml:1 one"]);
    assert_eq!(inputs(&rendering), ["alias", "app", "shared/one.yaml"]);
}

#[test]
fn links_out_of_the_tree_to_nothing_and_in_circles_are_errors() {
    let fine = object("fine");
    for (target, message) in [
        ("/etc/passwd", "leads out of the tree"),
        ("../../../../etc/passwd", "leads out of the tree"),
        ("../app/../../etc/passwd", "leads out of the tree"),
        ("nowhere.yaml", "leads to nothing"),
        ("link.yaml", "loop"),
        ("fine.yaml/below", "leads to nothing"),
    ] {
        let files = [("app/fine.yaml", &*fine), ("app/link.yaml", &*format!("-> {target}"))];
        for generator in [DirectoryGenerator::new(), recursive()] {
            let found = errors(render(&generator, &files, "app"));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with("app/link.yaml: ") && found[0].contains(message), "{found:?}");
        }
        // Excluded, it does not matter.
        let generator = recursive().exclude("link.yaml").unwrap();
        assert_eq!(render(&generator, &files, "app").unwrap().objects.len(), 1);
    }
    for target in [".", "..", "../../app"] {
        let files = [("app/fine.yaml", &*fine), ("app/sub/back", &*format!("-> {target}"))];
        let found = errors(render(&recursive(), &files, "app"));
        assert!(found.iter().all(|error| error.contains("leads back to")), "{target}: {found:?}");
    }
}

#[test]
fn a_wrong_path_says_what_is_there() {
    let text = object("a");
    let files = [("app/a.yaml", &*text)];
    let missing = render(&DirectoryGenerator::new(), &files, "shop").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().starts_with("shop: there is no such directory at r1"), "{missing}");
    assert!(errors(render(&DirectoryGenerator::new(), &files, "app/a.yaml"))[0].contains("this is a file"));
}

#[test]
fn sizes_are_bounded() {
    let limits = |change: &dyn Fn(&mut TreeLimits)| {
        let mut limits = TreeLimits::default();
        change(&mut limits);
        recursive().limits(limits)
    };
    let text = object("a");
    let files = [("a.yaml", &*text), ("b.yaml", &*text), ("d/e/f/c.yaml", &*text)];
    let size = text.len() as u64;
    assert_eq!(render(&limits(&|l| l.total_bytes = 3 * size), &files, "").unwrap().objects.len(), 3);
    for (generator, message) in [
        (limits(&|l| l.total_bytes = 3 * size - 1), "the files have more than"),
        (limits(&|l| l.file_bytes = size - 1), "more than the"),
        (limits(&|l| l.files = 2), "more than the 2 files"),
        (limits(&|l| l.entries = 4), "more than the 4 entries"),
        (limits(&|l| l.depth = 2), "directories nest deeper"),
    ] {
        let problems = render(&generator, &files, "").unwrap_err();
        assert_eq!(problems.kind(), ErrorKind::LimitExceeded, "{problems}");
        assert!(problems.to_string().contains(message), "{problems}");
    }
}

#[test]
fn links_that_multiply_directories_are_bounded() {
    // Each directory links twice to the next: 2^30 ways to the end.
    let mut files = Vec::new();
    for level in 0..30 {
        files.push((format!("{level}/a"), format!("-> ../{}", level + 1)));
        files.push((format!("{level}/b"), format!("-> ../{}", level + 1)));
    }
    files.push(("30/x.yaml".to_owned(), object("x")));
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let mut limits = TreeLimits::default();
    limits.entries = 1000;
    let problems = render(&recursive().limits(limits), &files, "0").unwrap_err();
    assert_eq!(problems.kind(), ErrorKind::LimitExceeded);
}

#[test]
fn secrets_are_not_in_errors() {
    let secret = "hunter2";
    for text in [
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  password: {secret}: {secret}\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  password: '{secret}\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  password: !!int {secret}\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  p: {secret}\n  p: {secret}\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: [{secret}]\n"),
        format!("{secret}\n"),
    ] {
        let problems = render(&DirectoryGenerator::new(), &[("s.yaml", &text)], "").unwrap_err();
        assert!(!format!("{problems} {problems:?}").contains(secret), "{problems:?}");
    }
}

#[test]
fn the_order_is_that_of_paths_and_documents() {
    let texts: Vec<_> = (0..20).map(|number| object(&format!("o{number}"))).collect();
    let paths: Vec<_> = (0..20).map(|number| format!("d{}/{}.yaml", number % 3, number)).collect();
    let mut files: Vec<_> = paths.iter().zip(&texts).map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let first = places(&render(&recursive(), &files, "").unwrap());
    files.reverse();
    assert_eq!(places(&render(&recursive(), &files, "").unwrap()), first);
}

#[tokio::test]
async fn generates_on_a_runtime() {
    let rendering = DirectoryGenerator::new().generate(request(tree(&[("a.yaml", &object("a"))]), "")).await.unwrap();
    assert_eq!(places(&rendering), ["a.yaml:1 a"]);
}

#[test]
fn generates_without_a_runtime() {
    let request = request(tree(&[("a.yaml", &object("a"))]), "");
    let rendering = futures_lite(DirectoryGenerator::new().generate(request)).unwrap();
    assert_eq!(rendering.objects.len(), 1);
}

/// The smallest executor: the future is ready at once when there is no runtime.
fn futures_lite<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

#[test]
fn a_big_directory_is_read_in_reasonable_time() {
    let text: String = (0..2000).map(|number| format!("---\n{}", object(&format!("o{number}")))).collect();
    let started = Instant::now();
    assert_eq!(render(&DirectoryGenerator::new(), &[("all.yaml", &text)], "").unwrap().objects.len(), 2000);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let mut options = yaml::Options::default();
    options.limits.documents = 1999;
    let few = DirectoryGenerator::new().yaml(options);
    assert_eq!(render(&few, &[("all.yaml", &text)], "").unwrap_err().kind(), ErrorKind::LimitExceeded);
}
