//! What is told of a relayed body.

/// What a body has come to on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Some of it went to a file.
    Spilled,
    /// There was no room at all: the application had to wait for the client.
    Paused,
}
