//! Writes a request: its head, then its body as it arrives from the client.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes};
use http_body::Body;

use super::{connection::UpstreamConnection, request::RequestFraming};
use crate::{body::RequestBody, error::Error};

/// A server most likely keeps the connection if an unread body is no longer than this. gunicorn reads up to 64 KiB.
const MAX_DRAINED: u64 = 32 * 1024;

/// The part of a request that is not written yet.
pub(super) struct RequestUpload {
    /// `None` if there is no body, or it is no longer wanted.
    body: Option<RequestBody>,
    /// Whether the whole body was taken.
    is_body_over: bool,
    chunk: Bytes,
    is_chunked: bool,
    /// Whether the body is too long for a server to keep the connection without reading it.
    is_long: bool,
    /// Whether a chunk has begun that still needs its closing CRLF.
    owes_crlf: bool,
    state: UploadState,
    /// Whether the other side has accepted any byte of the request.
    has_begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UploadState {
    Writing,
    Finished,
    /// The application accepts no more bytes, but it may have responded.
    Refused,
}

/// Why an upload does not continue now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadStatus {
    /// Nothing is left to write.
    Over,
    /// The client has to send more.
    AwaitsClient,
    /// The application has to accept more.
    AwaitsApplication,
}

// === impl RequestUpload ===

impl RequestUpload {
    /// Sends `body` behind the bytes in the connection's output.
    pub(super) fn new(body: RequestBody, framing: RequestFraming) -> Self {
        let is_empty = matches!(framing, RequestFraming::None | RequestFraming::Length(0));
        let body = (!is_empty).then_some(body);
        Self {
            body,
            is_body_over: false,
            chunk: Bytes::new(),
            is_chunked: framing == RequestFraming::Chunked,
            is_long: is_long(framing),
            owes_crlf: false,
            state: UploadState::Writing,
            has_begun: false,
        }
    }

    /// Whether a server that has not read the body most likely closes the connection, whatever it announces.
    pub(super) fn is_long(&self) -> bool {
        self.is_long
    }

    /// Whether the request can be written to another connection.
    pub(super) fn is_repeatable(&self) -> bool {
        self.body.as_ref().is_none_or(RequestBody::is_repeatable)
    }

    /// Whether it has a body. The application may act on the request before it has read the whole body.
    pub(super) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Whether no byte of the request was sent, so that the application cannot know about it.
    pub(super) fn is_untouched(&self) -> bool {
        !self.has_begun
    }

    /// Restarts the request for another connection. Call it only if the body is repeatable.
    pub(super) fn again(mut self) -> Self {
        let rewound = self.body.as_mut().is_none_or(RequestBody::rewind);
        debug_assert!(rewound, "a body that was given away cannot be sent again");
        Self {
            is_body_over: false,
            chunk: Bytes::new(),
            owes_crlf: false,
            state: UploadState::Writing,
            has_begun: false,
            ..self
        }
    }

    /// Frees the bytes that were sent, because they will not be sent again.
    pub(super) fn forget(&mut self) {
        if self.is_body_over {
            self.body = None;
        }
    }

    /// Whether everything was written.
    pub(super) fn is_finished(&self) -> bool {
        self.state == UploadState::Finished
    }

    /// Writes as much as possible now. `moved` is set if any bytes were written. An error is the client's. If the
    /// application refuses more bytes, that shows when its response is read.
    pub(super) fn poll(
        &mut self,
        connection: &mut UpstreamConnection,
        cx: &mut Context<'_>,
        moved: &mut bool,
    ) -> Result<UploadStatus, Error> {
        while self.state == UploadState::Writing {
            let awaits_client = self.fill(connection, cx)?;
            if connection.output.is_empty() && self.chunk.is_empty() {
                if awaits_client {
                    return Ok(UploadStatus::AwaitsClient);
                }
                self.state = UploadState::Finished;
                break;
            }
            match connection.poll_write(cx, &mut self.chunk) {
                Poll::Ready(Ok(())) => {
                    (*moved, self.has_begun) = (true, true);
                }
                Poll::Ready(Err(_)) => self.state = UploadState::Refused,
                Poll::Pending => return Ok(UploadStatus::AwaitsApplication),
            }
        }
        Ok(UploadStatus::Over)
    }

    /// Takes the next chunk of the body, so that it is sent together with the output before it. Returns `true` if the
    /// client has to send it first.
    fn fill(
        &mut self,
        connection: &mut UpstreamConnection,
        cx: &mut Context<'_>,
    ) -> Result<bool, Error> {
        while self.chunk.is_empty() {
            let Some(body) = &mut self.body else { return Ok(false) };
            if self.is_body_over {
                return Ok(false);
            }
            let frame = match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Ok(true),
                Poll::Ready(frame) => frame,
            };
            match frame {
                Some(Ok(frame)) => {
                    // Trailers of a client are not passed on, because every body is framed anew.
                    let Ok(data) = frame.into_data() else { continue };
                    if data.is_empty() {
                        continue;
                    }
                    if self.is_chunked {
                        self.close_chunk(connection);
                        connection.output.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
                        self.owes_crlf = true;
                    }
                    self.chunk = data;
                }
                Some(Err(error)) => return Err(error),
                None => {
                    self.is_body_over = true;
                    if self.is_chunked {
                        self.close_chunk(connection);
                        connection.output.put_slice(b"0\r\n\r\n");
                    }
                }
            }
        }
        Ok(false)
    }

    fn close_chunk(&mut self, connection: &mut UpstreamConnection) {
        if self.owes_crlf {
            connection.output.put_slice(b"\r\n");
            self.owes_crlf = false;
        }
    }
}

fn is_long(framing: RequestFraming) -> bool {
    match framing {
        RequestFraming::None => false,
        RequestFraming::Length(length) => length > MAX_DRAINED,
        RequestFraming::Chunked => true,
    }
}

impl fmt::Debug for RequestUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({:?})", self.state)
    }
}
