//! Acquires permits, and queues requests that have to wait for one.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::time::timeout_at;

use super::{
    queue::WaiterId,
    server::{OutageCause, UpstreamServer},
    share::ShareOfRequests,
    state::{Backends, ServerPermit, WaitingRequest},
};
use crate::{
    body::ClientShare,
    error::{Error, FailureKind},
    sync::{
        lock,
        oneshot::{self, Receiver},
    },
};

/// How long a request may wait.
struct WaitLimit {
    /// Why no server is available, if none is.
    unavailable_error: Option<Error>,
    /// Counted from the beginning of its wait.
    max: Duration,
}

/// A request in the queue. It leaves the queue when dropped.
#[derive(Debug)]
struct QueuedRequest {
    backends: Arc<Backends>,
    waiter_id: WaiterId,
    turn: Receiver<Result<ServerPermit, Error>>,
}

// === impl Backends ===

impl Backends {
    /// Acquires a permit at the server with the fewest requests, if one is free and no request is queued.
    pub(in crate::upstream) fn try_admit(
        self: &Arc<Self>,
        servers: &[Arc<UpstreamServer>],
        client: Option<ClientShare>,
    ) -> Option<ServerPermit> {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            return None;
        }
        let mut server_permit = self.take(servers)?;
        server_permit.count_for(client);
        Some(server_permit)
    }

    /// Waits for a permit as long as the settings allow, counted from `since`. Dropping the future leaves the queue.
    pub(in crate::upstream) async fn admit(
        self: &Arc<Self>,
        since: Instant,
        client: Option<ClientShare>,
    ) -> Result<ServerPermit, Error> {
        let wait_limit = self.wait_limit();
        if let Some(error) = wait_limit.unavailable_error {
            self.retry_soon();
            if since.elapsed() >= wait_limit.max {
                return Err(error);
            }
        }
        let mut waiting = self.enqueue(since, client)?;
        loop {
            // Servers may become unavailable or available meanwhile, and then another limit applies. If all became
            // unavailable before this request was queued, no other code reports that.
            let wait_limit = self.wait_limit();
            if since.elapsed() >= wait_limit.max {
                return waiting.time_out(wait_limit.unavailable_error);
            }
            let turn = timeout_at((since + wait_limit.max).into(), &mut waiting.turn).await;
            if let Ok(turn) = turn {
                // The sender is dropped without a message only if the process ends.
                return turn.unwrap_or_else(|_| Err(Error::new(FailureKind::QueueTimeout)));
            }
        }
    }

    /// Returns the current limit of the wait, and its reason.
    fn wait_limit(&self) -> WaitLimit {
        let settings = self.settings();
        let limits = &settings.admission;
        let unavailable_error = self.unavailable_error();
        let max = match &unavailable_error {
            None => limits.queue_timeout,
            // Such a server does not become available by itself.
            Some(error) if error.is_lasting() => Duration::ZERO,
            // The first query to a name server counts as part of connecting.
            Some(_) if self.is_unknown() => limits.wait.max(settings.connect_timeout),
            Some(_) => limits.wait,
        };
        WaitLimit { unavailable_error, max }
    }

    /// Gives free permits to queued requests.
    pub(super) fn dispatch(self: &Arc<Self>) {
        let mut spare = None;
        loop {
            // Dropped only after the lock is released, because the drop may call this function again.
            drop(mem::take(&mut spare));
            let mut queue = lock(&self.queue);
            if queue.len() == 0 {
                return;
            }
            let Some(mut server_permit) = self.take(&self.servers()) else { return };
            loop {
                let limit = self.client_limit();
                let next = queue.pop(Instant::now(), |waiting| {
                    waiting.client.is_none_or(|client| self.held_by(client) < limit)
                });
                let Some((next, has_overtaken)) = next else {
                    spare = Some(server_permit);
                    break;
                };
                self.waiting.store(queue.len(), Ordering::SeqCst);
                if has_overtaken {
                    self.counts.share_exceeded.fetch_add(1, Ordering::Relaxed);
                }
                server_permit.count_for(next.client);
                match next.permit_sender.send(Ok(server_permit)) {
                    Ok(()) => break,
                    // The request has just left the queue.
                    Err(Ok(returned)) => server_permit = returned,
                    Err(Err(_)) => return,
                }
            }
        }
    }

    /// Fails all queued requests.
    pub(super) fn fail_all(&self, error: &Error) {
        let mut queue = lock(&self.queue);
        for waiting in queue.drain() {
            // A request that is no longer queued has dropped its receiver.
            let _ = waiting.permit_sender.send(Err(OutageCause::from(error).error()));
        }
        self.waiting.store(0, Ordering::SeqCst);
    }

    fn enqueue(
        self: &Arc<Self>,
        since: Instant,
        client: Option<ClientShare>,
    ) -> Result<QueuedRequest, Error> {
        let (permit_sender, turn) = oneshot::channel();
        let max = self.settings().admission.queue;
        let waiter_id = {
            let mut queue = lock(&self.queue);
            if queue.len() >= max {
                return Err(Error::new(FailureKind::QueueFull).unsent());
            }
            let waiter_id = queue.push(since, WaitingRequest { client, permit_sender });
            self.waiting.store(queue.len(), Ordering::SeqCst);
            waiter_id
        };
        self.queued.notify_one();
        let waiting = QueuedRequest { backends: Arc::clone(self), waiter_id, turn };
        // A permit may have been released before its holder could see this request in the queue.
        self.dispatch();
        Ok(waiting)
    }

    fn take(self: &Arc<Self>, servers: &[Arc<UpstreamServer>]) -> Option<ServerPermit> {
        let limit = self.max_in_flight.load(Ordering::Relaxed);
        let take = |server: &Arc<UpstreamServer>, limit: usize| {
            let server_permit = || ServerPermit {
                backends: Arc::clone(self),
                server: Arc::clone(server),
                client: None,
            };
            server.take(limit).then(server_permit)
        };
        if let [only] = servers {
            return if only.is_available() { take(only, limit) } else { None };
        }
        let mut available = servers.iter().filter(|server| server.is_available());
        let is_shared = available.any(|server| server.share.is_full());
        loop {
            let available = servers.iter().filter(|server| server.is_available());
            let shares = available.map(|server| match is_shared {
                true => (server, server.share.of_next(limit)),
                // Without a server that has its whole share, each gets all that it can.
                false => (server, ShareOfRequests { limit, has_turn: true }),
            });
            let (min, share) = shares.min_by_key(|(server, share)| {
                let in_flight = server.in_flight();
                (in_flight >= share.limit, !share.has_turn, in_flight)
            })?;
            if min.in_flight() >= share.limit {
                return None;
            }
            // Another request may take the permit first. Then another server is the least busy.
            if let Some(server_permit) = take(min, share.limit) {
                return Some(server_permit);
            }
        }
    }
}

// === impl QueuedRequest ===

impl QueuedRequest {
    /// Ends the wait. `unavailable_error` is why no server is available.
    fn time_out(mut self, unavailable_error: Option<Error>) -> Result<ServerPermit, Error> {
        // A permit that arrives at the last moment is still used.
        if let Ok(turn) = self.turn.try_recv() {
            return turn;
        }
        Err(unavailable_error.unwrap_or_else(|| Error::new(FailureKind::QueueTimeout).unsent()))
    }
}

impl Drop for QueuedRequest {
    fn drop(&mut self) {
        let mut queue = lock(&self.backends.queue);
        if queue.remove(self.waiter_id) {
            self.backends.waiting.store(queue.len(), Ordering::SeqCst);
        }
        drop(queue);
        // If a permit is sent at this moment, it is dropped with the receiver and goes to the next request.
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;
    use crate::{plan, telemetry::EjectionCause, upstream::backends::server::ServerAddress};

    fn plan(limits: plan::AdmissionSettings) -> plan::UpstreamSettings {
        let targets = vec![plan::UpstreamTarget::Unix("/run/app.sock".into())];
        plan::UpstreamSettings { admission: limits, ..plan::UpstreamSettings::of_tests(targets) }
    }

    fn limits(max_in_flight: usize, queue: usize) -> plan::AdmissionSettings {
        let (queue_timeout, wait) = (Duration::from_secs(20), Duration::from_secs(20));
        plan::AdmissionSettings {
            max_in_flight,
            tunes: false,
            queue,
            queue_timeout,
            wait,
            client_share: None,
        }
    }

    fn backends(limits: plan::AdmissionSettings) -> Arc<Backends> {
        Backends::new(&plan(limits), &Arc::default())
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(future)
    }

    async fn admit(backends: &Arc<Backends>) -> Result<ServerPermit, Error> {
        match backends.try_admit(&backends.servers(), None) {
            Some(server_permit) => Ok(server_permit),
            None => backends.admit(Instant::now(), None).await,
        }
    }

    /// Polls once, so that the request is in the queue.
    async fn begin<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())
        })
        .await
    }

    #[test]
    fn released_permit_goes_to_a_queued_request() {
        block_on(async {
            let backends = backends(limits(1, 10));
            let first = admit(&backends).await.unwrap();
            let mut second = Box::pin(admit(&backends));
            assert!(!begin(&mut second).await);
            // No request overtakes the queue.
            drop(first);
            assert!(backends.try_admit(&backends.servers(), None).is_none());
            let second = second.await.unwrap();
            assert_eq!(second.server.in_flight(), 1);
            drop(second);
            assert_eq!(backends.servers()[0].in_flight(), 0);
            assert!(backends.try_admit(&backends.servers(), None).is_some());
        });
    }

    /// Returns the clients in the order in which they get the permit of one that ends, and the number of requests that
    /// had to wait longer for that.
    async fn order_of(share: Option<u8>, held: &[&str], queued: &[&'static str]) -> (String, u64) {
        let counts = Arc::<crate::telemetry::ServerCounts>::default();
        let limits = plan::AdmissionSettings { client_share: share, ..limits(held.len(), 100) };
        let backends = Backends::new(&plan(limits), &counts);
        let of = |name: &str| Some(ClientShare::of(name)).filter(|_| name != "proxy");
        let servers = backends.servers();
        let mut permits: Vec<_> =
            held.iter().map(|name| backends.try_admit(&servers, of(name)).unwrap()).collect();
        let mut waiting: Vec<_> = queued
            .iter()
            .map(|name| (*name, Box::pin(backends.admit(Instant::now(), of(name)))))
            .collect();
        for (_, future) in &mut waiting {
            assert!(!begin(future).await);
        }
        let mut order = String::new();
        while !waiting.is_empty() {
            drop(permits.remove(0));
            for index in 0..waiting.len() {
                let (name, future) = &mut waiting[index];
                let next = std::future::poll_fn(|cx| {
                    std::task::Poll::Ready(match future.as_mut().poll(cx) {
                        std::task::Poll::Ready(permit) => Some(permit.unwrap()),
                        std::task::Poll::Pending => None,
                    })
                });
                if let Some(permit) = next.await {
                    order.push_str(name);
                    permits.push(permit);
                    drop(waiting.remove(index));
                    break;
                }
            }
        }
        drop(permits);
        let held = ["a", "b"].map(|name| backends.held_by(ClientShare::of(name)));
        assert_eq!(held, [0, 0]);
        (order, counts.share_exceeded.load(Ordering::SeqCst))
    }

    #[test]
    fn client_with_its_share_of_the_permits_waits_for_others() {
        block_on(async {
            let (a, four_of_a) = ("a", ["a"; 4]);
            let half = Some(50);
            // The client that was first holds all permits and most of the queue.
            let queued = [a, a, a, "b", "b", "b"];
            assert_eq!(order_of(half, &four_of_a, &queued).await, ("bbaaba".into(), 3));
            assert_eq!(order_of(None, &four_of_a, &queued).await, ("aaabbb".into(), 0));
            assert_eq!(order_of(Some(100), &four_of_a, &queued).await, ("aaabbb".into(), 0));
            // A client that is alone may hold all, and one of a proxy that does not name it has no limit.
            assert_eq!(order_of(half, &four_of_a, &[a; 5]).await, ("aaaaa".into(), 0));
            let proxied = order_of(half, &["proxy"; 4], &["proxy", a, a, "proxy"]).await;
            assert_eq!(proxied, ("proxyaaproxy".into(), 0));
            // A share is at least one permit.
            assert_eq!(order_of(Some(1), &[a, a], &[a, "b"]).await, ("ba".into(), 1));
        });
    }

    #[test]
    fn a_full_queue_refuses() {
        block_on(async {
            let backends = backends(limits(1, 1));
            let _first = admit(&backends).await.unwrap();
            let mut second = Box::pin(admit(&backends));
            assert!(!begin(&mut second).await);
            assert_eq!(admit(&backends).await.unwrap_err().kind(), FailureKind::QueueFull);
        });
    }

    #[test]
    fn abandoned_request_frees_its_queue_entry() {
        block_on(async {
            let backends = backends(limits(1, 1));
            let first = admit(&backends).await.unwrap();
            let mut second = Box::pin(admit(&backends));
            assert!(!begin(&mut second).await);
            drop(second);
            let mut third = Box::pin(admit(&backends));
            assert!(!begin(&mut third).await);
            // A request that leaves after it got its permit passes it on.
            let mut fourth = Box::pin(backends.admit(Instant::now(), None));
            assert!(begin(&mut fourth).await, "the queue has one place");
            drop(first);
            drop(third);
            assert_eq!(backends.servers()[0].in_flight(), 0);
        });
    }

    #[test]
    fn waits_no_longer_than_it_may() {
        block_on(async {
            let soon = Duration::from_millis(20);
            let backends =
                backends(plan::AdmissionSettings { queue_timeout: soon, ..limits(1, 10) });
            let _first = admit(&backends).await.unwrap();
            assert_eq!(admit(&backends).await.unwrap_err().kind(), FailureKind::QueueTimeout);
            assert_eq!(lock(&backends.queue).len(), 0);
        });
    }

    #[test]
    fn unavailable_application_is_waited_for() {
        block_on(async {
            let backends = backends(limits(4, 10));
            let servers = backends.servers();
            let error = Error::new(FailureKind::UpstreamRefused);
            backends.on_refused(&servers[0], &error);
            let mut waiting = Box::pin(admit(&backends));
            assert!(!begin(&mut waiting).await);
            assert!(servers[0].mark_available());
            backends.dispatch();
            waiting.await.unwrap();
        });
    }

    #[test]
    fn without_wait_the_failure_is_returned_at_once() {
        block_on(async {
            let backends =
                backends(plan::AdmissionSettings { wait: Duration::ZERO, ..limits(1, 10) });
            let place = admit(&backends).await.unwrap();
            let mut waiting = Box::pin(admit(&backends));
            assert!(!begin(&mut waiting).await);
            backends.on_refused(&place.server, &Error::new(FailureKind::UpstreamRefused));
            assert_eq!(waiting.await.unwrap_err().kind(), FailureKind::UpstreamRefused);
            let late = admit(&backends).await.unwrap_err();
            assert!(late.kind() == FailureKind::UpstreamRefused && late.is_unsent());
        });
    }

    #[test]
    fn the_server_with_the_fewest_requests_is_next() {
        let backends = backends(limits(2, 10));
        let addresses = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().unwrap());
        backends.replace(addresses.map(ServerAddress::Tcp).to_vec());
        let servers = backends.servers();
        let slots: Vec<ServerPermit> =
            std::iter::from_fn(|| backends.try_admit(&servers, None)).collect();
        let ids: Vec<u64> = slots.iter().map(|server_permit| server_permit.server.id).collect();
        assert_eq!(ids.len(), 4);
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[2], ids[3]);
        drop(slots);
        // The last server is used however often it fails. If it fails as often as the others, they are used as well.
        let error = Error::new(FailureKind::UpstreamClosed);
        let available = || servers.iter().filter(|server| server.is_available()).count();
        for _ in 0..10 {
            for server in servers.iter() {
                backends.on_failed(server, &error, EjectionCause::Closed);
                assert_ne!(available(), 0);
            }
        }
        assert_eq!(available(), 2);
    }

    /// Threads acquire, hold, release and cancel. There are never too many permits, and no request is forgotten.
    #[test]
    fn many_threads_share_few_permits() {
        const LIMIT: usize = 3;
        let backends = backends(limits(LIMIT, 1000));
        let (running, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for seed in 0..4_u64 {
                let (backends, running, served) = (&backends, &running, &served);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    block_on(async {
                        for _ in 0..2000 {
                            if random.u8(..4) == 0 {
                                let mut hasty = Box::pin(admit(backends));
                                begin(&mut hasty).await;
                                continue;
                            }
                            let server_permit = admit(backends).await.unwrap();
                            assert!(running.fetch_add(1, Ordering::SeqCst) < LIMIT);
                            if random.bool() {
                                tokio::task::yield_now().await;
                            }
                            running.fetch_sub(1, Ordering::SeqCst);
                            drop(server_permit);
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                });
            }
        });
        assert!(served.load(Ordering::SeqCst) > 4000);
        assert_eq!(backends.servers()[0].in_flight(), 0);
        assert_eq!(backends.waiting.load(Ordering::SeqCst), 0);
    }
}
