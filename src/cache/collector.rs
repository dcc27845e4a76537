//! Collects a body that is to be stored: in memory, or in a file if it is too long for that.

use std::{mem, sync::Arc};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{
    entries::Entries,
    memory::{self, BodyReservation},
    stored::StoredBody,
};
use crate::{
    body::{Budget, DiskBodies, DiskBodyWriter, SealedPart, is_sendable},
    error::FailureKind,
    telemetry::LogThrottle,
};

/// A body that arrives in pieces. Dropping it returns its memory.
#[derive(Debug)]
pub struct BodyCollector {
    storage: Arc<BodyStorage>,
    bytes: Vec<u8>,
    held: BodyReservation,
    file: Option<DiskBodyWriter>,
    length: u64,
}

/// Where bodies are stored, and how long they may be.
#[derive(Debug)]
pub(super) struct BodyStorage {
    pub(super) entries: Arc<Entries>,
    pub(super) disk: DiskBodies,
    pub(super) descriptors: Budget,
    pub(super) limits: BodyLimits,
    pub(super) failures: LogThrottle,
}

/// The maximum bytes of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    pub(super) memory: u64,
    pub(super) file: u64,
}

/// The memory of a body whose length is not known.
const FIRST_BUFFER: u64 = 8 * 1024;
/// Copying this takes less than reading it from the application did. Whoever has the whole body can find it stored.
const MAX_SEALED_INLINE: u64 = 1024 * 1024;
/// The memory of a sealed body is a number of pages.
const PAGE: u64 = 4096;
/// Bytes that are written to a file at a time.
const FILE_BUFFER: u64 = 256 * 1024;

// === impl BodyLimits ===

impl BodyLimits {
    fn max(self) -> u64 {
        self.memory.max(self.file)
    }
}

// === impl BodyCollector ===

impl BodyCollector {
    /// Begins a body; `length` is its length, if it is known. `None` if it is too long.
    pub(super) fn new(storage: Arc<BodyStorage>, length: Option<u64>) -> Option<Self> {
        if length.is_some_and(|length| length > storage.limits.max()) {
            return None;
        }
        let held = BodyReservation::new(Arc::clone(&storage.entries), storage.entries.nothing());
        let mut new = Self { storage, bytes: Vec::new(), held, file: None, length: 0 };
        let is_in_memory = length.is_some_and(|length| length <= new.storage.limits.memory);
        (!is_in_memory || new.allocate(length.unwrap_or_default())).then_some(new)
    }

    /// Returns the length so far.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no bytes yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends a piece. Returns `false` if the body cannot be stored: it is too long, or there is no room. Waits only
    /// for a disk.
    pub async fn push(&mut self, piece: &Bytes) -> bool {
        let (limits, more) = (self.storage.limits, piece.len() as u64);
        self.length = self.length.saturating_add(more);
        if self.length > limits.max() {
            return false;
        }
        let is_for_file = self.file.is_some() || self.length > limits.memory;
        let need = self.bytes.len() as u64 + more;
        if is_for_file && need > FILE_BUFFER.min(limits.memory) {
            return self.write_buffer().await && self.write(piece.clone()).await;
        }
        if !self.allocate(need) {
            return false;
        }
        self.bytes.extend_from_slice(piece);
        true
    }

    /// Ends the body; `None` if it cannot be stored.
    pub async fn finish(mut self) -> Option<StoredBody> {
        if self.file.is_some() && !self.write_buffer().await {
            return None;
        }
        if let Some(file) = self.file {
            return file.finish().ok().map(|file| StoredBody::File(Arc::new(file)));
        }
        let bytes = Bytes::from(self.bytes.into_boxed_slice());
        match self.storage.sealed(&bytes).await {
            Some(sealed) => Some(StoredBody::Sealed(sealed)),
            None => self.held.hold(bytes).map(StoredBody::Memory),
        }
    }

    /// Makes the buffer large enough. Doubles it, so that pieces are copied a few times at most.
    fn allocate(&mut self, need: u64) -> bool {
        let capacity = self.bytes.capacity() as u64;
        if need <= capacity {
            return true;
        }
        let limit = self.storage.limits.memory.max(need);
        let wanted = match capacity {
            0 if self.length == 0 => need,
            _ => need.max(capacity.saturating_mul(2)).max(FIRST_BUFFER).min(limit),
        };
        if !self.held.grow(wanted.saturating_sub(self.held.amount())) {
            return false;
        }
        let more = wanted.saturating_sub(self.bytes.len() as u64);
        self.bytes.reserve_exact(usize::try_from(more).unwrap_or(usize::MAX));
        true
    }

    async fn write_buffer(&mut self) -> bool {
        let bytes = Bytes::from(mem::take(&mut self.bytes));
        bytes.is_empty() || self.write(bytes).await
    }

    async fn write(&mut self, bytes: Bytes) -> bool {
        if self.file.is_none() {
            match self.storage.disk.create().await {
                Ok(Some(file)) => self.file = Some(file),
                Ok(None) => return false,
                Err(error) => return self.storage.failed(&error),
            }
        }
        let Some(file) = &mut self.file else { return false };
        match file.write(bytes).await {
            Ok(()) => {
                self.held.shrink_to(self.bytes.capacity() as u64);
                true
            }
            Err(error) => self.storage.failed(&error),
        }
    }
}

// === impl BodyStorage ===

impl BodyStorage {
    /// Copies a body into memory that the kernel can send, if that is worth it. `None` also without memory, descriptors
    /// or memfd: the body costs more to send then.
    async fn sealed(&self, bytes: &Bytes) -> Option<SealedPart> {
        let length = bytes.len() as u64;
        let (mut held, mut descriptor) = (self.entries.nothing(), self.descriptors.nothing());
        let is_possible = is_sendable(length)
            && descriptor.grow(1)
            && self.entries.make_room(&mut held, length.next_multiple_of(PAGE));
        if !is_possible {
            return None;
        }
        if length <= MAX_SEALED_INLINE {
            return memory::hold_sealed(bytes, held, descriptor).ok();
        }
        let bytes = bytes.clone();
        let sealed = spawn_blocking(move || memory::hold_sealed(&bytes, held, descriptor));
        sealed.await.ok()?.ok()
    }

    /// Reports the failure of a disk. A full budget is no failure.
    fn failed(&self, error: &crate::error::Error) -> bool {
        if error.kind() != FailureKind::BuffersFull
            && let Some(missed) = self.failures.should_log()
        {
            tracing::warn!(%error, missed, "cannot write a response of the cache to a file, it is not stored; check the \
                disk of buffers.directory, or set cache.disk to 0");
        }
        false
    }
}
