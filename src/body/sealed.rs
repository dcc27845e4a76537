//! A response body that is in memory and in a sealed file, from which the kernel can send it without a copy.

use std::{fs::File, ops::Range, sync::Arc};

use bytes::Bytes;

/// A part of a file that nobody can change (`memfd`), and its bytes in memory.
#[derive(Clone, Debug)]
pub struct SealedPart {
    pub bytes: Bytes,
    pub file: Arc<File>,
    /// Where the bytes begin in the file.
    pub offset: u64,
}

/// From this size on, it costs half as much to let the kernel send pages as to copy them. Below it, the second system
/// call costs more than the copy (measured on loopback).
const MIN_SENDFILE: u64 = 32 * 1024;

/// Whether the kernel sends `length` bytes more cheaply.
pub fn is_sendable(length: u64) -> bool {
    length >= MIN_SENDFILE
}

// === impl SealedPart ===

impl SealedPart {
    /// Returns a part of it; what is beyond the end is left out.
    #[must_use]
    pub fn slice(&self, range: &Range<u64>) -> Self {
        let length = self.bytes.len();
        let end = usize::try_from(range.end).map_or(length, |end| end.min(length));
        let start = usize::try_from(range.start).map_or(end, |start| start.min(end));
        Self {
            bytes: self.bytes.slice(start..end),
            file: Arc::clone(&self.file),
            offset: self.offset + start as u64,
        }
    }
}
