//! Probes servers, independently of all requests.

use std::{
    future::poll_fn,
    io,
    task::{Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Version};
use tokio::{net::lookup_host, time::timeout};

use super::{
    backends::ServerAddress,
    connect::connect,
    connection::UpstreamConnection,
    http1::{self, RequestSummary, ResponseHeadProgress, UpstreamResponseHead},
    request::{RequestFraming, RequestOrigin, UpstreamRequestHead},
    uwsgi,
};
use crate::{
    error::{Error, FailureKind},
    plan::{Protocol, UpstreamSettings, UpstreamTarget},
};

/// How long a server may take to respond.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Checks whether any server of the application accepts a connection now.
pub async fn accepts(plan: &UpstreamSettings) -> Result<(), Error> {
    let mut last = Error::new(FailureKind::UpstreamUnresolved);
    for target in &plan.targets {
        let addresses = match target {
            UpstreamTarget::Unix(path) => vec![ServerAddress::Unix(path.clone())],
            UpstreamTarget::Tcp { host, port } => {
                match timeout(plan.connect_timeout, lookup_host((host.as_str(), *port))).await {
                    Ok(Ok(found)) => found.map(ServerAddress::Tcp).collect(),
                    Ok(Err(error)) => {
                        last = Error::io(FailureKind::UpstreamUnresolved, error);
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

/// Checks a server. It must accept a connection. If a probe path is set, it must also respond in its protocol with a
/// status below 500. The error is marked unsent if the connection was not accepted.
pub(super) async fn send(
    address: &ServerAddress,
    plan: &UpstreamSettings,
    path: Option<&str>,
) -> Result<(), Error> {
    let Some(path) = path else { return connect(address, plan.connect_timeout).await.map(drop) };
    let host = host(address);
    let probe_request =
        ProbeRequest { method: &Method::GET, path, host: host.as_bytes(), max_wait: TIMEOUT };
    let head = probe_request.send(address, plan.protocol, plan.connect_timeout).await?;
    if head.status.is_server_error() {
        let text = format!("the response to the probe was {}", head.status.as_u16());
        return Err(Error::io(FailureKind::UpstreamClosed, io::Error::other(text)));
    }
    Ok(())
}

/// The `Host` for a probe if none is configured.
pub(super) fn host(address: &ServerAddress) -> String {
    match address {
        ServerAddress::Tcp(address) => address.to_string(),
        ServerAddress::Unix(_) => "localhost".to_owned(),
    }
}

/// A request of Sideman itself.
pub(super) struct ProbeRequest<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) host: &'a [u8],
    /// How long the server may take for the head of its response.
    pub(super) max_wait: Duration,
}

// === impl ProbeRequest ===

impl ProbeRequest<'_> {
    /// Sends the request on a connection of its own. Only the head of the response is read.
    pub(super) async fn send(
        &self,
        address: &ServerAddress,
        protocol: Protocol,
        connect_timeout: Duration,
    ) -> Result<UpstreamResponseHead, Error> {
        let Self { method, path, host, max_wait } = *self;
        let mut connection = connect(address, connect_timeout).await?;
        let head = UpstreamRequestHead {
            method,
            target: path,
            fields: vec![(b"host", host), (b"user-agent", b"sideman-probe")],
            origin: RequestOrigin {
                client: "127.0.0.1",
                client_port: None,
                scheme: "http",
                host,
                port: 80,
                version: Version::HTTP_11,
                script_name: "",
            },
        };
        match protocol {
            Protocol::Http1 => {
                http1::encode(&mut connection.output, &head, RequestFraming::None, false)
            }
            Protocol::Uwsgi(server) => {
                uwsgi::encode(&mut connection.output, &head, RequestFraming::None, server, false)?;
            }
        }
        let response = response(&mut connection, protocol, method);
        timeout(max_wait, response)
            .await
            .unwrap_or_else(|_| Err(Error::new(FailureKind::UpstreamReadTimeout)))
    }
}

/// Sends the output and reads the head of the response. `exchange` cannot be used here, because it belongs to a
/// worker's thread.
async fn response(
    connection: &mut UpstreamConnection,
    protocol: Protocol,
    method: &Method,
) -> Result<UpstreamResponseHead, Error> {
    let (mut nothing, mut progress) = (Bytes::new(), ResponseHeadProgress::default());
    let closed = |error| Error::io(FailureKind::UpstreamClosed, error);
    let parse = match protocol {
        Protocol::Http1 => http1::parse,
        Protocol::Uwsgi(_) => uwsgi::parse,
    };
    poll_fn(|cx| {
        while !connection.output.is_empty() {
            ready!(connection.poll_write(cx, &mut nothing)).map_err(closed)?;
        }
        loop {
            if ready!(connection.poll_fill(cx)).map_err(closed)? == 0 {
                return Poll::Ready(Err(closed(io::ErrorKind::UnexpectedEof.into())));
            }
            let summary = RequestSummary { method, protocol, upgrade: false, interim: None };
            if let Some(head) = parse(&mut connection.input, &mut progress, summary)? {
                return Poll::Ready(Ok(head));
            }
        }
    })
    .await
}
