//! The head of an HTTP/1 request, checked strictly (RFC 9112, 2 to 7). Bytes that two servers could read differently
//! are a [`HeadFault`] and are never repaired. So the parsers behind this one may be lenient: they only see unambiguous
//! heads.

mod fault;
mod framing;
mod http2;
mod line;
mod reported_fields;

use std::ops::Range;

use bytes::BytesMut;

use self::framing::FramingFields;
pub use self::{
    fault::{HeadFault, HeadLimits},
    framing::BodyFraming,
    http2::{FieldLines, Http2Head, TrailerLines},
    reported_fields::is_reported,
};
use super::request_parts::{FieldSpan, RequestParts};

/// A head that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedHead {
    /// Bytes, including the empty line at the end.
    pub length: usize,
    pub framing: BodyFraming,
    version: line::HttpVersion,
    method: Range<usize>,
    target: Range<usize>,
    lines: Vec<FieldSpan>,
}

/// A scanner of one head, which may arrive in pieces.
#[derive(Debug, Default)]
pub struct HeadScanner {
    /// The position of the incomplete line.
    begin: usize,
    /// The position up to which the line's end was searched.
    searched: usize,
    /// `None` until the request line was read.
    fields: Option<FramingFields>,
    has_empty_line: bool,
    method: Range<usize>,
    target: Range<usize>,
}

// === impl HeadScanner ===

impl HeadScanner {
    /// Scans the bytes of a head from its first byte on. Each call must pass the bytes of the last one, and may add
    /// more. `None` if the end has not arrived.
    pub fn scan(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<ScannedHead>, HeadFault> {
        let unseen = self.begin;
        let from = self.searched;
        let mut lines = 0;
        for found in memchr::memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()) {
            let at = from + found;
            let line = bytes.get(self.begin..at).unwrap_or_default();
            let Some(line) = line.strip_suffix(b"\r") else { return Err(HeadFault::LineEnd) };
            let begin = self.begin;
            (self.begin, self.searched) = (at + 1, at + 1);
            lines += 1;
            match &mut self.fields {
                None if line.is_empty() && !self.has_empty_line => self.has_empty_line = true,
                None => {
                    let line = line::request(line, limits)?;
                    self.fields = Some(FramingFields::new(line.version));
                    self.method = begin..begin + line.method;
                    self.target = begin + line.target.start..begin + line.target.end;
                }
                Some(_) if line.is_empty() => {
                    if at >= limits.head {
                        return Err(HeadFault::HeadTooLong);
                    }
                    let fields = self.fields.take().ok_or(HeadFault::RequestLine)?;
                    let version = fields.version();
                    let (framing, of_fields) = fields.end()?;
                    line::check_controls(bytes.get(unseen..=at).unwrap_or_default(), lines)?;
                    return Ok(Some(ScannedHead {
                        length: at + 1,
                        framing,
                        version,
                        method: self.method.clone(),
                        target: self.target.clone(),
                        lines: of_fields,
                    }));
                }
                Some(fields) => {
                    let added = fields.add(line, begin, limits);
                    added.map_err(|fault| line::fault(line, fault))?;
                }
            }
        }
        line::check_controls(bytes.get(unseen..self.begin).unwrap_or_default(), lines)?;
        self.searched = bytes.len();
        self.check_rest(bytes, limits)?;
        Ok(None)
    }

    /// Checks an incomplete line: it must not grow without limit, and bytes that are not HTTP are refused early.
    fn check_rest(&self, bytes: &[u8], limits: &HeadLimits) -> Result<(), HeadFault> {
        let rest = bytes.get(self.begin..).unwrap_or_default();
        let (limit, fault) = match self.fields {
            None => (limits.line, HeadFault::LineTooLong),
            // The colon and its space.
            Some(_) => (limits.field + 2, HeadFault::FieldTooLong),
        };
        // Half of the line end may have arrived.
        if rest.len() > limit + 1 {
            return Err(fault);
        }
        if bytes.len() > limits.head {
            return Err(HeadFault::HeadTooLong);
        }
        match (rest.first(), &self.fields) {
            (Some(&first), None) if first != b'\r' && !line::is_token(first) => {
                Err(HeadFault::RequestLine)
            }
            _ => Ok(()),
        }
    }
}

// === impl ScannedHead ===

impl ScannedHead {
    /// Converts the head to its parts; `bytes` must be exactly the scanned bytes.
    pub fn into_parts(self, bytes: BytesMut) -> RequestParts {
        let version = match self.version {
            line::HttpVersion::One => http::Version::HTTP_10,
            line::HttpVersion::OneOne => http::Version::HTTP_11,
        };
        RequestParts::of_head(bytes, (self.method, self.target), version, self.lines)
    }
}

/// Returns what can be reported of a refused head: the method and the target, as far as they are valid, and the lines
/// behind them that are fields.
pub fn recover(head: &[u8]) -> (&str, &str, impl Iterator<Item = (&[u8], &[u8])>) {
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.trim_ascii_end());
    let start = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let (method, target) = line::recover(start);
    let fields =
        lines.take_while(|line| !line.is_empty()).filter_map(|line| line::clean_field(line));
    (method, target, fields)
}

#[cfg(test)]
mod tests;
