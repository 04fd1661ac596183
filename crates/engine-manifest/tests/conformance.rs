//! The generators that start no program, against the contract of [`Generator`](gitops_engine_core::Generator).
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use gitops_engine_core::conformance::{self, Layout, Sample};
use gitops_engine_manifest::{DetectingGenerator, DirectoryGenerator, Programs};

#[tokio::test]
async fn a_directory() {
    let sample = Sample::directory().unwrap();
    assert_eq!(conformance::generator(&DirectoryGenerator::new(), &sample).await.check().unwrap(), 13);
}

#[tokio::test]
async fn a_directory_with_what_is_below_it() {
    let object = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\n");
    let layout = Layout::new().file("app/z.yaml", object("z")).unwrap().file("app/a/b/c.yml", object("c")).unwrap();
    let layout =
        layout.file("app/a.json", r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"j"}}"#).unwrap();
    let objects = ["ConfigMap j", "ConfigMap shop/c", "ConfigMap shop/z"];
    let sample = Sample::new(layout, "app", objects).unwrap();
    let sample = sample.reads("app/z.yaml").unwrap().reads("app/a/b/c.yml").unwrap();
    let generator = DirectoryGenerator::new().recursive();
    assert_eq!(conformance::generator(&generator, &sample).await.check().unwrap(), 13);
}

#[tokio::test]
async fn the_one_that_fits() {
    let sample = Sample::directory().unwrap();
    let generator = DetectingGenerator::new(Programs::none());
    assert_eq!(conformance::generator(&generator, &sample).await.check().unwrap(), 13);
}
