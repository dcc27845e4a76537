//! One request and the head of its response on one connection. Both directions run at the same time, because an
//! application may respond before it has read everything.

use std::{
    future::poll_fn,
    io,
    task::{Poll, ready},
    time::Duration,
};

use super::{
    connection::{ReadTimeout, UpstreamConnection},
    http1::{self, RequestSummary, ResponseHeadProgress, UpstreamResponseHead},
    tls,
    upload::{RequestUpload, UploadStatus},
    uwsgi,
};
use crate::{
    error::{Error, FailureKind},
    plan::Protocol,
};

/// Why there is no response head.
#[derive(Debug)]
pub(super) struct ExchangeFailure {
    pub(super) error: Error,
    pub(super) stage: FailureStage,
}

/// What a failure shows about whether the application has acted on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureStage {
    /// The application has responded, or may still respond.
    MayHaveActed,
    /// The connection was closed before the first byte of a response.
    Closed,
    /// The connection was reset before the first byte of a response. The system resets a connection if received bytes
    /// were not read (RFC 9293, 3.6.1; unix sockets do the same). Other causes of a reset are rare (linger of 0 s, a
    /// load balancer in between).
    Reset,
}

/// Writes the request and waits for the head of the response. `pause` limits each wait.
pub(super) async fn exchange(
    connection: &mut UpstreamConnection,
    upload: &mut RequestUpload,
    summary: RequestSummary<'_>,
    pause: Duration,
) -> Result<UpstreamResponseHead, ExchangeFailure> {
    let (mut progress, mut got_any) = (ResponseHeadProgress::default(), false);
    let parse = match summary.protocol {
        Protocol::Http1 => http1::parse,
        Protocol::Uwsgi(_) => uwsgi::parse,
    };
    poll_fn(|cx| {
        let mut moved = false;
        let uploaded = match upload.poll(connection, cx, &mut moved) {
            Ok(uploaded) => uploaded,
            Err(error) => return Poll::Ready(Err(fatal(error))),
        };
        loop {
            match connection.poll_fill(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(closed(None, got_any))),
                Poll::Ready(Ok(_)) => {
                    // Bytes before the end of the head do not extend the wait, because interim responses may be
                    // endless.
                    got_any = true;
                    match parse(&mut connection.input, &mut progress, summary) {
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
            let late = ready!(connection.poll_timeout(pause, moved, cx));
            // The body has its own limit for the wait for the client.
            moved = uploaded == UploadStatus::AwaitsClient && !upload.is_repeatable();
            if late == ReadTimeout::Total || !moved {
                return Poll::Ready(Err(fatal(Error::new(late.kind()))));
            }
        }
    })
    .await
}

fn closed(error: Option<io::Error>, got_any: bool) -> ExchangeFailure {
    if let Some(error) = error.as_ref().and_then(tls::after_handshake) {
        return fatal(error);
    }
    let is_reset = error.as_ref().is_some_and(|it| it.kind() == io::ErrorKind::ConnectionReset);
    let error = match error {
        Some(error) => Error::io(FailureKind::UpstreamClosed, error),
        None => Error::new(FailureKind::UpstreamClosed),
    };
    let stage = match (got_any, is_reset) {
        (true, _) => FailureStage::MayHaveActed,
        (false, true) => FailureStage::Reset,
        (false, false) => FailureStage::Closed,
    };
    ExchangeFailure { error, stage }
}

fn fatal(error: Error) -> ExchangeFailure {
    ExchangeFailure { error, stage: FailureStage::MayHaveActed }
}
