//! The application of `mixed` and `slowloris`: a thread of this process that responds at once.
//!
//! It echoes its input: uploads get a response with their digest, and bytes on an upgraded
//! connection are sent back.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    thread,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{origin, wire};

/// Bytes of the page.
pub(super) const PAGE: usize = 1 << 10;
/// The path whose response has `LARGE` bytes.
pub(super) const LARGE_PATH: &str = "/large";
pub(super) const LARGE: usize = 256 << 10;
/// RFC 6455, 1.3: the key of its example, and the required response to it.
pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const MAX_HEADERS: usize = 64;
/// More than any head or upload.
const LIMIT: usize = 4 << 20;
const PIECE: usize = 64 << 10;

/// A complete request.
enum Asked {
    Page,
    Large,
    /// The response has the digest of the body.
    Upload(u64),
    Upgrade,
}

/// Starts it on a free port; it lives as long as the process.
pub(super) fn start() -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    thread::Builder::new().name("application".into()).spawn(move || {
        if let Err(error) = runtime.block_on(serve(listener)) {
            eprintln!("load: the application stopped: {error}");
        }
    })?;
    Ok(address)
}

/// The response to an upload of this body.
pub(super) fn receipt(body: &[u8]) -> String {
    digest(xxh3_64(body))
}

fn digest(hash: u64) -> String {
    format!("{hash:016x}")
}

async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // The load notices failures.
        tokio::spawn(async move { connection(stream).await.is_ok() });
    }
}

async fn connection(mut stream: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let Some((asked, size)) = parse(&request)? else {
            match wire::read(&mut stream, &mut piece).await? {
                0 => return Ok(()),
                count => request.extend_from_slice(piece.get(..count).unwrap_or_default()),
            }
            if request.len() > LIMIT {
                return Err(io::Error::other("a request is too long"));
            }
            continue;
        };
        request.drain(..size);
        match asked {
            Asked::Page => answer(&mut stream, &origin::body(PAGE)).await?,
            Asked::Large => answer(&mut stream, &origin::body(LARGE)).await?,
            Asked::Upload(hash) => answer(&mut stream, digest(hash).as_bytes()).await?,
            Asked::Upgrade => {
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
                );
                wire::write_all(&mut stream, head.as_bytes()).await?;
                wire::write_all(&mut stream, &request).await?;
                return echo(stream, piece).await;
            }
        }
    }
}

async fn answer(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    wire::write_all(stream, &origin::answer(body, "")).await
}

async fn echo(mut stream: TcpStream, mut piece: Vec<u8>) -> io::Result<()> {
    loop {
        match wire::read(&mut stream, &mut piece).await? {
            0 => return Ok(()),
            count => wire::write_all(&mut stream, piece.get(..count).unwrap_or_default()).await?,
        }
    }
}

/// The first request and its size, if it is complete.
fn parse(bytes: &[u8]) -> io::Result<Option<(Asked, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let field = |name: &str| {
        let named = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        named.and_then(|field| std::str::from_utf8(field.value).ok())
    };
    if field("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return Ok(Some((Asked::Upgrade, head)));
    }
    let length = match field("content-length") {
        Some(length) => length.parse::<usize>().map_err(io::Error::other)?,
        None => 0,
    };
    let Some(body) = bytes.get(head..).and_then(|rest| rest.get(..length)) else {
        return Ok(None);
    };
    let asked = match (parsed.method, parsed.path) {
        (Some("POST"), _) => Asked::Upload(xxh3_64(body)),
        (_, Some(path)) if path.starts_with(LARGE_PATH) => Asked::Large,
        _ => Asked::Page,
    };
    Ok(Some((asked, head + length)))
}
