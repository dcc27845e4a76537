//! zstd (RFC 8878).

use std::io;

use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, get_error_name,
    zstd_sys::ZSTD_EndDirective,
};

use super::step::{After, Effort, padding};

/// What the context takes with the window below, with its buffers.
pub(super) const MEMORY: u64 = 1024 * 1024;
/// The level that costs as little as gzip's lowest, at fewer bytes.
const RESPONSE_LEVEL: i32 = 3;
/// Nothing larger pays for text, and takes more memory on both sides.
const FILE_LEVEL: i32 = 12;
/// The window of a response whose length is not known: 128 KiB. Pages repeat themselves within that.
const RESPONSE_WINDOW_LOG: u32 = 17;
/// The magic number of a frame that decoders skip (RFC 8878, 3.1.2).
const SKIPPABLE: [u8; 4] = 0x184d_2a50_u32.to_le_bytes();
/// The room for output that each step has.
const STEP: usize = 8 * 1024;

/// One frame, and one to skip behind it if there is padding.
pub struct ZstdEncoder {
    context: CCtx<'static>,
    /// The length of the padding.
    pub(super) padding: u8,
}

fn failed(code: usize) -> io::Error {
    io::Error::other(get_error_name(code))
}

// === impl ZstdEncoder ===

impl ZstdEncoder {
    pub(super) fn new(effort: Effort) -> io::Result<Self> {
        let mut context =
            CCtx::try_create().ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let parameters = match effort {
            Effort::Response => [
                CParameter::CompressionLevel(RESPONSE_LEVEL),
                CParameter::WindowLog(RESPONSE_WINDOW_LOG),
            ],
            Effort::File(_) => {
                [CParameter::CompressionLevel(FILE_LEVEL), CParameter::ContentSizeFlag(true)]
            }
        };
        for parameter in parameters {
            context.set_parameter(parameter).map_err(failed)?;
        }
        Ok(Self { context, padding: 0 })
    }

    pub(super) fn reset(&mut self) -> io::Result<()> {
        self.context.reset(ResetDirective::SessionOnly).map(drop).map_err(failed)
    }

    pub(super) fn encode(
        &mut self,
        text: &[u8],
        after: After,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let directive = match after {
            After::More => ZSTD_EndDirective::ZSTD_e_continue,
            After::Flush => ZSTD_EndDirective::ZSTD_e_flush,
            After::Finish => ZSTD_EndDirective::ZSTD_e_end,
        };
        let mut input = InBuffer::around(text);
        loop {
            out.reserve(STEP);
            let at = out.len();
            let mut output = OutBuffer::around_pos(out, at);
            let left = self
                .context
                .compress_stream2(&mut output, &mut input, directive)
                .map_err(failed)?;
            let is_done = match after {
                After::More => input.pos() == text.len(),
                After::Flush | After::Finish => left == 0,
            };
            if is_done {
                break;
            }
        }
        if after == After::Finish && self.padding > 0 {
            out.extend_from_slice(&SKIPPABLE);
            out.extend_from_slice(&u32::from(self.padding).to_le_bytes());
            out.extend_from_slice(padding(self.padding));
        }
        Ok(())
    }
}

impl std::fmt::Debug for ZstdEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZstdEncoder").field("padding", &self.padding).finish_non_exhaustive()
    }
}
