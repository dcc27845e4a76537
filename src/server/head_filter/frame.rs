//! Frames on the wire (RFC 9113, 4.1), read and written.

/// Bytes of a frame's header.
pub(super) const HEADER: usize = 9;
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITY: u8 = 32;

/// `:method: GET`, `:scheme: http` and `:path: /`, of the fixed table (RFC 7541, appendix A).
const REQUEST: [u8; 3] = [0x82, 0x86, 0x84];
/// A `content-length` that is not to be remembered (RFC 7541, 6.2.2); its value follows.
const CONTENT_LENGTH: [u8; 2] = [0x0f, 0x0d];

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

// === impl FrameHeader ===

impl FrameHeader {
    /// The header that these bytes begin with, if it is complete.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, stream @ ..] = *bytes.first_chunk::<HEADER>()?;
        let length = u32::from_be_bytes([0, high, middle, low]);
        Some(Self {
            length: usize::try_from(length).ok()?,
            kind,
            flags,
            // The first bit means nothing.
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether the frame moves no request on: it is no part of a head or of a body. (h2 has a budget for small parts of
    /// bodies.)
    pub(super) fn is_control(&self) -> bool {
        !matches!(self.kind, DATA | HEADERS | CONTINUATION)
    }

    pub(super) fn ends_head(&self) -> bool {
        self.has(END_HEADERS)
    }
}

/// Writes a request that is as short as one can be; h2 compares the length of its body with what comes.
pub(super) fn put_request(
    output: &mut Vec<u8>,
    to: (u8, u32),
    priority: Option<[u8; 5]>,
    length: Option<u64>,
) {
    let mut digits = itoa::Buffer::new();
    let length = length.map_or("", |length| digits.format(length));
    let field = if length.is_empty() { 0 } else { CONTENT_LENGTH.len() + 1 + length.len() };
    put_header(output, to, priority, REQUEST.len() + field);
    output.extend_from_slice(&REQUEST);
    // A number has 20 digits at most.
    if let (1.., Ok(count)) = (field, u8::try_from(length.len())) {
        output.extend_from_slice(&CONTENT_LENGTH);
        output.push(count);
        output.extend_from_slice(length.as_bytes());
    }
}

/// Writes a head without a field.
pub(super) fn put_empty(output: &mut Vec<u8>, to: (u8, u32), priority: Option<[u8; 5]>) {
    put_header(output, to, priority, 0);
}

/// Writes the header of a frame with a whole head of so many bytes, and the priority in front of it.
fn put_header(
    output: &mut Vec<u8>,
    (flags, stream): (u8, u32),
    priority: Option<[u8; 5]>,
    length: usize,
) {
    let priority = priority.as_ref().map_or(&[][..], |priority| priority);
    // A few bytes.
    let length = u8::try_from(priority.len() + length).unwrap_or_default();
    let flags = flags | END_HEADERS | if priority.is_empty() { 0 } else { PRIORITY };
    output.extend_from_slice(&[0, 0, length, HEADERS, flags]);
    output.extend_from_slice(&stream.to_be_bytes());
    output.extend_from_slice(priority);
}
