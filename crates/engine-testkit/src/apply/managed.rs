//! Who owns which field: `metadata.managedFields` and the rules of apply and update over it.

use serde_json::{Value, json};

use super::{
    fieldset::{FieldSet, path_text},
    merge::{self, Comparison},
    schema::Schema,
};
use crate::json::{self, get, list_at, str_at};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// One entry of `managedFields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manager {
    pub(crate) name: String,
    pub(crate) operation: Operation,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
    pub(crate) time: Option<String>,
    pub(crate) fields: FieldSet,
}

impl Manager {
    /// An applier is the same in every version of the API; an updater is not.
    fn is_same(&self, other: &Who<'_>) -> bool {
        self.name == other.name
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    fn shown(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

/// The writer of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) name: &'a str,
    pub(crate) operation: Operation,
    pub(crate) api_version: &'a str,
    pub(crate) subresource: &'a str,
}

/// One field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// The manager as messages name it.
    pub(crate) manager: String,
    pub(crate) path: String,
}

/// The text of the refusal.
pub(crate) fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.path);
    }
    let mut managers: Vec<&str> = conflicts.iter().map(|c| c.manager.as_str()).collect();
    managers.sort_unstable();
    managers.dedup();
    let mut lines = Vec::new();
    for manager in managers {
        lines.push(format!("conflicts with {manager}:"));
        lines.extend(conflicts.iter().filter(|c| c.manager == manager).map(|c| format!("- {}", c.path)));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Managed(Vec<Manager>);

impl Managed {
    pub(crate) fn of(object: &Value) -> Self {
        let entries = list_at(object, &["metadata", "managedFields"])
            .iter()
            .filter(|e| !str_at(e, &["operation"]).is_empty())
            .map(|e| Manager {
                name: str_at(e, &["manager"]).to_owned(),
                operation: if str_at(e, &["operation"]) == "Apply" { Operation::Apply } else { Operation::Update },
                api_version: str_at(e, &["apiVersion"]).to_owned(),
                subresource: str_at(e, &["subresource"]).to_owned(),
                time: get(e, &["time"]).and_then(Value::as_str).map(str::to_owned),
                fields: get(e, &["fieldsV1"]).map(FieldSet::from_json).unwrap_or_default(),
            })
            .collect();
        Self(entries)
    }

    pub(crate) fn write(mut self, object: &mut Value) {
        self.0.retain(|m| !m.fields.is_empty());
        if self.0.is_empty() {
            json::remove(object, &["metadata", "managedFields"]);
            return;
        }
        self.0.sort_by(|a, b| {
            let key = |m: &Manager| {
                (m.operation, m.time.clone(), m.name.clone(), m.api_version.clone(), m.subresource.clone())
            };
            key(a).cmp(&key(b))
        });
        let entries: Vec<Value> = self
            .0
            .iter()
            .map(|m| {
                let mut entry = json!({
                    "manager": m.name,
                    "operation": if m.operation == Operation::Apply { "Apply" } else { "Update" },
                    "apiVersion": m.api_version,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": m.fields.to_json(),
                });
                if let Some(time) = &m.time {
                    entry["time"] = time.as_str().into();
                }
                if !m.subresource.is_empty() {
                    entry["subresource"] = m.subresource.as_str().into();
                }
                entry
            })
            .collect();
        json::set(object, &["metadata", "managedFields"], entries);
    }

    fn position(&self, who: &Who<'_>) -> Option<usize> {
        self.0.iter().position(|m| m.is_same(who))
    }

    /// Takes changed fields from the other managers. Without `force`, changing what another one owns is a conflict.
    fn settle(&mut self, changes: &Comparison, except: Option<usize>, force: bool) -> Result<(), Vec<Conflict>> {
        let taken = changes.modified.union(&changes.added);
        if !force {
            let mut conflicts = Vec::new();
            for (_, manager) in self.0.iter().enumerate().filter(|(i, _)| Some(*i) != except) {
                for path in manager.fields.intersection(&taken).paths() {
                    conflicts.push(Conflict { manager: manager.shown(), path: path_text(&path) });
                }
            }
            if !conflicts.is_empty() {
                return Err(conflicts);
            }
        }
        for (_, manager) in self.0.iter_mut().enumerate().filter(|(i, _)| Some(*i) != except) {
            manager.fields = manager.fields.difference(&taken).difference(&changes.removed);
        }
        Ok(())
    }

    /// Ownership after an update (create, PUT, other patches) by `who`.
    pub(crate) fn update(&mut self, before: &Value, after: &Value, schema: &Schema, who: &Who<'_>, time: &str) {
        let mut changes = merge::compare(&without_managed(before), &without_managed(after), schema);
        let mine = self.position(who);
        // Also the writer's own earlier entry loses what this write removes or takes anew.
        let _never_conflicts_when_forced = self.settle(&changes, None, true);
        strip(&mut changes.added);
        strip(&mut changes.modified);
        let taken = changes.modified.union(&changes.added).difference(&changes.removed);
        if !taken.is_empty() {
            match mine {
                Some(i) => {
                    self.0[i].fields = self.0[i].fields.union(&taken);
                    self.0[i].time = Some(time.to_owned());
                }
                None => self.0.push(Manager {
                    name: who.name.to_owned(),
                    operation: who.operation,
                    api_version: who.api_version.to_owned(),
                    subresource: who.subresource.to_owned(),
                    // The scale subresource writes its entry by hand, and without a time.
                    time: (who.subresource != "scale").then(|| time.to_owned()),
                    fields: taken,
                }),
            }
        }
        self.0.retain(|m| !m.fields.is_empty());
    }

    /// The merge of an applied configuration. The answer is the merged object without `managedFields`.
    pub(crate) fn apply(
        &mut self,
        live: &Value,
        config: &Value,
        schema: &Schema,
        who: &Who<'_>,
        force: bool,
        time: &str,
    ) -> Result<Value, Vec<Conflict>> {
        let live = without_managed(live);
        let mut applied = merge::field_set(config, schema);
        strip(&mut applied);
        let merged = merge::merge(&live, config, schema);
        let mine = self.position(who);
        let last = mine.map(|i| self.0[i].fields.clone()).unwrap_or_default();
        let index = match mine {
            Some(i) => {
                self.0[i].fields = applied;
                self.0[i].api_version = who.api_version.to_owned();
                i
            }
            None => {
                self.0.push(Manager {
                    name: who.name.to_owned(),
                    operation: Operation::Apply,
                    api_version: who.api_version.to_owned(),
                    subresource: who.subresource.to_owned(),
                    time: None,
                    fields: applied,
                });
                self.0.len() - 1
            }
        };
        let pruned = self.prune(&merged, &last, schema);
        let changes = merge::compare(&live, &pruned, schema);
        self.settle(&changes, Some(index), force)?;
        if !changes.is_same() {
            self.0[index].time = Some(time.to_owned());
        }
        self.0.retain(|m| !m.fields.is_empty());
        Ok(pruned)
    }

    /// Takes out what the last configuration had and nobody owns any more.
    fn prune(&self, merged: &Value, last: &FieldSet, schema: &Schema) -> Value {
        if last.is_empty() {
            return merged.clone();
        }
        let named = |path: &[&str]| schema.walk(path).1;
        let owned = self.0.iter().fold(FieldSet::default(), |all, m| all.union(&m.fields));
        let gone = last.with_named_parents(&named).difference(&owned.with_named_parents(&named));
        merge::remove(merged, &gone, schema)
    }
}

fn without_managed(object: &Value) -> Value {
    let mut object = object.clone();
    json::remove(&mut object, &["metadata", "managedFields"]);
    object
}

/// Fields that nobody owns: identity and what the server keeps.
fn strip(set: &mut FieldSet) {
    for path in [&["f:apiVersion"][..], &["f:kind"], &["f:metadata"]] {
        set.remove_member(path);
    }
    for name in [
        "f:name",
        "f:namespace",
        "f:creationTimestamp",
        "f:selfLink",
        "f:uid",
        "f:clusterName",
        "f:generation",
        "f:managedFields",
        "f:resourceVersion",
    ] {
        set.remove_member(&["f:metadata", name]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    fn schema() -> Schema {
        Schema::builtin("apps", "v1", "Deployment")
    }

    fn applier(name: &str) -> Who<'_> {
        Who { name, operation: Operation::Apply, api_version: "apps/v1", subresource: "" }
    }

    fn updater(name: &str) -> Who<'_> {
        Who { name, operation: Operation::Update, api_version: "apps/v1", subresource: "" }
    }

    fn spec(spec: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec})
    }

    /// Applies in turn and returns the last object.
    fn run(steps: &[(&str, bool, Value)]) -> (Result<Value, Vec<Conflict>>, Managed) {
        let mut managed = Managed::default();
        let mut live = json!({});
        let mut last = Ok(Value::Null);
        for (name, force, config) in steps {
            last = managed.apply(&live, config, &schema(), &applier(name), *force, "t");
            if let Ok(object) = &last {
                live = object.clone();
            }
        }
        (last, managed)
    }

    #[test]
    fn omission_gives_up_and_removes() {
        let (object, _) = run(&[
            ("a", false, spec(json!({"replicas": 1, "paused": true}))),
            ("a", false, spec(json!({"replicas": 1}))),
        ]);
        assert_eq!(object.unwrap()["spec"], json!({"replicas": 1}));
    }

    #[test]
    fn a_co_owned_field_stays_when_one_gives_it_up() {
        let (object, managed) = run(&[
            ("a", false, spec(json!({"replicas": 1, "paused": true}))),
            ("b", false, spec(json!({"paused": true}))),
            ("a", false, spec(json!({"replicas": 1}))),
        ]);
        assert_eq!(object.unwrap()["spec"], json!({"replicas": 1, "paused": true}));
        assert_eq!(managed.0.len(), 2);
    }

    #[test]
    fn a_conflict_names_manager_and_field_and_force_takes_it() {
        let steps = |force| [("a", false, spec(json!({"replicas": 1}))), ("b", force, spec(json!({"replicas": 2})))];
        let conflicts = run(&steps(false)).0.unwrap_err();
        assert_eq!(conflict_message(&conflicts), r#"Apply failed with 1 conflict: conflict with "a": .spec.replicas"#);
        let (object, managed) = run(&steps(true));
        assert_eq!(object.unwrap()["spec"]["replicas"], 2);
        assert_eq!(managed.0.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_dropped_container_goes_with_its_defaults() {
        let with = |names: &[&str]| {
            let list: Vec<Value> = names.iter().map(|n| json!({"name": n, "image": "x"})).collect();
            spec(json!({"template": {"spec": {"containers": list}}}))
        };
        let mut managed = Managed::default();
        let mut live = managed.apply(&json!({}), &with(&["a", "b"]), &schema(), &applier("m"), false, "t").unwrap();
        for c in live["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap() {
            c["imagePullPolicy"] = "Always".into();
        }
        let next = managed.apply(&live, &with(&["b"]), &schema(), &applier("m"), false, "t").unwrap();
        assert_eq!(
            next["spec"]["template"]["spec"]["containers"],
            json!([{"name": "b", "image": "x", "imagePullPolicy": "Always"}])
        );
    }

    #[test]
    fn an_update_takes_what_it_changes_and_frees_what_it_removes() {
        let mut managed = Managed::default();
        let live = managed
            .apply(&json!({}), &spec(json!({"replicas": 1, "paused": true})), &schema(), &applier("a"), false, "t")
            .unwrap();
        let after = spec(json!({"replicas": 5}));
        managed.update(&live, &after, &schema(), &updater("hand"), "t2");
        let mut object = after;
        managed.write(&mut object);
        let entries = object["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0]["manager"], "hand");
        assert_eq!(entries[0]["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    }

    #[test]
    fn applying_the_same_again_changes_nothing() {
        let config = spec(json!({"replicas": 1, "template": {"spec": {"containers": [{"name": "a", "image": "x"}]}}}));
        let mut managed = Managed::default();
        let first = managed.apply(&json!({}), &config, &schema(), &applier("a"), false, "t1").unwrap();
        let before = managed.clone();
        let second = managed.apply(&first, &config, &schema(), &applier("a"), false, "t2").unwrap();
        assert_eq!(first, second);
        assert_eq!(before, managed);
    }
}
