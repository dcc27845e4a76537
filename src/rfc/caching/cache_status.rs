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

/// Room for most members.
pub const MEMBER_LENGTH: usize = 64;

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
        let mut text = Vec::with_capacity(MEMBER_LENGTH);
        self.write_member(&mut text);
        text
    }

    /// Appends the member for the field `Cache-Status`.
    pub fn write_member(&self, text: &mut Vec<u8>) {
        match self.forwarded {
            None => text.extend_from_slice(b"sideman; hit"),
            Some(reason) => {
                text.extend_from_slice(b"sideman; fwd=");
                text.extend_from_slice(reason.token().as_bytes());
            }
        }
        if let Some(status) = self.forward_status {
            text.extend_from_slice(b"; fwd-status=");
            text.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
        }
        if let Some(ttl) = self.ttl {
            text.extend_from_slice(b"; ttl=");
            text.extend_from_slice(itoa::Buffer::new().format(ttl).as_bytes());
        }
        if self.is_stored {
            text.extend_from_slice(b"; stored");
        }
        if self.is_collapsed {
            text.extend_from_slice(b"; collapsed");
        }
        let is_token = |word: &&str| {
            word.starts_with(|first: char| first.is_ascii_alphabetic())
                && token::is_token(word.as_bytes())
        };
        if let Some(detail) = self.detail.filter(is_token) {
            text.extend_from_slice(b"; detail=");
            text.extend_from_slice(detail.as_bytes());
        }
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
