//! Programs in a namespace whose labels say what Pods may do.

use serde_json::{Value, json};

use super::super::program::{Body, Operation, Program, Step, Until, Wait};
use super::super::rng::Rng;
use super::pod_actions::{self, PODS};
use super::{KINDS, MERGE_PATCH, Subject, plain, quotas};

/// The kinds that make Pods from templates.
const WORKLOADS: [&str; 6] =
    ["deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "replicationcontrollers"];

pub(super) fn program(rng: &mut Rng, mut steps: Vec<Step>) -> Program {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    steps.push(plain("POST", "/api/v1/namespaces/{{ns}}/serviceaccounts", Body::Json(account)).into());
    let level = rng.pick(&["baseline", "restricted"]);
    let version =
        rng.pick(&["latest", "latest", "v1.0", "v1.18", "v1.22", "v1.24", "v1.30", "v1.34", "v1.35", "v1.99"]);
    let mut labels = json!({
        "pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/enforce-version": version,
    });
    if rng.chance(50) {
        labels["pod-security.kubernetes.io/warn"] = rng.pick(&["privileged", "baseline", "restricted"]).into();
    }
    if rng.chance(20) {
        labels["pod-security.kubernetes.io/warn-version"] = rng.pick(&["latest", "v1.10", "v1.25"]).into();
    }
    let patch = plain("PATCH", "/api/v1/namespaces/{{ns}}", Body::Json(json!({"metadata": {"labels": labels}})));
    steps.push(Operation { content_type: MERGE_PATCH, ..patch }.into());
    // The server hears of the labels later.
    let trial = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"},
        "spec": {"hostPID": true, "containers": [{"name": "c", "image": "i"}]},
    });
    let query = vec![("dryRun", "All".to_owned())];
    let operation = Operation { query, ..plain("POST", PODS, Body::Json(trial)) };
    steps.push(Step::Wait(Wait { operation, until: Until::Refused(format!("\"{level}:{version}\"")) }));
    let mut collections = vec![PODS.to_owned()];
    for _ in 0..5 + rng.below(10) {
        let name = rng.pick(&["a", "b", "c"]);
        if rng.chance(70) {
            let mut operation = pod_actions::plain_pod(rng, name);
            if let Body::Json(pod) = &mut operation.body {
                secure(rng, pod);
            }
            steps.push(operation.into());
            continue;
        }
        let plural = rng.pick(&WORKLOADS);
        let Some(kind) = KINDS.iter().find(|kind| kind.plural == plural) else { continue };
        let subject = Subject::built_in(kind);
        let mut object = subject.object(rng, name);
        let template = match plural {
            "cronjobs" => &mut object["spec"]["jobTemplate"]["spec"]["template"],
            _ => &mut object["spec"]["template"],
        };
        if template["spec"]["containers"][0].is_object() {
            secure(rng, template);
        }
        steps.push(plain("POST", &subject.collection, Body::Json(object)).into());
        if !collections.contains(&subject.collection) {
            collections.push(subject.collection);
        }
    }
    Program { area: quotas::AREA, steps, collections }
}

/// Gives a Pod, or a template of one, what security is about.
fn secure(rng: &mut Rng, pod: &mut Value) {
    let spec = &mut pod["spec"];
    if rng.chance(40) {
        let mut context = json!({});
        settings(rng, &mut context);
        if rng.chance(20) {
            let name =
                rng.pick(&["kernel.shm_rmid_forced", "net.ipv4.tcp_rmem", "kernel.msgmax", "net.ipv4.tcp_fin_timeout"]);
            context["sysctls"] = json!([{"name": name, "value": "1"}]);
        }
        spec["securityContext"] = context;
    }
    for (percent, field) in [(6, "hostPID"), (6, "hostIPC"), (4, "hostNetwork")] {
        if rng.chance(percent) {
            spec[field] = true.into();
        }
    }
    if rng.chance(8) {
        spec["hostUsers"] = rng.chance(30).into();
    }
    if rng.chance(5) {
        spec["os"] = json!({"name": rng.pick(&["windows", "linux"])});
    }
    if rng.chance(20) {
        spec["volumes"] = match rng.below(4) {
            0 => json!([{"name": "v", "hostPath": {"path": "/v"}}]),
            1 => json!([{"name": "v", "nfs": {"server": "s", "path": "/"}}, {"name": "w", "hostPath": {"path": "/w"}}]),
            2 => json!([{"name": "v", "emptyDir": {}}, {"name": "w", "gitRepo": {"repository": "r"}}]),
            _ => {
                json!([{"name": "v", "iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:s", "lun": 1}}])
            }
        };
    }
    let harden = rng.chance(45);
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        let mut context = json!({});
        if harden {
            context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"}});
        }
        if !harden || rng.chance(30) {
            settings(rng, &mut context);
        }
        for (percent, field, value) in [
            (8, "privileged", json!(true)),
            (10, "allowPrivilegeEscalation", json!(rng.chance(50))),
            (6, "procMount", json!(rng.pick(&["Default", "Unmasked"]))),
            (
                10,
                "capabilities",
                json!({"add": [rng.pick(&["SYS_ADMIN", "NET_BIND_SERVICE", "KILL"])], "drop": [rng.pick(&["ALL", "KILL"])]}),
            ),
            (5, "capabilities", json!({"add": ["SYS_TIME", "CHOWN", "NET_RAW"]})),
        ] {
            if rng.chance(percent) {
                context[field] = value;
            }
        }
        container["securityContext"] = context;
        if rng.chance(8) {
            container["ports"] =
                json!([{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 8081}]);
        }
        if rng.chance(6) {
            container["livenessProbe"] = json!({"tcpSocket": {"port": 80, "host": rng.pick(&["", "other"])}});
        }
        if rng.chance(5) {
            container["lifecycle"] = json!({"preStop": {"httpGet": {"port": 80, "host": "elsewhere"}}});
        }
    }
    if rng.chance(8) {
        let key = rng
            .pick(&["seccomp.security.alpha.kubernetes.io/pod", "container.apparmor.security.beta.kubernetes.io/main"]);
        pod["metadata"]["annotations"] = json!({key: rng.pick(&["unconfined", "runtime/default", "localhost/x"])});
    }
}

/// What Pods and containers both may set.
fn settings(rng: &mut Rng, context: &mut Value) {
    for (percent, field, value) in [
        (15, "runAsNonRoot", json!(rng.chance(60))),
        (10, "runAsUser", json!(rng.pick(&[0_i64, 1000]))),
        (20, "seccompProfile", json!({"type": rng.pick(&["RuntimeDefault", "Unconfined"])})),
        (8, "seLinuxOptions", json!({"type": rng.pick(&["container_t", "container_engine_t", "other_t"])})),
        (5, "seLinuxOptions", json!({"user": "u", "role": rng.pick(&["", "r"])})),
        (8, "appArmorProfile", json!({"type": rng.pick(&["RuntimeDefault", "Unconfined"])})),
        (3, "windowsOptions", json!({"hostProcess": true})),
    ] {
        if rng.chance(percent) {
            context[field] = value;
        }
    }
}
