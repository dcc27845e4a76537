//! Replaces error responses of the application by the page for their status, if a route says so (`intercept`).

use http::{HeaderMap, HeaderName, StatusCode, header};

use super::{accel, request_context::RequestContext, response::Response, status_page};
use crate::body::Body;

/// The header fields that belong to a status, whatever the page is (RFC 9110, 10.2.1, 10.2.3, 11.6.1 and 11.7.1).
const OF_STATUS: [HeaderName; 4] =
    [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::PROXY_AUTHENTICATE];

/// Responds with the page for a status of the application. Its body is discarded.
pub(super) async fn respond(
    context: &RequestContext,
    status: StatusCode,
    (headers, body): (&HeaderMap, Body),
) -> Response {
    accel::discard(body).await;
    let mut response = status_page::intercepted(context, status);
    for name in &OF_STATUS {
        for value in headers.get_all(name) {
            response.head.headers.append(name, value.clone());
        }
    }
    response
}
