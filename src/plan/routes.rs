//! Settings for path prefixes besides files: other applications, streaming, response headers.

use http::{HeaderName, HeaderValue, StatusCode};
use std::path::PathBuf;

use super::upstream::UpstreamSettings;

/// Another application for a path prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamRoute {
    /// Begins with `/`; the longest match decides.
    pub prefix: String,
    pub upstream: UpstreamSettings,
}

/// The unbuffered directions of a path prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnbufferedPrefix {
    /// Begins with `/`; the longest match decides.
    pub prefix: String,
    pub streaming: Streaming,
}

/// The directions to stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streaming {
    /// The application gets the request's body while it arrives.
    pub request: bool,
    /// The application is read only as fast as the client reads.
    pub response: bool,
}

/// A change to the headers of every response below a path prefix. All rules that match are applied, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRule {
    /// Begins with `/`.
    pub prefix: String,
    pub edit: FieldEdit,
}

/// A change to one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldEdit {
    /// Replaces existing values.
    Set(HeaderName, HeaderValue),
    /// Keeps existing values.
    Add(HeaderName, HeaderValue),
    Remove(HeaderName),
}

/// Responses that Sideman sends itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSettings {
    /// Files that replace Sideman's own error pages, by status.
    pub errors: Vec<(StatusCode, PathBuf)>,
    /// While this file exists, all requests but those for files and health checks get 503.
    pub maintenance: Option<PathBuf>,
}
