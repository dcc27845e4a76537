//! What makes an entry better once it is served again: compressed text, memory that the kernel can send.
//! Runs on the background thread.

use std::io;

use xxhash_rust::xxh3::xxh3_128;

use super::{
    compress,
    content_budget::HeldBytes,
    entry::{Content, Entry, Progress, Representation, Validity},
    headers::About,
    load, tag,
};

/// Whether there is anything to do about an entry.
pub(super) fn is_wanted(entry: &Entry, compresses: bool) -> bool {
    let compresses = compresses && compressible(entry).is_some();
    match entry.progress() {
        Progress::None => compresses || entry.representations().iter().any(needs_seal),
        Progress::Plain => compresses,
        Progress::Full => false,
    }
}

/// The entry as it should be.
pub(super) fn improve(
    entry: &Entry,
    about: &About,
    (compresses, held): (bool, &HeldBytes),
) -> io::Result<Entry> {
    let mut better = Vec::with_capacity(3);
    for representation in entry.representations() {
        let mut one = representation.clone();
        if let Content::Memory(bytes, None) = &one.content {
            one.content = load::hold(bytes.clone(), held);
        }
        better.push(one);
    }
    if compresses && let Some((original, text)) = compressible(entry) {
        for coding in compress::CODINGS {
            let Some(packed) = compress::compress(text, coding)? else { continue };
            let (size, etag) = (packed.len() as u64, Some(tag::of_hash(xxh3_128(&packed))));
            // A text in memory of which this is made has both.
            let Some(validity) = original.validity.as_ref() else { continue };
            let validity = Some(Validity { etag, modified: validity.modified });
            let head = about.head(coding, size, validity.as_ref());
            let room = held.take(size);
            let content = load::hold(room.hold(packed), held);
            better.push(Representation::new((coding, size), content, head, validity));
        }
    }
    let is_full = compresses || compressible(entry).is_none();
    let progress = if is_full { Progress::Full } else { Progress::Plain };
    Ok(entry.improved(better, progress))
}

/// Contents that the kernel could send, if it had them.
fn needs_seal(representation: &Representation) -> bool {
    matches!(&representation.content, Content::Memory(bytes, None) if load::is_sendable(bytes.len() as u64))
}

/// A text in memory without any compressed sibling.
fn compressible(entry: &Entry) -> Option<(&Representation, &[u8])> {
    let [original] = entry.representations() else { return None };
    let varies = original.head.contains_key(http::header::VARY);
    match &original.content {
        Content::Memory(text, _) if varies && original.size >= compress::LEAST => {
            Some((original, text))
        }
        Content::Memory(..) | Content::Disk(..) => None,
    }
}
