//! One server of an application: its address, the number of its requests, and whether it is available.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{auto_limit::SentSockets, protocol::ProtocolCheck, share::ServerShare};
use crate::{
    error::{Error, FailureKind},
    sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, lock},
    telemetry::LogThrottle,
    upstream::tls::{TlsClient, TlsServer},
};

/// Consecutive failed requests after which a server is ejected.
const MAX_FAILURES: u32 = 3;
/// The time within which they must happen. It is longer than two read timeouts, because a server that hangs gets one
/// request at a time if there are few.
const FAILURE_WINDOW: Duration = Duration::from_secs(300);
/// The first pause between two attempts to reach an unavailable server. Each later pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The first ejection of a server that accepts connections and fails requests.
const FIRST_EJECTION: Duration = Duration::from_secs(1);
/// The longest pause while requests wait and no other server is available.
const MAX_EAGER_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause otherwise.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// The longest ejection of a server that accepts connections and fails requests.
const MAX_EJECTION: Duration = Duration::from_secs(30);

/// The pause between two checks whether a fault that does not end by itself is still there.
const RECHECK_PAUSE: Duration = Duration::from_secs(2);

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum ServerAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Tls(Arc<TlsServer>),
}

/// One server, shared by all workers.
#[derive(Debug)]
pub(in crate::upstream) struct UpstreamServer {
    /// Unique in the process and never reused.
    pub(in crate::upstream) id: u64,
    pub(in crate::upstream) address: ServerAddress,
    /// The address as text.
    name: String,
    /// The number of requests in flight.
    in_flight: AtomicUsize,
    is_unavailable: AtomicBool,
    /// The number of requests that failed since the last response, in the current window.
    failures: AtomicU32,
    /// The number of ejections since the last successful response.
    ejections: AtomicU32,
    pub(in crate::upstream) protocol: ProtocolCheck,
    /// The part of its requests that it gets.
    pub(super) share: ServerShare,
    outage: Mutex<ServerOutage>,
    /// Limits the log to one outage in ten seconds, because a server that fails and returns repeatedly would fill the
    /// log.
    outages: LogThrottle,
    /// The sockets of requests that wait for a response, a list for each worker thread. Only if the limit is found.
    sent: Mutex<Vec<Weak<SentSockets>>>,
    /// Whether the last log entry says that it is unavailable.
    is_logged: AtomicBool,
}

/// The state of a server, with what is known of its outage.
#[derive(Debug)]
struct ServerOutage {
    /// Since when it is available or unavailable.
    since: Instant,
    /// The attempts to reach it since it became unavailable.
    attempts: u32,
    /// The earliest time of the next attempt.
    not_before: Option<Instant>,
    last: Option<OutageCause>,
    /// Whether it was ejected because it failed, although it accepts connections.
    is_ejection: bool,
    /// The first failure of the current window.
    first_failure: Option<Instant>,
}

/// Why a server is unavailable.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct OutageCause {
    kind: FailureKind,
    is_lasting: bool,
    cause: Option<(io::ErrorKind, String)>,
}

// === impl UpstreamServer ===

impl UpstreamServer {
    pub(in crate::upstream) fn new(id: u64, address: ServerAddress) -> Self {
        Self {
            id,
            name: address.to_string(),
            address,
            in_flight: AtomicUsize::new(0),
            is_unavailable: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            protocol: ProtocolCheck::new(),
            share: ServerShare::full(),
            outage: Mutex::new(ServerOutage {
                since: Instant::now(),
                attempts: 0,
                not_before: None,
                last: None,
                is_ejection: false,
                first_failure: None,
            }),
            outages: LogThrottle::new(),
            sent: Mutex::default(),
            is_logged: AtomicBool::new(false),
        }
    }

    pub(in crate::upstream) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::upstream) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(in crate::upstream) fn is_available(&self) -> bool {
        !self.is_unavailable.load(Ordering::Relaxed)
    }

    /// Acquires a permit if fewer than `limit` are in use.
    pub(super) fn take(&self, limit: usize) -> bool {
        let more = |taken: usize| (taken < limit).then_some(taken + 1);
        self.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    pub(super) fn release(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    /// Records a response.
    pub(in crate::upstream) fn on_answer(&self) {
        for count in [&self.failures, &self.ejections] {
            if count.load(Ordering::Relaxed) != 0 {
                count.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Begins to count failures and ejections anew.
    pub(super) fn forget_failures(&self) {
        self.on_answer();
    }

    /// Records a failed request. Returns whether the server should be ejected.
    pub(super) fn on_failure(&self, now: Instant) -> bool {
        let mut outage = self.outage();
        let is_recent = |first: Instant| now.saturating_duration_since(first) < FAILURE_WINDOW;
        let before = self.failures.load(Ordering::Relaxed);
        if before == 0 || !outage.first_failure.is_some_and(is_recent) {
            outage.first_failure = Some(now);
            self.failures.store(1, Ordering::Relaxed);
            return false;
        }
        self.failures.store(before.saturating_add(1), Ordering::Relaxed);
        before + 1 >= MAX_FAILURES
    }

    /// Marks it unavailable. Returns `false` if it was already.
    pub(super) fn mark_unavailable(&self, failure: OutageCause, ejections: bool) -> bool {
        let mut outage = self.outage();
        let is_lasting = failure.is_lasting();
        outage.last = Some(failure);
        if self.is_unavailable.swap(true, Ordering::Relaxed) {
            return false;
        }
        outage.since = Instant::now();
        outage.attempts = 0;
        outage.is_ejection = ejections;
        let pause = if is_lasting {
            RECHECK_PAUSE
        } else if ejections {
            doubled(FIRST_EJECTION, self.ejections.fetch_add(1, Ordering::Relaxed), MAX_EJECTION)
        } else {
            FIRST_PAUSE
        };
        outage.not_before = Some(Instant::now() + pause);
        true
    }

    /// Marks it available. Returns `false` if it was already.
    pub(super) fn mark_available(&self) -> bool {
        self.failures.store(0, Ordering::Relaxed);
        let was_unavailable = self.is_unavailable.swap(false, Ordering::Relaxed);
        if was_unavailable {
            self.outage().since = Instant::now();
            self.protocol.forget();
        }
        was_unavailable
    }

    /// Records a failed attempt to reach it, and sets the next one.
    pub(super) fn extend_outage(&self, failure: OutageCause, is_urgent: bool) {
        let mut outage = self.outage();
        outage.is_ejection = false;
        outage.attempts = outage.attempts.saturating_add(1);
        let longest = if is_urgent { MAX_EAGER_PAUSE } else { MAX_PAUSE };
        let pause = match failure.is_lasting() {
            true => RECHECK_PAUSE,
            false => doubled(FIRST_PAUSE, outage.attempts, longest),
        };
        outage.not_before = Some(Instant::now() + pause);
        outage.last = Some(failure);
    }

    /// Prolongs an ejection, because a probe has failed.
    pub(super) fn extend_ejection(&self, failure: OutageCause) {
        let mut outage = self.outage();
        let pause =
            doubled(FIRST_EJECTION, self.ejections.fetch_add(1, Ordering::Relaxed), MAX_EJECTION);
        outage.not_before = Some(Instant::now() + pause);
        outage.last = Some(failure);
    }

    /// Whether it is unavailable because it was ejected.
    pub(super) fn is_ejected(&self) -> bool {
        !self.is_available() && self.outage().is_ejection
    }

    /// When the next probe of an ejected server is due, if it has none already.
    pub(super) fn ejected_until(&self) -> Option<Instant> {
        if self.is_available() {
            return None;
        }
        let outage = self.outage();
        outage.not_before.filter(|_| outage.is_ejection)
    }

    /// Begins the probe of an ejected server, if it is due.
    pub(super) fn begin_ejected_probe(&self, now: Instant) -> bool {
        if self.is_available() {
            return false;
        }
        let mut outage = self.outage();
        let is_due = outage.is_ejection && outage.not_before.is_some_and(|at| at <= now);
        if is_due {
            // Until the result.
            outage.not_before = None;
        }
        is_due
    }

    /// Logs that it is unavailable, unless the log says so or said so a moment ago.
    pub(super) fn log_outage(&self, error: &Error) {
        if self.is_logged.load(Ordering::Relaxed) {
            return;
        }
        let Some(missed) = self.outages.should_log() else { return };
        self.is_logged.store(true, Ordering::Relaxed);
        if self.is_ejected() {
            tracing::warn!(server = %self.address, %error, missed, "upstream server ejected");
        } else {
            tracing::warn!(server = %self.address, %error, missed, "upstream server unavailable");
        }
    }

    /// Logs that it is available again, if the log says that it is unavailable.
    pub(super) fn log_return(&self) {
        if self.is_logged.swap(false, Ordering::Relaxed) {
            tracing::info!(server = %self.address, "upstream server available again");
        }
    }

    /// The earliest time of the next attempt.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.outage().not_before
    }

    /// Shortens a long pause, because a request waits for the server now. An ejection is not shortened.
    pub(super) fn retry_soon(&self) {
        let mut outage = self.outage();
        let soon = Instant::now() + MAX_EAGER_PAUSE;
        let is_lasting = outage.last.as_ref().is_some_and(OutageCause::is_lasting);
        if outage.attempts > 0
            && !outage.is_ejection
            && !is_lasting
            && outage.not_before.is_some_and(|at| at > soon)
        {
            outage.not_before = Some(soon);
        }
    }

    /// Since when it is available or unavailable.
    pub(super) fn state_since(&self) -> Instant {
        self.outage().since
    }

    /// Why it is unavailable.
    pub(super) fn failure(&self) -> Option<OutageCause> {
        self.outage().last.clone()
    }

    /// Whether it is unavailable because it speaks the other protocol.
    pub(super) fn speaks_other(&self) -> bool {
        let outage = self.outage();
        !self.is_available() && outage.last.as_ref().is_some_and(OutageCause::is_other_protocol)
    }

    /// Adds the list of a worker thread. It is forgotten when the thread drops it.
    pub(in crate::upstream) fn add_sent(&self, sockets: &Arc<SentSockets>) {
        let mut sent = lock(&self.sent);
        sent.retain(|list| list.strong_count() > 0);
        sent.push(Arc::downgrade(sockets));
    }

    /// Returns the lists of all worker threads.
    pub(super) fn sent_sockets(&self) -> Vec<Arc<SentSockets>> {
        lock(&self.sent).iter().filter_map(Weak::upgrade).collect()
    }

    fn outage(&self) -> MutexGuard<'_, ServerOutage> {
        // The values are plain, so a partial update does no harm.
        lock(&self.outage)
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest)
}

// === impl ServerAddress ===

impl ServerAddress {
    /// The address of a host, which is asked over TLS if there are settings for it.
    pub(in crate::upstream) fn of_host(
        host: &str,
        address: SocketAddr,
        tls: Option<&TlsClient>,
    ) -> Self {
        match tls {
            Some(tls) => Self::Tls(tls.server(host, address)),
            None => Self::Tcp(address),
        }
    }

    /// Its address in the network; `None` for a unix socket.
    pub(in crate::upstream) fn socket_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Tls(server) => Some(server.address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tls(server) => server.address.fmt(f),
        }
    }
}

// === impl OutageCause ===

impl OutageCause {
    /// Whether the server does not become available by itself.
    pub(super) fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    /// Whether the server accepts connections but speaks the other protocol.
    pub(super) fn is_other_protocol(&self) -> bool {
        self.kind == FailureKind::UpstreamProtocol
    }

    /// The error for a request whose wait has failed. It was never sent.
    pub(super) fn error(&self) -> Error {
        match &self.cause {
            Some((kind, text)) => Error::io(self.kind, io::Error::new(*kind, text.clone())),
            None => Error::new(self.kind),
        }
        .unsent()
    }
}

impl From<&Error> for OutageCause {
    fn from(error: &Error) -> Self {
        let cause = error.cause().map(|cause| (cause.kind(), cause.to_string()));
        Self { kind: error.kind(), is_lasting: error.is_lasting(), cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> UpstreamServer {
        UpstreamServer::new(1, ServerAddress::Unix("/run/app.sock".into()))
    }

    fn refused() -> OutageCause {
        OutageCause::from(&Error::new(FailureKind::UpstreamRefused))
    }

    #[test]
    fn permits_are_limited() {
        let server = server();
        assert!(server.take(2) && server.take(2));
        assert!(!server.take(2));
        server.release();
        assert!(server.take(2));
        assert_eq!(server.in_flight(), 2);
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let pauses: Vec<u128> =
            (0..6).map(|times| doubled(FIRST_PAUSE, times, MAX_EAGER_PAUSE).as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 100, 100]);
        assert_eq!(doubled(FIRST_EJECTION, u32::MAX, MAX_EJECTION), MAX_EJECTION);
    }

    #[test]
    fn outage_begins_and_ends_once() {
        let server = server();
        assert!(server.mark_unavailable(refused(), false));
        assert!(!server.mark_unavailable(refused(), false) && !server.is_available());
        assert_eq!(server.failure().unwrap().error().kind(), FailureKind::UpstreamRefused);
        assert!(server.mark_available() && !server.mark_available() && server.is_available());
    }

    #[test]
    fn server_is_ejected_after_three_failures_in_a_row() {
        let server = server();
        let fails = |seconds| server.on_failure(Instant::now() + Duration::from_secs(seconds));
        assert!(!fails(0) && !fails(0));
        server.on_answer();
        assert!(!fails(0) && !fails(1) && fails(2));
        server.on_answer();
        // Failures that are far apart are not one fault.
        let window = FAILURE_WINDOW.as_secs();
        assert!(!fails(0) && !fails(window - 1) && !fails(window + 1));
        assert!(!fails(window + 2) && fails(window + 3));
        for seconds in [1, 2, 4] {
            assert!(server.mark_unavailable(refused(), true));
            let rest = server.not_before().unwrap() - Instant::now();
            let expected = Duration::from_secs(seconds);
            assert!(rest <= expected && rest > expected / 2, "{rest:?}");
            server.mark_available();
        }
        // A successful response resets the earlier failures.
        server.on_answer();
        assert!(server.mark_unavailable(refused(), true));
        assert!(server.not_before().unwrap() - Instant::now() <= Duration::from_secs(1));
    }
}
