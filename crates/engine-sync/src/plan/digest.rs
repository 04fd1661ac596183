//! Which digests may leave the process.

use gitops_engine_core::{Digest, Manifest};

/// The digest of a manifest for inventories and plans, or `None` for a Secret: who reads the digest of a weak secret can
/// find it by trying.
pub(crate) fn storable_digest(manifest: &Manifest) -> Option<Digest> {
    (!manifest.id().kind.is("", "Secret")).then(|| manifest.digest())
}
