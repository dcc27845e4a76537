//! The end of a connection whose client still sends: a close would be a reset, and take the last
//! answer along before it was read (RFC 9112, 9.6). So the answer's end is told, and what comes is
//! read and thrown away until the client has closed its side too.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    select,
    time::{sleep, timeout},
};

use super::{counted_stream::CountedStream, drain::ConnectionGuard};

/// How long a client may send nothing; nginx's `lingering_timeout`.
const PAUSE: Duration = Duration::from_secs(5);
/// How long it may take altogether; nginx's `lingering_time`.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How much longer it may take when the process is to end: that shall not wait for a client that feeds it
/// a byte now and then.
const LAST: Duration = Duration::from_secs(5);
/// Bytes thrown away at a time.
const BUFFER: usize = 16 * 1024;

/// Waits until the client has closed its side, or for long enough.
pub(super) async fn linger(mut socket: CountedStream, guard: &ConnectionGuard, patience: Duration) {
    if socket.shutdown().await.is_err() {
        // Nobody is there any more.
        return;
    }
    let rest = async {
        let mut buffer = vec![0; BUFFER];
        while let Ok(Ok(1..)) = timeout(PAUSE, socket.read(&mut buffer)).await {}
    };
    guard.linger();
    // The ticket wakes the task that listened.
    let leaving = async {
        poll_fn(|_| if guard.is_closing() { Poll::Ready(()) } else { Poll::Pending }).await;
        sleep(LAST).await;
    };
    // Others want its place.
    let shed = poll_fn(|_| if guard.is_shed() { Poll::Ready(()) } else { Poll::Pending });
    // Whether it came to its end or not: that was all there is to be done.
    select! {
        _ = timeout(patience, rest) => {}
        () = leaving => {}
        () = shed => {}
    }
}
