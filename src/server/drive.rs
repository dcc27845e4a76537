//! Drives hyper's HTTP/1.1 connection together with what hyper knows nothing of: timers, the end of all
//! serving, and clients that are let go to make room for others.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::{body::Incoming, server::conn::http1, service::HttpService};
use hyper_util::rt::TokioIo;

use super::{
    drain::Ticket,
    room::Guest as _,
    socket::Socket,
    timer::{Expired, Timer},
};
use crate::pipeline::{Answer, Client};

/// hyper's side of a connection.
type Http1<S> = http1::Connection<TokioIo<Socket>, S>;

/// What goes on beside hyper.
pub(super) struct Driver<'a> {
    client: &'a Client,
    ticket: &'a Ticket,
    timer: Timer,
    /// Whether the ticket knows whom to wake.
    listens: bool,
    /// Whether hyper knows that the next answer is the last.
    is_told: bool,
}

/// Why hyper does not go on with a connection.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself, with what went wrong if something did.
    Http(Option<hyper::Error>),
    /// The next head has more fields than hyper has room for.
    Narrow,
    /// No request was ever begun.
    Unbegun,
    /// A head was not complete in time.
    Head,
    /// The client took nothing of its answer.
    Write,
    Idle,
    /// To make room for others.
    LetGo,
}

// === impl Driver ===

impl<'a> Driver<'a> {
    pub(super) fn new(client: &'a Client, ticket: &'a Ticket, timer: Timer) -> Self {
        Self { client, ticket, timer, listens: false, is_told: false }
    }

    /// Another of hyper's connections goes on with the socket.
    pub(super) fn begin_again(&mut self) {
        self.is_told = false;
    }

    /// Serves until something is the end of it.
    pub(super) async fn run<S>(&mut self, connection: &mut Http1<S>) -> Ended
    where
        S: HttpService<Incoming, ResBody = Answer, Error = Infallible>,
    {
        poll_fn(|cx| self.poll(connection, cx)).await
    }

    fn poll<S>(&mut self, connection: &mut Http1<S>, cx: &mut Context<'_>) -> Poll<Ended>
    where
        S: HttpService<Incoming, ResBody = Answer, Error = Infallible>,
    {
        if !self.listens {
            self.ticket.listen(cx.waker());
            self.listens = true;
        }
        loop {
            if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
                return Poll::Ready(Ended::Http(result.err()));
            }
            if self.client.take_wide() {
                return Poll::Ready(Ended::Narrow);
            }
            // Only after a poll: a request that has arrived already is answered first.
            if self.ticket.is_closing() && !self.is_told {
                self.is_told = true;
                Pin::new(&mut *connection).graceful_shutdown();
                continue;
            }
            if self.client.take_hidden_end() {
                continue;
            }
            if self.client.take_let_go() && self.client.idle_since().is_some() {
                return Poll::Ready(Ended::LetGo);
            }
            return Poll::Ready(match ready!(self.timer.poll(self.client, cx)) {
                Expired::Idle => Ended::Idle,
                Expired::Unbegun => Ended::Unbegun,
                Expired::Head => Ended::Head,
                Expired::Write => Ended::Write,
                // The next poll reads again.
                Expired::Look => continue,
            });
        }
    }
}
