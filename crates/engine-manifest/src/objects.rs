//! From documents to objects.

use gitops_engine_core::{Declared, Error, ErrorKind, Key, Manifest, Place, TreePath, Value};

use crate::yaml::{self, Document};

/// What to do about a document that was never meant for Kubernetes.
const STRANGER: &str =
    "exclude the file, or mark it with the comment `# +argocd:skip-file-rendering`, if it is for something else";

/// The objects of a text, and what is wrong with it.
#[derive(Default)]
pub(crate) struct Objects {
    pub declared: Vec<Declared>,
    pub errors: Vec<Error>,
}

impl Objects {
    /// Reads the text of a file.
    pub(crate) fn file(&mut self, file: &TreePath, text: &str, options: &yaml::Options) {
        match yaml::parse(text, options) {
            Ok(documents) => {
                for document in documents {
                    let index = document.index;
                    let place = |line| Place { file: file.clone(), line: Some(line), document: index };
                    let (stranger, before) = (is_stranger(&document.value), self.errors.len());
                    self.document(document, place);
                    if stranger {
                        let errors = self.errors.split_off(before);
                        self.errors.extend(errors.into_iter().map(|error| error.help(STRANGER)));
                    }
                }
            }
            Err(errors) => self.errors.extend(errors.into_iter().map(|error| error.in_file(file))),
        }
    }

    /// Takes one document, with the places of its lines.
    pub(crate) fn document(&mut self, document: Document, place: impl Fn(u32) -> Place) {
        let Document { line, item_lines, value, .. } = document;
        self.object(value, &place(line), &|item| item_lines.get(item).map(|line| place(*line)));
    }

    fn object(&mut self, value: Value, place: &Place, item_place: &dyn Fn(usize) -> Option<Place>) {
        if !is_list(&value) {
            match Manifest::from_value(value) {
                Ok(manifest) => self.declared.push(Declared::new(manifest, place.clone())),
                Err(error) => self.errors.push(error.at(place.clone())),
            }
            return;
        }
        let inherited = inherited(&value);
        let items = match take_items(value) {
            Value::Array(items) => items,
            // Go writes an empty list as null.
            Value::Null => return,
            other => {
                let message = format!("`items` of a List must be a list, this is {}", other.type_name());
                self.errors.push(Error::new(ErrorKind::InvalidInput, message).at(place.clone()));
                return;
            }
        };
        for (number, mut item) in items.into_iter().enumerate() {
            let place = item_place(number).unwrap_or_else(|| place.clone());
            if let (Some((api_version, kind)), Value::Object(map)) = (&inherited, &mut item) {
                for (key, value) in [("apiVersion", api_version), ("kind", kind)] {
                    if map.get(key).is_none() {
                        map.insert(Key::new(key), value.as_str().into());
                    }
                }
            }
            // The lines of lists in lists are not known; they have the line of the outer item.
            self.object(item, &place, &|_| None);
        }
    }
}

/// Values of a chart, a kustomization, the configuration of some tool.
fn is_stranger(value: &Value) -> bool {
    value.get("kind").is_none()
        || value.text(["apiVersion"]).is_none_or(|version| version.starts_with("kustomize.config.k8s.io/"))
}

/// `v1 List`, or a typed list such as `ConfigMapList`, as API servers return them and `kubectl get -o yaml` writes them.
///
/// An object of a kind that merely ends in `List` has a name, a list has none
/// ([ListMeta](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/list-meta/)).
fn is_list(value: &Value) -> bool {
    let Some(kind) = value.text(["kind"]) else { return false };
    let unnamed = value.path(["metadata", "name"]).is_none() && value.path(["metadata", "generateName"]).is_none();
    match kind {
        "List" => value.text(["apiVersion"]) == Some("v1") || (unnamed && value.get("items").is_some()),
        kind => kind.ends_with("List") && unnamed && value.get("items").is_some(),
    }
}

/// What the items of a typed list do not repeat: `apiVersion` and `kind`.
fn inherited(list: &Value) -> Option<(String, String)> {
    let kind = list.text(["kind"])?.strip_suffix("List").filter(|kind| !kind.is_empty())?;
    Some((list.text(["apiVersion"])?.to_owned(), kind.to_owned()))
}

fn take_items(mut list: Value) -> Value {
    list.unset(&["items"]).unwrap_or_default()
}
