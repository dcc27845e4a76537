//! Optimises an entry once it is served again: compressed text, and memory that the kernel can send. Runs on the
//! background thread.

use std::io;

use xxhash_rust::xxh3::xxh3_128;

use super::{
    compress,
    content_budget::ContentBudget,
    entry::{EntryValidators, FileContent, FileEntry, Optimisation, Representation},
    headers::FileHeaders,
    load, tag,
};
use crate::body::is_sendable;

/// Whether an entry can be optimised.
pub(super) fn is_wanted(entry: &FileEntry, compresses: bool) -> bool {
    let compresses = compresses && compressible(entry).is_some();
    match entry.optimisation() {
        Optimisation::None => compresses || entry.representations().iter().any(needs_seal),
        Optimisation::Plain => compresses,
        Optimisation::Full => false,
    }
}

/// Returns the optimised entry.
pub(super) fn optimise(
    entry: &FileEntry,
    about: &FileHeaders,
    (compresses, held): (bool, &ContentBudget),
) -> io::Result<FileEntry> {
    let mut better = Vec::with_capacity(3);
    for representation in entry.representations() {
        let mut one = representation.clone();
        if let FileContent::Memory(bytes, None) = &one.content {
            one.content = load::hold(bytes.clone(), held);
        }
        better.push(one);
    }
    if compresses && let Some((original, text)) = compressible(entry) {
        for coding in compress::CODINGS {
            let Some(packed) = compress::compress(text, coding)? else { continue };
            let (size, etag) = (packed.len() as u64, Some(tag::of_hash(xxh3_128(&packed))));
            // A text in memory, from which this is made, has both.
            let Some(validity) = original.validity.as_ref() else { continue };
            let validity = Some(EntryValidators { etag, modified: validity.modified });
            let head = about.head(coding, size, validity.as_ref());
            let room = held.take(size);
            let content = load::hold(room.hold(packed), held);
            better.push(Representation::new((coding, size), content, head, validity));
        }
    }
    let is_full = compresses || compressible(entry).is_none();
    let optimisation = if is_full { Optimisation::Full } else { Optimisation::Plain };
    Ok(entry.optimised(better, optimisation))
}

/// Whether the kernel could send the contents if they were sealed.
fn needs_seal(representation: &Representation) -> bool {
    matches!(&representation.content, FileContent::Memory(bytes, None) if is_sendable(bytes.len() as u64))
}

/// Returns a text in memory without any precompressed file.
fn compressible(entry: &FileEntry) -> Option<(&Representation, &[u8])> {
    let [original] = entry.representations() else { return None };
    let varies = original.head.contains_key(http::header::VARY);
    match &original.content {
        FileContent::Memory(text, _) if varies && original.size >= compress::MIN_SIZE => {
            Some((original, text))
        }
        FileContent::Memory(..) | FileContent::Disk(..) => None,
    }
}
