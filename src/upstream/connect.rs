//! Opens connections to the application.

use std::{future::poll_fn, io, pin::pin, task::Poll, time::Duration};

use rustix::io::Errno;
use tokio::net::{TcpStream, UnixStream};

use super::{connection::Connection, fleet::Address, stream::Stream};
use crate::{
    body::Deadline,
    error::{Error, Kind},
    telemetry::denied,
};

/// Opens one connection to a server in time.
pub(super) async fn connect(address: &Address, most: Duration) -> Result<Box<Connection>, Error> {
    // The connection's own: an application that ends each connection would cost two timers a request.
    let mut deadline = Deadline::default();
    deadline.set(most);
    let mut opening = pin!(open(address));
    let opened = poll_fn(|cx| match opening.as_mut().poll(cx) {
        Poll::Ready(stream) => Poll::Ready(stream.map_err(|error| refused(error, address))),
        Poll::Pending => {
            deadline.poll_expired(cx).map(|()| Err(Error::new(Kind::UpstreamConnectTimeout)))
        }
    });
    match opened.await {
        Ok(stream) => Ok(Box::new(Connection::new(stream, deadline))),
        Err(error) => Err(error.unsent()),
    }
}

async fn open(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp(address) => TcpStream::connect(address).await.map(Stream::Tcp),
        Address::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
    }
}

/// Tells a lack of descriptors here from an application that is not there.
fn refused(error: io::Error, address: &Address) -> Error {
    if let (Address::Unix(path), io::ErrorKind::PermissionDenied) = (address, error.kind()) {
        let cause = denied::describe(path, denied::Wanted::Connect);
        return Error::io(Kind::UpstreamForbidden, io::Error::new(error.kind(), cause));
    }
    let kind = match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => Kind::DescriptorsExhausted,
        _ => Kind::UpstreamRefused,
    };
    Error::io(kind, error)
}
