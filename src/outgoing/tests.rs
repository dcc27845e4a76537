//! The client against scripted servers: bytes in, bytes out.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    mem,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread::{self, JoinHandle},
};

use rcgen::{CertifiedKey, KeyPair};
use rustls::{
    AlertDescription, ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer,
};
use tokio::io::{ReadBuf, join, sink};

use super::*;

const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), max_response: 1000 };

/// A server of one connection: it reads a request, answers with these bytes, and closes. Returns what it has read.
fn serve(answer: Vec<u8>) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = listener.local_addr().expect("address");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        let request = read_request(&mut stream);
        // The client may leave in the middle of what is too long.
        let _ = stream.write_all(&answer);
        request
    });
    (address, server)
}

/// Reads a request whose body is `hello` or empty.
fn read_request(stream: &mut impl io::Read) -> Vec<u8> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("read") == 1 {
        request.push(byte[0]);
    }
    if request.starts_with(b"POST") {
        let mut body = [0; 5];
        stream.read_exact(&mut body).expect("read the body");
        request.extend_from_slice(&body);
    }
    request
}

/// Sends a request, on a runtime of its own.
fn send(
    client: &HttpClient,
    request: Request<Bytes>,
    bounds: Bounds,
) -> Result<Response<Bytes>, OutgoingError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("runtime").block_on(client.send(request, bounds))
}

fn get(uri: &str) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).expect("request")
}

fn client() -> HttpClient {
    HttpClient::new(Authorities::Public).expect("client")
}

#[test]
fn a_response_is_read_in_each_framing() {
    for (answer, status, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            200,
            "hello",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello"),
        ("HTTP/1.0 404 Not Found\r\n\r\nnone", 404, "none"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503, ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
    ] {
        let (address, server) = serve(answer.into());
        let response = send(&client(), get(&format!("http://{address}/")), BOUNDS);
        let response = response.unwrap_or_else(|error| panic!("{answer:?}: {error}"));
        assert_eq!(response.status(), status, "{answer:?}");
        assert_eq!(response.body(), body, "{answer:?}");
        server.join().expect("server");
    }
}

#[test]
fn a_request_names_the_host_and_closes() {
    let (address, server) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into());
    let uri = format!("http://user:secret@{address}/v1/traces?a=b");
    let request = Request::post(uri)
        .header("content-type", "application/json")
        .header("user-agent", "other")
        .body(Bytes::from_static(b"hello"));
    send(&client(), request.expect("request"), BOUNDS).expect("response");
    let request = String::from_utf8(server.join().expect("server")).expect("text");
    let (head, body) = request.split_once("\r\n\r\n").expect("head");
    let mut lines: Vec<_> = head.split("\r\n").collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "POST /v1/traces?a=b HTTP/1.1",
            "connection: close",
            "content-length: 5",
            "content-type: application/json",
            &format!("host: {address}"),
            "user-agent: other",
        ]
    );
    assert_eq!(body, "hello");
}

#[test]
fn a_response_that_is_not_complete_is_an_error() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{}", "x".repeat(1001));
    let chunks = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "100\r\n".to_owned() + &"x".repeat(256) + "\r\n"
    );
    let endless = format!("{}{}", chunks, format!("100\r\n{}\r\n", "x".repeat(256)).repeat(9));
    let head = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(2 * MAX_HEAD));
    for (answer, expected) in [
        ("", "no valid response: connection closed before message completed"),
        ("garbage\r\n\r\n", "no valid response: invalid HTTP version parsed"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
            "no valid response: error reading a body from connection",
        ),
        (chunks.as_str(), "no valid response: error reading a body from connection"),
        (long.as_str(), "the response has more than 1000 bytes"),
        (endless.as_str(), "the response has more than 1000 bytes"),
        (head.as_str(), "no valid response: message head is too large"),
    ] {
        let (address, server) = serve(answer.into());
        let error = send(&client(), get(&format!("http://{address}/")), BOUNDS);
        let error = error.expect_err("an error").to_string();
        assert!(error.starts_with(expected), "{answer:.60?}: {error}");
        server.join().expect("server");
    }
}

#[test]
fn a_server_that_is_silent_is_an_error() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = listener.local_addr().expect("address");
    let bounds = Bounds { time: Duration::from_millis(50), ..BOUNDS };
    for scheme in ["http", "https"] {
        let error = send(&client(), get(&format!("{scheme}://{address}/")), bounds);
        assert_eq!(error.expect_err("an error").to_string(), "no complete response within 0.05 s");
    }
}

#[test]
fn an_address_without_a_server_is_an_error() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = listener.local_addr().expect("address");
    drop(listener);
    for (uri, expected) in [
        (format!("http://{address}/"), format!("cannot connect to {address}: Connection refused")),
        ("/path".into(), "the address is not http:// or https:// with a host".into()),
        ("ftp://localhost/".into(), "the address is not http:// or https:// with a host".into()),
        ("http://name.invalid/".into(), "cannot resolve the name: ".into()),
    ] {
        let error = send(&client(), get(&uri), BOUNDS).expect_err("an error").to_string();
        assert!(error.starts_with(&expected), "{uri}: {error}");
    }
}

/// A certificate for a name, and its key.
fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed([name.to_owned()]).expect("certificate")
}

/// A TLS server of one connection that answers `hello`.
fn serve_tls(identity: &CertifiedKey<KeyPair>) -> (SocketAddr, JoinHandle<()>) {
    let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).expect("key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .expect("configuration");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = listener.local_addr().expect("address");
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("accept");
        let connection = ServerConnection::new(Arc::new(config)).expect("connection");
        let mut stream = StreamOwned::new(connection, stream);
        let mut request = [0; 1024];
        // A client that does not trust the certificate sends an alert in place of a request.
        if stream.read(&mut request).is_ok_and(|count| count > 0) {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
            stream.write_all(answer).expect("write");
            stream.conn.send_close_notify();
            stream.flush().expect("flush");
        }
    });
    (address, server)
}

#[test]
fn a_server_needs_a_certificate_of_the_authorities_for_its_name() {
    let (own, other) = (certificate("localhost"), certificate("localhost"));
    for (server, authorities, host, expected) in [
        (&own, Authorities::Pem(own.cert.pem().as_bytes()), "localhost", Ok("hello")),
        (
            &own,
            Authorities::Pem(own.cert.pem().as_bytes()),
            "127.0.0.1",
            Err("certificate not valid for name"),
        ),
        (&own, Authorities::Pem(other.cert.pem().as_bytes()), "localhost", Err("BadSignature")),
        (&own, Authorities::Public, "localhost", Err("UnknownIssuer")),
    ] {
        let (address, server) = serve_tls(server);
        let client = HttpClient::new(authorities).expect("client");
        let uri = format!("https://{host}:{}/", address.port());
        let result = send(&client, get(&uri), BOUNDS);
        match (result, expected) {
            (Ok(response), Ok(body)) => assert_eq!(response.body(), body),
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.starts_with("the TLS handshake failed: "), "{error}");
                assert!(error.contains(part), "{error}");
            }
            (result, expected) => panic!("{result:?}, not {expected:?}"),
        }
        server.join().expect("server");
    }
}

#[test]
fn a_file_of_authorities_has_certificates() {
    for (text, expected) in [
        ("", "no certificate in the file of authorities"),
        ("-----BEGIN CERTIFICATE-----\n!\n", "no valid PEM in the file of authorities"),
        (
            "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
            "a certificate that is not valid in the file of authorities",
        ),
    ] {
        let error = HttpClient::new(Authorities::Pem(text.as_bytes())).expect_err("an error");
        assert_eq!(error.to_string(), expected);
    }
}

/// With TLS 1.3 the handshake is over for the client before the server refuses its certificate. The alert may be read
/// before the request is ready, or before it is written.
#[tokio::test]
async fn alert_after_the_handshake_is_known_as_one() {
    struct Alerting {
        is_early: bool,
    }
    impl AsyncRead for Alerting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if !mem::replace(&mut self.is_early, true) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
            Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, alert)))
        }
    }
    for is_early in [true, false] {
        let stream = Box::new(join(Alerting { is_early }, sink()));
        let error = converse(stream, Request::default(), 1).await.expect_err("an alert");
        assert!(error.is_tls_alert(), "{error:?}");
    }
}
