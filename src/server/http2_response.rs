//! Runs one HTTP/2 request on its own task. The pipeline answers it, and the response goes to h2 as fast as the client
//! reads it. Interim responses are sent first. The stream of a refused request is reset after its response.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Buf as _;
use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body::Body as _;

use super::{
    date,
    streams::{RequestStream, RunningRequest},
    tracked_body::{TrackedBody, TrackedChunk},
};
use crate::pipeline::{
    self, ClientRequest, ConnectionInfo, Response, ResponseHead, TrackedResponse, WorkerState,
};

/// Streams of malformed requests that were answered. They are reset after the response was written (RFC 9113, 8.1.1).
#[derive(Default)]
pub(super) struct PendingResets(RefCell<Vec<SendStream<TrackedChunk>>>);

/// The stream of one request.
pub(super) struct StreamExchange {
    pub(super) local: Rc<WorkerState>,
    pub(super) info: Rc<ConnectionInfo>,
    pub(super) stream: Rc<RequestStream>,
    pub(super) respond: SendResponse<TrackedChunk>,
    /// The list to which the stream is added if it must be reset.
    pub(super) resets: Option<Rc<PendingResets>>,
}

/// A body that is being passed to h2.
struct BodyPipe<'a> {
    body: TrackedBody,
    output: &'a mut SendStream<TrackedChunk>,
    /// The next chunk, until the window is open, and whether it is the last.
    next: Option<(TrackedChunk, bool)>,
}

// === impl PendingResets ===

impl PendingResets {
    /// Resets the streams. Returns whether there were any.
    pub(super) fn send(&self) -> bool {
        let mut streams = self.0.borrow_mut();
        let has_any = !streams.is_empty();
        for mut stream in streams.drain(..) {
            stream.send_reset(Reason::PROTOCOL_ERROR);
        }
        has_any
    }
}

// === impl StreamExchange ===

impl StreamExchange {
    /// Answers a request.
    pub(super) async fn run(mut self, request: ClientRequest) {
        let _running = RunningRequest::begin(&self.stream);
        let Some(response) = self.handle(request).await else { return };
        let Self { stream, mut respond, resets, .. } = self;
        if response.body.is_withheld() {
            drop(response);
            // The client did nothing wrong that would count against its connection.
            stream.on_answer();
            respond.send_reset(Reason::CANCEL);
            return;
        }
        let Response { mut head, body: tracked_response } = response;
        let is_end = tracked_response.is_end_stream();
        finish_head(&mut head.headers, &tracked_response);
        let body = TrackedBody::new(tracked_response, stream);
        let mut output = match respond.send_response(head_for_h2(head), is_end) {
            Ok(output) => output,
            Err(error) => {
                tracing::debug!(%error, "HTTP/2 response not sent");
                respond.send_reset(Reason::INTERNAL_ERROR);
                return;
            }
        };
        if !is_end {
            let mut pipe = BodyPipe { body, output: &mut output, next: None };
            let piped = poll_fn(|cx| {
                let polled = pipe.poll(cx);
                if polled.is_pending() {
                    pipe.body.release_request_head();
                }
                polled
            });
            if let Err(error) = piped.await {
                tracing::debug!(%error, "HTTP/2 response aborted");
                return;
            }
        }
        if let Some(resets) = resets {
            resets.0.borrow_mut().push(output);
        }
    }

    /// Runs the pipeline. Returns `None` if the client did not wait for the response.
    async fn handle(&mut self, request: ClientRequest) -> Option<Response<TrackedResponse>> {
        let stream = &self.stream;
        let interim = stream.interim();
        let respond = &mut self.respond;
        // Boxed, so that its memory is freed before the body is sent.
        let local = Rc::clone(&self.local);
        let mut handling = Box::pin(pipeline::handle(local, Rc::clone(&self.info), request));
        poll_fn(|cx| {
            let polled = handling.as_mut().poll(cx);
            if stream.takes_permission() {
                let continue_connection =
                    ResponseHead { status: StatusCode::CONTINUE, ..ResponseHead::default() };
                let _ = respond.send_informational(head_for_h2(continue_connection));
            }
            for response in interim.take() {
                // If this fails, the final response reports the same error.
                let _ = respond.send_informational(head_for_h2(response));
            }
            match polled {
                Poll::Ready(response) => Poll::Ready(Some(response)),
                Poll::Pending => respond.poll_reset(cx).map(|_| None),
            }
        })
        .await
    }
}

/// Fields that belong to an HTTP/1 connection (RFC 9113, 8.2.2).
const CONNECTION_FIELDS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Completes the head of a response for HTTP/2.
fn finish_head(headers: &mut HeaderMap, tracked_response: &TrackedResponse) {
    for name in &CONNECTION_FIELDS {
        headers.remove(name);
    }
    headers.remove(header::TE);
    if !headers.contains_key(header::DATE)
        && let Some(now) = date::now()
    {
        headers.insert(header::DATE, now);
    }
    if !tracked_response.is_end_stream()
        && !headers.contains_key(header::CONTENT_LENGTH)
        && let Some(length) = tracked_response.size_hint().exact()
    {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
}

fn head_for_h2(head: ResponseHead) -> http::Response<()> {
    let mut response = http::Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

// === impl BodyPipe ===

impl BodyPipe<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            // This also wakes the task when the client resets the stream.
            if let Poll::Ready(reason) = self.output.poll_reset(cx)? {
                return Poll::Ready(Err(reason.into()));
            }
            if let Some((piece, is_last)) = self.next.take() {
                if self.output.capacity() == 0 && self.poll_capacity(cx)?.is_pending() {
                    self.next = Some((piece, is_last));
                    return Poll::Pending;
                }
                self.output.send_data(piece, is_last)?;
                if is_last {
                    return Poll::Ready(Ok(()));
                }
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(self.output.send_data(self.body.nothing(), true));
            };
            let Ok(frame) = frame else {
                self.output.send_reset(Reason::INTERNAL_ERROR);
                return Poll::Ready(Err(Reason::INTERNAL_ERROR.into()));
            };
            match frame.into_data() {
                Ok(piece) => {
                    let is_last = self.body.is_end_stream();
                    if piece.has_remaining() {
                        // Reserve the minimum. h2 requests the rest when it has the bytes, and capacity that is
                        // reserved here is missing for other streams.
                        self.output.reserve_capacity(1);
                        self.next = Some((piece, is_last));
                    } else {
                        self.output.send_data(piece, is_last)?;
                        if is_last {
                            return Poll::Ready(Ok(()));
                        }
                    }
                }
                Err(frame) => {
                    let Ok(trailers) = frame.into_trailers() else { continue };
                    self.output.reserve_capacity(0);
                    return Poll::Ready(self.output.send_trailers(trailers));
                }
            }
        }
    }

    /// Waits until the window is open.
    fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, h2::Error> {
        loop {
            match self.output.poll_capacity(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Some(Ok(0))) => {}
                Poll::Ready(Some(Ok(_))) => return Ok(Poll::Ready(())),
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Ready(None) => return Err(Reason::CANCEL.into()),
            }
        }
    }
}
