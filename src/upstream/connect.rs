//! Opens connections to the application.

use std::io;

use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{resolve::Resolver, stream::Stream};
use crate::{
    error::{Error, Kind},
    plan::{Target, Upstream},
};

/// Opens one connection within `connect_timeout`, trying each address of a name in turn.
pub(super) async fn connect(plan: &Upstream, resolver: &Resolver) -> Result<Stream, Error> {
    let attempt = async {
        let Some(target) = plan.targets.first() else {
            return Err(Error::new(Kind::UpstreamUnresolved));
        };
        match target {
            Target::Tcp { host, port } => tcp(host, *port, resolver).await,
            Target::Unix(path) => match UnixStream::connect(path).await {
                Ok(unix) => Ok(Stream::Unix(unix)),
                Err(error) => Err(refused(error)),
            },
        }
    };
    match timeout(plan.connect_timeout, attempt).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(Kind::UpstreamConnectTimeout)),
    }
    .map_err(Error::unsent)
}

async fn tcp(host: &str, port: u16, resolver: &Resolver) -> Result<Stream, Error> {
    let addresses = resolver
        .resolve(host, port)
        .await
        .map_err(|error| Error::io(Kind::UpstreamUnresolved, error))?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(tcp) => {
                // A head and the rest of a body are written apart: neither may wait for the other.
                let _ = tcp.set_nodelay(true);
                return Ok(Stream::Tcp(tcp));
            }
            Err(error) => last = error,
        }
    }
    resolver.doubt();
    Err(refused(last))
}

/// Tells a lack of descriptors here from an application that is not there.
fn refused(error: io::Error) -> Error {
    use rustix::io::Errno;
    let kind = match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => Kind::DescriptorsExhausted,
        _ => Kind::UpstreamRefused,
    };
    Error::io(kind, error)
}
