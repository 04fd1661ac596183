//! StatefulSets: numbered Pods, one after the other, each with its claims.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/>

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Decision, View,
    conditions::{available, generation, is_finished, is_ready, put_counts, share},
    events::Note,
    key_of, pods,
    revisions::{self, LABEL, Revisions},
    writes::Write,
};
use crate::{
    json::{self, get, i64_at, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
};

struct Set<'a> {
    view: &'a View<'a>,
    set: &'a Stored,
    /// Its Pods by their number.
    pods: Vec<(i64, &'a Arc<Stored>)>,
    revisions: &'a Revisions<'a>,
    /// The revision that Pods below the partition have.
    current: String,
    first: i64,
    wanted: i64,
    min_ready: i64,
}

/// The number of a Pod of this set, when it is one by its name.
fn ordinal(set: &str, pod: &str) -> Option<i64> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let number: i64 = digits.parse().ok()?;
    (number >= 0 && digits == number.to_string()).then_some(number)
}

fn revision_of(pod: &Stored) -> &str {
    str_at(&pod.value, &["metadata", "labels", LABEL])
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, set: &Stored) -> Decision {
    let mut decision = Decision::default();
    if set.is_terminating() {
        return decision;
    }
    let value = &set.value;
    let mut numbered: Vec<_> = pods::claim(view, set, ("", "pods"), &mut decision)
        .into_iter()
        .filter_map(|p| Some((ordinal(set.name(), p.name())?, p)))
        .collect();
    numbered.sort_by_key(|(n, _)| *n);
    let revisions = revisions::of(view, set, "controller.kubernetes.io/hash", &json!({}), &mut decision);
    let current = str_at(value, &["status", "currentRevision"]);
    let known = current == revisions.update || revisions.all.iter().any(|r| r.name() == current);
    let this = Set {
        view,
        set,
        current: if known { current.to_owned() } else { revisions.update.clone() },
        pods: numbered,
        revisions: &revisions,
        first: i64_at(value, &["spec", "ordinals", "start"]).unwrap_or(0),
        wanted: i64_at(value, &["spec", "replicas"]).unwrap_or(1),
        min_ready: i64_at(value, &["spec", "minReadySeconds"]).unwrap_or(0),
    };
    this.retention(&mut decision);
    this.run(&mut decision);
    this.status(key, &mut decision);
    let used = |r: &Stored| r.name() == this.current || this.pods.iter().any(|(_, p)| revision_of(p) == r.name());
    revisions::clean_up(set, &revisions, &used, &mut decision);
    decision
}

impl<'a> Set<'a> {
    fn numbers(&self) -> std::ops::Range<i64> {
        // One more than there may be, so that somebody says so; not all of two billion.
        let most = self.view.state.settings.pods_per_owner.saturating_add(1);
        self.first..self.first.saturating_add(self.wanted.min(i64::try_from(most).unwrap_or(i64::MAX)))
    }

    fn at(&self, number: i64) -> Option<&'a Arc<Stored>> {
        self.pods.iter().find(|(n, _)| *n == number).map(|(_, p)| *p)
    }

    fn is_available(&self, pod: &Stored, decision: &mut Decision) -> bool {
        match available(&pod.value, self.min_ready, self.view.now) {
            Ok(()) => !pod.is_terminating(),
            Err(left) => {
                if let Some(left) = left {
                    decision.wake_at(self.view.now.elapsed + left);
                }
                false
            }
        }
    }

    fn run(&self, decision: &mut Decision) {
        let parallel = str_at(&self.set.value, &["spec", "podManagementPolicy"]) == "Parallel";
        for number in self.numbers() {
            match self.at(number) {
                None => {
                    self.create(number, decision);
                    if !parallel {
                        return;
                    }
                }
                Some(pod) if is_finished(&pod.value) && !pod.is_terminating() => {
                    // Made again once it is gone.
                    self.delete(pod, decision);
                    if !parallel {
                        return;
                    }
                }
                Some(pod) if !self.is_available(pod, decision) => {
                    // One that never serves holds up the others, and a new template, until somebody deletes it:
                    // <https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback>
                    if !parallel {
                        return;
                    }
                }
                Some(_) => {}
            }
        }
        // Surplus Pods go from the highest number down, one at a time unless in parallel.
        let range = self.numbers();
        let surplus: Vec<_> = self.pods.iter().rev().filter(|(n, _)| !range.contains(n)).collect();
        for (_, pod) in &surplus {
            if !pod.is_terminating() {
                self.delete(pod, decision);
            }
            if !parallel {
                return;
            }
        }
        self.roll(decision);
    }

    /// A new template goes from the highest number down, as far as the partition.
    fn roll(&self, decision: &mut Decision) {
        let value = &self.set.value;
        if str_at(value, &["spec", "updateStrategy", "type"]) == "OnDelete" {
            return;
        }
        let rolling = |field: &str| get(value, &["spec", "updateStrategy", "rollingUpdate", field]);
        let partition = rolling("partition").and_then(Value::as_i64).unwrap_or(0);
        let most = rolling("maxUnavailable").map_or(1, |m| share(Some(m), self.wanted, true).max(1));
        let mut broken =
            self.numbers().filter(|n| self.at(*n).is_none_or(|p| !self.is_available(p, decision))).count() as i64;
        for number in self.numbers().rev().take_while(|n| *n >= self.first + partition) {
            let Some(pod) = self.at(number) else { return };
            if revision_of(pod) == self.revisions.update || pod.is_terminating() {
                if broken >= most && !self.is_available(pod, decision) {
                    return;
                }
                continue;
            }
            let serves = self.is_available(pod, decision);
            if broken >= most && serves {
                return;
            }
            self.delete(pod, decision);
            broken += i64::from(serves);
            if broken >= most {
                return;
            }
        }
    }

    fn delete(&self, pod: &Stored, decision: &mut Decision) {
        if !pod.is_terminating() {
            decision.write(pods::delete(pod));
            let message = format!("Delete Pod {} in StatefulSet {} successful", pod.name(), self.set.name());
            decision.report(Note::normal("statefulset-controller", "SuccessfulDelete", message));
        }
    }

    /// The template for a number: the old one below the partition.
    fn template(&self, number: i64) -> (Value, String) {
        let value = &self.set.value;
        let update = (value["spec"]["template"].clone(), self.revisions.update.clone());
        let rolling = str_at(value, &["spec", "updateStrategy", "type"]) != "OnDelete";
        let partition = i64_at(value, &["spec", "updateStrategy", "rollingUpdate", "partition"]).unwrap_or(0);
        let old = self.current != self.revisions.update && rolling && number < self.first + partition;
        let revision = self.revisions.all.iter().find(|r| old && r.name() == self.current);
        revision.map_or(update, |r| (revisions::template(r), self.current.clone()))
    }

    fn create(&self, number: i64, decision: &mut Decision) {
        let value = &self.set.value;
        let name = format!("{}-{number}", self.set.name());
        let (template, revision) = self.template(number);
        let mut pod = pods::from_template(&template, self.set);
        json::set(&mut pod, &["metadata", "name"], name.as_str());
        for (label, text) in [
            (LABEL, &revision),
            ("statefulset.kubernetes.io/pod-name", &name),
            ("apps.kubernetes.io/pod-index", &number.to_string()),
        ] {
            json::set(&mut pod, &["metadata", "labels", label], text.as_str());
        }
        json::set(&mut pod, &["spec", "hostname"], name.as_str());
        if !str_at(value, &["spec", "serviceName"]).is_empty() {
            json::set(&mut pod, &["spec", "subdomain"], value["spec"]["serviceName"].clone());
        }
        let mut volumes: Vec<Value> = list_at(&pod, &["spec", "volumes"]).to_vec();
        for template in list_at(value, &["spec", "volumeClaimTemplates"]) {
            let volume = str_at(template, &["metadata", "name"]);
            let claim = format!("{volume}-{name}");
            if let Some(old) = self.view.get("", "persistentvolumeclaims", self.set.namespace(), &claim) {
                if old.is_terminating() {
                    // It would take the Pod's volume along.
                    return;
                }
            } else {
                self.create_claim(template, &claim, &name, decision);
            }
            volumes.retain(|v| v["name"] != volume);
            volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": claim}}));
        }
        if !volumes.is_empty() {
            json::set(&mut pod, &["spec", "volumes"], volumes);
        }
        decision.write(Write::Create(GroupResource::new("", "pods"), pod));
        let message = format!("Create Pod {name} in StatefulSet {} successful", self.set.name());
        decision.report(Note::normal("statefulset-controller", "SuccessfulCreate", message));
    }

    fn create_claim(&self, template: &Value, claim: &str, pod: &str, decision: &mut Decision) {
        let mut metadata = template["metadata"].clone();
        metadata["name"] = claim.into();
        metadata["namespace"] = self.set.namespace().into();
        for (label, text) in json::map_at(&self.set.value, &["spec", "selector", "matchLabels"]).into_iter().flatten() {
            metadata["labels"][label] = text.clone();
        }
        let object = json!({"metadata": metadata, "spec": template["spec"]});
        decision.write(Write::Create(GroupResource::new("", "persistentvolumeclaims"), object));
        let message = format!("Create Claim {claim} Pod {pod} in StatefulSet {} success", self.set.name());
        decision.report(Note::normal("statefulset-controller", "SuccessfulCreate", message));
    }

    /// Claims that are to go with the set, or with their Pod when the set shrinks, name those as their owners:
    /// <https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention>
    fn retention(&self, decision: &mut Decision) {
        let policy =
            |field: &str| str_at(&self.set.value, &["spec", "persistentVolumeClaimRetentionPolicy", field]) == "Delete";
        let (deleted, scaled) = (policy("whenDeleted"), policy("whenScaled"));
        if !deleted && !scaled {
            return;
        }
        for (number, pod) in &self.pods {
            for template in list_at(&self.set.value, &["spec", "volumeClaimTemplates"]) {
                let name = format!("{}-{}", str_at(template, &["metadata", "name"]), pod.name());
                let Some(claim) = self.view.get("", "persistentvolumeclaims", self.set.namespace(), &name) else {
                    continue;
                };
                let owner = match (self.numbers().contains(number), deleted, scaled) {
                    (false, _, true) => Some(json!({
                        "apiVersion": "v1", "kind": "Pod", "name": pod.name(), "uid": pod.uid(),
                        "controller": true, "blockOwnerDeletion": true,
                    })),
                    (_, true, _) => Some(pods::controller_reference(self.set)),
                    _ => None,
                };
                let mut value = claim.value.clone();
                let ours = [self.set.uid(), pod.uid()];
                let mut owners = list_at(&value, &["metadata", "ownerReferences"]).to_vec();
                owners.retain(|o| !ours.contains(&str_at(o, &["uid"])));
                owners.extend(owner);
                if owners.is_empty() {
                    json::remove(&mut value, &["metadata", "ownerReferences"]);
                } else {
                    json::set(&mut value, &["metadata", "ownerReferences"], owners);
                }
                decision.update(&key_of("", "persistentvolumeclaims", claim), claim, value);
            }
        }
    }

    fn status(&self, key: &ObjectKey, decision: &mut Decision) {
        let update = &self.revisions.update;
        let pods: Vec<&Stored> = self.pods.iter().map(|(_, p)| &***p).collect();
        let count = |wanted: &dyn Fn(&Stored) -> bool| pods.iter().filter(|p| wanted(p)).count() as i64;
        let ready = count(&|p| is_ready(&p.value));
        let of = |revision: &str| count(&|p: &Stored| revision_of(p) == revision && !p.is_terminating());
        let usable = count(&|p| is_ready(&p.value) && available(&p.value, self.min_ready, self.view.now).is_ok());
        let (updated, mut of_current) = (of(update), of(&self.current));
        let mut current = &self.current;
        let rolling = str_at(&self.set.value, &["spec", "updateStrategy", "type"]) != "OnDelete";
        if rolling
            && updated == self.wanted
            && pods.len() as i64 == self.wanted
            && ready == self.wanted
            && current != update
        {
            (current, of_current) = (update, updated);
        }
        let mut after = self.set.value.clone();
        after["status"] = json!({
            "observedGeneration": generation(&self.set.value),
            "replicas": pods.len(), "collisionCount": 0, "availableReplicas": usable,
            "currentRevision": current, "updateRevision": update,
        });
        put_counts(
            &mut after["status"],
            &[("readyReplicas", ready), ("currentReplicas", of_current), ("updatedReplicas", updated)],
        );
        decision.status(key, self.set, after);
    }
}
