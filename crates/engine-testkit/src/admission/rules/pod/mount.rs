//! Volumes inside containers.

use super::{At, text};
use crate::status::Cause;

/// Volumes as directories.
pub(super) fn mounts(container: &At<'_>, volumes: &[At<'_>], causes: &mut Vec<Cause>) {
    let list = container.field("volumeMounts");
    let devices: Vec<At<'_>> = container.field("volumeDevices").items().collect();
    let privileged = container.field("securityContext").field("privileged").value == true;
    let mut paths = Vec::new();
    for mount in list.items() {
        let (name, path) = (mount.field("name"), mount.field("mountPath"));
        name.must_be_there(causes);
        if !volumes.iter().any(|volume| volume.field("name").text() == name.text()) {
            causes.push(Cause::not_found(name.path.clone(), &name.text().into()));
        }
        path.must_be_there(causes);
        if paths.contains(&path.text()) {
            path.wrong("must be unique", causes);
        }
        paths.push(path.text());
        if devices.iter().any(|device| device.field("name").text() == name.text()) {
            name.wrong("must not already exist in volumeDevices", causes);
        }
        if devices.iter().any(|device| device.field("devicePath").text() == path.text()) {
            path.wrong("must not already exist as a path in volumeDevices", causes);
        }
        let (below, expression) = (mount.field("subPath"), mount.field("subPathExpr"));
        if !below.text().is_empty() {
            text::local_path(&in_list(&list, &mount, "subPath"), causes);
        }
        if !expression.text().is_empty() {
            if !below.text().is_empty() {
                expression.invalid("subPathExpr and subPath are mutually exclusive", causes);
            }
            text::local_path(&in_list(&list, &mount, "subPathExpr"), causes);
        }
        let propagation = in_list(&list, &mount, "mountPropagation");
        propagation.one_of(&["Bidirectional", "HostToContainer", "None"], causes);
        if propagation.text() == "Bidirectional" && !privileged {
            propagation.forbidden("Bidirectional mount propagation is available only to privileged containers", causes);
        }
        let recursive = in_list(&list, &mount, "recursiveReadOnly");
        recursive.one_of(&["Disabled", "Enabled", "IfPossible"], causes);
        if matches!(recursive.text(), "Enabled" | "IfPossible") {
            if mount.field("readOnly").value != true {
                recursive.forbidden("may only be specified when readOnly is true", causes);
            }
            if propagation.is_set() && propagation.text() != "None" {
                let detail = "may only be specified when mountPropagation is None or not specified";
                recursive.forbidden(detail, causes);
            }
        }
    }
}

/// Volumes as raw devices.
pub(super) fn devices(container: &At<'_>, volumes: &[At<'_>], causes: &mut Vec<Cause>) {
    let mounts: Vec<At<'_>> = container.field("volumeMounts").items().collect();
    let (mut names, mut paths) = (Vec::new(), Vec::new());
    for device in container.field("volumeDevices").items() {
        let (name, path) = (device.field("name"), device.field("devicePath"));
        name.must_be_there(causes);
        if names.contains(&name.text()) {
            name.wrong("must be unique", causes);
        }
        match volumes.iter().find(|volume| volume.field("name").text() == name.text()) {
            None => causes.push(Cause::not_found(name.path.clone(), &name.text().into())),
            Some(volume) if !volume.field("persistentVolumeClaim").is_set() && !volume.field("ephemeral").is_set() => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                name.wrong(detail, causes);
            }
            Some(_) => {}
        }
        path.must_be_there(causes);
        if paths.contains(&path.text()) {
            path.wrong("must be unique", causes);
        }
        if text::has_backsteps(path.text()) {
            path.wrong("can not contain backsteps ('..')", causes);
        } else {
            paths.push(path.text());
        }
        if mounts.iter().any(|mount| mount.field("name").text() == name.text()) {
            name.wrong("must not already exist in volumeMounts", causes);
        }
        if mounts.iter().any(|mount| mount.field("mountPath").text() == path.text()) {
            path.wrong("must not already exist as a path in volumeMounts", causes);
        }
        if !name.text().is_empty() {
            names.push(name.text());
        }
    }
}

/// A field of a mount, without its place in the list: that is how a server speaks of what is wrong with some of them.
fn in_list<'a>(list: &At<'_>, mount: &At<'a>, field: &str) -> At<'a> {
    At::new(mount.field(field).value, &list.field(field).path)
}
