//! Forms of an answer: <https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources>

use serde_json::{Value, json};

use super::{cases, gadget, lease, leases, leases_named, serve_gadgets};
use crate::conformance::{Failure, Lab, Outcome, Patch, Reply};

cases!("accept":
    json_is_what_comes_without_a_wish,
    yaml_comes_when_asked_for,
    yaml_lists_come_when_asked_for,
    yaml_errors_come_when_asked_for,
    parameters_that_mean_nothing_are_ignored,
    media_types_have_a_case,
    the_first_served_type_wins,
    weights_decide,
    an_unknown_type_is_not_acceptable,
    a_wildcard_of_one_kind_is_not_acceptable,
    an_unknown_type_on_an_unknown_path_is_not_found,
    a_table_of_a_list,
    a_table_of_one_object,
    a_table_has_columns_that_say_what_they_are,
    a_table_of_an_older_version_of_tables,
    a_table_carries_the_token_of_its_page,
    a_table_without_objects,
    a_table_with_whole_objects,
    a_table_with_something_else_is_refused,
    a_table_in_yaml,
    a_table_of_a_custom_kind,
    a_table_of_a_custom_kind_has_its_columns,
    errors_are_no_tables,
    metadata_of_an_object,
    metadata_of_a_list,
    metadata_of_a_page,
    metadata_of_a_write,
    metadata_of_a_list_is_not_metadata_of_an_object,
    a_form_without_a_group_is_not_acceptable,
    a_form_of_an_unknown_version_is_not_acceptable,
    an_unknown_form_is_not_acceptable,
    an_unknown_form_gives_way_to_a_known_one,
    a_custom_kind_has_no_protobuf,
    a_protobuf_wish_gives_way_to_json_for_custom_kinds,
    pretty_answers_have_line_ends,
    pretty_is_only_true_or_one,
    browsers_and_curl_get_pretty_answers,
    json_ends_with_a_line_end,
    writes_answer_in_the_form_that_was_asked_for,
);

const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const ONLY: &str = "only the following media types are accepted: application/json, application/yaml, \
                    application/vnd.kubernetes.protobuf";

async fn get(lab: &Lab, path: &str, accept: &str) -> Result<Reply, Failure> {
    lab.request("GET", path).accept(accept).send().await
}

async fn json_is_what_comes_without_a_wish(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let path = leases(lab, "/a");
    for reply in [lab.get(&path).await?, get(lab, &path, "").await?, get(lab, &path, "*/*").await?] {
        reply.expect(200)?.expect_header("content-type", "application/json")?.expect_at("/kind", "Lease")?;
    }
    Ok(())
}

async fn yaml_comes_when_asked_for(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let reply = get(lab, &leases(lab, "/a"), "application/yaml").await?.expect(200)?;
    let reply = reply.expect_header("content-type", "application/yaml")?;
    let text = reply.text();
    let good = text.starts_with("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata:\n")
        && text.contains("\n  name: a\n");
    reply.ensure(good, "the object in YAML")
}

async fn yaml_lists_come_when_asked_for(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let reply = get(lab, &leases(lab, ""), "application/yaml").await?.expect(200)?;
    let reply = reply.expect_header("content-type", "application/yaml")?;
    reply.ensure(reply.text().contains("\nkind: LeaseList\n"), "the list in YAML")
}

async fn yaml_errors_come_when_asked_for(lab: &Lab) -> Outcome {
    let reply = get(lab, &leases(lab, "/missing"), "application/yaml").await?.expect(404)?;
    let reply = reply.expect_header("content-type", "application/yaml")?;
    let good = reply.text().contains("\nreason: NotFound\n") && reply.text().contains("kind: Status\n");
    reply.ensure(good, "a Status in YAML")
}

async fn parameters_that_mean_nothing_are_ignored(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for accept in [
        "application/json; charset=utf-8",
        "application/json;foo=bar",
        "application/json;profile=nominal",
        "application/json;stream=watch",
    ] {
        get(lab, &leases(lab, "/a"), accept).await?.expect(200)?.expect_header("content-type", "application/json")?;
    }
    Ok(())
}

async fn media_types_have_a_case(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    get(lab, &leases(lab, "/a"), "APPLICATION/JSON").await?.expect_error(406, "NotAcceptable")?;
    // Spaces around parameters do not matter.
    let accept = "application/json ; as=Table ; v=v1 ; g=meta.k8s.io";
    get(lab, &leases(lab, "/a"), accept).await?.expect(200)?.expect_at("/kind", "Table")?;
    Ok(())
}

async fn the_first_served_type_wins(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for (accept, content_type) in [
        ("application/xml,application/json", "application/json"),
        ("application/yaml,application/json", "application/yaml"),
        ("application/json,application/yaml", "application/json"),
        ("text/html,*/*", "application/json"),
    ] {
        get(lab, &leases(lab, "/a"), accept).await?.expect(200)?.expect_header("content-type", content_type)?;
    }
    Ok(())
}

async fn weights_decide(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let accept = "application/json;q=0.5,application/yaml;q=0.9";
    get(lab, &leases(lab, "/a"), accept).await?.expect(200)?.expect_header("content-type", "application/yaml")?;
    Ok(())
}

async fn an_unknown_type_is_not_acceptable(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for accept in ["application/xml", "text/plain", "text/html", "garbage", "application/cbor"] {
        let reply = get(lab, &leases(lab, "/a"), accept).await?.expect_error(406, "NotAcceptable")?;
        reply.expect_in_message("application/json, application/yaml, application/vnd.kubernetes.protobuf")?;
    }
    // Before the object is looked for.
    get(lab, &leases(lab, "/missing"), "application/xml").await?.expect_error(406, "NotAcceptable")?;
    Ok(())
}

async fn a_wildcard_of_one_kind_is_not_acceptable(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    get(lab, &leases(lab, "/a"), "text/*").await?.expect_error(406, "NotAcceptable")?;
    Ok(())
}

async fn an_unknown_type_on_an_unknown_path_is_not_found(lab: &Lab) -> Outcome {
    get(lab, &lab.path("v1", "gadgets"), "application/xml").await?.expect_error(404, "NotFound")?;
    Ok(())
}

async fn a_table_of_a_list(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let list = lab.read(&leases(lab, "")).await?;
    let table = get(lab, &leases(lab, ""), TABLE).await?.expect(200)?.expect_at("/kind", "Table")?;
    let table = table.expect_at("/apiVersion", "meta.k8s.io/v1")?.expect_header("content-type", "application/json")?;
    let table = table
        .expect_at("/rows/0/cells/0", "a")?
        .expect_at("/rows/1/cells/0", "b")?
        .expect_at("/rows/2", Value::Null)?;
    let table = table.expect_at("/rows/0/object/kind", "PartialObjectMetadata")?;
    let table = table.expect_at("/rows/0/object/apiVersion", "meta.k8s.io/v1")?;
    let metadata = list.at("/items/0/metadata").clone();
    let table = table.expect_at("/rows/0/object/metadata", metadata)?;
    table.ensure(table.version().parse::<u64>().is_ok_and(|v| v > 0), "the version of the list")
}

async fn a_table_of_one_object(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({})).await?;
    let table = get(lab, &leases(lab, "/a"), TABLE).await?.expect(200)?.expect_at("/kind", "Table")?;
    let table = table.expect_at("/metadata/resourceVersion", created.version())?;
    table.expect_at("/rows/0/cells/0", "a")?.expect_at("/rows/1", Value::Null)?;
    Ok(())
}

async fn a_table_has_columns_that_say_what_they_are(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let table = get(lab, &leases(lab, ""), TABLE).await?.expect(200)?;
    let table =
        table.expect_at("/columnDefinitions/0/name", "Name")?.expect_at("/columnDefinitions/0/format", "name")?;
    let table =
        table.expect_at("/columnDefinitions/0/type", "string")?.expect_at("/columnDefinitions/0/priority", 0)?;
    let columns = table.at("/columnDefinitions").as_array().map_or(0, Vec::len);
    let cells = table.at("/rows/0/cells").as_array().map_or(0, Vec::len);
    table.ensure(columns == cells && columns > 1, "a cell for each column")
}

async fn a_table_of_an_older_version_of_tables(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let table = get(lab, &leases(lab, ""), "application/json;as=Table;g=meta.k8s.io;v=v1beta1").await?.expect(200)?;
    table.expect_at("/apiVersion", "meta.k8s.io/v1beta1")?.expect_at("/rows/0/cells/0", "a")?;
    Ok(())
}

async fn a_table_carries_the_token_of_its_page(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let table = get(lab, &leases(lab, "?limit=1"), TABLE).await?.expect(200)?.expect_at("/rows/1", Value::Null)?;
    let table = table.expect_at("/metadata/remainingItemCount", 1)?;
    let next = table.str_at("/metadata/continue").to_owned();
    let next = get(lab, &leases(lab, &format!("?limit=1&continue={next}")), TABLE).await?.expect(200)?;
    next.expect_at("/rows/0/cells/0", "b")?;
    Ok(())
}

async fn a_table_without_objects(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let table = get(lab, &leases(lab, "?includeObject=None"), TABLE).await?.expect(200)?;
    let table = table.expect_at("/rows/0/cells/0", "a")?;
    table.ensure(table.at("/rows/0/object").is_null(), "a row without an object")
}

async fn a_table_with_whole_objects(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({})).await?;
    let table = get(lab, &leases(lab, "?includeObject=Object"), TABLE).await?.expect(200)?;
    table.expect_at("/rows/0/object", created.value().clone())?;
    Ok(())
}

async fn a_table_with_something_else_is_refused(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let reply = get(lab, &leases(lab, "?includeObject=Half"), TABLE).await?.expect_error(400, "BadRequest")?;
    reply.expect_message(
        "Unable to convert to Table as requested: includeObject: Invalid value: \"Half\": must be 'Metadata', 'Object', \
         'None', or empty",
    )?;
    // Nobody looks at it in another form.
    lab.read(&leases(lab, "?includeObject=Half")).await?.expect_names(&["a"])?;
    Ok(())
}

async fn a_table_in_yaml(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let reply = get(lab, &leases(lab, ""), "application/yaml;as=Table;g=meta.k8s.io;v=v1").await?.expect(200)?;
    let reply = reply.expect_header("content-type", "application/yaml")?;
    reply.ensure(reply.text().contains("\nkind: Table\n"), "a Table in YAML")
}

async fn a_table_of_a_custom_kind(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    lab.create(&path, gadget(lab, "a", json!({}))).await?;
    let table = get(lab, &path, TABLE).await?.expect(200)?.expect_at("/rows/0/cells/0", "a")?;
    let table = table.expect_at("/columnDefinitions/0/name", "Name")?.expect_at("/columnDefinitions/1/name", "Age")?;
    table.expect_at("/columnDefinitions/1/type", "date")?.expect_at("/columnDefinitions/2", Value::Null)?;
    Ok(())
}

async fn a_table_of_a_custom_kind_has_its_columns(lab: &Lab) -> Outcome {
    let columns = json!([
        {"name": "Color", "type": "string", "jsonPath": ".spec.color", "description": "what it looks like"},
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "priority": 1},
    ]);
    let path = serve_gadgets(lab, json!({"additionalPrinterColumns": columns})).await?;
    lab.create(&path, gadget(lab, "a", json!({"color": "blue", "size": 7}))).await?;
    lab.create(&path, gadget(lab, "b", json!({}))).await?;
    let table = get(lab, &path, TABLE).await?.expect(200)?.expect_at("/columnDefinitions/1/name", "Color")?;
    let table = table.expect_at("/columnDefinitions/1/description", "what it looks like")?;
    let table = table.expect_at("/columnDefinitions/2/priority", 1)?.expect_at("/columnDefinitions/3", Value::Null)?;
    let table = table.expect_at("/rows/0/cells", json!(["a", "blue", 7]))?;
    table.expect_at("/rows/1/cells", json!(["b", null, null]))?;
    Ok(())
}

async fn errors_are_no_tables(lab: &Lab) -> Outcome {
    for accept in [TABLE, METADATA] {
        get(lab, &leases(lab, "/missing"), accept).await?.expect_error(404, "NotFound")?;
    }
    Ok(())
}

async fn metadata_of_an_object(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({"half": "x"})).await?;
    let reply = get(lab, &leases(lab, "/a"), METADATA).await?.expect(200)?;
    let expected =
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": created.at("/metadata")});
    reply.expect_at("", expected)?;
    Ok(())
}

async fn metadata_of_a_list(lab: &Lab) -> Outcome {
    let created = lease(lab, "a", json!({"half": "x"})).await?;
    let reply = get(lab, &leases(lab, ""), METADATA_LIST).await?.expect(200)?;
    let reply = reply.expect_at("/kind", "PartialObjectMetadataList")?.expect_at("/apiVersion", "meta.k8s.io/v1")?;
    let item =
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": created.at("/metadata")});
    reply.expect_at("/items/0", item)?;
    Ok(())
}

async fn metadata_of_a_page(lab: &Lab) -> Outcome {
    leases_named(lab, &["a", "b"]).await?;
    let page = get(lab, &leases(lab, "?limit=1"), METADATA_LIST).await?.expect(200)?.expect_names(&["a"])?;
    let page = page.expect_at("/metadata/remainingItemCount", 1)?;
    let next = leases(lab, &format!("?continue={}", page.str_at("/metadata/continue")));
    get(lab, &next, METADATA_LIST).await?.expect(200)?.expect_names(&["b"])?;
    Ok(())
}

async fn metadata_of_a_write(lab: &Lab) -> Outcome {
    let object = super::lease_object("a", json!({}));
    let reply = lab.request("POST", &leases(lab, "")).accept(METADATA).json(&object).send().await?.expect(201)?;
    reply.expect_at("/kind", "PartialObjectMetadata")?.expect_at("/metadata/name", "a")?;
    let patch = json!({"metadata": {"labels": {"new": "yes"}}}).to_string();
    let request = lab.request("PATCH", &leases(lab, "/a")).accept(METADATA).body(Patch::Merge.media_type(), patch);
    let reply = request.send().await?.expect(200)?.expect_at("/kind", "PartialObjectMetadata")?;
    reply.expect_at("/metadata/labels/new", "yes")?.expect_at("/spec", Value::Null)?;
    Ok(())
}

async fn metadata_of_a_list_is_not_metadata_of_an_object(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let reply = get(lab, &leases(lab, ""), METADATA).await?.expect_error(406, "NotAcceptable")?;
    reply.expect_in_message("you requested PartialObjectMetadata, but the requested object is a list (")?;
    let reply = get(lab, &leases(lab, "/a"), METADATA_LIST).await?.expect_error(406, "NotAcceptable")?;
    reply.expect_in_message("you requested PartialObjectMetadataList, but the requested object is not a list (")?;
    Ok(())
}

async fn not_acceptable(lab: &Lab, accept: &str) -> Outcome {
    for path in [leases(lab, ""), leases(lab, "/a")] {
        get(lab, &path, accept).await?.expect_error(406, "NotAcceptable")?.expect_message(ONLY)?;
    }
    Ok(())
}

async fn a_form_without_a_group_is_not_acceptable(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    not_acceptable(lab, "application/json;as=Table").await?;
    not_acceptable(lab, "application/json;as=Table;g=meta.k8s.io").await?;
    not_acceptable(lab, "application/json;as=Table;v=v1").await
}

async fn a_form_of_an_unknown_version_is_not_acceptable(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    not_acceptable(lab, "application/json;as=Table;g=meta.k8s.io;v=v2").await?;
    not_acceptable(lab, "application/json;as=PartialObjectMetadata;g=example.com;v=v1").await
}

async fn an_unknown_form_is_not_acceptable(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    not_acceptable(lab, "application/json;as=Picture;g=meta.k8s.io;v=v1").await
}

async fn an_unknown_form_gives_way_to_a_known_one(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    let accept = "application/json;as=Picture;g=meta.k8s.io;v=v1,application/json";
    get(lab, &leases(lab, "/a"), accept).await?.expect(200)?.expect_at("/kind", "Lease")?;
    let accept = format!("application/json;as=Picture;g=meta.k8s.io;v=v1,{TABLE},application/json");
    get(lab, &leases(lab, "/a"), &accept).await?.expect(200)?.expect_at("/kind", "Table")?;
    Ok(())
}

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

async fn a_custom_kind_has_no_protobuf(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    get(lab, &path, PROTOBUF).await?.expect(406)?;
    Ok(())
}

async fn a_protobuf_wish_gives_way_to_json_for_custom_kinds(lab: &Lab) -> Outcome {
    let path = serve_gadgets(lab, json!({})).await?;
    let reply = get(lab, &path, &format!("{PROTOBUF},application/json")).await?.expect(200)?;
    reply.expect_header("content-type", "application/json")?.expect_at("/kind", "GadgetList")?;
    Ok(())
}

fn is_pretty(reply: &Reply) -> bool {
    reply.text().starts_with("{\n  \"")
}

async fn pretty_answers_have_line_ends(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for query in ["pretty=true", "pretty=1"] {
        for path in ["/a", ""] {
            let reply = lab.read(&leases(lab, &format!("{path}?{query}"))).await?;
            reply.ensure(is_pretty(&reply), "lines with two spaces each")?;
        }
    }
    let reply = get(lab, &leases(lab, "/a"), "application/json;pretty=1").await?.expect(200)?;
    reply.ensure(is_pretty(&reply), "lines with two spaces each")?;
    let reply = lab.get(&leases(lab, "/missing?pretty=true")).await?.expect(404)?;
    reply.ensure(is_pretty(&reply), "lines with two spaces each")
}

async fn pretty_is_only_true_or_one(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for query in ["", "?pretty=false", "?pretty=0", "?pretty=x"] {
        let reply = lab.read(&leases(lab, &format!("/a{query}"))).await?;
        reply.ensure(!is_pretty(&reply), "one line")?;
    }
    Ok(())
}

async fn browsers_and_curl_get_pretty_answers(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for (agent, pretty) in
        [("curl/8.5.0", true), ("Mozilla/5.0 (X11)", true), ("Wget/1.21", true), ("kubectl/v1.36.0", false)]
    {
        let reply = lab.request("GET", &leases(lab, "/a")).header("user-agent", agent).send().await?.expect(200)?;
        reply.ensure(
            is_pretty(&reply) == pretty,
            format!("{} answer for {agent}", if pretty { "a pretty" } else { "a plain" }),
        )?;
    }
    Ok(())
}

async fn json_ends_with_a_line_end(lab: &Lab) -> Outcome {
    leases_named(lab, &["a"]).await?;
    for path in ["/a", "", "/missing"] {
        let reply = lab.get(&leases(lab, path)).await?;
        reply.ensure(reply.text().ends_with("}\n"), "a line end after the object")?;
    }
    Ok(())
}

async fn writes_answer_in_the_form_that_was_asked_for(lab: &Lab) -> Outcome {
    let object = super::lease_object("a", json!({}));
    let reply = lab.request("POST", &leases(lab, "")).accept(TABLE).json(&object).send().await?.expect(201)?;
    reply.expect_at("/kind", "Table")?.expect_at("/rows/0/cells/0", "a")?;
    let reply =
        lab.request("POST", &leases(lab, "")).accept("application/yaml").json(&object).send().await?.expect(409)?;
    let reply = reply.expect_header("content-type", "application/yaml")?;
    reply.ensure(reply.text().contains("reason: AlreadyExists"), "a Status in YAML")
}
