//! One HTTP/1.1 connection to the deployment: sends a request and reads its response to the end.

use std::io;

use super::{
    failure::{Failure, FailureKind},
    response::{self, BodyLength, ResponseHead, invalid},
};
use crate::wire::{self, Socket};

/// Fits the largest head that common servers send; bodies pass through in pieces.
const BUFFER: usize = 64 << 10;

/// A connection with at most one request on it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Socket,
    buffer: Vec<u8>,
    /// What was read and not used yet: `buffer[start..end]`.
    start: usize,
    end: usize,
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) head: ResponseHead,
    /// Bytes of the body, as they were sent.
    pub(crate) received: u64,
}

// === impl Connection ===

impl Connection {
    /// A connection that was just opened.
    pub(crate) fn new(stream: Socket) -> Self {
        Self { stream, buffer: vec![0; BUFFER], start: 0, end: 0 }
    }

    /// Whether the server has neither closed the connection nor sent anything unasked.
    pub(crate) fn is_open(&mut self) -> bool {
        self.stream.is_open()
    }

    /// Sends a request and reads the response to its end.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Response, Failure> {
        wire::write_all(&mut self.stream, request)
            .await
            .map_err(|error| Failure::new(FailureKind::ClosedBefore, error))?;
        let head = loop {
            let head = self.head().await?;
            self.start += head.size;
            match head.status {
                101 => return Err(invalid("status 101, which nobody asked for".into())),
                100..=199 => {}
                _ => break head,
            }
        };
        let received = match head.body {
            BodyLength::Known(length) => {
                self.skip(length).await?;
                length
            }
            BodyLength::Chunked => self.chunks().await?,
            BodyLength::UntilClose => self.rest().await?,
        };
        if self.start < self.end {
            return Err(invalid("bytes came after the end of the response".into()));
        }
        (self.start, self.end) = (0, 0);
        Ok(Response { head, received })
    }

    async fn head(&mut self) -> Result<ResponseHead, Failure> {
        loop {
            if let Some(head) = response::parse(self.unread())? {
                return Ok(head);
            }
            let kind = match self.unread() {
                [] => FailureKind::ClosedBefore,
                _ => FailureKind::ClosedWithin,
            };
            if self.fill().await.map_err(|error| Failure::new(kind, error))? == 0 {
                return Err(Failure::new(kind, "end of the connection"));
            }
        }
    }

    /// Reads past so many bytes.
    async fn skip(&mut self, length: u64) -> Result<(), Failure> {
        let mut left = length;
        loop {
            let here = left.min(self.unread().len() as u64);
            self.start += here as usize;
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.more().await?;
        }
    }

    /// Reads past the chunks and the trailers; returns the bytes of the chunks.
    async fn chunks(&mut self) -> Result<u64, Failure> {
        let mut received: u64 = 0;
        loop {
            let size = loop {
                match httparse::parse_chunk_size(self.unread()) {
                    Ok(httparse::Status::Complete((line, size))) => {
                        self.start += line;
                        break size;
                    }
                    Ok(httparse::Status::Partial) => self.more().await?,
                    Err(_) => return Err(invalid("a chunk's size is no number".into())),
                }
            };
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(received);
            }
            self.skip(size).await?;
            received = received.saturating_add(size);
            if !self.line().await?.is_empty() {
                return Err(invalid("a chunk is longer than its size".into()));
            }
        }
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(length) = memchr::memchr(b'\n', self.unread()) {
                let line = self.unread().get(..length).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                self.start += length + 1;
                return Ok(line);
            }
            self.more().await?;
        }
    }

    /// Reads to the end of the connection.
    async fn rest(&mut self) -> Result<u64, Failure> {
        let mut received = 0;
        loop {
            received += self.unread().len() as u64;
            self.start = self.end;
            match self.fill().await {
                Ok(0) => return Ok(received),
                Ok(_) => {}
                Err(error) => return Err(Failure::new(FailureKind::ClosedWithin, error)),
            }
        }
    }

    async fn more(&mut self) -> Result<(), Failure> {
        match self.fill().await {
            Ok(0) => Err(Failure::new(FailureKind::ClosedWithin, "end of the connection")),
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::new(FailureKind::ClosedWithin, error)),
        }
    }

    /// Reads once, behind what is there; 0 is the end of the connection.
    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let space = self.buffer.get_mut(self.end..).unwrap_or_default();
        if space.is_empty() {
            let what = format!("a head or a line is longer than {BUFFER} bytes");
            return Err(io::Error::other(what));
        }
        let count = wire::read(&mut self.stream, space).await?;
        self.end += count;
        Ok(count)
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }
}
