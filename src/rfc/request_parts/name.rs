//! The names of header fields that Sideman looks for, or that most requests have. They are found by a perfect hash of a
//! few letters and one comparison, and are represented by numbers.

/// The slots of the hash table.
const SLOTS: usize = 512;

macro_rules! names {
    ($($name:ident = $text:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum FieldName {
            /// Any name that is not listed.
            Other,
            $($name,)*
        }

        const ALL: &[FieldName] = &[FieldName::Other, $(FieldName::$name,)*];
        const TEXTS: &[&str] = &["", $($text,)*];
    };
}

names! {
    Accept = "accept",
    AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language",
    Authorization = "authorization",
    CacheControl = "cache-control",
    CdnLoop = "cdn-loop",
    Connection = "connection",
    ContentLength = "content-length",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Dnt = "dnt",
    Expect = "expect",
    Forwarded = "forwarded",
    Host = "host",
    Http2Settings = "http2-settings",
    IfMatch = "if-match",
    IfModifiedSince = "if-modified-since",
    IfNoneMatch = "if-none-match",
    IfRange = "if-range",
    IfUnmodifiedSince = "if-unmodified-since",
    KeepAlive = "keep-alive",
    MaxForwards = "max-forwards",
    Origin = "origin",
    Pragma = "pragma",
    Priority = "priority",
    Proxy = "proxy",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthenticationInfo = "proxy-authentication-info",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    Range = "range",
    Referer = "referer",
    SecChUa = "sec-ch-ua",
    SecChUaMobile = "sec-ch-ua-mobile",
    SecChUaPlatform = "sec-ch-ua-platform",
    SecFetchDest = "sec-fetch-dest",
    SecFetchMode = "sec-fetch-mode",
    SecFetchSite = "sec-fetch-site",
    SecFetchUser = "sec-fetch-user",
    Te = "te",
    Traceparent = "traceparent",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UpgradeInsecureRequests = "upgrade-insecure-requests",
    UserAgent = "user-agent",
    Via = "via",
    XAmznTraceId = "x-amzn-trace-id",
    XCsrftoken = "x-csrftoken",
    XForwarded = "x-forwarded",
    XForwardedFor = "x-forwarded-for",
    XForwardedPort = "x-forwarded-port",
    XForwardedProto = "x-forwarded-proto",
    XRealIp = "x-real-ip",
    XRequestId = "x-request-id",
    XRequestStart = "x-request-start",
    XRequestedWith = "x-requested-with",
}

/// The number of each name at its hash, and the seed for which no two names collide.
const TABLE: ([u8; SLOTS], u32) = table();

// === impl FieldName ===

impl FieldName {
    /// Looks up the name of a field in any case, which must be a token.
    #[inline]
    pub fn of(text: &[u8]) -> Self {
        let number = TABLE.0.get(hash(text, TABLE.1)).copied().unwrap_or_default();
        let found = ALL.get(usize::from(number)).copied().unwrap_or(Self::Other);
        if is_same(text, found.text().as_bytes()) { found } else { Self::Other }
    }

    /// Returns the name in lower case; empty for one that is not listed.
    pub fn text(self) -> &'static str {
        TEXTS.get(self as usize).copied().unwrap_or_default()
    }

    /// Returns the name's own bit.
    pub(super) fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

const _: () = assert!(ALL.len() <= 64, "each name has a bit");

/// Whether a token is this name. Without an early exit, the compiler compares many bytes at a time. The bit makes
/// letters lower case, and turns no other byte of a token into one that a name has.
fn is_same(token: &[u8], name: &[u8]) -> bool {
    token.len() == name.len()
        && token.iter().zip(name).fold(0, |other, (one, two)| other | ((one | 0x20) ^ two)) == 0
}

/// Hashes the length and four letters.
const fn hash(text: &[u8], seed: u32) -> usize {
    let length = text.len();
    if length < 2 {
        return 0;
    }
    let third = if length > 2 { length - 3 } else { 0 };
    let mut hash = length as u32;
    hash = hash.wrapping_mul(seed) ^ letter(text, 0);
    hash = hash.wrapping_mul(seed) ^ letter(text, length / 2);
    hash = hash.wrapping_mul(seed) ^ letter(text, third);
    hash = hash.wrapping_mul(seed) ^ letter(text, length - 1);
    ((hash ^ (hash >> 15)) as usize) % SLOTS
}

/// Returns a letter in lower case.
#[expect(clippy::indexing_slicing, reason = "every place is below the length")]
const fn letter(text: &[u8], place: usize) -> u32 {
    (text[place] | 0x20) as u32
}

#[expect(clippy::indexing_slicing, reason = "the compiler does it, and sees every index")]
const fn table() -> ([u8; SLOTS], u32) {
    let mut seed = 31;
    loop {
        let mut slots = [0; SLOTS];
        let mut number = 1;
        while number < TEXTS.len() {
            let slot = hash(TEXTS[number].as_bytes(), seed);
            if slots[slot] != 0 {
                break;
            }
            slots[slot] = number as u8;
            number += 1;
        }
        if number == TEXTS.len() {
            return (slots, seed);
        }
        seed += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::token;
    use proptest::prelude::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for name in ALL.iter().skip(1) {
            assert_eq!(FieldName::of(name.text().as_bytes()), *name);
            assert_eq!(FieldName::of(name.text().to_ascii_uppercase().as_bytes()), *name);
            let longer = format!("{}s", name.text());
            assert_eq!(FieldName::of(longer.as_bytes()), FieldName::Other, "{longer}");
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is(text in "[!#-'*+.0-9A-Z^-z|~-]{1,20}") {
            prop_assume!(token::is_token(text.as_bytes()));
            let expected = text.to_ascii_lowercase();
            let is_listed = TEXTS[1..].contains(&&*expected);
            prop_assert_eq!(FieldName::of(text.as_bytes()) != FieldName::Other, is_listed);
        }
    }

    /// Replaces each byte of each name by every other byte that a token may have.
    #[test]
    fn nothing_that_is_like_one_is_one() {
        for name in &ALL[1..] {
            for place in 0..name.text().len() {
                for byte in (0..=u8::MAX).filter(|byte| token::is_token_byte(*byte)) {
                    let mut text = name.text().as_bytes().to_vec();
                    text[place] = byte;
                    let expected =
                        TEXTS[1..].iter().any(|one| text.eq_ignore_ascii_case(one.as_bytes()));
                    assert_eq!(
                        FieldName::of(&text) != FieldName::Other,
                        expected,
                        "{}",
                        text.escape_ascii()
                    );
                }
            }
        }
    }
}
