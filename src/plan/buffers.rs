//! Buffers for bodies that are longer than one read.

use std::path::PathBuf;

/// The limits of all buffered bodies, of requests and responses together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BufferSettings {
    /// Maximum bytes in memory, over all workers.
    pub memory: u64,
    /// Maximum bytes of one body in memory; a longer body is spilled to disk.
    pub memory_per_body: u64,
    /// The location of the spill files, which have no name there.
    pub spill: SpillDirectory,
    /// Maximum bytes in files, over all workers.
    pub disk: u64,
    /// Maximum bytes of one response in a file. Beyond them the application is read as fast as the client reads.
    pub max_response: u64,
}

/// The location for bodies that are too long for memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SpillDirectory {
    /// The directory for temporary files if it is writable, else memory files.
    #[default]
    Auto,
    Directory(PathBuf),
    /// memfd(2), which counts as memory.
    Memory,
}
