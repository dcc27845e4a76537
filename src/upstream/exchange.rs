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
    /// The connection ended before a byte of a reply.
    pub(super) is_silent_close: bool,
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
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(closed(None, got_any))),
                Poll::Ready(Ok(_)) => {
                    (moved, got_any) = (true, true);
                    match parse(&mut connection.input, &mut seen, asked) {
                        Ok(Some(head)) => return Poll::Ready(Ok(head)),
                        Ok(None) => {}
                        Err(error) => return Poll::Ready(Err(fatal(error))),
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(closed(Some(error), got_any))),
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

fn closed(error: Option<io::Error>, got_any: bool) -> Failure {
    let error = match error {
        Some(error) => Error::io(Kind::UpstreamClosed, error),
        None => Error::new(Kind::UpstreamClosed),
    };
    Failure { error, is_silent_close: !got_any }
}

fn fatal(error: Error) -> Failure {
    Failure { error, is_silent_close: false }
}
