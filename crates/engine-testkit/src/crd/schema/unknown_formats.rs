//! Formats that a server knows for a type. It warns about others, and asks nothing of them.

use serde_json::Value;

use super::any;
use crate::json::{list_at, str_at};

/// Of texts, without dashes.
const TEXTS: [&str; 26] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// Whether a server knows a format of a type, which may be left out.
pub(in crate::crd) fn is_known(format: &str, kind: &str) -> bool {
    match kind {
        "" | "string" => TEXTS.contains(&format.replace('-', "").as_str()),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}

/// The formats of a definition that a server does not know.
pub(crate) fn unknown_formats(definition: &Value) -> Vec<String> {
    let found = std::cell::RefCell::new(Vec::new());
    for version in list_at(definition, &["spec", "versions"]) {
        any(&version["schema"]["openAPIV3Schema"], &|schema| {
            let format = str_at(schema, &["format"]);
            if !format.is_empty() && !is_known(format, str_at(schema, &["type"])) {
                found.borrow_mut().push(format.to_owned());
            }
            false
        });
    }
    found.into_inner()
}
