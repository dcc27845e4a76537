//! The application of the rows: responds at once, on a thread of this process, over HTTP/1.1 on TCP
//! and on a unix socket, and over the uwsgi protocol.
//!
//! Its CPU time is this process's, never the server's. It checks nothing that would slow it down;
//! `probe` checks once, through `ECHO`, what the server under test forwards.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::SystemTime,
};

use memchr::memmem;
use tokio::{
    net::{TcpListener, UnixListener},
    runtime,
};

use crate::{content, rows::Via, setup::Application, uwsgi, wire};

/// The path that responds with the received request: its head, and its body.
pub(crate) const ECHO: &str = "/echo";
/// Responses below this path have `LARGE` bytes.
const LARGE_PATH: &[u8] = b" /large";
/// Connections close after the response below this path.
const LAST_PATH: &[u8] = b" /last";
/// Below this path, pages that any cache may store; the rest is that of the page.
const STORED_PATH: &str = "/stored";
/// Text of this number of bytes; of other paths, bytes that are all the same.
const TEXT_PATH: &str = "/text/";
const SMALL: usize = 1 << 10;
const LARGE: usize = 100 << 10;
const TEXT: usize = 60 << 10;
const MAX_HEADERS: usize = 64;
/// No request of the load and no probe is longer.
const BUFFER: usize = 16 << 10;

static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| answer(&body(SMALL), ""));
static LARGE_ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| answer(&body(LARGE), ""));
/// Like gunicorn's sync workers.
static LAST_ANSWER: LazyLock<Vec<u8>> =
    LazyLock::new(|| answer(&body(SMALL), "Connection: close\r\n"));

static TEXT_ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| answer(&text(TEXT), ""));
/// Requests for pages that may be stored.
static STORED_REQUESTS: AtomicU64 = AtomicU64::new(0);

/// A running origin; it lives as long as the process.
#[derive(Debug)]
pub(crate) struct Origin {
    http: SocketAddr,
    socket: PathBuf,
    uwsgi: SocketAddr,
}

/// The kind of response to a complete request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Echo,
    Large,
    Last,
    Small,
    Text,
    Stored,
}

// === impl Origin ===

impl Origin {
    /// Starts the origin on free ports and on a socket in `directory`.
    pub(crate) fn start(directory: &Path) -> io::Result<Self> {
        let (http, http_address) = free_port()?;
        let (uwsgi, uwsgi_address) = free_port()?;
        let socket = directory.join("origin.sock");
        let unix = std::os::unix::net::UnixListener::bind(&socket).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot bind {}: {error}", socket.display()))
        })?;
        unix.set_nonblocking(true)?;
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        thread::Builder::new().name("origin".into()).spawn(move || {
            let serve = async {
                tokio::try_join!(
                    serve(TcpListener::from_std(http)?),
                    serve_unix(UnixListener::from_std(unix)?),
                    serve_uwsgi(TcpListener::from_std(uwsgi)?),
                )
            };
            if let Err(error) = runtime.block_on(serve) {
                eprintln!("load: the origin stopped: {error}");
            }
        })?;
        Ok(Self { http: http_address, socket, uwsgi: uwsgi_address })
    }

    /// The address and protocol for a server under test.
    pub(crate) fn application(&self, via: Via) -> Application {
        match via {
            Via::Http => Application::Http(self.http),
            Via::Unix => Application::Unix(self.socket.clone()),
            Via::Uwsgi => Application::Uwsgi(self.uwsgi),
        }
    }
}

/// The body of a response of this size.
pub(crate) fn body(size: usize) -> Vec<u8> {
    vec![b'o'; size]
}

/// The text of a page of this size, which can be compressed to a fifth or less.
pub(crate) fn text(size: usize) -> Vec<u8> {
    content::stylesheet(size)
}

/// How many requests for pages that may be stored have come.
pub(crate) fn stored_requests() -> u64 {
    STORED_REQUESTS.load(Ordering::Relaxed)
}

fn free_port() -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A server closes connections when it is stopped; the load notices every other case.
        tokio::spawn(async move { connection(stream).await.is_ok() });
    }
}

async fn serve_unix(listener: UnixListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move { connection(stream).await.is_ok() });
    }
}

async fn serve_uwsgi(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move { uwsgi_connection(stream).await.is_ok() });
    }
}

async fn connection(mut stream: impl wire::Stream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        match wire::read(&mut stream, buffer.get_mut(filled..).unwrap_or_default()).await? {
            0 => return Ok(()),
            count => filled += count,
        }
        let request = buffer.get(..filled).unwrap_or_default();
        if !complete(request)? {
            continue;
        }
        match asked(request) {
            Asked::Small => wire::write_all(&mut stream, &ANSWER).await?,
            Asked::Large => wire::write_all(&mut stream, &LARGE_ANSWER).await?,
            Asked::Last => return wire::write_all(&mut stream, &LAST_ANSWER).await,
            Asked::Text => wire::write_all(&mut stream, &TEXT_ANSWER).await?,
            Asked::Stored => wire::write_all(&mut stream, &stored(request)).await?,
            Asked::Echo => wire::write_all(&mut stream, &answer(request, "")).await?,
        }
        filled = 0;
    }
}

/// One request and its response: uWSGI closes the connection after that.
async fn uwsgi_connection(mut stream: impl wire::Stream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        match wire::read(&mut stream, buffer.get_mut(filled..).unwrap_or_default()).await? {
            0 => return Ok(()),
            count => filled += count,
        }
        let request = buffer.get(..filled).unwrap_or_default();
        // The load sends no bodies over this protocol: a packet is the whole request.
        let Some(variables) = uwsgi::variables(request) else { continue };
        if memmem::find(variables, ECHO.as_bytes()).is_some() {
            let lines = uwsgi::as_head(variables);
            return wire::write_all(&mut stream, &answer(lines.as_bytes(), "")).await;
        }
        return wire::write_all(&mut stream, &ANSWER).await;
    }
}

/// Whether the request is complete. The load waits for each response: a head without a body ends
/// where the buffer ends.
fn complete(request: &[u8]) -> io::Result<bool> {
    if !request.starts_with(b"POST ") {
        return Ok(request.ends_with(b"\r\n\r\n"));
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(size) = parsed.parse(request).map_err(io::Error::other)? else {
        return Ok(false);
    };
    let length: usize = parsed
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("a POST came without Content-Length"))?;
    Ok(request.len() - size >= length)
}

fn asked(request: &[u8]) -> Asked {
    let target = request.iter().position(|&byte| byte == b' ').unwrap_or_default();
    let target = request.get(target..).unwrap_or_default();
    if target.starts_with(LARGE_PATH) {
        Asked::Large
    } else if target.starts_with(LAST_PATH) {
        Asked::Last
    } else if target.get(1..).is_some_and(|target| target.starts_with(ECHO.as_bytes())) {
        Asked::Echo
    } else if target.get(1..).is_some_and(|target| target.starts_with(TEXT_PATH.as_bytes())) {
        Asked::Text
    } else if target.get(1..).is_some_and(|target| target.starts_with(STORED_PATH.as_bytes())) {
        Asked::Stored
    } else {
        Asked::Small
    }
}

/// A page that may be stored, for a target such as `/stored/1024` or `/stored/text/61440`.
fn stored(request: &[u8]) -> Vec<u8> {
    STORED_REQUESTS.fetch_add(1, Ordering::Relaxed);
    let target = request.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let target = String::from_utf8_lossy(target);
    let size = target.rsplit('/').next().and_then(|size| size.parse().ok()).unwrap_or(SMALL);
    let body = if target.contains(TEXT_PATH) { text(size) } else { body(size) };
    // A lifetime counts from now.
    let date = httpdate::fmt_http_date(SystemTime::now());
    answer_of(&date, &body, "Cache-Control: public, max-age=600\r\n")
}

/// A response with the headers of a plain Django page, and these lines.
pub(crate) fn answer(body: &[u8], fields: &str) -> Vec<u8> {
    answer_of("Mon, 01 Jan 2024 00:00:00 GMT", body, fields)
}

fn answer_of(date: &str, body: &[u8], fields: &str) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: {date}\r\n{fields}\
         Content-Type: text/html; charset=utf-8\r\nX-Frame-Options: DENY\r\nVary: Cookie\r\n\
         Content-Length: {}\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n\
         Cross-Origin-Opener-Policy: same-origin\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
