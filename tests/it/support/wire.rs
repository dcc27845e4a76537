//! Reads HTTP from a socket with a deadline. Received bytes are kept, so that a failure can
//! show them.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    time::{Duration, Instant},
};

use socket2::Socket;

use super::{
    head::{Framing, Head},
    wait::TIME_LIMIT,
};

/// A request as an application received it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Socket,
    /// Bytes that arrived and were not read yet.
    buffer: Vec<u8>,
    /// The last of all received bytes.
    recent: Vec<u8>,
    pub(super) read_timeout: Duration,
}

/// The reason of a failed read, and the bytes received before.
pub(crate) struct Failure {
    what: String,
    arrived: Vec<u8>,
}

const RECENT: usize = 2000;

// === impl Request ===

impl Request {
    pub(crate) fn method(&self) -> &str {
        self.head.start.split(' ').next().unwrap_or_default()
    }

    /// The request target, byte for byte.
    pub(crate) fn target(&self) -> &str {
        self.head.start.split(' ').nth(1).unwrap_or_default()
    }
}

// === impl Wire ===

impl Wire {
    pub(crate) fn new(stream: impl Into<Socket>) -> Self {
        let stream = stream.into();
        // A unix socket has no such option.
        let _ = stream.set_tcp_nodelay(true);
        stream.set_write_timeout(Some(TIME_LIMIT)).unwrap();
        Self { stream, buffer: Vec::new(), recent: Vec::new(), read_timeout: TIME_LIMIT }
    }

    pub(crate) fn stream(&self) -> &Socket {
        &self.stream
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next head, or `None` if the peer closed the connection before a byte of it.
    pub(crate) fn head(&mut self) -> Result<Option<Head>, Failure> {
        match self.until(b"\r\n\r\n")? {
            None => Ok(None),
            Some(raw) => Head::parse(&raw).map(Some).map_err(|what| self.failure(what)),
        }
    }

    /// The next request with its body, or `None` if the peer closed the connection before.
    pub(crate) fn request(&mut self) -> Result<Option<Request>, Failure> {
        let Some(head) = self.head()? else { return Ok(None) };
        let framing = head.framing_of_request().map_err(|what| self.failure(what))?;
        let body = self.body(framing)?;
        Ok(Some(Request { head, body }))
    }

    /// A body without its framing; fails at any malformed end.
    pub(crate) fn body(&mut self, framing: Framing) -> Result<Vec<u8>, Failure> {
        match framing {
            Framing::None => Ok(Vec::new()),
            Framing::Length(length) => self.exact(length),
            Framing::Chunked => self.chunked(),
            Framing::UntilClose => self.rest(),
        }
    }

    /// Everything up to and including `end`, or `None` if the peer closed before a byte.
    pub(crate) fn until(&mut self, end: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let deadline = Instant::now() + self.read_timeout;
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer[searched..], end) {
                return Ok(Some(self.take(searched + at + end.len())));
            }
            searched = (self.buffer.len() + 1).saturating_sub(end.len());
            if self.fill(deadline)? == 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Err(self.failure(format!("closed before \"{}\"", end.escape_ascii())));
            }
        }
    }

    /// Reads exactly this many bytes.
    pub(crate) fn exact(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + self.read_timeout;
        while self.buffer.len() < length {
            if self.fill(deadline)? == 0 {
                let got = self.buffer.len();
                return Err(self.failure(format!("closed after {got} of {length} bytes")));
            }
        }
        Ok(self.take(length))
    }

    /// Reads until the peer closes the connection without a reset.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + self.read_timeout;
        while self.fill(deadline)? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Returns the bytes that have already arrived, without waiting.
    pub(crate) fn arrived(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// A failure that shows the received bytes.
    pub(crate) fn failure(&self, what: impl Into<String>) -> Failure {
        Failure { what: what.into(), arrived: self.recent.clone() }
    }

    fn chunked(&mut self) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| self.failure(format!("no chunk size: {line:?}")))?;
            if size == 0 {
                break;
            }
            body.extend(self.exact(size)?);
            if self.exact(2)? != b"\r\n" {
                return Err(self.failure("a chunk is longer than its size"));
            }
        }
        while !self.line()?.is_empty() {}
        Ok(body)
    }

    fn line(&mut self) -> Result<String, Failure> {
        match self.until(b"\r\n")? {
            Some(line) => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            None => Err(self.failure("closed within a chunked body")),
        }
    }

    fn fill(&mut self, deadline: Instant) -> Result<usize, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.failure(format!("nothing came in {:?}", self.read_timeout)));
        }
        self.stream.set_read_timeout(Some(left)).map_err(|e| self.failure(e.to_string()))?;
        let mut piece = [0; 65536];
        match self.stream.read(&mut piece) {
            Ok(length) => {
                self.buffer.extend_from_slice(&piece[..length]);
                self.recent.extend_from_slice(&piece[..length]);
                let surplus = self.recent.len().saturating_sub(RECENT);
                self.recent.drain(..surplus);
                Ok(length)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(self.failure(format!("nothing came in {:?}", self.read_timeout)))
            }
            Err(error) => Err(self.failure(error.to_string())),
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }
}

// === impl Failure ===

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, arrived } = self;
        write!(f, "{what}; the last {} bytes that arrived: ", arrived.len())?;
        write!(f, "\"{}\"", arrived.escape_ascii())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
