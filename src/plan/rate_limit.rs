//! The rate limit of a route.

use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

/// What a route sets about its rate limit. Each part that is not set comes from the next less specific route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimitPolicy {
    pub limit: Option<RateLimitSetting>,
    /// Networks whose clients are not limited.
    pub exempt: Vec<IpNet>,
    /// Whether requests over the limit are only counted and logged.
    pub is_dry_run: Option<bool>,
}

/// The limit that a route sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimitSetting {
    /// No limit, whatever less specific routes set.
    Off,
    Limit(RateLimit),
}

/// `requests` in each `period` for each key, and `burst` more at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// At least 1.
    pub requests: u32,
    /// At least [`MIN_INTERVAL`](Self::MIN_INTERVAL) for each request.
    pub period: Duration,
    /// Of requests that arrive together, the first one and this many more are within the limit.
    pub burst: u32,
    pub key: RateLimitKey,
    /// Whether all processes share the count, over Redis.
    pub is_global: bool,
}

/// Requests with the same key share a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimitKey {
    /// The client's address: an IPv4 address or an IPv6 /64.
    Client,
    /// The requested host without its port.
    Host,
    /// The value of this header. Requests without it are not limited.
    Header(HeaderName),
}

// === impl RateLimit ===

impl RateLimit {
    /// The shortest interval between two requests: 10,000 a second.
    pub const MIN_INTERVAL: Duration = Duration::from_micros(100);
    /// The longest time in which a whole burst may be refilled.
    pub const MAX_REFILL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// Returns the average time between two requests at exactly this rate, rounded down to nanoseconds.
    pub fn interval(&self) -> Duration {
        self.period / self.requests.max(1)
    }
}
