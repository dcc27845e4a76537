//! Serves a client's connection under HTTP/1.1. Read [`serve`] first: it answers one request after the other until the
//! connection ends or changes its protocol. Each step has its own file:
//!
//! 1. [`read_head`] waits for the next request, within its [`timeouts`]. [`request_head`] converts the bytes for the
//!    pipeline. A request that is invalid or too slow (408) is passed on as a request with a refusal.
//! 2. [`request_body`] lets the pipeline read the body. It shares the [`socket`] with the loop.
//! 3. While the client waits for the response, [`departure`] notices if it disconnects.
//! 4. [`response_head`] encodes the head, and [`write`](mod@write) writes it and the body.
//!
//! [`activity`] shows what the connection does, so that it can be closed to make room for others.

mod activity;
mod connection;
mod departure;
mod read_head;
mod request_body;
mod request_head;
mod response_head;
mod socket;
mod timeouts;
mod write;
mod write_file;

use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{StatusCode, Version, header};
use http_body::Body as _;

use self::{
    activity::Activity,
    connection::Http1Connection,
    departure::{ClientWait, DisconnectDetector},
    read_head::{ConnectionEnd, HeadResult},
    request_body::SocketBody,
    request_head::ClientRequestHead,
    response_head::RequestFacts,
    socket::ClientSocket,
    timeouts::Http1Timeouts,
    write::WriteFailure,
};
use super::{
    counted_stream::CountedStream, current_settings::CurrentSettings, drain::ConnectionGuard,
    linger,
};
use crate::{
    body::Deadline,
    error::FailureKind,
    phase::Phase,
    pipeline::{
        self, ClientRequest, ConnectionInfo, INTERIM_LIMIT, Response, TrackedResponse, Tunnel,
        WorkerState,
    },
    telemetry::WorkerMetrics,
};

/// How long a client that was too slow is given to read the error response.
const ERROR_READ_TIME: Duration = Duration::from_secs(2);

/// The next step of a connection after HTTP/1.1.
#[derive(Debug)]
pub(super) enum NextStep {
    /// Close it in an orderly way.
    Close,
    /// Close it without a TLS `close_notify`: the client has disconnected or gets no response, or a response was
    /// truncated and must not look complete.
    Abort,
    /// Discard what the client still sends for at most this time, then close the connection.
    Linger(Duration),
    /// Carry another protocol to the application. The bytes are those the client has already sent in it.
    Tunnel(Box<Tunnel>, Bytes),
    /// The client has begun to speak HTTP/2 with these bytes.
    Http2(Bytes),
}

/// Serves a connection until HTTP/1.1 ends. This is a block and not an `async fn`, which would keep its arguments
/// twice.
pub(super) fn serve<'a>(
    current: &'a CurrentSettings,
    info: &'a Rc<ConnectionInfo>,
    guard: &'a ConnectionGuard,
    stream: CountedStream,
    metrics: &'a WorkerMetrics,
) -> impl Future<Output = Option<(CountedStream, NextStep)>> {
    let begin = Deadline::now();
    let activity = Rc::new(Activity::new(begin));
    guard.set_idle_handle(Rc::<Activity>::clone(&activity));
    let mut connection = Http1Connection {
        current,
        info,
        guard,
        metrics,
        negotiated: stream.negotiated(),
        socket: Rc::new(RefCell::new(ClientSocket::new(stream))),
        activity,
        interim: Rc::default(),
        timeouts: Http1Timeouts::new(&current.get().app.plan.server),
        deadline: Deadline::default(),
    };
    async move {
        let next = connection.serve_requests(begin).await;
        // A body reader holds the socket weakly, and no reader runs at this point.
        let socket = Rc::into_inner(connection.socket)?.into_inner();
        Some((socket.stream, next))
    }
}

// === impl Http1Connection ===

impl Http1Connection<'_> {
    /// Answers one request after the other until the connection ends or changes its protocol.
    async fn serve_requests(&mut self, mut since: Instant) -> NextStep {
        poll_fn(|cx| {
            self.guard.listen(cx.waker());
            self.socket.borrow_mut().set_task(cx.waker());
            Poll::Ready(())
        })
        .await;
        loop {
            let head = match read_head::read(self, since).await {
                HeadResult::Request(head) => head,
                HeadResult::Http2 => return NextStep::Http2(self.take_input()),
                HeadResult::Over(end) => return self.after_end(&end),
            };
            self.activity.set_busy();
            // Boxed, because an idle connection does not need this memory.
            if let Some(next) = Box::pin(self.exchange(*head)).await {
                return next;
            }
            since = Deadline::now();
            self.activity.set_idle(since);
        }
    }

    /// Answers one request. Returns `None` if another one may follow.
    async fn exchange(&mut self, head: ClientRequestHead) -> Option<NextStep> {
        let local = self.current.get();
        let asked = RequestFacts { method: head.parts.method.clone(), version: head.parts.version };
        let (keeps, refusal) = (head.keeps, head.refusal.map(|refusal| refusal.kind));
        if refusal == Some(FailureKind::ClientHeadTimeout) {
            self.metrics.header_timeouts.add(1);
        }
        let mut departure = DisconnectDetector::default();
        let request = self.request(head);
        let Some(response) = self.respond(Rc::clone(&local), request, &mut departure).await else {
            return Some(NextStep::Abort);
        };
        if response.body.is_withheld() {
            return Some(NextStep::Abort);
        }
        let Response { head, body: mut tracked_response } = response;
        let is_switch = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let delimiter =
            response_head::delimiter(&asked, &head, tracked_response.size_hint().exact());
        let is_last = !is_switch
            && (!keeps
                || delimiter == response_head::Delimiter::Close
                || response_head::announces_close(&head)
                || self.is_last(&local));
        {
            let mut socket = self.socket.borrow_mut();
            socket.takes_interim = false;
            let last = (is_last, tracked_response.request_id());
            response_head::encode(&mut socket.output, &asked, &head, delimiter, last);
        }
        let trailer = head.headers.get(header::TRAILER).cloned();
        drop(head);
        let tunnel = if is_switch { tracked_response.take_tunnel() } else { None };
        // If the response is truncated for any reason, an orderly close would look like its regular end.
        let is_open_ended = delimiter == response_head::Delimiter::Close;
        if is_open_ended {
            self.socket.borrow().stream.reset_at_end(true);
        }
        let written =
            write::write(self, &mut tracked_response, (delimiter, trailer), &mut departure).await;
        drop(tracked_response);
        match (written, tunnel) {
            (Ok(()), None) => {}
            (Ok(()), Some(tunnel)) => {
                return Some(NextStep::Tunnel(Box::new(tunnel), self.take_input()));
            }
            (Err(broken), tunnel) => {
                if let Some(mut tunnel) = tunnel {
                    tunnel.fail(FailureKind::ClientDisconnected);
                }
                return Some(self.broken(broken));
            }
        }
        if is_open_ended {
            self.socket.borrow().stream.reset_at_end(false);
        }
        if is_last || !self.socket.borrow().is_body_complete() {
            return Some(self.last_step(refusal));
        }
        None
    }

    /// Builds the request for the pipeline.
    fn request(&self, head: ClientRequestHead) -> ClientRequest {
        let ClientRequestHead {
            parts, begun, refusal, framing, expects_continue, reservation, ..
        } = head;
        let takes_interim = parts.version == Version::HTTP_11 && refusal.is_none();
        let number = self.socket.borrow_mut().begin_request(framing, takes_interim);
        let body = SocketBody::of_request(&self.socket, number, expects_continue && takes_interim);
        self.interim.restart();
        let interim = takes_interim.then(|| Rc::clone(&self.interim));
        ClientRequest { parts, begun, refusal, head_room: reservation, body, interim }
    }

    /// Runs the pipeline and sends interim responses before the final one. Returns `None` if the client disconnected
    /// meanwhile.
    async fn respond(
        &self,
        local: Rc<WorkerState>,
        request: ClientRequest,
        departure: &mut DisconnectDetector,
    ) -> Option<Response<TrackedResponse>> {
        // Boxed, so that its memory is freed before the response is written.
        let mut handling = Box::pin(pipeline::handle(local, Rc::clone(self.info), request));
        poll_fn(|cx| {
            let polled = handling.as_mut().poll(cx);
            let socket = &mut *self.socket.borrow_mut();
            self.queue_interim(&mut socket.output);
            if let Poll::Ready(response) = polled {
                return Poll::Ready(Some(response));
            }
            while !socket.output.is_empty() {
                match socket.poll_write(cx, &[], &[]) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    Poll::Pending => break,
                }
            }
            if let Poll::Ready(Err(_)) = socket.poll_flush(cx) {
                return Poll::Ready(None);
            }
            departure.poll(socket, ClientWait::Response, cx).map(|()| None)
        })
        .await
    }

    /// Appends the interim responses that have arrived to the output, up to the limit of bytes that may wait there.
    fn queue_interim(&self, output: &mut BytesMut) {
        for response in self.interim.take() {
            let before = output.len();
            response_head::encode_interim(output, &response);
            if output.len() > INTERIM_LIMIT {
                output.truncate(before);
            }
        }
        if output.is_empty() {
            self.interim.restart();
        }
    }

    /// Whether the connection must end after this request, for reasons other than the request itself.
    fn is_last(&self, local: &WorkerState) -> bool {
        let socket = self.socket.borrow();
        let is_used_up = socket.requests() >= local.app.plan.server.max_requests;
        if is_used_up {
            self.metrics.used_up.add(1);
            let peer = self.info.address();
            tracing::debug!(peer, "client connection closed: server.max_requests reached");
        }
        // Behind an unread body, the next request cannot be found (RFC 9112, 9.3).
        let is_unread = !socket.is_body_complete() && !socket.is_body_held;
        let is_draining = local.phase.get() >= Phase::Draining || self.guard.is_closing();
        is_used_up || is_unread || is_draining
    }

    /// Returns all bytes that have arrived behind the last request.
    fn take_input(&self) -> Bytes {
        let mut socket = self.socket.borrow_mut();
        let length = socket.input.len();
        socket.take_input(length)
    }

    /// Chooses the next step after the last response was written.
    fn last_step(&self, refusal: Option<FailureKind>) -> NextStep {
        let socket = &mut *self.socket.borrow_mut();
        if refusal == Some(FailureKind::ClientHeadTimeout) {
            return NextStep::Linger(ERROR_READ_TIME);
        }
        if socket.has_ended {
            return NextStep::Close;
        }
        let is_unread = refusal.is_some()
            || !socket.is_body_complete()
            || !socket.input.is_empty()
            || socket.stream.has_more();
        if is_unread { NextStep::Linger(linger::MAX_TIME) } else { NextStep::Close }
    }

    /// Chooses the next step after a response was not written completely.
    fn broken(&self, broken: WriteFailure) -> NextStep {
        let peer = self.info.address();
        match broken {
            WriteFailure::Disconnected => tracing::debug!(peer, "client disconnected"),
            WriteFailure::Body => {
                tracing::debug!(peer, "client connection closed after an incomplete response")
            }
            WriteFailure::Stalled => {
                self.metrics.write_timeouts.add(1);
                tracing::debug!(
                    peer,
                    "client connection closed: the client read nothing of the response"
                );
                self.socket.borrow().stream.reset_at_end(true);
            }
        }
        NextStep::Abort
    }

    /// Chooses the next step if the connection ended without another request.
    fn after_end(&self, end: &ConnectionEnd) -> NextStep {
        match end {
            ConnectionEnd::Closed | ConnectionEnd::Draining => {}
            ConnectionEnd::Broken(error) => {
                tracing::debug!(%error, peer = self.info.address(), "client connection failed");
                return NextStep::Abort;
            }
            ConnectionEnd::Unbegun | ConnectionEnd::HalfHttp2 => {
                self.metrics.header_timeouts.add(1)
            }
            ConnectionEnd::Idle => self.metrics.idle_timeouts.add(1),
            ConnectionEnd::Shed => self.metrics.shed.add(1),
        }
        NextStep::Close
    }
}
