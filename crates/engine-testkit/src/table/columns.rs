//! The columns of the built-in kinds of Kubernetes 1.36, as their API server defines them.

use serde_json::{Value, json};

use super::{network, pods, various, workloads};
use crate::{
    clock::Now,
    json::str_at,
    resources::GroupResource,
    table::text::{age, created, or},
};

/// What fills the cells between the name and nothing: every cell of a row.
type Cells = fn(&Value, Now) -> Vec<Value>;

/// The columns of a kind, separated by bars: the name, then `:type` when it is not `string`, `/format` when it has one,
/// and `*` when only `-o wide` shows it.
fn kind(gr: &GroupResource) -> (&'static str, Cells) {
    match (&*gr.group, &*gr.resource) {
        ("", "configmaps") => ("Name/name | Data | Age", various::config_map),
        ("", "endpoints") => ("Name/name | Endpoints | Age", network::endpoints),
        ("" | "events.k8s.io", "events") => (
            "Last Seen | Type | Reason | Object | Subobject* | Source* | Message | First Seen* | Count* | Name/name*",
            various::event,
        ),
        ("", "namespaces") => ("Name/name | Status | Age", various::namespace),
        ("", "nodes") => (
            "Name/name | Status | Roles | Age | Version | Internal-IP* | External-IP* | OS-Image* | Kernel-Version* | \
             Container-Runtime*",
            various::node,
        ),
        ("", "persistentvolumeclaims") => (
            "Name/name | Status | Volume | Capacity | Access Modes | StorageClass | VolumeAttributesClass | Age | \
             VolumeMode*",
            various::claim,
        ),
        ("", "persistentvolumes") => (
            "Name/name | Capacity | Access Modes | Reclaim Policy | Status | Claim | StorageClass | \
             VolumeAttributesClass | Reason | Age | VolumeMode*",
            various::volume,
        ),
        ("", "pods") => (
            "Name/name | Ready | Status | Restarts | Age | IP* | Node* | Nominated Node* | Readiness Gates*",
            pods::pod,
        ),
        ("", "podtemplates") => ("Name/name | Containers | Images | Pod Labels", workloads::pod_template),
        ("", "replicationcontrollers") => (
            "Name/name | Desired:integer | Current:integer | Ready:integer | Age | Containers* | Images* | Selector*",
            workloads::replication_controller,
        ),
        ("", "resourcequotas") => ("Name/name | Request | Limit | Age", various::quota),
        ("", "secrets") => ("Name/name | Type | Data | Age", various::secret),
        ("", "serviceaccounts") => ("Name/name | Age", name_and_age),
        ("", "services") => {
            ("Name/name | Type | Cluster-IP | External-IP | Port(s) | Age | Selector*", network::service)
        }
        ("apiregistration.k8s.io", "apiservices") => ("Name/name | Service | Available | Age", various::api_service),
        ("apps", "controllerrevisions") => ("Name/name | Controller | Revision | Age", workloads::controller_revision),
        ("apps", "daemonsets") => (
            "Name/name | Desired:integer | Current:integer | Ready:integer | Up-to-date:integer | Available:integer | \
             Node Selector | Age | Containers* | Images* | Selector*",
            workloads::daemon_set,
        ),
        ("apps", "deployments") => (
            "Name/name | Ready | Up-to-date | Available | Age | Containers* | Images* | Selector*",
            workloads::deployment,
        ),
        ("apps", "replicasets") => (
            "Name/name | Desired:integer | Current:integer | Ready:integer | Age | Containers* | Images* | Selector*",
            workloads::replica_set,
        ),
        ("apps", "statefulsets") => ("Name/name | Ready | Age | Containers* | Images*", workloads::stateful_set),
        ("autoscaling", "horizontalpodautoscalers") => {
            ("Name/name | Reference | Targets | MinPods | MaxPods | Replicas | Age", workloads::autoscaler)
        }
        ("batch", "cronjobs") => (
            "Name/name | Schedule | Timezone | Suspend:boolean | Active:integer | Last Schedule | Age | Containers* | \
             Images* | Selector*",
            workloads::cron_job,
        ),
        ("batch", "jobs") => {
            ("Name/name | Status | Completions | Duration | Age | Containers* | Images* | Selector*", workloads::job)
        }
        ("certificates.k8s.io", "certificatesigningrequests") => {
            ("Name/name | Age | SignerName | Requestor | RequestedDuration | Condition", various::signing_request)
        }
        ("networking.k8s.io", "ingressclasses") => {
            ("Name/name | Controller | Parameters | Age", network::ingress_class)
        }
        ("networking.k8s.io", "ingresses") => ("Name/name | Class | Hosts | Address | Ports | Age", network::ingress),
        ("networking.k8s.io", "ipaddresses") => ("Name/name | ParentRef", network::ip_address),
        ("networking.k8s.io", "networkpolicies") => ("Name/name | Pod-Selector | Age", network::policy),
        ("networking.k8s.io", "servicecidrs") => ("Name/name | CIDRs | Age", network::service_cidr),
        ("policy", "poddisruptionbudgets") => (
            "Name/name | Min Available | Max Unavailable | Allowed Disruptions:integer | Age",
            workloads::disruption_budget,
        ),
        ("rbac.authorization.k8s.io", "clusterrolebindings" | "rolebindings") => {
            ("Name/name | Role | Age | Users* | Groups* | ServiceAccounts*", various::role_binding)
        }
        ("storage.k8s.io", "csidrivers") => (
            "Name/name | AttachRequired:boolean | PodInfoOnMount:boolean | StorageCapacity:boolean | TokenRequests | \
             RequiresRepublish:boolean | Modes | Age",
            various::csi_driver,
        ),
        ("storage.k8s.io", "csinodes") => {
            ("Name/name | Drivers:integer | Age", |v, now| various::count(v, &["spec", "drivers"], now))
        }
        ("storage.k8s.io", "storageclasses") => (
            "Name/name | Provisioner | ReclaimPolicy | VolumeBindingMode | AllowVolumeExpansion | Age",
            various::storage_class,
        ),
        ("storage.k8s.io", "volumeattachments") => {
            ("Name/name | Attacher/name | PV | Node | Attached:boolean | Age", various::volume_attachment)
        }
        ("storage.k8s.io", "volumeattributesclasses") => {
            ("Name/name | DriverName | Age", |v, now| various::text_at(v, &["driverName"], now))
        }
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies") => {
            ("Name/name | Mutations:integer | ParamKind | Age", |v, now| various::policy(v, "mutations", now))
        }
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => {
            ("Name/name | Validations:integer | ParamKind | Age", |v, now| various::policy(v, "validations", now))
        }
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings" | "validatingadmissionpolicybindings") => {
            ("Name/name | PolicyName | ParamRef | Age", various::policy_binding)
        }
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations") => {
            ("Name/name | Webhooks:integer | Age", |v, now| various::count(v, &["webhooks"], now))
        }
        ("scheduling.k8s.io", "priorityclasses") => {
            ("Name/name | Value:integer | Global-Default:boolean | Age | PreemptionPolicy", various::priority_class)
        }
        ("coordination.k8s.io", "leases") => {
            ("Name/name | Holder | Age", |v, now| various::text_at(v, &["spec", "holderIdentity"], now))
        }
        ("node.k8s.io", "runtimeclasses") => {
            ("Name/name | Handler | Age", |v, now| various::text_at(v, &["handler"], now))
        }
        ("discovery.k8s.io", "endpointslices") => {
            ("Name/name | AddressType | Ports | Endpoints | Age", network::endpoint_slice)
        }
        ("resource.k8s.io", "deviceclasses" | "resourceclaimtemplates") => ("Name/name | Age", name_and_age),
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => (
            "Name/name | PriorityLevel | MatchingPrecedence | DistinguisherMethod | Age | MissingPL",
            various::flow_schema,
        ),
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations") => (
            "Name/name | Type | NominalConcurrencyShares | Queues | HandSize | QueueLengthLimit | Age",
            various::priority_level,
        ),
        // What the API server shows where nobody wrote more: CRDs, roles, limit ranges.
        _ => ("Name/name | Created At:date", |v, _| vec![name(v), or(created(v), "0001-01-01T00:00:00Z")]),
    }
}

pub(super) fn heads(gr: &GroupResource) -> Vec<Value> {
    parse(kind(gr).0)
}

pub(super) fn cells(gr: &GroupResource, object: &Value, now: Now) -> Vec<Value> {
    kind(gr).1(object, now)
}

pub(super) fn head(name: &str, kind: &str, format: &str, priority: i64) -> Value {
    json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
}

pub(super) fn parse(columns: &str) -> Vec<Value> {
    let one = |column: &str| {
        let (column, priority) = column.strip_suffix('*').map_or((column, 0), |c| (c, 1));
        let (column, format) = column.split_once('/').unwrap_or((column, ""));
        let (name, kind) = column.split_once(':').unwrap_or((column, "string"));
        head(name, kind, format, priority)
    };
    columns.split(" | ").map(one).collect()
}

pub(super) fn name(object: &Value) -> Value {
    str_at(object, &["metadata", "name"]).into()
}

fn name_and_age(object: &Value, now: Now) -> Vec<Value> {
    vec![name(object), age(created(object), now).into()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, resources::Registry};

    #[test]
    fn every_kind_fills_its_columns_however_empty_an_object_is() {
        let now = Clock::new(None).now();
        for resource in Registry::builtin().iter() {
            for object in [
                json!({}),
                json!({"metadata": {"name": "a"}, "spec": {}, "status": {}}),
                json!({"spec": [], "status": 5}),
            ] {
                let cells = cells(&resource.gr, &object, now);
                assert_eq!(cells.len(), heads(&resource.gr).len(), "{}", resource.gr);
            }
        }
    }

    #[test]
    fn columns_are_read() {
        assert_eq!(
            parse("Name/name | Desired:integer | IP*"),
            [head("Name", "string", "name", 0), head("Desired", "integer", "", 0), head("IP", "string", "", 1)]
        );
    }
}
