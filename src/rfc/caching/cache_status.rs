//! `Cache-Status` (RFC 9211): what a cache did with a request. The same words are in the log and in metrics.

use super::super::token;

/// Why a request went to the application (RFC 9211, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardReason {
    /// The cache was not meant to handle it.
    Bypass,
    /// Its method.
    Method,
    /// Nothing was stored for its target.
    UriMiss,
    /// None of the stored variants was for it.
    VaryMiss,
    /// For another reason nothing was found.
    Miss,
    /// Its directives.
    Request,
    /// The stored response was stale.
    Stale,
}

/// What Sideman's member of `Cache-Status` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// `None` is a hit.
    pub forwarded: Option<ForwardReason>,
    /// The status of the application's response, if it is not the one that the client gets.
    pub forward_status: Option<u16>,
    /// The seconds for which the response is still fresh; negative if it is stale.
    pub ttl: Option<i64>,
    pub is_stored: bool,
    pub is_collapsed: bool,
    /// One more word, such as the reason for not storing.
    pub detail: Option<&'static str>,
}

// === impl ForwardReason ===

impl ForwardReason {
    const fn token(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

// === impl CacheStatus ===

impl CacheStatus {
    /// Returns the member for the field `Cache-Status`.
    pub fn member(&self) -> Vec<u8> {
        let mut text = b"sideman".to_vec();
        let mut add = |parts: &[&str]| {
            text.extend_from_slice(b"; ");
            parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
        };
        match self.forwarded {
            None => add(&["hit"]),
            Some(reason) => add(&["fwd=", reason.token()]),
        }
        if let Some(status) = self.forward_status {
            add(&["fwd-status=", itoa::Buffer::new().format(status)]);
        }
        if let Some(ttl) = self.ttl {
            add(&["ttl=", itoa::Buffer::new().format(ttl)]);
        }
        if self.is_stored {
            add(&["stored"]);
        }
        if self.is_collapsed {
            add(&["collapsed"]);
        }
        let is_token = |word: &&str| {
            word.starts_with(|first: char| first.is_ascii_alphabetic())
                && token::is_token(word.as_bytes())
        };
        if let Some(detail) = self.detail.filter(is_token) {
            add(&["detail=", detail]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let none = CacheStatus::default();
        for (status, expected) in [
            (none, "sideman; hit"),
            (CacheStatus { ttl: Some(30), ..none }, "sideman; hit; ttl=30"),
            (
                CacheStatus { ttl: Some(-5), detail: Some("busy"), ..none },
                "sideman; hit; ttl=-5; detail=busy",
            ),
            (
                CacheStatus { forwarded: Some(ForwardReason::UriMiss), is_stored: true, ..none },
                "sideman; fwd=uri-miss; stored",
            ),
            (
                CacheStatus {
                    forwarded: Some(ForwardReason::Stale),
                    forward_status: Some(304),
                    ttl: Some(60),
                    is_collapsed: true,
                    detail: Some("no detail"),
                    ..none
                },
                "sideman; fwd=stale; fwd-status=304; ttl=60; collapsed",
            ),
        ] {
            assert_eq!(String::from_utf8(status.member()).unwrap(), expected);
        }
    }

    #[test]
    fn members_are_items_of_structured_fields() {
        use super::super::structured::{Value, list};
        for forwarded in [
            ForwardReason::Bypass,
            ForwardReason::Method,
            ForwardReason::UriMiss,
            ForwardReason::VaryMiss,
            ForwardReason::Miss,
            ForwardReason::Request,
            ForwardReason::Stale,
        ] {
            let status = CacheStatus {
                forwarded: Some(forwarded),
                detail: Some("no-store"),
                ..CacheStatus::default()
            };
            let member = status.member();
            assert!(member.ends_with(b"; detail=no-store"));
            let parsed = list(std::iter::once(member.as_slice()));
            assert_eq!(parsed, Some(vec![Value::Token("sideman".to_owned())]));
        }
    }
}
