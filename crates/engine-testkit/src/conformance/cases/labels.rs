//! Label selectors: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>

use serde_json::json;

use super::{cases, encoded, lease, leases};
use crate::conformance::{Lab, Outcome};

cases!("labels":
    one_equals_sign_or_two_compare,
    not_equal_selects_what_has_no_such_label,
    in_selects_any_of_the_values,
    notin_selects_what_has_no_such_label,
    a_key_alone_asks_that_it_is_there,
    an_exclamation_mark_asks_that_a_key_is_not_there,
    a_comma_asks_for_both,
    requirements_that_exclude_each_other_select_nothing,
    an_empty_selector_selects_everything,
    spaces_do_not_matter,
    an_empty_value_is_a_value,
    an_empty_list_of_values_has_the_empty_value,
    greater_and_less_compare_numbers,
    greater_and_less_do_not_select_what_is_no_number,
    keywords_may_be_keys_and_values,
    keys_may_have_a_prefix,
    an_operator_without_a_key_is_refused,
    two_operators_are_refused,
    a_value_after_the_value_is_refused,
    a_comma_without_a_requirement_is_refused,
    parentheses_have_to_close,
    values_of_in_need_parentheses,
    values_are_separated_by_commas,
    a_key_needs_an_operator_before_more,
    an_exclamation_mark_needs_a_key,
    parentheses_alone_are_refused,
    greater_and_less_need_a_number,
    a_bad_value_is_refused,
    a_value_that_is_too_long_is_refused,
    a_bad_key_is_refused,
    a_key_that_is_too_long_is_refused,
    a_bad_prefix_is_refused,
    a_prefix_that_is_too_long_is_refused,
    a_refused_selector_ends_a_watch_before_it_begins,
    selectors_select_across_namespaces,
    a_selector_of_many_requirements_is_read,
);

/// What a bad value is told.
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
                     start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
                     for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
/// What a bad name of a key is told.
const NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// Four objects: two halves, numbers from 1 to 3, and one without labels.
async fn fixture(lab: &Lab) -> Outcome {
    lease(lab, "a", json!({"half": "x", "n": "1"})).await?;
    lease(lab, "b", json!({"half": "x", "n": "2"})).await?;
    lease(lab, "c", json!({"half": "y", "n": "3"})).await?;
    lease(lab, "d", json!({})).await?;
    Ok(())
}

async fn selects(lab: &Lab, selector: &str, names: &[&str]) -> Outcome {
    lab.read(&leases(lab, &format!("?labelSelector={}", encoded(selector)))).await?.expect_names(names)?;
    Ok(())
}

async fn refuses(lab: &Lab, selector: &str, message: &str) -> Outcome {
    let reply = lab.get(&leases(lab, &format!("?labelSelector={}", encoded(selector)))).await?;
    reply.expect_error(400, "BadRequest")?.expect_message(message)?;
    Ok(())
}

async fn one_equals_sign_or_two_compare(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "half=x", &["a", "b"]).await?;
    selects(lab, "half==x", &["a", "b"]).await?;
    selects(lab, "half=z", &[]).await
}

async fn not_equal_selects_what_has_no_such_label(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "half!=x", &["c", "d"]).await
}

async fn in_selects_any_of_the_values(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "n in (1,3)", &["a", "c"]).await?;
    selects(lab, "n in (1)", &["a"]).await
}

async fn notin_selects_what_has_no_such_label(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "n notin (1,3)", &["b", "d"]).await
}

async fn a_key_alone_asks_that_it_is_there(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "half", &["a", "b", "c"]).await?;
    selects(lab, "nothing", &[]).await
}

async fn an_exclamation_mark_asks_that_a_key_is_not_there(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "!half", &["d"]).await?;
    selects(lab, "! half", &["d"]).await
}

async fn a_comma_asks_for_both(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "half=x,n=2", &["b"]).await?;
    selects(lab, "half,n!=1,n notin (3)", &["b"]).await
}

async fn requirements_that_exclude_each_other_select_nothing(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "n=1,n=2", &[]).await?;
    selects(lab, "half,!half", &[]).await
}

async fn an_empty_selector_selects_everything(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "", &["a", "b", "c", "d"]).await?;
    selects(lab, "  ", &["a", "b", "c", "d"]).await
}

async fn spaces_do_not_matter(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "  half = x ", &["a", "b"]).await?;
    selects(lab, "half\t=\tx", &["a", "b"]).await?;
    selects(lab, "n  in  ( 1 , 3 )", &["a", "c"]).await?;
    selects(lab, "n in(1,3)", &["a", "c"]).await?;
    selects(lab, "half=x\n,\nn=2", &["b"]).await
}

async fn an_empty_value_is_a_value(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    lease(lab, "e", json!({"half": ""})).await?;
    selects(lab, "half=", &["e"]).await?;
    selects(lab, "half==", &["e"]).await?;
    selects(lab, "half!=,half", &["a", "b", "c"]).await
}

async fn an_empty_list_of_values_has_the_empty_value(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    lease(lab, "e", json!({"half": ""})).await?;
    selects(lab, "half in ()", &["e"]).await?;
    selects(lab, "half in (x,)", &["a", "b", "e"]).await?;
    selects(lab, "half in (,y)", &["c", "e"]).await?;
    selects(lab, "half notin (x,)", &["c", "d"]).await
}

async fn greater_and_less_compare_numbers(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    lease(lab, "e", json!({"n": "10"})).await?;
    selects(lab, "n>2", &["c", "e"]).await?;
    selects(lab, "n > 2", &["c", "e"]).await?;
    selects(lab, "n<3", &["a", "b"]).await?;
    selects(lab, "n>1,n<10", &["b", "c"]).await
}

async fn greater_and_less_do_not_select_what_is_no_number(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    selects(lab, "half>0", &[]).await?;
    selects(lab, "half<9", &[]).await?;
    selects(lab, "nothing>0", &[]).await
}

async fn keywords_may_be_keys_and_values(lab: &Lab) -> Outcome {
    lease(lab, "a", json!({"in": "in", "notin": "notin"})).await?;
    lease(lab, "b", json!({})).await?;
    selects(lab, "in", &["a"]).await?;
    selects(lab, "!notin", &["b"]).await?;
    selects(lab, "in in (in)", &["a"]).await?;
    selects(lab, "notin notin (in)", &["a", "b"]).await?;
    selects(lab, "in=in,notin=notin", &["a"]).await
}

async fn keys_may_have_a_prefix(lab: &Lab) -> Outcome {
    lease(lab, "a", json!({"example.com/part_of": "My.App_1"})).await?;
    selects(lab, "example.com/part_of=My.App_1", &["a"]).await?;
    selects(lab, "other.com/part_of", &[]).await?;
    selects(lab, "Part", &[]).await
}

async fn an_operator_without_a_key_is_refused(lab: &Lab) -> Outcome {
    refuses(lab, "=x", "found '=', expected: !, identifier, or 'end of string'").await?;
    refuses(lab, ",half=x", "found ',', expected: !, identifier, or 'end of string'").await
}

async fn two_operators_are_refused(lab: &Lab) -> Outcome {
    refuses(lab, "half===x", "unable to parse requirement: found '=', expected: identifier").await?;
    refuses(lab, "half = = x", "unable to parse requirement: found '=', expected: identifier").await?;
    refuses(lab, "half=!", "unable to parse requirement: found '!', expected: identifier").await?;
    refuses(lab, "half=(x)", "unable to parse requirement: found '(', expected: identifier").await
}

async fn a_value_after_the_value_is_refused(lab: &Lab) -> Outcome {
    refuses(lab, "half=x=y", "found '=', expected: ',' or 'end of string'").await?;
    refuses(lab, "half==x==y", "found '==', expected: ',' or 'end of string'").await?;
    refuses(lab, "!half=x", "found '=', expected: ',' or 'end of string'").await?;
    refuses(lab, "half in (x) y", "found 'y', expected: ',' or 'end of string'").await?;
    refuses(lab, "half=x\nn=a", "found 'n', expected: ',' or 'end of string'").await
}

async fn a_comma_without_a_requirement_is_refused(lab: &Lab) -> Outcome {
    refuses(lab, "half=x,", "found '', expected: identifier after ','").await?;
    refuses(lab, "half=x,,n=1", "found ',', expected: identifier after ','").await
}

async fn parentheses_have_to_close(lab: &Lab) -> Outcome {
    refuses(lab, "half in (x", "unable to parse requirement: found '', expected: ',' or ')'").await
}

async fn values_of_in_need_parentheses(lab: &Lab) -> Outcome {
    refuses(lab, "half in x", "unable to parse requirement: found 'x' expected: '('").await
}

async fn values_are_separated_by_commas(lab: &Lab) -> Outcome {
    refuses(lab, "half in (x y)", "unable to parse requirement: found 'y', expected: ',' or ')'").await
}

async fn a_key_needs_an_operator_before_more(lab: &Lab) -> Outcome {
    let expected = "expected: in, notin, =, ==, !=, gt, lt";
    refuses(lab, "a b", &format!("unable to parse requirement: found 'b', {expected}")).await?;
    refuses(lab, "half!", &format!("unable to parse requirement: found '!', {expected}")).await?;
    refuses(lab, "half ~ x", &format!("unable to parse requirement: found '~', {expected}")).await
}

async fn an_exclamation_mark_needs_a_key(lab: &Lab) -> Outcome {
    refuses(lab, "!", "unable to parse requirement: found '', expected: identifier").await?;
    refuses(lab, "!!half", "unable to parse requirement: found '!', expected: identifier").await
}

async fn parentheses_alone_are_refused(lab: &Lab) -> Outcome {
    refuses(lab, "(half)", "found '(', expected: !, identifier, or 'end of string'").await
}

async fn greater_and_less_need_a_number(lab: &Lab) -> Outcome {
    for (selector, value) in
        [("n>a", "a"), ("half > x", "x"), ("n<1.5", "1.5"), ("n>99999999999999999999", "99999999999999999999")]
    {
        let message = format!(
            "unable to parse requirement: values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an \
             integer"
        );
        refuses(lab, selector, &message).await?;
    }
    // A sign is no part of a label's value.
    refuses(lab, "n>-1", &format!("unable to parse requirement: values[0][n]: Invalid value: \"-1\": {VALUE}")).await
}

async fn a_bad_value_is_refused(lab: &Lab) -> Outcome {
    for (selector, value) in
        [("half=-x", "-x"), ("half=x-", "x-"), ("half=é", "é"), ("half=\"x\"", "\\\"x\\\""), ("half=x;n=1", "x;n")]
    {
        let message = format!("unable to parse requirement: values[0][half]: Invalid value: \"{value}\": {VALUE}");
        refuses(lab, selector, &message).await?;
    }
    Ok(())
}

async fn a_value_that_is_too_long_is_refused(lab: &Lab) -> Outcome {
    let long = "v".repeat(64);
    let message =
        format!("unable to parse requirement: values[0][half]: Invalid value: {long:?}: must be no more than 63 bytes");
    refuses(lab, &format!("half={long}"), &message).await?;
    refuses(lab, &format!("half in (x,{long})"), &message).await?;
    selects(lab, &format!("half={}", "v".repeat(63)), &[]).await
}

async fn a_bad_key_is_refused(lab: &Lab) -> Outcome {
    for key in [".x", "x@y", "%"] {
        refuses(
            lab,
            &format!("{key}=1"),
            &format!("unable to parse requirement: <nil>: Invalid value: {key:?}: {NAME}"),
        )
        .await?;
    }
    let message =
        format!("unable to parse requirement: <nil>: Invalid value: \"x/\": name part must be non-empty; {NAME}");
    refuses(lab, "x/=1", &message).await?;
    let message = "unable to parse requirement: <nil>: Invalid value: \"bad/key/x\": a valid label key must consist of \
                   alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
                   'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                   '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. \
                   'example.com/MyName')";
    refuses(lab, "bad/key/x=1", message).await
}

async fn a_key_that_is_too_long_is_refused(lab: &Lab) -> Outcome {
    let long = "k".repeat(64);
    let message =
        format!("unable to parse requirement: <nil>: Invalid value: {long:?}: name part must be no more than 63 bytes");
    refuses(lab, &format!("{long}=x"), &message).await
}

async fn a_bad_prefix_is_refused(lab: &Lab) -> Outcome {
    refuses(lab, "/x=1", "unable to parse requirement: <nil>: Invalid value: \"/x\": prefix part must be non-empty")
        .await?;
    for key in ["UPPER.example.com/x", "exa_mple.com/x"] {
        let message = format!(
            "unable to parse requirement: <nil>: Invalid value: {key:?}: prefix part a lowercase RFC 1123 subdomain must \
             consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character \
             (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        );
        refuses(lab, &format!("{key}=1"), &message).await?;
    }
    Ok(())
}

async fn a_prefix_that_is_too_long_is_refused(lab: &Lab) -> Outcome {
    let key = format!("{}/a", "p".repeat(254));
    let message = format!(
        "unable to parse requirement: <nil>: Invalid value: {key:?}: prefix part must be no more than 253 bytes"
    );
    refuses(lab, &format!("{key}=x"), &message).await
}

async fn a_refused_selector_ends_a_watch_before_it_begins(lab: &Lab) -> Outcome {
    let reply = lab.get(&leases(lab, "?watch=true&labelSelector=%3Dx")).await?.expect_error(400, "BadRequest")?;
    reply.expect_message("found '=', expected: !, identifier, or 'end of string'")?;
    Ok(())
}

async fn selectors_select_across_namespaces(lab: &Lab) -> Outcome {
    let of = lab.namespace();
    lease(lab, "a", json!({"of": of})).await?;
    lease(lab, "b", json!({"of": of, "more": "yes"})).await?;
    let path = "/apis/coordination.k8s.io/v1/leases";
    lab.read(&format!("{path}?labelSelector=of%3D{of}")).await?.expect_names(&["a", "b"])?;
    lab.read(&format!("{path}?labelSelector=of%3D{of}%2Cmore")).await?.expect_names(&["b"])?;
    Ok(())
}

async fn a_selector_of_many_requirements_is_read(lab: &Lab) -> Outcome {
    fixture(lab).await?;
    let many: Vec<String> = (0..200).map(|i| format!("!key-{i}")).collect();
    selects(lab, &format!("half=x,{}", many.join(",")), &["a", "b"]).await?;
    let values: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    selects(lab, &format!("n in ({})", values.join(",")), &["a", "b", "c"]).await
}
