//! Deployments: a ReplicaSet per template, rolled over within the bounds of the strategy.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/>

mod rollout;
mod status;

pub(super) use self::status::not_made;

use std::sync::Arc;

use serde_json::{Value, json};

use self::rollout::{Bounds, Set, Share};
use super::{
    Decision, View,
    conditions::{condition, generation, is_finished, share},
    events::Note,
    key_of, pods,
    writes::Write,
};
use crate::{
    json::{self, get, i64_at, str_at},
    resources::GroupResource,
    seed::template_hash,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of a Deployment that its ReplicaSets do not get.
const OWN: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];
/// A history limit that means that nothing is ever cleaned up.
const UNLIMITED: i64 = i32::MAX as i64;

fn replicas(object: &Value) -> i64 {
    i64_at(object, &["spec", "replicas"]).unwrap_or(1)
}

fn in_status(object: &Value, field: &str) -> i64 {
    i64_at(object, &["status", field]).unwrap_or(0)
}

fn revision(object: &Value) -> i64 {
    str_at(object, &["metadata", "annotations", REVISION]).parse().unwrap_or(0)
}

/// A Deployment with its ReplicaSets, as one look sees them.
struct Rollout<'a> {
    view: &'a View<'a>,
    key: &'a ObjectKey,
    deployment: &'a Stored,
    /// Of the present template.
    new: Option<&'a Stored>,
    /// All others, oldest first.
    old: Vec<&'a Stored>,
    bounds: Bounds,
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, deployment: &Stored) -> Decision {
    let mut decision = Decision::default();
    let value = &deployment.value;
    let template = &value["spec"]["template"];
    let mut sets: Vec<&Arc<Stored>> = pods::claim(view, deployment, ("apps", "replicasets"), &mut decision);
    sets.retain(|s| !s.is_terminating() || deployment.is_terminating());
    sets.sort_by_key(|s| (str_at(&s.value, &["metadata", "creationTimestamp"]), s.name()));
    let new = sets.iter().find(|s| is_of(&s.value, template)).map(|s| &***s);
    let old: Vec<&Stored> = sets.iter().map(|s| &***s).filter(|s| new.is_none_or(|n| n.uid() != s.uid())).collect();
    let wanted = replicas(value);
    let of_strategy =
        |field: &str, up: bool| share(get(value, &["spec", "strategy", "rollingUpdate", field]), wanted, up);
    let rolling = str_at(value, &["spec", "strategy", "type"]) != "Recreate";
    let bounds = match rolling {
        true => Bounds::new(wanted, of_strategy("maxSurge", true), of_strategy("maxUnavailable", false)),
        false => Bounds { wanted, surge: 0, unavailable: 0 },
    };
    let rollout = Rollout { view, key, deployment, new, old, bounds };
    rollout.decide(rolling, &mut decision);
    decision
}

/// Whether a ReplicaSet was made from this template.
fn is_of(set: &Value, template: &Value) -> bool {
    let mut own = set["spec"]["template"].clone();
    if let Some(labels) = json::map_mut(&mut own, &["metadata", "labels"]) {
        labels.remove(HASH);
        if labels.is_empty() {
            json::remove(&mut own, &["metadata", "labels"]);
        }
    }
    let empty_metadata = |v: &Value| json::map_at(v, &["metadata"]).is_none_or(|m| m.is_empty());
    own["spec"] == template["spec"]
        && (own["metadata"] == template["metadata"] || (empty_metadata(&own) && empty_metadata(template)))
}

impl Rollout<'_> {
    fn value(&self) -> &Value {
        &self.deployment.value
    }

    fn all(&self) -> impl Iterator<Item = &Stored> {
        self.old.iter().copied().chain(self.new)
    }

    fn decide(&self, rolling: bool, decision: &mut Decision) {
        if self.deployment.is_terminating() {
            self.show(decision);
            return;
        }
        if self.pause(decision) {
            return;
        }
        let scaled = |s: &Stored| {
            let desired = str_at(&s.value, &["metadata", "annotations", DESIRED]).parse::<i64>();
            replicas(&s.value) > 0 && desired.is_ok_and(|d| d != self.bounds.wanted)
        };
        if self.value()["spec"]["paused"] == true || self.all().any(scaled) {
            self.scale(rolling, decision);
            if self.value()["spec"]["paused"] == true {
                self.clean_up(decision);
            }
            self.show(decision);
            return;
        }
        if !rolling && !self.make_room(decision) {
            self.show_progress(decision);
            return;
        }
        let Some(new) = self.new else {
            self.create(decision);
            return;
        };
        if self.renew(new, decision) {
            return;
        }
        if rolling {
            self.roll(new, decision);
        } else {
            self.scale_set(new, self.bounds.wanted, decision);
        }
        if decision.writes.is_empty() && status::is_complete(self.value(), &self.value()["status"]) {
            self.clean_up(decision);
        }
        self.show_progress(decision);
    }

    /// A pause, and its end, are said before anything else happens.
    fn pause(&self, decision: &mut Decision) -> bool {
        let value = self.value();
        if i64_at(value, &["spec", "progressDeadlineSeconds"]).is_none_or(|d| d >= UNLIMITED) {
            return false;
        }
        let known = condition(value, "Progressing").map_or("", |c| str_at(c, &["reason"]));
        if known == "ProgressDeadlineExceeded" {
            return false;
        }
        let was = known == "DeploymentPaused";
        let (reason, message) = match (value["spec"]["paused"] == true, was) {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return false,
        };
        let mut after = value.clone();
        status::put_condition(&mut after, "Progressing", "Unknown", reason, message, false, self.view.now);
        decision.status(self.key, self.deployment, after);
        true
    }

    /// For `Recreate`: whether all older Pods are gone.
    fn make_room(&self, decision: &mut Decision) -> bool {
        let before = decision.writes.len();
        self.old.iter().for_each(|s| self.scale_set(s, 0, decision));
        let left = |s: &&Stored| self.view.owned(s, "", "pods").iter().any(|p| !is_finished(&p.value));
        decision.writes.len() == before && !self.old.iter().any(left)
    }

    /// One step of a rolling update: the new set up, or the old ones down.
    fn roll(&self, new: &Stored, decision: &mut Decision) {
        let all: i64 = self.all().map(|s| replicas(&s.value)).sum();
        let size = rollout::scale_new(self.bounds, replicas(&new.value), all);
        if size != replicas(&new.value) {
            self.scale_set(new, size, decision);
            return;
        }
        let numbers =
            |s: &Stored| Set { replicas: replicas(&s.value), available: in_status(&s.value, "availableReplicas") };
        let old: Vec<Set> = self.old.iter().map(|s| numbers(s)).collect();
        for (set, size) in self.old.iter().zip(rollout::scale_old(self.bounds, numbers(new), &old)) {
            self.scale_set(set, size, decision);
        }
    }

    /// The sets follow a Deployment that is scaled, without any rollout.
    fn scale(&self, rolling: bool, decision: &mut Decision) {
        let wanted = self.bounds.wanted;
        let mut active: Vec<&Stored> = self.all().filter(|s| replicas(&s.value) > 0).collect();
        let one = match active.as_slice() {
            [] => self.new.or_else(|| self.old.iter().max_by_key(|s| revision(&s.value)).copied()),
            [only] => Some(*only),
            _ => None,
        };
        if let Some(one) = one {
            self.resize(one, wanted, decision);
            return;
        }
        let saturated = |s: &&Stored| {
            let desired = str_at(&s.value, &["metadata", "annotations", DESIRED]).parse::<i64>();
            replicas(&s.value) == wanted && desired == Ok(wanted) && in_status(&s.value, "availableReplicas") == wanted
        };
        if self.new.filter(saturated).is_some() {
            self.old.iter().for_each(|s| self.scale_set(s, 0, decision));
            return;
        }
        if !rolling {
            return;
        }
        let total: i64 = active.iter().map(|s| replicas(&s.value)).sum();
        let grows = (if wanted > 0 { self.bounds.most() } else { 0 }) >= total;
        // The largest first; of equal ones the newer when there are more to come, the older when some have to go.
        active.sort_by_key(|s| {
            let age = i64::try_from(s.revision).unwrap_or(i64::MAX);
            (-replicas(&s.value), if grows { -revision(&s.value) } else { revision(&s.value) }, age)
        });
        let shares: Vec<Share> = active
            .iter()
            .map(|s| {
                let most = str_at(&s.value, &["metadata", "annotations", MOST]).parse();
                Share {
                    replicas: replicas(&s.value),
                    most_before: most.unwrap_or_else(|_| in_status(self.value(), "replicas")),
                }
            })
            .collect();
        for (set, size) in active.iter().zip(rollout::proportional(self.bounds, &shares)) {
            self.resize(set, size, decision);
        }
    }

    fn scale_set(&self, set: &Stored, to: i64, decision: &mut Decision) {
        if replicas(&set.value) != to {
            self.resize(set, to, decision);
        }
    }

    /// The size, and what the sizes of all sets were worked out from.
    fn resize(&self, set: &Stored, to: i64, decision: &mut Decision) {
        let from = replicas(&set.value);
        let mut changed = set.value.clone();
        json::set(&mut changed, &["spec", "replicas"], to);
        for (annotation, n) in [(DESIRED, self.bounds.wanted), (MOST, self.bounds.most())] {
            json::set(&mut changed, &["metadata", "annotations", annotation], n.to_string());
        }
        if changed == set.value {
            return;
        }
        decision.write(Write::Update(key_of("apps", "replicasets", set), changed));
        if from != to {
            decision.report(scaled(set.name(), from, to));
        }
    }

    /// The newest set gets the newest revision, the Deployment's annotations and its `minReadySeconds`.
    fn renew(&self, new: &Stored, decision: &mut Decision) -> bool {
        let current = revision(&new.value);
        let next = self.old.iter().map(|s| revision(&s.value)).max().unwrap_or(0) + 1;
        let mut set = new.value.clone();
        self.annotate(&mut set);
        if current < next {
            // A rollback makes an old ReplicaSet the newest.
            json::set(&mut set, &["metadata", "annotations", REVISION], next.to_string());
            if current > 0 {
                let history = str_at(&set, &["metadata", "annotations", HISTORY]);
                let history = if history.is_empty() { current.to_string() } else { format!("{history},{current}") };
                json::set(&mut set, &["metadata", "annotations", HISTORY], history);
            }
        }
        let min_ready = i64_at(self.value(), &["spec", "minReadySeconds"]).unwrap_or(0);
        if i64_at(&set, &["spec", "minReadySeconds"]).unwrap_or(0) != min_ready {
            json::set(&mut set, &["spec", "minReadySeconds"], min_ready);
        }
        if set != new.value {
            decision.write(Write::Update(key_of("apps", "replicasets", new), set));
            return true;
        }
        let mut after = self.value().clone();
        json::set(&mut after, &["metadata", "annotations", REVISION], current.to_string());
        if condition(&after, "Progressing").is_none() && status::has_deadline(&after) {
            let message = format!("Found new replica set {:?}", new.name());
            status::put_condition(
                &mut after,
                "Progressing",
                "True",
                "FoundNewReplicaSet",
                &message,
                false,
                self.view.now,
            );
        }
        decision.status(self.key, self.deployment, after);
        !decision.writes.is_empty()
    }

    fn annotate(&self, set: &mut Value) {
        for (key, text) in json::map_at(self.value(), &["metadata", "annotations"]).into_iter().flatten() {
            if !OWN.contains(&key.as_str()) {
                json::set(set, &["metadata", "annotations", key], text.clone());
            }
        }
    }

    fn create(&self, decision: &mut Decision) {
        let (value, deployment) = (self.value(), self.deployment);
        let next = self.old.iter().map(|s| revision(&s.value)).max().unwrap_or(0) + 1;
        let mut template = value["spec"]["template"].clone();
        let name = |hash: &str| format!("{}-{hash}", deployment.name());
        let taken = |hash: &str| self.view.get("apps", "replicasets", deployment.namespace(), &name(hash)).is_some();
        let mut hash = template_hash(&template.to_string());
        while taken(&hash) {
            hash = template_hash(&format!("{hash}{template}"));
        }
        json::set(&mut template, &["metadata", "labels", HASH], hash.as_str());
        let mut selector = value["spec"]["selector"].clone();
        json::set(&mut selector, &["matchLabels", HASH], hash.as_str());
        let all: i64 = self.old.iter().map(|s| replicas(&s.value)).sum();
        let first = rollout::scale_new(self.bounds, 0, all);
        let mut set = json!({
            "metadata": {
                "name": name(&hash),
                "namespace": deployment.namespace(),
                "labels": template["metadata"]["labels"],
                "annotations": {},
                "ownerReferences": [pods::controller_reference(deployment)],
            },
            "spec": {"replicas": first, "selector": selector, "template": template},
        });
        if let Some(min_ready) = i64_at(value, &["spec", "minReadySeconds"]).filter(|n| *n > 0) {
            set["spec"]["minReadySeconds"] = min_ready.into();
        }
        self.annotate(&mut set);
        for (annotation, n) in [(REVISION, next), (DESIRED, self.bounds.wanted), (MOST, self.bounds.most())] {
            json::set(&mut set, &["metadata", "annotations", annotation], n.to_string());
        }
        decision.write(Write::Create(GroupResource::new("apps", "replicasets"), set));
        if first > 0 {
            decision.report(scaled(&name(&hash), 0, first));
        }
        let mut after = value.clone();
        json::set(&mut after, &["metadata", "annotations", REVISION], next.to_string());
        if status::has_deadline(&after) {
            let message = format!("Created new replica set {:?}", name(&hash));
            status::put_condition(
                &mut after,
                "Progressing",
                "True",
                "NewReplicaSetCreated",
                &message,
                false,
                self.view.now,
            );
        }
        decision.write(Write::StatusOnceMade(self.key.clone(), after));
    }

    /// Sets at rest beyond the history's limit go, the oldest first.
    fn clean_up(&self, decision: &mut Decision) {
        let limit = i64_at(self.value(), &["spec", "revisionHistoryLimit"]).unwrap_or(10);
        if limit >= UNLIMITED {
            return;
        }
        let mut old = self.old.clone();
        let extra = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|s| revision(&s.value));
        for set in old.into_iter().take(extra) {
            let rests = replicas(&set.value) == 0
                && in_status(&set.value, "replicas") == 0
                && in_status(&set.value, "observedGeneration") >= generation(&set.value);
            if rests {
                decision.write(Write::Delete(key_of("apps", "replicasets", set), Propagation::Background));
            }
        }
    }
}

fn scaled(set: &str, from: i64, to: i64) -> Note {
    let way = if to > from { "up" } else { "down" };
    let message = format!("Scaled {way} replica set {set} from {from} to {to}");
    Note::normal("deployment-controller", "ScalingReplicaSet", message)
}
