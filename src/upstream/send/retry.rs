//! Decides about a request after its attempt has failed: whether the application may have acted on it, and therefore
//! whether it is retried (docs/workers.md has the table).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    UpstreamClient,
    retry_state::{FIRST_RETRY_BACKOFF, RETRY_BACKOFF, RetryState},
};
use crate::{
    error::{Error, FailureKind},
    telemetry::EjectionCause,
    upstream::{
        attempt::Attempt,
        backends::UpstreamServer,
        connect::connect,
        connection::UpstreamConnection,
        exchange::{ExchangeFailure, FailureStage},
        upload::RequestUpload,
    },
};

/// While a worker of the application stops, requests are retried at least this long, even if `wait` for an unavailable
/// application is shorter.
const MIN_WAIT: Duration = Duration::from_secs(1);

// === impl UpstreamClient ===

impl UpstreamClient {
    /// Decides whether to continue with a request after no connection could be opened.
    pub(super) fn after_refusal(
        &self,
        server: &Arc<UpstreamServer>,
        error: Error,
        retry: &mut RetryState,
    ) -> Result<(), Error> {
        self.backends.on_refused(server, &error);
        retry.refusals += 1;
        let has_others =
            self.backends.is_any_available() && retry.refusals < self.pools.servers().len();
        if has_others || self.may_wait(retry.since, &error) { Ok(()) } else { Err(error) }
    }

    /// Decides whether to retry a request that got no response. Returns the request to send again.
    pub(super) async fn after_failure(
        &self,
        attempt: Attempt,
        failure: ExchangeFailure,
        is_repeatable: bool,
        retry: &mut RetryState,
    ) -> Result<RequestUpload, Error> {
        let ExchangeFailure { error, stage } = failure;
        if stage == FailureStage::MayHaveActed {
            attempt.permit.on_no_response(&error);
            return Err(error);
        }
        let Attempt { connection, upload, permit, method, .. } = attempt;
        let may_retry = if upload.is_untouched() {
            let may_wait = upload.is_repeatable() && self.may_wait(retry.since, &error);
            if may_wait {
                sleep(FIRST_RETRY_BACKOFF).await;
            }
            may_wait
        } else if connection.is_reused {
            permit.pool().set_proven(false);
            retry.kept = Some(permit);
            is_repeatable && retry.count()
        } else if !is_repeatable || !method.is_safe() {
            self.backends.on_failed(permit.server(), &error, EjectionCause::Closed);
            false
        } else if !upload.has_body() && was_reset(&connection, stage).await {
            // A server acts on such a request only after it has read all of it. The request was not read, so it cannot
            // have crashed its worker.
            let may_retry = retry.since.elapsed() < self.reset_retry_time()
                && retry.wait_for_reset_server().await;
            if !may_retry {
                self.backends.on_failed(permit.server(), &error, EjectionCause::Closed);
            }
            retry.kept = Some(permit);
            may_retry
        } else {
            // This request itself may have crashed its worker.
            self.backends.on_failed(permit.server(), &error, EjectionCause::Closed);
            retry.count() && self.is_dead(permit.server()).await
        };
        if !may_retry {
            return Err(error);
        }
        self.metrics.upstream_retries.add(1);
        Ok(upload.again())
    }

    /// Whether a request that was not sent may wait for the application.
    fn may_wait(&self, since: Instant, error: &Error) -> bool {
        error.kind() != FailureKind::DescriptorsExhausted
            && !error.is_lasting()
            && since.elapsed() < self.plan.admission.wait
    }

    /// How long a request is retried after resets.
    fn reset_retry_time(&self) -> Duration {
        self.plan.admission.wait.max(MIN_WAIT)
    }

    /// Whether a server that aborted a request is gone altogether. Then the request did not crash it but was aborted
    /// with it, and may be retried if it is safe.
    async fn is_dead(&self, server: &UpstreamServer) -> bool {
        for pause in RETRY_BACKOFF {
            sleep(pause).await;
            if let Err(error) = connect(&server.address, self.plan.connect_timeout).await {
                self.backends.on_refused(server, &error);
                return error.kind() != FailureKind::DescriptorsExhausted;
            }
        }
        false
    }
}

/// Whether a connection was closed before the request on it was read.
async fn was_reset(connection: &UpstreamConnection, stage: FailureStage) -> bool {
    if stage == FailureStage::Closed {
        // If the connection ended before the request arrived, the reset in reply to the request follows later.
        sleep(FIRST_RETRY_BACKOFF).await;
        return connection.is_reset();
    }
    stage == FailureStage::Reset
}
