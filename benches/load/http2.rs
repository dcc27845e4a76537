//! The load over HTTP/2: connections with a fixed number of concurrent requests.
//!
//! Requests are those of the HTTP/1.1 rows, header by header, and their responses are checked like there.

use std::{fs, io, path::Path, rc::Rc, time::Instant};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::{HeaderMap, Request, header};
use tokio::task::JoinSet;

use crate::{
    client::Ask,
    endpoint::Door,
    load_target::{Aim, Progress},
    wire::Socket,
};

/// Like browsers: no response of the load waits for a window.
const WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const MAX_HEADERS: usize = 32;

/// A connection; its requests are sent through clones of `requests`.
pub(crate) struct Http2 {
    pub(crate) requests: SendRequest<Bytes>,
    /// Drives the connection; it ends with the connection.
    pub(crate) driver: client::Connection<Socket, Bytes>,
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Connects, and lets this number of concurrent requests take part in the load.
pub(crate) async fn join(
    tasks: &mut JoinSet<io::Result<()>>,
    streams: u32,
    aim: &Rc<Aim>,
    progress: &Rc<Progress>,
) -> io::Result<()> {
    let Http2 { requests, driver } = Http2::connect(&aim.door).await?;
    let watched = Rc::clone(progress);
    tasks.spawn_local(async move {
        driver.await.map_err(io::Error::other)?;
        if watched.stopped() {
            return Ok(());
        }
        Err(io::Error::other("the server ended an HTTP/2 connection that should be kept"))
    });
    for _ in 0..streams {
        tasks.spawn_local(stream(requests.clone(), Rc::clone(aim), Rc::clone(progress)));
    }
    Ok(())
}

/// Sends one request and compares every byte, and the names of `headers`, with the expected ones.
pub(crate) async fn look(door: &Door, ask: &Ask, headers: &[&str], file: &Path) -> io::Result<()> {
    let Http2 { mut requests, driver } = Http2::connect(door).await?;
    let driver = tokio::spawn(driver);
    let answered = call(&mut requests, request(ask)?, Bytes::new()).await?;
    driver.abort();
    let missing = headers.iter().find(|name| !answered.headers.contains_key(**name));
    if let Some(name) = missing {
        return Err(wrong(format!("no {name} came by HTTP/2")));
    }
    if answered.status != ask.status || answered.body != fs::read(file)? {
        return Err(wrong(format!("status {} or the body is wrong by HTTP/2", answered.status)));
    }
    Ok(())
}

/// The request of an `Ask` in HTTP/2 form.
pub(crate) fn request(ask: &Ask) -> io::Result<Request<()>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(&ask.request).map_err(io::Error::other)?;
    let (method, path) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    let host = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"));
    let host = String::from_utf8_lossy(host.map_or(b"", |field| field.value));
    let mut request = Request::builder().method(method).uri(format!("https://{host}{path}"));
    for field in parsed.headers.iter() {
        if !field.name.eq_ignore_ascii_case(header::HOST.as_str()) {
            request = request.header(field.name, field.value);
        }
    }
    request.body(()).map_err(io::Error::other)
}

/// Sends a request with this body, and reads the whole response.
pub(crate) async fn call(
    requests: &mut SendRequest<Bytes>,
    request: Request<()>,
    body: Bytes,
) -> io::Result<Answered> {
    let mut requests = requests.clone().ready().await.map_err(io::Error::other)?;
    let (answer, mut sending) =
        requests.send_request(request, body.is_empty()).map_err(io::Error::other)?;
    if !body.is_empty() {
        sending.send_data(body, true).map_err(io::Error::other)?;
    }
    let (head, mut incoming) = answer.await.map_err(io::Error::other)?.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = incoming.data().await {
        let piece = piece.map_err(io::Error::other)?;
        incoming.flow_control().release_capacity(piece.len()).map_err(io::Error::other)?;
        body.extend_from_slice(&piece);
    }
    Ok(Answered { status: head.status.as_u16(), headers: head.headers, body })
}

// === impl Http2 ===

impl Http2 {
    /// Connects.
    pub(crate) async fn connect(door: &Door) -> io::Result<Self> {
        let socket = door.enter().await?;
        let (requests, driver) = client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            .handshake(socket)
            .await
            .map_err(io::Error::other)?;
        Ok(Self { requests, driver })
    }
}

/// Sends requests one after the other, concurrently with others on the same connection.
async fn stream(
    mut requests: SendRequest<Bytes>,
    aim: Rc<Aim>,
    progress: Rc<Progress>,
) -> io::Result<()> {
    let ask = aim.first()?;
    let prepared = request(ask)?;
    while !progress.stopped() {
        let sent = Instant::now();
        // Waits while the server allows no further stream.
        requests = requests.ready().await.map_err(io::Error::other)?;
        let (answer, _) =
            requests.send_request(prepared.clone(), true).map_err(io::Error::other)?;
        let answer = answer.await.map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        let mut incoming = answer.into_body();
        let mut length = 0;
        while let Some(piece) = incoming.data().await {
            let size = piece.map_err(io::Error::other)?.len();
            incoming.flow_control().release_capacity(size).map_err(io::Error::other)?;
            length += size;
        }
        if (status, length) != (ask.status, ask.length) {
            return Err(wrong(format!(
                "expected status {} with {} bytes, got {status} with {length} by HTTP/2",
                ask.status, ask.length,
            )));
        }
        progress.count(sent);
    }
    Ok(())
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
