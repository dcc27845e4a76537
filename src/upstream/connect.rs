//! Opens connections to the application.

use std::{io, time::Duration};

use rustix::io::Errno;
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{fleet::Address, stream::Stream};
use crate::error::{Error, Kind};

/// Opens one connection to a server in time.
pub(super) async fn connect(address: &Address, most: Duration) -> Result<Stream, Error> {
    let attempt = async {
        match address {
            Address::Tcp(address) => {
                let tcp = TcpStream::connect(address).await?;
                // A head and the rest of a body are written apart: neither may wait for the other.
                let _ = tcp.set_nodelay(true);
                Ok(Stream::Tcp(tcp))
            }
            Address::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        }
    };
    match timeout(most, attempt).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(refused(error)),
        Err(_) => Err(Error::new(Kind::UpstreamConnectTimeout)),
    }
    .map_err(Error::unsent)
}

/// Tells a lack of descriptors here from an application that is not there.
fn refused(error: io::Error) -> Error {
    let kind = match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => Kind::DescriptorsExhausted,
        _ => Kind::UpstreamRefused,
    };
    Error::io(kind, error)
}
