//! The values of labels about compression.

/// The coding of a compressed response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodingLabel {
    Gzip,
    Brotli,
    Zstd,
}

/// Why a response was not compressed, although its client accepts a coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionSkip {
    /// `compression.max_cpu`.
    Cpu,
    /// The part of `buffers.memory` that responses may use.
    Memory,
    /// The request came from another site, with a session.
    AnotherSite,
}

// === impl CodingLabel ===

impl CodingLabel {
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Brotli, Self::Zstd];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

// === impl CompressionSkip ===

impl CompressionSkip {
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::AnotherSite];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::AnotherSite => "cross_site",
        }
    }
}
