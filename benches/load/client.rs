//! One HTTP/1.1 connection of the load: sends a prepared request, checks what comes back.

use std::{io, net::SocketAddr};

use tokio::net::TcpStream;

use crate::wire;

/// Fits a head and the whole body of the small rows; larger bodies pass through in pieces.
const BUFFER: usize = 128 << 10;
const MAX_HEADERS: usize = 32;

/// A connection with at most one request on it.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    answered: u64,
}

/// The answer to a request, kept whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What reading an answer needs to know of its head.
struct Head {
    status: u16,
    length: usize,
    /// Bytes of the head itself.
    size: usize,
    /// Bytes read so far, head included.
    filled: usize,
}

/// The bytes of a GET as a small client would send them.
pub(crate) fn request(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: load/1\r\nAccept: */*\r\n\r\n")
        .into_bytes()
}

// === impl Client ===

impl Client {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER], answered: 0 })
    }

    /// Sends `request` and reads the answer through; anything but 200 with `length` bytes is an error.
    pub(crate) async fn get(&mut self, request: &[u8], length: usize) -> io::Result<()> {
        wire::write_all(&mut self.stream, request).await?;
        let head = self.head().await?;
        if (head.status, head.length) != (200, length) {
            return Err(wrong(format!(
                "expected status 200 with {length} bytes, got {} with {}",
                head.status, head.length
            )));
        }
        let end = head.size + head.length;
        let mut seen = head.filled;
        // Reads into the whole buffer: a read that fills what it was given is followed by one more
        // system call to learn that nothing is left.
        while seen < end {
            seen += self.fill(0).await?;
        }
        if seen > end {
            return Err(wrong(format!("{} bytes came after the end of the body", seen - end)));
        }
        self.answered += 1;
        Ok(())
    }

    /// Sends `request` and keeps the answer.
    pub(crate) async fn fetch(&mut self, request: &[u8]) -> io::Result<Reply> {
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
        let mut body = rest.to_vec();
        while body.len() < head.length {
            let count = self.fill(0).await?;
            body.extend_from_slice(self.buffer.get(..count).unwrap_or_default());
        }
        self.answered += 1;
        Ok(Reply { status: head.status, headers, body })
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

    /// Reads once into the buffer from `start` on.
    async fn fill(&mut self, start: usize) -> io::Result<usize> {
        let space = self.buffer.get_mut(start..).unwrap_or_default();
        if space.is_empty() {
            return Err(wrong(format!("the head is longer than {BUFFER} bytes")));
        }
        match wire::read(&mut self.stream, space).await? {
            0 => Err(wrong(format!(
                "the server closed a connection that should be kept, after {} answers",
                self.answered
            ))),
            count => Ok(count),
        }
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
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| wrong("the answer has no usable Content-Length".into()))?;
    Ok(Some(Head { status: response.code.unwrap_or(0), length, size, filled: bytes.len() }))
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
