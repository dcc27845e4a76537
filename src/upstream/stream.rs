//! A byte stream to the application, over TCP, TLS or a unix socket.

use std::{
    io::{self, IoSlice},
    os::fd::{AsRawFd as _, RawFd},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::tls::TlsConnection;

/// The socket of an open connection.
#[derive(Debug)]
pub(super) enum UpstreamStream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(TlsConnection),
}

// === impl UpstreamStream ===

impl UpstreamStream {
    /// The number of the socket.
    pub(super) fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(tcp) => tcp.as_raw_fd(),
            Self::Unix(unix) => unix.as_raw_fd(),
            Self::Tls(tls) => tls.tcp().as_raw_fd(),
        }
    }

    /// Disables Nagle's algorithm, so that no write waits for the previous one. On error, the connection is only
    /// slower.
    pub(super) fn write_at_once(&self) {
        if let Self::Tcp(tcp) = self {
            let _ = tcp.set_nodelay(true);
        }
    }

    /// Reads available bytes into the buffer's free space; 0 is the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(tcp) => pin!(tcp.read_buf(buffer)).poll(cx),
            Self::Unix(unix) => pin!(unix.read_buf(buffer)).poll(cx),
            Self::Tls(tls) => tls.poll_read(cx, buffer),
        }
    }

    /// Like [`poll_read`](Self::poll_read), for a buffer of any kind. If nothing was read, this is the end.
    pub(super) fn poll_read_some(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buffer),
            Self::Tls(tls) => tls.poll_read_some(cx, buffer),
        }
    }

    /// Closes the direction to the application.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
            Self::Tls(tls) => tls.poll_shutdown(cx),
        }
    }

    /// Writes what was accepted and not sent. Without TLS there is nothing.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => tls.poll_flush(cx),
        }
    }

    /// Writes as many bytes as possible.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
            Self::Tls(tls) => tls.poll_write(cx, &[IoSlice::new(bytes)]),
        }
    }

    /// Like [`poll_write`](Self::poll_write), for several slices.
    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Unix(unix) => Pin::new(unix).poll_write_vectored(cx, slices),
            Self::Tls(tls) => tls.poll_write(cx, slices),
        }
    }

    /// Whether the connection was reset and no read or write has reported it. Linux reports the orderly end that came
    /// before, and EPIPE when the socket error is read.
    pub(super) fn is_reset(&self) -> bool {
        let error = match self {
            Self::Tcp(tcp) => tcp.take_error(),
            Self::Unix(unix) => unix.take_error(),
            Self::Tls(tls) => tls.tcp().take_error(),
        };
        let Ok(Some(error)) = error else { return false };
        matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
    }

    /// Whether the other side has neither closed nor sent anything, as far as the event loop knows. Makes no system
    /// call if nothing happened.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let read = match self {
            Self::Tcp(tcp) => tcp.try_read(&mut byte),
            Self::Unix(unix) => unix.try_read(&mut byte),
            Self::Tls(tls) => return tls.is_quiet(),
        };
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::sleep,
    };

    use super::*;

    /// If a server closes before the request arrives, its end is read first.
    #[tokio::test]
    async fn a_reset_is_known_behind_an_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for writes in [true, false] {
            let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            let mut client = client.unwrap();
            drop(accepted);
            client.readable().await.unwrap();
            if writes {
                client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            }
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
            let stream = UpstreamStream::Tcp(client);
            let mut is_reset = false;
            for _ in 0..if writes { 1000 } else { 10 } {
                is_reset = stream.is_reset();
                if is_reset {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(is_reset, writes);
        }
    }
}
