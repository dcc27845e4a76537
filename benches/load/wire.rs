//! Reading and writing a socket through tokio's poll functions.
//!
//! They remember that a read which filled less than its buffer emptied the socket, and save the
//! system call that `try_read` needs to find out.

use std::{future::poll_fn, io, pin::Pin};

use rustix::net::{RecvFlags, recv};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// A socket of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Reads once; 0 is the end of the stream.
pub(crate) async fn read(stream: &mut impl Stream, into: &mut [u8]) -> io::Result<usize> {
    let mut into = ReadBuf::new(into);
    poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut into)).await?;
    Ok(into.filled().len())
}

/// Writes everything.
pub(crate) async fn write_all(stream: &mut impl Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = poll_fn(|context| Pin::new(&mut *stream).poll_write(context, bytes)).await?;
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

/// Throws away up to `room`'s length of bytes without copying them; 0 is the end of the stream.
pub(crate) async fn discard(stream: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    // tcp(7), MSG_TRUNC: `room` stays as it is.
    let once = || Ok(recv(stream, &mut *room, RecvFlags::TRUNC)?.1);
    stream.async_io(Interest::READABLE, once).await
}
