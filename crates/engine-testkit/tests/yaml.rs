//! State as YAML: what is taken, what is refused, and that a dump is a state.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod common;

use common::{api, available, deployment, wait};
use gitops_engine_testkit::{ClockJump, Cluster};
use kube::api::{Patch, PatchParams};
use serde_json::json;

const CRD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
";

#[tokio::test(start_paused = true)]
async fn a_dump_is_a_state_and_its_dump_the_same() {
    let cluster = Cluster::builder().seed(3).build();
    // In an order that no server would take: what is needed comes last.
    let text = format!(
        "{}\n---\n{CRD}\n---\n{}",
        "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: shop}\nspec: {size: 3}",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}"
    );
    assert_eq!(cluster.load_yaml(&text).unwrap(), 3);
    assert_eq!(cluster.get("widgets", "shop", "w").unwrap()["spec"]["size"], 3);
    cluster.create(deployment("web", 2, "web:1")).unwrap();
    cluster
        .create(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]}}))
        .unwrap();
    cluster
        .create(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}))
        .unwrap();
    let odd = [
        "yes",
        "null",
        "~",
        "1e3",
        "0x10",
        "012",
        "",
        " ",
        "a: b",
        "# no",
        "- x",
        "---",
        "a\nb\n",
        "\ttab",
        "'",
        "\"",
        "2026-01-01",
        "1_000",
        ".inf",
        "=",
        "<<",
        "é\u{85}\u{2028}",
        "a\n\n  b\n",
        "trailing ",
        "@x",
        "%y",
        "!z",
        "&a",
        "*b",
    ];
    let data: serde_json::Map<_, _> = odd.iter().enumerate().map(|(i, v)| (format!("k{i}"), json!(v))).collect();
    cluster.create(common::config_map("odd", json!(data))).unwrap();
    // The controllers start with the first request.
    cluster.client().apiserver_version().await.unwrap();
    wait(&cluster, "deployments", "web", available(2)).await;
    wait(&cluster, "jobs", "job", |j| j["status"]["succeeded"] == 1).await;
    let apply = Patch::Apply(deployment("web", 2, "web:2"));
    api(&cluster, "apps/v1", "Deployment").patch("web", &PatchParams::apply("me").force(), &apply).await.unwrap();
    cluster.jump_clock(ClockJump::Forwards(std::time::Duration::from_secs(5)));
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;

    let text = cluster.dump_yaml();
    let copy = Cluster::builder().build_with(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(copy.dump_yaml(), text);
    assert_eq!(
        copy.revision(),
        copy.dump()
            .iter()
            .map(|o| o["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap())
            .max()
            .unwrap()
    );

    // It lives on, and nothing is given out twice.
    let made = copy
        .create(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]}}))
        .unwrap();
    let others: Vec<_> = copy.dump().into_iter().filter(|o| o["metadata"]["name"] != "other").collect();
    assert!(others.iter().all(|o| o["metadata"]["uid"] != made["metadata"]["uid"]));
    assert!(others.iter().all(|o| o["kind"] != "Service" || o["spec"]["clusterIP"] != made["spec"]["clusterIP"]));
    let again = api(&copy, "apps/v1", "Deployment");
    again.patch("web", &PatchParams::apply("me").force(), &Patch::Apply(deployment("web", 3, "web:2"))).await.unwrap();
    wait(&copy, "deployments", "web", available(3)).await;
    // Into a cluster that has its own objects.
    let other = Cluster::builder().seed(9).build();
    assert_eq!(other.load_yaml(&text).unwrap(), cluster.dump().len());
    let uid = |c: &Cluster| c.get("deploy", "default", "web").unwrap()["metadata"]["uid"].clone();
    assert_eq!(uid(&other), uid(&cluster));
}

#[test]
fn uids_and_statuses_of_the_text_are_kept() {
    let cluster = Cluster::builder().without_controllers().build();
    let text = "
# A comment first.
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: p, uid: 11111111-2222-4333-8444-555555555555}
  spec: {containers: [{name: c, image: i}]}
  status: {phase: Failed}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
";
    assert_eq!(cluster.load_yaml(text).unwrap(), 2);
    let pod = cluster.get("pods", "default", "p").unwrap();
    assert_eq!(pod["metadata"]["uid"], "11111111-2222-4333-8444-555555555555");
    assert_eq!((&pod["status"]["phase"], &pod["spec"]["restartPolicy"]), (&json!("Failed"), &json!("Always")));
}

#[test]
fn what_the_api_would_refuse_is_refused_with_its_place() {
    let cluster = Cluster::default();
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n";
    let whole = "uid: u, resourceVersion: '5', namespace: default";
    for (bad, line, message) in [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad}\n", 5, "ConfigMap Bad: ConfigMap \"Bad\" is invalid"),
        (
            "\n\napiVersion: v1\nkind: Widget\nmetadata: {name: w}\n",
            7,
            "no matches for kind \"Widget\" in version \"v1\"",
        ),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: none}\n", 5, "namespaces \"none\" not found"),
        ("apiVersion: v1\nkind: [", 6, ""),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndate: {}\n", 5, "unknown field \"date\""),
        ("just text\n", 5, "the document is no object"),
        (
            &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, {whole}}}\nnonsense: 1\n"),
            5,
            "unknown field",
        ),
        (&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: a, {whole}}}\n"), 5, "it has no namespace"),
    ] {
        let refused = cluster.load_yaml(&format!("{good}---\n{bad}")).unwrap_err();
        assert_eq!((refused.document(), refused.line()), (2, line), "{refused}");
        assert!(refused.to_string().contains(message), "{refused}");
        // What is no YAML is refused as a whole.
        let _absent = cluster.delete("configmaps", "default", "good");
    }
    assert_eq!(cluster.load_yaml("").unwrap(), 0);
    assert_eq!(cluster.load_yaml("---\n# nothing\n---\n").unwrap(), 0);
    assert!(cluster.load_yaml(&format!("{good}---\n{good}")).unwrap_err().to_string().contains("already exists"));
    assert!(Cluster::builder().build_with(good).is_err(), "there is no namespace");
}
