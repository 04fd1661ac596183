//! Who may do what, in the words of a real server.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod common;

use common::{config_map, object, resource};
use gitops_engine_testkit::{Access, Cluster, Fault, Injection, Requests, Rule, User};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, PostParams},
};
use serde_json::{Value, json};

async fn send(
    client: &Client,
    method: &str,
    path: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
) -> (u16, Value) {
    let mut request = http::Request::builder().method(method).uri(path).header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map(|b| b.to_string()).unwrap_or_default();
    let response = client.send(request.body(body.into_bytes().into()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn get(client: &Client, path: &str) -> (u16, String) {
    let (status, body) = send(client, "GET", path, None, &[]).await;
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

fn config_maps(client: &Client) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), "default", &resource("v1", "ConfigMap"))
}

#[tokio::test]
async fn refusals_are_those_of_rbac() {
    let cluster = Cluster::default();
    cluster.set_access(Access::user("restricted"));
    let client = cluster.client_as("restricted");
    for (path, message) in [
        (
            "/api/v1/namespaces/default/pods",
            r#"pods is forbidden: User "restricted" cannot list resource "pods" in API group "" in the namespace "default""#,
        ),
        (
            "/api/v1/pods",
            r#"pods is forbidden: User "restricted" cannot list resource "pods" in API group "" at the cluster scope"#,
        ),
        (
            "/apis/apps/v1/namespaces/default/deployments/x/scale",
            r#"deployments.apps "x" is forbidden: User "restricted" cannot get resource "deployments/scale" in API group "apps" in the namespace "default""#,
        ),
        (
            "/api/v1/namespaces/default",
            r#"namespaces "default" is forbidden: User "restricted" cannot get resource "namespaces" in API group "" in the namespace "default""#,
        ),
        // Whether it is served does not matter.
        (
            "/apis/nope.io/v1/foos",
            r#"foos.nope.io is forbidden: User "restricted" cannot list resource "foos" in API group "nope.io" at the cluster scope"#,
        ),
        ("/metrics", r#"forbidden: User "restricted" cannot get path "/metrics""#),
    ] {
        assert_eq!(get(&client, path).await, (403, message.to_owned()));
    }
    let (status, body) = send(&client, "GET", "/apis/apps/v1/namespaces/default/deployments/x", None, &[]).await;
    assert_eq!((status, &body["details"]), (403, &json!({"name": "x", "group": "apps", "kind": "deployments"})));
    for path in ["/api", "/apis", "/apis/apps/v1", "/version", "/readyz", "/openapi/v3"] {
        assert_eq!(get(&client, path).await.0, 200, "{path}");
    }
    // Nothing was said about anybody else.
    assert_eq!(get(&cluster.client(), "/api/v1/pods").await.0, 200);
    assert_eq!(cluster.requests()[0].user, "restricted");
}

#[tokio::test]
async fn rules_allow_by_verb_group_resource_name_and_namespace() {
    let cluster = Cluster::default();
    cluster.set_access(
        Access::group("developers")
            .may(Rule::verbs(["get"]).on("", ["configmaps"]).named(["a"]))
            .may(Rule::verbs(["*"]).on("apps", ["*/scale"]))
            .may(Rule::verbs(["get"]).urls(["/metrics*"]))
            .may_in("default", Rule::verbs(["list", "watch"]).on("*", ["*"])),
    );
    let client = cluster.client_as(User::new("alice").group("developers"));
    for (path, allowed) in [
        ("/api/v1/namespaces/default/configmaps/a", true),
        ("/api/v1/namespaces/kube-system/configmaps/a", true),
        ("/api/v1/namespaces/default/configmaps/b", false),
        ("/api/v1/namespaces/default/configmaps", true),
        ("/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1", true),
        ("/api/v1/namespaces/kube-system/configmaps", false),
        ("/api/v1/configmaps", false),
        ("/apis/apps/v1/namespaces/default/deployments/x/scale", true),
        ("/apis/apps/v1/namespaces/default/deployments/x", false),
        ("/metrics/cadvisor", true),
        ("/logs", false),
    ] {
        assert_eq!(get(&client, path).await.0 != 403, allowed, "{path}");
    }
}

async fn review(client: &Client, kind: &str, path: &str, spec: Value) -> (u16, Value) {
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec});
    let (status, body) = send(client, "POST", &format!("/apis/authorization.k8s.io/v1/{path}"), Some(body), &[]).await;
    (status, if status == 201 { body["status"].clone() } else { body["message"].clone() })
}

#[tokio::test]
async fn reviews_answer_from_the_same_rules() {
    let cluster = Cluster::default();
    cluster.set_access(Access::user("alice").may_in("shop", Rule::verbs(["get"]).on("", ["pods"])));
    let alice = cluster.client_as("alice");
    let admin = cluster.client();
    let own = async |spec: Value| review(&alice, "SelfSubjectAccessReview", "selfsubjectaccessreviews", spec).await;
    let may = json!({"allowed": true});
    let may_not = json!({"allowed": false});
    let pods =
        |namespace: &str| json!({"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": namespace}});
    assert_eq!(own(pods("shop")).await, (201, may.clone()));
    assert_eq!(own(pods("default")).await, (201, may_not.clone()));
    assert_eq!(
        own(json!({"nonResourceAttributes": {"verb": "get", "path": "/api"}})).await.1,
        json!({"allowed": true, "reason": "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \"system:authenticated\""})
    );
    assert_eq!(
        own(json!({})).await,
        (
            422,
            json!(
                ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
            )
        )
    );

    let mut about_alice = pods("shop");
    about_alice["user"] = "alice".into();
    let path = "subjectaccessreviews";
    assert_eq!(review(&admin, "SubjectAccessReview", path, about_alice.clone()).await, (201, may.clone()));
    assert_eq!(review(&admin, "SubjectAccessReview", path, pods("shop")).await.0, 422);
    assert_eq!(review(&alice, "SubjectAccessReview", path, about_alice.clone()).await.0, 403);
    let local = "namespaces/shop/localsubjectaccessreviews";
    assert_eq!(review(&admin, "LocalSubjectAccessReview", local, about_alice).await, (201, may));
    let mut elsewhere = pods("default");
    elsewhere["user"] = "alice".into();
    assert_eq!(
        review(&admin, "LocalSubjectAccessReview", local, elsewhere).await,
        (
            422,
            json!(
                ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes.namespace: Invalid value: \"default\": must match metadata.namespace"
            )
        )
    );

    let rules = json!({"namespace": "shop"});
    let (_, rules) = review(&alice, "SelfSubjectRulesReview", "selfsubjectrulesreviews", rules).await;
    assert_eq!(rules["resourceRules"][0], json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}));
    assert_eq!((rules["resourceRules"].as_array().unwrap().len(), &rules["incomplete"]), (3, &json!(false)));

    // A fault that forbids is also what a review says.
    cluster.inject(Injection::new(Requests::any().resource("", "pods"), Fault::Forbidden));
    assert_eq!(own(pods("shop")).await, (201, may_not));
}

#[tokio::test]
async fn impersonation_needs_the_right_to_it() {
    let cluster = Cluster::default();
    cluster.set_access(Access::user("alice"));
    cluster.set_access(Access::user("deputy").may(Rule::verbs(["impersonate"]).on("", ["users"]).named(["alice"])));
    let who = async |client: &Client, headers: &[(&str, &str)]| {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let (status, body) = send(client, "POST", path, Some(body), headers).await;
        (status, if status == 201 { body["status"]["userInfo"].clone() } else { body["message"].clone() })
    };
    let admin = cluster.client();
    assert_eq!(
        who(&admin, &[("Impersonate-User", "bob"), ("Impersonate-Group", "dev"), ("Impersonate-Extra-Scopes", "view")])
            .await,
        (201, json!({"username": "bob", "groups": ["dev", "system:authenticated"], "extra": {"scopes": ["view"]}}))
    );
    assert_eq!(
        who(&admin, &[("Impersonate-User", "system:serviceaccount:default:x")]).await.1["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
    );
    assert_eq!(
        who(&admin, &[("Impersonate-Group", "alice")]).await,
        (
            400,
            json!(
                "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"alice\"}, Extra:map[string][]string(nil)} without impersonating a user name"
            )
        )
    );
    let (status, refused) = send(&admin, "GET", "/api/v1/pods", None, &[("Impersonate-User", "alice")]).await;
    assert_eq!((status, refused["message"].as_str().unwrap().contains("User \"alice\" cannot list")), (403, true));

    let deputy = cluster.client_as("deputy");
    assert_eq!(who(&deputy, &[("Impersonate-User", "alice")]).await.0, 201);
    let alice = cluster.client_as("alice");
    let (status, refused) = send(&alice, "GET", "/api/v1/pods", None, &[("Impersonate-User", "bob")]).await;
    assert_eq!(
        (status, &refused["message"]),
        (
            403,
            &json!(
                "pods is forbidden: User \"alice\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" at the cluster scope"
            )
        )
    );
    let (status, refused) = send(&alice, "GET", "/api", None, &[("Authorization", "Bearer garbage")]).await;
    assert_eq!(
        (status, refused),
        (
            401,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401})
        )
    );
}

fn rbac(kind: &str, namespace: Option<&str>, name: &str, rest: Value) -> Value {
    let mut value = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}});
    if let Some(namespace) = namespace {
        value["metadata"]["namespace"] = namespace.into();
    }
    for (key, part) in rest.as_object().unwrap() {
        if key == "metadata" {
            value["metadata"]["labels"] = part["labels"].clone();
        } else {
            value[key] = part.clone();
        }
    }
    value
}

fn binding(kind: &str, namespace: Option<&str>, name: &str, role: (&str, &str), subject: Value) -> Value {
    let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1});
    rbac(kind, namespace, name, json!({"roleRef": role_ref, "subjects": [subject]}))
}

#[tokio::test]
async fn the_objects_of_rbac_decide_when_they_are_to() {
    let cluster = Cluster::default();
    cluster.enforce_rbac();
    let user = cluster.client_as(User::new("restricted").group("testkit:restricted"));
    assert!(config_maps(&user).list(&ListParams::default()).await.is_err());
    let rules = json!({"rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["create", "update"]},
    ]});
    cluster.create(rbac("Role", Some("default"), "r1", rules)).unwrap();
    let subject = json!({"kind": "User", "name": "restricted", "apiGroup": "rbac.authorization.k8s.io"});
    cluster.create(binding("RoleBinding", Some("default"), "b1", ("Role", "r1"), subject.clone())).unwrap();
    config_maps(&user).create(&PostParams::default(), &object(config_map("mine", json!({})))).await.unwrap();
    assert_eq!(get(&user, "/api/v1/namespaces/kube-system/configmaps").await.0, 403);

    // Why, in the words of RBAC.
    let admin = cluster.client();
    let ask = json!({"user": "restricted", "resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": "default"}});
    let (_, answer) = review(&admin, "SubjectAccessReview", "subjectaccessreviews", ask).await;
    assert_eq!(
        answer,
        json!({"allowed": true, "reason": "RBAC: allowed by RoleBinding \"b1/default\" of Role \"r1\" to User \"restricted\""})
    );

    // Nobody gives away what they do not have.
    let post = async |path: &str, body: Value| {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/default/{path}");
        let (status, body) = send(&user, "POST", &path, Some(body), &[]).await;
        (status, body["message"].as_str().unwrap_or_default().to_owned())
    };
    let held = json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]});
    assert_eq!(post("roles", rbac("Role", None, "r2", held)).await.0, 201);
    let more = json!({"rules": [
        {"apiGroups": ["", "apps"], "resources": ["secrets", "configmaps"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["get"]},
    ]});
    let (status, message) = post("roles", rbac("Role", None, "r3", more)).await;
    assert_eq!(
        (status, message.as_str()),
        (
            403,
            "roles.rbac.authorization.k8s.io \"r3\" is forbidden: user \"restricted\" (groups=[\"testkit:restricted\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], ResourceNames:[\"a\"], Verbs:[\"get\"]}\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}\n{APIGroups:[\"apps\"], Resources:[\"configmaps\"], Verbs:[\"get\" \"list\"]}\n{APIGroups:[\"apps\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}"
        )
    );
    let (status, message) =
        post("rolebindings", binding("RoleBinding", None, "b3", ("ClusterRole", "cluster-admin"), subject.clone()))
            .await;
    assert_eq!(status, 403);
    assert!(message.ends_with("not currently held:\n{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}"), "{message}");
    assert_eq!(
        post("rolebindings", binding("RoleBinding", None, "b4", ("ClusterRole", "nope"), subject.clone())).await,
        (404, "rolebindings.rbac.authorization.k8s.io \"nope\" not found".to_owned())
    );

    // A binding to a role that is missing shows in refusals.
    cluster.create(binding("RoleBinding", Some("default"), "b5", ("ClusterRole", "missing"), subject)).unwrap();
    assert_eq!(
        get(&user, "/api/v1/namespaces/default/secrets/x").await.1,
        "secrets \"x\" is forbidden: User \"restricted\" cannot get resource \"secrets\" in API group \"\" in the namespace \"default\": RBAC: clusterrole.rbac.authorization.k8s.io \"missing\" not found"
    );
}

#[tokio::test]
async fn roles_made_of_others_and_service_accounts() {
    let cluster = Cluster::default();
    cluster.enforce_rbac();
    let aggregate =
        json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "view"}}]}, "rules": []});
    cluster.create(rbac("ClusterRole", None, "view", aggregate)).unwrap();
    let part = json!({"metadata": {"labels": {"to": "view"}}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]});
    cluster.create(rbac("ClusterRole", None, "part", part)).unwrap();
    let subject = json!({"kind": "ServiceAccount", "name": "agent", "namespace": "default"});
    cluster.create(binding("ClusterRoleBinding", None, "agents", ("ClusterRole", "view"), subject)).unwrap();
    let agent = cluster.client_as("system:serviceaccount:default:agent");
    assert_eq!(get(&agent, "/api/v1/configmaps").await.0, 200);
    assert_eq!(get(&agent, "/api/v1/secrets").await.0, 403);

    // A token that the account asks for is the account's.
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let path = "/api/v1/namespaces/default/serviceaccounts/agent/token";
    let (_, token) = send(&cluster.client(), "POST", path, Some(body), &[]).await;
    let bearer = format!("Bearer {}", token["status"]["token"].as_str().unwrap());
    let (status, _) = send(&cluster.client(), "GET", "/api/v1/secrets", None, &[("Authorization", &bearer)]).await;
    assert_eq!(status, 403);
}
