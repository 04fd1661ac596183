//! Containers of the three lists.

use super::{At, env, handler, mount, resources, security, text};
use crate::{
    admission::{Empties, names},
    status::Cause,
};

/// What the containers of a spec share.
pub(super) struct Around<'a> {
    pub(super) spec: &'a At<'a>,
    /// The volumes that there is nothing wrong with.
    pub(super) volumes: Vec<At<'a>>,
    pub(super) claims: Vec<&'a str>,
    /// How long the Pod may take to end.
    pub(super) grace: Option<i64>,
    /// Whether users of the Pod are users of the node.
    pub(super) host_users: bool,
}

const EPHEMERAL: &str = "cannot be set for an Ephemeral Container";
/// The fields that an ephemeral container does without.
const NOT_EPHEMERAL: [&str; 9] = [
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

pub(super) fn all(around: &Around<'_>, causes: &mut Vec<Cause>) {
    regular(around, causes);
    init(around, causes);
    ephemeral(around, causes);
}

fn regular(around: &Around<'_>, causes: &mut Vec<Cause>) {
    let list = around.spec.field("containers");
    if list.len() == 0 {
        return list.required("", causes);
    }
    let mut names = Vec::new();
    for container in list.items() {
        common(&container, around, causes);
        unique(&container, &mut names, causes);
        handler::lifecycle(&container, around.grace, causes);
        handler::probes(&container, around.grace, causes);
        restart(&container, causes);
    }
    host_ports(&list.path, &list.items().collect::<Vec<_>>(), causes);
}

fn init(around: &Around<'_>, causes: &mut Vec<Cause>) {
    let list = around.spec.field("initContainers");
    let mut names: Vec<String> =
        around.spec.field("containers").items().map(|c| c.field("name").text().to_owned()).collect();
    for container in list.items() {
        common(&container, around, causes);
        restart(&container, causes);
        unique(&container, &mut names, causes);
        // The conflicts of each alone, which is why all of them are the first in the list.
        host_ports(&list.path, std::slice::from_ref(&container), causes);
        let keeps_running = container.field("restartPolicy").text() == "Always";
        if keeps_running {
            handler::lifecycle(&container, around.grace, causes);
            handler::probes(&container, around.grace, causes);
        } else {
            handler::none_of_it(&container, causes);
            for policy in container.field("resizePolicy").items() {
                let restart = policy.field("restartPolicy");
                if restart.text() == "RestartContainer" {
                    restart.invalid("must not be set to 'RestartContainer' for non-sidecar initContainers", causes);
                }
            }
        }
    }
}

fn ephemeral(around: &Around<'_>, causes: &mut Vec<Cause>) {
    let names_of = |list: &str| -> Vec<String> {
        around.spec.field(list).items().map(|c| c.field("name").text().to_owned()).collect()
    };
    let others: Vec<String> = names_of("containers").into_iter().chain(names_of("initContainers")).collect();
    let mut names = others.clone();
    for container in around.spec.field("ephemeralContainers").items() {
        common(&container, around, causes);
        only_of_pods(&container, causes);
        unique(&container, &mut names, causes);
        let target = container.field("targetContainerName");
        if !target.text().is_empty() && !others.iter().any(|name| name == target.text()) {
            causes.push(Cause::not_found(target.path.clone(), target.value));
        }
        for name in NOT_EPHEMERAL {
            let at = container.field(name);
            if at.is_set() && !(name == "resources" && at.len() == 0) {
                at.forbidden(EPHEMERAL, causes);
            }
        }
        for mount in container.field("volumeMounts").items() {
            for name in ["subPath", "subPathExpr"] {
                if !mount.field(name).text().is_empty() {
                    mount.field(name).forbidden(EPHEMERAL, causes);
                }
            }
        }
    }
}

/// What was sent empty counts as set: its decoder makes something of it.
pub(super) fn ephemeral_sent_empty(root: &At<'_>, sent: &Empties, causes: &mut Vec<Cause>) {
    for container in root.field("spec").field("ephemeralContainers").items() {
        for name in ["ports", "resources", "resizePolicy", "restartPolicyRules"] {
            let at = container.field(name);
            // An empty list is one, and resources are when something in them is.
            let is_sent = if name == "resources" {
                ["limits", "requests", "claims"].iter().any(|kind| sent.has(&at.field(kind).path))
            } else {
                sent.has(&at.path)
            };
            if is_sent && at.len() == 0 {
                at.forbidden(EPHEMERAL, causes);
            }
        }
    }
}

/// What is asked of the containers of Pods and not of those of templates.
pub(super) fn only_of_pods(container: &At<'_>, causes: &mut Vec<Cause>) {
    let image = container.field("image");
    if image.text().trim() != image.text() {
        image.invalid("must not have leading or trailing whitespace", causes);
    }
}

fn unique(container: &At<'_>, names: &mut Vec<String>, causes: &mut Vec<Cause>) {
    let name = container.field("name");
    if names.iter().any(|n| n == name.text()) {
        causes.push(Cause::duplicate(name.path.clone(), &name.text().into()));
    } else if !name.text().is_empty() || !container.path.contains("initContainers") {
        names.push(name.text().to_owned());
    }
}

fn common(container: &At<'_>, around: &Around<'_>, causes: &mut Vec<Cause>) {
    text::required_name(&container.field("name"), names::Rule::Label, causes);
    container.field("image").must_be_there(causes);
    container.field("terminationMessagePolicy").required_one_of(&["File", "FallbackToLogsOnError"], causes);
    ports(&container.field("ports"), causes);
    env::variables(&container.field("env"), causes);
    env::objects(&container.field("envFrom"), causes);
    mount::mounts(container, &around.volumes, causes);
    mount::devices(container, &around.volumes, causes);
    container.field("imagePullPolicy").required_one_of(&["Always", "IfNotPresent", "Never"], causes);
    resources::of_container(&container.field("resources"), &around.claims, causes);
    resize(container, around.spec.field("restartPolicy").text(), causes);
    security::of_container(&container.field("securityContext"), around.host_users, causes);
}

fn ports(list: &At<'_>, causes: &mut Vec<Cause>) {
    let mut names = Vec::new();
    for port in list.items() {
        let name = port.field("name");
        if !name.text().is_empty() && name.port_name(causes) {
            if names.contains(&name.text()) {
                causes.push(Cause::duplicate(name.path.clone(), name.value));
            } else {
                names.push(name.text());
            }
        }
        let number = port.field("containerPort");
        if number.int() == 0 {
            number.required("", causes);
        } else {
            number.port(causes);
        }
        if port.field("hostPort").int() != 0 {
            port.field("hostPort").port(causes);
        }
        port.field("protocol").required_one_of(&["SCTP", "TCP", "UDP"], causes);
    }
}

/// No two containers have one port of the node.
fn host_ports(path: &str, containers: &[At<'_>], causes: &mut Vec<Cause>) {
    let mut taken = Vec::new();
    for (i, container) in containers.iter().enumerate() {
        for (j, port) in container.field("ports").items().enumerate() {
            let number = port.field("hostPort").int();
            if number == 0 {
                continue;
            }
            let id = format!("{}/{}/{number}", port.field("protocol").text(), port.field("hostIP").text());
            if taken.contains(&id) {
                causes.push(Cause::duplicate(format!("{path}[{i}].ports[{j}].hostPort"), &id.into()));
            } else {
                taken.push(id);
            }
        }
    }
}

/// What happens when the container ends.
fn restart(container: &At<'_>, causes: &mut Vec<Cause>) {
    let (policy, rules) = (container.field("restartPolicy"), container.field("restartPolicyRules"));
    if policy.is_set() {
        policy.one_of(&["Always", "Never", "OnFailure"], causes);
    } else if rules.len() > 0 {
        policy.required("must specify restartPolicy when restart rules are used", causes);
    }
    if rules.len() > 20 {
        causes.push(Cause::too_many(rules.path.clone(), rules.len() as u64, 20));
    }
    for rule in rules.items() {
        text::exactly_one_of(&rule.field("action"), &["Restart", "RestartAllContainers"], causes);
        let codes = rule.field("exitCodes");
        if !codes.is_set() {
            codes.required("must be specified", causes);
            continue;
        }
        text::exactly_one_of(&codes.field("operator"), &["In", "NotIn"], causes);
        let values = codes.field("values");
        if values.len() > 255 {
            causes.push(Cause::too_many(values.path.clone(), values.len() as u64, 255));
        }
    }
}

/// What a change of resources does to a running container. What is missing is said of the list.
fn resize(container: &At<'_>, pod_restarts: &str, causes: &mut Vec<Cause>) {
    let list = container.field("resizePolicy");
    let mut seen = Vec::new();
    for policy in list.items() {
        let (resource, restart) = (policy.field("resourceName").text(), policy.field("restartPolicy").text());
        if seen.contains(&resource) {
            causes.push(Cause::duplicate(policy.path.clone(), &resource.into()));
        }
        seen.push(resource);
        for (value, supported) in [(resource, ["cpu", "memory"]), (restart, ["NotRequired", "RestartContainer"])] {
            if value.is_empty() {
                list.required("", causes);
            } else if !supported.contains(&value) {
                causes.push(Cause::unsupported(list.path.clone(), &value.into(), &supported));
            }
        }
        if pod_restarts == "Never" && restart != "NotRequired" {
            let detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            causes.push(Cause::invalid(list.path.clone(), &restart.into(), detail));
        }
    }
}
