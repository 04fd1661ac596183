//! Volumes and their sources.

use super::{At, Context, env, projected, storage, text};
use crate::{
    admission::{names, rules::claim},
    status::Cause,
};

/// The kinds of sources in the order in which a real server looks at them, and what it calls them where there is more
/// than one.
const SOURCES: [(&str, &str); 30] = [
    ("emptyDir", "emptyDir"),
    ("hostPath", "hostPath"),
    ("gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret"),
    ("nfs", "nfs"),
    ("iscsi", "iscsi"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd"),
    ("cinder", "cinder"),
    ("cephfs", "cephFS"),
    ("quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("configMap", "configMap"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("storageos", "storageos"),
    ("projected", "projected"),
    ("scaleIO", "scaleIO"),
    ("csi", "csi"),
    ("ephemeral", "ephemeral"),
    ("image", "image"),
];

/// Looks at all volumes, and returns those that nothing is wrong with: others cannot be mounted.
pub(super) fn all<'a>(spec: &At<'a>, context: Context<'_>, causes: &mut Vec<Cause>) -> Vec<At<'a>> {
    let volumes: Vec<At<'a>> = spec.field("volumes").items().collect();
    // Claims that the Pod makes for itself.
    let made: Vec<String> = volumes
        .iter()
        .filter(|volume| !context.name().is_empty() && volume.field("ephemeral").is_set())
        .map(|volume| format!("{}-{}", context.name(), volume.field("name").text()))
        .collect();
    let mut good: Vec<At<'a>> = Vec::new();
    for volume in volumes {
        let before = causes.len();
        let name = volume.field("name");
        source(&volume, context, causes);
        text::required_name(&name, names::Rule::Label, causes);
        if good.iter().any(|other| other.field("name").text() == name.text()) {
            causes.push(Cause::duplicate(name.path.clone(), &name.text().into()));
        }
        let is_good = causes.len() == before;
        let claim = volume.field("persistentVolumeClaim").field("claimName");
        if claim.is_set() && made.iter().any(|name| name == claim.text()) {
            claim.invalid("must not reference a PVC that gets created for an ephemeral volume", causes);
        }
        if is_good {
            good.push(volume);
        }
    }
    good
}

fn source(volume: &At<'_>, context: Context<'_>, causes: &mut Vec<Cause>) {
    let mut first = true;
    for (name, shown) in SOURCES {
        let at = volume.field(name);
        if !at.is_set() {
            continue;
        }
        if first {
            first = false;
            one(name, volume, &at, context, causes);
        } else {
            volume.field(shown).forbidden("may not specify more than 1 volume type", causes);
        }
    }
    if first {
        volume.required("must specify a volume type", causes);
    }
    let iscsi = volume.field("iscsi");
    let (name, portal) = (volume.field("name"), iscsi.field("targetPortal"));
    if iscsi.field("initiatorName").is_set() && name.len() + 1 + portal.len() > 64 {
        let detail = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
                      iscsi.initiatorName is specified.";
        name.wrong(detail, causes);
    }
}

fn one(kind: &str, volume: &At<'_>, at: &At<'_>, context: Context<'_>, causes: &mut Vec<Cause>) {
    match kind {
        "emptyDir" => {
            let limit = at.field("sizeLimit");
            if limit.quantity().is_some_and(|limit| limit < 0) {
                limit.forbidden("SizeLimit field must be a valid resource quantity", causes);
            }
        }
        "hostPath" => {
            let path = at.field("path");
            if path.must_be_there(causes) {
                text::no_backsteps(&path, causes);
                let supported = [
                    "",
                    "BlockDevice",
                    "CharDevice",
                    "Directory",
                    "DirectoryOrCreate",
                    "File",
                    "FileOrCreate",
                    "Socket",
                ];
                at.field("type").one_of(&supported, causes);
            }
        }
        "secret" => {
            at.field("secretName").must_be_there(causes);
            files(at, causes);
        }
        "configMap" => {
            at.field("name").must_be_there(causes);
            files(at, causes);
        }
        "downwardAPI" => {
            text::mode(&at.field("defaultMode"), causes);
            // What is wrong with these is said without the place in the list.
            at.field("items").items().for_each(|file| downward(&At::new(file.value, &at.path), causes));
        }
        "projected" => projected::validate(at, causes),
        "persistentVolumeClaim" => {
            at.field("claimName").must_be_there(causes);
        }
        "ephemeral" => ephemeral(volume, at, context, causes),
        "image" => {
            if context.is_pod() {
                at.field("reference").must_be_there(causes);
            }
            at.field("pullPolicy").required_one_of(&["Always", "IfNotPresent", "Never"], causes);
        }
        _ => storage::validate(kind, volume, at, causes),
    }
}

/// A source of what is no Pod's volume; `owner` is what has it.
pub(in crate::admission::rules) fn source_of(kind: &str, owner: &At<'_>, at: &At<'_>, causes: &mut Vec<Cause>) {
    one(kind, owner, at, Context { pod: None }, causes);
}

/// The keys of an object as files.
fn files(at: &At<'_>, causes: &mut Vec<Cause>) {
    text::mode(&at.field("defaultMode"), causes);
    at.field("items").items().for_each(|item| file(&item, causes));
}

pub(super) fn file(item: &At<'_>, causes: &mut Vec<Cause>) {
    item.field("key").must_be_there(causes);
    let path = item.field("path");
    path.must_be_there(causes);
    text::file_path(&path, causes);
    text::mode(&item.field("mode"), causes);
}

/// A fact about the Pod as a file.
pub(super) fn downward(at: &At<'_>, causes: &mut Vec<Cause>) {
    let path = at.field("path");
    path.must_be_there(causes);
    text::file_path(&path, causes);
    let (field, resource) = (at.field("fieldRef"), at.field("resourceFieldRef"));
    if field.is_set() {
        env::field(&field, &env::FILE_FIELDS, causes);
        if resource.is_set() {
            let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
            causes.push(Cause::invalid(at.path.clone(), &"resource".into(), detail));
        }
    } else if resource.is_set() {
        env::resource(&resource, true, causes);
    } else {
        at.required("one of fieldRef and resourceFieldRef is required", causes);
    }
    text::mode(&at.field("mode"), causes);
}

/// A claim that comes and goes with the Pod.
fn ephemeral(volume: &At<'_>, at: &At<'_>, context: Context<'_>, causes: &mut Vec<Cause>) {
    let template = at.field("volumeClaimTemplate");
    if template.is_set() {
        let metadata = template.field("metadata");
        metadata.field("annotations").annotations(causes);
        metadata.field("labels").labels(causes);
        for (name, field) in metadata.value.as_object().into_iter().flatten() {
            if !matches!(name.as_str(), "annotations" | "labels") && !field.is_null() {
                metadata.field(name).forbidden("cannot be set", causes);
            }
        }
        claim::claim(&template, causes);
    } else {
        template.required("", causes);
    }
    let name = volume.field("name");
    if !context.name().is_empty() && !name.text().is_empty() {
        let claim = format!("{}-{}", context.name(), name.text());
        for complaint in names::complaints(&claim, names::Rule::Subdomain) {
            name.wrong(format!("PVC name {claim:?}: {complaint}"), causes);
        }
    }
}
