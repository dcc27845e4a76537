//! A response body that is in memory and in a sealed file, from which the kernel can send it without a copy.

use std::{fs::File, sync::Arc};

use bytes::Bytes;

/// A part of a file that nobody can change (`files/memfd.rs`), and its bytes in memory.
#[derive(Clone, Debug)]
pub struct SealedPart {
    pub bytes: Bytes,
    pub file: Arc<File>,
    /// Where the bytes begin in the file.
    pub offset: u64,
}
