//! Reads a request body that was not needed for the response. A short one is read, so that the connection can be
//! reused. After a longer one, the server lingers and closes the connection (`server/linger.rs`).

use std::time::Duration;

use http_body::Body;
use tokio::{task::spawn_local, time::timeout};

use crate::{
    body::{self, RequestBody},
    rfc::request_parts::{FieldName, RequestParts},
};

/// The maximum number of bytes to read to keep a connection: about as much as is in transit already.
const MAX_BYTES: u64 = 64 * 1024;
/// The maximum time that the response waits for these bytes. A new connection costs a client about as much.
const TIMEOUT: Duration = Duration::from_millis(100);

/// How long a client may go on sending an unneeded body, where that costs no connection.
const LINGER_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads and discards a stream's body while the response is sent. Dropping it would end the stream, and many clients
/// take that for a failure (RFC 9113, 8.1).
pub(super) fn read_beside(body: RequestBody) {
    if !body.is_end_stream() {
        drop(spawn_local(timeout(LINGER_TIMEOUT, body::discard(body, u64::MAX))));
    }
}

/// Reads and discards a short body.
pub(super) async fn read(parts: &RequestParts, body: RequestBody) {
    let is_short = body.size_hint().exact().is_none_or(|size| size <= MAX_BYTES);
    // A client that sends Expect has not sent any of it yet.
    if body.is_end_stream() || !is_short || parts.headers.contains(FieldName::Expect) {
        return;
    }
    // The response does not depend on whether the body came to its end.
    let _ = timeout(TIMEOUT, body::discard(body, MAX_BYTES)).await;
}
