//! Bodies in protobuf: <https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding>

use serde_json::json;

use super::{cases, leases, leases_named};
use crate::conformance::{Failure, Lab, Outcome, Reply};

cases!("protobuf":
    a_body_is_an_object,
    what_lies_flat_in_json_is_read_from_its_struct,
    it_is_known_by_the_bytes_that_it_begins_with,
    what_ends_too_early_is_refused,
    delete_options_are_read,
);

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// A field with bytes, of fewer than 128, with a number under 16.
fn field(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    [&[number << 3 | 2, length][..], payload].concat()
}

/// A field with a small number.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

/// An object in its envelope.
fn object(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let types = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &types), field(2, raw), field(3, b""), field(4, b"")].concat()
}

async fn post(lab: &Lab, path: &str, body: Vec<u8>) -> Result<Reply, Failure> {
    lab.request("POST", path).body(PROTOBUF, body).send().await
}

async fn a_body_is_an_object(lab: &Lab) -> Outcome {
    let entry = |key: &[u8], value: &[u8]| [field(1, key), field(2, value)].concat();
    let metadata = [field(1, b"a"), field(2, b""), field(3, b""), field(11, &entry(b"k", b"label"))].concat();
    let raw =
        [field(1, &metadata), field(2, &entry(b"k", b"text")), field(3, &entry(b"b", &[0, 1])), number(4, 1)].concat();
    let reply = post(lab, &lab.maps(""), object("v1", "ConfigMap", &raw)).await?.expect(201)?;
    let reply = reply.expect_at("/metadata/name", "a")?.expect_at("/metadata/labels", json!({"k": "label"}))?;
    let reply = reply.expect_at("/data", json!({"k": "text"}))?.expect_at("/binaryData", json!({"b": "AAE="}))?;
    reply.expect_at("/immutable", true)?;
    Ok(())
}

async fn what_lies_flat_in_json_is_read_from_its_struct(lab: &Lab) -> Outcome {
    // A volume that is a Secret, a port with a name, and an amount of processor time.
    let port = [number(1, 1), number(2, 0), field(3, b"http")].concat();
    let probe = [field(1, &field(2, &[field(1, b"/"), field(2, &port)].concat())), number(2, 5)].concat();
    let requests = field(2, &[field(1, b"cpu"), field(2, &field(1, b"100m"))].concat());
    let container =
        [field(1, b"main"), field(2, b"example.com/app:1"), field(8, &requests), field(11, &probe)].concat();
    let volume = [field(1, b"v"), field(2, &field(6, &field(1, b"s")))].concat();
    let raw = [field(1, &field(1, b"a")), field(2, &[field(1, &volume), field(2, &container)].concat())].concat();
    let reply = post(lab, &lab.path("v1", "pods"), object("v1", "Pod", &raw)).await?.expect(201)?;
    let reply = reply.expect_at("/spec/volumes/0/secret/secretName", "s")?;
    let reply = reply.expect_at("/spec/containers/0/resources/requests/cpu", "100m")?;
    let reply = reply.expect_at("/spec/containers/0/readinessProbe/httpGet/port", "http")?;
    reply.expect_at("/spec/containers/0/readinessProbe/initialDelaySeconds", 5)?;
    Ok(())
}

async fn it_is_known_by_the_bytes_that_it_begins_with(lab: &Lab) -> Outcome {
    let body = br#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}"#.to_vec();
    let reply = post(lab, &lab.maps(""), body).await?.expect_error(400, "BadRequest")?;
    reply.expect_in_message("does not appear to be a protobuf message")?;
    Ok(())
}

async fn what_ends_too_early_is_refused(lab: &Lab) -> Outcome {
    let reply = post(lab, &lab.maps(""), object("v1", "ConfigMap", &[0x0a, 5, 1])).await?;
    reply.expect_error(400, "BadRequest")?.expect_in_message("unexpected EOF")?;
    Ok(())
}

async fn delete_options_are_read(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let uid = field(2, &field(1, b"11111111-2222-3333-4444-555555555555"));
    let body = object("v1", "DeleteOptions", &uid);
    let reply = lab.request("DELETE", &leases(lab, "/a")).body(PROTOBUF, body).send().await?;
    reply.expect_error(409, "Conflict")?.expect_in_message("does not match the UID in record")?;
    Ok(())
}
