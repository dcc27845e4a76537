//! A TLS client: rustls over a socket, with a deadline for everything.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version,
};
use socket2::Socket;

const TIME_LIMIT: Duration = Duration::from_secs(20);

/// One connection.
pub(super) struct Tls {
    stream: StreamOwned<ClientConnection, Socket>,
    /// Received bytes that are not consumed yet.
    buffer: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub(super) struct TlsResponse {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// The accepted certificates and TLS versions.
pub(super) enum Trust {
    Anyone,
    Only(&'static SupportedProtocolVersion),
}

#[derive(Debug)]
struct Anyone(CryptoProvider);

// === impl Trust ===

impl Trust {
    pub(super) fn config(self) -> Arc<ClientConfig> {
        let versions = match self {
            Self::Anyone => vec![&version::TLS13, &version::TLS12],
            Self::Only(version) => vec![version],
        };
        let provider = aws_lc_rs::default_provider();
        let config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_protocol_versions(&versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth();
        Arc::new(config)
    }
}

// === impl Tls ===

impl Tls {
    /// Connects and does the handshake.
    #[track_caller]
    pub(super) fn connect(address: SocketAddr, config: &Arc<ClientConfig>, host: &str) -> Self {
        Self::try_connect(address, config, host).unwrap_or_else(|error| panic!("{host}: {error}"))
    }

    pub(super) fn try_connect(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        host: &str,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect_timeout(&address, TIME_LIMIT)?;
        tcp.set_nodelay(true)?;
        Self::over(tcp.into(), config, host)
    }

    /// Like `connect`, at a unix socket.
    pub(super) fn connect_unix(path: &Path, config: &Arc<ClientConfig>) -> Self {
        Self::over(UnixStream::connect(path).unwrap().into(), config, "localhost").unwrap()
    }

    fn over(mut socket: Socket, config: &Arc<ClientConfig>, host: &str) -> io::Result<Self> {
        socket.set_read_timeout(Some(TIME_LIMIT))?;
        socket.set_write_timeout(Some(TIME_LIMIT))?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(Self { stream: StreamOwned::new(connection, socket), buffer: Vec::new() })
    }

    pub(super) fn connection(&self) -> &ClientConnection {
        &self.stream.conn
    }

    /// The certificate of the server.
    pub(super) fn certificate(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().unwrap()[0].to_vec()
    }

    #[track_caller]
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).unwrap();
        self
    }

    #[track_caller]
    pub(super) fn get(&mut self, target: &str, fields: &str) -> TlsResponse {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n")).response()
    }

    /// A response with its Content-Length.
    #[track_caller]
    pub(super) fn response(&mut self) -> TlsResponse {
        self.try_answer().unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    pub(super) fn try_answer(&mut self) -> io::Result<TlsResponse> {
        let head = self.try_until(b"\r\n\r\n")?;
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(TlsResponse { status, head, body: self.buffer.drain(..length).collect() })
    }

    /// Reads up to and including this text.
    #[track_caller]
    pub(super) fn until(&mut self, text: &str) -> String {
        let bytes = self.try_until(text.as_bytes());
        String::from_utf8_lossy(&bytes.unwrap_or_else(|error| panic!("{text:?}: {error}"))).into()
    }

    /// Everything until close_notify; `Err` if the connection ends without it.
    pub(super) fn until_closed(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WriteZero => {
                    return Ok(std::mem::take(&mut self.buffer));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends close_notify, and reads on.
    pub(super) fn say_end(&mut self) {
        self.stream.conn.send_close_notify();
        self.stream.flush().unwrap();
        self.stream.sock.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes the sending side without close_notify.
    pub(super) fn half_close(&mut self) {
        self.stream.sock.shutdown(Shutdown::Write).unwrap();
    }

    /// Resets the connection.
    pub(super) fn reset_connection(self) {
        self.stream.sock.set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn try_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, end) {
                return Ok(self.buffer.drain(..at + end.len()).collect());
            }
            self.fill()?;
        }
    }

    /// Reads some bytes; close_notify is reported as `WriteZero`, which reading never returns.
    fn fill(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => {
                self.buffer.extend_from_slice(&piece[..count]);
                Ok(())
            }
        }
    }
}

// === impl TlsResponse ===

impl TlsResponse {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into()
    }
}

// === impl Anyone ===

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
