//! A cache entry: one file at the time of its last check, with its representations, and the stamps that show a change.

use std::{
    fs::{File, Metadata},
    ops::Deref,
    os::unix::fs::MetadataExt,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, header};

use crate::{
    body::{FileIdentity, FileVersion},
    rfc::{
        conditional::Validators,
        encoding::{self, AcceptedCodings, Coding},
        request_parts::{FieldName, Headers},
        response_lines::ResponseLines,
    },
};

/// The bytes that an open descriptor counts in the budget. They limit the number of descriptors.
const DESCRIPTOR_COST: u64 = 64 * 1024;
/// The number of uses between two eviction scans from which a file is worth compressing, even if others are evicted for
/// the result.
const BUSY_USES: u8 = 16;

/// A file. The entry never changes: when the file does, another entry replaces it.
#[derive(Debug)]
pub struct FileEntry {
    /// Never empty; identity comes first.
    representations: Box<[Representation]>,
    pub(super) key: FileKey,
    pub(super) stamps: Stamps,
    /// Milliseconds on the store's clock.
    checked: AtomicU64,
    /// The time, on the store's clock, when a better entry may be possible: one with a strong tag, or in memory.
    retry_at: Option<u64>,
    optimisation: AtomicU8,
    /// The number of requests since the store's last eviction scan, up to [`BUSY_USES`].
    uses: AtomicU8,
}

/// What the background thread has done for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Optimisation {
    None,
    /// Everything but compression: there was no room, or it is disabled.
    Plain,
    /// All that it can.
    Full,
}

/// The file in one content coding, with the header section of its response.
#[derive(Clone, Debug)]
pub struct Representation {
    pub coding: Coding,
    pub content: FileContent,
    /// Bytes.
    pub size: u64,
    /// All fields of a 200 except `Date` and `Connection`.
    pub head: HeaderMap,
    /// These fields as HTTP/1 writes them, each line with its end.
    lines: ResponseLines,
    /// Whether its bytes never change, on disk too.
    pub is_write_once: bool,
    /// `None` while the file is being written: nothing distinguishes this version from the next.
    pub(super) validity: Option<EntryValidators>,
}

/// The representation that a client gets (RFC 9110, 3.2), with its entry, which it keeps in memory.
#[derive(Debug)]
pub struct SelectedRepresentation {
    entry: Arc<FileEntry>,
    index: usize,
}

/// The validators of a version.
#[derive(Clone, Debug)]
pub(super) struct EntryValidators {
    /// As in the `ETag` field; `None` until the contents were read for it.
    pub(super) etag: Option<String>,
    /// Seconds since 1970: the original's.
    pub(super) modified: u64,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
pub enum FileContent {
    /// In memory, with a file of equal bytes if the kernel may send them from there.
    Memory(Bytes, Option<Arc<File>>),
    /// On disk, with the version that shows a later change.
    Disk(Arc<File>, FileVersion),
}

/// Identifies a file by the index of its root and its name below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileKey {
    pub(super) root: usize,
    pub(super) name: Box<[u8]>,
}

/// The stamps that change when a file does, or when its header fields do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamps {
    /// The index of its directory among those of its root.
    pub(super) directory: usize,
    pub(super) original: Stamp,
    /// The stamps of its precompressed files, in the order of `load::PRECOMPRESSED_CODINGS`.
    pub(super) precompressed: [Option<Stamp>; 3],
    /// The generation of its directory's manifest.
    pub(super) generation: u64,
}

/// Changes when a file on disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    identity: FileIdentity,
    /// By the file system's own clock, which nobody can set.
    changed: (i64, i64),
}

// === impl FileEntry ===

impl FileEntry {
    /// Creates an entry. `representations` begins with identity.
    pub(super) fn new(key: FileKey, stamps: Stamps, representations: Vec<Representation>) -> Self {
        Self {
            retry_at: None,
            representations: representations.into(),
            key,
            stamps,
            optimisation: AtomicU8::new(Optimisation::None as u8),
            checked: AtomicU64::default(),
            uses: AtomicU8::default(),
        }
    }

    /// Returns an entry of the file with more or better representations.
    pub(super) fn optimised(
        &self,
        representations: Vec<Representation>,
        optimisation: Optimisation,
    ) -> Self {
        Self {
            optimisation: AtomicU8::new(optimisation as u8),
            checked: AtomicU64::new(self.checked()),
            uses: AtomicU8::new(1),
            retry_at: self.retry_at,
            ..Self::new(self.key.clone(), self.stamps, representations)
        }
    }

    /// Sets the time on the store's clock when the file is worth another look.
    pub(super) fn retry_at(self, moment: Option<u64>) -> Self {
        Self { retry_at: moment, ..self }
    }

    /// Whether a better entry may be possible by now.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.retry_at.is_some_and(|moment| now >= moment)
    }

    /// Whether the file was not being written when it was checked. If it was, nothing may be cached.
    pub(super) fn is_settled(&self) -> bool {
        self.representations.iter().all(Representation::is_settled)
    }

    /// Selects the representation that the client prefers; `None` if it accepts none (406).
    pub fn negotiate(self: Arc<Self>, headers: &Headers) -> Option<SelectedRepresentation> {
        let index = if self.codings() == 1 && !headers.contains(FieldName::AcceptEncoding) {
            0
        } else {
            let available = self.representations.iter().map(|one| (one.coding, one.size));
            encoding::choose(AcceptedCodings::of(headers), available)?
        };
        Some(SelectedRepresentation { entry: self, index })
    }

    /// Whether a large file was changed in place since its check, so that its contents no longer match its header
    /// section.
    pub fn is_overwritten(&self) -> bool {
        self.representations.iter().any(|one| match &one.content {
            FileContent::Disk(file, version) => {
                file.metadata().map_or(true, |metadata| FileVersion::of(&metadata) != *version)
            }
            FileContent::Memory(..) => false,
        })
    }

    /// Returns the file as it is on disk.
    pub fn identity(&self) -> Option<&Representation> {
        self.representations.first()
    }

    pub(super) fn representations(&self) -> &[Representation] {
        &self.representations
    }

    /// Returns the index of its directory among those of its root.
    pub fn directory(&self) -> usize {
        self.stamps.directory
    }

    /// Whether it is in another directory than its root's first.
    pub fn is_elsewhere(&self) -> bool {
        self.stamps.directory > 0
    }

    /// Returns the number of representations.
    pub(super) fn codings(&self) -> usize {
        self.representations.len()
    }

    /// Returns its cost in bytes, for the budget.
    pub(super) fn cost(&self) -> u64 {
        let contents: u64 = self.representations.iter().map(Representation::cost).sum();
        contents + (size_of::<Self>() + self.key.name.len() + 1024) as u64
    }

    /// Returns the number of descriptors that it holds open.
    pub(super) fn descriptors(&self) -> u64 {
        let holds_one =
            |one: &&Representation| !matches!(one.content, FileContent::Memory(_, None));
        self.representations.iter().filter(holds_one).count() as u64
    }

    /// Returns the number of disk files that it holds open. While it does, their space is not free when they are
    /// deleted.
    pub(super) fn open_files(&self) -> u64 {
        let is_open = |one: &&Representation| matches!(one.content, FileContent::Disk(..));
        self.representations.iter().filter(is_open).count() as u64
    }

    pub(super) fn optimisation(&self) -> Optimisation {
        match self.optimisation.load(Ordering::Relaxed) {
            0 => Optimisation::None,
            1 => Optimisation::Plain,
            _ => Optimisation::Full,
        }
    }

    pub(super) fn set_optimisation(&self, optimisation: Optimisation) {
        self.optimisation.store(optimisation as u8, Ordering::Relaxed);
    }

    pub(super) fn checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    pub(super) fn set_checked(&self, now: u64) {
        self.checked.store(now, Ordering::Relaxed);
    }

    /// Counts a request. Returns whether that changes the entry's worth: at the first request since the last scan, and
    /// when the entry becomes busy. Workers that count at one time count once.
    pub(super) fn mark_used(&self) -> bool {
        let uses = self.uses.load(Ordering::Relaxed);
        if uses == BUSY_USES {
            return false;
        }
        self.uses.store(uses + 1, Ordering::Relaxed);
        uses == 0 || uses + 1 == BUSY_USES
    }

    /// Whether it is requested so often that it is worth other entries' memory.
    pub(super) fn is_busy(&self) -> bool {
        self.uses.load(Ordering::Relaxed) == BUSY_USES
    }

    /// Whether it is requested at least half as often as a busy one.
    pub(super) fn is_in_demand(&self) -> bool {
        self.uses.load(Ordering::Relaxed) >= BUSY_USES / 2
    }

    pub(super) fn take_used(&self) -> bool {
        self.uses.swap(0, Ordering::Relaxed) > 0
    }
}

// === impl SelectedRepresentation ===

impl Deref for SelectedRepresentation {
    type Target = Representation;

    fn deref(&self) -> &Representation {
        #[expect(
            clippy::indexing_slicing,
            reason = "the index is of the same entry, which never changes"
        )]
        &self.entry.representations[self.index]
    }
}

// === impl Representation ===

impl Representation {
    /// Creates a representation. `head` has the fields of a 200.
    pub(super) fn new(
        (coding, size): (Coding, u64),
        content: FileContent,
        head: HeaderMap,
        validity: Option<EntryValidators>,
    ) -> Self {
        let lines = ResponseLines::from(&head);
        Self { coding, content, size, head, lines, is_write_once: false, validity }
    }

    /// Returns the header lines of a 200, ready to be written. Must not be used if `head` was changed since.
    pub fn lines(&self) -> ResponseLines {
        self.lines.clone()
    }

    /// Returns the validators for preconditions.
    pub fn validators(&self) -> Validators<'_> {
        let validity = self.validity.as_ref();
        Validators {
            etag: validity.and_then(|one| one.etag.as_deref()),
            modified: validity.map(|one| one.modified),
        }
    }

    /// Whether the file was not being written when it was read or opened.
    pub fn is_settled(&self) -> bool {
        self.validity.is_some()
    }

    /// Returns the header fields of a 304 (RFC 9110, 15.4.5).
    pub fn not_modified(&self) -> HeaderMap {
        let mut head = HeaderMap::with_capacity(8);
        for name in [
            header::ETAG,
            header::LAST_MODIFIED,
            header::CACHE_CONTROL,
            header::VARY,
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
        ] {
            if let Some(value) = self.head.get(&name) {
                head.insert(name, value.clone());
            }
        }
        head
    }

    fn cost(&self) -> u64 {
        let content = match &self.content {
            FileContent::Memory(bytes, None) => bytes.len() as u64,
            FileContent::Memory(bytes, Some(_)) => DESCRIPTOR_COST + bytes.len() as u64,
            FileContent::Disk(..) => DESCRIPTOR_COST,
        };
        let tag = self.validity.as_ref().and_then(|one| one.etag.as_ref()).map_or(0, String::len);
        // Names and values of the head are about 60 bytes long, its tables 108 a field.
        let head = self.head.capacity() * 168 + self.lines.as_bytes().len();
        content + (size_of::<Self>() + tag + head) as u64
    }
}

// === impl Stamp ===

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            identity: FileIdentity::of(metadata),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    pub(super) fn modified(&self) -> (i64, i64) {
        self.identity.version().modified()
    }
}
