//! What comes after hyper is done with a connection: its end said at once, or what takes longer: a tunnel,
//! HTTP/2, a last word, patience with a client that still sends. Decided first, then done.

use std::{rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use super::{
    current::Current,
    drain::Ticket,
    drive::Ended,
    http2,
    linger::{self, linger},
    plain::Plain,
    socket::Socket,
    tunnel,
};
use crate::{
    error::Kind,
    pipeline::{self, Client, Tunnel},
    telemetry::{MethodLabel, Route, Shard, StatusClass},
};

/// How long a client that was too slow is given to read why.
const BRIEFLY: Duration = Duration::from_secs(2);

/// Counts an open connection until it has nothing more to say.
#[derive(Debug)]
pub(super) struct Open(Arc<Shard>);

/// What hyper has left.
#[derive(Debug)]
pub(super) struct Rest {
    socket: Plain,
    /// What hyper has read and not taken.
    early: Bytes,
    /// What has come behind that, which hyper has not got.
    held: Bytes,
    /// That an answer has opened.
    tunnel: Option<Tunnel>,
    is_http2: bool,
    /// Whether what has come may be the beginning of that.
    may_be_http2: bool,
}

/// What a connection still has to do.
#[derive(Debug)]
pub(super) enum Last {
    /// What a client may still be sending is thrown away.
    Linger(Plain),
    /// A head that did not come in time is answered. With what there is of it.
    Refuse(Plain, Bytes),
    Tunnel {
        socket: Plain,
        early: Bytes,
        tunnel: Tunnel,
        open: Open,
    },
    /// The client has begun to speak HTTP/2.
    Http2 {
        socket: Plain,
        early: Bytes,
        open: Open,
    },
}

// === impl Open ===

impl Open {
    pub(super) fn count(metrics: Arc<Shard>) -> Self {
        metrics.connections.add(1);
        metrics.connections_accepted.add(1);
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.subtract(1);
        if std::thread::panicking() {
            self.0.panics.add(1);
        }
    }
}

// === impl Rest ===

impl Rest {
    /// `early` is what hyper has read and not taken.
    pub(super) fn new(socket: Socket, ended: &Ended, early: Bytes, tunnel: Option<Tunnel>) -> Self {
        let (is_http2, may_be_http2) = (socket.is_http2(), socket.may_be_http2());
        let (socket, held) = socket.into_plain(matches!(ended, Ended::Http(None)));
        Self { socket, early, held, tunnel, is_http2, may_be_http2 }
    }

    /// Whether the client has sent what nobody wants.
    fn is_unread(&self, client: &Client) -> bool {
        client.owes_body()
            || client.refusal().is_some()
            || !self.early.is_empty()
            || !self.held.is_empty()
    }

    /// All that came behind the last request.
    fn sent(&self) -> Bytes {
        if self.held.is_empty() {
            return self.early.clone();
        }
        [self.early.as_ref(), &self.held].concat().into()
    }
}

/// Ends a connection, or says what it still has to do; counts why it ended.
pub(super) fn decide(ended: Ended, mut rest: Rest, client: &Client, open: Open) -> Option<Last> {
    let metrics = &open.0;
    match ended {
        Ended::Http(None) => {
            if let Some(tunnel) = rest.tunnel.take() {
                let early = rest.sent();
                return Some(Last::Tunnel { socket: rest.socket, early, tunnel, open });
            }
            if rest.is_unread(client) || !client.has_ended() && rest.socket.has_more() {
                return Some(Last::Linger(rest.socket));
            }
            rest.socket.say_end();
        }
        Ended::Http(Some(_)) if rest.is_http2 => {
            return Some(Last::Http2 { socket: rest.socket, early: rest.early, open });
        }
        Ended::Http(Some(error)) => {
            tracing::debug!(%error, peer = client.address(), "client connection ended");
            if let Some(mut tunnel) = rest.tunnel {
                tunnel.fail(Kind::ClientGone);
            }
            if error.is_parse() {
                // hyper has answered 400, about what `Gate` has overlooked; no request has come of it.
                let class = StatusClass::ClientError;
                metrics.requests(Route::None, MethodLabel::Other, class).add(1);
                return (!client.has_ended()).then_some(Last::Linger(rest.socket));
            }
        }
        Ended::Unbegun => {
            metrics.header_timeouts.add(1);
            rest.socket.say_end();
        }
        Ended::Head => {
            metrics.header_timeouts.add(1);
            // The rest of a body that nobody wanted is no head, and what may be HTTP/2 understands no answer.
            if !client.owes_body() && !rest.may_be_http2 && client.is_flushed() {
                return Some(Last::Refuse(rest.socket, rest.held));
            }
            rest.socket.say_end();
        }
        Ended::Write => {
            metrics.write_timeouts.add(1);
            tracing::debug!(peer = client.address(), "client took nothing of its answer: cut off");
            rest.socket.reset_at_end();
        }
        Ended::Idle => {
            metrics.idle_timeouts.add(1);
            rest.socket.say_end();
        }
        Ended::LetGo => {
            metrics.shed.add(1);
            rest.socket.say_end();
        }
        // Once there is room, there is room.
        Ended::Narrow => {}
    }
    None
}

// === impl Last ===

impl Last {
    /// Does it, to the end of the connection.
    pub(super) async fn run(self, current: Rc<Current>, client: Rc<Client>, ticket: &Ticket) {
        match self {
            Self::Linger(socket) => linger(socket, ticket, linger::PATIENCE).await,
            Self::Refuse(socket, held) => {
                let answer = pipeline::head_timeout(&current.get(), client, &held);
                refuse(socket, &answer, ticket).await;
            }
            Self::Tunnel { socket, early, tunnel, open } => {
                tunnel::run(socket, early, tunnel, ticket, &open.0).await;
            }
            Self::Http2 { socket, early, open } => {
                // Boxed: a tunnel, which lives as long, is smaller.
                let begun = (early, socket);
                let serve = Box::pin(http2::serve(current, begun, Rc::clone(&client), ticket));
                let ended = serve.await;
                ended.note(&client, &open.0);
            }
        }
    }
}

/// Says the last word to a client that may still send. It fits into the socket's buffer, which is empty, or
/// it is not worth waiting for.
async fn refuse(mut socket: Plain, answer: &[u8], ticket: &Ticket) {
    let said = async {
        socket.write_all(answer).await?;
        socket.flush().await
    };
    if let Ok(Ok(())) = timeout(BRIEFLY, said).await {
        linger(socket, ticket, BRIEFLY).await;
    }
}
