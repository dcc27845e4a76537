//! What is told of a head with a fault.

use crate::rfc::request_parts::Name;

/// Fields that the log and the answer make use of.
pub(super) const TOLD: [Name; 9] = [
    Name::Accept,
    Name::Host,
    Name::Referer,
    Name::Traceparent,
    Name::UserAgent,
    Name::XAmznTraceId,
    Name::XForwardedFor,
    Name::XForwardedProto,
    Name::XRequestId,
];

/// Whether a field is told of a head that is refused.
pub fn is_told(name: &[u8]) -> bool {
    TOLD.contains(&Name::of(name))
}
