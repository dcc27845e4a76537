//! The reasons for refusing a head, and the limits of its size.

use crate::rfc::target::Misplaced;

/// The limits of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the request line, without its end.
    pub line: usize,
    /// Bytes of one field's name and value.
    pub field: usize,
    /// Bytes of the whole head.
    pub head: usize,
    /// The number of fields.
    pub fields: usize,
}

/// The reason for refusing a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// A bare CR or LF (RFC 9112, 2.2).
    LineEnd,
    /// The line is not a method, target and version with one space between them (RFC 9112, 3).
    RequestLine,
    /// A version other than 1.0 and 1.1.
    Version,
    /// An invalid target, with the byte that is not allowed, if that is the reason.
    Target(Option<Misplaced>),
    /// An invalid name, a folded line, or a control character (RFC 9112, 5).
    Field,
    /// A `Content-Length` that is no number (RFC 9110, 8.6).
    Length,
    /// More than one length, even if they are equal.
    LengthRepeated,
    /// `Content-Length` beside `Transfer-Encoding` (RFC 9112, 6.1).
    LengthAndCoding,
    /// A transfer coding other than `chunked`, or more than one.
    Coding,
    /// A transfer coding in HTTP/1.0, which has none (RFC 9112, 6.1).
    CodingTooEarly,
    /// A pseudo-header that is missing, repeated, unknown, invalid or misplaced (RFC 9113, 8.3).
    Pseudo,
    /// A field about the connection, which HTTP/2 does not allow (RFC 9113, 8.2.2).
    ConnectionField,
    /// An invalid `:authority` (RFC 9113, 8.3.1).
    Authority,
    /// A length without a body (RFC 9113, 8.1.1).
    BodyMissing,
    LineTooLong,
    FieldTooLong,
    HeadTooLong,
    TooManyFields,
}
