//! Keeping the number of packs small.
//!
//! Each fetch that brings something leaves a pack, a lookup asks every pack in turn, and gix bounds how many one open
//! store can hold. Git itself collects garbage now and then; here the small packs are made one, now and then.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use gitops_engine_core::Result;
use gix::ObjectId;
use gix::parallel::InOrderIter;
use gix::progress::Discard;
use gix_pack::data::output::{bytes::FromEntriesIter, count, entry};

use super::cache::WriteLock;
use crate::error::from_gix;
use crate::odb::{ALLOCATION_LIMIT, Repo};
use crate::worker::Interrupt;

/// More packs than this are made one.
const PACKS: usize = 40;

/// Packs larger than this, in bytes, stay as they are.
const LARGE: u64 = 256 << 20;

struct Pack {
    /// Without the ending.
    stem: PathBuf,
    size: u64,
}

/// Makes small packs one when there are many. Only the holder of the write lock may do this.
///
/// Readers are not disturbed: what they have open stays readable, and what they look for next is in the new pack, which
/// is there before an old one goes. An interruption leaves all packs as they were.
pub(crate) fn repack(repo: &Repo, _lock: &WriteLock, interrupt: &Interrupt) -> Result<()> {
    let directory = repo.with(|repo| repo.objects.store_ref().path().join("pack"));
    let packs = packs(&directory);
    if packs.len() <= PACKS {
        return Ok(());
    }
    let merged = small(packs);
    if merged.len() < 2 {
        return Ok(());
    }
    tracing::debug!(repository = repo.name(), packs = merged.len(), "making small packs one");
    let aside = directory.join("tmp_repack");
    repo.with(|handle| write(handle, &merged, &aside, &directory, interrupt))
        .map_err(|error| from_gix(error, format!("the packs of {} cannot be made one", repo.name())))?;
    fs::remove_file(&aside).ok();
    for Pack { stem, .. } in merged {
        // The index first: a reader that sees a pack without one passes by, an index without a pack is damage.
        for ending in ["idx", "pack"] {
            if let Err(error) = fs::remove_file(stem.with_extension(ending)) {
                tracing::warn!(pack = %stem.display(), %error, "a pack that is no longer needed cannot be removed");
                break;
            }
        }
    }
    Ok(())
}

fn packs(directory: &Path) -> Vec<Pack> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let packs = files.filter(|file| file.path().extension().is_some_and(|ending| ending == "pack"));
    packs
        .filter_map(|file| Some(Pack { stem: file.path().with_extension(""), size: file.metadata().ok()?.len() }))
        .filter(|pack| pack.stem.with_extension("idx").exists())
        .collect()
}

/// The packs to make one: not the large ones, and not one that outweighs all others, so that each object is written again
/// only when the store has doubled.
fn small(mut packs: Vec<Pack>) -> Vec<Pack> {
    packs.retain(|pack| pack.size < LARGE);
    packs.sort_by(|a, b| a.size.cmp(&b.size).then_with(|| a.stem.cmp(&b.stem)));
    while let Some((last, others)) = packs.split_last()
        && last.size > others.iter().map(|pack| pack.size).sum()
    {
        packs.pop();
    }
    packs
}

fn write(
    repo: &gix::Repository,
    merged: &[Pack],
    aside: &Path,
    directory: &Path,
    interrupt: &Interrupt,
) -> gix::Result<()> {
    let io = |error: std::io::Error| gix::Error::from_error(error);
    let mut ids = Vec::new();
    for pack in merged {
        let index = gix_pack::index::File::at(pack.stem.with_extension("idx"), repo.object_hash())?;
        ids.extend(index.iter().map(|entry| entry.oid));
    }
    ids.sort_unstable();
    ids.dedup();

    let mut objects = (*repo.objects).clone();
    // Entries are copied by where they are in a pack, so none may move meanwhile.
    objects.prevent_pack_unload();
    let (counts, _) = count::objects_unthreaded(
        &objects,
        &mut ids.iter().map(|id| Ok::<ObjectId, gix::Error>(*id)),
        &Discard,
        interrupt.flag(),
        count::objects::ObjectExpansion::AsIs,
    )?;
    let number = u32::try_from(counts.len()).unwrap_or(u32::MAX);
    let entries = entry::iter_from_counts(
        counts,
        objects,
        Box::new(Discard),
        entry::iter_from_counts::Options { compression: gix::zlib::Compression::BEST_SPEED, ..Default::default() },
    )?;
    let mut file = BufWriter::new(File::create(aside).map_err(io)?);
    let version = gix_pack::data::Version::default();
    for written in FromEntriesIter::new(InOrderIter::from(entries), &mut file, number, version, repo.object_hash()) {
        written?;
        if interrupt.check().is_err() {
            return Err(gix::error::message("interrupted").cancelled().into());
        }
    }
    file.flush().map_err(io)?;
    drop(file);
    let options = gix_pack::bundle::write::Options {
        thread_limit: None,
        index_version: gix_pack::index::Version::default(),
        iteration_mode: gix_pack::data::input::Mode::Verify,
        alloc_limit_bytes: Some(ALLOCATION_LIMIT),
        compression: gix::zlib::Compression::BEST_SPEED,
    };
    let written = gix_pack::Bundle::write_to_directory(
        &mut BufReader::new(File::open(aside).map_err(io)?),
        Some(directory),
        &mut Discard,
        interrupt.flag(),
        None::<gix::OdbHandle>,
        repo.object_hash(),
        options,
    )?;
    if let Some(keep) = written.keep_path {
        fs::remove_file(keep).map_err(io)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_that_outweighs_the_others_stays() {
        let pick = |sizes: &[u64]| {
            let packs = sizes.iter().map(|size| Pack { stem: size.to_string().into(), size: *size }).collect();
            small(packs).iter().map(|pack| pack.size).collect::<Vec<_>>()
        };
        assert_eq!(pick(&[1000, 1, 2, 3]), [1, 2, 3]);
        assert_eq!(pick(&[6, 1, 2, 3]), [1, 2, 3, 6]);
        assert_eq!(pick(&[1000, 100, 1, 1]), [1, 1]);
        assert_eq!(pick(&[LARGE, LARGE, 1, 1]), [1, 1]);
    }
}
