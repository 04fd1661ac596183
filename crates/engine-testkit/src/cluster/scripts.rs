//! How single objects behave.

use super::Cluster;
use crate::{
    controllers::{
        self,
        script::{KINDS, Objects, Script},
    },
    resources::GroupResource,
    state::State,
    store::ObjectKey,
};

impl Cluster {
    /// Tells objects how to behave, those that are there and those that come: see the module
    /// [`script`](crate::script). The script that was given last goes before earlier ones.
    pub fn script(&self, objects: Objects, script: Script) {
        self.rewrite(|state| state.scripts.0.push((objects, script)));
    }

    /// Takes back every script for exactly these objects: they behave as others do from now on.
    pub fn unscript(&self, objects: &Objects) {
        self.rewrite(|state| state.scripts.0.retain(|(o, _)| o != objects));
    }

    fn rewrite(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.inner.state.lock();
        change(&mut state);
        let now = self.inner.clock.now();
        let mut affected = Vec::new();
        for (group, resource) in KINDS {
            let gr = GroupResource::new(group, resource);
            affected
                .extend(state.store.objects(&gr, None).iter().map(|o| ObjectKey::new(&gr, o.namespace(), o.name())));
        }
        controllers::look_again(&mut state, affected, now);
        drop(state);
        self.inner.wake_controllers();
    }
}
