//! Sends a request to a server that has not yet shown that it speaks the configured protocol. If its behaviour suggests
//! another protocol, the server is probed in that one (`backends/protocol`). If the probe confirms the mismatch, the
//! request fails with it.

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

/// If a server is silent for this long, it is probed, and again after each such time. Many applications need a second
/// or two for the first request of a process.
const PROBE_INTERVAL: Duration = Duration::from_secs(3);
/// How long the error of a failed request waits for the result of the probe.
const PROBE_WAIT: Duration = Duration::from_millis(2500);
/// How long an error response of the server waits for it, because it is often the application's own.
const SHORT_PROBE_WAIT: Duration = Duration::from_secs(1);

// === impl UpstreamClient ===

impl UpstreamClient {
    /// Waits for the head of the response like [`WatchedAttempt::run`]. Fails if the server turns out to speak the
    /// other protocol.
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
                () = sleep(PROBE_INTERVAL) => self.backends.request_probe(server, host),
            }
        }
    }

    /// Checks whether the response of such a server comes from an application. Returns the error if the server speaks
    /// the other protocol.
    pub(super) async fn judge_answer(
        &self,
        attempt: &Attempt,
        head: &UpstreamResponseHead,
        host: &[u8],
    ) -> Option<Error> {
        let server = attempt.permit.server();
        if is_refusal(head) {
            return self.backends.mismatch(server, host, SHORT_PROBE_WAIT).await;
        }
        // To uWSGI's http-socket, a packet looks like an endless line. If a body contains the end of a line, the
        // application responds to a request that nobody has sent.
        if self.plan.protocol == Protocol::Http1 || !attempt.upload.has_body() {
            server.protocol.prove();
        }
        None
    }

    /// Returns the error for a failed request: the mismatch, if that is the cause.
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
        self.backends.mismatch(server, host, PROBE_WAIT).await.unwrap_or(error)
    }
}
