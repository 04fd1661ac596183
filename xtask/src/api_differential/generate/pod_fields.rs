//! The fields of Pods that few people set: each is there in some programs.

use serde_json::{Value, json};

use super::super::rng::Rng;
use super::kinds::Fields;

/// In how many of a hundred Pods each field is.
const RARELY: usize = 5;

/// Adds some of them to a spec with one container at least.
pub(super) fn add(r: &mut Rng, spec: &mut Value) {
    put(r, spec, SPEC);
    if r.chance(30) {
        let source = (r.pick(VOLUMES))(r);
        append(&mut spec["volumes"], volume("v", source));
    }
    if r.chance(12) {
        spec["initContainers"] = json!([sidecar(r)]);
    }
    put(r, &mut spec["containers"][0], CONTAINER);
}

type Table = &'static [(&'static str, fn(&mut Rng) -> Value)];

fn put(r: &mut Rng, into: &mut Value, table: Table) {
    for (field, value) in table {
        if r.chance(RARELY) {
            into[*field] = value(r);
        }
    }
}

fn append(list: &mut Value, item: Value) {
    match list {
        Value::Array(list) => list.push(item),
        other => *other = json!([item]),
    }
}

fn volume(name: &str, mut source: Value) -> Value {
    source["name"] = name.into();
    source
}

fn sidecar(r: &mut Rng) -> Value {
    Fields::new(r, json!({"name": "i", "image": "x:1"}))
        .maybe(70, "restartPolicy", |_| "Always".into())
        .maybe(30, "startupProbe", |_| json!({"grpc": {"port": 5}}))
        .maybe(30, "lifecycle", |_| json!({"preStop": {"sleep": {"seconds": 1}}}))
        .maybe(
            30,
            "resizePolicy",
            |r| json!([{"resourceName": "cpu", "restartPolicy": r.pick(&["NotRequired", "RestartContainer"])}]),
        )
        .maybe(30, "resources", |_| json!({"requests": {"cpu": "1", "memory": "1Gi"}}))
        .done()
}

const SPEC: Table = &[
    (
        "dnsConfig",
        |_| json!({"nameservers": ["10.9.8.7"], "searches": ["a.b", "c_d.e."], "options": [{"name": "ndots", "value": "2"}, {"name": "debug"}]}),
    ),
    ("dnsPolicy", |r| r.pick(&["None", "ClusterFirstWithHostNet"]).into()),
    ("hostAliases", |_| json!([{"ip": "10.9.8.7", "hostnames": ["a.b"]}, {"ip": "10.9.8.8"}])),
    ("hostname", |_| "h".into()),
    ("subdomain", |_| "s".into()),
    ("os", |r| json!({"name": r.pick(&["linux", "linux", "windows"])})),
    ("hostUsers", |r| r.chance(40).into()),
    ("hostPID", |_| true.into()),
    ("hostIPC", |_| true.into()),
    ("shareProcessNamespace", |_| true.into()),
    ("activeDeadlineSeconds", |r| json!(r.pick(&[50, 60]))),
    ("schedulingGates", |r| match r.below(3) {
        0 => json!([]),
        1 => json!([{"name": "example.com/hold"}]),
        _ => json!([{"name": "example.com/hold"}, {"name": "other"}]),
    }),
    ("schedulerName", |_| "own".into()),
    ("readinessGates", |_| json!([{"conditionType": "example.com/ready"}])),
    ("preemptionPolicy", |_| "Never".into()),
    ("priority", |_| json!(0)),
    ("nodeName", |_| "n".into()),
    ("resources", |r| match r.below(3) {
        0 => json!({"limits": {"cpu": "2", "memory": "2Gi"}, "requests": {"cpu": "1"}}),
        1 => json!({"limits": {"hugepages-2Mi": "4Mi"}}),
        _ => json!({"requests": {"cpu": "1", "memory": "1Gi"}}),
    }),
    ("overhead", |_| json!({"cpu": "10m"})),
    ("setHostnameAsFQDN", |_| true.into()),
    ("hostnameOverride", |_| "over".into()),
    ("resourceClaims", |r| match r.below(2) {
        0 => json!([{"name": "c", "resourceClaimName": "d"}]),
        _ => json!([{"name": "c", "resourceClaimTemplateName": "t"}, {"name": "e", "resourceClaimName": "d"}]),
    }),
    ("ephemeralContainers", |_| json!([{"name": "e", "image": "x"}])),
    ("serviceAccount", |_| "default".into()),
    ("runtimeClassName", |r| r.pick(&["none", "Not Valid!", "", "a/b"]).into()),
    ("securityContext", |r| match r.below(3) {
        0 => {
            json!({"supplementalGroups": [1, 2], "sysctls": [{"name": "net.ipv4.ip_forward", "value": "1"}], "fsGroupChangePolicy": "Always", "supplementalGroupsPolicy": "Strict"})
        }
        1 => {
            json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "a/b"}, "appArmorProfile": {"type": "RuntimeDefault"}, "seLinuxChangePolicy": "MountOption"})
        }
        _ => {
            json!({"windowsOptions": {"runAsUserName": "a\\b", "gmsaCredentialSpecName": "g"}, "runAsGroup": 3, "seLinuxOptions": {"user": "u"}})
        }
    }),
    ("tolerations", |r| match r.below(3) {
        0 => {
            json!([{"key": "a", "operator": "Gt", "value": "1"}, {"key": "b", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 4}])
        }
        1 => json!([{"key": "a", "operator": "Lt", "value": "05"}, {"key": "a", "value": "x", "effect": "NoSchedule"}]),
        _ => json!([{"key": "a", "effect": "PreferNoSchedule"}, {"key": "a", "effect": "PreferNoSchedule"}]),
    }),
    ("topologySpreadConstraints", |_| {
        json!([
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2, "matchLabelKeys": ["app"], "nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Ignore", "labelSelector": {"matchLabels": {"tier": "x"}}},
            {"maxSkew": 1, "topologyKey": "failure-domain.beta.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"},
        ])
    }),
    ("affinity", |r| match r.below(3) {
        0 => {
            json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone", "namespaces": ["a"], "matchLabelKeys": ["app"], "labelSelector": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}}]}})
        }
        1 => {
            json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 3, "preference": {"matchExpressions": [{"key": "beta.kubernetes.io/os", "operator": "Gt", "values": ["3"]}], "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}}]}})
        }
        _ => {
            json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone", "mismatchLabelKeys": ["tier"], "namespaceSelector": {"matchLabels": {"a": "b"}}, "labelSelector": {"matchLabels": {"x": "y"}}}]}})
        }
    }),
];

const CONTAINER: Table = &[
    (
        "startupProbe",
        |_| json!({"grpc": {"port": 9, "service": "s"}, "successThreshold": 1, "terminationGracePeriodSeconds": 5}),
    ),
    ("livenessProbe", |_| json!({"grpc": {"port": 9}, "terminationGracePeriodSeconds": 5, "periodSeconds": 3})),
    ("lifecycle", |r| match r.below(2) {
        0 => {
            json!({"postStart": {"httpGet": {"port": "web", "httpHeaders": [{"name": "X-A", "value": "b"}]}}, "preStop": {"sleep": {"seconds": 3}}})
        }
        _ => json!({"postStart": {"tcpSocket": {"port": 8, "host": "h"}}, "stopSignal": "SIGTERM"}),
    }),
    ("env", |r| match r.below(2) {
        0 => {
            json!([{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}, {"name": "F", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}}])
        }
        _ => {
            json!([{"name": "K", "valueFrom": {"fileKeyRef": {"volumeName": "data", "path": "p", "key": "k"}}}, {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['a']"}}}])
        }
    }),
    ("envFrom", |_| json!([{"prefix": "P_", "secretRef": {"name": "s", "optional": true}}])),
    ("volumeMounts", |_| {
        json!([
            {"name": "v", "mountPath": "/v", "readOnly": true, "recursiveReadOnly": "Enabled", "subPath": "a"},
            {"name": "data", "mountPath": "/w", "mountPropagation": "HostToContainer"},
        ])
    }),
    ("volumeDevices", |_| json!([{"name": "v", "devicePath": "/dev/x"}])),
    ("resources", |r| match r.below(2) {
        0 => {
            json!({"limits": {"example.com/gpu": "1", "hugepages-2Mi": "4Mi", "cpu": "1"}, "requests": {"ephemeral-storage": "1500m", "memory": "0.1"}})
        }
        _ => json!({"limits": {"cpu": "1"}, "claims": [{"name": "c", "request": "r"}, {"name": "e"}]}),
    }),
    ("securityContext", |r| match r.below(2) {
        0 => {
            json!({"privileged": true, "procMount": "Unmasked", "runAsGroup": 5, "capabilities": {"add": ["SYS_ADMIN"]}})
        }
        _ => {
            json!({"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}, "windowsOptions": {"hostProcess": false}, "seLinuxOptions": {"level": "s0"}})
        }
    }),
    ("restartPolicy", |r| r.pick(&["OnFailure", "Always", "Never"]).into()),
    ("restartPolicyRules", |_| json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}])),
    ("terminationMessagePolicy", |_| "FallbackToLogsOnError".into()),
    ("terminationMessagePath", |_| "/x".into()),
    (
        "ports",
        |_| json!([{"containerPort": 80, "hostPort": 80, "hostIP": "10.9.8.7"}, {"containerPort": 80, "hostPort": 81, "name": "b"}]),
    ),
    (
        "resizePolicy",
        |r| json!([{"resourceName": r.pick(&["memory", "cpu"]), "restartPolicy": r.pick(&["RestartContainer", "NotRequired"])}]),
    ),
    ("stdin", |_| true.into()),
    ("stdinOnce", |_| true.into()),
];

const VOLUMES: &[fn(&mut Rng) -> Value] = &[
    |_| {
        json!({"projected": {"sources": [
            {"secret": {"name": "s", "items": [{"key": "a", "path": "b"}]}},
            {"configMap": {"name": "m"}},
            {"downwardAPI": {"items": [{"path": "c", "fieldRef": {"fieldPath": "metadata.labels['a']"}}]}},
            {"serviceAccountToken": {"path": "t", "expirationSeconds": 700}},
        ]}})
    },
    |_| {
        json!({"projected": {"defaultMode": 256, "sources": [
            {"clusterTrustBundle": {"name": "b", "path": "t"}},
            {"podCertificate": {"signerName": "example.com/s", "keyType": "ED25519", "credentialBundlePath": "p"}},
        ]}})
    },
    |_| {
        json!({"downwardAPI": {"items": [
            {"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "l/c", "resourceFieldRef": {"containerName": "main", "resource": "limits.cpu", "divisor": "1m"}},
        ]}})
    },
    |_| json!({"nfs": {"server": "s", "path": "/p"}}),
    |_| json!({"iscsi": {"targetPortal": "p", "iqn": "iqn.2001-04.com.example:storage", "lun": 0}}),
    |_| json!({"rbd": {"monitors": ["m"], "image": "i"}}),
    |_| json!({"cephfs": {"monitors": ["m"]}}),
    |_| json!({"glusterfs": {"endpoints": "e", "path": "p"}}),
    |_| json!({"csi": {"driver": "d.example.com", "nodePublishSecretRef": {"name": "s"}}}),
    |r| {
        let name = r.pick(&["ReadWriteOnce", "ReadWriteOncePod"]);
        json!({"ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": [name], "resources": {"requests": {"storage": "1Gi"}}}}}})
    },
    |_| json!({"azureDisk": {"diskName": "d", "diskURI": "https://x"}}),
    |_| json!({"azureFile": {"secretName": "s", "shareName": "n"}}),
    |_| json!({"awsElasticBlockStore": {"volumeID": "v", "partition": 1}}),
    |_| json!({"gcePersistentDisk": {"pdName": "p"}}),
    |_| json!({"cinder": {"volumeID": "v"}}),
    |_| json!({"vsphereVolume": {"volumePath": "p"}}),
    |_| json!({"scaleIO": {"gateway": "g", "system": "s", "secretRef": {"name": "s"}, "volumeName": "v"}}),
    |_| json!({"portworxVolume": {"volumeID": "v"}}),
    |_| json!({"storageos": {"volumeName": "v"}}),
    |_| json!({"photonPersistentDisk": {"pdID": "p"}}),
    |_| json!({"quobyte": {"registry": "r:1", "volume": "v"}}),
    |_| json!({"flocker": {"datasetName": "d"}}),
    |_| json!({"image": {"reference": "i:1"}}),
    |_| json!({"image": {"reference": "i", "pullPolicy": "Never"}}),
    |_| json!({"gitRepo": {"repository": "r", "directory": "d"}}),
    |_| json!({"fc": {"targetWWNs": ["a"], "lun": 1}}),
    |_| json!({"flexVolume": {"driver": "d", "options": {"a.k8s.io/x": "1"}}}),
    |_| json!({"persistentVolumeClaim": {"claimName": "c", "readOnly": true}}),
    |_| json!({"configMap": {"name": "m", "defaultMode": 256, "items": [{"key": "a", "path": "../b", "mode": 999}]}}),
    |_| json!({"secret": {"secretName": "s", "optional": true, "defaultMode": 1023}}),
    |_| json!({"hostPath": {"path": "/a/../b", "type": "Directory"}}),
];

/// Adds what few statuses say.
pub(super) fn add_status(r: &mut Rng, status: &mut Value) {
    for (field, value) in STATUS {
        if r.chance(15) {
            status[*field] = value(r);
        }
    }
}

const STATUS: Table = &[
    ("podIPs", |r| match r.below(2) {
        0 => json!([{"ip": "192.0.2.7"}, {"ip": "2001:db8:0::1"}]),
        _ => json!([{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}]),
    }),
    ("hostIPs", |_| json!([{"ip": "192.0.2.9"}])),
    ("hostIP", |_| "192.0.2.9".into()),
    ("nominatedNodeName", |_| "n".into()),
    ("observedGeneration", |_| json!(1)),
    ("qosClass", |r| r.pick(&["Burstable", "BestEffort"]).into()),
    ("phase", |r| r.pick(&["Succeeded", "Failed", "Unknown"]).into()),
    ("reason", |_| "Because".into()),
    ("startTime", |_| "2020-01-01T00:00:00Z".into()),
    ("resize", |_| "Proposed".into()),
    ("containerStatuses", |r| match r.below(3) {
        0 => {
            json!([{"name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 1}}, "allocatedResourcesStatus": [{"name": "cpu", "resources": [{"resourceID": "a", "health": "Healthy"}]}]}])
        }
        1 => {
            json!([{"name": "main", "image": "i", "imageID": "", "ready": true, "restartCount": 1, "state": {"running": {}}, "user": {"linux": {"uid": 1, "gid": 2}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}])
        }
        _ => {
            json!([{"name": "main", "image": "i", "imageID": "x", "ready": true, "restartCount": 1, "lastState": {"waiting": {"reason": "r"}}, "allocatedResources": {"cpu": "1"}, "resources": {"limits": {"cpu": "1000m"}}, "started": true}, {"name": "side", "image": "", "imageID": "", "ready": false, "restartCount": 0}])
        }
    }),
    (
        "initContainerStatuses",
        |_| json!([{"name": "init", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}]),
    ),
    (
        "ephemeralContainerStatuses",
        |_| json!([{"name": "e", "image": "i", "imageID": "", "ready": true, "restartCount": 0}]),
    ),
    ("resourceClaimStatuses", |_| json!([{"name": "c", "resourceClaimName": "d"}])),
    ("conditions", |r| match r.below(2) {
        0 => json!([{"type": "example.com/ready", "status": "True", "observedGeneration": 1}]),
        _ => json!([{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "Unknown", "reason": "r"}]),
    }),
];
