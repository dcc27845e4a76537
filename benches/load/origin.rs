//! The application's stand-in: answers 1 KiB at once, on a thread of this process.
//!
//! Its CPU time is this process's, never the server's. It checks nothing that would slow it down;
//! `probe` looks once, through `ECHO`, at what the server under test sends on.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::LazyLock,
    thread,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
};

use crate::wire;

/// The path that answers with the request's own head.
pub(crate) const ECHO: &str = "/echo";
/// The body of every other answer.
pub(crate) const BODY: [u8; 1 << 10] = [b'o'; 1 << 10];

static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| answer(&BODY));

/// A running origin; it lives as long as the process.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
}

// === impl Origin ===

impl Origin {
    /// Starts the origin on a free port.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        thread::Builder::new().name("origin".into()).spawn(move || {
            if let Err(error) = runtime.block_on(serve(listener)) {
                eprintln!("load: the origin stopped: {error}");
            }
        })?;
        Ok(Self { address })
    }
}

async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A server that hangs up does so when it is stopped; the load notices every other case.
            let _ = connection(stream).await;
        });
    }
}

async fn connection(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 << 10];
    let mut filled = 0;
    loop {
        match wire::read(&mut stream, buffer.get_mut(filled..).unwrap_or_default()).await? {
            0 => return Ok(()),
            count => filled += count,
        }
        let request = buffer.get(..filled).unwrap_or_default();
        // The load sends no bodies and waits for each answer: a head's end is the buffer's end.
        if request.ends_with(b"\r\n\r\n") {
            if request.starts_with(b"GET /echo ") {
                wire::write_all(&mut stream, &answer(request)).await?;
            } else {
                wire::write_all(&mut stream, &ANSWER).await?;
            }
            filled = 0;
        }
    }
}

/// A response with the headers of a plain Django page.
fn answer(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
         Content-Type: text/html; charset=utf-8\r\nX-Frame-Options: DENY\r\nVary: Cookie\r\n\
         Content-Length: {}\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n\
         Cross-Origin-Opener-Policy: same-origin\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
