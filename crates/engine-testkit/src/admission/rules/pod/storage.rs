//! Volumes of storage systems.

use std::sync::LazyLock;

use regex::Regex;

use super::{At, text};
use crate::{admission::names, status::Cause};

/// Fields that have to be there, by kind.
const REQUIRED: [(&str, &[&str]); 17] = [
    ("gitRepo", &["repository"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("nfs", &["server", "path"]),
    ("iscsi", &["targetPortal"]),
    ("glusterfs", &["endpoints", "path"]),
    ("rbd", &["monitors", "image"]),
    ("cinder", &["volumeID"]),
    ("cephfs", &["monitors"]),
    ("quobyte", &["volume"]),
    ("flexVolume", &["driver"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("storageos", &["volumeName"]),
];

static IQN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"iqn\.[0-9]{4}-[0-9]{2}\.([[:alnum:].-]+)(:[^,;*&$|\s]+)$").ok());
static EUI: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^eui.[[:alnum:]]{16}$").ok());
static NAA: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^naa.[[:alnum:]]{32}$").ok());

/// A source of the given kind; `volume` is what has it.
pub(super) fn validate(kind: &str, volume: &At<'_>, at: &At<'_>, causes: &mut Vec<Cause>) {
    // This one is called by the name of its type.
    let at =
        &if kind == "gcePersistentDisk" { At::new(at.value, &volume.field("persistentDisk").path) } else { at.clone() };
    for field in REQUIRED.iter().filter(|(of, _)| *of == kind).flat_map(|(_, fields)| *fields) {
        if at.field(field).len() == 0 {
            at.field(field).required("", causes);
        }
    }
    match kind {
        "gitRepo" => text::local_path(&at.field("directory"), causes),
        "gcePersistentDisk" => {
            at.field("pdName").must_be_there(causes);
            partition(at, causes);
        }
        "awsElasticBlockStore" => partition(at, causes),
        "nfs" => {
            let path = at.field("path");
            if !path.text().starts_with('/') {
                path.wrong("must be an absolute path", causes);
            }
        }
        "iscsi" => iscsi(at, "must be valid format starting with iqn, eui, or naa", causes),
        "flocker" => {
            let (name, uuid) = (at.field("datasetName"), at.field("datasetUUID"));
            match (name.text().is_empty(), uuid.text().is_empty()) {
                (true, true) => at.required("one of datasetName and datasetUUID is required", causes),
                (false, false) => {
                    let detail = "datasetName and datasetUUID can not be specified simultaneously";
                    causes.push(Cause::invalid(at.path.clone(), &"resource".into(), detail));
                }
                _ => {}
            }
            if name.text().contains('/') {
                name.invalid("must not contain '/'", causes);
            }
        }
        "cinder" => secret_name(at, causes),
        "quobyte" => quobyte(at, causes),
        "fc" => fibre_channel(at, causes),
        "flexVolume" => {
            for (name, option) in at.field("options").entries() {
                let domain = format!(
                    ".{}",
                    name.split('/').next().filter(|_| name.contains('/')).unwrap_or(name).to_lowercase()
                );
                if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
                    let detail = "kubernetes.io and k8s.io namespaces are reserved";
                    causes.push(Cause::invalid(option.path, &name.into(), detail));
                }
            }
        }
        "azureDisk" => azure_disk(at, causes),
        "storageos" => {
            text::optional_name(&at.field("volumeName"), names::Rule::Label, causes);
            text::optional_name(&at.field("volumeNamespace"), names::Rule::Label, causes);
            secret_name(at, causes);
        }
        "csi" => csi(at, causes),
        _ => {}
    }
}

fn secret_name(at: &At<'_>, causes: &mut Vec<Cause>) {
    let secret = at.field("secretRef");
    if secret.is_set() {
        secret.field("name").must_be_there(causes);
    }
}

fn partition(at: &At<'_>, causes: &mut Vec<Cause>) {
    let partition = at.field("partition");
    if !(0..=255).contains(&partition.int()) {
        partition.invalid("must be between 1 and 255, inclusive", causes);
    }
}

/// `unknown` is said of names that do not begin as any does.
fn iscsi(at: &At<'_>, unknown: &str, causes: &mut Vec<Cause>) {
    let (target, initiator) = (at.field("iqn"), at.field("initiatorName"));
    if target.must_be_there(causes) {
        iscsi_name(&target, unknown, causes);
    }
    text::between(&at.field("lun"), 0, 255, causes);
    let authenticated = ["chapAuthDiscovery", "chapAuthSession"].iter().any(|f| at.field(f).value == true);
    if authenticated && !at.field("secretRef").is_set() {
        at.field("secretRef").required("", causes);
    }
    if initiator.is_set() {
        iscsi_name(&At::new(initiator.value, &at.field("initiatorname").path), unknown, causes);
    }
}

fn iscsi_name(at: &At<'_>, unknown: &str, causes: &mut Vec<Cause>) {
    let form = match at.text().get(..3) {
        Some("iqn") => &IQN,
        Some("eui") => &EUI,
        Some("naa") => &NAA,
        _ => return at.wrong(unknown, causes),
    };
    if !form.as_ref().is_some_and(|form| form.is_match(at.text())) {
        at.invalid("must be valid format", causes);
    }
}

fn quobyte(at: &At<'_>, causes: &mut Vec<Cause>) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let (registry, tenant) = (at.field("registry"), at.field("tenant"));
    if registry.text().is_empty() {
        registry.required(PAIRS, causes);
    } else if tenant.len() >= 65 {
        tenant.required("must be a UUID and may not exceed a length of 64 characters", causes);
    } else {
        for pair in registry.text().split(',') {
            let ok = match pair.strip_prefix('[') {
                Some(bracketed) => bracketed.split_once("]:").is_some_and(|(_, port)| !port.contains([':', '[', ']'])),
                None => pair.matches(':').count() == 1 && !pair.contains(['[', ']']),
            };
            if !ok {
                registry.invalid(PAIRS, causes);
            }
        }
    }
}

fn fibre_channel(at: &At<'_>, causes: &mut Vec<Cause>) {
    let (targets, ids, lun) = (at.field("targetWWNs"), at.field("wwids"), at.field("lun"));
    match (targets.len(), ids.len()) {
        (0, 0) => targets.required("must specify either targetWWNs or wwids, but not both", causes),
        (1.., 1..) => targets.invalid("targetWWNs and wwids can not be specified simultaneously", causes),
        _ => {}
    }
    if targets.len() > 0 {
        if lun.is_set() {
            text::between(&lun, 0, 255, causes);
        } else {
            lun.required("lun is required if targetWWNs is specified", causes);
        }
    }
}

fn azure_disk(at: &At<'_>, causes: &mut Vec<Cause>) {
    at.field("cachingMode").one_of(&["None", "ReadOnly", "ReadWrite"], causes);
    let (kind, uri) = (at.field("kind"), at.field("diskURI"));
    kind.one_of(&["Dedicated", "Managed", "Shared"], causes);
    let (start, form) = match kind.text() {
        "Managed" => (
            "/subscriptions/",
            "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
        ),
        _ => ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"),
    };
    if kind.is_set() && !uri.text().starts_with(start) {
        uri.unsupported(&[form], causes);
    }
}

fn csi(at: &At<'_>, causes: &mut Vec<Cause>) {
    driver(&at.field("driver"), causes);
    let secret = at.field("nodePublishSecretRef");
    if secret.is_set() && secret.field("name").must_be_there(causes) {
        // What is wrong with the name is said of one that the source does not have.
        At::new(secret.field("name").value, &at.field("name").path).name(names::Rule::Subdomain, causes);
    }
}

/// The name of a driver of the Container Storage Interface.
pub(in crate::admission::rules) fn driver(driver: &At<'_>, causes: &mut Vec<Cause>) {
    if driver.must_be_there(causes) {
        if driver.len() > 63 {
            causes.push(Cause::too_long(driver.path.clone(), 63));
        }
        for complaint in names::complaints(&driver.text().to_lowercase(), names::Rule::Subdomain) {
            driver.invalid(&complaint, causes);
        }
    }
}

/// A disk behind iSCSI that is the source of a volume of its own, called `name`.
pub(in crate::admission::rules) fn shared_iscsi(at: &At<'_>, name: &str, causes: &mut Vec<Cause>) {
    let portal = at.field("targetPortal");
    if portal.len() == 0 {
        portal.required("", causes);
    }
    if at.field("initiatorName").is_set() && name.len() + 1 + portal.len() > 64 {
        let detail = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
                      iscsi.initiatorName is specified.";
        causes.push(Cause::invalid(at.field("targetportal").path, portal.value, detail));
    }
    iscsi(at, "must be valid format", causes);
    secret_name(at, causes);
}
