//! Makes an entry of a file and its precompressed files. The caller chooses how far the look-up goes: to the kernel's
//! memory or to the disk.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    content_budget::ContentBudget,
    contents::{Contents, contents},
    entry::{EntryValidators, FileContent, FileEntry, FileKey, Representation, Stamp, Stamps},
    hashes::{ContentHash, Hashes, MAX_HASHED_INLINE},
    headers::FileHeaders,
    kind,
    notices::FileNotices,
    open::{LookupEffort, OpenDirectory, Opened},
    tag,
    tree::{self, PrefixTree},
};
use crate::{
    body::{FileVersion, is_sendable, seal},
    plan::{FileSettings, Symlinks},
    rfc::{date, encoding::Coding},
    telemetry::StoreCounts,
};

/// Files up to this size are kept in memory.
const MAX_KEPT_SIZE: u64 = 1024 * 1024;

/// The size up to which files are kept in memory if users decide how many there are.
const MAX_KEPT_UPLOAD: u64 = 128 * 1024;

/// The minimum number of files of the largest kept size that must fit in memory.
const MIN_KEPT_FILES: u64 = 8;

/// How long until a file is checked again that was not kept because responses hold too much, in milliseconds.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The codings of precompressed files that are looked for.
pub(super) const PRECOMPRESSED_CODINGS: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

/// The result of a look-up.
#[derive(Clone, Debug)]
pub enum LoadResult {
    File(Arc<FileEntry>),
    Directory,
    Missing,
}

/// The result of a look-up in one directory.
enum DirectoryEntry {
    File(File, Metadata),
    Directory,
    Missing,
}

/// Looks for files of one prefix, as of one moment.
pub(super) struct Lookup<'a> {
    pub(super) plan: &'a FileSettings,
    pub(super) tree: &'a PrefixTree,
    pub(super) hashes: &'a Hashes,
    pub(super) content_budget: &'a ContentBudget,
    pub(super) counts: &'a StoreCounts,
    pub(super) notices: &'a FileNotices,
    /// Milliseconds on the store's clock.
    pub(super) now: u64,
    pub(super) effort: LookupEffort,
}

/// The common data of all representations of one file.
struct Loader<'a> {
    lookup: &'a Lookup<'a>,
    location: &'a tree::PrefixDirectory,
    /// The index of the directory among those of its root.
    index: usize,
    /// The generation of the manifest that was consulted.
    generation: u64,
    directory: &'a OpenDirectory,
    headers: &'a FileHeaders,
    name: &'a [u8],
}

struct LoadedFile {
    representation: Representation,
    stamp: Stamp,
    /// How long until a better entry may be possible: one with a strong tag, or in memory.
    retry_in: Option<Duration>,
}

/// A precompressed file that was found; an unusable one has no representation.
struct PrecompressedFile {
    loaded: Option<LoadedFile>,
    stamp: Stamp,
}

// === impl Lookup ===

impl Lookup<'_> {
    /// Opens and reads a file, in the first of the root's directories that has it. Returns an error only if the name is
    /// not the cause.
    pub(super) fn load(&self, key: &FileKey) -> io::Result<LoadResult> {
        let mut found = LoadResult::Missing;
        for (index, location) in self.tree.locations.iter().enumerate() {
            let Some(directory) = location.open(self.effort)? else { continue };
            match self.look_up(location, &directory, &key.name)? {
                DirectoryEntry::Missing => {}
                DirectoryEntry::Directory => found = LoadResult::Directory,
                DirectoryEntry::File(file, metadata) => {
                    let manifest = location.manifest(&directory, self.plan.symlinks, self.now)?;
                    let manifest_lists = manifest.lists(&key.name);
                    let about =
                        FileHeaders::new(self.plan, &self.tree.root, &key.name, manifest_lists);
                    let loader = Loader {
                        lookup: self,
                        location,
                        index,
                        generation: manifest.generation,
                        directory: &directory,
                        headers: &about,
                        name: &key.name,
                    };
                    let entry = loader.entry(key, file, metadata)?;
                    return Ok(LoadResult::File(Arc::new(entry)));
                }
            }
        }
        Ok(found)
    }

    /// Whether the name still leads to the entry's file, with its precompressed files unchanged.
    pub(super) fn is_current(&self, entry: &FileEntry) -> io::Result<bool> {
        let (stamps, name) = (&entry.stamps, &entry.key.name);
        for (index, location) in self.tree.locations.iter().enumerate() {
            let Some(directory) = location.open(self.effort)? else { continue };
            let DirectoryEntry::File(_, metadata) = self.look_up(location, &directory, name)?
            else {
                continue;
            };
            let manifest = || location.manifest(&directory, self.plan.symlinks, self.now);
            if index != stamps.directory
                || Stamp::of(&metadata) != stamps.original
                || manifest()?.generation != stamps.generation
            {
                return Ok(false);
            }
            let varies =
                entry.identity().is_some_and(|one| one.head.contains_key(http::header::VARY));
            if varies {
                for (coding, stamp) in PRECOMPRESSED_CODINGS.into_iter().zip(&stamps.precompressed)
                {
                    let now = match self.find_precompressed(location, &directory, name, coding)? {
                        DirectoryEntry::File(_, metadata) => Some(Stamp::of(&metadata)),
                        DirectoryEntry::Directory | DirectoryEntry::Missing => None,
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

    fn look_up(
        &self,
        location: &tree::PrefixDirectory,
        directory: &OpenDirectory,
        name: &[u8],
    ) -> io::Result<DirectoryEntry> {
        let file = match directory.open_name(name, self.plan.symlinks)? {
            Opened::File(file) => file,
            Opened::Missing => return Ok(DirectoryEntry::Missing),
            Opened::Refused => {
                self.report_link(location, directory, name);
                return Ok(DirectoryEntry::Missing);
            }
        };
        let metadata = file.metadata()?;
        Ok(match metadata.file_type() {
            kind if kind.is_file() => DirectoryEntry::File(file, metadata),
            kind if kind.is_dir() => DirectoryEntry::Directory,
            _ => DirectoryEntry::Missing,
        })
    }

    /// Finds a file's precompressed file. An unreadable one counts as missing, because the file itself is there.
    fn find_precompressed(
        &self,
        location: &tree::PrefixDirectory,
        directory: &OpenDirectory,
        name: &[u8],
        coding: Coding,
    ) -> io::Result<DirectoryEntry> {
        let name = precompressed_name(name, coding);
        match self.look_up(location, directory, &name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.report_precompressed(location, &name, "this process may not read it", b"");
                Ok(DirectoryEntry::Missing)
            }
            found => found,
        }
    }

    /// Logs once that a link is not followed. For clients there is just no file.
    fn report_link(
        &self,
        location: &tree::PrefixDirectory,
        directory: &OpenDirectory,
        name: &[u8],
    ) {
        let symlinks = self.plan.symlinks;
        let Some(link) = directory.refused_link(name, symlinks) else { return };
        let path = path_of(location, &link.name);
        let Some(missed) = self.notices.should_report(&[&path, &link.target[..]].concat()) else {
            return;
        };
        let (link, target) = (shown(&path), shown(&link.target));
        let prefix = &self.tree.root.prefix;
        if symlinks == Symlinks::Never {
            tracing::warn!(
                %link, %target, prefix, missed, "static.symlinks" = "never",
                "symbolic link not followed, requests for it get 404; put the file itself there, or set \
                 static.symlinks to \"within\" or \"anywhere\""
            );
        } else {
            tracing::warn!(
                %link, %target, prefix, missed, "static.symlinks" = "within",
                "symbolic link not followed, because it is absolute or leads out of its directory; requests for \
                 it get 404; put the file itself there (collectstatic without --link), make the link relative and keep \
                 it within the directory, or set static.symlinks to \"anywhere\""
            );
        }
    }

    /// Logs once that a precompressed file is not used, because clients get more bytes than its maker expects. It is
    /// logged again for another `version`.
    fn report_precompressed(
        &self,
        location: &tree::PrefixDirectory,
        name: &[u8],
        why: &str,
        version: &[u8],
    ) {
        let path = path_of(location, name);
        let Some(missed) = self.notices.should_report(&[&path, version, why.as_bytes()].concat())
        else {
            return;
        };
        let original = name.iter().rposition(|&byte| byte == b'.');
        let original = path_of(location, original.and_then(|dot| name.get(..dot)).unwrap_or(name));
        let (file, original) = (shown(&path), shown(&original));
        tracing::warn!(
            %file, %original, why, missed,
            "precompressed file not used; compress the original again, or delete the precompressed file"
        );
    }
}

// === impl Loader ===

impl Loader<'_> {
    /// Makes the entry of a file with its precompressed files.
    fn entry(&self, key: &FileKey, file: File, metadata: Metadata) -> io::Result<FileEntry> {
        let mut representations = Vec::with_capacity(1 + PRECOMPRESSED_CODINGS.len());
        let original = self.read(file, metadata, Coding::Identity, None)?;
        let mut retry_in = original.retry_in;
        // A representation made while the file is written does not belong to the bytes that are sent.
        let is_settled = original.representation.is_settled();
        representations.push(original.representation);
        let mut precompressed = [None; PRECOMPRESSED_CODINGS.len()];
        if self.headers.varies && is_settled {
            for (coding, stamp) in PRECOMPRESSED_CODINGS.into_iter().zip(&mut precompressed) {
                let Some(precompressed_file) =
                    self.precompressed_file(coding, original.stamp.modified())?
                else {
                    continue;
                };
                *stamp = Some(precompressed_file.stamp);
                let Some(loaded) = precompressed_file.loaded else { continue };
                retry_in = retry_in.into_iter().chain(loaded.retry_in).min();
                representations.push(loaded.representation);
            }
        }
        let stamps = Stamps {
            directory: self.index,
            original: original.stamp,
            precompressed,
            generation: self.generation,
        };
        // Rounded up: a check a moment too early would find it weak still.
        let milliseconds = |rest: Duration| u64::try_from(rest.as_millis()).unwrap_or(u64::MAX) + 1;
        let retry_at = retry_in.map(|wait| self.lookup.now.saturating_add(milliseconds(wait)));
        Ok(FileEntry::new(key.clone(), stamps, representations).retry_at(retry_at))
    }

    fn read(
        &self,
        file: File,
        metadata: Metadata,
        coding: Coding,
        original: Option<(i64, i64)>,
    ) -> io::Result<LoadedFile> {
        let Lookup { plan, effort, content_budget: held, .. } = *self.lookup;
        let max = if self.headers.is_own { MAX_KEPT_SIZE } else { MAX_KEPT_UPLOAD }
            .min(plan.memory / MIN_KEPT_FILES);
        let is_small = metadata.len() <= max;
        let room = if is_small { held.reserve(metadata.len()) } else { None };
        let is_crowded = is_small && room.is_none();
        let mut read = contents(&file, metadata, if room.is_some() { max } else { 0 }, effort)?;
        let mut hashed_in = None;
        let mut hash = read.bytes.as_ref().map(|bytes| xxh3_128(bytes));
        // Only the site's own files are copied to each task. All tasks share user uploads, so there only files that are
        // kept in memory if there is room have a hash.
        let hashed = if self.headers.is_own { MAX_HASHED_INLINE } else { MAX_KEPT_UPLOAD };
        if hash.is_none() && read.metadata.len() <= hashed && read.is_settled {
            match self.lookup.hashes.of(&file, &read.metadata, (effort, self.lookup.now))? {
                ContentHash::Of(known) => hash = Some(known),
                ContentHash::Changed => read.is_settled = false,
                ContentHash::Later(wait) => hashed_in = Some(wait),
            }
        }
        let Contents { metadata, bytes, is_settled } = read;
        let now = SystemTime::now();
        let (mut tag, mut retry_in) = (None, hashed_in);
        if let Some(hash) = hash {
            tag = Some(tag::of_hash(hash));
        } else if hashed_in.is_some() {
            self.lookup.counts.unhashed.fetch_add(1, Ordering::Relaxed);
        } else if is_settled {
            let strong = self.tag(&metadata, coding);
            retry_in = tag::settles_in(&metadata, now);
            tag = Some(if retry_in.is_some() { tag::weak(&strong) } else { strong });
        }
        let (seconds, _) = original.unwrap_or((metadata.mtime(), 0));
        // A date in the future would be invalid (RFC 9110, 8.8.2.1).
        let modified = u64::try_from(seconds).unwrap_or(0).min(date::seconds(now));
        let validity = is_settled.then_some(EntryValidators { etag: tag, modified });
        let (size, stamp) = (metadata.len(), Stamp::of(&metadata));
        let head = self.headers.head(coding, size, validity.as_ref());
        let content = match (bytes, room) {
            (Some(bytes), Some(room)) => FileContent::Memory(room.hold(bytes), None),
            // Empty.
            (Some(bytes), None) => FileContent::Memory(bytes, None),
            (None, _) => FileContent::Disk(Arc::new(file), FileVersion::of(&metadata)),
        };
        if is_crowded {
            self.lookup.counts.streamed.fetch_add(1, Ordering::Relaxed);
            retry_in = Some(retry_in.map_or(RETRY_INTERVAL, |wait| wait.min(RETRY_INTERVAL)));
        }
        let mut representation = Representation::new((coding, size), content, head, validity);
        representation.is_write_once = is_settled && (plan.write_once || self.headers.is_immutable);
        Ok(LoadedFile { representation, stamp, retry_in })
    }

    /// Returns the strong tag of a file that is too large to be hashed. A hash in the name identifies the contents if
    /// nobody cheats, but not how they were compressed.
    fn tag(&self, metadata: &Metadata, coding: Coding) -> String {
        let hash = kind::hash(self.name).and_then(|range| self.name.get(range));
        let is_sure =
            self.headers.is_own && self.headers.is_immutable && coding == Coding::Identity;
        match hash.filter(|_| is_sure) {
            Some(hash) => tag::of_name(hash, metadata.len()),
            None => tag::of_date(metadata),
        }
    }

    /// Loads the precompressed file in this coding. An unusable one is reported, and never fails the file.
    fn precompressed_file(
        &self,
        coding: Coding,
        original: (i64, i64),
    ) -> io::Result<Option<PrecompressedFile>> {
        let Lookup { effort, .. } = *self.lookup;
        let location =
            self.lookup.find_precompressed(self.location, self.directory, self.name, coding)?;
        let DirectoryEntry::File(file, metadata) = location else { return Ok(None) };
        let stamp = Stamp::of(&metadata);
        // The contents of an immutable name never change, so its age tells nothing about them.
        let is_stale = !self.headers.is_immutable && is_stale(stamp.modified(), original);
        let why = if metadata.len() == 0 {
            "it is empty".to_owned()
        } else if is_stale {
            let seconds = (original.0 - stamp.modified().0).max(1);
            format!("it is older than its original, by {seconds} s")
        } else {
            match self.read(file, metadata, coding, Some(original)) {
                Ok(loaded) if loaded.representation.is_settled() => {
                    return Ok(Some(PrecompressedFile {
                        stamp: loaded.stamp,
                        loaded: Some(loaded),
                    }));
                }
                // It is about to change, and is checked again when it has.
                Ok(_) => return Ok(Some(PrecompressedFile { loaded: None, stamp })),
                // The look-up is repeated with more effort.
                Err(error) if effort == LookupEffort::Memory => return Err(error),
                Err(error) => format!("it cannot be read: {error}"),
            }
        };
        let version = format!("{original:?} {:?}", stamp.modified());
        let name = precompressed_name(self.name, coding);
        self.lookup.report_precompressed(self.location, &name, &why, version.as_bytes());
        Ok(Some(PrecompressedFile { loaded: None, stamp }))
    }
}

fn precompressed_name(name: &[u8], coding: Coding) -> Vec<u8> {
    [name, coding.suffix().as_bytes()].concat()
}

fn path_of(location: &tree::PrefixDirectory, name: &[u8]) -> Vec<u8> {
    [location.path.as_os_str().as_bytes(), b"/", name].concat()
}

/// Formats a path for the log: on one line, whatever its name.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).escape_debug().to_string()
}

/// Whether a precompressed file is older than its original. Tools that copy the original's time round down: to whole
/// seconds, or by less than a microsecond where the time is a floating-point number (WhiteNoise).
fn is_stale(precompressed_file: (i64, i64), (seconds, nanos): (i64, i64)) -> bool {
    let min = if precompressed_file.1 == 0 { (seconds, 0) } else { (seconds, nanos - 1000) };
    precompressed_file < min
}

/// Puts contents in memory, in a form that the kernel can send if that is worthwhile.
pub(super) fn hold(bytes: Bytes, held: &ContentBudget) -> FileContent {
    if !is_sendable(bytes.len() as u64) {
        return FileContent::Memory(bytes, None);
    }
    match seal(&bytes) {
        Ok((bytes, file)) => {
            let room = held.take(bytes.len() as u64);
            FileContent::Memory(room.hold(bytes), Some(file))
        }
        // Without descriptors or memfd, the contents cost more to send, but are equal.
        Err(_) => FileContent::Memory(bytes, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_time_does_not_make_precompressed_file_stale() {
        let original = (1_790_000_000, 442_754_903);
        for (precompressed_file, expected) in [
            (original, false),
            ((1_790_000_001, 0), false),
            ((1_790_000_000, 442_754_850), false),
            ((1_790_000_000, 0), false),
            ((1_790_000_000, 442_000_000), true),
            ((1_790_000_000, 1), true),
            ((1_789_999_999, 0), true),
            ((1_789_999_999, 999_999_999), true),
        ] {
            assert_eq!(is_stale(precompressed_file, original), expected, "{precompressed_file:?}");
        }
    }
}
