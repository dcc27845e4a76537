//! Reads and writes frames (RFC 9113, 4.1).

/// Bytes of a frame header.
pub(super) const HEADER_SIZE: usize = 9;
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITY: u8 = 32;

/// `:method: GET`, `:scheme: http` and `:path: /` from the static table (RFC 7541, appendix A).
const REQUEST: [u8; 3] = [0x82, 0x86, 0x84];
/// A `content-length` that is not added to the dynamic table (RFC 7541, 6.2.2). Its value follows.
const CONTENT_LENGTH: [u8; 2] = [0x0f, 0x0d];

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

// === impl FrameHeader ===

impl FrameHeader {
    /// Reads the header from the first bytes. Returns `None` if it is incomplete.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, stream @ ..] = *bytes.first_chunk::<HEADER_SIZE>()?;
        let length = u32::from_be_bytes([0, high, middle, low]);
        Some(Self {
            length: usize::try_from(length).ok()?,
            kind,
            flags,
            // The first bit is reserved.
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether the frame advances no request: it is not a part of a head or of a body. h2 has its own budget for small
    /// parts of bodies.
    pub(super) fn is_control(&self) -> bool {
        !matches!(self.kind, DATA | HEADERS | CONTINUATION)
    }

    pub(super) fn ends_head(&self) -> bool {
        self.has(END_HEADERS)
    }
}

/// Writes a request head that is as short as possible. h2 compares the length of its body with the data that arrives.
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

/// Writes a head without fields.
pub(super) fn put_empty(output: &mut Vec<u8>, to: (u8, u32), priority: Option<[u8; 5]>) {
    put_header(output, to, priority, 0);
}

/// Writes the header of a frame that holds a whole head of `length` bytes, with the priority in front.
fn put_header(
    output: &mut Vec<u8>,
    (flags, stream): (u8, u32),
    priority: Option<[u8; 5]>,
    length: usize,
) {
    let priority = priority.as_ref().map_or(&[][..], |priority| priority);
    // A few bytes only.
    let length = u8::try_from(priority.len() + length).unwrap_or_default();
    let flags = flags | END_HEADERS | if priority.is_empty() { 0 } else { PRIORITY };
    output.extend_from_slice(&[0, 0, length, HEADERS, flags]);
    output.extend_from_slice(&stream.to_be_bytes());
    output.extend_from_slice(priority);
}
