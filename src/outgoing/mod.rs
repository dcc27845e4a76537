//! The HTTP client for everything but the application: services that Sideman asks for itself, in the background. It
//! stands low, because parts of all layers use it. Requests of clients never go through it (`upstream`).
//!
//! Each request has a connection of its own: such services are asked a few times an hour or once in some seconds.
//! Nothing that they send is trusted: an exchange has a limit of time and one of bytes.

mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod tests;
mod tls;

pub use self::{fault::OutgoingError, tls::Authorities};

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri, header,
    uri::{PathAndQuery, Scheme},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// The buffer for the head of a response, in bytes: a longer head is refused.
const MAX_HEAD: usize = 64 * 1024;

/// The client. Its clones share the TLS sessions that can be resumed.
#[derive(Clone)]
pub struct HttpClient {
    tls: TlsConnector,
}

/// The limits of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// For all of it: the name, the connection, the request and the response.
    pub time: Duration,
    /// The longest body of a response, in bytes.
    pub max_response: usize,
}

/// A connection with or without TLS. Boxed, because hyper's code for each kind would be a hundred kilobytes.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The server that a URI names.
struct Server<'a> {
    /// Without the brackets of an IPv6 address.
    host: &'a str,
    port: u16,
    is_tls: bool,
}

// === impl HttpClient ===

impl HttpClient {
    /// Creates a client that trusts these authorities.
    pub fn new(authorities: Authorities<'_>) -> Result<Self, OutgoingError> {
        Ok(Self { tls: tls::connector(authorities, None)? })
    }

    /// Creates a client that also has a certificate, for servers that demand one.
    pub fn with_certificate(
        authorities: Authorities<'_>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, OutgoingError> {
        Ok(Self { tls: tls::connector(authorities, Some((chain, key)))? })
    }

    /// Sends a request to its absolute URI (http or https) and returns the response, whatever its status is. No
    /// redirect is followed, and no proxy of the environment is used.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, OutgoingError> {
        match timeout(bounds.time, self.exchange(request, bounds.max_response)).await {
            Ok(result) => result,
            Err(_) => Err(OutgoingError::Time(bounds.time)),
        }
    }

    async fn exchange(
        &self,
        mut request: Request<Bytes>,
        max_response: usize,
    ) -> Result<Response<Bytes>, OutgoingError> {
        let uri = std::mem::take(request.uri_mut());
        let server = Server::of(&uri)?;
        add_fields(&mut request, &uri)?;
        let stream = server.connect().await?;
        if !server.is_tls {
            return converse(Box::new(stream), request, max_response).await;
        }
        let name = ServerName::try_from(server.host).map_err(|_| OutgoingError::Uri)?.to_owned();
        let stream = self.tls.connect(name, stream).await.map_err(OutgoingError::Tls)?;
        converse(Box::new(stream), request, max_response).await
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

// === impl Server ===

impl<'a> Server<'a> {
    fn of(uri: &'a Uri) -> Result<Self, OutgoingError> {
        let scheme = uri.scheme().filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
        let is_tls = *scheme.ok_or(OutgoingError::Uri)? == Scheme::HTTPS;
        let host = uri.host().ok_or(OutgoingError::Uri)?;
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        Ok(Self { host, port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }), is_tls })
    }

    /// Connects to the first address that accepts.
    async fn connect(&self) -> Result<TcpStream, OutgoingError> {
        let addresses = lookup_host((self.host, self.port)).await.map_err(OutgoingError::Lookup)?;
        let mut last = None;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(OutgoingError::Connect(address, error)),
            }
        }
        Err(last.unwrap_or(OutgoingError::NoAddress))
    }
}

/// Makes the request one in origin-form (RFC 9112, 3.2.1), with the fields that a connection for one request needs.
fn add_fields(request: &mut Request<Bytes>, uri: &Uri) -> Result<(), OutgoingError> {
    // The authority without user information.
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = HeaderValue::from_str(host).map_err(|_| OutgoingError::Uri)?;
    *request.uri_mut() =
        uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")).into();
    let fields = request.headers_mut();
    fields.insert(header::HOST, host);
    fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    fields
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!("sideman/", env!("CARGO_PKG_VERSION"))));
    Ok(())
}

/// Sends the request and receives the response, while the connection is driven beside it.
async fn converse(
    stream: Box<dyn Stream>,
    request: Request<Bytes>,
    max_response: usize,
) -> Result<Response<Bytes>, OutgoingError> {
    let request = request.map(Full::new);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(OutgoingError::Http)?;
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(OutgoingError::Http)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, max_response).collect().await;
        let body = body.map_err(|error| OutgoingError::in_body(error, max_response))?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    let mut end = None;
    let response = poll_fn(|context| {
        if end.is_none()
            && let Poll::Ready(result) = connection.as_mut().poll(context)
        {
            end = Some(result);
        }
        exchange.as_mut().poll(context)
    })
    .await;
    match (response, end) {
        // The exchange is only told that there is no connection any more.
        (Err(OutgoingError::Http(_)), Some(Err(cause))) => Err(OutgoingError::Http(cause)),
        (response, _) => response,
    }
}
