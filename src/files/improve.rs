//! What makes an entry better once it is served again: a strong tag for a large file, compressed text,
//! memory that the kernel can send.
//! Runs on the background thread.

use std::io;

use xxhash_rust::xxh3::xxh3_128;

use super::{
    compress,
    entry::{Content, Entry, Progress, Representation},
    hashes::Hashes,
    head::About,
    load,
};

/// Reading more than this through the page cache costs the site more than a strong tag is worth.
const HASHED: u64 = 1024 * 1024 * 1024;

/// Whether there is anything to do about an entry.
pub(super) fn is_wanted(entry: &Entry, compresses: bool) -> bool {
    let compresses = compresses && compressible(entry).is_some();
    match entry.progress() {
        Progress::None => {
            compresses
                || entry.representations().iter().any(|one| needs_hash(one) || needs_seal(one))
        }
        Progress::Plain => compresses,
        Progress::Full => false,
    }
}

/// The entry as it should be; `None` if the file changed meanwhile.
pub(super) fn improve(
    entry: &Entry,
    about: &About,
    compresses: bool,
    known: &Hashes,
) -> io::Result<Option<Entry>> {
    let mut better = Vec::with_capacity(3);
    for representation in entry.representations() {
        if needs_hash(representation) {
            let Some(hash) = load::hash(representation, known)? else { return Ok(None) };
            better.push(representation.with_hash(hash));
            continue;
        }
        let mut one = representation.clone();
        if let Content::Memory(bytes, None) = &one.content {
            one.content = load::hold(bytes.clone());
        }
        better.push(one);
    }
    if compresses && let Some((original, text)) = compressible(entry) {
        for coding in compress::CODINGS {
            let Some(packed) = compress::compress(text, coding)? else { continue };
            let (size, modified) = (packed.len() as u64, original.modified);
            let etag = format!("\"{:032x}\"", xxh3_128(&packed));
            let head = about.head(coding, size, modified, &etag);
            let content = load::hold(packed);
            better.push(Representation { coding, content, size, head, etag, modified });
        }
    }
    let is_full = compresses || compressible(entry).is_none();
    let progress = if is_full { Progress::Full } else { Progress::Plain };
    Ok(Some(entry.improved(better, progress)))
}

/// Contents that the kernel could send, if it had them.
fn needs_seal(representation: &Representation) -> bool {
    matches!(&representation.content, Content::Memory(bytes, None) if load::is_sendable(bytes.len() as u64))
}

fn needs_hash(representation: &Representation) -> bool {
    representation.is_weak() && representation.size <= HASHED
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
