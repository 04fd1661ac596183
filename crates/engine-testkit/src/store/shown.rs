//! What reads show of a Service that is not stored so: clients of later versions find the fields that they look for, and
//! an old mistake is seen by nobody. Its status is read as it is stored.

use serde_json::{Map, Value, json};

use crate::json;

/// Makes an object what reads show of it. Returns the stored one, if that is another.
pub(crate) fn hide(object: &mut Value) -> Option<Value> {
    if object["kind"] != "Service" || object["apiVersion"] != "v1" {
        return None;
    }
    let mut shown = object.clone();
    one_address(&mut shown);
    families(&mut shown);
    if is_external(&shown) {
        json::remove(&mut shown, &["spec", "internalTrafficPolicy"]);
    }
    (shown != *object).then(|| std::mem::replace(object, shown))
}

fn is_external(service: &Value) -> bool {
    json::str_at(service, &["spec", "type"]) == "ExternalName"
}

/// The address of before there were several is the first of them.
fn one_address(service: &mut Value) {
    let address = json::str_at(service, &["spec", "clusterIP"]).to_owned();
    if !address.is_empty() && json::list_at(service, &["spec", "clusterIPs"]).is_empty() {
        json::set(service, &["spec", "clusterIPs"], json!([address]));
    }
}

/// The families that addresses of before there were two of them are of.
fn families(service: &mut Value) {
    if is_external(service) || !json::list_at(service, &["spec", "ipFamilies"]).is_empty() {
        return;
    }
    let (policy, families) = if json::str_at(service, &["spec", "clusterIP"]) == "None" {
        match json::map_at(service, &["spec", "selector"]).is_none_or(Map::is_empty) {
            true => ("RequireDualStack", json!(["IPv4", "IPv6"])),
            false => ("SingleStack", json!(["IPv4"])),
        }
    } else {
        let addresses = json::list_at(service, &["spec", "clusterIPs"]).iter().filter_map(Value::as_str);
        let families: Vec<&str> = addresses.map(|a| if a.contains(':') { "IPv6" } else { "IPv4" }).collect();
        match families.len() {
            0 => return,
            1 => ("SingleStack", json!(families)),
            _ => ("RequireDualStack", json!(families)),
        }
    };
    json::set(service, &["spec", "ipFamilyPolicy"], policy);
    json::set(service, &["spec", "ipFamilies"], families);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_policy_and_an_old_address_is_a_list() {
        let spec = json!({"type": "ExternalName", "clusterIP": "None", "internalTrafficPolicy": "Local"});
        let stored = json!({"apiVersion": "v1", "kind": "Service", "spec": spec});
        let mut shown = stored.clone();
        assert_eq!(hide(&mut shown), Some(stored));
        assert_eq!(shown["spec"], json!({"type": "ExternalName", "clusterIP": "None", "clusterIPs": ["None"]}));
        assert_eq!(hide(&mut shown), None);
    }
}
