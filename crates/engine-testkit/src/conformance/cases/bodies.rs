//! Bodies: content types, broken ones, huge ones, deep ones.

use serde_json::{Value, json};

use super::{cases, gadget, group_of, lease_object, leases, leases_named, serve_gadgets};
use crate::conformance::{Failure, Lab, Outcome, Patch, Reply};

cases!("bodies":
    json_is_read_without_a_content_type,
    json_with_a_character_set_is_read,
    yaml_is_read,
    json_is_read_as_yaml,
    only_the_first_yaml_document_is_read,
    other_content_types_are_refused,
    content_types_of_patches_are_refused_elsewhere,
    a_content_type_that_is_none_is_refused,
    other_content_types_are_refused_for_patches,
    custom_kinds_name_their_patches,
    broken_json_is_refused,
    an_empty_body_is_refused,
    text_after_the_object_is_refused,
    a_body_that_is_no_object_is_refused,
    a_byte_order_mark_is_refused,
    bytes_that_are_no_text_are_shown_in_hexadecimal,
    broken_yaml_is_refused,
    a_yaml_list_is_refused,
    a_yaml_anchor_in_itself_is_refused,
    an_empty_object_needs_a_name,
    a_missing_kind_is_that_of_the_path,
    another_kind_is_refused,
    another_version_is_refused,
    another_group_is_refused,
    an_unknown_kind_is_refused,
    a_kind_that_is_no_text_is_refused,
    metadata_that_is_no_object_is_refused,
    a_name_that_is_no_text_is_refused,
    labels_that_are_no_texts_are_refused,
    custom_kinds_need_their_kind,
    custom_kinds_refuse_other_kinds,
    custom_kinds_refuse_other_versions,
    custom_kinds_refuse_broken_json,
    nothing_deeper_than_ten_thousand_is_read,
    what_is_deep_and_unknown_is_dropped,
    what_is_deep_and_known_is_whole_or_refused,
    ninety_levels_are_kept,
    a_deep_patch_is_whole_or_refused,
    copies_in_each_other_do_no_harm,
    deep_yaml_does_no_harm,
    a_body_of_more_than_three_megabytes_is_refused,
    a_config_map_of_more_than_a_megabyte_is_refused,
    a_patch_that_is_no_json_is_refused,
    a_json_patch_that_is_no_list_is_refused,
    an_apply_that_is_no_yaml_is_refused,
    a_body_of_a_read_is_not_read,
    delete_options_of_another_kind_are_refused,
    broken_delete_options_are_refused,
    a_duplicate_key_is_warned_of,
    an_unknown_field_is_warned_of,
);

async fn post(lab: &Lab, content_type: &str, body: impl Into<bytes::Bytes>) -> Result<Reply, Failure> {
    lab.request("POST", &lab.maps("?dryRun=All")).body(content_type, body).send().await
}

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

/// What cannot be told what it is.
async fn unrecognized(lab: &Lab, content_type: &str, body: impl Into<bytes::Bytes>, why: &str) -> Outcome {
    let reply = post(lab, content_type, body).await?.expect_error(400, "BadRequest")?;
    reply.expect_message(&format!("the object provided is unrecognized (must be of type ConfigMap): {why}"))?;
    Ok(())
}

async fn json_is_read_without_a_content_type(lab: &Lab) -> Outcome {
    post(lab, "", map("a").to_string()).await?.expect(201)?;
    Ok(())
}

async fn json_with_a_character_set_is_read(lab: &Lab) -> Outcome {
    post(lab, "application/json; charset=utf-8", map("a").to_string()).await?.expect(201)?;
    Ok(())
}

async fn yaml_is_read(lab: &Lab) -> Outcome {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: |\n    two\n    lines\n";
    let reply = post(lab, YAML, text).await?.expect(201)?.expect_header("content-type", JSON)?;
    reply.expect_at("/data/key", "two\nlines\n")?;
    Ok(())
}

async fn json_is_read_as_yaml(lab: &Lab) -> Outcome {
    post(lab, YAML, map("a").to_string()).await?.expect(201)?;
    Ok(())
}

async fn only_the_first_yaml_document_is_read(lab: &Lab) -> Outcome {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n";
    post(lab, YAML, text).await?.expect(201)?.expect_at("/metadata/name", "a")?;
    Ok(())
}

const UNKNOWN_FORMAT: &str = "the body of the request was in an unknown format - accepted media types include: ";

async fn other_content_types_are_refused(lab: &Lab) -> Outcome {
    for content_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded"] {
        let reply = post(lab, content_type, map("a").to_string()).await?.expect_error(415, "UnsupportedMediaType")?;
        reply.expect_message(&format!(
            "{UNKNOWN_FORMAT}application/json, application/yaml, application/vnd.kubernetes.protobuf"
        ))?;
    }
    Ok(())
}

async fn content_types_of_patches_are_refused_elsewhere(lab: &Lab) -> Outcome {
    let object = map("a").to_string();
    post(lab, "application/merge-patch+json", object.clone()).await?.expect_error(415, "UnsupportedMediaType")?;
    let put = lab.request("PUT", &lab.maps("/a")).body("application/apply-patch+yaml", object);
    put.send().await?.expect_error(415, "UnsupportedMediaType")?;
    Ok(())
}

async fn a_content_type_that_is_none_is_refused(lab: &Lab) -> Outcome {
    for content_type in ["garbage", "application/json;foo"] {
        post(lab, content_type, map("a").to_string()).await?.expect_error(415, "UnsupportedMediaType")?;
    }
    Ok(())
}

async fn other_content_types_are_refused_for_patches(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for content_type in [JSON, YAML, "text/plain"] {
        let reply = lab.request("PATCH", &leases(lab, "/a")).body(content_type, "{}").send().await?;
        let reply = reply.expect_error(415, "UnsupportedMediaType")?;
        reply.expect_message("415: Unsupported Media Type")?.expect_at("/details", json!({}))?;
    }
    Ok(())
}

async fn custom_kinds_name_their_patches(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    lab.create(&path, gadget(lab, "a", json!({}))).await?;
    for content_type in [JSON, Patch::Strategic.media_type()] {
        let reply = lab.request("PATCH", &format!("{path}/a")).body(content_type, "{}").send().await?;
        let reply = reply.expect_error(415, "UnsupportedMediaType")?;
        reply.expect_message(&format!(
            "{UNKNOWN_FORMAT}application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        ))?;
    }
    Ok(())
}

async fn broken_json_is_refused(lab: &Lab) -> Outcome {
    let why = "couldn't get version/kind; json parse error: unexpected end of JSON input ({)";
    unrecognized(lab, JSON, "{", why).await?;
    for body in ["{\"a\":}", "{a: b}", "{\"a\": 1,}"] {
        let reply = post(lab, JSON, body).await?.expect_error(400, "BadRequest")?;
        reply.expect_in_message("couldn't get version/kind; json parse error: invalid character ")?;
    }
    Ok(())
}

async fn an_empty_body_is_refused(lab: &Lab) -> Outcome {
    let why = "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)";
    unrecognized(lab, JSON, "", why).await?;
    let reply = lab.request("POST", &lab.maps("")).send().await?.expect_error(400, "BadRequest")?;
    reply.expect_in_message("unexpected end of JSON input")?;
    Ok(())
}

async fn text_after_the_object_is_refused(lab: &Lab) -> Outcome {
    let reply = post(lab, JSON, format!("{}x", map("a"))).await?.expect_error(400, "BadRequest")?;
    reply.expect_in_message("json parse error: invalid character 'x' after top-level value")?;
    let reply = post(lab, JSON, format!("{0} {0}", map("a"))).await?.expect_error(400, "BadRequest")?;
    reply.expect_in_message("json parse error: invalid character '{' after top-level value")?;
    Ok(())
}

async fn a_body_that_is_no_object_is_refused(lab: &Lab) -> Outcome {
    for (body, what, shown) in [("[]", "array", "5b5d"), ("\"x\"", "string", "227822"), ("1", "number", "31")] {
        let why = format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {what} into Go value of type struct {{ \
             APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }} ({shown})"
        );
        unrecognized(lab, JSON, body, &why).await?;
    }
    Ok(())
}

async fn a_byte_order_mark_is_refused(lab: &Lab) -> Outcome {
    let reply = post(lab, JSON, format!("\u{feff}{}", map("a"))).await?.expect_error(400, "BadRequest")?;
    reply.expect_in_message("json parse error: invalid character 'ï' looking for beginning of value")?;
    Ok(())
}

async fn bytes_that_are_no_text_are_shown_in_hexadecimal(lab: &Lab) -> Outcome {
    let why =
        "couldn't get version/kind; json parse error: invalid character 'ÿ' looking for beginning of value (fffe7b7d)";
    unrecognized(lab, JSON, b"\xff\xfe{}".to_vec(), why).await
}

async fn broken_yaml_is_refused(lab: &Lab) -> Outcome {
    for text in ["a: [", "a: a: a"] {
        let reply = post(lab, YAML, text).await?.expect_error(400, "BadRequest")?;
        reply.expect_in_message("the object provided is unrecognized (must be of type ConfigMap): yaml: ")?;
    }
    Ok(())
}

async fn a_yaml_list_is_refused(lab: &Lab) -> Outcome {
    let reply = post(lab, YAML, "- a").await?.expect_error(400, "BadRequest")?;
    reply.expect_in_message("json: cannot unmarshal array into Go value")?;
    Ok(())
}

async fn a_yaml_anchor_in_itself_is_refused(lab: &Lab) -> Outcome {
    let reply = post(lab, YAML, "a: &a [*a]").await?.expect_error(400, "BadRequest")?;
    reply.expect_in_message("the object provided is unrecognized (must be of type ConfigMap): yaml: ")?;
    Ok(())
}

async fn an_empty_object_needs_a_name(lab: &Lab) -> Outcome {
    for (content_type, body) in [(JSON, "{}"), (JSON, "null"), (YAML, ""), (YAML, "{}")] {
        let reply = post(lab, content_type, body).await?.expect_error(422, "Invalid")?;
        let reply = reply.expect_causes(&[("FieldValueRequired", "metadata.name")])?;
        reply.expect_message(
            "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
        )?;
    }
    Ok(())
}

async fn a_missing_kind_is_that_of_the_path(lab: &Lab) -> Outcome {
    for object in [
        json!({"metadata": {"name": "a"}}),
        json!({"kind": "ConfigMap", "metadata": {"name": "a"}}),
        json!({"apiVersion": "v1", "metadata": {"name": "a"}}),
    ] {
        let reply = post(lab, JSON, object.to_string()).await?.expect(201)?;
        reply.expect_at("/kind", "ConfigMap")?.expect_at("/apiVersion", "v1")?;
    }
    Ok(())
}

async fn refused(lab: &Lab, object: Value, message: &str) -> Outcome {
    let reply = post(lab, JSON, object.to_string()).await?.expect_error(400, "BadRequest")?;
    reply.expect_in_message(message)?;
    Ok(())
}

async fn another_kind_is_refused(lab: &Lab) -> Outcome {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    refused(lab, object, "Secret in version \"v1\" cannot be handled as a ConfigMap: ").await
}

async fn another_version_is_refused(lab: &Lab) -> Outcome {
    let object = json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let message = "ConfigMap in version \"v2\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for \
                   version \"v2\" in scheme ";
    refused(lab, object, message).await
}

async fn another_group_is_refused(lab: &Lab) -> Outcome {
    let object = json!({"apiVersion": "apps/v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for \
                   version \"apps/v1\" in scheme ";
    refused(lab, object, message).await
}

async fn an_unknown_kind_is_refused(lab: &Lab) -> Outcome {
    let object = json!({"apiVersion": "v1", "kind": "Gadget", "metadata": {"name": "a"}});
    let message = "Gadget in version \"v1\" cannot be handled as a ConfigMap: no kind \"Gadget\" is registered for version \
                   \"v1\" in scheme ";
    refused(lab, object, message).await
}

async fn a_kind_that_is_no_text_is_refused(lab: &Lab) -> Outcome {
    let why = "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go struct field .kind of type \
               string ({\"kind\":[\"x\"]})";
    unrecognized(lab, JSON, "{\"kind\":[\"x\"]}", why).await?;
    let why = "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .apiVersion of \
               type string ({\"apiVersion\":1,\"kind\":\"Config ...)";
    unrecognized(lab, JSON, "{\"apiVersion\":1,\"kind\":\"ConfigMap\"}", why).await
}

async fn metadata_that_is_no_object_is_refused(lab: &Lab) -> Outcome {
    let message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal string into Go struct \
                   field ConfigMap.metadata of type v1.ObjectMeta";
    refused(lab, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": "x"}), message).await
}

async fn a_name_that_is_no_text_is_refused(lab: &Lab) -> Outcome {
    let message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct \
                   field ObjectMeta.metadata.name of type string";
    refused(lab, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": 1}}), message).await
}

async fn labels_that_are_no_texts_are_refused(lab: &Lab) -> Outcome {
    let message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct \
                   field ObjectMeta.metadata.labels of type string";
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"a": 1}}});
    refused(lab, object, message).await
}

async fn custom_kinds_need_their_kind(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    let reply = lab.post(&path, &json!({})).await?.expect_error(400, "BadRequest")?;
    reply.expect_message(
        "the object provided is unrecognized (must be of type Gadget): Object 'Kind' is missing in '{}' ({})",
    )?;
    Ok(())
}

async fn custom_kinds_refuse_other_kinds(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    let mut object = gadget(lab, "a", json!({}));
    object["kind"] = json!("Widget");
    let reply = lab.post(&path, &object).await?.expect_error(422, "Invalid")?;
    let reply = reply.expect_causes(&[("FieldValueInvalid", "kind")])?;
    reply.expect_message(&format!(
        "Widget.{} \"a\" is invalid: kind: Invalid value: \"Widget\": must be Gadget",
        super::group_of(lab)
    ))?;
    Ok(())
}

async fn custom_kinds_refuse_other_versions(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    let mut object = gadget(lab, "a", json!({}));
    let group = super::group_of(lab);
    object["apiVersion"] = json!(format!("{group}/v2"));
    let reply = lab.post(&path, &object).await?.expect_error(400, "BadRequest")?;
    reply.expect_message(&format!(
        "the API version in the data ({group}/v2) does not match the expected API version ({group}/v1)"
    ))?;
    Ok(())
}

async fn custom_kinds_refuse_broken_json(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    let reply = lab.request("POST", &path).body(JSON, "{").send().await?.expect_error(400, "BadRequest")?;
    reply.expect_message(
        "the object provided is unrecognized (must be of type Gadget): couldn't get version/kind; json parse error: \
         unexpected end of JSON input ({)",
    )?;
    let reply = lab.request("POST", &path).body("text/plain", "x").send().await?;
    reply.expect_error(415, "UnsupportedMediaType")?;
    Ok(())
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

fn deep(depth: usize) -> String {
    let value = nested("[", "]", depth);
    format!("{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"a\"}},\"x\":{value}}}")
}

async fn nothing_deeper_than_ten_thousand_is_read(lab: &Lab) -> Outcome {
    for (body, character) in
        [(nested("[", "]", 20_000), '['), (deep(10_000), '['), (nested("{\"a\":", "}", 11_000), '{')]
    {
        let reply = post(lab, JSON, body).await?.expect_error(400, "BadRequest")?;
        reply.expect_in_message(&format!("json parse error: invalid character '{character}' exceeded max depth"))?;
    }
    Ok(())
}

async fn what_is_deep_and_unknown_is_dropped(lab: &Lab) -> Outcome {
    let reply = post(lab, JSON, deep(9_000)).await?.expect(201)?.expect_at("/metadata/name", "a")?;
    reply.expect_at("/x", Value::Null)?;
    Ok(())
}

/// No server may store less than what was sent and say that all is well.
async fn whole_or_refused(lab: &Lab, reply: &Reply, path: &str, depth: usize) -> Outcome {
    match reply.status() {
        400 => reply.ensure(reply.text().contains("exceeded max depth"), "the reason"),
        200 | 201 => {
            let read = lab.get(path).await?.expect(200)?;
            let sent = nested("[", "]", depth);
            read.ensure(read.text().contains(&sent), format!("{depth} lists in each other"))
        }
        _ => reply.ensure(false, "200, 201 or 400"),
    }
}

async fn what_is_deep_and_known_is_whole_or_refused(lab: &Lab) -> Outcome {
    let gadgets = serve_gadgets(lab, json!({})).await?;
    let group = group_of(lab);
    let revisions = lab.path("apps/v1", "controllerrevisions");
    for depth in [50, 96, 99, 100, 101, 150, 2_000, 9_000] {
        let (name, value) = (format!("a{depth}"), nested("[", "]", depth));
        let head = format!("{{\"apiVersion\":\"{group}/v1\",\"kind\":\"Gadget\",\"metadata\":{{\"name\":\"{name}\"}}");
        let body = format!("{head},\"spec\":{{\"x\":{value}}}}}");
        let reply = lab.request("POST", &gadgets).body(JSON, body).send().await?;
        whole_or_refused(lab, &reply, &format!("{gadgets}/{name}"), depth).await?;
        let body = format!("{{\"metadata\":{{\"name\":\"{name}\"}},\"revision\":1,\"data\":{{\"x\":{value}}}}}");
        let reply = lab.request("POST", &revisions).body(JSON, body).send().await?;
        whole_or_refused(lab, &reply, &format!("{revisions}/{name}"), depth).await?;
    }
    Ok(())
}

async fn ninety_levels_are_kept(lab: &Lab) -> Outcome {
    let gadgets = serve_gadgets(lab, json!({})).await?;
    let (mut maps, mut lists) = (json!(1), json!([]));
    for _ in 0..87 {
        (maps, lists) = (json!({"a": maps}), json!([lists]));
    }
    let spec = json!({"maps": maps, "lists": lists});
    lab.create(&gadgets, gadget(lab, "a", spec.clone())).await?.expect_at("/spec", spec.clone())?;
    lab.read(&gadgets).await?.expect_at("/items/0/spec", spec)?;
    Ok(())
}

async fn a_deep_patch_is_whole_or_refused(lab: &Lab) -> Outcome {
    let gadgets = serve_gadgets(lab, json!({})).await?;
    lab.create(&gadgets, gadget(lab, "a", json!({}))).await?;
    let path = format!("{gadgets}/a");
    for depth in [90, 99, 100, 3_000] {
        let value = nested("[", "]", depth);
        let merge = format!("{{\"spec\":{{\"x\":{value}}}}}");
        let reply = lab.request("PATCH", &path).body(Patch::Merge.media_type(), merge).send().await?;
        whole_or_refused(lab, &reply, &path, depth).await?;
        let add = format!("[{{\"op\":\"add\",\"path\":\"/spec/y\",\"value\":{value}}}]");
        let reply = lab.request("PATCH", &path).body(Patch::Json.media_type(), add).send().await?;
        whole_or_refused(lab, &reply, &path, depth).await?;
    }
    Ok(())
}

async fn copies_in_each_other_do_no_harm(lab: &Lab) -> Outcome {
    let gadgets = serve_gadgets(lab, json!({})).await?;
    lab.create(&gadgets, gadget(lab, "a", json!({"a": {}}))).await?;
    let path = format!("{gadgets}/a");
    // Each copies all that is there into its own depth.
    let ends = (0..24).scan(1_usize, |depth, _| Some(std::mem::replace(depth, (*depth * 2).min(2_000))));
    let copies =
        ends.map(|n| json!({"op": "copy", "from": "/spec/a", "path": format!("/spec{}", "/a".repeat(n) + "/a")}));
    let copies = Value::Array(copies.collect());
    let reply = lab.patch(&path, Patch::Json, &copies).await?;
    reply.ensure((400..500).contains(&reply.status()), "a refusal")?;
    // Wide instead of deep.
    let copies = (0..40).map(|n| json!({"op": "copy", "from": "/spec", "path": format!("/spec/w{n}")}));
    let reply = lab.patch(&path, Patch::Json, &Value::Array(copies.collect())).await?;
    reply.ensure((400..500).contains(&reply.status()), "a refusal")?;
    lab.read(&path).await?.expect_at("/spec", json!({"a": {}}))?;
    Ok(())
}

async fn deep_yaml_does_no_harm(lab: &Lab) -> Outcome {
    let reply = post(lab, YAML, nested("[", "]", 30_000)).await?;
    reply.ensure((400..500).contains(&reply.status()), "a refusal")?;
    // And the server is still there.
    lab.read(&lab.maps("")).await?.ensure(true, "a list")
}

async fn a_body_of_more_than_three_megabytes_is_refused(lab: &Lab) -> Outcome {
    let mut object = map("a");
    object["data"] = json!({"x": "v".repeat(3 * 1024 * 1024)});
    let body = object.to_string();
    for (method, path, content_type) in [
        ("POST", lab.maps(""), JSON),
        ("PUT", lab.maps("/a"), JSON),
        ("PATCH", lab.maps("/a"), Patch::Merge.media_type()),
        ("DELETE", lab.maps("/a"), JSON),
    ] {
        let reply = lab.request(method, &path).body(content_type, body.clone()).send().await?;
        let reply = reply.expect_error(413, "RequestEntityTooLarge")?;
        reply.expect_message("Request entity too large: limit is 3145728")?;
    }
    Ok(())
}

async fn a_config_map_of_more_than_a_megabyte_is_refused(lab: &Lab) -> Outcome {
    let mut object = map("a");
    object["data"] = json!({"x": "v".repeat(1024 * 1024)});
    post(lab, JSON, object.to_string()).await?.expect(201)?;
    object["data"] = json!({"x": "v".repeat(1024 * 1024 + 1)});
    let reply = post(lab, JSON, object.to_string()).await?.expect_error(422, "Invalid")?;
    reply.expect_causes(&[("FieldValueTooLong", "[]")])?;
    Ok(())
}

async fn patch(lab: &Lab, kind: Patch, body: &str) -> Result<Reply, Failure> {
    lab.request("PATCH", &leases(lab, "/a?fieldManager=m")).body(kind.media_type(), body.to_owned()).send().await
}

async fn a_patch_that_is_no_json_is_refused(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for kind in [Patch::Json, Patch::Merge, Patch::Strategic] {
        for body in ["{", "", "nonsense"] {
            patch(lab, kind, body).await?.expect_error(400, "BadRequest")?;
        }
    }
    Ok(())
}

async fn a_json_patch_that_is_no_list_is_refused(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    patch(lab, Patch::Json, "{}").await?.expect_error(400, "BadRequest")?;
    patch(lab, Patch::Json, "[1]").await?.expect_error(400, "BadRequest")?;
    Ok(())
}

async fn an_apply_that_is_no_yaml_is_refused(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    patch(lab, Patch::Apply, "a: [").await?.expect_error(400, "BadRequest")?.expect_in_message("yaml")?;
    Ok(())
}

async fn a_body_of_a_read_is_not_read(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let reply = lab.request("GET", &leases(lab, "/a")).body("text/plain", "{").send().await?.expect(200)?;
    reply.expect_at("/metadata/name", "a")?;
    Ok(())
}

async fn delete_options_of_another_kind_are_refused(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let reply = lab.delete_with(&leases(lab, "/a"), &lease_object("a", json!({}))).await?;
    reply.expect_error(400, "BadRequest")?;
    lab.read(&leases(lab, "/a")).await?;
    Ok(())
}

async fn broken_delete_options_are_refused(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    lab.request("DELETE", &leases(lab, "/a")).body(JSON, "{").send().await?.expect_error(400, "BadRequest")?;
    lab.read(&leases(lab, "/a")).await?;
    Ok(())
}

async fn a_duplicate_key_is_warned_of(lab: &Lab) -> Outcome {
    let text = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"name\":\"b\"}}";
    let reply = post(lab, JSON, text).await?.expect(201)?.expect_at("/metadata/name", "b")?;
    reply.expect_header("warning", "299 - \"duplicate field \\\"metadata.name\\\"\"")?;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  name: b\n";
    let reply = post(lab, YAML, text).await?.expect(201)?.expect_at("/metadata/name", "b")?;
    reply.expect_header("warning", "299 - \"line 5: key \\\"name\\\" already set in map\"")?;
    Ok(())
}

async fn an_unknown_field_is_warned_of(lab: &Lab) -> Outcome {
    let mut object = map("a");
    object["gadget"] = json!(1);
    let reply = post(lab, JSON, object.to_string()).await?.expect(201)?.expect_at("/gadget", Value::Null)?;
    reply.expect_header("warning", "299 - \"unknown field \\\"gadget\\\"\"")?;
    Ok(())
}
