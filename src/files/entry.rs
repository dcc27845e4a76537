//! One file as it was when it was last looked at.

use std::{
    fs::{File, Metadata},
    os::unix::fs::MetadataExt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::kind;
use crate::rfc::{conditional::Validators, date};

/// Memory that an entry costs besides its contents, roughly.
const OVERHEAD: u64 = 1024;
/// What an open descriptor counts for in the budget: it bounds their number.
const DESCRIPTOR: u64 = 64 * 1024;

/// A file, its validators and the head of its response.
#[derive(Debug)]
pub struct Entry {
    pub content: Content,
    /// Bytes.
    pub size: u64,
    /// Everything a 200 says except `Date` and `Connection`.
    pub head: HeaderMap,
    etag: String,
    /// Seconds since 1970.
    modified: u64,
    pub(super) key: Key,
    pub(super) stamp: Stamp,
    /// Milliseconds on the store's clock.
    checked: AtomicU64,
    /// Whether it was asked for since the store last looked for something to throw away.
    used: AtomicBool,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
pub enum Content {
    /// With the file too, if the kernel may send its bytes: they never change under this name.
    Memory(Bytes, Option<Arc<File>>),
    Disk(Arc<File>),
}

/// Which file: the index of its root, and its name below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) root: usize,
    pub(super) name: Box<[u8]>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

// === impl Entry ===

impl Entry {
    /// Describes a file. Without a content hash the entity tag is weak.
    pub(super) fn new(
        key: Key,
        metadata: &Metadata,
        content: Content,
        hash: Option<u128>,
        max_age: Duration,
    ) -> Self {
        let stamp = Stamp::of(metadata);
        let modified = u64::try_from(metadata.mtime()).unwrap_or_default();
        let size = metadata.len();
        let etag = match hash {
            Some(hash) => format!("\"{hash:032x}\""),
            None => format!("W/\"{modified:x}-{size:x}\""),
        };
        let name = key.name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let mut head = HeaderMap::with_capacity(8);
        head.insert(header::CONTENT_TYPE, value(kind::content_type(name)));
        head.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        head.insert(header::LAST_MODIFIED, value(date::format(modified)));
        head.insert(header::ETAG, value(etag.clone()));
        head.insert(header::CACHE_CONTROL, cache_control(name, max_age));
        head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self {
            content,
            size,
            head,
            etag,
            modified,
            key,
            stamp,
            checked: AtomicU64::default(),
            used: AtomicBool::default(),
        }
    }

    /// The validators for preconditions.
    pub fn validators(&self) -> Validators<'_> {
        Validators { etag: &self.etag, modified: self.modified }
    }

    /// The entity tag that is not known to be strong yet may be replaced later.
    pub(super) fn is_weak(&self) -> bool {
        self.etag.starts_with("W/")
    }

    pub(super) fn cost(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes, None) => OVERHEAD + bytes.len() as u64,
            Content::Memory(bytes, Some(_)) => OVERHEAD + DESCRIPTOR + bytes.len() as u64,
            Content::Disk(_) => OVERHEAD + DESCRIPTOR,
        }
    }

    pub(super) fn checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    pub(super) fn set_checked(&self, now: u64) {
        self.checked.store(now, Ordering::Relaxed);
    }

    pub(super) fn mark_used(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }
}

// === impl Stamp ===

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn cache_control(name: &[u8], max_age: Duration) -> HeaderValue {
    if kind::is_hashed(name) {
        return HeaderValue::from_static("public, max-age=31536000, immutable");
    }
    value(format!("public, max-age={}", max_age.as_secs()))
}

/// A value made of characters that every header may hold.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
