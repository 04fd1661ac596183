//! Formats by name, and what is wrong with a text that should have one.

use super::{Row, member, plain, strings::text};
use crate::{
    admission::names::{self, Rule, complaints, label_1035, prefix_complaint},
    cel::value::{Evaluated, Fail, Meter, Named, Val},
    crd,
};

const FORMAT: &str = "kubernetes.NamedFormat";

pub(super) const TABLE: &[Row] = &[
    of("format.dns1123Label", |_, _| Ok(format("dns1123Label"))),
    of("format.dns1123Subdomain", |_, _| Ok(format("dns1123Subdomain"))),
    of("format.dns1035Label", |_, _| Ok(format("dns1035Label"))),
    of("format.qualifiedName", |_, _| Ok(format("qualifiedName"))),
    of("format.dns1123LabelPrefix", |_, _| Ok(format("dns1123LabelPrefix"))),
    of("format.dns1123SubdomainPrefix", |_, _| Ok(format("dns1123SubdomainPrefix"))),
    of("format.dns1035LabelPrefix", |_, _| Ok(format("dns1035LabelPrefix"))),
    of("format.labelValue", |_, _| Ok(format("labelValue"))),
    of("format.uri", |_, _| Ok(format("uri"))),
    of("format.uuid", |_, _| Ok(format("uuid"))),
    of("format.byte", |_, _| Ok(format("byte"))),
    of("format.date", |_, _| Ok(format("date"))),
    of("format.datetime", |_, _| Ok(format("datetime"))),
    plain("format.named", "string", "optional(kubernetes.NamedFormat)", |v, _| {
        let name = text(&v[0])?;
        let known = NAMES.iter().find(|known| **known == name);
        Ok(known.map_or(Val::Optional(None), |name| Val::some(format(name))))
    }),
    member("validate", "kubernetes.NamedFormat, string", "optional(list(string))", validate),
];

const NAMES: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

const fn of(name: &'static str, run: super::Run) -> Row {
    plain(name, "", FORMAT, run)
}

fn format<'a>(name: &'static str) -> Val<'a> {
    Val::named(Named::Format(name))
}

fn validate<'a>(v: &[Val<'a>], meter: &Meter) -> Evaluated<'a> {
    let Val::Named(named) = &v[0] else { return Err(Fail::Overload) };
    let Named::Format(name) = **named else { return Err(Fail::Overload) };
    let text = text(&v[1])?;
    meter.touch(10 * text.len())?;
    let known =
        |format: &str, wrong: &str| if crd::has_format(format, text) { Vec::new() } else { vec![wrong.to_owned()] };
    let wrong = match name {
        "dns1123Label" => complaints(text, Rule::Label),
        "dns1123Subdomain" => complaints(text, Rule::Subdomain),
        "dns1035Label" => label_1035(text),
        "dns1123LabelPrefix" => prefix_complaint(text, Rule::Label),
        "dns1123SubdomainPrefix" => prefix_complaint(text, Rule::Subdomain),
        "dns1035LabelPrefix" => label_1035(&text.strip_suffix('-').map_or(text.to_owned(), |text| format!("{text}a"))),
        "qualifiedName" => names::key_complaints(text),
        "labelValue" => names::value_complaints(text),
        "uri" => known("uri", "invalid URI"),
        "uuid" => known("uuid", "does not match the UUID format"),
        "byte" => known("byte", "invalid base64"),
        "date" => known("date", "invalid date"),
        _ => known("date-time", "invalid datetime"),
    };
    if wrong.is_empty() {
        return Ok(Val::Optional(None));
    }
    Ok(Val::some(Val::list(wrong.into_iter().map(Val::owned).collect())))
}
