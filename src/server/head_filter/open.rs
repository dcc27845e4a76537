//! A head that is being received: one HEADERS frame and its CONTINUATION frames (RFC 9113, 6.2 and 6.10).

use h2::Reason;

use super::frame::{END_STREAM, FrameHeader, HEADERS, PADDED, PRIORITY};
use crate::rfc::{
    hpack::HpackDecoder,
    request_head::{FieldLines, HeadLimits, TrailerLines},
};

/// The received part of a head.
#[derive(Debug)]
pub(super) struct OpenHead {
    pub(super) stream: u32,
    pub(super) ends_stream: bool,
    pub(super) priority: Option<[u8; 5]>,
    /// CONTINUATION frames so far.
    pub(super) frames: usize,
    pub(super) block: BlockKind,
    /// The beginning of a field that is not complete yet.
    rest: Vec<u8>,
}

/// The kind of fields.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and lives shortly")]
pub(super) enum BlockKind {
    Request(FieldLines),
    /// Trailers of a stream that was begun before, or that may not be begun. h2 knows which.
    Trailers(TrailerLines),
}

// === impl OpenHead ===

impl OpenHead {
    /// Begins with a HEADERS frame. Also returns the frame's part of the header block. `last` is the highest stream so
    /// far.
    pub(super) fn begin(
        header: FrameHeader,
        mut payload: &[u8],
        last: u32,
        limits: HeadLimits,
    ) -> Result<(Self, &[u8]), Reason> {
        if header.kind != HEADERS || header.stream == 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let mut padding = 0;
        if header.has(PADDED) {
            let (&count, rest) = payload.split_first().ok_or(Reason::FRAME_SIZE_ERROR)?;
            (padding, payload) = (usize::from(count), rest);
        }
        let mut priority = None;
        if header.has(PRIORITY) {
            let (first, rest) = payload.split_first_chunk().ok_or(Reason::FRAME_SIZE_ERROR)?;
            (priority, payload) = (Some(*first), rest);
        }
        let length = payload.len().checked_sub(padding).ok_or(Reason::PROTOCOL_ERROR)?;
        let fragment = payload.get(..length).unwrap_or_default();
        // The streams of a client are odd, and each is higher than those before (RFC 9113, 5.1.1).
        let is_new = header.stream % 2 == 1 && header.stream > last;
        let block = if is_new {
            BlockKind::Request(FieldLines::new(limits))
        } else {
            BlockKind::Trailers(TrailerLines::new(limits))
        };
        let head = Self {
            stream: header.stream,
            ends_stream: header.has(END_STREAM),
            priority,
            frames: 0,
            block,
            rest: Vec::new(),
        };
        Ok((head, fragment))
    }

    /// Decodes the next part of the header block, as far as its fields are complete.
    pub(super) fn decode(&mut self, part: &[u8], decoder: &mut HpackDecoder) -> Result<(), Reason> {
        let Self { block, rest, .. } = self;
        let mut decode = |bytes: &[u8]| {
            match block {
                BlockKind::Request(lines) => decoder.decode(bytes, |field| lines.add(field)),
                BlockKind::Trailers(lines) => decoder.decode(bytes, |field| lines.add(&field)),
            }
            .map_err(|_| Reason::COMPRESSION_ERROR)
        };
        if rest.is_empty() {
            let taken = decode(part)?;
            rest.extend_from_slice(part.get(taken..).unwrap_or_default());
        } else {
            rest.extend_from_slice(part);
            let taken = decode(rest)?;
            rest.drain(..taken);
        }
        Ok(())
    }

    /// Whether no incomplete field is left.
    pub(super) fn is_decoded(&self) -> bool {
        self.rest.is_empty()
    }
}
