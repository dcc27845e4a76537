//! Responses that a server makes by itself, since it has not understood the request.

use http::{StatusCode, header};

use super::http1::ReplyHead;

/// Whether a server may have answered by itself, since it has not understood the request: with an error and none of
/// the fields that an application adds.
pub(super) fn is_refusal(head: &ReplyHead) -> bool {
    const PLAIN: [header::HeaderName; 4] =
        [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::DATE, header::SERVER];
    let is_error = head.status.is_client_error() || head.status.is_server_error();
    let is_application = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND]
        .contains(&head.status);
    is_error && !is_application && head.headers.keys().all(|name| PLAIN.contains(name))
}
