//! The fields that are reported of a head with a fault.

use crate::rfc::request_parts::FieldName;

/// Fields that the log and the response use.
pub(super) const REPORTED: [FieldName; 9] = [
    FieldName::Accept,
    FieldName::Host,
    FieldName::Referer,
    FieldName::Traceparent,
    FieldName::UserAgent,
    FieldName::XAmznTraceId,
    FieldName::XForwardedFor,
    FieldName::XForwardedProto,
    FieldName::XRequestId,
];

/// Whether a field is reported of a refused head.
pub fn is_reported(name: &[u8]) -> bool {
    REPORTED.contains(&FieldName::of(name))
}
