//! The body of a request that is answered without it. Many clients send all of it before they read:
//! closing while it comes would reset the connection and take the answer along (RFC 9112, 9.6).

use std::{future::poll_fn, pin::Pin, time::Duration};

use http::{header, request::Parts};
use http_body::Body;
use tokio::time::timeout;

use crate::body::RequestBody;

/// Bytes that are read for courtesy, at the most.
const MOST: u64 = 1024 * 1024;
/// The time that is spent for courtesy, at the most.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads a short body and throws it away.
pub(super) async fn read(parts: &Parts, mut body: RequestBody) {
    let is_short = body.size_hint().exact().is_none_or(|size| size <= MOST);
    // A client that asks first has sent nothing yet.
    if body.is_end_stream() || !is_short || parts.headers.contains_key(header::EXPECT) {
        return;
    }
    let mut left = MOST;
    let rest = async {
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let size = frame.data_ref().map_or(0, |data| data.len() as u64);
            left = left.saturating_sub(size);
            if left == 0 {
                return;
            }
        }
    };
    // Whether it came to its end or not: the answer is the same.
    let _ = timeout(PATIENCE, rest).await;
}
