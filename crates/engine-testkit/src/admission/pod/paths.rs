//! Files of one volume that are in each other's way.

use serde_json::Value;

use crate::json::{get, list_at, str_at};

/// A path in a volume and what puts it there.
#[derive(Clone, PartialEq, Eq)]
struct Place {
    path: String,
    source: String,
}

impl Place {
    fn shown(&self) -> String {
        if self.source.is_empty() { format!("{:?}", self.path) } else { format!("{:?} ({})", self.path, self.source) }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let within = |a: &str, b: &str| format!("{a}/").starts_with(&format!("{b}/"));
        !self.path.is_empty()
            && !other.path.is_empty()
            && (within(&self.path, &other.path) || within(&other.path, &self.path))
    }
}

pub(super) fn warnings(spec: &Value, out: &mut Vec<String>) {
    for volume in list_at(spec, &["volumes"]) {
        let name = str_at(volume, &["name"]);
        for (kind, what) in [
            ("configMap", format!("ConfigMap {:?}", str_at(volume, &["configMap", "name"]))),
            ("secret", format!("Secret {:?}", str_at(volume, &["secret", "secretName"]))),
            ("downwardAPI", "DownwardAPI".to_owned()),
        ] {
            overlaps(&places(list_at(volume, &[kind, "items"]), ""), name, &what, out);
        }
        if get(volume, &["projected"]).is_some() {
            projected(volume, name, out);
        }
    }
}

fn projected(volume: &Value, name: &str, out: &mut Vec<String>) {
    let mut all = Vec::new();
    for source in list_at(volume, &["projected", "sources"]) {
        if source.as_object().is_some_and(serde_json::Map::is_empty) {
            out.push(format!("volume {name:?} (Projected) has no sources provided"));
        }
        let items = |kind: &str| list_at(source, &[kind, "items"]);
        let of = |kind: &str, what: &str| format!("{what} {:?}", str_at(source, &[kind, "name"]));
        if !items("configMap").is_empty() {
            all.extend(places(items("configMap"), &of("configMap", "ConfigMap")));
        } else if !items("secret").is_empty() {
            all.extend(places(items("secret"), &of("secret", "Secret")));
        } else if !items("downwardAPI").is_empty() {
            all.extend(places(items("downwardAPI"), "DownwardAPI"));
        } else if let Some(token) = get(source, &["serviceAccountToken"]) {
            all.extend(places(std::slice::from_ref(token), "ServiceAccountToken"));
        }
    }
    overlaps(&all, name, "Projected", out);
}

fn places(items: &[Value], source: &str) -> Vec<Place> {
    let place = |item: &Value| Place {
        path: str_at(item, &["path"]).trim_end_matches('/').to_owned(),
        source: source.to_owned(),
    };
    items.iter().map(place).collect()
}

fn overlaps(places: &[Place], volume: &str, what: &str, out: &mut Vec<String>) {
    for (i, place) in places.iter().enumerate() {
        for other in places[..i].iter().filter(|other| place.overlaps(other)) {
            out.push(format!(
                "volume {volume:?} ({what}): overlapping paths: {} with {}",
                place.shown(),
                other.shown()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::warnings;

    #[test]
    fn files_in_each_others_way() {
        let mut out = Vec::new();
        let items = json!([{"path": "a"}, {"path": "a/b"}, {"path": "ab"}]);
        warnings(&json!({"volumes": [{"name": "v", "configMap": {"name": "m", "items": items}}]}), &mut out);
        assert_eq!(out, ["volume \"v\" (ConfigMap \"m\"): overlapping paths: \"a/b\" with \"a\""]);
    }
}
