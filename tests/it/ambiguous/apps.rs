//! The two applications: they record requests as text, byte for byte except for values that differ each time.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::support::{After, Packet, UwsgiApp};

/// The request that an application should see.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    line: String,
    host: &'static str,
    version: &'static str,
    path_info: Option<String>,
    fields: Vec<(&'static str, &'static str)>,
    /// `None` means no body and no Content-Length.
    body: Option<Vec<u8>>,
}

/// An application that records requests.
pub(super) enum Application {
    Http { address: SocketAddr, record: Record },
    Uwsgi { app: UwsgiApp, record: Record },
}

type Record = Arc<Mutex<Vec<String>>>;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// === impl Seen ===

impl Seen {
    /// A method and a target, for the host `a`.
    pub(super) fn of(line: &str) -> Self {
        let line = line.to_owned();
        let (host, version) = ("a", "HTTP/1.1");
        Self { line, host, version, path_info: None, fields: Vec::new(), body: None }
    }

    pub(super) fn host(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    pub(super) fn version(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    /// The decoded path, if it differs from that of the target.
    pub(super) fn path_info(self, path: &str) -> Self {
        Self { path_info: Some(path.to_owned()), ..self }
    }

    pub(super) fn field(mut self, name: &'static str, value: &'static str) -> Self {
        self.fields.push((name, value));
        self
    }

    pub(super) fn body(self, body: impl AsRef<[u8]>) -> Self {
        Self { body: Some(body.as_ref().to_vec()), ..self }
    }

    pub(super) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap()
    }

    fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    fn port(&self, own: u16) -> String {
        let named = self.host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        let digits = named.map(|(_, port)| port).filter(|port| !port.is_empty());
        digits.map_or_else(|| own.to_string(), ToOwned::to_owned)
    }

    fn length(&self) -> Option<String> {
        self.body.as_ref().map(|body| body.len().to_string())
    }

    fn http(&self, port: u16) -> String {
        let mut head = format!("{} HTTP/1.1\r\nhost: {}\r\n", self.line, self.host);
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += "x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n";
        head += &format!("x-forwarded-port: {}\r\n", self.port(port));
        head += "x-real-ip: 127.0.0.1\r\nx-request-id: (id)\r\nx-request-start: (start)\r\n";
        if let Some(length) = self.length() {
            head += &format!("content-length: {length}\r\n");
        }
        head + "\r\n" + &text(self.body.as_deref().unwrap_or_default())
    }

    fn uwsgi(&self, port: u16) -> String {
        let (path, query) = self.target().split_once('?').unwrap_or((self.target(), ""));
        let port = self.port(port);
        let has_port = self.host.ends_with(&format!(":{port}"));
        let name =
            if has_port { &self.host[..self.host.len() - port.len() - 1] } else { self.host };
        let mut variables: BTreeMap<String, String> = [
            ("CONTENT_LENGTH", self.length().unwrap_or_default().as_str()),
            ("CONTENT_TYPE", ""),
            ("DOCUMENT_ROOT", ""),
            ("HTTP_HOST", self.host),
            ("HTTP_X_FORWARDED_FOR", "127.0.0.1"),
            ("HTTP_X_FORWARDED_PORT", &port),
            ("HTTP_X_FORWARDED_PROTO", "http"),
            ("HTTP_X_REAL_IP", "127.0.0.1"),
            ("HTTP_X_REQUEST_ID", "(id)"),
            ("HTTP_X_REQUEST_START", "(start)"),
            ("PATH_INFO", self.path_info.as_deref().unwrap_or(path)),
            ("QUERY_STRING", query),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REQUEST_METHOD", self.method()),
            ("REQUEST_SCHEME", "http"),
            ("REQUEST_URI", self.target()),
            ("SERVER_NAME", name.trim_end_matches(':')),
            ("SERVER_PORT", &port),
            ("SERVER_PROTOCOL", self.version),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        for (name, value) in &self.fields {
            let key = format!("HTTP_{}", name.to_uppercase().replace('-', "_"));
            let joined = variables.entry(key).or_default();
            *joined += if joined.is_empty() { "" } else { ", " };
            *joined += value;
        }
        shown(&variables, self.body.as_deref().unwrap_or_default())
    }
}

// === impl Application ===

impl Application {
    pub(super) fn http() -> Self {
        let record = Record::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let for_thread = Arc::clone(&record);
        // The thread ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let record = Arc::clone(&for_thread);
                thread::spawn(move || serve(stream, &record));
            }
        });
        Self::Http { address, record }
    }

    pub(super) fn uwsgi() -> Self {
        let record = Record::default();
        let for_app = Arc::clone(&record);
        let app = UwsgiApp::tcp(After::Close, move |packet: &Packet| {
            let mut variables = packet.variables.clone();
            variables.remove("REMOTE_PORT");
            // The header names the process: upstream_trouble::loops.
            variables.remove("HTTP_CDN_LOOP");
            if let Some(id) = variables.get_mut("HTTP_X_REQUEST_ID") {
                *id = masked(id);
            }
            if let Some(start) = variables.get_mut("HTTP_X_REQUEST_START") {
                assert!(start.starts_with("t="), "{start}");
                *start = "(start)".to_owned();
            }
            for_app.lock().unwrap().push(shown(&variables, &packet.body));
            ANSWER.to_vec()
        });
        Self::Uwsgi { app, record }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Http { address, .. } => format!("http://{address}"),
            Self::Uwsgi { app, .. } => app.url(),
        }
    }

    /// The requests recorded since the last call.
    pub(super) fn take(&self) -> Vec<String> {
        let (Self::Http { record, .. } | Self::Uwsgi { record, .. }) = self;
        std::mem::take(&mut *record.lock().unwrap())
    }

    /// The text of this request as the application records it; `port` is the listener's port.
    pub(super) fn expected(&self, seen: &Seen, port: u16) -> String {
        match self {
            Self::Http { .. } => seen.http(port),
            Self::Uwsgi { .. } => seen.uwsgi(port),
        }
    }
}

/// Responds to every request on a connection. It supports only Content-Length: Sideman must send no other framing.
fn serve(mut stream: TcpStream, record: &Record) {
    let mut bytes = Vec::new();
    let mut piece = [0; 65536];
    loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let head = text(&bytes[..end + 4]);
            let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + 4 + length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= whole {
                let id = head.split("\r\nx-request-id: ").nth(1).unwrap();
                let id = id.split("\r\n").next().unwrap();
                let token = head.split("\r\n").find(|line| line.starts_with("cdn-loop: ")).unwrap();
                let start = head.split("\r\nx-request-start: ").nth(1).unwrap();
                let start = start.split("\r\n").next().unwrap();
                let seen = text(&bytes[..whole]).replace(id, &masked(id));
                let seen = seen.replace(start, "(start)");
                // The header names the process: upstream_trouble::loops.
                record.lock().unwrap().push(seen.replace(&format!("{token}\r\n"), ""));
                bytes.drain(..whole);
                if stream.write_all(ANSWER).is_err() {
                    return;
                }
                continue;
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => {
                // Remaining bytes are not a request, and there must be none.
                if !bytes.is_empty() {
                    record.lock().unwrap().push(format!("a part: {}", text(&bytes)));
                }
                return;
            }
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

fn masked(id: &str) -> String {
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { "(id)".to_owned() } else { id.to_owned() }
}

fn shown(variables: &BTreeMap<String, String>, body: &[u8]) -> String {
    let lines: String = variables.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    lines + "\n" + &text(body)
}

/// Each byte as the `char` with the same number.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
