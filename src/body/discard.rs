//! Reads a body that nobody needs, so that its connection can be reused.

use std::{future::poll_fn, pin::Pin};

use bytes::Buf as _;
use http_body::Body;

/// Reads a body to its end, or until it is longer than `max` bytes.
pub async fn discard(mut body: impl Body + Unpin, max: u64) {
    let mut left = max;
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let size = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        match left.checked_sub(size) {
            Some(less) => left = less,
            None => return,
        }
    }
}
