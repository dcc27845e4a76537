//! The fields of a head that mark the end of the request.

use super::{
    fault::{HeadFault, HeadLimits},
    line::{self, HttpVersion},
};
use crate::rfc::request_parts::{FieldName, FieldSpan};

/// How the end of a request is marked (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// By the number of bytes; 0 if no field names it.
    Length(u64),
    Chunked,
}

/// The initial capacity: most requests have no more fields.
const INITIAL_FIELDS: usize = 24;

/// The facts from the fields so far.
#[derive(Debug)]
pub(super) struct FramingFields {
    version: HttpVersion,
    lines: Vec<FieldSpan>,
    length: Option<u64>,
    is_chunked: bool,
}

// === impl FramingFields ===

impl FramingFields {
    pub(super) fn new(version: HttpVersion) -> Self {
        Self { version, lines: Vec::with_capacity(INITIAL_FIELDS), length: None, is_chunked: false }
    }

    /// Adds a line that begins at `begin` in the head.
    pub(super) fn add(
        &mut self,
        line: &[u8],
        begin: usize,
        limits: &HeadLimits,
    ) -> Result<(), HeadFault> {
        let (name, value) = line::field(line)?;
        if self.lines.len() >= limits.fields {
            return Err(HeadFault::TooManyFields);
        }
        // White space besides that after the colon counts, as in an incomplete line (`HeadScanner::check_rest`).
        if name.len() + value.len() > limits.field || line.len() > limits.field + 2 {
            return Err(HeadFault::FieldTooLong);
        }
        let known = FieldName::of(name);
        if known == FieldName::ContentLength {
            let earlier = self.length.replace(length(value)?);
            earlier.map_or(Ok(()), |_| Err(HeadFault::LengthRepeated))?;
        } else if known == FieldName::TransferEncoding {
            if self.version == HttpVersion::One {
                return Err(HeadFault::CodingTooEarly);
            }
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HeadFault::Coding);
            }
            self.is_chunked = true;
        }
        // The value begins behind the name, the colon and the trimmed space.
        let rest = line.get(name.len() + 1..).unwrap_or_default();
        let value_at = begin + line.len() - trim_start(rest).len();
        self.lines.push(FieldSpan {
            name: known,
            name_at: number(begin)?,
            name_length: number(name.len())?,
            value_at: number(value_at)?,
            value_length: number(value.len())?,
        });
        Ok(())
    }

    pub(super) fn version(&self) -> HttpVersion {
        self.version
    }

    /// Ends the head. Returns how the request's end is marked, and where the fields are.
    pub(super) fn end(self) -> Result<(BodyFraming, Vec<FieldSpan>), HeadFault> {
        let framing = match (self.length, self.is_chunked) {
            (Some(_), true) => return Err(HeadFault::LengthAndCoding),
            (None, true) => BodyFraming::Chunked,
            (length, false) => BodyFraming::Length(length.unwrap_or(0)),
        };
        Ok((framing, self.lines))
    }
}

/// Returns the value without leading spaces and tabs.
fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}

/// Converts a position. A head is never so long that one does not fit.
fn number(place: usize) -> Result<u32, HeadFault> {
    u32::try_from(place).map_err(|_| HeadFault::HeadTooLong)
}

/// Parses digits alone: no sign, no list (RFC 9110, 8.6).
pub(super) fn length(value: &[u8]) -> Result<u64, HeadFault> {
    if value.contains(&b',') {
        return Err(HeadFault::LengthRepeated);
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadFault::Length);
    }
    let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    // The largest number that every parser reads alike; nobody sends as much.
    number.filter(|&number| number <= u64::MAX >> 1).ok_or(HeadFault::Length)
}
