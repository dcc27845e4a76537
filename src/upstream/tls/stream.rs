//! An open connection with TLS.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A connection whose handshake is complete. It is boxed: the session is large, and most connections have none.
#[derive(Debug)]
pub(in crate::upstream) struct TlsConnection(Box<TlsStream<TcpStream>>);

// === impl TlsConnection ===

impl TlsConnection {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self(Box::new(stream))
    }

    /// The socket below.
    pub(in crate::upstream) fn tcp(&self) -> &TcpStream {
        self.0.get_ref().0
    }

    /// Reads available bytes into the buffer's free space; 0 is the end.
    pub(in crate::upstream) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        self.send_rest(cx);
        pin!(self.0.read_buf(buffer)).poll(cx).map_err(explained)
    }

    /// Like [`poll_read`](Self::poll_read), for a buffer of any kind. If nothing was read, this is the end.
    pub(in crate::upstream) fn poll_read_some(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.send_rest(cx);
        Pin::new(&mut *self.0).poll_read(cx, buffer).map_err(explained)
    }

    /// Writes as many bytes as possible. Some of them may stay in the session until the next call of any kind.
    pub(in crate::upstream) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(cx, slices)
    }

    /// Writes what is left in the session.
    pub(in crate::upstream) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    /// Says that no more data follows (RFC 8446, 6.1), and closes the direction to the application.
    pub(in crate::upstream) fn poll_shutdown(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }

    /// Whether the other side has neither closed nor sent anything for HTTP. Makes no system call if nothing happened.
    /// Messages of TLS itself, such as session tickets, are read and change nothing.
    pub(in crate::upstream) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let cx = &mut Context::from_waker(Waker::noop());
        self.poll_read_some(cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Sends what the socket did not accept at the last write. Whoever reads waits for the response to it. If the
    /// connection is broken, the read says so.
    fn send_rest(&mut self, cx: &mut Context<'_>) {
        if self.0.get_ref().1.wants_write() {
            let _ = Pin::new(&mut *self.0).poll_flush(cx);
        }
    }
}

impl Drop for TlsConnection {
    /// Says that no more data follows (RFC 8446, 6.1), if the socket accepts it at once. At shutdown, the runtime may
    /// have ended before.
    fn drop(&mut self) {
        let (tcp, session) = self.0.get_mut();
        session.send_close_notify();
        let _ = session.write_tls(&mut &*SockRef::from(&*tcp));
    }
}

/// Explains the end of a connection without `close_notify`: somebody on the way may have cut it.
fn explained(error: io::Error) -> io::Error {
    if error.kind() != ErrorKind::UnexpectedEof {
        return error;
    }
    let text =
        "the connection ended without the close_notify of TLS, so the response may be truncated";
    io::Error::new(ErrorKind::UnexpectedEof, text)
}
