//! OpenAPI schemas to types: the same reading of them that the API server's merge has.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use serde_json::Value;

use crate::{
    shipped,
    types::{Field, Format, List, ListKind, Map, Patch, Ref, Scalar, Type, UnknownFields},
};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// Optional fields that Go's encoder writes even when there is nothing in them: OpenAPI does not say so. From the types of
/// `k8s.io/api` and of its neighbours, v0.36.
const WRITTEN: &[(&str, &str)] = &[
    ("io.k8s.api.authentication.v1.TokenRequestSpec", "audiences"),
    ("io.k8s.api.authentication.v1.TokenRequestSpec", "boundObjectRef"),
    ("io.k8s.api.authentication.v1.TokenRequestSpec", "expirationSeconds"),
    ("io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus", "currentMetrics"),
    ("io.k8s.api.core.v1.AzureFilePersistentVolumeSource", "secretNamespace"),
    ("io.k8s.api.core.v1.ContainerImage", "names"),
    ("io.k8s.api.core.v1.GRPCAction", "service"),
    ("io.k8s.api.core.v1.ProjectedVolumeSource", "sources"),
    ("io.k8s.api.core.v1.TypedLocalObjectReference", "apiGroup"),
    ("io.k8s.api.core.v1.TypedObjectReference", "apiGroup"),
    ("io.k8s.api.discovery.v1.EndpointSlice", "endpoints"),
    ("io.k8s.api.discovery.v1.EndpointSlice", "ports"),
    ("io.k8s.api.flowcontrol.v1.LimitedPriorityLevelConfiguration", "nominalConcurrencyShares"),
    ("io.k8s.api.flowcontrol.v1.ResourcePolicyRule", "namespaces"),
    ("io.k8s.api.networking.v1.IngressClassParametersReference", "scope"),
    ("io.k8s.api.rbac.v1.ClusterRole", "rules"),
    ("io.k8s.api.rbac.v1.Role", "rules"),
    ("io.k8s.api.resource.v1.AllocatedDeviceStatus", "conditions"),
    ("io.k8s.api.resource.v1.CapacityRequestPolicy", "default"),
    ("io.k8s.api.resource.v1.DeviceClaim", "requests"),
    ("io.k8s.api.storage.v1.CSINodeDriver", "topologyKeys"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus", "conditions"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus", "storedVersions"),
];

/// Required fields that it leaves out all the same.
const OMITTED: &[(&str, &str)] = &[
    ("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec", "validationActions"),
    ("io.k8s.api.networking.v1.IPAddressSpec", "parentRef"),
    ("io.k8s.api.resource.v1.CapacityRequestPolicyRange", "min"),
    ("io.k8s.api.resource.v1.CounterSet", "counters"),
    ("io.k8s.api.resource.v1.DeviceCounterConsumption", "counters"),
];

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_true(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool) == Some(true)
}

fn atomic(schema: &Value) -> Option<bool> {
    match text(schema, "x-kubernetes-map-type") {
        "atomic" => Some(true),
        "granular" => Some(false),
        _ => None,
    }
}

impl Type {
    pub(crate) fn compile_definition(name: &'static str, openapi: &Value) -> Self {
        let mut out = match name {
            // A string or a number, whatever the schema says.
            QUANTITY => Self { scalar: Some(Scalar::Untyped), format: Some(Format::Quantity), ..Self::default() },
            RAW_EXTENSION => {
                let untyped = Self::untyped();
                Self {
                    scalar: untyped.scalar,
                    list: Some(List { kind: ListKind::Atomic, keys: Vec::new(), items: Ref::Untyped }),
                    map: Some(Map { atomic: true, fields: BTreeMap::new(), rest: Some(Ref::Untyped) }),
                    ..Self::default()
                }
            }
            _ => compile(openapi, false),
        };
        out.name = Some(name);
        for (field, value) in out.map.iter_mut().flat_map(|map| &mut map.fields) {
            let listed = |table: &[(&str, &str)]| table.contains(&(name, field.as_str()));
            value.always_written = (value.required && !listed(OMITTED)) || listed(WRITTEN);
        }
        out
    }

    pub(crate) fn compile_custom(openapi: Option<&Value>, unknown: UnknownFields) -> Self {
        let kept = unknown == UnknownFields::Kept;
        let nothing = serde_json::json!({"type": "object", PRESERVE: true});
        let mut out = compile(openapi.unwrap_or(&nothing), kept);
        resource_fields(&mut out);
        out
    }
}

/// `apiVersion`, `kind` and `metadata`, which every resource has, embedded ones too.
fn resource_fields(of: &mut Type) {
    let Some(map) = &mut of.map else { return };
    let plain = |value: Ref| Field { value, default: None, required: false, always_written: false, patch: None };
    for name in ["apiVersion", "kind"] {
        let string = Type { scalar: Some(Scalar::String), ..Type::default() };
        map.fields.insert(name.to_owned(), plain(Ref::Inline(Arc::new(string))));
    }
    let metadata = shipped::definition(OBJECT_META).map_or(Ref::Deduced, Ref::Named);
    map.fields.insert("metadata".to_owned(), plain(metadata));
}

/// `kept`: fields that no schema names are kept, here and below.
fn compile(schema: &Value, kept: bool) -> Type {
    let kept = kept || is_true(schema, PRESERVE);
    let mut out = Type { format: format(schema), ..Type::default() };
    match text(schema, "type") {
        "object" => out.map = Some(map(schema, kept)),
        "array" => out.list = Some(list(schema, kept)),
        "integer" | "number" => out.scalar = Some(Scalar::Number),
        "boolean" => out.scalar = Some(Scalar::Boolean),
        "string" => {
            let plain = matches!(text(schema, "format"), "" | "byte");
            out.scalar = Some(if plain { Scalar::String } else { Scalar::Untyped });
        }
        "" => {
            out.scalar = Some(Scalar::Untyped);
            out.list = Some(list(schema, kept));
            out.map = Some(map(schema, kept));
        }
        _ => out.scalar = Some(Scalar::Untyped),
    }
    if is_true(schema, "x-kubernetes-embedded-resource") {
        resource_fields(&mut out);
    }
    out
}

fn format(schema: &Value) -> Option<Format> {
    Some(match text(schema, "format") {
        "int32" => Format::Int32,
        "int64" => Format::Int64,
        "double" | "float" => Format::Double,
        "byte" => Format::Byte,
        "date-time" => Format::DateTime,
        "int-or-string" => Format::IntOrString,
        _ => return None,
    })
}

/// What a place refers to: `$ref`, alone or as the only entry of `allOf`, or a schema written out there.
fn reference(schema: &Value, kept: bool) -> Ref {
    let referred = match schema.get("$ref") {
        Some(reference) => reference.as_str(),
        None => match schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            Some([one]) => one.get("$ref").and_then(Value::as_str),
            _ => None,
        },
    };
    let Some(referred) = referred else { return Ref::Inline(Arc::new(compile(schema, kept))) };
    let name = referred.rsplit('/').next().unwrap_or_default();
    match (shipped::definition(name), atomic(schema)) {
        (None, _) => Ref::Deduced,
        (Some(of), None) => Ref::Named(of),
        (Some(of), Some(atomic)) => Ref::Changed { of, atomic, compiled: Arc::new(OnceLock::new()) },
    }
}

fn map(schema: &Value, kept: bool) -> Map {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let fields: BTreeMap<String, Field> = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let field = Field {
                value: reference(property, kept),
                default: property.get("default").filter(|d| !d.is_null()).cloned(),
                required: required.contains(&name.as_str()),
                always_written: false,
                patch: patch(property),
            };
            (name.clone(), field)
        })
        .collect();
    let rest = match schema.get("additionalProperties") {
        Some(Value::Bool(allowed)) => allowed.then_some(Ref::Deduced),
        Some(rest) => Some(reference(rest, kept)),
        None => (kept || fields.is_empty()).then_some(Ref::Deduced),
    };
    Map { atomic: atomic(schema).unwrap_or(false), fields, rest }
}

fn list(schema: &Value, kept: bool) -> List {
    let items = schema.get("items").map_or(Ref::Untyped, |items| reference(items, kept));
    let keys = |key: &str| -> Vec<String> {
        schema
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let (kind, keys) = match text(schema, "x-kubernetes-list-type") {
        "set" => (ListKind::Set, Vec::new()),
        "map" => (ListKind::Map, keys("x-kubernetes-list-map-keys")),
        "atomic" => (ListKind::Atomic, Vec::new()),
        // Older types say it by the way in which a strategic merge patch treats them.
        _ => match (text(schema, "x-kubernetes-patch-strategy"), text(schema, "x-kubernetes-patch-merge-key")) {
            ("merge" | "merge,retainKeys", "") => (ListKind::Set, Vec::new()),
            ("merge" | "merge,retainKeys", key) => (ListKind::Map, vec![key.to_owned()]),
            _ => (ListKind::Atomic, Vec::new()),
        },
    };
    List { kind, keys, items }
}

fn patch(property: &Value) -> Option<Patch> {
    let strategy = property.get("x-kubernetes-patch-strategy")?.as_str()?;
    let has = |word: &str| strategy.split(',').any(|s| s == word);
    let key = text(property, "x-kubernetes-patch-merge-key");
    Some(Patch {
        merge: has("merge"),
        replace: has("replace"),
        retain_keys: has("retainKeys"),
        merge_key: Some(key.to_owned()).filter(|k| !k.is_empty()),
    })
}
