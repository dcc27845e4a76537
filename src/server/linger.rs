//! The lingering close of a connection whose client still sends. A plain close would be a reset, which can discard the
//! last response before the client reads it (RFC 9112, 9.6). Instead the write side is closed, and incoming bytes are
//! discarded until the client has closed its side too.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    select,
    time::{sleep, timeout},
};

use super::{counted_stream::CountedStream, drain::ConnectionGuard};

/// How long a client may send nothing; nginx's `lingering_timeout`.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How long it may take altogether; nginx's `lingering_time`.
pub(super) const MAX_TIME: Duration = Duration::from_secs(30);
/// How much longer it may take while the process stops. The shutdown must not wait for a client that sends a byte now
/// and then.
const SHUTDOWN_TIME: Duration = Duration::from_secs(5);
/// Bytes discarded at a time.
const BUFFER: usize = 16 * 1024;

/// Waits until the client has closed its side, or a limit is exceeded.
pub(super) async fn linger(mut socket: CountedStream, guard: &ConnectionGuard, max_time: Duration) {
    if socket.shutdown().await.is_err() {
        // The client is gone.
        return;
    }
    let rest = async {
        let mut buffer = vec![0; BUFFER];
        while let Ok(Ok(1..)) = timeout(MAX_PAUSE, socket.read(&mut buffer)).await {}
    };
    guard.linger();
    // The guard wakes the task that listened.
    let leaving = async {
        poll_fn(|_| if guard.is_closing() { Poll::Ready(()) } else { Poll::Pending }).await;
        sleep(SHUTDOWN_TIME).await;
    };
    // New connections need this one to close.
    let shed = poll_fn(|_| if guard.is_shed() { Poll::Ready(()) } else { Poll::Pending });
    // Either end is enough: nothing is left to do.
    select! {
        _ = timeout(max_time, rest) => {}
        () = leaving => {}
        () = shed => {}
    }
}
