//! The suite of [`ClusterCache`].

use std::sync::Arc;
use std::task::Poll;

use super::cluster::{config_maps, head, remove};
use super::report::{Broken, Outcome, Report, Suite, contract, require, same};
use super::snapshot::{Fingerprint, snapshot};
use super::waiting::BoxFuture;
use crate::{ApplyOptions, ChangeBatch, ChangeStream, Cluster, ClusterCache, KindState, Manifest, ObjectId, Snapshot};

contract! { "../snapshot.rs";
    READY = "Waits until every listable kind has been listed once or is known to be broken or forbidden.";
    ABSENCE = "absence is a proof only where `Coverage::proves_absence`.";
    ANNOUNCED = "A change that is announced is in every snapshot taken afterwards.";
    NAMED = "The objects that were added, changed or removed, without duplicates, sorted.";
    NEVER_CHANGES = "It never changes; it is cheap to hold for as long as one likes.";
    GENERATION = "Grows with each change of the cache that made it.";
    CHILDREN = "The objects that name this one as an owner, sorted by identity.";
    GONE = "All objects, as of the snapshot.";
}

/// How often a suite waits for one thing to happen before it gives up.
const PATIENCE: usize = 400;

/// What the cache suite works with.
#[derive(Clone, Copy)]
pub struct CacheBench<'a> {
    start: &'a (dyn Fn() -> Arc<dyn ClusterCache> + Sync),
    wait: &'a (dyn Fn() -> BoxFuture<'static, ()> + Sync),
    cluster: &'a dyn Cluster,
    namespace: &'a str,
}

impl<'a> CacheBench<'a> {
    /// - `start` starts a cache that watches ConfigMaps, and does not wait for it: what it says while it still lists is
    ///   part of the test.
    /// - `wait` waits for a little while, such as 25 ms by whatever clock the embedder uses: the engine has none of its
    ///   own. The suite gives up what it waits for after 400 of them.
    /// - `cluster` writes to the cluster that the cache watches, and holds
    ///   [the suite of its own](super::cluster).
    /// - `namespace` must exist. The suite makes ConfigMaps there, whose names begin with `conformance-`.
    pub fn new(
        start: &'a (dyn Fn() -> Arc<dyn ClusterCache> + Sync),
        wait: &'a (dyn Fn() -> BoxFuture<'static, ()> + Sync),
        cluster: &'a dyn Cluster,
        namespace: &'a str,
    ) -> Self {
        Self { start, wait, cluster, namespace }
    }
}

/// Holds a [`ClusterCache`], and a [`Snapshot`] of it, against their contracts.
pub async fn cluster_cache(bench: CacheBench<'_>) -> Report {
    let mut suite = Suite::new("ClusterCache");
    suite.run("cache_proves_no_absence_before_it_has_listed", ABSENCE, bench.starting()).await;
    let cache = (bench.start)();
    suite.run("cache_becomes_ready", READY, bench.ready(&*cache)).await;
    suite.run("cache_announces_what_it_shows", ANNOUNCED, bench.announced(&*cache)).await;
    suite.run("cache_names_each_change", NAMED, bench.named(&*cache)).await;
    suite.run("cache_snapshots_never_change", NEVER_CHANGES, bench.immutable(&*cache)).await;
    suite.run("cache_generation_grows", GENERATION, bench.generation(&*cache)).await;
    suite.run("cache_shows_children", CHILDREN, bench.children(&*cache)).await;
    suite.run("cache_forgets_what_is_gone", GONE, bench.gone(&*cache)).await;
    let whole = Box::pin(bench.family(&*cache)).await;
    match whole {
        Ok(now) => suite.absorb(snapshot(&*now, &[bench.namespace])),
        Err(broken) => suite.case("cache_gives_a_snapshot_to_look_at", CHILDREN, || Err(broken)),
    }
    suite.run("cache_suite_cleans_up", GONE, bench.clean()).await;
    suite.report()
}

const NAMES: [&str; 7] = ["early", "told", "named", "held", "grown", "parent", "child"];

impl CacheBench<'_> {
    fn id(&self, name: &str) -> ObjectId {
        ObjectId::namespaced("", "ConfigMap", self.namespace, format!("conformance-{name}"))
    }

    async fn write(&self, name: &str, value: &str) -> Result<Manifest, Broken> {
        let mut body = head("ConfigMap", self.namespace, name);
        body.set(&["data", "value"], value.into());
        self.apply(Manifest::from_value(body)?).await
    }

    async fn apply(&self, manifest: Manifest) -> Result<Manifest, Broken> {
        Ok(self.cluster.apply(&config_maps(), &manifest, &ApplyOptions::new("conformance")).await?.object)
    }

    async fn delete(&self, name: &str) -> Outcome {
        remove(self.cluster, &config_maps(), &self.id(name)).await
    }

    /// Waits until the cache shows what is asked for, and gives the snapshot that does.
    async fn until(
        &self,
        cache: &dyn ClusterCache,
        what: &str,
        holds: impl Fn(&dyn Snapshot) -> bool + Send,
    ) -> Result<Arc<dyn Snapshot>, Broken> {
        for _ in 0..PATIENCE {
            let now = cache.snapshot();
            if holds(&*now) {
                return Ok(now);
            }
            drop(now);
            (self.wait)().await;
        }
        Err(format!("the cache never showed {what}").into())
    }

    /// The next batch of changes, or `None` after a wait without one. Ended streams are failures.
    async fn next(&self, changes: &mut ChangeStream) -> Result<Option<ChangeBatch>, Broken> {
        let mut wait = (self.wait)();
        let next = std::future::poll_fn(|context| match changes.as_mut().poll_next(context) {
            Poll::Ready(batch) => Poll::Ready(batch.map(Some)),
            Poll::Pending => wait.as_mut().poll(context).map(|()| Some(None)),
        });
        Ok(next.await.ok_or_else(|| "the stream of changes ended while the cache runs".to_owned())?)
    }

    async fn starting(&self) -> Outcome {
        let early = self.write("early", "1").await?;
        let cache = (self.start)();
        for _ in 0..PATIENCE {
            let now = cache.snapshot();
            let (kind, shown) = (now.kind(&early.id().kind), now.get(early.id()).is_some());
            require(kind != KindState::NotServed, || "ConfigMaps are said not to be served".to_owned())?;
            if let KindState::Served { coverage, .. } = kind
                && coverage.proves_absence()
            {
                return require(shown, || {
                    format!("{} was there before the cache started, and its absence is said to be proven", early.id())
                });
            }
            drop(now);
            (self.wait)().await;
        }
        Err("ConfigMaps were never completely listed".to_owned().into())
    }

    async fn ready(&self, cache: &dyn ClusterCache) -> Outcome {
        let early = self.write("early", "2").await?;
        cache.ready().await?;
        let now = cache.snapshot();
        let KindState::Served { preferred, coverage, .. } = now.kind(&early.id().kind) else {
            return Err("ConfigMaps are not served after ready".to_owned().into());
        };
        require(coverage.proves_absence(), || format!("the coverage of ConfigMaps is {coverage:?} after ready"))?;
        same("the resource of ConfigMaps", &*preferred, &config_maps())?;
        let live = now.get(early.id()).ok_or_else(|| format!("{} is not there after ready", early.id()))?;
        same("its uid", &Some(&live.uid), &early.uid().as_ref())?;
        let nothing = self.id("never-made");
        require(now.get(&nothing).is_none(), || format!("{nothing} was never made and is there"))?;
        // Ready once is ready for ever.
        Ok(cache.ready().await?)
    }

    async fn announced(&self, cache: &dyn ClusterCache) -> Outcome {
        let mut changes = cache.changes();
        for round in 0..8 {
            let written = self.write("told", &round.to_string()).await?;
            let mut patience = PATIENCE;
            loop {
                if let Some(batch) = self.next(&mut changes).await? {
                    let now = cache.snapshot();
                    require(now.generation() >= batch.generation, || {
                        format!(
                            "generation {} was announced, the snapshot is of {}",
                            batch.generation,
                            now.generation()
                        )
                    })?;
                    let about = batch.lagged || batch.objects.contains(written.id());
                    let shown = now.get(written.id()).map(|live| live.resource_version.clone());
                    if about && shown.as_deref() == written.resource_version() {
                        break;
                    }
                    // A batch may tell of an earlier change; one that tells of this object never shows it absent.
                    require(!about || batch.lagged || shown.is_some(), || {
                        format!("{} was announced and is not in the snapshot", written.id())
                    })?;
                } else {
                    patience -= 1;
                    require(patience > 0, || {
                        let shown = cache.snapshot().get(written.id()).map(|live| live.resource_version.clone());
                        format!(
                            "{} at {:?} was never announced together with its snapshot, which has {shown:?}",
                            written.id(),
                            written.resource_version()
                        )
                    })?;
                }
            }
        }
        Ok(())
    }

    async fn named(&self, cache: &dyn ClusterCache) -> Outcome {
        let id = self.id("named");
        self.delete("named").await?;
        self.until(cache, "that the object is gone", |now| now.get(&id).is_none()).await?;
        let mut changes = cache.changes();
        for (what, expected) in [("the creation", true), ("the removal", false)] {
            if expected {
                self.write("named", "1").await.map(drop)?
            } else {
                self.delete("named").await?
            }
            self.until(cache, what, |now| now.get(&id).is_some() == expected).await?;
            let mut patience = PATIENCE;
            loop {
                match self.next(&mut changes).await? {
                    Some(batch) => {
                        let sorted = batch.objects.windows(2).all(|pair| pair[0] < pair[1]);
                        require(sorted, || format!("a batch is not sorted or has duplicates: {:?}", batch.objects))?;
                        if batch.lagged || batch.objects.contains(&id) {
                            break;
                        }
                    }
                    None => patience -= 1,
                }
                require(patience > 0, || format!("{what} of {id} was not announced"))?;
            }
        }
        Ok(())
    }

    async fn immutable(&self, cache: &dyn ClusterCache) -> Outcome {
        let first = self.write("held", "1").await?;
        let version = |object: &Manifest| object.resource_version().map(str::to_owned);
        let shows = |now: &dyn Snapshot, object: &Manifest| {
            now.get(object.id()).map(|live| live.resource_version.to_string()) == version(object)
        };
        let held = self.until(cache, "the first write", |now| shows(now, &first)).await?;
        let before = Fingerprint::of(&*held, &[self.namespace]);
        let second = self.write("held", "2").await?;
        self.until(cache, "the second write", |now| shows(now, &second)).await?;
        same("the snapshot that was held over a change", &Fingerprint::of(&*held, &[self.namespace]), &before)?;
        self.delete("held").await?;
        self.until(cache, "the removal", |now| now.get(second.id()).is_none()).await?;
        same("the snapshot that was held over a removal", &Fingerprint::of(&*held, &[self.namespace]), &before)
    }

    async fn generation(&self, cache: &dyn ClusterCache) -> Outcome {
        let mut last = cache.snapshot().generation();
        for round in 0..4 {
            let written = self.write("grown", &round.to_string()).await?;
            let shown = |now: &dyn Snapshot| {
                now.get(written.id()).is_some_and(|live| Some(&*live.resource_version) == written.resource_version())
            };
            let now = self.until(cache, "a write", shown).await?;
            require(now.generation() > last, || {
                format!("the generation was {last} and is {} after a change", now.generation())
            })?;
            last = now.generation();
        }
        Ok(())
    }

    async fn family(&self, cache: &dyn ClusterCache) -> Result<Arc<dyn Snapshot>, Broken> {
        let parent = self.write("parent", "1").await?;
        let uid = parent.uid().ok_or_else(|| "an applied object has no uid".to_owned())?;
        let mut body = head("ConfigMap", self.namespace, "child");
        let mut owner = crate::Value::empty_object();
        owner.set(&["apiVersion"], "v1".into());
        owner.set(&["kind"], "ConfigMap".into());
        owner.set(&["name"], (&*parent.id().name).into());
        owner.set(&["uid"], uid.as_str().into());
        body.set(&["metadata", "ownerReferences"], crate::Value::from(vec![owner]));
        let child = self.apply(Manifest::from_value(body)?).await?;
        self.until(cache, "the child of the object", |now| {
            now.get(parent.id()).is_some() && now.children(&uid).iter().any(|found| found.id == *child.id())
        })
        .await
    }

    async fn children(&self, cache: &dyn ClusterCache) -> Outcome {
        let now = self.family(cache).await?;
        let uid = now.get(&self.id("parent")).map(|parent| parent.uid.clone());
        let uid = uid.ok_or_else(|| "the parent is not there".to_owned())?;
        let ids: Vec<_> = now.children(&uid).iter().map(|child| child.id.clone()).collect();
        same("the children", &ids, &vec![self.id("child")])?;
        // A child that no longer names its owner is none.
        self.write("child", "free").await?;
        self.until(cache, "that the child is free", |now| now.children(&uid).is_empty()).await?;
        Ok(())
    }

    async fn gone(&self, cache: &dyn ClusterCache) -> Outcome {
        let now = self.family(cache).await?;
        let uid = now.get(&self.id("parent")).map(|parent| parent.uid.clone());
        let uid = uid.ok_or_else(|| "the parent is not there".to_owned())?;
        self.delete("child").await?;
        let child = self.id("child");
        let now = self.until(cache, "that the child is gone", |now| now.get(&child).is_none()).await?;
        let ids: Vec<_> = now.children(&uid).iter().map(|child| child.id.clone()).collect();
        same("the children", &ids, &Vec::new())?;
        let listed = now.in_namespace(self.namespace).iter().any(|object| object.id == child);
        require(!listed, || format!("{child} is gone and is still listed in its namespace"))
    }

    async fn clean(&self) -> Outcome {
        for name in NAMES {
            self.delete(name).await?;
        }
        Ok(())
    }
}
