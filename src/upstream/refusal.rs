//! Detects responses that a server makes itself, because it did not understand the request.

use http::StatusCode;

use super::http1::UpstreamResponseHead;

/// Whether a server may have made this response itself, because it did not understand the request. It is then an error
/// without any of the fields that an application adds.
pub(super) fn is_refusal(head: &UpstreamResponseHead) -> bool {
    const PLAIN_FIELDS: [&[u8]; 4] = [b"content-type", b"content-length", b"date", b"server"];
    let is_error = head.status.is_client_error() || head.status.is_server_error();
    let is_application = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND]
        .contains(&head.status);
    is_error && !is_application && head.fields.iter().all(|(name, _)| PLAIN_FIELDS.contains(&name))
}
