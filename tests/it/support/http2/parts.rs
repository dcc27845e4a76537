//! The parts of requests and responses, for connections with and without TLS.

use super::{
    frame::{Frame, flag, kind},
    hpack,
};

/// The preface of a client (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Settings (RFC 9113, 6.5.2).
pub(crate) mod setting {
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
}

/// What arrived on one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Http2Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) interim: Vec<u16>,
    /// The fields of all of them.
    pub(crate) interim_fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Vec<(String, String)>>,
    pub(crate) is_complete: bool,
    /// The code that it was ended with.
    pub(crate) reset: Option<u32>,
}

// === impl Http2Response ===

impl Http2Response {
    pub(crate) fn is_over(&self) -> bool {
        self.is_complete || self.reset.is_some()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the value of a field that may occur at most once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values: Vec<_> = self.fields.iter().filter(|(field, _)| field == name).collect();
        assert!(values.len() <= 1, "{name} comes {} times: {self:?}", values.len());
        values.first().map(|(_, value)| value.as_str())
    }
}

/// Returns the fields of a request that every server accepts.
pub(crate) fn usual<'a>(
    method: &'a str,
    path: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "example.test"),
    ];
    fields.extend(more);
    fields
}

/// A request's head in as many frames as it needs.
pub(crate) fn headers(stream: u32, fields: &[(&str, &str)], ends: bool) -> Vec<u8> {
    let block = hpack::encode(fields);
    let pieces: Vec<&[u8]> = block.chunks(16_384).collect();
    let mut bytes = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let kind = if index == 0 { kind::HEADERS } else { kind::CONTINUATION };
        let mut flags = if index == 0 && ends { flag::END_STREAM } else { 0 };
        if index + 1 == pieces.len() {
            flags |= flag::END_HEADERS;
        }
        bytes.extend(Frame::new(kind, flags, stream, *piece).bytes());
    }
    bytes
}

pub(crate) fn settings_frame(settings: &[(u16, u32)]) -> Frame {
    let entry = |&(key, value): &(u16, u32)| {
        [key.to_be_bytes().as_slice(), value.to_be_bytes().as_slice()].concat()
    };
    let payload: Vec<u8> = settings.iter().flat_map(entry).collect();
    Frame::new(kind::SETTINGS, 0, 0, payload)
}
