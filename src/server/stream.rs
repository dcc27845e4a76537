//! The byte stream of a client connection: TCP or a unix socket, with or without TLS.

use std::{
    io::{self, ErrorKind, IoSlice},
    net::SocketAddr,
    os::{fd::AsFd, unix::net::UnixStream as StdUnixStream},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use rustix::net::{RecvFlags, recv};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{rustls::ProtocolVersion, server::TlsStream};

use crate::plan::TlsVersion;

/// The socket of a connection.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// An accepted socket that its worker has not registered yet.
#[derive(Debug)]
pub(super) enum AcceptedSocket {
    Tcp(std::net::TcpStream),
    Unix(StdUnixStream),
}

/// The stream that carries HTTP.
#[derive(Debug)]
pub(super) enum ClientStream {
    Bare(Transport),
    Tls(Box<TlsStream<Transport>>),
}

// === impl ClientStream ===

impl ClientStream {
    /// The TLS version, or `None` without TLS.
    pub(super) fn tls_version(&self) -> Option<TlsVersion> {
        let Self::Tls(stream) = self else { return None };
        let (_, session) = stream.get_ref();
        let is_older = session.protocol_version() == Some(ProtocolVersion::TLSv1_2);
        Some(if is_older { TlsVersion::V12 } else { TlsVersion::V13 })
    }
}

/// The protocol that client and server have negotiated before HTTP begins (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NegotiatedProtocol {
    /// None: the first bytes decide.
    Nothing,
    Http1,
    Http2,
}

// === impl ClientStream ===

impl ClientStream {
    /// The protocol that was negotiated.
    pub(super) fn negotiated(&self) -> NegotiatedProtocol {
        let Self::Tls(stream) = self else { return NegotiatedProtocol::Nothing };
        let (_, session) = stream.get_ref();
        match session.alpn_protocol() {
            Some(b"h2") => NegotiatedProtocol::Http2,
            Some(_) => NegotiatedProtocol::Http1,
            None => NegotiatedProtocol::Nothing,
        }
    }
}

// === impl Transport ===

impl Transport {
    /// Registers a socket with the worker's runtime.
    pub(super) fn new(accepted: AcceptedSocket) -> io::Result<Self> {
        match accepted {
            AcceptedSocket::Tcp(tcp) => TcpStream::from_std(tcp).map(Self::Tcp),
            AcceptedSocket::Unix(unix) => UnixStream::from_std(unix).map(Self::Unix),
        }
    }

    /// The local address of the connection, or `None` if it has none.
    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(tcp) => tcp.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The local port of the connection, or 0 if it has none.
    pub(super) fn local_port(&self) -> u16 {
        self.local_address().map_or(0, |address| address.port())
    }

    /// Disables Nagle's algorithm: small responses must not wait for the acknowledgement of earlier ones.
    pub(super) fn set_nodelay(&self) {
        if let Self::Tcp(tcp) = self {
            let _ = tcp.set_nodelay(true);
        }
    }

    /// Returns the first byte that the client sends, without consuming it; `None` at the end.
    pub(super) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let count = self.peek(&mut byte).await?;
        Ok(byte.first().copied().filter(|_| count > 0))
    }

    /// Waits for bytes and copies them without consuming them. Returns their number, or 0 at the end.
    pub(super) async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.async_io(Interest::READABLE, || peek(tcp, bytes)).await,
            Self::Unix(unix) => unix.async_io(Interest::READABLE, || peek(unix, bytes)).await,
        }
    }

    /// Whether the kernel accepts bytes.
    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_write_ready(cx),
            Self::Unix(unix) => unix.poll_write_ready(cx),
        }
    }

    /// Returns the pending error of the socket.
    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(tcp) => tcp.take_error(),
            Self::Unix(unix) => unix.take_error(),
        }
    }

    /// Reads bytes that have arrived, without waiting.
    pub(super) fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.try_read(bytes),
            Self::Unix(unix) => unix.try_read(bytes),
        }
    }
}

fn peek(socket: &impl AsFd, bytes: &mut [u8]) -> io::Result<usize> {
    let (_, count) = recv(socket, bytes, RecvFlags::PEEK)?;
    Ok(count)
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Unix(unix) => Pin::new(unix).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Unix(unix) => Pin::new(unix).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}

// === impl ClientStream ===

impl ClientStream {
    /// The TCP connection, if there is no TLS between it and HTTP. The kernel can send files on it.
    pub(super) fn bare_tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Bare(Transport::Tcp(tcp)) => Some(tcp),
            Self::Bare(Transport::Unix(_)) | Self::Tls(_) => None,
        }
    }

    /// The socket below.
    pub(super) fn transport(&self) -> &Transport {
        match self {
            Self::Bare(transport) => transport,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Whether unread bytes have arrived. Makes no system call if nothing happened. It consumes a byte.
    pub(super) fn has_more(&mut self) -> bool {
        let mut byte = [0];
        match self {
            Self::Bare(transport) => transport.try_read(&mut byte).is_ok_and(|count| count > 0),
            Self::Tls(tls) => {
                let mut buffer = ReadBuf::new(&mut byte);
                let cx = &mut Context::from_waker(Waker::noop());
                let read = Pin::new(tls).poll_read(cx, &mut buffer);
                matches!(read, Poll::Ready(Ok(()))) && !buffer.filled().is_empty()
            }
        }
    }

    /// Tells a TLS client that the data is complete (RFC 8446, 6.1), if that is possible without waiting. Without TLS,
    /// closing the connection says so.
    pub(super) fn send_close_notify(&mut self) {
        if let Self::Tls(tls) = self {
            let cx = &mut Context::from_waker(Waker::noop());
            // A client that is gone or reads nothing is not waited for.
            let _ = Pin::new(tls).poll_shutdown(cx);
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Bare(transport) => Pin::new(transport).poll_read(cx, buffer),
            Self::Tls(tls) => {
                let polled = Pin::new(tls).poll_read(cx, buffer);
                // Many clients close without `close_notify`. HTTP marks the end of a request and WebSocket the end of a
                // message, so a truncation is noticed anyway.
                if let Poll::Ready(Err(error)) = &polled
                    && error.kind() == ErrorKind::UnexpectedEof
                {
                    return Poll::Ready(Ok(()));
                }
                polled
            }
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Bare(transport) => Pin::new(transport).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Bare(transport) => Pin::new(transport).poll_write_vectored(cx, slices),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Bare(transport) => Pin::new(transport).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Bare(transport) => Pin::new(transport).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
