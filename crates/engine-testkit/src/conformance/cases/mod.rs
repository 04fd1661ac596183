//! The cases, one file for each area.

mod accept;
mod bodies;
mod controllers;
mod discovery;
mod fields;
mod get;
mod labels;
mod list;
mod methods;
mod options;
mod protobuf;
mod reviews;
mod versions;
mod watch;
mod watch_changes;
mod writes;

use serde_json::{Value, json};

use super::{Case, Failure, Lab, Reply};

/// The table of an area whose cases are scripts in a file beside this one.
macro_rules! scripts {
    ($area:literal, $file:literal: $($name:ident),* $(,)?) => {
        pub(in crate::conformance::cases) const CASES: &[$crate::conformance::Case] = &[$(
            $crate::conformance::Case::new(concat!($area, "/", stringify!($name)), |lab| {
                Box::pin(SCRIPTS.play(lab, stringify!($name)))
            })
        ),*];

        static SCRIPTS: $crate::conformance::script::Scripts =
            $crate::conformance::script::Scripts::of(include_str!($file));

        #[cfg(test)]
        #[test]
        fn every_script_is_a_case() {
            let mut names = vec![$(stringify!($name)),*];
            names.sort_unstable();
            assert_eq!(SCRIPTS.names(), names);
        }
    };
}
use scripts;

/// The tables, in the order in which they are reported.
pub(super) const AREAS: &[&[Case]] = &[
    get::CASES,
    list::CASES,
    versions::CASES,
    labels::CASES,
    fields::CASES,
    watch::CASES,
    watch_changes::CASES,
    accept::CASES,
    discovery::CASES,
    reviews::CASES,
    methods::CASES,
    options::CASES,
    bodies::CASES,
    protobuf::CASES,
    // Scripts.
    writes::create::CASES,
    writes::update::CASES,
    writes::patch::CASES,
    writes::apply::CASES,
    writes::delete::CASES,
    writes::pods::CASES,
    writes::defaults::CASES,
    writes::immutable::CASES,
    writes::validation::CASES,
    writes::crd::CASES,
    writes::custom::CASES,
    writes::quota::CASES,
    writes::security::CASES,
    writes::rules::CASES,
    // What controllers do.
    controllers::deployment::CASES,
    controllers::replicaset::CASES,
    controllers::statefulset::CASES,
    controllers::daemonset::CASES,
    controllers::job::CASES,
    controllers::pod::CASES,
    controllers::network::CASES,
    controllers::storage::CASES,
    controllers::garbage::CASES,
    controllers::objects::CASES,
    controllers::quotas::CASES,
];

/// The table of an area: names of functions, each with its flags.
macro_rules! cases {
    ($area:literal: $($name:ident $(($($flag:ident),+))?),* $(,)?) => {
        pub(in crate::conformance) const CASES: &[$crate::conformance::Case] = &[$(
            $crate::conformance::Case::new(concat!($area, "/", stringify!($name)), |lab| Box::pin($name(lab)))
                $($(.$flag())+)?
        ),*];
    };
}
use cases;

/// The path of the Leases of the case's namespace: the kind for cases about any kind, since nobody else makes any there
/// (every namespace of a real cluster soon has a ConfigMap and a ServiceAccount).
fn leases(lab: &Lab, rest: &str) -> String {
    lab.path("coordination.k8s.io/v1", &format!("leases{rest}"))
}

/// Creates a Lease.
async fn lease(lab: &Lab, name: &str, labels: Value) -> Result<Reply, Failure> {
    lab.create(&leases(lab, ""), lease_object(name, labels)).await
}

fn lease_object(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "labels": labels}})
}

/// Creates Leases without labels.
async fn leases_named(lab: &Lab, names: &[&str]) -> Result<(), Failure> {
    for name in names {
        lease(lab, name, json!({})).await?;
    }
    Ok(())
}

/// A CRD of a namespaced kind in a group of the case's own, with one version `v1`: its name is `gadgets` and its group
/// [`group_of`].
fn crd(lab: &Lab, version: Value) -> Value {
    let group = group_of(lab);
    let mut v1 = json!({
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"color": {"type": "string"}, "size": {"type": "integer"}, "on": {"type": "boolean"}},
        }}}},
    });
    if let (Some(map), Some(more)) = (v1.as_object_mut(), version.as_object()) {
        map.extend(more.clone());
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gadgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gd"]},
            "versions": [v1],
        },
    })
}

/// The group of the case's own kinds.
fn group_of(lab: &Lab) -> String {
    format!("{}.example.com", lab.namespace())
}

/// The path of CRDs.
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Creates the CRD and waits until its objects can be listed; the answer is their path.
async fn serve_gadgets(lab: &Lab, version: Value) -> Result<String, Failure> {
    lab.create(CRDS, crd(lab, version)).await?;
    let path = lab.path(&format!("{}/v1", group_of(lab)), "gadgets");
    lab.eventually(&path, "the new kind to be served", |reply| reply.status() == 200).await?;
    Ok(path)
}

fn gadget(lab: &Lab, name: &str, spec: Value) -> Value {
    let api_version = format!("{}/v1", group_of(lab));
    json!({"apiVersion": api_version, "kind": "Gadget", "metadata": {"name": name}, "spec": spec})
}

/// Percent-encodes a value of a query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
