//! Writes a response: the head together with the available part of the body, then the rest as it arrives and the client
//! reads it. Available bytes are written at once, in as few system calls as possible.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;

use super::{
    connection::Http1Connection,
    departure::{ClientWait, DisconnectDetector},
    response_head::{Delimiter, MAX_COPIED_CHUNK},
    socket::{ClientSocket, MAX_GATHERED},
    write_file::{FileStep, FileWriter},
};
use crate::{
    body::{Deadline, SealedPart},
    pipeline::TrackedResponse,
    rfc::trailers,
};

/// The most that is gathered for a slow client. It is held in memory while the client reads nothing.
const MAX_GATHERED_SLOW: usize = 16 * 1024;
/// The end of a chunk, and of a chunked body without trailers (RFC 9112, 7.1).
const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// Why a response was not written completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteFailure {
    /// The client has disconnected.
    Disconnected,
    /// The client read nothing for too long.
    Stalled,
    /// The body failed before its end.
    Body,
}

/// A response that is being written. Its head is in the socket's output.
struct ResponseWriter<'a> {
    response: &'a mut TrackedResponse,
    delimiter: Delimiter,
    /// The trailers that were announced.
    trailer: Option<HeaderValue>,
    departure: &'a mut DisconnectDetector,
    /// A chunk of the body, and the bytes that follow it.
    data: Bytes,
    tail: &'static [u8],
    /// A body that the kernel sends from a sealed file.
    sealed: Option<SealedPart>,
    /// A body that is read, or sent by the kernel, when the client accepts more.
    file: Option<FileWriter>,
    source: ResponseSource,
    /// Whether all written bytes have left this process (relevant for TLS).
    is_flushed: bool,
    /// Since when the client reads nothing.
    blocked: Option<Instant>,
    /// The number of bytes to gather before a write.
    max_gathered: usize,
}

/// Whether more of the body may arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponseSource {
    Open,
    Over,
    Broken,
}

/// Writes the output and the body of a response to the end.
pub(super) async fn write(
    connection: &mut Http1Connection<'_>,
    response: &mut TrackedResponse,
    (delimiter, trailer): (Delimiter, Option<HeaderValue>),
    departure: &mut DisconnectDetector,
) -> Result<(), WriteFailure> {
    if delimiter == Delimiter::Nothing {
        response.omit_body();
    }
    let mut writer = ResponseWriter {
        response,
        delimiter,
        trailer,
        departure,
        data: Bytes::new(),
        tail: b"",
        sealed: None,
        file: None,
        source: ResponseSource::Open,
        is_flushed: true,
        blocked: None,
        max_gathered: MAX_GATHERED,
    };
    writer.take_sealed(connection);
    writer.take_file(connection);
    let result = poll_fn(|cx| writer.poll(connection, cx)).await;
    if result.is_err() {
        writer.response.client_disconnected();
    }
    result
}

// === impl ResponseWriter ===

impl ResponseWriter<'_> {
    /// Lets the kernel send a body from a sealed file, if there is no TLS in between.
    fn take_sealed(&mut self, connection: &Http1Connection<'_>) {
        let mut socket = connection.socket.borrow_mut();
        if socket.stream.takes_files()
            && let Some(part) = self.response.take_sealed()
        {
            socket.stream.shorten_queue();
            self.sealed = Some(part);
            self.source = ResponseSource::Over;
        }
    }

    /// Takes over a file body, which is read when the client accepts more. A body of unknown length is not taken.
    fn take_file(&mut self, connection: &Http1Connection<'_>) {
        if let Delimiter::Length(length) = self.delimiter
            && let Some(file) = self.response.file()
            && file.left() == length
        {
            connection.socket.borrow_mut().stream.shorten_queue();
            self.file = Some(FileWriter::new());
        }
    }

    fn poll(
        &mut self,
        connection: &mut Http1Connection<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteFailure>> {
        let socket = Rc::clone(&connection.socket);
        if let Some(file) = &mut self.file {
            file.begin_turn();
        }
        loop {
            self.gather(&socket, cx);
            let socket = &mut *socket.borrow_mut();
            if let Some(file) = &mut self.file {
                match file.poll(self.response, socket, cx) {
                    FileStep::Written => {
                        self.blocked = None;
                        self.is_flushed = false;
                        continue;
                    }
                    FileStep::Enough => return Poll::Pending,
                    FileStep::Blocked => return self.poll_blocked(connection, socket, cx),
                    FileStep::Disconnected => return Poll::Ready(Err(WriteFailure::Disconnected)),
                    // Write the bytes that are available meanwhile.
                    FileStep::Reading => {}
                    FileStep::Over => (self.file, self.source) = (None, ResponseSource::Over),
                    FileStep::Broken => (self.file, self.source) = (None, ResponseSource::Broken),
                }
            }
            if self.source == ResponseSource::Over
                && self.sealed.is_none()
                && socket.output.len() + self.data.len() <= MAX_GATHERED
            {
                self.response.finish();
            }
            if self.is_written(socket) {
                return match self.source {
                    ResponseSource::Broken => Poll::Ready(Err(WriteFailure::Body)),
                    ResponseSource::Over if self.is_flushed => Poll::Ready(Ok(())),
                    ResponseSource::Open if self.is_flushed => self.poll_departure(socket, cx),
                    ResponseSource::Over | ResponseSource::Open => match socket.poll_flush(cx) {
                        Poll::Ready(Ok(())) => {
                            self.is_flushed = true;
                            continue;
                        }
                        Poll::Ready(Err(_)) => Poll::Ready(Err(WriteFailure::Disconnected)),
                        Poll::Pending => self.poll_blocked(connection, socket, cx),
                    },
                };
            }
            match self.poll_some(socket, cx) {
                Poll::Ready(Ok(())) => {
                    self.blocked = None;
                    self.is_flushed = false;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(WriteFailure::Disconnected)),
                Poll::Pending => return self.poll_blocked(connection, socket, cx),
            }
        }
    }

    fn is_written(&self, socket: &ClientSocket) -> bool {
        socket.output.is_empty()
            && self.data.is_empty()
            && self.tail.is_empty()
            && self.sealed.is_none()
    }

    /// Gathers available parts of the body, up to the size of one write.
    fn gather(&mut self, socket: &RefCell<ClientSocket>, cx: &mut Context<'_>) {
        while self.source == ResponseSource::Open
            && self.file.is_none()
            && self.data.is_empty()
            && self.tail.is_empty()
            && socket.borrow().output.len() < self.max_gathered
        {
            // The body may be read from this socket, so the socket must not be borrowed here.
            let polled = Pin::new(&mut *self.response).poll_frame(cx);
            let is_end = self.response.is_end_stream();
            let output = &mut socket.borrow_mut().output;
            match polled {
                Poll::Pending => return,
                Poll::Ready(None) => self.end(output, None),
                Poll::Ready(Some(Err(_))) => self.source = ResponseSource::Broken,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.take(output, data),
                    Err(frame) => self.end(output, frame.into_trailers().ok().as_ref()),
                },
            }
            // End the body here, so that its end is written together with the last bytes.
            if self.source == ResponseSource::Open && is_end {
                self.end(output, None);
            }
        }
    }

    /// Takes a chunk of the body.
    fn take(&mut self, output: &mut BytesMut, mut data: Bytes) {
        if let Delimiter::Length(left) = &mut self.delimiter {
            // The client would take bytes beyond the announced length for the next response.
            data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= data.len() as u64;
        }
        if data.is_empty() {
            return;
        }
        let is_chunked = self.delimiter == Delimiter::Chunked;
        if is_chunked {
            write_size(output, data.len());
        }
        if data.len() <= MAX_COPIED_CHUNK && output.len() + data.len() <= self.max_gathered {
            output.extend_from_slice(&data);
            if is_chunked {
                output.extend_from_slice(CHUNK_END);
            }
            return;
        }
        self.data = data;
        if is_chunked {
            self.tail = CHUNK_END;
        }
    }

    /// Handles the end of the body.
    fn end(&mut self, output: &mut BytesMut, trailers: Option<&HeaderMap>) {
        self.source = match self.delimiter {
            // The body is shorter than announced.
            Delimiter::Length(1..) => ResponseSource::Broken,
            Delimiter::Nothing | Delimiter::Length(0) | Delimiter::Chunked | Delimiter::Close => {
                ResponseSource::Over
            }
        };
        if self.delimiter != Delimiter::Chunked {
            return;
        }
        if !self.data.is_empty() {
            // Trailers would follow separately.
            self.tail = LAST_CHUNK;
            return;
        }
        output.put_slice(b"0\r\n");
        for (name, value) in trailers.into_iter().flatten() {
            if self.trailer.as_ref().is_some_and(|names| trailers::lists(names, name)) {
                for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                    output.put_slice(part);
                }
            }
        }
        output.put_slice(b"\r\n");
    }

    /// Writes some of the available bytes.
    fn poll_some(
        &mut self,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.sealed.is_some() {
            return self.poll_sealed(socket, cx);
        }
        if self.data.len() > MAX_GATHERED {
            // The response's memory is freed as the client reads it, not as the kernel queues it.
            socket.stream.shorten_queue();
        }
        let mut written = ready!(socket.poll_write(cx, &self.data, self.tail))?;
        let of_data = written.min(self.data.len());
        written -= of_data;
        if of_data == self.data.len() {
            // Free the memory, because the next chunk may need it.
            self.data = Bytes::new();
            self.tail = self.tail.get(written..).unwrap_or_default();
        } else {
            self.data.advance(of_data);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the head, then lets the kernel send the body. If the kernel refuses, the body is written from memory.
    fn poll_sealed(
        &mut self,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(part) = &mut self.sealed else { return Poll::Ready(Ok(())) };
        if !socket.output.is_empty() {
            let written = ready!(socket.stream.poll_write_more(cx, &socket.output))?;
            socket.advance_output(written);
            return Poll::Ready(Ok(()));
        }
        match ready!(socket.stream.poll_send_file(cx, &part.file, part.offset, part.bytes.len())) {
            Ok(count) if count > 0 => {
                part.offset += count as u64;
                part.bytes.advance(count);
                self.response.on_sealed_sent(count, part.bytes.is_empty());
                if part.bytes.is_empty() {
                    self.sealed = None;
                }
            }
            Ok(_) | Err(_) => {
                self.response.on_sealed_sent(part.bytes.len(), true);
                self.data = std::mem::take(&mut part.bytes);
                self.sealed = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits after all available bytes of the body were written. Ready when the client has disconnected.
    fn poll_departure(
        &mut self,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteFailure>> {
        self.response.release_request_head();
        let waits = if self.response.streams() { ClientWait::Stream } else { ClientWait::More };
        self.departure.poll(socket, waits, cx).map(|()| Err(WriteFailure::Disconnected))
    }

    /// Waits while the client reads nothing. Ready when that takes too long.
    fn poll_blocked(
        &mut self,
        connection: &mut Http1Connection<'_>,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteFailure>> {
        socket.stream.shorten_queue();
        self.response.release_request_head();
        socket.discard_abandoned_body(cx);
        self.max_gathered = MAX_GATHERED_SLOW;
        let since = *self.blocked.get_or_insert_with(Deadline::now);
        connection.deadline.set_at(since + connection.timeouts.write);
        connection.deadline.poll_expired(cx).map(|()| Err(WriteFailure::Stalled))
    }
}

/// Writes the line that begins a chunk.
fn write_size(output: &mut BytesMut, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for nibble in (0..nibbles).rev() {
        let digit = (size >> (nibble * 4)) & 15;
        output.put_u8(DIGITS.get(digit).copied().unwrap_or_default());
    }
    output.put_slice(b"\r\n");
}
