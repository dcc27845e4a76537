//! Brotli (RFC 7932).

use std::io::{self, Write};

use brotli::{CompressorWriter, enc::BrotliEncoderParams};

use super::step::{After, Effort, padding};

/// The ring buffer of the window, the table of the hashes and the commands, for a response.
pub(super) const MEMORY: u64 = 2 * 1024 * 1024;
/// Quality 5 takes many times as long.
const RESPONSE_QUALITY: i32 = 4;
/// With 16 bits or less, the crate allocates a table of 32 MiB for any text.
const RESPONSE_WINDOW_LOG: i32 = 18;
/// Higher qualities are no better for the texts of a site (a quarter of a per cent between 6 and 9) and cost memory. 9
/// needs a table of 32 MiB, half of a small container's memory; from 10 on it takes twenty times as long.
const FILE_QUALITY: i32 = 6;
/// The last meta-block, without content: ISLAST and ISLASTEMPTY (RFC 7932, 9.2).
const EMPTY_LAST_BLOCK: u8 = 0b11;
/// The room for output that each step has.
const STEP: usize = 8 * 1024;

/// One stream.
pub struct BrotliEncoder {
    writer: CompressorWriter<Vec<u8>>,
    /// The length of the padding.
    pub(super) padding: u8,
}

/// Returns the header of a meta-block whose `length` bytes decoders skip, from 1 to 256 (RFC 7932, 9.2). It begins at
/// the boundary of a byte.
fn metadata_header(length: u8) -> [u8; 2] {
    // From the lowest bit: not the last block; no nibbles of a length, which marks metadata; a reserved bit; one byte
    // of the length less one, which begins in bit 6.
    const METADATA_WITH_ONE_BYTE: u16 = 0b1_0110;
    (METADATA_WITH_ONE_BYTE | u16::from(length.saturating_sub(1)) << 6).to_le_bytes()
}

// === impl BrotliEncoder ===

impl BrotliEncoder {
    pub(super) fn new(effort: Effort) -> Self {
        let params = match effort {
            Effort::Response => BrotliEncoderParams {
                quality: RESPONSE_QUALITY,
                lgwin: RESPONSE_WINDOW_LOG,
                ..BrotliEncoderParams::default()
            },
            Effort::File(length) => {
                let bits = (length.max(2) - 1).ilog2() + 1;
                BrotliEncoderParams {
                    quality: FILE_QUALITY,
                    // A window larger than the text costs memory on both sides.
                    lgwin: i32::try_from(bits.clamp(17, 20)).unwrap_or(20),
                    size_hint: length,
                    ..BrotliEncoderParams::default()
                }
            }
        };
        Self { writer: CompressorWriter::with_params(Vec::new(), STEP, &params), padding: 0 }
    }

    pub(super) fn encode(
        &mut self,
        text: &[u8],
        after: After,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.writer.write_all(text)?;
        if after != After::More {
            // It ends at the boundary of a byte.
            self.writer.flush()?;
        }
        out.append(self.writer.get_mut());
        if after == After::Finish {
            if self.padding > 0 {
                out.extend_from_slice(&metadata_header(self.padding));
                out.extend_from_slice(padding(self.padding));
            }
            out.push(EMPTY_LAST_BLOCK);
        }
        Ok(())
    }
}

impl std::fmt::Debug for BrotliEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrotliEncoder").field("padding", &self.padding).finish_non_exhaustive()
    }
}
