//! Objects in protobuf, as typed Go clients and some commands of kubectl send them.
//!
//! The envelope: <https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding>. Numbers of fields are
//! those of the Go types; the wire format: <https://protobuf.dev/programming-guides/encoding/>.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Shape, Struct};
use crate::json::MAX_DEPTH;

const MAGIC: &[u8] = b"k8s\0";
const TRUNCATED: &str = "unexpected EOF";

/// Reads an object with its envelope.
///
/// # Errors
/// Why it cannot be read, in the words of Go's decoder where it has some.
pub(crate) fn decode(body: &[u8]) -> Result<Value, String> {
    let envelope = body
        .strip_prefix(MAGIC)
        .ok_or("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")?;
    let envelope = Message::read(envelope)?;
    let types = envelope.message(1)?;
    let (api_version, kind) = (types.text(1)?, types.text(2)?);
    let of = Struct::of_kind(&api_version, &kind)
        // Every group has these two.
        .or_else(|| Struct::of_kind("v1", &kind).filter(|_| kind == "DeleteOptions"))
        .or_else(|| Struct::of_kind("v1", &kind).filter(|_| kind == "Scale" && api_version == "autoscaling/v1"))
        .ok_or_else(|| format!("no kind {kind:?} is registered for version {api_version:?} in scheme"))?;
    let mut object = of_struct(&Message::read(envelope.bytes(2).unwrap_or_default())?, of, 0)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

/// What one field has on the wire.
#[derive(Debug, Clone, Copy)]
enum Payload<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Payload<'a> {
    fn bytes(self) -> Result<&'a [u8], String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err("proto: wrong wireType = 0".to_owned()),
        }
    }

    fn number(self) -> Result<u64, String> {
        match self {
            Self::Number(n) => Ok(n),
            Self::Bytes(_) => Err("proto: wrong wireType = 2".to_owned()),
        }
    }
}

/// A message, its fields in the order in which they were sent.
struct Message<'a>(Vec<(u64, Payload<'a>)>);

impl<'a> Message<'a> {
    fn read(mut rest: &'a [u8]) -> Result<Self, String> {
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let tag = varint(&mut rest)?;
            let payload = match tag & 7 {
                0 => Payload::Number(varint(&mut rest)?),
                1 => Payload::Number(u64::from_le_bytes(fixed(&mut rest)?)),
                2 => {
                    let length = usize::try_from(varint(&mut rest)?).map_err(|_| TRUNCATED)?;
                    Payload::Bytes(rest.split_off(..length).ok_or(TRUNCATED)?)
                }
                5 => Payload::Number(u32::from_le_bytes(fixed(&mut rest)?).into()),
                other => return Err(format!("proto: illegal wireType {other}")),
            };
            if tag >> 3 == 0 {
                return Err(format!("proto: illegal tag 0 (wire type {})", tag & 7));
            }
            fields.push((tag >> 3, payload));
        }
        Ok(Self(fields))
    }

    fn all(&self, number: u64) -> impl DoubleEndedIterator<Item = Payload<'a>> {
        self.0.iter().filter(move |(n, _)| *n == number).map(|(_, payload)| *payload)
    }

    /// The last one counts, as for every decoder.
    fn one(&self, number: u64) -> Option<Payload<'a>> {
        self.all(number).next_back()
    }

    fn bytes(&self, number: u64) -> Option<&'a [u8]> {
        self.one(number)?.bytes().ok()
    }

    fn message(&self, number: u64) -> Result<Message<'a>, String> {
        Message::read(self.bytes(number).unwrap_or_default())
    }

    fn text(&self, number: u64) -> Result<String, String> {
        text(self.bytes(number).unwrap_or_default())
    }

    /// As the signed numbers that they are.
    fn signed(&self, number: u64) -> i64 {
        self.one(number).and_then(|payload| payload.number().ok()).unwrap_or_default().cast_signed()
    }

    /// What a field has whose struct is embedded in others.
    fn at(&self, path: &[u64]) -> Result<Vec<Payload<'a>>, String> {
        match path {
            [] => Ok(Vec::new()),
            [number] => Ok(self.all(*number).collect()),
            [number, below @ ..] => self.message(*number)?.at(below),
        }
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first().ok_or(TRUNCATED)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("proto: integer overflow".to_owned())
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    rest.split_off(..N).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| TRUNCATED.to_owned())
}

fn text(bytes: &[u8]) -> Result<String, String> {
    // Go keeps what is no UTF-8 until it writes JSON, which replaces it.
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

fn of_struct(message: &Message<'_>, of: &Struct, depth: usize) -> Result<Map<String, Value>, String> {
    if depth > MAX_DEPTH {
        return Err("proto: nested too deeply".to_owned());
    }
    let mut out = Map::new();
    for field in &of.fields {
        let found = message.at(&field.numbers)?;
        if !found.is_empty() {
            out.insert(field.name.to_owned(), value(&found, &field.shape, depth + 1)?);
        }
    }
    Ok(out)
}

/// The value of a field that is there at least once.
fn value(found: &[Payload<'_>], shape: &Shape, depth: usize) -> Result<Value, String> {
    match shape {
        Shape::List(inner, _) => {
            let items = found.iter().map(|payload| one(*payload, inner, depth));
            Ok(Value::Array(items.collect::<Result<_, _>>()?))
        }
        Shape::Map(inner, _) => {
            let mut out = Map::new();
            for payload in found {
                let entry = Message::read(payload.bytes()?)?;
                let value = match (entry.one(2), &**inner) {
                    // A list within a map is a message of its own.
                    (Some(list), Shape::List(..)) => {
                        value(&Message::read(list.bytes()?)?.all(1).collect::<Vec<_>>(), inner, depth)?
                    }
                    (Some(payload), inner) => one(payload, inner, depth)?,
                    (None, _) => continue,
                };
                out.insert(entry.text(1)?, value);
            }
            Ok(Value::Object(out))
        }
        Shape::Pointer(inner) => value(found, inner, depth),
        _ => found.last().map_or(Ok(Value::Null), |payload| one(*payload, shape, depth)),
    }
}

fn one(payload: Payload<'_>, shape: &Shape, depth: usize) -> Result<Value, String> {
    Ok(match shape {
        Shape::Pointer(inner) => one(payload, inner, depth)?,
        Shape::List(..) | Shape::Map(..) => value(&[payload], shape, depth)?,
        Shape::Bytes => BASE64.encode(payload.bytes()?).into(),
        Shape::Struct(name) => match Struct::named(name) {
            Some(of) => Value::Object(of_struct(&Message::read(payload.bytes()?)?, of, depth)?),
            None => Value::Null,
        },
        Shape::Own(name) => own(&Message::read(payload.bytes()?)?, name, depth)?,
        Shape::Scalar("string", _) => text(payload.bytes()?)?.into(),
        Shape::Scalar("bool", _) => (payload.number()? != 0).into(),
        Shape::Scalar("float64", _) => f64::from_bits(payload.number()?).into(),
        Shape::Scalar("int32" | "int64" | "int", _) => payload.number()?.cast_signed().into(),
        Shape::Scalar(..) => payload.number()?.into(),
    })
}

/// The types that write themselves: as JSON, and so as messages of their own.
fn own(message: &Message<'_>, name: &str, depth: usize) -> Result<Value, String> {
    let schema = |payload: Payload<'_>| one(payload, &Shape::Struct("apiextensions/v1.JSONSchemaProps"), depth + 1);
    Ok(match name {
        "Quantity" => message.text(1)?.into(),
        "Time" | "MicroTime" => time(message, name == "MicroTime"),
        "IntOrString" if message.signed(1) == 0 => message.signed(2).into(),
        "IntOrString" => message.text(3)?.into(),
        "JSON" | "RawExtension" | "FieldsV1" => match message.bytes(1) {
            Some(raw) if !raw.is_empty() => {
                crate::json_text::check(raw, MAX_DEPTH)?;
                serde_json::from_slice(raw).map_err(|e| e.to_string())?
            }
            _ => Value::Null,
        },
        "Duration" => json!(message.signed(1)),
        "JSONSchemaPropsOrBool" => match message.one(2) {
            Some(of) => schema(of)?,
            None => (message.signed(1) != 0).into(),
        },
        "JSONSchemaPropsOrArray" => match message.one(1) {
            Some(of) => schema(of)?,
            None => Value::Array(message.all(2).map(schema).collect::<Result<_, _>>()?),
        },
        "JSONSchemaPropsOrStringArray" => match message.one(1) {
            Some(of) => schema(of)?,
            None => Value::Array(message.all(2).map(|t| Ok(text(t.bytes()?)?.into())).collect::<Result<_, String>>()?),
        },
        _ => return Err(format!("the type {name} cannot be read from protobuf")),
    })
}

/// Nothing at all is Go's zero time, which is `null` in JSON.
fn time(message: &Message<'_>, micros: bool) -> Value {
    if message.0.is_empty() {
        return Value::Null;
    }
    let nanos = i32::try_from(message.signed(2)).unwrap_or_default();
    match Timestamp::new(message.signed(1), if micros { nanos } else { 0 }) {
        Ok(time) if micros => format!("{time:.6}").into(),
        Ok(time) => time.to_string().into(),
        Err(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    fn varint(mut value: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    }

    /// A field with bytes.
    fn bytes(number: u8, payload: &[u8]) -> Vec<u8> {
        [varint(usize::from(number) << 3 | 2), varint(payload.len()), payload.to_vec()].concat()
    }

    fn number(number: u8, value: u8) -> Vec<u8> {
        [varint(usize::from(number) << 3), vec![value]].concat()
    }

    fn object(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let types = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &types), bytes(2, raw), bytes(3, b""), bytes(4, b"")].concat()
    }

    #[test]
    fn maps_bytes_and_metadata() {
        let entry = |value: &[u8]| [bytes(1, b"k"), bytes(2, value)].concat();
        let labels = bytes(11, &entry(b"v"));
        let metadata = [bytes(1, b"a"), bytes(3, b""), bytes(8, &[]), labels].concat();
        let raw = [bytes(1, &metadata), bytes(2, &entry(b"text")), bytes(3, &entry(&[0, 1])), number(4, 1)].concat();
        assert_eq!(
            decode(&object("v1", "ConfigMap", &raw)).unwrap(),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
                "metadata": {"name": "a", "namespace": "", "creationTimestamp": null, "labels": {"k": "v"}},
                "data": {"k": "text"}, "binaryData": {"k": "AAE="},
            })
        );
    }

    #[test]
    fn embedded_structs_lie_flat_and_types_of_their_own_are_read() {
        // A Pod with a volume that is a Secret, and a probe of a port with a name.
        let volume = [bytes(1, b"v"), bytes(2, &bytes(6, &bytes(1, b"s")))].concat();
        let port = [number(1, 1), number(2, 0), bytes(3, b"http")].concat();
        let get = [bytes(1, b"/ready"), bytes(2, &port)].concat();
        let probe = [bytes(1, &bytes(2, &get)), number(2, 5)].concat();
        let requests = bytes(2, &[bytes(1, b"cpu"), bytes(2, &bytes(1, b"100m"))].concat());
        let container = [bytes(1, b"main"), bytes(8, &requests), bytes(11, &probe)].concat();
        let raw = bytes(2, &[bytes(1, &volume), bytes(2, &container)].concat());
        assert_eq!(
            decode(&object("v1", "Pod", &raw)).unwrap()["spec"],
            json!({
                "volumes": [{"name": "v", "secret": {"secretName": "s"}}],
                "containers": [{
                    "name": "main", "resources": {"requests": {"cpu": "100m"}},
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "initialDelaySeconds": 5},
                }],
            })
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let whole = object("v1", "ConfigMap", &bytes(1, &bytes(1, b"a")));
        for end in 4..whole.len() - 4 {
            // Never a panic; some beginnings are messages, too.
            let _either = decode(&whole[..end]);
        }
        assert_eq!(
            decode(b"{}").unwrap_err(),
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        );
        assert!(decode(&object("v1", "Nothing", &[])).unwrap_err().starts_with("no kind \"Nothing\""));
        assert_eq!(decode(&object("v1", "ConfigMap", &[0x0a, 5, 1])).unwrap_err(), TRUNCATED);
        assert_eq!(decode(&object("v1", "ConfigMap", &[0x0b])).unwrap_err(), "proto: illegal wireType 3");
        // Definitions nest without an end.
        let of = Struct::named("apiextensions/v1.JSONSchemaProps").unwrap();
        let not = u8::try_from(of.field("not").unwrap().numbers[0]).unwrap();
        let mut deep = Vec::new();
        for _ in 0..2 * MAX_DEPTH {
            deep = bytes(not, &deep);
        }
        assert_eq!(of_struct(&Message::read(&deep).unwrap(), of, 0).unwrap_err(), "proto: nested too deeply");
    }
}
