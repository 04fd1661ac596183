//! The format of the shipped file: named pieces of text, each compressed by itself, so that reading one costs nothing for
//! the others.
//!
//! `gitops-engine-schema 1\n`, then for each piece its name, a blank, its length, a blank, its compressed length and a line
//! feed; an empty line; then the compressed pieces (zlib, RFC 1950) one after the other.

use std::collections::BTreeMap;

use zlib_rs::{DeflateConfig, InflateConfig, ReturnCode};

const MAGIC: &str = "gitops-engine-schema 1\n";

/// Why an archive cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file is not an archive of this version.
    #[error("not an archive of this version: {0}")]
    Format(&'static str),
    /// A piece does not decompress to what the head says, or cannot be compressed.
    #[error("the piece {0:?} is broken")]
    Piece(String),
}

/// An archive that is being read.
#[derive(Debug)]
pub struct Archive<'a> {
    pieces: BTreeMap<&'a str, Piece<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    length: usize,
    compressed: &'a [u8],
}

impl<'a> Archive<'a> {
    /// Reads the head; decompresses nothing.
    ///
    /// # Errors
    /// [`ArchiveError::Format`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        if !bytes.starts_with(MAGIC.as_bytes()) {
            return Err(ArchiveError::Format("another first line"));
        }
        // From the line feed on, so that a head without pieces ends, too.
        let body = &bytes[MAGIC.len() - 1..];
        let end = body.windows(2).position(|w| w == b"\n\n").ok_or(ArchiveError::Format("the head has no end"))?;
        let head = std::str::from_utf8(&body[..end]).map_err(|_| ArchiveError::Format("the head is not text"))?;
        let mut rest = &body[end + 2..];
        let mut pieces = BTreeMap::new();
        for line in head.lines().skip(1) {
            let mut words = line.split(' ');
            let (Some(name), Some(length), Some(compressed)) = (words.next(), words.next(), words.next()) else {
                return Err(ArchiveError::Format("a line of the head is too short"));
            };
            let (Ok(length), Ok(compressed)) = (length.parse(), compressed.parse::<usize>()) else {
                return Err(ArchiveError::Format("a length is not a number"));
            };
            let (piece, after) =
                rest.split_at_checked(compressed).ok_or(ArchiveError::Format("the file is cut off"))?;
            rest = after;
            pieces.insert(name, Piece { length, compressed: piece });
        }
        Ok(Self { pieces })
    }

    /// The names of all pieces with their length and compressed length in bytes, in order of name.
    pub fn pieces(&self) -> impl Iterator<Item = (&'a str, usize, usize)> {
        self.pieces.iter().map(|(name, p)| (*name, p.length, p.compressed.len()))
    }

    /// The text of a piece; `None` when there is none of that name.
    ///
    /// # Errors
    /// [`ArchiveError::Piece`].
    pub fn text(&self, name: &str) -> Result<Option<String>, ArchiveError> {
        let Some(piece) = self.pieces.get(name) else { return Ok(None) };
        let broken = || ArchiveError::Piece(name.to_owned());
        // Deflate does not get below a thousandth: a head that says more is not believed.
        if piece.length > piece.compressed.len().saturating_mul(1100) {
            return Err(broken());
        }
        let mut out = vec![0; piece.length];
        let (written, code) = zlib_rs::decompress_slice(&mut out, piece.compressed, InflateConfig::default());
        if code != ReturnCode::Ok || written.len() != piece.length {
            return Err(broken());
        }
        String::from_utf8(out).map(Some).map_err(|_| broken())
    }
}

/// Writes an archive. The same pieces give the same bytes.
///
/// # Errors
/// [`ArchiveError::Piece`] for a name with a blank or a line feed, or a piece that cannot be compressed.
pub fn write(pieces: &BTreeMap<String, String>) -> Result<Vec<u8>, ArchiveError> {
    let (mut head, mut body) = (MAGIC.to_owned(), Vec::new());
    for (name, text) in pieces {
        let mut out = vec![0; zlib_rs::compress_bound(text.len())];
        let (compressed, code) = zlib_rs::compress_slice(&mut out, text.as_bytes(), DeflateConfig::best_compression());
        if code != ReturnCode::Ok || name.contains([' ', '\n']) {
            return Err(ArchiveError::Piece(name.clone()));
        }
        head.push_str(&format!("{name} {} {}\n", text.len(), compressed.len()));
        body.extend_from_slice(compressed);
    }
    head.push('\n');
    let mut bytes = head.into_bytes();
    bytes.append(&mut body);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_cut_off_or_changed_is_an_error() {
        let pieces = BTreeMap::from([("a".to_owned(), "x".repeat(5000)), ("b".to_owned(), String::new())]);
        let bytes = write(&pieces).unwrap();
        for length in 0..bytes.len() {
            let cut = Archive::read(&bytes[..length]);
            assert!(cut.is_err() || cut.unwrap().text("a").is_err(), "{length}");
        }
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(Archive::read(&changed).unwrap().text("b"), Err(ArchiveError::Piece("b".to_owned())));
        assert_eq!(Archive::read(&bytes).unwrap().text("c"), Ok(None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pieces in prop::collection::btree_map("[a-z/.]{1,9}", ".{0,99}", 0..5)) {
            let bytes = write(&pieces).unwrap();
            let archive = Archive::read(&bytes).unwrap();
            prop_assert_eq!(archive.pieces().count(), pieces.len());
            for (name, text) in &pieces {
                prop_assert_eq!(archive.text(name), Ok(Some(text.clone())));
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let mut file = MAGIC.as_bytes().to_vec();
            file.extend(bytes);
            if let Ok(archive) = Archive::read(&file) {
                for (name, _, _) in archive.pieces().collect::<Vec<_>>() {
                    let _any = archive.text(name);
                }
            }
        }
    }
}
