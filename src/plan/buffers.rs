//! Where bodies wait that are longer than what one read brings.

use std::path::PathBuf;

/// The bounds of all bodies that wait, of requests and of answers together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BufferSettings {
    /// Bytes in memory, over all workers.
    pub memory: u64,
    /// Bytes of one body in memory; what is longer goes to a file.
    pub memory_per_body: u64,
    /// Where the files are; they have no name there.
    pub spill: SpillDirectory,
    /// Bytes in files, over all workers.
    pub disk: u64,
    /// Bytes of one answer in a file; beyond them the application is read as fast as the client reads.
    pub max_response: u64,
}

/// Where bodies go that are too long for memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SpillDirectory {
    /// The directory for temporary files if it can be written to, else memory files.
    #[default]
    Auto,
    Directory(PathBuf),
    /// memfd(2), which counts as memory.
    Memory,
}
