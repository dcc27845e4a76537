//! Places at the application, and waiting for one.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::time::timeout_at;

use super::{
    queue::WaiterId,
    server::{OutageCause, UpstreamServer},
    state::{Backends, ServerPermit},
};
use crate::{
    error::{Error, FailureKind},
    sync::{
        lock,
        oneshot::{self, Receiver},
    },
};

/// How long a request may wait.
struct WaitLimit {
    /// Why no server is there, if none is.
    absence: Option<Error>,
    /// Since it began to wait.
    most: Duration,
}

/// A request in the queue; leaves it when dropped.
#[derive(Debug)]
struct QueuedRequest {
    fleet: Arc<Backends>,
    ticket: WaiterId,
    turn: Receiver<Result<ServerPermit, Error>>,
}

// === impl Backends ===

impl Backends {
    /// A place at the server with the fewest requests, if one is free and nobody waits for it.
    pub(in crate::upstream) fn try_admit(
        self: &Arc<Self>,
        servers: &[Arc<UpstreamServer>],
    ) -> Option<ServerPermit> {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            return None;
        }
        self.take(servers)
    }

    /// Waits for a place, for a request that waits since then: as long as the settings allow. Dropping
    /// the future leaves the queue.
    pub(in crate::upstream) async fn admit(
        self: &Arc<Self>,
        since: Instant,
    ) -> Result<ServerPermit, Error> {
        let patience = self.patience();
        if let Some(error) = patience.absence {
            self.hurry();
            if since.elapsed() >= patience.most {
                return Err(error);
            }
        }
        let mut waiting = self.enqueue(since)?;
        loop {
            // The servers may be gone, or back, meanwhile: then another limit counts. If they left before this request
            // was in the queue, nobody else reports it.
            let patience = self.patience();
            if since.elapsed() >= patience.most {
                return waiting.give_up(patience.absence);
            }
            let turn = timeout_at((since + patience.most).into(), &mut waiting.turn).await;
            if let Ok(turn) = turn {
                // Nobody drops the other end without a word, except a process that ends.
                return turn.unwrap_or_else(|_| Err(Error::new(FailureKind::QueueTimeout)));
            }
        }
    }

    /// What is waited for now, and how long.
    fn patience(&self) -> WaitLimit {
        let settings = self.settings();
        let limits = &settings.admission;
        let absence = self.absence();
        let most = match &absence {
            None => limits.queue_timeout,
            // It does not come back by itself.
            Some(error) if error.kind() == FailureKind::UpstreamProtocol => Duration::ZERO,
            // The first question to a name server belongs to connecting.
            Some(_) if self.is_unknown() => limits.wait.max(settings.connect_timeout),
            Some(_) => limits.wait,
        };
        WaitLimit { absence, most }
    }

    /// Gives free places to those who wait.
    pub(super) fn dispatch(self: &Arc<Self>) {
        let mut spare = None;
        loop {
            // Given back only after the lock: that may lead here again.
            drop(mem::take(&mut spare));
            let mut queue = lock(&self.queue);
            if queue.len() == 0 {
                return;
            }
            let Some(mut slot) = self.take(&self.servers()) else { return };
            loop {
                let Some(tell) = queue.pop(Instant::now()) else {
                    spare = Some(slot);
                    break;
                };
                self.waiting.store(queue.len(), Ordering::SeqCst);
                match tell.send(Ok(slot)) {
                    Ok(()) => break,
                    // It has left at this moment.
                    Err(Ok(returned)) => slot = returned,
                    Err(Err(_)) => return,
                }
            }
        }
    }

    /// Sends everybody away who waits.
    pub(super) fn dismiss(&self, error: &Error) {
        let mut queue = lock(&self.queue);
        for tell in queue.drain() {
            // One that has left meanwhile need not know.
            let _ = tell.send(Err(OutageCause::from(error).error()));
        }
        self.waiting.store(0, Ordering::SeqCst);
    }

    fn enqueue(self: &Arc<Self>, since: Instant) -> Result<QueuedRequest, Error> {
        let (tell, turn) = oneshot::channel();
        let most = self.settings().admission.queue;
        let ticket = {
            let mut queue = lock(&self.queue);
            if queue.len() >= most {
                return Err(Error::new(FailureKind::QueueFull).unsent());
            }
            let ticket = queue.push(since, tell);
            self.waiting.store(queue.len(), Ordering::SeqCst);
            ticket
        };
        let waiting = QueuedRequest { fleet: Arc::clone(self), ticket, turn };
        // A place may have become free before anybody could see that somebody waits.
        self.dispatch();
        Ok(waiting)
    }

    fn take(self: &Arc<Self>, servers: &[Arc<UpstreamServer>]) -> Option<ServerPermit> {
        let limit = self.max_in_flight.load(Ordering::Relaxed);
        let take = |server: &Arc<UpstreamServer>| {
            let slot = || ServerPermit { fleet: Arc::clone(self), server: Arc::clone(server) };
            server.take(limit).then(slot)
        };
        if let [only] = servers {
            return if only.is_available() { take(only) } else { None };
        }
        loop {
            let available = servers.iter().filter(|server| server.is_available());
            let least = available.min_by_key(|server| server.in_flight())?;
            if least.in_flight() >= limit {
                return None;
            }
            // Somebody else may be faster: then another is the least busy.
            if let Some(slot) = take(least) {
                return Some(slot);
            }
        }
    }
}

// === impl QueuedRequest ===

impl QueuedRequest {
    /// Its time is over; `absence` is why no server is there.
    fn give_up(mut self, absence: Option<Error>) -> Result<ServerPermit, Error> {
        // A place that came in the last moment is as good as any other.
        if let Ok(turn) = self.turn.try_recv() {
            return turn;
        }
        Err(absence.unwrap_or_else(|| Error::new(FailureKind::QueueTimeout).unsent()))
    }
}

impl Drop for QueuedRequest {
    fn drop(&mut self) {
        let mut queue = lock(&self.fleet.queue);
        if queue.remove(self.ticket) {
            self.fleet.waiting.store(queue.len(), Ordering::SeqCst);
        }
        drop(queue);
        // A place that was given to it in this moment goes to the next: dropped with the receiver.
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;
    use crate::{plan, upstream::backends::server::ServerAddress};

    fn plan(limits: plan::AdmissionSettings) -> plan::UpstreamSettings {
        let targets = vec![plan::UpstreamTarget::Unix("/run/app.sock".into())];
        plan::UpstreamSettings { admission: limits, ..plan::UpstreamSettings::of_tests(targets) }
    }

    fn limits(max_in_flight: usize, queue: usize) -> plan::AdmissionSettings {
        let (queue_timeout, wait) = (Duration::from_secs(20), Duration::from_secs(20));
        plan::AdmissionSettings { max_in_flight, queue, queue_timeout, wait }
    }

    fn fleet(limits: plan::AdmissionSettings) -> Arc<Backends> {
        Backends::new(&plan(limits), &Arc::default())
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(future)
    }

    async fn admit(fleet: &Arc<Backends>) -> Result<ServerPermit, Error> {
        match fleet.try_admit(&fleet.servers()) {
            Some(slot) => Ok(slot),
            None => fleet.admit(Instant::now()).await,
        }
    }

    /// Polls once, so that the request stands in the queue.
    async fn begin<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())
        })
        .await
    }

    #[test]
    fn a_place_that_is_given_back_goes_to_who_waits() {
        block_on(async {
            let fleet = fleet(limits(1, 10));
            let first = admit(&fleet).await.unwrap();
            let mut second = Box::pin(admit(&fleet));
            assert!(!begin(&mut second).await);
            // Nobody overtakes those who wait.
            drop(first);
            assert!(fleet.try_admit(&fleet.servers()).is_none());
            let second = second.await.unwrap();
            assert_eq!(second.server.in_flight(), 1);
            drop(second);
            assert_eq!(fleet.servers()[0].in_flight(), 0);
            assert!(fleet.try_admit(&fleet.servers()).is_some());
        });
    }

    #[test]
    fn a_full_queue_refuses() {
        block_on(async {
            let fleet = fleet(limits(1, 1));
            let _first = admit(&fleet).await.unwrap();
            let mut second = Box::pin(admit(&fleet));
            assert!(!begin(&mut second).await);
            assert_eq!(admit(&fleet).await.unwrap_err().kind(), FailureKind::QueueFull);
        });
    }

    #[test]
    fn one_that_leaves_makes_room() {
        block_on(async {
            let fleet = fleet(limits(1, 1));
            let first = admit(&fleet).await.unwrap();
            let mut second = Box::pin(admit(&fleet));
            assert!(!begin(&mut second).await);
            drop(second);
            let mut third = Box::pin(admit(&fleet));
            assert!(!begin(&mut third).await);
            // One that leaves after it got its turn hands it on.
            let mut fourth = Box::pin(fleet.admit(Instant::now()));
            assert!(begin(&mut fourth).await, "the queue has one place");
            drop(first);
            drop(third);
            assert_eq!(fleet.servers()[0].in_flight(), 0);
        });
    }

    #[test]
    fn waits_no_longer_than_it_may() {
        block_on(async {
            let soon = Duration::from_millis(20);
            let fleet = fleet(plan::AdmissionSettings { queue_timeout: soon, ..limits(1, 10) });
            let _first = admit(&fleet).await.unwrap();
            assert_eq!(admit(&fleet).await.unwrap_err().kind(), FailureKind::QueueTimeout);
            assert_eq!(lock(&fleet.queue).len(), 0);
        });
    }

    #[test]
    fn an_application_that_is_away_is_waited_for() {
        block_on(async {
            let fleet = fleet(limits(4, 10));
            let servers = fleet.servers();
            let error = Error::new(FailureKind::UpstreamRefused);
            fleet.on_refused(&servers[0], &error);
            let mut waiting = Box::pin(admit(&fleet));
            assert!(!begin(&mut waiting).await);
            assert!(servers[0].come_back());
            fleet.dispatch();
            waiting.await.unwrap();
        });
    }

    #[test]
    fn without_patience_the_failure_is_told_at_once() {
        block_on(async {
            let fleet = fleet(plan::AdmissionSettings { wait: Duration::ZERO, ..limits(1, 10) });
            let place = admit(&fleet).await.unwrap();
            let mut waiting = Box::pin(admit(&fleet));
            assert!(!begin(&mut waiting).await);
            fleet.on_refused(&place.server, &Error::new(FailureKind::UpstreamRefused));
            assert_eq!(waiting.await.unwrap_err().kind(), FailureKind::UpstreamRefused);
            let late = admit(&fleet).await.unwrap_err();
            assert!(late.kind() == FailureKind::UpstreamRefused && late.is_unsent());
        });
    }

    #[test]
    fn the_server_with_the_fewest_requests_is_next() {
        let fleet = fleet(limits(2, 10));
        let addresses = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().unwrap());
        fleet.replace(addresses.map(ServerAddress::Tcp).to_vec());
        let servers = fleet.servers();
        let slots: Vec<ServerPermit> = std::iter::from_fn(|| fleet.try_admit(&servers)).collect();
        let ids: Vec<u64> = slots.iter().map(|slot| slot.server.id).collect();
        assert_eq!(ids.len(), 4);
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[2], ids[3]);
        drop(slots);
        // The last one is used however often it fails.
        let error = Error::new(FailureKind::UpstreamClosed);
        for _ in 0..10 {
            servers.iter().for_each(|server| fleet.on_failed(server, &error));
        }
        assert_eq!(servers.iter().filter(|server| server.is_available()).count(), 1);
    }

    /// Threads that take, hold, give back and give up: never too many at once, and nobody is forgotten.
    #[test]
    fn many_threads_share_few_places() {
        const LIMIT: usize = 3;
        let fleet = fleet(limits(LIMIT, 1000));
        let (running, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for seed in 0..4_u64 {
                let (fleet, running, served) = (&fleet, &running, &served);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    block_on(async {
                        for _ in 0..2000 {
                            if random.u8(..4) == 0 {
                                let mut hasty = Box::pin(admit(fleet));
                                begin(&mut hasty).await;
                                continue;
                            }
                            let slot = admit(fleet).await.unwrap();
                            assert!(running.fetch_add(1, Ordering::SeqCst) < LIMIT);
                            if random.bool() {
                                tokio::task::yield_now().await;
                            }
                            running.fetch_sub(1, Ordering::SeqCst);
                            drop(slot);
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                });
            }
        });
        assert!(served.load(Ordering::SeqCst) > 4000);
        assert_eq!(fleet.servers()[0].in_flight(), 0);
        assert_eq!(fleet.waiting.load(Ordering::SeqCst), 0);
    }
}
