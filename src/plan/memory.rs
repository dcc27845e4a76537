//! How much memory the process may take, and which of its parts follow from that.

/// The memory of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemorySettings {
    /// Bytes that it may take altogether; `None` is what the container allows.
    pub limit: Option<u64>,
    /// Whether `buffers.memory` is a part of it.
    pub is_buffers_auto: bool,
    /// Whether `static.memory` is a part of it.
    pub is_static_auto: bool,
    /// Whether `media.memory` is a part of it.
    pub is_media_auto: bool,
    /// Bytes of long request heads, over all workers. Known when the process starts.
    pub heads: u64,
}
