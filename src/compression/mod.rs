//! Encoders for the content codings gzip, br and zstd (RFC 9110, 8.4.1): of files, and of the application's responses.
//! A text is encoded piece by piece, and may get padding of any length, which every decoder skips: an attacker then
//! learns nothing from the length (BREACH).

mod brotli;
mod gzip;
mod step;
mod zstd;

pub use self::step::{After, Effort, MAX_PADDING};

use std::io;

use self::{brotli::BrotliEncoder, gzip::GzipEncoder, zstd::ZstdEncoder};

/// A coding that is made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeCoding {
    Gzip,
    Brotli,
    Zstd,
}

/// An encoder of one text.
#[derive(Debug)]
pub enum Encoder {
    Gzip(GzipEncoder),
    Brotli(Box<BrotliEncoder>),
    Zstd(ZstdEncoder),
}

// === impl MadeCoding ===

impl MadeCoding {
    /// Returns the bytes of memory that an encoder of a response takes, rounded up.
    pub fn memory(self) -> u64 {
        match self {
            Self::Gzip => gzip::MEMORY,
            Self::Brotli => brotli::MEMORY,
            Self::Zstd => zstd::MEMORY,
        }
    }
}

// === impl Encoder ===

impl Encoder {
    /// Creates an encoder for a text.
    pub fn new(coding: MadeCoding, effort: Effort) -> io::Result<Self> {
        Ok(match coding {
            MadeCoding::Gzip => Self::Gzip(GzipEncoder::new(effort)),
            MadeCoding::Brotli => Self::Brotli(Box::new(BrotliEncoder::new(effort))),
            MadeCoding::Zstd => Self::Zstd(ZstdEncoder::new(effort)?),
        })
    }

    /// Sets the length of the padding, at most [`MAX_PADDING`] bytes. Must come before the first piece.
    pub fn pad(&mut self, length: u8) {
        match self {
            Self::Gzip(encoder) => encoder.padding = length,
            Self::Brotli(encoder) => encoder.padding = length,
            Self::Zstd(encoder) => encoder.padding = length,
        }
    }

    /// Encodes the next piece of the text, and appends what is ready to `out`.
    pub fn encode(&mut self, text: &[u8], after: After, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.encode(text, after, out),
            Self::Brotli(encoder) => encoder.encode(text, after, out),
            Self::Zstd(encoder) => encoder.encode(text, after, out),
        }
    }

    /// Prepares the encoder for another text, without allocating its tables again. Returns `false` if it cannot be
    /// used again.
    pub fn reset(&mut self) -> bool {
        match self {
            Self::Gzip(encoder) => {
                encoder.reset();
                true
            }
            Self::Brotli(_) => false,
            Self::Zstd(encoder) => encoder.reset().is_ok(),
        }
    }
}

#[cfg(test)]
mod tests;
