//! One request and the head of its reply over one connection, written and read at the same time:
//! an application may answer before it has read everything.

use std::{
    future::poll_fn,
    io,
    task::{Poll, ready},
    time::Duration,
};

use super::{
    connection::{Connection, Late},
    http1::{self, Asked, ReplyHead},
    upload::{Progress, Upload},
    uwsgi,
};
use crate::{
    error::{Error, Kind},
    plan::Protocol,
};

/// Why no head of a reply came.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) sign: Sign,
}

/// What a failure tells about whether the application has acted on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It has answered, or still may.
    Alive,
    /// The connection was closed before a byte of a reply.
    Closed,
    /// It was closed with something on it that nobody had read: the system resets it then, and only then
    /// (RFC 9293, 3.6.1; unix sockets do the same).
    Unread,
}

/// Writes the request and waits for the head of the reply. `pause` bounds each wait.
pub(super) async fn exchange(
    connection: &mut Connection,
    upload: &mut Upload,
    asked: Asked<'_>,
    pause: Duration,
) -> Result<ReplyHead, Failure> {
    let (mut seen, mut got_any) = (0, false);
    let parse = match asked.protocol {
        Protocol::Http1 => http1::parse,
        Protocol::Uwsgi(_) => uwsgi::parse,
    };
    poll_fn(|cx| {
        let mut moved = false;
        let progress = match upload.poll(connection, cx, &mut moved) {
            Ok(progress) => progress,
            Err(error) => return Poll::Ready(Err(fatal(error))),
        };
        loop {
            match connection.poll_fill(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(closed(connection, None, got_any))),
                Poll::Ready(Ok(_)) => {
                    (moved, got_any) = (true, true);
                    match parse(&mut connection.input, &mut seen, asked) {
                        Ok(Some(head)) => return Poll::Ready(Ok(head)),
                        Ok(None) => {}
                        Err(error) => return Poll::Ready(Err(fatal(error))),
                    }
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(closed(connection, Some(error), got_any)));
                }
                Poll::Pending => break,
            }
        }
        loop {
            let late = ready!(connection.poll_late(pause, moved, cx));
            // For how long it waits for the client is up to the body.
            moved = progress == Progress::AwaitsClient && !upload.is_repeatable();
            if late == Late::Total || !moved {
                return Poll::Ready(Err(fatal(Error::new(late.kind()))));
            }
        }
    })
    .await
}

fn closed(connection: &Connection, error: Option<io::Error>, got_any: bool) -> Failure {
    let is_reset = match &error {
        Some(error) => error.kind() == io::ErrorKind::ConnectionReset,
        // Closed before the request came: the end is read first, the reset that answered the request is left.
        None => connection.has_failed(),
    };
    let error = match error {
        Some(error) => Error::io(Kind::UpstreamClosed, error),
        None => Error::new(Kind::UpstreamClosed),
    };
    let sign = match (got_any, is_reset) {
        (true, _) => Sign::Alive,
        (false, true) => Sign::Unread,
        (false, false) => Sign::Closed,
    };
    Failure { error, sign }
}

fn fatal(error: Error) -> Failure {
    Failure { error, sign: Sign::Alive }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{
        body::{Deadline, RequestBody},
        upstream::{request::Framing, stream::Stream},
    };

    #[tokio::test]
    async fn a_request_to_one_that_has_left_already_is_unread() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let client = client.unwrap();
        drop(accepted);
        client.readable().await.unwrap();
        let mut connection = Connection::new(Stream::Tcp(client), Deadline::default());
        connection.output.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
        let mut upload = Upload::new(RequestBody::empty(), Framing::None);
        let asked =
            Asked { method: &Method::GET, protocol: Protocol::Http1, upgrade: false, hints: None };
        let result = exchange(&mut connection, &mut upload, asked, Duration::from_secs(10)).await;
        assert_eq!(result.unwrap_err().sign, Sign::Unread);
    }
}
