//! Why a head is refused, and how much it may have.

use crate::rfc::target::Misplaced;

/// The most that a head may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the request line, without its end.
    pub line: usize,
    /// Bytes of one field's name and value.
    pub field: usize,
    /// Bytes of the whole head.
    pub head: usize,
    /// Fields.
    pub fields: usize,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// A bare CR or LF (RFC 9112, 2.2).
    LineEnd,
    /// No method, target and version with one space between them (RFC 9112, 3).
    RequestLine,
    /// Another version than 1.0 and 1.1.
    Version,
    /// A target with a byte that it may not hold as it is, or that is otherwise none.
    Target(Option<Misplaced>),
    /// A name that is none, a folded line, a control character (RFC 9112, 5).
    Field,
    /// A `Content-Length` that is no number (RFC 9110, 8.6).
    Length,
    /// More than one length, be they equal.
    LengthRepeated,
    /// `Content-Length` beside `Transfer-Encoding` (RFC 9112, 6.1).
    LengthAndCoding,
    /// Another transfer coding than `chunked`, or more than one.
    Coding,
    /// A transfer coding in HTTP/1.0, which has none (RFC 9112, 6.1).
    CodingTooEarly,
    /// A pseudo-header that is missing, repeated, unknown, invalid or out of place (RFC 9113, 8.3).
    Pseudo,
    /// A field that HTTP/2 has no use for: it means the connection (RFC 9113, 8.2.2).
    ConnectionField,
    /// An `:authority` that is none (RFC 9113, 8.3.1).
    Authority,
    /// A length, and no body (RFC 9113, 8.1.1).
    BodyMissing,
    LineTooLong,
    FieldTooLong,
    HeadTooLong,
    TooManyFields,
}
