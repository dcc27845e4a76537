//! The values of the label about requests to buckets.

/// The result of a request for an object of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketResult {
    /// The object, a part of it, or that the client has it already.
    Sent,
    Missing,
    /// Access was denied, which S3 also says about an object that does not exist.
    Denied,
    /// There are no valid keys.
    Credentials,
    /// The request was refused, because of the settings or the clock.
    Refused,
    /// The bucket did not respond, or responded that it cannot at the moment.
    Unavailable,
    /// The worker has too many requests to the bucket.
    Limited,
}

// === impl BucketResult ===

impl BucketResult {
    pub const ALL: [Self; 7] = [
        Self::Sent,
        Self::Missing,
        Self::Denied,
        Self::Credentials,
        Self::Refused,
        Self::Unavailable,
        Self::Limited,
    ];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Limited => "limited",
        }
    }
}
