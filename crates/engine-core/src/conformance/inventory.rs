//! The suite of [`InventoryStore`].

use super::report::{Outcome, Report, Suite, contract, fails, require, same};
use super::waiting::{BoxFuture, abandon, together};
use crate::{
    ApplicationName, Digest, EntryState, Error, ErrorKind, HookRecord, Inventory, InventoryEntry, InventoryStore,
    InventoryVersion, ObjectId, Operation, Result, Revision, Timestamp, Uid,
};

contract! { "../inventory.rs";
    NOTHING = "The inventory of an application, empty and without a version where none is stored.";
    SWAP = "`save` succeeds only when the stored version is still `expected` (`None`: nothing is stored); otherwise it changes nothing and fails with `Conflict`.";
    ACKNOWLEDGED = "What `save` acknowledged is what `load` returns, after a crash of this process too.";
    ATOMIC = "`save` is atomic: a reader sees the old one or the new one.";
    DROPPED = "Dropping the future of `save` leaves the old one or the new one.";
    WHOSE = "The inventory of an application,";
}

/// Holds an [`InventoryStore`] against its contract.
///
/// The store must be fresh: the suite saves under names that begin with `conformance-`, and there is no delete.
pub async fn inventory_store(store: &dyn InventoryStore) -> Report {
    let mut suite = Suite::new("InventoryStore");
    suite.run("inventory_of_nothing_is_empty", NOTHING, nothing(store)).await;
    suite.run("inventory_first_save", ACKNOWLEDGED, first_save(store)).await;
    suite.run("inventory_round_trip_of_every_field", ACKNOWLEDGED, round_trip(store)).await;
    suite.run("inventory_of_many_objects", ACKNOWLEDGED, many(store)).await;
    suite.run("inventory_second_first_save_conflicts", SWAP, second_first_save(store)).await;
    suite.run("inventory_stale_version_conflicts", SWAP, stale(store)).await;
    suite.run("inventory_version_of_nothing_conflicts", SWAP, version_of_nothing(store)).await;
    suite.run("inventory_one_of_many_writers_wins", SWAP, race(store)).await;
    suite.run("inventory_readers_see_old_or_new", ATOMIC, readers(store)).await;
    suite.run("inventory_dropped_save_is_old_or_new", DROPPED, dropped(store)).await;
    suite.run("inventory_applications_do_not_mix", WHOSE, no_mixing(store)).await;
    suite.report()
}

fn empty(name: &str) -> Result<Inventory> {
    Ok(Inventory::new(ApplicationName::parse(&format!("conformance-{name}"))?))
}

/// An inventory whose content tells which one it is.
fn marked(name: &str, mark: &str) -> Result<Inventory> {
    let mut inventory = empty(name)?;
    inventory.revision = Some(Revision::new(mark));
    let id = ObjectId::namespaced("", "ConfigMap", "shop", format!("object-{mark}"));
    inventory.entries.insert(id, InventoryEntry::announced("v1"));
    Ok(inventory)
}

async fn holds(
    store: &dyn InventoryStore,
    expected: &Inventory,
    version: Option<&InventoryVersion>,
    when: &str,
) -> Outcome {
    let loaded = store.load(&expected.application).await?;
    same(&format!("what is stored {when}"), &loaded.inventory, expected)?;
    same(&format!("the stored version {when}"), &loaded.version.as_ref(), &version)
}

async fn nothing(store: &dyn InventoryStore) -> Outcome {
    holds(store, &empty("nothing")?, None, "before any save").await?;
    holds(store, &empty("nothing")?, None, "after a load").await
}

async fn first_save(store: &dyn InventoryStore) -> Outcome {
    let first = marked("first", "1")?;
    let version = store.save(&first, None).await?;
    holds(store, &first, Some(&version), "after the first save").await?;
    let second = marked("first", "2")?;
    let version = store.save(&second, Some(&version)).await?;
    holds(store, &second, Some(&version), "after the second save").await?;
    let version = store.save(&second, Some(&version)).await?;
    holds(store, &second, Some(&version), "after the same was saved again").await?;
    let none = empty("first")?;
    let version = store.save(&none, Some(&version)).await?;
    holds(store, &none, Some(&version), "after an empty inventory was saved").await
}

async fn round_trip(store: &dyn InventoryStore) -> Outcome {
    let mut inventory = marked("fields", "1")?;
    inventory.hooks = Some(Digest::of(b"hooks"));
    let mut entry = InventoryEntry::announced("v1beta1");
    entry.state = EntryState::Applied;
    entry.uid = Some(Uid::new("8a1d7c1e-0000-4000-8000-000000000000"));
    entry.desired = Some(Digest::of(b"desired"));
    entry.applied = Some(Digest::of(b"applied"));
    entry.keep = Some("kept: \"why\" \u{2603}\n".to_owned());
    entry.wave = i32::MIN;
    inventory.entries.insert(ObjectId::cluster("", "Namespace", "shop"), entry.clone());
    entry.wave = i32::MAX;
    entry.keep = Some(String::new());
    inventory.entries.insert(ObjectId::namespaced("example.com", "Shop", "shop", "shop"), entry.clone());
    // Alike but for one part of their identity.
    inventory.entries.insert(ObjectId::namespaced("example.com", "Shop", "shop2", "shop"), entry.clone());
    inventory.entries.insert(ObjectId::namespaced("example.org", "Shop", "shop", "shop"), entry);
    let mut operation = Operation::new(Revision::new("2"), Timestamp::from_second(1_700_000_000).unwrap_or_default());
    operation.hooks.insert("PreSync batch/Job shop/migrate".to_owned(), HookRecord::new(Digest::of(b"hook"), false));
    operation.hooks.insert("PostSync batch/Job shop/tell".to_owned(), HookRecord::new(Digest::of(b"hook"), true));
    inventory.operation = Some(operation);
    let version = store.save(&inventory, None).await?;
    holds(store, &inventory, Some(&version), "with every field set").await
}

async fn many(store: &dyn InventoryStore) -> Outcome {
    let mut inventory = marked("many", "1")?;
    let before = store.save(&inventory, None).await?;
    let small = inventory.clone();
    for number in 0..2000_u32 {
        let mut entry = InventoryEntry::announced("v1");
        entry.state = EntryState::Applied;
        entry.uid = Some(Uid::new(format!("{number:08}-0000-4000-8000-000000000000")));
        entry.desired = Some(Digest::of(&number.to_le_bytes()));
        let id = ObjectId::namespaced("apps", "Deployment", "a-namespace", format!("a-name-of-usual-length-{number}"));
        inventory.entries.insert(id, entry);
    }
    match store.save(&inventory, Some(&before)).await {
        Ok(version) => holds(store, &inventory, Some(&version), "with 2000 objects").await,
        // A store may have a limit; one that is reached must lose nothing.
        Err(error) if error.kind() == ErrorKind::LimitExceeded => {
            holds(store, &small, Some(&before), "after a save that was too large").await
        }
        Err(error) => Err(error.into()),
    }
}

async fn second_first_save(store: &dyn InventoryStore) -> Outcome {
    let first = marked("twice", "1")?;
    let version = store.save(&first, None).await?;
    let second = store.save(&marked("twice", "2")?, None).await;
    fails("a first save where something is stored", second, ErrorKind::Conflict)?;
    holds(store, &first, Some(&version), "after a conflict").await
}

async fn stale(store: &dyn InventoryStore) -> Outcome {
    let first = store.save(&marked("stale", "1")?, None).await?;
    let stored = marked("stale", "2")?;
    let second = store.save(&stored, Some(&first)).await?;
    let late = store.save(&marked("stale", "3")?, Some(&first)).await;
    fails("a save with a version that is no longer stored", late, ErrorKind::Conflict)?;
    holds(store, &stored, Some(&second), "after a conflict").await
}

async fn version_of_nothing(store: &dyn InventoryStore) -> Outcome {
    let version = store.save(&marked("origin", "1")?, None).await?;
    let never = store.save(&marked("never", "1")?, Some(&version)).await;
    fails("a save with a version where nothing is stored", never, ErrorKind::Conflict)?;
    holds(store, &empty("never")?, None, "after a conflict").await
}

async fn race(store: &dyn InventoryStore) -> Outcome {
    let mut current = None;
    for round in 0..4 {
        let inventories: Vec<_> =
            (0..6).map(|writer| marked("race", &format!("{round}-{writer}"))).collect::<Result<_>>()?;
        let expected = current.as_ref();
        let saves = inventories.iter().map(|inventory| Box::pin(store.save(inventory, expected)) as BoxFuture<'_, _>);
        let mut won = Vec::new();
        for (result, inventory) in together(saves.collect()).await.into_iter().zip(&inventories) {
            match result {
                Ok(version) => won.push((version, inventory)),
                lost => fails("the save of a writer that came too late", lost, ErrorKind::Conflict)?,
            }
        }
        let [(version, inventory)] = won.as_slice() else {
            return Err(format!("{} of 6 writers with the same version won", won.len()).into());
        };
        holds(store, inventory, Some(version), "after a race").await?;
        current = Some(version.clone());
    }
    Ok(())
}

async fn readers(store: &dyn InventoryStore) -> Outcome {
    let (old, new) = (marked("readers", "old")?, marked("readers", "new")?);
    let version = store.save(&old, None).await?;
    type Seen = Result<Option<Inventory>, Error>;
    let read = || -> BoxFuture<'_, Seen> {
        Box::pin(async { store.load(&old.application).await.map(|loaded| Some(loaded.inventory)) })
    };
    let write: BoxFuture<'_, Seen> = Box::pin(async { store.save(&new, Some(&version)).await.map(|_| None) });
    for seen in together(vec![read(), read(), write, read(), read()]).await {
        if let Some(seen) = seen? {
            require(seen == old || seen == new, || {
                "a reader saw neither the old inventory nor the new one".to_owned()
            })?;
        }
    }
    Ok(())
}

async fn dropped(store: &dyn InventoryStore) -> Outcome {
    let mut version = None;
    for polls in 0..6 {
        let (before, after) = (marked("dropped", &format!("{polls}-a"))?, marked("dropped", &format!("{polls}-b"))?);
        let stored = store.save(&before, version.as_ref()).await?;
        abandon(Box::pin(store.save(&after, Some(&stored))), polls).await;
        let loaded = store.load(&before.application).await?;
        let whole = loaded.inventory == before || loaded.inventory == after;
        require(whole, || format!("after {polls} polls of a save, neither the old nor the new inventory is stored"))?;
        // A write that still was on its way may land now; then the loaded version is stale, and saying so is right.
        let next = marked("dropped", &format!("{polls}-c"))?;
        version = match store.save(&next, loaded.version.as_ref()).await {
            Ok(version) => Some(version),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let landed = store.load(&before.application).await?;
                same("what landed late", &landed.inventory, &after)?;
                landed.version
            }
            Err(error) => return Err(error.into()),
        };
    }
    Ok(())
}

async fn no_mixing(store: &dyn InventoryStore) -> Outcome {
    let names = ["mix", "mix-2", "mix-2-a", "mi"];
    let mut saved = Vec::new();
    for name in names {
        let inventory = marked(name, name)?;
        saved.push((store.save(&inventory, None).await?, inventory));
    }
    let changed = marked("mix", "changed")?;
    let version = store.save(&changed, Some(&saved[0].0)).await?;
    saved[0] = (version, changed);
    for (version, inventory) in &saved {
        holds(store, inventory, Some(version), &format!("for {}", inventory.application)).await?;
    }
    Ok(())
}
