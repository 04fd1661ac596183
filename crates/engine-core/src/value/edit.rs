//! Small edits. A map is a boxed slice, so adding a key copies that one map: right for the few edits that the engine
//! makes to an object, wrong for building one (use [`Map::from_entries`]).

use super::{Key, Map, Value};

impl Map {
    /// Sets a key and returns what it had.
    pub fn insert(&mut self, key: Key, value: Value) -> Option<Value> {
        match self.position(key.as_str()) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                let mut entries = std::mem::take(&mut self.0).into_vec();
                entries.insert(at, (key, value));
                self.0 = entries.into_boxed_slice();
                None
            }
        }
    }

    /// Removes a key and returns what it had.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.position(key).ok()?;
        let mut entries = std::mem::take(&mut self.0).into_vec();
        let (_, value) = entries.remove(at);
        self.0 = entries.into_boxed_slice();
        Some(value)
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let at = self.position(key).ok()?;
        Some(&mut self.0[at].1)
    }

    /// The entries, by value.
    pub fn into_entries(self) -> Vec<(Key, Value)> {
        self.0.into_vec()
    }

    /// Keeps the entries for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&Key, &mut Value) -> bool) {
        let mut entries = std::mem::take(&mut self.0).into_vec();
        entries.retain_mut(|(key, value)| keep(key, value));
        self.0 = entries.into_boxed_slice();
    }
}

impl Value {
    /// The map, to change it.
    pub fn as_object_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// The items of a list, to change them.
    pub fn as_array_mut(&mut self) -> Option<&mut [Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a key of an object, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.as_object_mut()?.get_mut(key)
    }

    /// Sets the value at the end of a chain of keys. Whatever is on the way and is no map becomes one.
    pub fn set(&mut self, keys: &[&str], value: Self) {
        let Some((first, rest)) = keys.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::empty_object();
        }
        let Self::Object(map) = self else { return };
        match map.get_mut(first) {
            Some(child) => child.set(rest, value),
            None => {
                let mut child = Self::Null;
                child.set(rest, value);
                map.insert(Key::new(first), child);
            }
        }
    }

    /// Removes the value at the end of a chain of keys and returns it.
    pub fn unset(&mut self, keys: &[&str]) -> Option<Self> {
        let (last, parents) = keys.split_last()?;
        let parent = parents.iter().try_fold(self, |value, key| value.get_mut(key))?;
        parent.as_object_mut()?.remove(last)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn sets_and_unsets_along_a_path() {
        let mut value = Value::Null;
        value.set(&["metadata", "labels", "app"], "web".into());
        value.set(&["metadata", "name"], "x".into());
        assert_eq!(value.to_string(), r#"{"metadata":{"labels":{"app":"web"},"name":"x"}}"#);
        assert_eq!(value.unset(&["metadata", "labels", "app"]).unwrap().as_str(), Some("web"));
        assert_eq!(value.unset(&["metadata", "annotations", "app"]), None);
        assert_eq!(value.to_string(), r#"{"metadata":{"labels":{},"name":"x"}}"#);
    }
}
