//! Makes an entry of a file and its compressed siblings. How far it goes for them, to the kernel's
//! memory or to the disk, is the caller's choice.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::{
    contents::contents,
    entry::{Content, Entry, Key, Representation, Stamp, Stamps},
    hashes::Hashes,
    head::About,
    kind,
    open::{Directory, Effort},
    sealed,
    tree::Tree,
};
use crate::{
    body::Version,
    plan::Files,
    rfc::{date, encoding::Coding},
};

/// Files up to this size are kept in memory.
const SMALL: u64 = 1024 * 1024;

/// The same where users decide how many files there are: what is being sent of files that were thrown
/// out of memory since is in nobody's budget.
const SMALL_UPLOAD: u64 = 128 * 1024;

/// From this size on it costs half as much to let the kernel send pages than to copy them; below, the
/// second system call costs more than the copy (measured on loopback).
const SENDABLE: u64 = 32 * 1024;

/// The codings that are looked for beside a file.
pub(super) const SIBLINGS: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

/// What there is under a name.
#[derive(Clone, Debug)]
pub enum Found {
    File(Arc<Entry>),
    Directory,
    Missing,
}

/// What is under a name in one directory.
enum Place {
    File(File, Metadata),
    Directory,
    Missing,
}

/// Opens and reads a file, in the first of the root's directories that has it. Only trouble that is
/// not the name's fault is an error.
pub(super) fn load(
    plan: &Files,
    tree: &Tree,
    key: &Key,
    now: u64,
    effort: Effort,
) -> io::Result<Found> {
    let mut found = Found::Missing;
    for (index, place) in tree.places.iter().enumerate() {
        let Some(directory) = place.open(effort)? else { continue };
        match look(&directory, plan, &key.name)? {
            Place::Missing => {}
            Place::Directory => found = Found::Directory,
            Place::File(file, metadata) => {
                let manifest = place.manifest(&directory, plan.symlinks, now)?;
                let manifest_says = manifest.says(&key.name);
                let about = About::new(plan, &tree.root, &key.name, manifest_says);
                let loader = Loader { plan, directory: &directory, about: &about, name: &key.name };
                let mut representations = Vec::with_capacity(1 + SIBLINGS.len());
                let original = loader.read(file, metadata, Coding::Identity, None)?;
                let modified = original.stamp.modified;
                representations.push(original.representation);
                let mut siblings = [None; SIBLINGS.len()];
                if about.varies {
                    for (coding, stamp) in SIBLINGS.into_iter().zip(&mut siblings) {
                        let Some(sibling) = loader.sibling(coding, modified)? else { continue };
                        *stamp = Some(sibling.stamp);
                        representations.extend(sibling.representation);
                    }
                }
                let stamps = Stamps {
                    directory: index,
                    original: original.stamp,
                    siblings,
                    generation: manifest.generation,
                };
                let entry = Entry::new(key.clone(), stamps, representations);
                return Ok(Found::File(Arc::new(entry)));
            }
        }
    }
    Ok(found)
}

/// Whether the name still stands for the file of the entry, with its siblings unchanged.
pub(super) fn is_current(
    plan: &Files,
    tree: &Tree,
    entry: &Entry,
    now: u64,
    effort: Effort,
) -> io::Result<bool> {
    let stamps = &entry.stamps;
    for (index, place) in tree.places.iter().enumerate() {
        let Some(directory) = place.open(effort)? else { continue };
        let Place::File(_, metadata) = look(&directory, plan, &entry.key.name)? else { continue };
        if index != stamps.directory
            || Stamp::of(&metadata) != stamps.original
            || place.manifest(&directory, plan.symlinks, now)?.generation != stamps.generation
        {
            return Ok(false);
        }
        let varies = entry.identity().is_some_and(|one| one.head.contains_key(http::header::VARY));
        if varies {
            for (coding, stamp) in SIBLINGS.into_iter().zip(&stamps.siblings) {
                let sibling = look_beside(&directory, plan, &entry.key.name, coding)?;
                let now = match &sibling {
                    Place::File(_, metadata) => Some(Stamp::of(metadata)),
                    Place::Directory | Place::Missing => None,
                };
                if now != *stamp {
                    return Ok(false);
                }
            }
        }
        return Ok(true);
    }
    Ok(false)
}

/// Hashes a large file, if it does not change meanwhile.
pub(super) fn hash(representation: &Representation, known: &Hashes) -> io::Result<Option<u128>> {
    let Content::Disk(file, version) = &representation.content else { return Ok(None) };
    let metadata = file.metadata()?;
    if Version::of(&metadata) != *version {
        return Ok(None);
    }
    let before = Stamp::of(&metadata);
    if let Some(hash) = known.get(&before) {
        return Ok(Some(hash));
    }
    let mut hasher = Xxh3::new();
    let mut chunk = vec![0; 256 * 1024];
    let mut offset = 0;
    loop {
        let count = file.read_at(&mut chunk, offset)?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { break };
        hasher.update(read);
        offset += count as u64;
    }
    let after = file.metadata()?;
    if Version::of(&after) != *version || offset != representation.size {
        return Ok(None);
    }
    let hash = hasher.digest128();
    if Stamp::of(&after) == before {
        known.insert(before, hash);
    }
    Ok(Some(hash))
}

/// What all representations of one file have in common.
struct Loader<'a> {
    plan: &'a Files,
    directory: &'a Directory,
    about: &'a About,
    name: &'a [u8],
}

struct Loaded {
    representation: Representation,
    stamp: Stamp,
}

/// A sibling that was found; it is not served when it is older than the original.
struct Sibling {
    representation: Option<Representation>,
    stamp: Stamp,
}

// === impl Loader ===

impl Loader<'_> {
    fn read(
        &self,
        file: File,
        metadata: Metadata,
        coding: Coding,
        modified: Option<u64>,
    ) -> io::Result<Loaded> {
        let small = if self.about.is_own { SMALL } else { SMALL_UPLOAD };
        let (metadata, bytes) = contents(&file, metadata, small, self.directory.effort())?;
        let size = metadata.len();
        let modified = modified.unwrap_or_else(|| u64::try_from(metadata.mtime()).unwrap_or(0));
        let (content, etag) = match bytes {
            Some(bytes) => {
                let etag = format!("\"{:032x}\"", xxh3_128(&bytes));
                (Content::Memory(bytes, None), etag)
            }
            None => {
                let version = Version::of(&metadata);
                (Content::Disk(Arc::new(file), version), self.weak_tag(modified, size))
            }
        };
        // A date that is still to come would be none (RFC 9110, 8.8.2.1).
        let modified = modified.min(date::seconds(SystemTime::now()));
        let head = self.about.head(coding, size, modified, &etag);
        let stamp = Stamp::of(&metadata);
        let representation = Representation { coding, content, size, head, etag, modified };
        Ok(Loaded { representation, stamp })
    }

    /// Until the contents are hashed. A hash in the name is as good as them where nobody cheats: copies of
    /// the file that were written at other times have the same.
    fn weak_tag(&self, modified: u64, size: u64) -> String {
        let hash = kind::hash(self.name).and_then(|range| self.name.get(range));
        match hash.filter(|_| self.about.is_own) {
            Some(hash) => format!("W/\"{}-{size:x}\"", String::from_utf8_lossy(hash)),
            None => format!("W/\"{modified:x}-{size:x}\""),
        }
    }

    fn sibling(&self, coding: Coding, original: (i64, i64)) -> io::Result<Option<Sibling>> {
        let place = look_beside(self.directory, self.plan, self.name, coding)?;
        let Place::File(file, metadata) = place else { return Ok(None) };
        let stamp = Stamp::of(&metadata);
        if is_stale(stamp.modified, original) || metadata.len() == 0 {
            return Ok(Some(Sibling { representation: None, stamp }));
        }
        let modified = u64::try_from(original.0).unwrap_or(0);
        let Loaded { representation, stamp } = self.read(file, metadata, coding, Some(modified))?;
        Ok(Some(Sibling { representation: Some(representation), stamp }))
    }
}

fn look(directory: &Directory, plan: &Files, name: &[u8]) -> io::Result<Place> {
    let Some(file) = directory.open_file(name, plan.symlinks)? else { return Ok(Place::Missing) };
    let metadata = file.metadata()?;
    Ok(match metadata.file_type() {
        kind if kind.is_file() => Place::File(file, metadata),
        kind if kind.is_dir() => Place::Directory,
        _ => Place::Missing,
    })
}

/// The same for a file's compressed sibling. One that may not be read is none: the file itself is there.
fn look_beside(
    directory: &Directory,
    plan: &Files,
    name: &[u8],
    coding: Coding,
) -> io::Result<Place> {
    match look(directory, plan, &[name, coding.suffix().as_bytes()].concat()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Place::Missing),
        place => place,
    }
}

/// Whether a sibling is of an earlier original. Tools that give it the original's time round down: to
/// whole seconds, or by less than a microsecond where the time is a floating-point number (WhiteNoise).
fn is_stale(sibling: (i64, i64), (seconds, nanos): (i64, i64)) -> bool {
    let least = if sibling.1 == 0 { (seconds, 0) } else { (seconds, nanos - 1000) };
    sibling < least
}

/// Whether so many bytes are cheaper to send by the kernel.
pub fn is_sendable(length: u64) -> bool {
    length >= SENDABLE
}

/// Contents in memory, such that the kernel can send them if that is worthwhile.
pub(super) fn hold(bytes: Bytes) -> Content {
    if !is_sendable(bytes.len() as u64) {
        return Content::Memory(bytes, None);
    }
    match sealed::seal(&bytes) {
        Ok((bytes, file)) => Content::Memory(bytes, Some(file)),
        // Without descriptors, or without memfd: it costs more to send, and is the same.
        Err(_) => Content::Memory(bytes, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_makes_no_sibling_stale() {
        let original = (1_790_000_000, 442_754_903);
        for (sibling, expected) in [
            (original, false),
            ((1_790_000_001, 0), false),
            ((1_790_000_000, 442_754_850), false),
            ((1_790_000_000, 0), false),
            ((1_790_000_000, 442_000_000), true),
            ((1_790_000_000, 1), true),
            ((1_789_999_999, 0), true),
            ((1_789_999_999, 999_999_999), true),
        ] {
            assert_eq!(is_stale(sibling, original), expected, "{sibling:?}");
        }
    }
}
