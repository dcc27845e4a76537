//! The contents of a request's head (RFC 9112, 3 and 5; RFC 9113, 8.3), in any version of HTTP.

mod headers;
mod name;
mod target;

pub use self::{
    headers::{FieldSpan, Headers},
    name::FieldName,
    target::RequestTarget,
};

use bytes::{Bytes, BytesMut};
use http::{Method, Version};

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestParts {
    pub method: Method,
    pub version: Version,
    pub target: RequestTarget,
    pub headers: Headers,
}

// === impl RequestParts ===

impl RequestParts {
    /// Creates a request without fields.
    pub fn new(method: Method, version: Version, target: RequestTarget) -> Self {
        Self { method, version, target, headers: Headers::default() }
    }

    /// Creates the parts of a scanned HTTP/1 head, with its method, its target, and its fields at `lines`. Names that
    /// are not listed are converted to lower case; the bytes of listed names are not read again.
    pub(in crate::rfc) fn of_head(
        mut head: BytesMut,
        (method, target): (std::ops::Range<usize>, std::ops::Range<usize>),
        version: Version,
        lines: Vec<FieldSpan>,
    ) -> Self {
        for line in lines.iter().filter(|line| line.name == FieldName::Other) {
            let (at, length) = (line.name_at as usize, line.name_length as usize);
            if let Some(name) = head.get_mut(at..at + length) {
                name.make_ascii_lowercase();
            }
        }
        let head: Bytes = head.freeze();
        let method = Method::from_bytes(head.get(method).unwrap_or_default()).unwrap_or_default();
        let target = RequestTarget::of_head(&head, target, &method);
        Self { method, version, target, headers: Headers::of_head(head, lines) }
    }

    /// Releases the memory of the head, except for the target and the fields with these names.
    pub fn keep_only(&mut self, names: &[FieldName]) {
        self.target.detach(self.headers.head());
        self.headers.keep_only(names);
    }

    /// Returns the path as the client sent it. `*` is a path; a target without a path gives an empty one.
    pub fn path(&self) -> &str {
        self.target.path(self.headers.head())
    }

    /// Returns the query as the client sent it.
    pub fn query(&self) -> Option<&str> {
        self.target.query(self.headers.head())
    }

    /// Returns both as the client sent them.
    pub fn path_and_query(&self) -> &str {
        self.target.path_and_query(self.headers.head())
    }

    /// Returns the host in the target, with its port if it has one.
    pub fn authority(&self) -> Option<&str> {
        self.target.authority()
    }

    /// Returns the scheme in the target.
    pub fn scheme(&self) -> Option<&str> {
        self.target.scheme()
    }
}
