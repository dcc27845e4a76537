//! The memory limit of the process, and the shares that follow from it.

/// The memory of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemorySettings {
    /// Maximum bytes of the process; `None` is the container's limit.
    pub limit: Option<u64>,
    /// Whether `buffers.memory` follows from the limit.
    pub is_buffers_auto: bool,
    /// Whether `static.memory` follows from the limit.
    pub is_static_auto: bool,
    /// Whether `media.memory` follows from the limit.
    pub is_media_auto: bool,
    /// Maximum bytes of long request heads, over all workers. Computed at the start.
    pub heads: u64,
}
