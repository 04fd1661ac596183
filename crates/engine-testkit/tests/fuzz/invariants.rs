//! What holds whatever was sent.

use std::collections::{BTreeMap, BTreeSet};

use http::Request;
use serde_json::Value;

/// What is wrong with an answer, if anything.
pub(crate) fn answer(status: u16, kind: &str, body: &[u8]) -> Option<String> {
    let is_json = kind.starts_with("application/json");
    let value = || serde_json::from_slice::<Value>(body);
    match status {
        200..300 if !is_json => None,
        // A watch is a sequence of objects.
        200..300 => {
            let whole = serde_json::Deserializer::from_slice(body).into_iter::<Value>().all(|v| v.is_ok());
            (!whole).then(|| "a success that is no JSON".to_owned())
        }
        400..500 if !is_json => None,
        400..500 => match value() {
            _ if body.is_empty() => None,
            Err(e) => Some(format!("a refusal that is no JSON: {e}")),
            Ok(v) if v["kind"] != "Status" || v["status"] != "Failure" || v["code"] != status => {
                Some("a refusal that is no Status of that code".to_owned())
            }
            Ok(v) => v["message"].as_str().is_none_or(str::is_empty).then(|| "a refusal without a message".to_owned()),
        },
        // A read of a revision that is still to come.
        504 => match value() {
            Ok(v) if v["reason"] == "Timeout" => None,
            _ => Some("a timeout without a reason".to_owned()),
        },
        500 if is_intended(body) => None,
        other => Some(format!("an answer with the status {other}")),
    }
}

/// What a real server answers with 500, too.
const INTENDED: &[&str] = &[
    // A revision that is no number, and one that is sent with what is to be made.
    "resourceVersion: Invalid value",
    "strconv.ParseUint: parsing",
    "resourceVersion should not be set on objects to be created",
    // Applied configurations and owners whose types do not fit.
    "failed to create typed patch object",
    "failed to create typed live object",
    "failed to create manager for existing fields",
    "failed to convert new object",
    "to proper version: unable to convert",
    // Strategic patches.
    "unknown patch type: ",
    "does not contain declared merge key: ",
    "expected a []interface {}, but received a ",
    "expected a map[string]interface {}, but received a ",
    "doesn't match $setElementOrder list",
    "list element types are not identical",
    "cannot merge lists without merge key for struct",
    "merging lists cannot yet be specified in the patch",
    // Custom resources: lists that are none, versions and replicas that went away.
    "content is not a list",
    "object has no apiVersion field",
    "the spec replicas field ",
    "value cannot be set because ",
    // Pods: bindings, evictions, classes and Secrets that nobody could ask for.
    "target.kind: Unsupported value",
    "target.name: Required value",
    "Non-matching dry-run options in request and content",
    "This pod has more than one PodDisruptionBudget",
    "resource name may not be empty",
    "invalid resource name ",
    "is not allowed because service account ",
    "failed to allocate requested HealthCheck NodePort",
];

pub(crate) fn is_intended(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    INTENDED.iter().any(|part| text.contains(part))
}

const COLLECTIONS: &[&str] = &[
    "/api/v1/namespaces",
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/api/v1/services",
    "/api/v1/pods",
    "/api/v1/endpoints",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/persistentvolumes",
    "/api/v1/serviceaccounts",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/jobs",
    "/apis/batch/v1/cronjobs",
    "/apis/networking.k8s.io/v1/ingresses",
    "/apis/autoscaling/v2/horizontalpodautoscalers",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/apis/example.com/v1/boats",
];

/// Names of roles are any text without slashes.
async fn get(client: &kube::Client, path: &str) -> Result<Value, kube::Error> {
    let encoded: String = path
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    client.request(Request::get(encoded).body(Vec::new()).unwrap()).await
}

/// Every object can be read by its name as the list shows it, has a uid of its own and a revision that is not ahead of
/// the list's, and lists never go back. Returns how many there are.
pub(crate) async fn state(client: &kube::Client, seed: u64) -> u64 {
    // What the controllers have begun comes to its end: nothing changes below.
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    let mut uids = BTreeMap::new();
    let mut before = 0;
    let mut owned = Vec::new();
    for collection in COLLECTIONS {
        let list = match get(client, collection).await {
            Ok(list) => list,
            Err(kube::Error::Api(e)) if e.code == 404 => continue,
            Err(e) => panic!("seed {seed}: {collection}: {e}"),
        };
        let revision: u64 = list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        assert!(revision >= before, "seed {seed}: {collection}: {revision} after {before}");
        before = revision;
        for item in list["items"].as_array().unwrap() {
            let metadata = &item["metadata"];
            let name = metadata["name"].as_str().unwrap_or_else(|| panic!("seed {seed}: {collection}: {item}"));
            let uid = metadata["uid"].as_str().unwrap_or_else(|| panic!("seed {seed}: {collection}: {item}"));
            let own: u64 = metadata["resourceVersion"].as_str().unwrap().parse().unwrap();
            assert!(own <= revision, "seed {seed}: {collection}/{name}: {own} is ahead of {revision}");
            let path = match (metadata["namespace"].as_str(), collection.rsplit_once('/').unwrap()) {
                (Some(namespace), (prefix, plural)) => format!("{prefix}/namespaces/{namespace}/{plural}/{name}"),
                (None, _) => format!("{collection}/{name}"),
            };
            let longest = metadata["namespace"].as_str().unwrap_or_default().len().max(name.len());
            // Names of roles have no limit, on a real server neither: such a path fits into no URI.
            assert!(longest <= 253 || collection.contains("rbac"), "seed {seed}: {collection}: {metadata:.400}");
            if longest > 253 {
                continue;
            }
            let one = get(client, &path).await.unwrap_or_else(|e| panic!("seed {seed}: {path}: {e}"));
            assert_eq!(one["metadata"]["uid"], uid, "seed {seed}: {path}");
            let twin = uids.insert(uid.to_owned(), path.clone());
            assert!(twin.is_none(), "seed {seed}: {path} has the uid of {twin:?}");
            owned.push((path, metadata.clone()));
        }
    }
    let alive: BTreeSet<&String> = uids.keys().collect();
    for (path, metadata) in &owned {
        let owners = metadata["ownerReferences"].as_array().map_or(&[][..], Vec::as_slice);
        let [owner] = owners else { continue };
        // What a controller made goes with what it was made for, unless something holds it.
        let is_held = metadata["finalizers"].as_array().is_some_and(|f| !f.is_empty());
        if owner["kind"] == "ReplicaSet" && owner["apiVersion"] == "apps/v1" && owner["controller"] == true && !is_held
        {
            let uid = owner["uid"].as_str().unwrap_or_default().to_owned();
            assert!(alive.contains(&uid), "seed {seed}: {path} outlived its owner: {metadata}");
        }
    }
    uids.len() as u64
}
