//! Asks servers how they are, apart from all requests.

use std::{future::poll_fn, io, task::Poll, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{net::lookup_host, time::timeout};

use super::{connect::connect, connection::Connection, fleet::Address};
use crate::{
    error::{Error, Kind},
    plan::{Protocol, Target, Upstream},
};

/// How long a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer that are looked at: its status is among the first.
const STATUS: usize = b"HTTP/1.1 200".len();

/// Whether any server of the application accepts a connection now.
pub async fn accepts(plan: &Upstream) -> Result<(), Error> {
    let mut last = Error::new(Kind::UpstreamUnresolved);
    for target in &plan.targets {
        let addresses = match target {
            Target::Unix(path) => vec![Address::Unix(path.clone())],
            Target::Tcp { host, port } => {
                match timeout(plan.connect_timeout, lookup_host((host.as_str(), *port))).await {
                    Ok(Ok(found)) => found.map(Address::Tcp).collect(),
                    Ok(Err(error)) => {
                        last = Error::io(Kind::UpstreamUnresolved, error);
                        continue;
                    }
                    Err(_) => continue,
                }
            }
        };
        for address in addresses {
            match connect(&address, plan.connect_timeout).await {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

/// Whether a server is well: accepts a connection and, if it is to be asked for a path, answers with a
/// status below 500. An error is marked unsent if not even the connection was accepted.
pub(super) async fn ask(
    address: &Address,
    plan: &Upstream,
    path: Option<&str>,
) -> Result<(), Error> {
    let mut connection = connect(address, plan.connect_timeout).await?;
    let (Some(path), Protocol::Http1) = (path, plan.protocol) else { return Ok(()) };
    let host = match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: sideman-probe\r\nconnection: close\r\n\r\n"
    );
    connection.output = BytesMut::from(request.as_bytes());
    match timeout(PATIENCE, status(&mut connection)).await {
        Ok(Ok(status)) if status < 500 => Ok(()),
        Ok(Ok(status)) => {
            let text = format!("the probe was answered with {status}");
            Err(Error::io(Kind::UpstreamClosed, io::Error::other(text)))
        }
        Ok(Err(error)) => Err(Error::io(Kind::UpstreamClosed, error)),
        Err(_) => Err(Error::new(Kind::UpstreamReadTimeout)),
    }
}

/// Sends what waits and reads the answer's status.
async fn status(connection: &mut Connection) -> io::Result<u16> {
    let mut nothing = Bytes::new();
    poll_fn(|cx| {
        while !connection.output.is_empty() {
            match connection.poll_write(cx, &mut nothing) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Poll::Pending,
            }
        }
        while connection.input.len() < STATUS {
            match connection.poll_fill(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let digits = connection.input.get(STATUS - 3..STATUS).unwrap_or_default();
        let status = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        Poll::Ready(status.ok_or_else(|| io::ErrorKind::InvalidData.into()))
    })
    .await
}
