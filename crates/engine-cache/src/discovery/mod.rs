//! What a cluster serves: all of it that can be told, and which groups cannot.
//!
//! One request for `/api` and one for `/apis`
//! ([aggregated discovery](https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery)); a server
//! that does not know that form answers with the old one, and its groups are asked one by one.

mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use gitops_engine_core::{ApiFault, ApiFaultKind, Capabilities, GroupKind, ResourceType};
use serde::de::DeserializeOwned;

use crate::Connection;
use crate::fault::{Redaction, refusal};
use crate::request::{Call, Url};
use wire::{Aggregated, Answer, GroupVersions, LegacyGroups, LegacyResources, LegacyVersions};

/// One version of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) resource: Arc<ResourceType>,
    /// Whether it can be listed and watched.
    pub(crate) watchable: bool,
}

/// What one group serves: each kind with its versions, best first.
pub(crate) type GroupKinds = BTreeMap<GroupKind, Vec<Served>>;

/// One answer to "what do you serve?".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discovery {
    pub(crate) kubernetes_version: Option<String>,
    /// By name of the group. A group that failed now and was known before has what was known.
    pub(crate) groups: BTreeMap<Arc<str>, GroupKinds>,
    /// Groups that could not be asked, and why.
    pub(crate) broken: BTreeMap<Arc<str>, Arc<str>>,
}

impl Discovery {
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&GroupKind, &Vec<Served>)> {
        self.groups.values().flatten()
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        let mut versions = Vec::new();
        for resource in self.kinds().flat_map(|(_, served)| served).map(|served| &served.resource) {
            versions.push(resource.api_version());
            versions.push(format!("{}/{}", resource.api_version(), resource.kind.kind));
        }
        versions.sort_unstable();
        versions.dedup();
        let mut capabilities = Capabilities::default();
        capabilities.kubernetes_version.clone_from(&self.kubernetes_version);
        capabilities.api_versions = versions;
        capabilities
    }

    /// Keeps what was known of groups that are broken now.
    pub(crate) fn keeping(mut self, before: &Self) -> Self {
        for group in self.broken.keys() {
            // Some versions of the group may have answered: what they say is newer, what they do not say is no news.
            if let Some(known) = before.groups.get(group) {
                let now = self.groups.entry(group.clone()).or_default();
                let answered = std::mem::replace(now, known.clone());
                now.extend(answered);
            }
        }
        if self.kubernetes_version.is_none() {
            self.kubernetes_version.clone_from(&before.kubernetes_version);
        }
        self
    }
}

/// Asks the server.
///
/// # Errors
/// When it cannot be asked at all. A group that fails is no error.
pub(crate) async fn discover(connection: &Connection, timeout: Duration) -> Result<Discovery, ApiFault> {
    let asker = Asker { connection, timeout };
    let (core, groups) = futures::try_join!(asker.core(), asker.groups())?;
    let mut discovery = Discovery::default();
    for group in core.into_iter().chain(groups) {
        let GroupVersions { name, kinds, broken } = group;
        if let Some(why) = broken {
            discovery.broken.insert(name.clone(), why);
        }
        discovery.groups.insert(name, kinds);
    }
    discovery.kubernetes_version = asker.version().await;
    Ok(discovery)
}

struct Asker<'a> {
    connection: &'a Connection,
    timeout: Duration,
}

/// Large clusters with many CRDs answer with some megabytes.
const LARGEST_DISCOVERY: usize = 128 << 20;
/// How many groups of an old server are asked at a time.
const CONCURRENT_GROUPS: usize = 8;

impl Asker<'_> {
    async fn core(&self) -> Result<Vec<GroupVersions>, ApiFault> {
        match self.ask::<LegacyVersions>("/api").await? {
            Answer::Aggregated(list) => Ok(list.into_groups()),
            Answer::Legacy(versions) => {
                let versions =
                    versions.versions.into_iter().map(|version| (format!("/api/{version}"), version)).collect();
                Ok(vec![self.group("".into(), versions).await])
            }
        }
    }

    async fn groups(&self) -> Result<Vec<GroupVersions>, ApiFault> {
        match self.ask::<LegacyGroups>("/apis").await? {
            Answer::Aggregated(list) => Ok(list.into_groups()),
            Answer::Legacy(list) => {
                let groups = list.groups.into_iter().map(|group| {
                    let versions = group.ordered_versions().into_iter();
                    let versions =
                        versions.map(|version| (format!("/apis/{}/{version}", group.name), version)).collect();
                    self.group(group.name.as_str().into(), versions)
                });
                Ok(stream::iter(groups.collect::<Vec<_>>()).buffer_unordered(CONCURRENT_GROUPS).collect().await)
            }
        }
    }

    /// Asks for each version of a group.
    async fn group(&self, name: Arc<str>, versions: Vec<(String, String)>) -> GroupVersions {
        let mut group = GroupVersions { name, kinds: GroupKinds::new(), broken: None };
        for (path, version) in versions {
            match self.get::<LegacyResources>(&path, "application/json").await {
                Ok(list) => list.add_to(&mut group, &version),
                Err(fault) => group.broken = Some(format!("discovery of {path} failed: {fault}").into()),
            }
        }
        group
    }

    async fn version(&self) -> Option<String> {
        self.get::<wire::Version>("/version", "application/json").await.ok().map(|version| version.git_version)
    }

    async fn ask<L: DeserializeOwned>(&self, path: &str) -> Result<Answer<L>, ApiFault> {
        let body = self.fetch(path, wire::ACCEPT).await?;
        if let Ok(list) = read::<Aggregated>(&body)
            && list.is_one()
        {
            return Ok(Answer::Aggregated(list));
        }
        read(&body).map(Answer::Legacy).map_err(|why| senseless(path, &why))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, accept: &str) -> Result<T, ApiFault> {
        let body = self.fetch(path, accept).await?;
        read(&body).map_err(|why| senseless(path, &why))
    }

    async fn fetch(&self, path: &str, accept: &str) -> Result<bytes::Bytes, ApiFault> {
        let call = Call { accept, limit: LARGEST_DISCOVERY, ..Call::get(Url::of(path), self.timeout) };
        let reply = call.send(self.connection.client()).await?;
        if reply.status.is_success() { Ok(reply.body) } else { Err(refusal(&reply, &Redaction::default())) }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body)
}

fn senseless(path: &str, why: &serde_json::Error) -> ApiFault {
    ApiFault::new(ApiFaultKind::Protocol, 200, format!("the answer to {path} is no discovery document: {why}"))
}
