//! What the link and its tasks share: the server, the state and the counts.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{
    connection::RedisConnection,
    fault::RedisFault,
    link_state::{LinkPart, LinkState},
    purge_message::SenderName,
    tls::RedisTls,
};
use crate::{
    plan::RedisSettings,
    telemetry::{LimitDecisionSource, LogThrottle, RedisCounts},
};

/// The key of the stream.
pub(super) const STREAM: &[u8] = b"sideman:purges";

/// What all parts of the link use.
#[derive(Debug)]
pub(super) struct LinkCore {
    settings: RedisSettings,
    tls: Option<RedisTls>,
    name: SenderName,
    state: LinkState,
    /// Whether a purge was not queued, so that everything must be purged.
    has_overflown: AtomicBool,
    /// Whether there is a connection for questions about limits, or may soon be one.
    is_answering: AtomicBool,
    unanswered: LogThrottle,
}

// === impl LinkCore ===

impl LinkCore {
    pub(super) fn new(
        settings: RedisSettings,
        tls: Option<RedisTls>,
        counts: Arc<RedisCounts>,
    ) -> Self {
        let (name, state) = (SenderName::random(), LinkState::new(counts));
        Self {
            settings,
            tls,
            name,
            state,
            has_overflown: AtomicBool::new(false),
            is_answering: AtomicBool::new(true),
            unanswered: LogThrottle::new(),
        }
    }

    pub(super) async fn connect(&self) -> Result<RedisConnection, RedisFault> {
        RedisConnection::open(&self.settings, self.tls.as_ref()).await
    }

    /// The name of this process in the stream.
    pub(super) fn name(&self) -> SenderName {
        self.name
    }

    pub(super) fn state(&self) -> &LinkState {
        &self.state
    }

    /// A part has failed.
    pub(super) fn lost(&self, part: LinkPart, fault: &RedisFault) {
        self.state.lost(part, &self.settings.to_string(), fault);
    }

    /// A purge was not queued.
    pub(super) fn set_overflow(&self) {
        self.has_overflown.store(true, Ordering::Release);
    }

    /// Whether everything must be purged because a purge was not queued; `false` the next time.
    pub(super) fn take_overflow(&self) -> bool {
        self.has_overflown.swap(false, Ordering::AcqRel)
    }

    /// Whether questions about limits get answers.
    pub(super) fn is_answering(&self) -> bool {
        self.state.is_available() && self.is_answering.load(Ordering::Relaxed)
    }

    pub(super) fn set_answering(&self, is_answering: bool) {
        self.is_answering.store(is_answering, Ordering::Relaxed);
    }

    /// Logs why requests are not counted, unless the link is known to be unavailable.
    pub(super) fn report_unanswered(&self, fault: &RedisFault) {
        if self.state.is_available()
            && let Some(missed) = self.unanswered.should_log()
        {
            tracing::warn!(%fault, missed, "Redis does not count requests: each process counts for itself");
        }
    }

    pub(super) fn count_decision(&self, source: LimitDecisionSource) {
        self.state.counts().limit_decisions(source).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_sent(&self) {
        self.state.counts().sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_received(&self) {
        self.state.counts().received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_lost(&self, purges: u64) {
        self.state.counts().lost.fetch_add(purges, Ordering::Relaxed);
    }

    pub(super) fn count_reset(&self) {
        self.state.counts().resets.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_lag(&self, milliseconds: u64) {
        self.state.counts().lag_milliseconds.store(milliseconds, Ordering::Relaxed);
    }
}
