//! The reports about a relayed body's buffers.

/// What happened to a body because its buffers were full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// A part of it spilled to a file.
    Spilled,
    /// All buffers were full: the application had to wait for the client.
    Paused,
}
