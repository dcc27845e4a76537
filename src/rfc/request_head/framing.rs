//! The fields of a head that say where the request ends.

use super::{
    fault::{Fault, Limits},
    line::{self, Version},
};
use crate::rfc::upgrade;

/// How a request's end is told (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By so many bytes; none if nothing is said.
    Length(u64),
    Chunked,
}

/// What is known from the fields so far.
#[derive(Debug)]
pub(super) struct Fields {
    version: Version,
    count: usize,
    length: Option<u64>,
    is_chunked: bool,
    names_websocket: bool,
}

// === impl Fields ===

impl Fields {
    pub(super) fn new(version: Version) -> Self {
        Self { version, count: 0, length: None, is_chunked: false, names_websocket: false }
    }

    pub(super) fn add(&mut self, line: &[u8], limits: &Limits) -> Result<(), Fault> {
        let (name, value) = line::field(line)?;
        self.count += 1;
        if self.count > limits.fields {
            return Err(Fault::TooManyFields);
        }
        // White space counts beyond the colon's own, as it does while the line still comes (`Scanner::check_rest`).
        if name.len() + value.len() > limits.field || line.len() > limits.field + 2 {
            return Err(Fault::FieldTooLong);
        }
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.names_websocket |= upgrade::lists_websocket(value);
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = length(value)?;
                let earlier = self.length.replace(length);
                earlier.map_or(Ok(()), |_| Err(Fault::LengthRepeated))?;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.version == Version::One {
                    return Err(Fault::CodingTooEarly);
                }
                if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Fault::Coding);
                }
                self.is_chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The end of the head; also whether it may be followed by WebSocket.
    pub(super) fn end(&self) -> Result<(Framing, bool), Fault> {
        let framing = match (self.length, self.is_chunked) {
            (Some(_), true) => return Err(Fault::LengthAndCoding),
            (None, true) => Framing::Chunked,
            (length, false) => Framing::Length(length.unwrap_or(0)),
        };
        Ok((framing, self.names_websocket && framing == Framing::Length(0)))
    }
}

/// Digits alone: no sign, no list (RFC 9110, 8.6).
pub(super) fn length(value: &[u8]) -> Result<u64, Fault> {
    if value.contains(&b',') {
        return Err(Fault::LengthRepeated);
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Length);
    }
    let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    // The largest that is nothing else to any parser; nobody has as much to send.
    number.filter(|&number| number <= u64::MAX >> 1).ok_or(Fault::Length)
}
