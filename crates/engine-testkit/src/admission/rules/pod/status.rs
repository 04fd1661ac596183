//! What the status of a Pod may say.

use serde_json::Value;

use super::{At, text};
use crate::{
    admission::{names, rules::ip},
    status::Cause,
};

/// The lists of statuses, and the containers that they are of.
const LISTS: [(&str, &str); 3] = [
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", "ephemeralContainers"),
];

pub(super) fn validate_update(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let (old_root, root) = (At::root(before), At::root(after));
    let (old, new) = (old_root.field("status"), root.field("status"));
    conditions(&new.field("conditions"), causes);
    let nominated = new.field("nominatedNodeName");
    if !nominated.text().is_empty() && nominated.text() != old.field("nominatedNodeName").text() {
        nominated.name(names::Rule::Subdomain, causes);
        if !old_root.field("spec").field("nodeName").text().is_empty() {
            nominated.forbidden("may not be set on pods that are already bound to a node", causes);
        }
    }
    not_negative_generation(&new, causes);
    let quality = new.field("qosClass");
    if quality.text() != old.field("qosClass").text() {
        quality.wrong("field is immutable", causes);
    }
    for (statuses, containers) in LISTS {
        let spec = old_root.field("spec");
        ends(&old.field(statuses), &new.field(statuses), &spec, containers, causes);
    }
    claims(&root, causes);
    for (list, first) in [("podIPs", None), ("hostIPs", Some("hostIP"))] {
        addresses(&old, &new, list, first, causes);
    }
    for (statuses, containers) in LISTS {
        for status in new.field(statuses).items() {
            users(&status, &root, causes);
            allocated(&status, &root.field("spec").field(containers), containers, causes);
            for mount in status.field("volumeMounts").items() {
                let image = mount.field("volumeStatus").field("image");
                if image.is_set() {
                    let reference = At::new(
                        image.field("imageRef").value,
                        &format!("{}.imageVolumeStatus.imageRef", mount.field("volumeStatus").path),
                    );
                    if reference.text().is_empty() {
                        reference.required("imageRef must not be empty", causes);
                    } else if reference.len() > 256 {
                        causes.push(Cause::too_long(reference.path, 256));
                    }
                }
            }
        }
    }
}

fn not_negative_generation(at: &At<'_>, causes: &mut Vec<Cause>) {
    let generation = at.field("observedGeneration");
    if generation.int() < 0 {
        generation.invalid("must be a non-negative integer", causes);
    }
}

fn conditions(list: &At<'_>, causes: &mut Vec<Cause>) {
    for condition in list.items() {
        not_negative_generation(&condition, causes);
        let kind = condition.field("type");
        if !matches!(kind.text(), "PodScheduled" | "Ready" | "Initialized") {
            At::new(kind.value, &condition.field("Type").path).key(causes);
        }
    }
}

/// What has ended runs again only where its restart policy says so.
fn ends(old: &At<'_>, new: &At<'_>, spec: &At<'_>, containers: &str, causes: &mut Vec<Cause>) {
    if containers != "ephemeralContainers" && all_may_restart(spec) {
        return;
    }
    for (i, status) in old.items().enumerate() {
        let ended = status.field("state").field("terminated");
        let name = status.field("name").text();
        let now = new.items().find(|s| s.field("name").text() == name);
        if !ended.is_set() || now.is_none_or(|now| now.field("state").field("terminated").is_set()) {
            continue;
        }
        let container = spec.field(containers).items().find(|c| c.field("name").text() == name);
        let restarts = containers != "ephemeralContainers"
            && container.is_some_and(|c| restarts(&c, spec, ended.field("exitCode").int()));
        if !restarts {
            let path = format!("{}[{i}].state", new.path);
            causes.push(Cause::forbidden(path, "may not be transitioned to non-terminated state"));
        }
    }
}

/// Whether any container has a rule that restarts all of them.
fn all_may_restart(spec: &At<'_>) -> bool {
    ["containers", "initContainers"].iter().any(|list| {
        spec.field(list)
            .items()
            .any(|c| c.field("restartPolicyRules").items().any(|r| r.field("action").text() == "RestartAllContainers"))
    })
}

/// Whether a container starts again after it ended with this code.
fn restarts(container: &At<'_>, spec: &At<'_>, code: i64) -> bool {
    for rule in container.field("restartPolicyRules").items() {
        let codes = rule.field("exitCodes");
        let listed = codes.field("values").items().any(|value| value.int() == code);
        if codes.is_set() && listed == (codes.field("operator").text() == "In") {
            return true;
        }
    }
    let own = container.field("restartPolicy");
    match if own.is_set() { own.text() } else { spec.field("restartPolicy").text() } {
        "Always" => true,
        "OnFailure" => code != 0,
        _ => false,
    }
}

fn claims(root: &At<'_>, causes: &mut Vec<Cause>) {
    let mut seen = Vec::new();
    let wanted = root.field("spec").field("resourceClaims");
    for status in root.field("status").field("resourceClaimStatuses").items() {
        let name = status.field("name");
        if !wanted.items().any(|claim| claim.field("name").text() == name.text()) {
            name.wrong("must match the name of an entry in `spec.resourceClaims`", causes);
        }
        if seen.contains(&name.text()) {
            causes.push(Cause::duplicate(name.path.clone(), &name.text().into()));
        }
        seen.push(name.text());
        let claim = status.field("resourceClaimName");
        if claim.is_set() {
            claim.name(names::Rule::Subdomain, causes);
        }
    }
}

/// One address of each family. Those that were there stay, whatever their form.
fn addresses(old: &At<'_>, new: &At<'_>, list: &str, first: Option<&str>, causes: &mut Vec<Cause>) {
    let at = new.field(list);
    if let Some((first, address)) = first.zip(at.items().next())
        && address.field("ip").text() != new.field(first).text()
    {
        address.field("ip").wrong(format!("must be equal to `{first}`"), causes);
    }
    let texts: Vec<&str> = at.items().map(|address| address.field("ip").text()).collect();
    for address in at.items() {
        let own = At::new(address.field("ip").value, &address.path);
        if !old.field(list).items().any(|other| other.field("ip").text() == own.text()) {
            text::address(&own, causes);
        }
    }
    if texts.len() < 2 {
        return;
    }
    let families: Vec<Option<bool>> = texts.iter().map(|t| ip::parse(t).map(|_| ip::is_v4(t))).collect();
    let both =
        families.iter().all(Option::is_some) && families.contains(&Some(true)) && families.contains(&Some(false));
    if let Some(wrong) = families.iter().position(Option::is_none) {
        causes.push(Cause {
            reason: "InternalError",
            message: format!(
                "Internal error: failed to check for dual stack with error:invalid IP[{wrong}]: {}",
                texts[wrong]
            ),
            field: at.path.clone(),
        });
    }
    if !both || texts.len() > 2 {
        // As the type is called inside the server.
        let inside: Vec<Value> = texts.iter().map(|text| serde_json::json!({"IP": text})).collect();
        let detail = "may specify no more than one IP for each IP family";
        causes.push(Cause::invalid(at.path, &inside.into(), detail));
    }
}

fn users(status: &At<'_>, root: &At<'_>, causes: &mut Vec<Cause>) {
    let linux = status.field("user").field("linux");
    if !linux.is_set() {
        return;
    }
    match root.field("spec").field("os").field("name").text() {
        "" | "linux" => {
            text::id(&linux.field("uid"), causes);
            text::id(&linux.field("gid"), causes);
            linux.field("supplementalGroups").items().for_each(|group| text::id(&group, causes));
        }
        "windows" => linux.forbidden("cannot be set for a windows pod", causes),
        _ => {}
    }
}

/// The health of devices, of which there are those that the container asked for.
fn allocated(status: &At<'_>, containers: &At<'_>, kind: &str, causes: &mut Vec<Cause>) {
    let list = status.field("allocatedResourcesStatus");
    if kind == "ephemeralContainers" {
        if list.len() > 0 {
            list.forbidden("must not be specified in container status", causes);
        }
        return;
    }
    let container = containers.items().find(|c| c.field("name").text() == status.field("name").text());
    for resource in list.items() {
        let name = resource.field("name");
        if let Some(container) = &container {
            let resources = container.field("resources");
            let (found, detail) = if name.text().starts_with("claim:") {
                let claimed = |claim: &At<'_>| match claim.field("request").text() {
                    "" => format!("claim:{}", claim.field("name").text()),
                    request => format!("claim:{}/{request}", claim.field("name").text()),
                };
                (
                    resources.field("claims").items().any(|claim| claimed(&claim) == name.text()),
                    "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or \
                     'claim:<claimName>' if request is empty",
                )
            } else {
                (
                    resources.field("requests").value.get(name.text()).is_some(),
                    "must match one of the container's resource requests",
                )
            };
            if !found {
                name.wrong(detail, causes);
            }
        }
        let mut seen = Vec::new();
        for device in resource.field("resources").items() {
            text::exactly_one_of(&device.field("health"), &["Healthy", "Unhealthy", "Unknown"], causes);
            let message = device.field("message");
            if message.is_set() && message.len() == 0 {
                message.required("must be non-empty if specified", causes);
            }
            let id = device.field("resourceID");
            if seen.contains(&id.text()) {
                causes.push(Cause::duplicate(id.path.clone(), &id.text().into()));
            }
            seen.push(id.text());
        }
    }
}
