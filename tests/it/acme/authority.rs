//! The authority as Sideman sees it: a proxy in front of pebble, which can answer in its place, and two relays by which
//! pebble's validations reach Sideman.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::{pebble::Pebble, tls};
use crate::support::TempDir;

const TIME_LIMIT: Duration = Duration::from_secs(20);

/// All of it.
pub(super) struct Authority {
    pebble: Pebble,
    proxy: SocketAddr,
    shared: Arc<Shared>,
    http: Relay,
    tls: Relay,
    directory: TempDir,
}

struct Shared {
    /// The certificate of the proxy's own authority.
    ca: String,
    pebble: SocketAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Method and path of all requests.
    requests: Vec<String>,
    faults: Vec<(&'static str, Fault)>,
    /// The seconds from now at which the window of renewal begins and ends, if the authority has such information.
    window: Option<(i64, i64)>,
}

/// What happens to one request instead of a good response.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// A complete response.
    Respond(String),
    /// The beginning of a response, and then the end of the connection.
    Cut(&'static str),
    /// A body without an end.
    Endless,
    /// The good response, with this at the end of its body.
    Append(&'static str),
}

/// Where the connections of validations go.
#[derive(Clone)]
struct Relay {
    port: u16,
    target: Arc<(Mutex<Option<SocketAddr>>, Condvar)>,
}

// === impl Authority ===

impl Authority {
    /// Skips the test if pebble is not installed.
    #[track_caller]
    pub(super) fn start() -> Option<Self> {
        let directory = TempDir::new();
        let (ca, config) = certificates(&directory);
        let (http, tls) = (Relay::start(), Relay::start());
        let pebble = Pebble::start(&directory, &ca, http.port, tls.port)?;
        let state = Mutex::default();
        let shared = Arc::new(Shared { ca, pebble: pebble.address, state });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = listener.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serving, config) = (Arc::clone(&serving), Arc::clone(&config));
                // Sideman may end within an exchange.
                thread::spawn(move || serving.serve(stream, config, proxy));
            }
        });
        Some(Self { pebble, proxy, shared, http, tls, directory })
    }

    pub(super) fn directory(&self) -> String {
        format!("https://{}/dir", self.proxy)
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// The root of the certificates that are issued.
    #[track_caller]
    pub(super) fn issuer(&self) -> String {
        self.pebble.issuer(&self.shared.ca)
    }

    /// A client of the proxy, for the library.
    pub(super) fn client(&self) -> LibraryClient {
        LibraryClient(Arc::clone(&self.shared), self.proxy)
    }

    /// Lets validations reach these listeners. They wait until then.
    pub(super) fn lead_to(&self, http: SocketAddr, tls: SocketAddr) {
        self.http.lead_to(http);
        self.tls.lead_to(tls);
    }

    /// Answers the next request whose path has this part with a fault.
    pub(super) fn fail_once(&self, part: &'static str, fault: Fault) {
        self.shared.state.lock().unwrap().faults.push((part, fault));
    }

    /// Suggests a renewal within this window, in seconds from now.
    pub(super) fn suggest(&self, begin: i64, end: i64) {
        self.shared.state.lock().unwrap().window = Some((begin, end));
    }

    /// The number of requests whose method and path have this part.
    pub(super) fn requests(&self, part: &str) -> usize {
        let state = self.shared.state.lock().unwrap();
        state.requests.iter().filter(|request| request.contains(part)).count()
    }
}

/// What the library sends its requests with: each is done when it is asked for.
pub(super) struct LibraryClient(Arc<Shared>, SocketAddr);

// === impl LibraryClient ===

impl instant_acme::HttpClient for LibraryClient {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let (trusted, proxy) = (tls::trusting(&self.0.ca), self.1);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let (method, path) = (parts.method, parts.uri.path());
            let mut bytes = format!(
                "{method} {path} HTTP/1.1\r\nHost: {proxy}\r\nConnection: close\r\n\
                 Content-Type: application/jose+json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )
            .into_bytes();
            bytes.extend_from_slice(&body);
            let response = tls::exchange(proxy, trusted, &bytes).unwrap();
            let end = memchr::memmem::find(&response, b"\r\n\r\n").unwrap();
            let head = String::from_utf8(response[..end].to_vec()).unwrap();
            let mut lines = head.lines();
            let status = lines.next().unwrap().split(' ').nth(1).unwrap();
            let mut built = http::Response::builder().status(status);
            for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
                built = built.header(name, value);
            }
            let body = Bytes::copy_from_slice(&response[end + 4..]);
            let (parts, body) = built.body(body).unwrap().into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

// === impl Shared ===

impl Shared {
    fn serve(
        &self,
        stream: TcpStream,
        config: Arc<ServerConfig>,
        proxy: SocketAddr,
    ) -> io::Result<()> {
        stream.set_read_timeout(Some(TIME_LIMIT))?;
        stream.set_write_timeout(Some(TIME_LIMIT))?;
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        let request = read_request(&mut stream)?;
        let line = request.split(|&byte| byte == b'\r').next().unwrap();
        let line = String::from_utf8_lossy(line).replace(" HTTP/1.1", "");
        let (fault, window) = {
            let mut state = self.state.lock().unwrap();
            state.requests.push(line.clone());
            let at = state.faults.iter().position(|(part, _)| line.contains(part));
            (at.map(|at| state.faults.remove(at).1), state.window)
        };
        match (fault, window) {
            (Some(Fault::Respond(response)), _) => stream.write_all(response.as_bytes())?,
            (Some(Fault::Cut(begin)), _) => {
                stream.write_all(begin.as_bytes())?;
                stream.flush()?;
                return stream.sock.shutdown(Shutdown::Both);
            }
            (Some(Fault::Endless), _) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"a\":\"")?;
                // Far more than a client accepts.
                for _ in 0..10_000 {
                    stream.write_all(&[b'a'; 4096])?;
                }
            }
            (Some(Fault::Append(text)), _) => {
                let good = tls::exchange(self.pebble, tls::trusting(&self.ca), &request)?;
                let good = String::from_utf8(good).unwrap();
                let (_, body) = good.split_once("\r\n\r\n").unwrap();
                stream.write_all(response(200, "", &format!("{body}{text}")).as_bytes())?;
            }
            (None, Some((begin, end))) if line.contains("/renewal-info/") => {
                let pause = "Retry-After: 21600\r\n";
                stream.write_all(renewal_info(begin, end, pause).as_bytes())?;
            }
            (None, window) => {
                let response = tls::exchange(self.pebble, tls::trusting(&self.ca), &request)?;
                let is_directory = line.ends_with(" /dir") && window.is_some();
                let response =
                    if is_directory { with_renewal_info(&response, proxy) } else { response };
                stream.write_all(&response)?;
            }
        }
        stream.conn.send_close_notify();
        stream.flush()
    }
}

/// A whole request, with its body.
fn read_request(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Ok(bytes);
            }
        }
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

/// A response with this JSON text.
pub(super) fn response(status: u16, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/problem+json\r\n{fields}Content-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

/// A suggestion to renew within this window, in seconds from now.
pub(super) fn renewal_info(begin: i64, end: i64, fields: &str) -> String {
    let at = |seconds: i64| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let since = Duration::from_secs(since.checked_add_signed(seconds).unwrap());
        let at = rcgen::date_time_ymd(1970, 1, 1) + since;
        format!("{}T{:02}:{:02}:{:02}Z", at.date(), at.hour(), at.minute(), at.second())
    };
    let window = serde_json::json!({ "suggestedWindow": { "start": at(begin), "end": at(end) } });
    response(200, fields, &window.to_string())
}

/// The directory of an authority with renewal information.
fn with_renewal_info(directory: &[u8], proxy: SocketAddr) -> Vec<u8> {
    let begin = memchr::memmem::find(directory, b"{").unwrap();
    let end = memchr::memrchr(b'}', directory).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&directory[begin..=end]).unwrap();
    json["renewalInfo"] = format!("https://{proxy}/renewal-info").into();
    response(200, "", &json.to_string()).into_bytes()
}

/// Makes an authority of its own for the server's certificate, and writes the files. Returns the authority's
/// certificate and the configuration of the proxy.
fn certificates(directory: &TempDir) -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = params.signed_by(&key, &issuer).unwrap();
    directory.write("ca.pem", &ca);
    directory.write("server.pem", server.pem());
    directory.write("server.key", key.serialize_pem());
    let chain = vec![CertificateDer::from(server.der().to_vec())];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (ca, Arc::new(config))
}

// === impl Relay ===

impl Relay {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let relay = Self { port, target: Arc::default() };
        let serving = relay.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let relay = serving.clone();
                thread::spawn(move || relay.forward(stream));
            }
        });
        relay
    }

    fn lead_to(&self, address: SocketAddr) {
        *self.target.0.lock().unwrap() = Some(address);
        self.target.1.notify_all();
    }

    fn forward(&self, mut near: TcpStream) -> io::Result<()> {
        let (target, changed) = &*self.target;
        let target = target.lock().unwrap();
        let (target, _) =
            changed.wait_timeout_while(target, TIME_LIMIT, |it| it.is_none()).unwrap();
        let address = target.ok_or(io::ErrorKind::TimedOut)?;
        drop(target);
        let mut far = TcpStream::connect(address)?;
        let (mut near_read, mut far_write) = (near.try_clone()?, far.try_clone()?);
        let upload = thread::spawn(move || {
            let _ = io::copy(&mut near_read, &mut far_write);
            let _ = far_write.shutdown(Shutdown::Write);
        });
        let copied = io::copy(&mut far, &mut near);
        let _ = near.shutdown(Shutdown::Both);
        let _ = upload.join();
        copied.map(drop)
    }
}
