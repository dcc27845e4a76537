//! Statuses of errors, one or a class, and the pages that are set for them.

use std::{fmt, path::PathBuf};

use http::StatusCode;

/// One status of an error, or all of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusPattern {
    One(StatusCode),
    /// `4xx`.
    ClientErrors,
    /// `5xx`.
    ServerErrors,
}

/// The page that is sent for a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    pub statuses: StatusPattern,
    pub page: PageSource,
}

/// What is sent in place of a built-in error page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageSource {
    /// Replaces the status of the error, from 400 on.
    pub status: Option<StatusCode>,
    pub content: PageContent,
}

/// Where a page comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageContent {
    File(PathBuf),
    /// The settings have the text itself.
    Text {
        media_type: &'static str,
        text: String,
    },
}

// === impl PageSource ===

impl PageSource {
    /// Returns the file that has the page.
    pub fn file(&self) -> Option<&PathBuf> {
        match &self.content {
            PageContent::File(path) => Some(path),
            PageContent::Text { .. } => None,
        }
    }
}

// === impl StatusPattern ===

impl StatusPattern {
    pub fn contains(self, status: StatusCode) -> bool {
        match self {
            Self::One(one) => one == status,
            Self::ClientErrors => status.is_client_error(),
            Self::ServerErrors => status.is_server_error(),
        }
    }
}

impl fmt::Display for StatusPattern {
    /// Formats it as in the settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(status) => f.write_str(status.as_str()),
            Self::ClientErrors => f.write_str("4xx"),
            Self::ServerErrors => f.write_str("5xx"),
        }
    }
}
