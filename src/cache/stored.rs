//! A stored response: what a client gets, and what decides whether it may.

use std::{
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::StatusCode;

use super::{
    eviction::{Evictable, UseCount},
    forms::Forms,
    generations::{Generation, LatestCheck},
    tags::TagSlots,
    variant::Variant,
};
use crate::{
    body::{Body, DiskBody, Reservation, SealedPart, is_sendable},
    compression::MadeCoding,
    error::Error,
    rfc::{caching::ResponsePolicy, response_lines::ResponseLines},
};

/// A response as it is stored, shared by everyone who sends it. Its body has no content coding of Sideman.
#[derive(Debug)]
pub struct StoredResponse {
    pub status: StatusCode,
    pub reason: Option<Bytes>,
    pub fields: ResponseLines,
    /// See [`StoredParts::varying`].
    pub varying: Option<ResponseLines>,
    pub policy: ResponsePolicy,
    pub variant: Variant,
    pub body: StoredBody,
    pub(super) tags: TagSlots,
    pub(super) sent: Generation,
    pub(super) check: LatestCheck,
    pub(super) uses: UseCount,
    pub(super) forms: Forms,
    /// The number in the eviction queue.
    number: AtomicU64,
    /// Memory for everything but the body.
    held: OnceLock<Reservation>,
}

/// The parts of a response that is to be stored.
#[derive(Debug)]
pub struct StoredParts {
    pub status: StatusCode,
    pub reason: Option<Bytes>,
    /// The fields to send, with the length of the body.
    pub fields: ResponseLines,
    /// The same with `Vary: Accept-Encoding`, for a response that some clients get compressed.
    pub varying: Option<ResponseLines>,
    pub policy: ResponsePolicy,
    pub variant: Variant,
    pub body: StoredBody,
    /// Of [`Cache::tags`](super::Cache::tags), with the fields as received.
    pub tags: TagSlots,
    /// Of [`Cache::generation`](super::Cache::generation), before the request was sent.
    pub sent: Generation,
}

/// The body of a stored response. [`BodyCollector`](super::BodyCollector) makes it, so that its memory is counted.
#[derive(Clone, Debug)]
pub enum StoredBody {
    Memory(Bytes),
    /// In memory that the kernel can send without a copy.
    Sealed(SealedPart),
    File(Arc<DiskBody>),
}

/// The memory of an entry beside its bytes: its place in maps and queues, the parsed policy, what the allocator adds.
const OVERHEAD: usize = 512;

// === impl StoredResponse ===

impl StoredResponse {
    /// Makes a response of its parts.
    pub fn new(parts: StoredParts) -> Self {
        let StoredParts { status, reason, fields, varying, policy, variant, body, tags, sent } =
            parts;
        Self {
            status,
            // It may be a part of a much larger buffer.
            reason: reason.map(|reason| Bytes::copy_from_slice(&reason)),
            fields,
            varying,
            policy,
            variant,
            body,
            tags,
            sent,
            check: LatestCheck::default(),
            uses: UseCount::default(),
            forms: Forms::default(),
            number: AtomicU64::new(u64::MAX),
            held: OnceLock::new(),
        }
    }

    /// Returns the body in a coding: `None` if it was not made yet, `Some(None)` if the coding does not make it
    /// shorter.
    pub fn form(&self, coding: MadeCoding) -> Option<Option<&Bytes>> {
        self.forms.get(coding)
    }

    /// Returns the fields for the body in a coding. `make` makes them once.
    pub fn form_fields(
        &self,
        coding: MadeCoding,
        make: impl FnOnce(&ResponseLines) -> ResponseLines,
    ) -> ResponseLines {
        self.forms.fields(coding, || make(&self.fields))
    }

    /// Returns the tags, for a response that replaces this one.
    pub fn tags(&self) -> &TagSlots {
        &self.tags
    }

    /// Returns the bytes of memory for everything but the body, under a key of this length.
    pub(super) fn head_memory(&self, key: usize) -> u64 {
        let varying = self.varying.as_ref().map_or(0, |lines| lines.as_bytes().len());
        let fields = self.fields.as_bytes().len() + varying;
        let head = fields + self.reason.as_ref().map_or(0, Bytes::len);
        let rest = key + self.variant.as_bytes().len() + self.tags.memory();
        (size_of::<Self>() + OVERHEAD + head + rest) as u64
    }

    /// Returns the bytes of memory of the body and its forms.
    pub(super) fn body_memory(&self) -> u64 {
        self.body.memory() + self.forms.memory(self.fields.as_bytes().len())
    }

    /// Keeps the reservation of the head until the response is dropped.
    pub(super) fn keep(&self, held: Reservation) {
        // Set once, by the only one who inserts the response.
        let _ = self.held.set(held);
    }

    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    pub(super) fn set_number(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// Whether both respond to the same requests.
    pub(super) fn is_same_variant(&self, other: &Self) -> bool {
        self.variant == other.variant && self.policy.vary() == other.policy.vary()
    }
}

impl Evictable for Arc<StoredResponse> {
    fn uses(&self) -> &UseCount {
        &self.uses
    }
}

// === impl StoredBody ===

impl StoredBody {
    /// Returns its length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Sealed(whole) => whole.bytes.len() as u64,
            Self::File(file) => file.len(),
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a part of it, to be sent; what is beyond the end is left out.
    pub fn part(&self, range: Range<u64>) -> Result<Body, Error> {
        let part = match self {
            Self::File(file) => return Ok(Body::File(file.stream(range)?)),
            Self::Sealed(whole) => whole.slice(&range),
            Self::Memory(bytes) => {
                let length = bytes.len();
                let end = usize::try_from(range.end).map_or(length, |end| end.min(length));
                let start = usize::try_from(range.start).map_or(end, |start| start.min(end));
                return Ok(Body::from(bytes.slice(start..end)));
            }
        };
        // A short part is cheaper to copy.
        let is_sendable = is_sendable(part.bytes.len() as u64);
        Ok(if is_sendable { Body::Sealed(part) } else { Body::from(part.bytes) })
    }

    /// Returns the bytes, if they are in memory.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            Self::Sealed(whole) => Some(&whole.bytes),
            Self::File(_) => None,
        }
    }

    fn memory(&self) -> u64 {
        self.bytes().map_or(0, |bytes| bytes.len() as u64)
    }
}
