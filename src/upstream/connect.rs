//! Opens connections to the application.

use std::{future::poll_fn, io, net::SocketAddr, pin::pin, task::Poll, time::Duration};

use rustix::io::Errno;
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::{
    backends::ServerAddress, connection::UpstreamConnection, stream::UpstreamStream, tls::TlsServer,
};
use crate::{
    body::Deadline,
    error::{Error, FailureKind},
    telemetry::denied,
};

/// The receive buffer, in bytes: what an application on this machine has sent and Sideman has not read. By default the
/// kernel would allow 6 MiB (tcp_rmem) or more for each request in flight with a slow client. Without network distance,
/// a larger buffer makes nothing faster.
const RECEIVE_BUFFER: u32 = 256 * 1024;

/// Opens one connection to a server, within a timeout that includes the TLS handshake.
pub(super) async fn connect(
    address: &ServerAddress,
    max: Duration,
) -> Result<Box<UpstreamConnection>, Error> {
    // The connection keeps this deadline. Otherwise an application that closes each connection would cost two timers
    // per request.
    let mut deadline = Deadline::default();
    deadline.set(max);
    let mut opening = pin!(open(address));
    let opened = poll_fn(|cx| match opening.as_mut().poll(cx) {
        Poll::Ready(stream) => Poll::Ready(stream),
        Poll::Pending => deadline.poll_expired(cx).map(|()| Err(late(address))),
    });
    match opened.await {
        Ok(stream) => Ok(Box::new(UpstreamConnection::new(stream, deadline))),
        Err(error) => Err(error.unsent()),
    }
}

async fn open(address: &ServerAddress) -> Result<UpstreamStream, Error> {
    let opened = match address {
        ServerAddress::Tcp(address) => open_tcp(*address).await.map(UpstreamStream::Tcp),
        ServerAddress::Unix(path) => UnixStream::connect(path).await.map(UpstreamStream::Unix),
        // Boxed, because a handshake is large and the others have none.
        ServerAddress::Tls(server) => return Box::pin(open_tls(server, address)).await,
    };
    opened.map_err(|error| refused(error, address))
}

async fn open_tls(server: &TlsServer, address: &ServerAddress) -> Result<UpstreamStream, Error> {
    let tcp = open_tcp(server.address).await.map_err(|error| refused(error, address))?;
    server.perform_handshake(tcp).await.map(UpstreamStream::Tls)
}

/// The error of a connection that is not open in time.
fn late(address: &ServerAddress) -> Error {
    let kind = FailureKind::UpstreamConnectTimeout;
    match address {
        ServerAddress::Tcp(_) | ServerAddress::Unix(_) => Error::new(kind),
        ServerAddress::Tls(_) => {
            let text = "there is no connection, or the server has not completed the TLS handshake";
            Error::io(kind, io::Error::new(io::ErrorKind::TimedOut, text))
        }
    }
}

async fn open_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.ip().is_loopback() {
        // Without this limit, only memory is lost.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    socket.connect(address).await
}

/// Maps a connect error. A shortage of descriptors in this process is not the same as an unavailable application.
fn refused(error: io::Error, address: &ServerAddress) -> Error {
    if let (ServerAddress::Unix(path), io::ErrorKind::PermissionDenied) = (address, error.kind()) {
        let cause = denied::describe(path, denied::DeniedAccess::Connect);
        return Error::io(FailureKind::UpstreamForbidden, io::Error::new(error.kind(), cause));
    }
    let kind = match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => FailureKind::DescriptorsExhausted,
        _ => FailureKind::UpstreamRefused,
    };
    Error::io(kind, error)
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;

    use super::*;

    #[tokio::test]
    async fn unread_bytes_of_a_local_application_are_bounded() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = open_tcp(listener.local_addr().unwrap()).await.unwrap();
        let usual = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let bound = |stream| SockRef::from(stream).recv_buffer_size().unwrap();
        let unread = bound(&stream);
        // Linux counts its own overhead as well (socket(7)), and may allow less (rmem_max).
        assert!(unread <= 2 * RECEIVE_BUFFER as usize, "{unread} bytes");
        // The buffers of other sockets grow as they are read.
        assert_ne!(unread, bound(&usual));
    }
}
