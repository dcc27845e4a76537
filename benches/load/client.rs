//! One HTTP/1.1 connection of the load: sends a prepared request, and checks the response.

use std::{cell::Cell, io, net::SocketAddr};

use tokio::io::AsyncWriteExt as _;

use crate::{
    chunks::Chunks,
    endpoint::{self, Door},
    wire::{self, Socket},
};

/// Fits a head and the whole body of the small rows; larger bodies are read in pieces.
const BUFFER: usize = 128 << 10;
/// The kernel discards bodies longer than this, in large steps. Copying them would keep the socket
/// busy, so that a varying share of the server's TCP work would move to this process
/// from run to run (README.md, "Large files").
const LARGE: usize = 2 << 20;
const STEP: usize = 1 << 20;
const MAX_HEADERS: usize = 32;
const NOT_MODIFIED: u16 = 304;

/// A connection with at most one request on it.
#[derive(Debug)]
pub(crate) struct Client {
    stream: Socket,
    buffer: Vec<u8>,
    /// Never written to, so it uses no memory.
    room: Vec<u8>,
    answered: u64,
}

/// A prepared request, and the expected response.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) request: Vec<u8>,
    pub(crate) status: u16,
    /// Length of the body.
    pub(crate) length: usize,
    /// Whether another length will do, up to this one: that of a compressed page may be random.
    pub(crate) is_longest: bool,
}

/// The head of a response whose body was passed on.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Length of the body.
    pub(crate) length: usize,
}

/// The result of a completed request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called {
    pub(crate) status: u16,
    /// Length of the body, if known.
    pub(crate) length: usize,
    /// Whether the connection can be reused.
    pub(crate) kept: bool,
}

/// The parts of a head that are needed to read the response.
struct Head {
    status: u16,
    /// Length of the body, if known.
    length: Option<usize>,
    is_chunked: bool,
    /// Whether the server announced that it closes the connection.
    last: bool,
    /// Bytes of the head.
    size: usize,
    /// Bytes read so far, including the head.
    filled: usize,
}

/// The bytes of a GET by a small client, with `fields` (whole lines) at the end.
pub(crate) fn request(address: SocketAddr, path: &str, fields: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: load/1\r\nAccept: */*\r\n{fields}\r\n"
    )
    .into_bytes()
}

/// The bytes of a POST of this body.
pub(crate) fn post(address: SocketAddr, path: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = post_head(address, path, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// The head of a POST whose body comes later.
pub(crate) fn post_head(address: SocketAddr, path: &str, length: usize) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: load/1\r\nAccept: */*\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

// === impl Client ===

impl Client {
    /// Connects.
    pub(crate) async fn connect(door: &Door) -> io::Result<Self> {
        let stream = door.enter().await?;
        Ok(Self { stream, buffer: vec![0; BUFFER], room: vec![0; STEP], answered: 0 })
    }

    /// Closes the connection cleanly for TLS and TCP, and opens a new one; buffered bytes are discarded.
    pub(crate) async fn reconnect(&mut self, door: &Door) -> io::Result<()> {
        self.stream.shutdown().await?;
        self.stream = door.enter().await?;
        self.answered = 0;
        Ok(())
    }

    /// Whether the connection resumed an earlier TLS session; `None` without TLS.
    pub(crate) fn resumed(&self) -> Option<bool> {
        endpoint::resumed(&self.stream)
    }

    /// Sends the request and reads the whole response, adding to `received` as its body arrives; a response with
    /// another status or length is an error.
    pub(crate) async fn get(&mut self, ask: &Ask, received: &Cell<u64>) -> io::Result<()> {
        wire::write_all(&mut self.stream, &ask.request).await?;
        let head = self.head().await?;
        let count = |bytes: usize| received.set(received.get() + bytes as u64);
        if head.is_chunked {
            let length = self.chunked(&head, |piece| count(piece.len())).await?;
            ask.check(head.status, length)?;
            self.answered += 1;
            return Ok(());
        }
        let length = head.length()?;
        ask.check(head.status, length)?;
        let mut seen = head.filled - head.size;
        count(seen);
        // Reads into the whole buffer: after a read that fills its buffer, one more
        // system call is needed to learn that the socket is empty.
        while seen < length {
            let size = if length > LARGE { self.skip().await? } else { self.fill(0).await? };
            count(size);
            seen += size;
        }
        if seen > length {
            return Err(wrong(format!(
                "{}: {} bytes came after the end of the body",
                ask.line(),
                seen - length
            )));
        }
        self.answered += 1;
        Ok(())
    }

    /// Sends `request` and passes the response's body on in pieces.
    pub(crate) async fn fetch(
        &mut self,
        request: &[u8],
        mut piece: impl FnMut(&[u8]),
    ) -> io::Result<Reply> {
        wire::write_all(&mut self.stream, request).await?;
        let head = self.head().await?;
        let (text, rest) = self
            .buffer
            .get(..head.filled)
            .and_then(|bytes| bytes.split_at_checked(head.size))
            .ok_or_else(|| wrong("the head is longer than what was read".into()))?;
        let headers = String::from_utf8_lossy(text)
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        if head.is_chunked {
            let length = self.chunked(&head, piece).await?;
            self.answered += 1;
            return Ok(Reply { status: head.status, headers, length });
        }
        piece(rest);
        let length = head.length()?;
        let mut seen = rest.len();
        while seen < length {
            let count = self.fill(0).await?;
            piece(self.buffer.get(..count).unwrap_or_default());
            seen += count;
        }
        if seen > length {
            return Err(wrong(format!("{} bytes came after the end of the body", seen - length)));
        }
        self.answered += 1;
        Ok(Reply { status: head.status, headers, length })
    }

    /// Sends `request` and reads the whole response, whatever it is.
    pub(crate) async fn call(&mut self, request: &[u8]) -> io::Result<Called> {
        wire::write_all(&mut self.stream, request).await?;
        let head = self.head().await?;
        let length = match head.length {
            Some(length) => length,
            None if head.status == 200 => head.length()?,
            // The server's own page, which ends with the connection: only its status counts.
            None => return Ok(Called { status: head.status, length: 0, kept: false }),
        };
        let mut seen = head.filled - head.size;
        while seen < length {
            seen += self.fill(0).await?;
        }
        self.answered += 1;
        Ok(Called { status: head.status, length, kept: !head.last && seen == length })
    }

    /// Whether the server has neither closed the connection nor sent anything unrequested.
    pub(crate) fn is_open(&mut self) -> bool {
        self.stream.is_open()
    }

    async fn head(&mut self) -> io::Result<Head> {
        let mut filled = 0;
        loop {
            filled += self.fill(filled).await?;
            if let Some(head) = parse(self.buffer.get(..filled).unwrap_or_default())? {
                return Ok(head);
            }
        }
    }

    /// Reads a chunked body to its end; returns its length.
    async fn chunked(&mut self, head: &Head, mut piece: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut chunks = Chunks::default();
        let (mut start, mut end, mut length) = (head.size, head.filled, 0);
        loop {
            chunks.feed(self.buffer.get(start..end).unwrap_or_default(), |data| {
                length += data.len();
                piece(data);
            })?;
            if chunks.is_done() {
                return Ok(length);
            }
            (start, end) = (0, self.fill(0).await?);
        }
    }

    /// Reads once into the buffer from `start` on.
    async fn fill(&mut self, start: usize) -> io::Result<usize> {
        let space = self.buffer.get_mut(start..).unwrap_or_default();
        if space.is_empty() {
            return Err(wrong(format!("the head is longer than {BUFFER} bytes")));
        }
        let count = wire::read(&mut self.stream, space).await?;
        self.some(count)
    }

    /// Discards the received bytes.
    async fn skip(&mut self) -> io::Result<usize> {
        let count = self.stream.discard(&mut self.room).await?;
        self.some(count)
    }

    fn some(&self, count: usize) -> io::Result<usize> {
        if count > 0 {
            return Ok(count);
        }
        Err(wrong(format!(
            "the server closed a connection that should be kept, after {} answers",
            self.answered
        )))
    }
}

// === impl Ask ===

impl Ask {
    /// Whether a response is the expected one.
    fn check(&self, status: u16, length: usize) -> io::Result<()> {
        let is_right =
            length == self.length || self.is_longest && (1..self.length).contains(&length);
        if status == self.status && is_right {
            return Ok(());
        }
        Err(wrong(format!(
            "{}: expected status {} with {} bytes, got {status} with {length}",
            self.line(),
            self.status,
            self.length,
        )))
    }

    /// The request line, for messages.
    fn line(&self) -> String {
        let line = self.request.split(|&byte| byte == b'\r').next().unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    }
}

// === impl Head ===

impl Head {
    fn length(&self) -> io::Result<usize> {
        self.length.ok_or_else(|| {
            wrong(format!("the answer {} has no usable Content-Length", self.status))
        })
    }
}

// === impl Reply ===

impl Reply {
    /// The value of the header with this lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn parse(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let size = match response.parse(bytes) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(wrong(format!("the answer is not HTTP: {error}"))),
    };
    let status = response.code.unwrap_or(0);
    let named = |name: &str| {
        response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .and_then(|header| std::str::from_utf8(header.value).ok())
    };
    // RFC 9112, 6.3: a 304 ends with its head, whatever length it names.
    let length = match status {
        NOT_MODIFIED => Some(0),
        _ => named("content-length").and_then(|value| value.parse().ok()),
    };
    let is_chunked = named("transfer-encoding").is_some_and(|value| value == "chunked");
    let last = response.version == Some(0)
        || named("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some(Head { status, length, is_chunked, last, size, filled: bytes.len() }))
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
