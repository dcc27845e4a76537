//! Reading and writing a socket, plain or under TLS, through tokio's poll functions.
//!
//! They remember that a read that filled less than its buffer emptied the socket, and save the
//! system call that `try_read` needs to find out.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use rustix::net::{RecvFlags, recv};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A socket of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A connection to a server under test.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

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
    // The last record of a TLS stream may still wait for space in the socket.
    poll_fn(|context| Pin::new(&mut *stream).poll_flush(context)).await
}

// === impl Socket ===

impl Socket {
    /// Discards up to `room`'s length of bytes, on a plain socket without copying them; 0 is
    /// the end of the stream.
    pub(crate) async fn discard(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => {
                // tcp(7), MSG_TRUNC: `room` stays as it is.
                let once = || Ok(recv(&*stream, &mut *room, RecvFlags::TRUNC)?.1);
                stream.async_io(Interest::READABLE, once).await
            }
            Self::Tls(stream) => read(stream, room).await,
        }
    }

    /// Whether the server has neither closed the connection nor sent anything unrequested.
    pub(crate) fn is_open(&mut self) -> bool {
        match self {
            Self::Plain(stream) => {
                let read = stream.try_read(&mut [0; 1]);
                read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
            // Session tickets arrive unrequested and are invisible: the stream reads them first.
            Self::Tls(stream) => {
                let mut byte = [0; 1];
                let mut context = Context::from_waker(Waker::noop());
                pin!(stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
