//! The values of labels about the cache.

/// How a request was answered while the cache is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOutcome {
    /// From the cache, fresh.
    Hit,
    /// From the cache although it was stale.
    Stale,
    /// From the cache after the application had confirmed it.
    Revalidated,
    /// By the application: nothing suitable was stored.
    Miss,
    /// By the application, in place of a stored response that was stale.
    Expired,
    /// By the application: the request was not for the cache.
    Bypass,
    /// By the application: its last response to such a request could not be stored.
    Pass,
    /// With the response that another request had fetched.
    Collapsed,
}

/// Why a stale response was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleLabel {
    Revalidating,
    Error,
    Unavailable,
    Busy,
}

/// Why a response was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStoredLabel {
    NoStore,
    Private,
    SetCookie,
    Authorization,
    /// It varies by everything, or by too much.
    Vary,
    NoLifetime,
    Status,
    Partial,
    RequestNoStore,
    /// It varies by what is not compared: a cookie that may be a session, or a field that Sideman makes.
    Varies,
    /// It is a page under the name of a file.
    Disguised,
    /// It streams, or is not sent as the application made it.
    Special,
    /// It is longer than the cache stores.
    TooLong,
}

/// What a purge named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeLabel {
    Url,
    /// All URLs below a path.
    Prefix,
    Tag,
    /// Everything.
    All,
}

// === impl CacheOutcome ===

impl CacheOutcome {
    pub const ALL: [Self; 8] = [
        Self::Hit,
        Self::Stale,
        Self::Revalidated,
        Self::Miss,
        Self::Expired,
        Self::Bypass,
        Self::Pass,
        Self::Collapsed,
    ];

    /// The label's value, and the word in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Bypass => "bypass",
            Self::Pass => "pass",
            Self::Collapsed => "collapsed",
        }
    }
}

// === impl StaleLabel ===

impl StaleLabel {
    pub const ALL: [Self; 4] = [Self::Revalidating, Self::Error, Self::Unavailable, Self::Busy];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Revalidating => "revalidating",
            Self::Error => "error",
            Self::Unavailable => "unavailable",
            Self::Busy => "busy",
        }
    }
}

// === impl NotStoredLabel ===

impl NotStoredLabel {
    pub const ALL: [Self; 13] = [
        Self::NoStore,
        Self::Private,
        Self::SetCookie,
        Self::Authorization,
        Self::Vary,
        Self::NoLifetime,
        Self::Status,
        Self::Partial,
        Self::RequestNoStore,
        Self::Varies,
        Self::Disguised,
        Self::Special,
        Self::TooLong,
    ];

    /// The label's value, and the `detail` of `Cache-Status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::SetCookie => "set-cookie",
            Self::Authorization => "authorization",
            Self::Vary => "vary",
            Self::NoLifetime => "no-lifetime",
            Self::Status => "status",
            Self::Partial => "partial",
            Self::RequestNoStore => "request-no-store",
            Self::Varies => "varies",
            Self::Disguised => "disguised",
            Self::Special => "special",
            Self::TooLong => "too-long",
        }
    }
}

// === impl PurgeLabel ===

impl PurgeLabel {
    pub const ALL: [Self; 4] = [Self::Url, Self::Prefix, Self::Tag, Self::All];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Prefix => "prefix",
            Self::Tag => "tag",
            Self::All => "all",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_in_their_order() {
        for (at, reason) in NotStoredLabel::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
        for (at, reason) in StaleLabel::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
        for (at, outcome) in CacheOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at);
        }
    }
}
