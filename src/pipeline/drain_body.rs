//! The body of a request that is answered without it. A short one is read, so that the connection can
//! be used again; after a longer one it is closed, by and by (`server/linger.rs`).

use std::time::Duration;

use http_body::Body;
use tokio::{task::spawn_local, time::timeout};

use crate::{
    body::{self, RequestBody},
    rfc::request_parts::{FieldName, RequestParts},
};

/// Bytes that are read to keep a connection, at the most: about what is on its way already.
const MOST: u64 = 64 * 1024;
/// How long the answer waits for them, at the most: a new connection costs a client about as much.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a client may go on to send what nobody wants, where that costs no connection.
const LINGER: Duration = Duration::from_secs(30);

/// Reads a stream's body beside its answer and throws it away: letting go of it would end the stream, and
/// many clients take that for a failure (RFC 9113, 8.1).
pub(super) fn read_beside(body: RequestBody) {
    if !body.is_end_stream() {
        drop(spawn_local(timeout(LINGER, body::discard(body, u64::MAX))));
    }
}

/// Reads a short body and throws it away.
pub(super) async fn read(parts: &RequestParts, body: RequestBody) {
    let is_short = body.size_hint().exact().is_none_or(|size| size <= MOST);
    // A client that asks first has sent nothing yet.
    if body.is_end_stream() || !is_short || parts.headers.contains(FieldName::Expect) {
        return;
    }
    // Whether it came to its end or not: the answer is the same.
    let _ = timeout(PATIENCE, body::discard(body, MOST)).await;
}
