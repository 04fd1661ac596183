//! ConfigMaps, Secrets, claims, events, storage classes and leases.

use super::At;
use crate::{admission::names, status::Cause};

/// What the values of a ConfigMap may have together, in bytes:
/// <https://kubernetes.io/docs/concepts/configuration/configmap/#motivation>
const MAX_CONFIG_MAP: usize = 1024 * 1024;

const BAD_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn keys(data: &At<'_>, causes: &mut Vec<Cause>) {
    for (key, at) in data.entries() {
        let ok = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if key.len() > 253 {
            causes.push(Cause::invalid(at.path, &key.into(), "must be no more than 253 bytes"));
        } else if key.is_empty() || !key.chars().all(ok) {
            causes.push(Cause::invalid(at.path, &key.into(), BAD_KEY));
        }
    }
}

pub(super) fn config_map(root: &At<'_>, causes: &mut Vec<Cause>) {
    let (data, binary) = (root.field("data"), root.field("binaryData"));
    keys(&data, causes);
    for (key, at) in data.entries() {
        if binary.value.get(key).is_some() {
            let message = "duplicate of key present in binaryData";
            causes.push(Cause::invalid(at.path, &key.into(), message));
        }
    }
    keys(&binary, causes);
    let values = data.entries().chain(binary.entries());
    if values.map(|(_, at)| at.text().len()).sum::<usize>() > MAX_CONFIG_MAP {
        causes.push(Cause::too_long("[]", MAX_CONFIG_MAP as u64));
    }
}

pub(super) fn secret(root: &At<'_>, causes: &mut Vec<Cause>) {
    let data = root.field("data");
    keys(&data, causes);
    let has = |key: &str| data.value.get(key).is_some();
    let mut need = |key: &str| {
        if !has(key) {
            causes.push(Cause::required(format!("data[{key}]"), ""));
        }
    };
    match root.field("type").text() {
        "kubernetes.io/dockercfg" => need(".dockercfg"),
        "kubernetes.io/dockerconfigjson" => need(".dockerconfigjson"),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            need("username");
            need("password");
        }
        "kubernetes.io/ssh-auth" => need("ssh-privatekey"),
        "kubernetes.io/tls" => {
            need("tls.crt");
            need("tls.key");
        }
        "kubernetes.io/service-account-token" => {
            let annotation = root.field("metadata").field("annotations").field("kubernetes.io/service-account.name");
            if annotation.text().is_empty() {
                causes.push(Cause::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
            }
        }
        _ => {}
    }
}

/// The spec of a claim, also in the templates of a StatefulSet.
pub(super) fn claim(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let modes = spec.field("accessModes");
    if modes.len() == 0 {
        modes.required("at least 1 access mode is required", causes);
    }
    spec.field("selector").selector(causes);
    const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    for mode in modes.items() {
        // All of them are named by the field of the list.
        if !MODES.contains(&mode.text()) {
            causes.push(Cause::unsupported(modes.path.clone(), mode.value, &MODES));
        }
    }
    if modes.len() > 1 && modes.items().any(|m| m.text() == "ReadWriteOncePod") {
        modes.forbidden("may not use ReadWriteOncePod with other access modes", causes);
    }
    let storage = spec.field("resources").field("requests").field("storage");
    if !storage.is_set() {
        causes.push(Cause::required(format!("{}.resources[storage]", spec.path), ""));
    } else if storage.quantity().is_some_and(|q| q <= 0) {
        causes.push(Cause::invalid(
            format!("{}.resources[storage]", spec.path),
            storage.value,
            "must be greater than zero",
        ));
    }
    let class = spec.field("storageClassName");
    if !class.text().is_empty() {
        class.name(names::Rule::Subdomain, causes);
    }
    spec.field("volumeMode").one_of(&["Block", "Filesystem"], causes);
}

pub(super) fn event(root: &At<'_>, causes: &mut Vec<Cause>) {
    let involved = root.field("involvedObject").field("namespace");
    if involved.text() != root.field("metadata").field("namespace").text() {
        causes.push(Cause::invalid(involved.path.clone(), &involved.text().into(), "does not match event.namespace"));
    }
}

pub(super) fn storage_class(root: &At<'_>, causes: &mut Vec<Cause>) {
    let provisioner = root.field("provisioner");
    if provisioner.must_be_there(causes) {
        for complaint in names::key_complaints(&provisioner.text().to_lowercase()) {
            causes.push(Cause::invalid(provisioner.path.clone(), provisioner.value, complaint));
        }
    }
    root.field("reclaimPolicy").one_of(&["Delete", "Retain"], causes);
    let mode = root.field("volumeBindingMode");
    if mode.is_set() && !matches!(mode.text(), "Immediate" | "WaitForFirstConsumer") {
        mode.unsupported(&["Immediate", "WaitForFirstConsumer"], causes);
    }
}

pub(super) fn lease(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let duration = spec.field("leaseDurationSeconds");
    if duration.is_set() && duration.int() <= 0 {
        duration.invalid("must be greater than 0", causes);
    }
    spec.field("leaseTransitions").not_negative(causes);
}
