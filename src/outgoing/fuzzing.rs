//! A fuzz target of [`crate::fuzzing`]: a response to a request of Sideman's own, as it arrives.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target fails by panicking, and nothing of it is in the program"
)]

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    runtime::Builder,
    time::timeout,
};

use super::{converse, fault::OutgoingError};

/// The longest body that is accepted.
const MAX_BODY: usize = 64;
/// Far more than any input takes.
const TIME: Duration = Duration::from_secs(20);

/// Receives the bytes at once and byte by byte, after which the server closes. The result must not depend on that.
pub fn outgoing_response(data: &[u8]) {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (whole, pieces) = runtime
        .block_on(async { (receive(data, data.len().max(1)).await, receive(data, 1).await) });
    match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert!(whole.body().len() <= MAX_BODY, "{} bytes", whole.body().len());
            assert_eq!(whole.status(), pieces.status());
            assert_eq!(whole.headers(), pieces.headers());
            assert_eq!(whole.body(), pieces.body());
        }
        (Err(whole), Err(pieces)) => {
            for text in [whole.to_string(), pieces.to_string()] {
                assert!(!text.contains("secret"), "{text}");
            }
        }
        (whole, pieces) => panic!("{whole:?} at once, {pieces:?} in pieces"),
    }
}

async fn receive(data: &[u8], piece: usize) -> Result<Response<Bytes>, OutgoingError> {
    let (ours, theirs) = duplex(piece.max(1024));
    let request = Request::get("/").header("authorization", "secret").body(Bytes::new());
    let client = converse(Box::new(ours), request.expect("a request"), MAX_BODY);
    let exchange = async { tokio::join!(client, serve(theirs, data, piece)).0 };
    timeout(TIME, exchange).await.expect("it ends when the server closes")
}

/// Reads the request, and sends the response in pieces of this length.
async fn serve(mut stream: DuplexStream, data: &[u8], piece: usize) {
    let (mut request, mut end) = ([0; 1], 0);
    while end < 4 && stream.read(&mut request).await.is_ok_and(|count| count > 0) {
        end = if b"\r\n".contains(&request[0]) { end + 1 } else { 0 };
    }
    for piece in data.chunks(piece) {
        // The client may have had enough.
        if stream.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
