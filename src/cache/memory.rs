//! The memory of the cache: one limit for everything that is stored or being read, until the last reader is done with
//! it. A client that reads a body slowly keeps its memory, also after the response was evicted.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;

use super::entries::Entries;
use crate::body::{Reservation, SealedPart, seal};

/// Memory for a body that is being read, returned when it is dropped.
#[derive(Debug)]
pub struct BodyReservation {
    entries: Arc<Entries>,
    held: Reservation,
}

/// Bytes with their reservation, and that of a descriptor.
struct ReservedBytes {
    bytes: Bytes,
    _held: (Reservation, Option<Reservation>),
}

// === impl BodyReservation ===

impl BodyReservation {
    pub(super) fn new(entries: Arc<Entries>, held: Reservation) -> Self {
        Self { entries, held }
    }

    /// Returns the bytes that are reserved.
    pub fn amount(&self) -> u64 {
        self.held.amount()
    }

    /// Reserves more bytes; evicts responses for them. `false` if too much is being read already.
    pub fn grow(&mut self, more: u64) -> bool {
        self.entries.make_room(&mut self.held, more)
    }

    /// Returns the bytes beyond `amount`.
    pub(super) fn shrink_to(&mut self, amount: u64) {
        self.held.shrink_to(amount);
    }

    /// Ties the reservation to bytes, until their last slice is dropped. What it is short of is reserved; `None` if
    /// that is not possible.
    pub(super) fn hold(mut self, bytes: Bytes) -> Option<Bytes> {
        let length = bytes.len() as u64;
        if !self.grow(length.saturating_sub(self.amount())) {
            return None;
        }
        self.held.shrink_to(length);
        Some(hold(bytes, self.held))
    }
}

/// Ties a reservation to bytes, until their last slice is dropped.
pub(super) fn hold(bytes: Bytes, held: Reservation) -> Bytes {
    Bytes::from_owner(ReservedBytes { bytes, _held: (held, None) })
}

/// Copies bytes into memory that the kernel can send, and ties both reservations to it. Takes the time of a copy.
pub(super) fn hold_sealed(
    bytes: &[u8],
    held: Reservation,
    descriptor: Reservation,
) -> io::Result<SealedPart> {
    let (bytes, file) = seal(bytes)?;
    let bytes = ReservedBytes { bytes, _held: (held, Some(descriptor)) };
    Ok(SealedPart { bytes: Bytes::from_owner(bytes), file, offset: 0 })
}

// === impl ReservedBytes ===

impl AsRef<[u8]> for ReservedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for ReservedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReservedBytes({} bytes)", self.bytes.len())
    }
}
