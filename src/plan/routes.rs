//! What depends on the path besides files: other applications, streaming, fields of answers.

use http::{HeaderName, HeaderValue, StatusCode};
use std::path::PathBuf;

use super::upstream::UpstreamSettings;

/// Another application below a prefix of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamRoute {
    /// Begins with `/`; the longest that fits decides.
    pub prefix: String,
    pub upstream: UpstreamSettings,
}

/// What is not buffered below a prefix of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnbufferedPrefix {
    /// Begins with `/`; the longest that fits decides.
    pub prefix: String,
    pub streaming: Streaming,
}

/// Which direction goes on as it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streaming {
    /// The application gets the request's body while it comes.
    pub request: bool,
    /// The application is read only as fast as the client reads.
    pub response: bool,
}

/// A change to the fields of every answer below a prefix of the path; all that fit are made, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRule {
    /// Begins with `/`.
    pub prefix: String,
    pub edit: FieldEdit,
}

/// A change to one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldEdit {
    /// In place of what there is.
    Set(HeaderName, HeaderValue),
    /// Besides what there is.
    Add(HeaderName, HeaderValue),
    Remove(HeaderName),
}

/// Answers that Sideman gives itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSettings {
    /// Files that are sent in place of the pages made here, by status.
    pub errors: Vec<(StatusCode, PathBuf)>,
    /// While this file exists, what is not a file or a health check is answered with 503.
    pub maintenance: Option<PathBuf>,
}
