//! The spec of a Pod as a whole.

use super::{
    At, Context, affinity, claims, container, dns, env, resources, scheduling, security, text, volume, windows,
};
use crate::{admission::names, status::Cause};

/// Everything that is asked of a spec, wherever it is.
pub(super) fn validate(spec: &At<'_>, context: Context<'_>, causes: &mut Vec<Cause>) {
    let grace = spec.field("terminationGracePeriodSeconds");
    if !grace.is_set() {
        grace.required("", causes);
    }
    let around = container::Around {
        spec,
        volumes: volume::all(spec, context, causes),
        claims: claims::names(&spec.field("resourceClaims")),
        grace: grace.value.as_i64(),
        host_users: spec.field("hostUsers").value != false,
    };
    claims::all(&spec.field("resourceClaims"), context, causes);
    container::all(&around, causes);
    resources::of_pod(spec, &around.claims, causes);
    host_network_ports(spec, context, causes);
    spec.field("restartPolicy").required_one_of(&["Always", "OnFailure", "Never"], causes);
    spec.field("dnsPolicy").required_one_of(&["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], causes);
    spec.field("nodeSelector").labels(causes);
    security::of_pod(spec, causes);
    affinity::all(&spec.field("affinity"), causes);
    dns::config(spec, causes);
    scheduling::gates(spec, causes);
    scheduling::spread(&spec.field("topologySpreadConstraints"), causes);
    windows::host_process(spec, causes);
    own_users(spec, causes);
    dns::host_name(spec, causes);
    text::optional_name(&spec.field("serviceAccountName"), names::Rule::Subdomain, causes);
    text::optional_name(&spec.field("nodeName"), names::Rule::Subdomain, causes);
    text::between(&spec.field("activeDeadlineSeconds"), 1, i64::from(i32::MAX), causes);
    text::optional_name(&spec.field("hostname"), names::Rule::Label, causes);
    text::optional_name(&spec.field("subdomain"), names::Rule::Label, causes);
    scheduling::tolerations(&spec.field("tolerations"), causes);
    dns::aliases(&spec.field("hostAliases"), causes);
    text::optional_name(&spec.field("priorityClassName"), names::Rule::Subdomain, causes);
    if spec.field("runtimeClassName").is_set() {
        spec.field("runtimeClassName").name(names::Rule::Subdomain, causes);
    }
    let preemption = spec.field("preemptionPolicy");
    if preemption.is_set() {
        preemption.required_one_of(&["PreemptLowerPriority", "Never"], causes);
    }
    resources::overhead(&spec.field("overhead"), causes);
    let os = spec.field("os");
    if os.is_set() {
        match os.field("name").text() {
            "" => os.field("name").required("", causes),
            "linux" => windows::not_on_linux(spec, causes),
            "windows" => windows::only_on_windows(spec, causes),
            name => causes.push(Cause::unsupported(os.path.clone(), &name.into(), &["linux", "windows"])),
        }
    }
    env::files(spec, causes);
}

/// In the network of the node the port of a container is that of the node.
fn host_network_ports(spec: &At<'_>, context: Context<'_>, causes: &mut Vec<Cause>) {
    if spec.field("hostNetwork").value != true {
        return;
    }
    for container in spec.field("containers").items() {
        for port in container.field("ports").items() {
            let at = port.field("hostPort");
            let own = at.int();
            if (context.is_pod() || own != 0) && own != port.field("containerPort").int() {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                causes.push(Cause::invalid(at.path.clone(), &own.into(), detail));
            }
        }
    }
}

/// With users of its own a Pod shares nothing else with its node.
fn own_users(spec: &At<'_>, causes: &mut Vec<Cause>) {
    const DETAIL: &str = "when `hostUsers` is false";
    if spec.field("hostUsers").value != false {
        return;
    }
    for (field, name) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec.field(field).value == true {
            spec.field(name).forbidden(DETAIL, causes);
        }
    }
    for container in super::containers(spec) {
        if container.field("volumeDevices").len() > 0 {
            container.field("volumeDevices").forbidden(DETAIL, causes);
        }
    }
}
