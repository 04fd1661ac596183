//! The state of a cluster as YAML: to begin with one, and to look at one.

use serde_json::Value;

use super::{Builder, Cluster};
use crate::{
    admission, crd,
    json::{self, list_at, str_at},
    resources::GroupResource,
    seed::Seed,
    state::State,
    status::{About, ApiError},
    write::{self, Options, Outcome, Target, create},
};

/// A document that a cluster does not take as its state.
#[derive(Debug, Clone, thiserror::Error)]
#[error("document {document} (line {line}){}: {message}", .what.as_deref().map(|w| format!(", {w}")).unwrap_or_default())]
pub struct LoadError {
    document: usize,
    line: usize,
    what: Option<String>,
    message: String,
}

impl LoadError {
    /// The position of the document in the text, from 1.
    #[must_use]
    pub fn document(&self) -> usize {
        self.document
    }

    /// The line of the text where the document begins, or, for text that is no YAML, where that shows; from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    fn of(place: &Place, what: Option<String>, message: impl Into<String>) -> Self {
        Self { document: place.document, line: place.line, what, message: message.into() }
    }
}

/// Where an object stands in the text.
#[derive(Debug, Clone, Copy)]
struct Place {
    document: usize,
    line: usize,
}

impl Builder {
    /// Builds a cluster that has the objects of a YAML text and no others, as [`Cluster::dump_yaml`] writes it. Objects
    /// with a uid and a resourceVersion are taken as they stand, so that the dump of the new cluster is the same text;
    /// others as [`Cluster::load_yaml`] takes them.
    ///
    /// # Errors
    ///
    /// When the text is no YAML, or the API would refuse an object; with the document and line.
    pub fn build_with(self, yaml: &str) -> Result<Cluster, LoadError> {
        let cluster = self.bare().build();
        cluster.load(yaml, true)?;
        Ok(cluster)
    }
}

impl Cluster {
    /// Every object as YAML, one document each, by group, resource, namespace and name. Secrets are in it.
    ///
    /// ```
    /// use gitops_engine_testkit::Cluster;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = Cluster::default();
    /// let text = cluster.dump_yaml();
    /// let copy = Cluster::builder().build_with(&text)?;
    /// assert_eq!(copy.dump_yaml(), text);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn dump_yaml(&self) -> String {
        let mut text = String::new();
        for object in self.dump() {
            text.push_str("---\n");
            // Any JSON value can be written as YAML; if not, JSON is YAML too.
            text.push_str(&serde_saphyr::to_string(&object).unwrap_or_else(|_| format!("{object}\n")));
        }
        text
    }

    /// Puts the objects of a YAML text (documents, or Lists of objects) into the cluster, and says how many they were.
    ///
    /// Each is created as somebody else would create it, with no request in the log, and keeps its uid and status where
    /// the text has them. One with a uid and a resourceVersion comes from a cluster; it is taken as it stands, but for the
    /// resourceVersion, and replaces one of its name. Namespaces and CRDs may stand anywhere in the text.
    ///
    /// ```
    /// use gitops_engine_testkit::Cluster;
    ///
    /// let cluster = Cluster::default();
    /// cluster.load_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").unwrap();
    /// let refused = cluster.load_yaml("
    /// apiVersion: v1
    /// kind: ConfigMap
    /// metadata: {name: settings, namespace: shop}
    /// ---
    /// apiVersion: v1
    /// kind: ConfigMap
    /// metadata: {name: No Such Name, namespace: shop}
    /// ").unwrap_err();
    /// assert_eq!((refused.document(), refused.line()), (2, 6));
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is no YAML, or the API would refuse an object; with the document and line. Objects before it in the
    /// order of creation (Namespaces, CRDs, and then that of the text) stay.
    pub fn load_yaml(&self, yaml: &str) -> Result<usize, LoadError> {
        self.load(yaml, false)
    }

    fn load(&self, yaml: &str, as_it_stands: bool) -> Result<usize, LoadError> {
        let mut objects = parse(yaml)?;
        objects.sort_by_key(|(_, object)| rank(object));
        let mut state = self.inner.state.lock();
        let mut loader = Loader { state: &mut state, options: self.options(), as_it_stands };
        // Those that come from a cluster, in the order in which they were written there.
        let (mut whole, fresh): (Vec<_>, Vec<_>) = objects.into_iter().partition(|(_, o)| is_whole(o));
        let count = whole.len() + fresh.len();
        whole.iter().for_each(|(_, object)| loader.serve(object));
        let namespaces: Vec<String> = whole
            .iter()
            .filter(|(_, o)| rank(o) == 0)
            .map(|(_, o)| str_at(o, &["metadata", "name"]).to_owned())
            .collect();
        whole.sort_by_key(|(_, object)| version_of(object));
        for (place, object) in whole {
            let what = describe(&object);
            loader.restore(object, &namespaces).map_err(|e| LoadError::of(&place, Some(what), e.message))?;
        }
        for (place, object) in fresh {
            let what = describe(&object);
            loader.create(object).map_err(|e| LoadError::of(&place, Some(what), e.message))?;
        }
        loader.go_on_from(yaml);
        drop(state);
        self.inner.wake_controllers();
        Ok(count)
    }
}

struct Loader<'a> {
    state: &'a mut State,
    options: Options,
    as_it_stands: bool,
}

impl Loader<'_> {
    /// A CRD is served from now on, whatever it is waiting for.
    fn serve(&mut self, object: &Value) {
        if rank(object) == 1
            && let Some(resource) = crd::resource_of(object)
        {
            self.state.registry.insert(resource);
        }
    }

    fn create(&mut self, mut object: Value) -> Result<(), ApiError> {
        let (resource, version) = self.state.registry.of_object(&object)?;
        let namespace = match str_at(&object, &["metadata", "namespace"]) {
            "" if resource.namespaced => "default".to_owned(),
            other => other.to_owned(),
        };
        let target =
            Target { resource: &resource, version: &version, namespace: &namespace, name: "", subresource: "" };
        let status = object.get("status").cloned();
        let uid = str_at(&object, &["metadata", "uid"]).to_owned();
        json::remove(&mut object, &["metadata", "resourceVersion"]);
        let answer = create::create(self.state, target, object, &self.options, create::How::Posted)?;
        let Outcome::Stored(stored) = answer.outcome else { return Ok(()) };
        self.serve(&stored.value);
        if !uid.is_empty() {
            let mut value = stored.value.clone();
            json::set(&mut value, &["metadata", "uid"], uid);
            self.state.store.put(&resource.gr, value);
        }
        let (namespace, name) = (stored.namespace().to_owned(), stored.name().to_owned());
        if let Some(status) = status
            && let Some(stored) = self.state.store.get(&resource.gr, &namespace, &name).cloned()
        {
            let mut value = stored.value.clone();
            value["status"] = status;
            write::edit(self.state, &resource, &stored, value, &self.options)?;
        }
        Ok(())
    }

    /// Takes an object of another cluster as it stands, if it could stand there.
    fn restore(&mut self, object: Value, namespaces: &[String]) -> Result<(), ApiError> {
        let (resource, version) = self.state.registry.of_object(&object)?;
        let (namespace, name) = (str_at(&object, &["metadata", "namespace"]), str_at(&object, &["metadata", "name"]));
        if resource.namespaced == namespace.is_empty() {
            let message = if resource.namespaced { "a namespace is required" } else { "it has no namespace" };
            return Err(ApiError::bad_request(message));
        }
        let known = |name: &str| namespaces.iter().any(|n| n == name) || self.state.namespace(name).is_some();
        if resource.namespaced && !known(namespace) {
            return Err(ApiError::not_found(About { group: "", resource: "namespaces", name: namespace }));
        }
        let target = Target { resource: &resource, version: &version, namespace, name, subresource: "" };
        let mut checked = object.clone();
        admission::decode(&target, &mut checked, admission::Source::Body, &self.options)?;
        admission::validate_update(&target, &checked, &checked, &admission::Empties::default(), |_| {})?;
        if self.as_it_stands {
            self.state.store.go_to(version_of(&object).saturating_sub(1));
        }
        let before = self.state.store.get(&resource.gr, namespace, name).cloned();
        let stored = self.state.store.put(&resource.gr, object);
        self.state.registry_follows(&resource.gr, before.as_ref().map(|b| &b.value), Some(&stored.value));
        self.serve(&stored.value);
        Ok(())
    }

    /// Nothing that is given out from now on is what an object of the text has already.
    fn go_on_from(&mut self, yaml: &str) {
        let state = &mut *self.state;
        let hash = yaml
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        state.seed = Seed::new(state.settings.seed ^ hash);
        let services = state.store.objects(&GroupResource::new("", "services"), None);
        let (mut ip, mut port) = (state.next_ip, state.next_port);
        for service in services {
            let address = str_at(&service.value, &["spec", "clusterIP"]).parse::<std::net::Ipv4Addr>();
            if let Ok([10, 96, high, low]) = address.map(|a| a.octets()) {
                ip = ip.max(u32::from(high) << 8 | u32::from(low));
            }
            for given in list_at(&service.value, &["spec", "ports"]) {
                let given = json::i64_at(given, &["nodePort"]).unwrap_or(0) - 30_000;
                port = port.max(u32::try_from(given).unwrap_or(0));
            }
        }
        (state.next_ip, state.next_port) = (ip, port);
    }
}

/// Whether an object comes from a cluster.
fn is_whole(object: &Value) -> bool {
    !str_at(object, &["metadata", "uid"]).is_empty() && version_of(object) > 0
}

fn version_of(object: &Value) -> u64 {
    str_at(object, &["metadata", "resourceVersion"]).parse().unwrap_or(0)
}

/// What others need comes first.
fn rank(object: &Value) -> u8 {
    match (str_at(object, &["apiVersion"]), str_at(object, &["kind"])) {
        ("v1", "Namespace") => 0,
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => 1,
        _ => 2,
    }
}

/// An object by its kind and name.
pub(super) fn describe(object: &Value) -> String {
    let (namespace, name) = (str_at(object, &["metadata", "namespace"]), str_at(object, &["metadata", "name"]));
    let kind = match str_at(object, &["kind"]) {
        "" => "an object without a kind",
        kind => kind,
    };
    match name {
        "" => format!("{kind} without a name"),
        name => format!("{kind} {}", in_namespace(namespace, name)),
    }
}

/// `namespace/name`, or the name alone.
pub(super) fn in_namespace(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// The objects of a text, with their places.
fn parse(yaml: &str) -> Result<Vec<(Place, Value)>, LoadError> {
    let mut objects = Vec::new();
    let mut document = String::new();
    let mut begin = 1;
    let mut number = 0;
    let mut lines = yaml.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        // A block of text is indented, so this can be nothing else.
        let is_border = line == "---" || line.starts_with("--- ") || line == "...";
        if !is_border {
            document.push_str(line);
            document.push('\n');
        }
        if is_border || lines.peek().is_none() {
            number += usize::from(!is_blank(&document));
            read(&document, begin, number, &mut objects)?;
            document.clear();
            begin = at + 1;
            if let Some(rest) = line.strip_prefix("--- ").filter(|_| is_border) {
                document.push_str(rest);
                document.push('\n');
            } else {
                begin += 1;
            }
            if lines.peek().is_none() && is_border && !is_blank(&document) {
                read(&document, begin, number + 1, &mut objects)?;
            }
        }
    }
    Ok(objects)
}

fn is_blank(document: &str) -> bool {
    document.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'))
}

fn read(text: &str, begin: usize, number: usize, objects: &mut Vec<(Place, Value)>) -> Result<(), LoadError> {
    /// As for the body of a request.
    const MAX_DEPTH: usize = 100;
    if is_blank(text) {
        return Ok(());
    }
    let blank = text.lines().take_while(|l| l.trim().is_empty() || l.trim_start().starts_with('#')).count();
    let place = Place { document: number, line: begin + blank };
    let value: Value = serde_saphyr::from_str(text).map_err(|e| {
        let line = e.location().and_then(|l| usize::try_from(l.line()).ok()).map_or(place.line, |l| begin + l - 1);
        LoadError::of(&Place { line, ..place }, None, e.to_string())
    })?;
    if json::deeper_than(&value, MAX_DEPTH) {
        return Err(LoadError::of(&place, None, "the object is nested too deeply"));
    }
    let is_list = str_at(&value, &["kind"]).ends_with("List") && value.get("items").is_some_and(Value::is_array);
    if is_list {
        objects.extend(list_at(&value, &["items"]).iter().map(|object| (place, object.clone())));
    } else if value.is_object() {
        objects.push((place, value));
    } else {
        return Err(LoadError::of(&place, None, "the document is no object"));
    }
    Ok(())
}
