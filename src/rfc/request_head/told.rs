//! What is told of a head with a fault.

/// Fields that the log and the answer make use of.
const TOLD: [&str; 9] = [
    "accept",
    "host",
    "referer",
    "traceparent",
    "user-agent",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// Whether a field is told of a head that is refused.
pub fn is_told(name: &[u8]) -> bool {
    TOLD.iter().any(|told| name.eq_ignore_ascii_case(told.as_bytes()))
}
