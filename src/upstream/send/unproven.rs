//! A request at a server that has not shown yet that it speaks the protocol that is set: what looks as if it did not
//! has the server asked in the other one (`backends/protocol`), and a mismatch is what the request fails with.

use std::{sync::Arc, time::Duration};

use tokio::{pin, time::sleep};

use super::UpstreamClient;
use crate::{
    error::{Error, FailureKind},
    plan::Protocol,
    upstream::{
        attempt::{Attempt, WatchedAttempt},
        backends::UpstreamServer,
        exchange::ExchangeFailure,
        http1::UpstreamResponseHead,
        refusal::is_refusal,
        request::OnInterim,
    },
};

/// A server that is silent for so long is under suspicion, and so often while it stays silent. Many applications need
/// a second or two for the first request of a process.
const SILENCE: Duration = Duration::from_secs(3);
/// How long the error of a failed request waits for the result.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How long an error that the server has sent waits: it may well be the application's.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

// === impl UpstreamClient ===

impl UpstreamClient {
    /// Waits for the head of the answer as [`WatchedAttempt::run`] does, unless the server turns out to speak the other
    /// protocol.
    pub(super) async fn run_unproven(
        &self,
        watched: &mut WatchedAttempt,
        server: &Arc<UpstreamServer>,
        host: &[u8],
        interim: Option<OnInterim<'_>>,
    ) -> Result<Option<Result<UpstreamResponseHead, ExchangeFailure>>, Error> {
        let (run, other) = (watched.run(interim), server.protocol.turns_out_other());
        pin!(run, other);
        loop {
            tokio::select! {
                biased;
                result = &mut run => return Ok(result),
                () = &mut other => return Err(self.backends.mismatch_error(server)),
                () = sleep(SILENCE) => self.backends.request_probe(server, host),
            }
        }
    }

    /// Looks whether the answer of such a server comes from an application. The error if it speaks the other
    /// protocol.
    pub(super) async fn judge_answer(
        &self,
        attempt: &Attempt,
        head: &UpstreamResponseHead,
        host: &[u8],
    ) -> Option<Error> {
        let server = attempt.permit.server();
        if is_refusal(head) {
            return self.backends.mismatch(server, host, SHORT_PATIENCE).await;
        }
        // To uWSGI's http-socket a packet looks like an endless line, unless a body has the end of one in it: then
        // the application answers something that nobody has asked for.
        if self.plan.protocol == Protocol::Http1 || !attempt.upload.has_body() {
            server.protocol.prove();
        }
        None
    }

    /// What a request fails with: the mismatch, if that is the cause.
    pub(super) async fn judge_failure(
        &self,
        server: &UpstreamServer,
        host: &[u8],
        error: Error,
    ) -> Error {
        let is_suspicious = matches!(
            error.kind(),
            FailureKind::UpstreamClosed
                | FailureKind::UpstreamInvalidResponse
                | FailureKind::UpstreamReadTimeout
        );
        if !is_suspicious || server.protocol.is_proven() {
            return error;
        }
        self.backends.mismatch(server, host, PATIENCE).await.unwrap_or(error)
    }
}
