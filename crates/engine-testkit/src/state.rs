//! Everything that a request may read or change, behind one lock that is never held across an await.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    access::Policy,
    controllers::{Queue, script::Scripts},
    crd,
    fault::Faults,
    json,
    resources::{GroupResource, Registry, Resource},
    seed::Seed,
    store::{ObjectKey, Store, Stored},
    webhook::Webhook,
};

/// What the builder chose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) controllers: bool,
    pub(crate) reaction: Duration,
    pub(crate) pod_start: Duration,
    pub(crate) pod_stop: Duration,
    pub(crate) job_duration: Duration,
    pub(crate) establish: Duration,
    pub(crate) body_limit: usize,
    pub(crate) version: (u32, u32),
    pub(crate) bookmark_every: Duration,
    /// Whether controllers report what they do as Events.
    pub(crate) events: bool,
    /// So many Pods are made for one owner.
    pub(crate) pods_per_owner: usize,
    /// Whether load balancers and Ingresses get addresses.
    pub(crate) addresses: bool,
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) seed: Seed,
    pub(crate) faults: Faults,
    pub(crate) access: Policy,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) settings: Settings,
    pub(crate) queue: Queue,
    pub(crate) scripts: Scripts,
    /// The next cluster IP and node port to give out.
    pub(crate) next_ip: u32,
    pub(crate) next_port: u32,
    /// Which revision there was when, oldest first.
    pub(crate) times: VecDeque<(Duration, u64)>,
}

/// How many moments are remembered for reads that are stale by time.
const TIMES: usize = 10_000;

impl State {
    /// Remembers the revision that is current at a time.
    pub(crate) fn note_time(&mut self, now: Duration) {
        let revision = self.store.revision();
        match self.times.back_mut() {
            // Until now it was the older one.
            Some((_, last)) if *last == revision => {}
            Some((at, last)) if *at == now => *last = revision,
            _ => self.times.push_back((now, revision)),
        }
        if self.times.len() > TIMES {
            self.times.pop_front();
        }
    }

    /// What was drawn so far: a write that is done again draws the same.
    pub(crate) fn drawn(&self) -> (Seed, u32, u32) {
        (self.seed.clone(), self.next_ip, self.next_port)
    }

    pub(crate) fn put_back(&mut self, drawn: (Seed, u32, u32)) {
        (self.seed, self.next_ip, self.next_port) = drawn;
    }

    /// The revision that was current at a time, as far as anybody looked.
    pub(crate) fn revision_at(&self, at: Duration) -> u64 {
        let after = self.times.partition_point(|(time, _)| *time <= at);
        after.checked_sub(1).map_or(1, |i| self.times[i].1)
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<&Arc<Stored>> {
        self.store.get(&GroupResource::new("", "namespaces"), "", name)
    }

    /// A CRD that is established (or no longer serves a version) changes what is served.
    pub(crate) fn registry_follows(&mut self, gr: &GroupResource, before: Option<&Value>, after: Option<&Value>) {
        if (&*gr.group, &*gr.resource) != ("apiextensions.k8s.io", "customresourcedefinitions") {
            return;
        }
        if let Some(before) = before.filter(|_| after.is_none()) {
            let spec = &before["spec"];
            let gr = GroupResource::new(json::str_at(spec, &["group"]), json::str_at(spec, &["names", "plural"]));
            if self.registry.of(&gr).is_some_and(|r| r.is_custom()) {
                self.registry.remove(&gr);
            }
        }
        let Some(after) = after else { return };
        let established = json::list_at(after, &["status", "conditions"])
            .iter()
            .any(|c| json::str_at(c, &["type"]) == "Established" && json::str_at(c, &["status"]) == "True");
        if !established {
            return;
        }
        if let Some(resource) = crd::resource_of(after) {
            if self.registry.of(&resource.gr).is_none_or(|r| r.is_custom()) {
                let gr = resource.gr.clone();
                let old = self.registry.of(&gr).cloned();
                self.registry.insert(resource);
                self.read_again(&gr, old.as_deref());
            }
        } else if let Some(before) = before {
            self.registry_follows(gr, Some(before), None);
        }
    }

    /// Objects are read by the schemas that their definition has now; what is stored of them stays until the next write.
    fn read_again(&mut self, gr: &GroupResource, old: Option<&Resource>) {
        let (Some(old), Some(new)) = (old, self.registry.of(gr)) else { return };
        let schemas =
            |of: &Resource| -> Vec<_> { of.crd.iter().map(|(n, v)| (n.clone(), v.openapi.clone())).collect() };
        if old.storage_version != new.storage_version || schemas(old) != schemas(new) {
            self.store.reread(gr, |written| crd::read_as(new, written, &new.storage_version));
        }
    }

    /// Takes an object away for good.
    pub(crate) fn remove(&mut self, at: &ObjectKey) -> Option<Arc<Stored>> {
        let last = self.store.remove(at)?;
        self.registry_follows(&at.gr, Some(&last.value), None);
        Some(last)
    }
}
