//! The head of an HTTP/2 request, made from its field lines (RFC 9113, 8.2 and 8.3) by the rules of HTTP/1. Split
//! cookies are joined (8.2.3), and sizes count as HTTP/1 would write them. A head with a fault is described as far as
//! possible, for the log and for a response.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Version, header, uri::Authority};

use super::{
    fault::{HeadFault, HeadLimits},
    framing, line,
    reported_fields::{self, is_reported},
};
use crate::rfc::{
    host,
    hpack::{HpackField, HpackName},
    request_parts::{FieldSpan, Headers, RequestParts, RequestTarget},
};

/// The maximum number of bytes that are reported of a target with a fault.
const MAX_REPORTED: usize = 1024;
/// Bytes that a field takes besides its name and value.
const FIELD_OVERHEAD: usize = size_of::<(HeaderName, HeaderValue)>() + size_of::<FieldSpan>();

/// Collects the field lines of one request.
#[derive(Debug)]
pub struct FieldLines {
    limits: HeadLimits,
    method: Option<HeaderValue>,
    scheme: Option<HeaderValue>,
    authority: Option<HeaderValue>,
    path: Option<HeaderValue>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The only cookie so far.
    cookie: Option<HeaderValue>,
    /// All cookies, once there is a second one.
    cookies: Vec<u8>,
    length: Option<u64>,
    /// Bytes of memory that no other request shares.
    memory: usize,
    /// Bytes that the header section would have in HTTP/1.
    size: usize,
    has_fields: bool,
    fault: Option<HeadFault>,
}

/// A request, or what can be reported of one with a fault.
#[derive(Debug)]
pub struct Http2Head {
    pub parts: RequestParts,
    /// The announced length of its body, if there is one.
    pub length: Option<u64>,
    pub fault: Option<HeadFault>,
    /// Bytes of memory that its fields take. Fields that a client refers to again are shared, and do not count.
    pub memory: usize,
}

// === impl Http2Head ===

impl Http2Head {
    /// Keeps only the reported parts of a refused request.
    pub fn keep_reported(&mut self) {
        self.parts.keep_only(&reported_fields::REPORTED);
    }
}

// === impl FieldLines ===

impl FieldLines {
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            method: None,
            scheme: None,
            authority: None,
            path: None,
            headers: Vec::new(),
            cookie: None,
            cookies: Vec::new(),
            length: None,
            memory: 0,
            size: "\r\n".len(),
            has_fields: false,
            fault: None,
        }
    }

    /// Adds the next field line.
    pub fn add(&mut self, field: HpackField) {
        let HpackField { name, value, own, .. } = field;
        let Some(value) = value.filter(|value| !has_outer_space(value.as_bytes())) else {
            return self.refuse(if name == HpackName::Path {
                HeadFault::Target(None)
            } else {
                HeadFault::Field
            });
        };
        let place = match name {
            HpackName::Method => &mut self.method,
            HpackName::Scheme => &mut self.scheme,
            HpackName::Authority => &mut self.authority,
            HpackName::Path => &mut self.path,
            HpackName::Status | HpackName::UnknownPseudo => return self.refuse(HeadFault::Pseudo),
            HpackName::Malformed => return self.refuse(HeadFault::Field),
            HpackName::Field(name) => {
                self.has_fields = true;
                self.memory += FIELD_OVERHEAD + own;
                return match self.fault {
                    None => self.add_field(name, value).unwrap_or_else(|fault| self.refuse(fault)),
                    Some(_) => self.keep_if_reported(name, value),
                };
            }
        };
        if self.has_fields || place.replace(value).is_some() {
            self.refuse(HeadFault::Pseudo);
        }
    }

    /// Ends the head and returns the request; `ends_stream` means that no body follows.
    pub fn end(mut self, ends_stream: bool) -> Http2Head {
        let finished = self.finish(ends_stream);
        let (method, target, fault) = match (self.fault, finished) {
            (None, Ok((method, target))) => (method, target, None),
            (None, Err(fault)) | (Some(fault), _) => {
                let (method, target) = self.recover();
                self.keep_reported();
                self.keep_host();
                (method, target, Some(fault))
            }
        };
        let mut parts = RequestParts::new(method, Version::HTTP_2, target);
        parts.headers = Headers::shared(self.headers);
        let length = self.length.filter(|_| fault.is_none());
        Http2Head { parts, length, fault, memory: self.memory }
    }

    fn refuse(&mut self, fault: HeadFault) {
        if self.fault.is_none() {
            self.fault = Some(fault);
            // Parts that are not reported are not kept.
            self.cookie = None;
            self.cookies = Vec::new();
            self.keep_reported();
        }
    }

    /// Drops everything that is not reported.
    fn keep_reported(&mut self) {
        for (name, value) in std::mem::take(&mut self.headers) {
            self.keep_if_reported(name, value);
        }
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(one, _)| one == name)
    }

    fn keep_if_reported(&mut self, name: HeaderName, value: HeaderValue) {
        let is_reported = is_reported(name.as_str().as_bytes()) && value.len() <= MAX_REPORTED;
        if is_reported && !self.contains(&name) {
            self.headers.push((name, value));
        }
    }

    /// Reports the authority as the host.
    fn keep_host(&mut self) {
        let authority = self.authority.take().filter(|value| host::is_valid(value.as_bytes()));
        if let Some(authority) = authority.filter(|value| value.len() <= MAX_REPORTED)
            && !self.contains(&header::HOST)
        {
            self.headers.push((header::HOST, authority));
        }
    }

    fn add_field(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), HeadFault> {
        match name.as_str() {
            "cookie" => return self.add_cookie(value),
            "content-length" => {
                let length = framing::length(value.as_bytes())?;
                let earlier = self.length.replace(length);
                earlier.map_or(Ok(()), |_| Err(HeadFault::LengthRepeated))?;
            }
            name if is_of_connection(name, &value) => return Err(HeadFault::ConnectionField),
            _ => {}
        }
        self.count(name.as_str().len() + value.len())?;
        if self.headers.len() >= self.limits.fields {
            return Err(HeadFault::TooManyFields);
        }
        self.headers.push((name, value));
        Ok(())
    }

    /// Adds a cookie. A client may split a cookie, so that its parts are compressed (RFC 9113, 8.2.3).
    fn add_cookie(&mut self, value: HeaderValue) -> Result<(), HeadFault> {
        let first = self.cookie.as_ref().map(HeaderValue::as_bytes);
        let before = first.unwrap_or(&self.cookies).len();
        let between = if before > 0 { "; ".len() } else { 0 };
        if "cookie".len() + before + between + value.len() > self.limits.field {
            return Err(HeadFault::FieldTooLong);
        }
        if before == 0 {
            self.cookie = Some(value);
            return Ok(());
        }
        if let Some(first) = self.cookie.take() {
            self.cookies.extend_from_slice(first.as_bytes());
        }
        self.cookies.extend_from_slice(b"; ");
        self.cookies.extend_from_slice(value.as_bytes());
        Ok(())
    }

    /// Returns the whole cookie, without spare capacity.
    fn take_cookie(&mut self) -> Result<Option<HeaderValue>, HeadFault> {
        if self.cookies.is_empty() {
            return Ok(self.cookie.take().filter(|cookie| !cookie.is_empty()));
        }
        self.memory += self.cookies.len();
        let cookies = Bytes::from(std::mem::take(&mut self.cookies).into_boxed_slice());
        // A concatenation of valid values is valid.
        HeaderValue::from_maybe_shared(cookies).map(Some).map_err(|_| HeadFault::Field)
    }

    /// Counts the name and the value of a field.
    fn count(&mut self, length: usize) -> Result<(), HeadFault> {
        if length > self.limits.field {
            return Err(HeadFault::FieldTooLong);
        }
        self.size += length + ": \r\n".len();
        if self.size > self.limits.head { Err(HeadFault::HeadTooLong) } else { Ok(()) }
    }

    /// Checks the head as a whole; returns the method and the target.
    fn finish(&mut self, ends_stream: bool) -> Result<(Method, RequestTarget), HeadFault> {
        if let Some(cookie) = self.take_cookie()? {
            self.count("cookie".len() + cookie.len())?;
            if self.headers.len() >= self.limits.fields {
                return Err(HeadFault::TooManyFields);
            }
            self.headers.push((header::COOKIE, cookie));
        }
        let method = self.method.as_ref().ok_or(HeadFault::Pseudo)?.as_bytes();
        if !line::is_method(method) {
            return Err(HeadFault::Pseudo);
        }
        let authority = self.authority.as_ref().map(HeaderValue::as_bytes);
        let target = self.path.as_ref().map(HeaderValue::as_bytes);
        let line = method.len() + target.map_or(0, <[u8]>::len) + "  HTTP/1.1\r\n".len();
        if line - "\r\n".len() > self.limits.line {
            return Err(HeadFault::LineTooLong);
        }
        if self.size + line > self.limits.head {
            return Err(HeadFault::HeadTooLong);
        }
        if authority.is_some_and(|authority| !host::is_valid(authority)) {
            return Err(HeadFault::Authority);
        }
        let authority = authority.map(Authority::try_from).transpose();
        let authority = authority.map_err(|_| HeadFault::Authority)?;
        let (scheme, target) = if method == b"CONNECT" {
            // RFC 9113, 8.5.
            if self.scheme.is_some() || target.is_some() || authority.is_none() {
                return Err(HeadFault::Pseudo);
            }
            (None, RequestTarget::new(""))
        } else {
            let scheme = scheme(self.scheme.as_ref().ok_or(HeadFault::Pseudo)?)?;
            (Some(scheme), path(target.ok_or(HeadFault::Pseudo)?)?)
        };
        let target = match authority {
            Some(authority) => target.at(scheme, authority.as_str()),
            None => target,
        };
        if ends_stream && self.length.is_some_and(|length| length > 0) {
            return Err(HeadFault::BodyMissing);
        }
        let method = Method::from_bytes(method).map_err(|_| HeadFault::Pseudo)?;
        Ok((method, target))
    }

    /// Returns the method and the path, as far as they are valid.
    fn recover(&self) -> (Method, RequestTarget) {
        let method = self.method.as_ref().map(HeaderValue::as_bytes);
        let method = method.filter(|method| line::is_method(method)).unwrap_or(b"-");
        let path = self.path.as_ref().map(HeaderValue::as_bytes);
        let path = path.filter(|path| path.starts_with(b"/") && path.len() <= MAX_REPORTED);
        let target = path.and_then(|path| self::path(path).ok());
        let target = target.unwrap_or_else(|| RequestTarget::new("*"));
        (Method::from_bytes(method).unwrap_or_default(), target)
    }
}

/// Checks the field lines behind a request's body. None is kept, because trailers are not forwarded.
#[derive(Debug)]
pub struct TrailerLines {
    limits: HeadLimits,
    count: usize,
    size: usize,
    fault: Option<HeadFault>,
}

// === impl TrailerLines ===

impl TrailerLines {
    pub fn new(limits: HeadLimits) -> Self {
        Self { limits, count: 0, size: 0, fault: None }
    }

    /// Checks the next field line.
    pub fn add(&mut self, field: &HpackField) {
        self.count += 1;
        self.size += field.length + ": \r\n".len();
        let fault = match (&field.name, &field.value) {
            (HpackName::Malformed, _) | (_, None) => HeadFault::Field,
            (HpackName::Field(_), Some(value)) if has_outer_space(value.as_bytes()) => {
                HeadFault::Field
            }
            (HpackName::Field(name), Some(value)) if is_of_connection(name.as_str(), value) => {
                HeadFault::ConnectionField
            }
            (HpackName::Field(_), Some(_)) if field.length > self.limits.field => {
                HeadFault::FieldTooLong
            }
            (HpackName::Field(_), Some(_)) if self.size > self.limits.head => {
                HeadFault::HeadTooLong
            }
            (HpackName::Field(_), Some(_)) if self.count > self.limits.fields => {
                HeadFault::TooManyFields
            }
            (HpackName::Field(_), Some(_)) => return,
            // RFC 9113, 8.1.
            _ => HeadFault::Pseudo,
        };
        self.fault.get_or_insert(fault);
    }

    /// Returns the first fault.
    pub fn fault(&self) -> Option<HeadFault> {
        self.fault
    }
}

/// Whether a field concerns the connection, for which HTTP/2 uses frames (RFC 9113, 8.2.2).
fn is_of_connection(name: &str, value: &HeaderValue) -> bool {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => true,
        "te" => !value.as_bytes().eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}

/// Whether a value has white space at an end (RFC 9113, 8.2.1).
fn has_outer_space(value: &[u8]) -> bool {
    matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

/// Parses the scheme. A proxy that terminated TLS sends `https` for requests that arrive in the clear; other schemes
/// are not served.
fn scheme(value: &HeaderValue) -> Result<&'static str, HeadFault> {
    match value.as_bytes() {
        scheme if scheme.eq_ignore_ascii_case(b"http") => Ok("http"),
        scheme if scheme.eq_ignore_ascii_case(b"https") => Ok("https"),
        _ => Err(HeadFault::Pseudo),
    }
}

/// Parses a path with a query, or the asterisk of OPTIONS (RFC 9113, 8.3.1).
fn path(value: &[u8]) -> Result<RequestTarget, HeadFault> {
    if !value.starts_with(b"/") && value != b"*" {
        return Err(HeadFault::Target(None));
    }
    line::check_target(value)?;
    let text = std::str::from_utf8(value).map_err(|_| HeadFault::Target(None))?;
    Ok(RequestTarget::new(text))
}
