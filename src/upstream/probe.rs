//! Probes servers, independently of all requests.

use std::{
    future::poll_fn,
    io,
    task::{Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use tokio::{net::lookup_host, time::timeout};

use super::{
    backends::ServerAddress,
    connect::connect,
    connection::UpstreamConnection,
    http1::{self, BodyLength, RequestSummary, ResponseHeadProgress, UpstreamResponseHead},
    request::{RequestFraming, RequestOrigin, UpstreamRequestHead},
    tls::{self, TlsClient},
    uwsgi,
};
use crate::{
    error::{Error, FailureKind},
    plan::{ProbePurpose, ProbeSettings, Protocol, UpstreamSettings, UpstreamTarget},
};

/// How long a server may take to respond.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of a body that are read, and the time for that. A server that cannot write its response logs an
/// error.
const MAX_BODY: u64 = 64 * 1024;
const MAX_BODY_TIME: Duration = Duration::from_secs(1);
/// The most bytes of a redirect's target in an event.
const MAX_LOCATION: usize = 200;
/// The address of the client that a probe seems to come from.
const CLIENT: &str = "127.0.0.1";

/// Checks whether any server of the application accepts a connection now.
pub async fn accepts(plan: &UpstreamSettings) -> Result<(), Error> {
    let mut last = Error::new(FailureKind::UpstreamUnresolved);
    let tls = plan.tls.as_ref().map(TlsClient::new);
    for target in &plan.targets {
        let addresses = match target {
            UpstreamTarget::Unix(path) => vec![ServerAddress::Unix(path.clone())],
            UpstreamTarget::Tcp { host, port } => {
                match timeout(plan.connect_timeout, lookup_host((host.as_str(), *port))).await {
                    Ok(Ok(found)) => {
                        found.map(|at| ServerAddress::of_host(host, at, tls.as_ref())).collect()
                    }
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

/// Checks a server. It must accept a connection. If the probe has a path, it must also respond in its protocol, with a
/// status that passes. The error is marked unsent if the connection was not accepted.
pub(super) async fn send(
    address: &ServerAddress,
    plan: &UpstreamSettings,
    probe: &ProbeSettings,
) -> Result<(), ProbeFailure> {
    let Some(path) = &probe.path else {
        return Ok(connect(address, plan.connect_timeout).await.map(drop)?);
    };
    let scheme = match &probe.purpose {
        ProbePurpose::Server => None,
        ProbePurpose::Readiness { scheme } => Some(*scheme),
    };
    let probe_request = ProbeRequest {
        method: &Method::GET,
        path,
        host: &host(address, plan),
        scheme,
        max_wait: TIMEOUT,
    };
    let head = probe_request.send(address, plan.protocol, plan.connect_timeout).await?;
    let passes = match scheme {
        Some(_) => head.status.is_success(),
        None => !head.status.is_server_error(),
    };
    if passes { Ok(()) } else { Err(ProbeFailure::of(&head, scheme.is_some())) }
}

/// Checks whether a server that failed requests works again: by the configured probe, or else by `HEAD /`. Then any
/// response passes, except for a status that ejects servers.
pub(super) async fn send_to_ejected(
    address: &ServerAddress,
    plan: &UpstreamSettings,
) -> Result<(), ProbeFailure> {
    if let Some(probe) = plan.probe.as_ref().filter(|probe| probe.path.is_some()) {
        return send(address, plan, probe).await;
    }
    let probe_request = ProbeRequest {
        method: &Method::HEAD,
        path: "/",
        host: &host(address, plan),
        scheme: None,
        max_wait: TIMEOUT,
    };
    let head = probe_request.send(address, plan.protocol, plan.connect_timeout).await?;
    if plan.ejection.counts_status(head.status) {
        return Err(ProbeFailure::of(&head, false));
    }
    Ok(())
}

/// The `Host` for a probe: the server's address if none is configured.
pub(super) fn host(address: &ServerAddress, plan: &UpstreamSettings) -> Vec<u8> {
    let host = plan.probe_host.clone().unwrap_or_else(|| match address {
        ServerAddress::Tcp(address) => address.to_string(),
        ServerAddress::Unix(_) => "localhost".to_owned(),
        // Such a server may have several sites.
        ServerAddress::Tls(server) => {
            let (host, port) = (server.host.to_string(), server.address.port());
            UpstreamTarget::Tcp { host, port }.to_string()
        }
    });
    host.into_bytes()
}

/// Why a probe has failed.
#[derive(Debug)]
pub(super) struct ProbeFailure {
    pub(super) error: Error,
    /// Whether a response arrived, and its status does not pass.
    pub(super) is_status: bool,
}

// === impl ProbeFailure ===

impl ProbeFailure {
    /// Creates the failure of a response whose status does not pass.
    fn of(head: &UpstreamResponseHead, explains: bool) -> Self {
        let mut text = format!("the response to the probe was {}", head.status.as_u16());
        if let Some(advice) = advice(head).filter(|_| explains) {
            text = format!("{text}: {advice}");
        }
        let error = Error::io(FailureKind::UpstreamClosed, io::Error::other(text));
        Self { error, is_status: true }
    }

    /// What happened, for an event.
    pub(super) fn reason(&self) -> String {
        match self.error.cause() {
            Some(cause) if self.is_status => cause.to_string(),
            _ if self.error.kind() == FailureKind::UpstreamReadTimeout => {
                format!("no response within {}s", TIMEOUT.as_secs())
            }
            _ => self.error.to_string(),
        }
    }
}

impl From<Error> for ProbeFailure {
    fn from(error: Error) -> Self {
        Self { error, is_status: false }
    }
}

/// What the status of a failed check usually means with Django, and what to do.
fn advice(head: &UpstreamResponseHead) -> Option<String> {
    match head.status {
        StatusCode::BAD_REQUEST => Some(
            "Django refuses hosts that are not in ALLOWED_HOSTS; set health.application_host to one \
             of them"
                .into(),
        ),
        StatusCode::NOT_FOUND => Some("check the path of health.application".into()),
        status if status.is_redirection() => {
            let mut fields = head.fields.iter();
            let (_, location) = fields.find(|(name, _)| name.eq_ignore_ascii_case(b"location"))?;
            // A query may have a secret.
            let end = location.iter().position(|byte| b"?#".contains(byte));
            let location = location.get(..end.unwrap_or(location.len()).min(MAX_LOCATION))?;
            Some(format!(
                "a redirect to {}; set health.application to a path that responds with 200, without login, and if \
                 the redirect is to https, let Django trust X-Forwarded-Proto (SECURE_PROXY_SSL_HEADER)",
                location.escape_ascii()
            ))
        }
        _ => None,
    }
}

/// A request of Sideman itself.
pub(super) struct ProbeRequest<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) host: &'a [u8],
    /// If set, the request looks like one that was forwarded for a client that uses this scheme.
    pub(super) scheme: Option<&'static str>,
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
        let Self { method, path, host, scheme, max_wait } = *self;
        let mut connection = connect(address, connect_timeout).await?;
        let mut fields: Vec<(&[u8], &[u8])> =
            vec![(b"host", host), (b"user-agent", b"sideman-probe")];
        if let Some(scheme) = scheme {
            fields.push((b"x-forwarded-for", CLIENT.as_bytes()));
            fields.push((b"x-forwarded-proto", scheme.as_bytes()));
        }
        let scheme = scheme.unwrap_or("http");
        let head = UpstreamRequestHead {
            method,
            target: path,
            fields,
            origin: RequestOrigin {
                client: CLIENT,
                client_port: None,
                scheme,
                host,
                port: if scheme == "https" { 443 } else { 80 },
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
        let head = timeout(max_wait, response)
            .await
            .unwrap_or_else(|_| Err(Error::new(FailureKind::UpstreamReadTimeout)))?;
        // The head decides. A body that does not end changes nothing.
        let _ = timeout(MAX_BODY_TIME, drain(&mut connection, head.length)).await;
        Ok(head)
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
    let closed = |error| {
        tls::after_handshake(&error)
            .unwrap_or_else(|| Error::io(FailureKind::UpstreamClosed, error))
    };
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

/// Reads the body of a response and discards it.
async fn drain(connection: &mut UpstreamConnection, length: BodyLength) {
    let mut left = match length {
        BodyLength::None => 0,
        BodyLength::Exact(length) => length.min(MAX_BODY),
        BodyLength::Chunked | BodyLength::UntilClose => MAX_BODY,
    };
    poll_fn(|cx| {
        loop {
            left = left.saturating_sub(connection.input.len() as u64);
            connection.input.clear();
            if left == 0 {
                return Poll::Ready(());
            }
            match ready!(connection.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
    })
    .await
}
