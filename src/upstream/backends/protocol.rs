//! Tracks which protocol a server speaks, and when it is probed (`mismatch`).

use std::{
    mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout};

/// The pause after the first probe without a result. Each later pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// The known facts about the protocol of one server.
#[derive(Debug)]
pub(in crate::upstream) struct ProtocolCheck {
    /// Whether an application has responded in the configured protocol.
    is_proven: AtomicBool,
    verdict: watch::Sender<ProtocolVerdict>,
    probes: Mutex<ProtocolProbes>,
}

/// The result of the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProtocolVerdict {
    Open,
    /// A probe was requested and has no result yet.
    Asking,
    /// The server speaks the other protocol.
    Other,
}

/// When and how a server is probed.
#[derive(Debug, Default)]
struct ProtocolProbes {
    /// The number of probes without a result.
    count: u32,
    not_before: Option<Instant>,
    /// The `Host` of the failed request. Django responds to no other host.
    host: Box<[u8]>,
    /// Whether the requested probe has not begun yet.
    is_requested: bool,
}

// === impl ProtocolCheck ===

impl ProtocolCheck {
    pub(super) fn new() -> Self {
        Self {
            is_proven: AtomicBool::new(false),
            verdict: watch::Sender::new(ProtocolVerdict::Open),
            probes: Mutex::default(),
        }
    }

    pub(in crate::upstream) fn is_proven(&self) -> bool {
        self.is_proven.load(Ordering::Relaxed)
    }

    /// Records that an application has responded in the configured protocol.
    pub(in crate::upstream) fn prove(&self) {
        self.is_proven.store(true, Ordering::Relaxed);
    }

    /// Forgets everything, because another server may have the address now.
    pub(super) fn forget(&self) {
        self.is_proven.store(false, Ordering::Relaxed);
        *self.probes() = ProtocolProbes::default();
        self.verdict.send_replace(ProtocolVerdict::Open);
    }

    /// Waits until the server turns out to speak the other protocol. Otherwise it waits for ever.
    pub(in crate::upstream) async fn turns_out_other(&self) {
        // The sender is in `self`.
        let _ =
            self.verdict.subscribe().wait_for(|verdict| *verdict == ProtocolVerdict::Other).await;
    }

    /// Waits for a running probe, if there is one. Returns whether the server speaks the other protocol.
    pub(super) async fn is_other(&self, max_wait: Duration) -> bool {
        let mut verdict = self.verdict.subscribe();
        let over = verdict.wait_for(|verdict| *verdict != ProtocolVerdict::Asking);
        matches!(timeout(max_wait, over).await, Ok(Ok(verdict)) if *verdict == ProtocolVerdict::Other)
    }

    /// Requests a probe. Returns `false` if there is nothing to find out, or it is too early.
    pub(super) fn request(&self, host: &[u8], now: Instant) -> bool {
        let mut probes = self.probes();
        let is_early = probes.not_before.is_some_and(|at| now < at);
        if self.is_proven() || is_early || *self.verdict.borrow() != ProtocolVerdict::Open {
            return false;
        }
        probes.host = host.into();
        probes.is_requested = true;
        self.verdict.send_replace(ProtocolVerdict::Asking);
        true
    }

    /// Begins a requested probe. Returns the `Host` to use, or `None` if no probe was requested.
    pub(super) fn begin(&self) -> Option<Box<[u8]>> {
        let mut probes = self.probes();
        mem::take(&mut probes.is_requested).then(|| probes.host.clone())
    }

    pub(super) fn finish(&self, is_other: bool, now: Instant) {
        let mut probes = self.probes();
        let factor = 1_u32.checked_shl(probes.count).unwrap_or(u32::MAX);
        probes.not_before = Some(now + FIRST_PAUSE.saturating_mul(factor).min(MAX_PAUSE));
        probes.count = probes.count.saturating_add(1);
        // Ignored if everything was forgotten meanwhile.
        self.verdict.send_if_modified(|verdict| {
            let is_asking = *verdict == ProtocolVerdict::Asking;
            if is_asking {
                *verdict = if is_other { ProtocolVerdict::Other } else { ProtocolVerdict::Open };
            }
            is_asking
        });
    }

    /// The `Host` of the last probe.
    pub(super) fn host(&self) -> Box<[u8]> {
        self.probes().host.clone()
    }

    fn probes(&self) -> std::sync::MutexGuard<'_, ProtocolProbes> {
        // The values are plain, so a partial update does no harm.
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[u8] = b"example.test";

    #[test]
    fn question_is_asked_once_in_a_while() {
        let (check, begin) = (ProtocolCheck::new(), Instant::now());
        assert!(check.begin().is_none());
        assert!(check.request(HOST, begin));
        assert!(!check.request(b"other", begin), "one is under way");
        assert_eq!(check.begin().as_deref(), Some(HOST));
        assert!(check.begin().is_none(), "it was begun");
        let mut now = begin;
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            check.finish(false, now);
            let pause = Duration::from_secs(seconds);
            assert!(!check.request(HOST, now + pause - Duration::from_millis(1)), "{seconds}");
            now += pause;
            assert!(check.request(HOST, now), "{seconds}");
        }
    }

    #[test]
    fn proven_server_is_not_probed_until_it_was_unavailable() {
        let (check, now) = (ProtocolCheck::new(), Instant::now());
        check.prove();
        assert!(check.is_proven() && !check.request(HOST, now));
        check.forget();
        assert!(!check.is_proven() && check.request(HOST, now));
        check.finish(true, now);
        assert!(!check.request(HOST, now + MAX_PAUSE), "it is known");
        check.forget();
        assert!(check.request(HOST, now));
    }
}
