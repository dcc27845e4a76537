//! One field line of HPACK.

use http::{HeaderName, HeaderValue};

/// A name in HTTP/2: a pseudo-header (RFC 9113, 8.3) or a field in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HpackName {
    Method,
    Scheme,
    Authority,
    Path,
    Status,
    /// Another name that begins with a colon.
    UnknownPseudo,
    Field(HeaderName),
    /// An invalid name: with a capital letter, a space, or empty (RFC 9113, 8.2.1).
    Malformed,
}

/// One field line.
#[derive(Clone, Debug)]
pub struct HpackField {
    pub name: HpackName,
    /// `None` if it contains a control character.
    pub value: Option<HeaderValue>,
    /// Bytes of the name.
    pub name_length: usize,
    /// Bytes of the name and the value.
    pub length: usize,
    /// Bytes that it shares with no table.
    pub own: usize,
}

/// The block cannot be decoded. Nothing after it can be, so the error ends the connection (RFC 9113, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedBlock;

// === impl HpackName ===

impl HpackName {
    pub(super) fn new(text: &[u8]) -> Self {
        match text {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            b":status" => Self::Status,
            [b':', ..] => Self::UnknownPseudo,
            _ => HeaderName::from_lowercase(text).map_or(Self::Malformed, Self::Field),
        }
    }

    /// Returns the bytes of a name in the fixed table.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Path => ":path".len(),
            Self::Method | Self::Scheme | Self::Status => ":method".len(),
            Self::Authority => ":authority".len(),
            Self::Field(name) => name.as_str().len(),
            Self::UnknownPseudo | Self::Malformed => 0,
        }
    }
}
