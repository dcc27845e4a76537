//! Compression of the application's responses.

/// How responses of the application are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompressionSettings {
    /// Whether they are, unless a route says otherwise.
    pub responses: bool,
    /// The maximum of a worker's time, in per cent; `None` is no limit.
    pub max_cpu: Option<u8>,
}
