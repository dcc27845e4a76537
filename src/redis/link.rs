//! The link as the rest of the program uses it: purges go in without waiting, and those of others come out of a function
//! that is called on the link's own thread.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Builder, sync::mpsc};

use super::{
    follower::Follower, link_core::LinkCore, publisher::Publisher, purge_message::PurgeMessage,
    tls::RedisTls,
};
use crate::{plan::RedisSettings, telemetry::RedisCounts};

/// The most purges that wait to be sent.
const MAX_QUEUED: usize = 1024;
/// The queue is kept for purges from here on: anybody can send a POST.
const MAX_QUEUED_INVALIDATIONS: usize = MAX_QUEUED / 2;
/// Invalidations of one Sideman in a second, and at once.
const MAX_INVALIDATIONS: u64 = 100;
const INVALIDATION_INTERVAL: Duration = Duration::from_millis(1000 / MAX_INVALIDATIONS);

/// What a purge comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeCause {
    /// A request to purge.
    Request,
    /// A request with an unsafe method, such as POST.
    Invalidation,
}

/// The link to Redis.
#[derive(Debug)]
pub struct RedisLink {
    core: Arc<LinkCore>,
    purges: mpsc::Sender<PurgeMessage>,
    /// Taken by the thread.
    queue: Mutex<Option<mpsc::Receiver<PurgeMessage>>>,
    invalidations: InvalidationRate,
}

/// Lets [`MAX_INVALIDATIONS`] a second pass.
#[derive(Debug)]
struct InvalidationRate {
    begin: Instant,
    /// The nanosecond since then to which the rate is used up.
    used: AtomicU64,
}

// === impl RedisLink ===

impl RedisLink {
    /// Creates a link that connects once it is started.
    pub fn new(
        settings: RedisSettings,
        tls: Option<RedisTls>,
        counts: Arc<RedisCounts>,
    ) -> Arc<Self> {
        let (purges, queue) = mpsc::channel(MAX_QUEUED);
        Arc::new(Self {
            core: Arc::new(LinkCore::new(settings, tls, counts)),
            purges,
            queue: Mutex::new(Some(queue)),
            invalidations: InvalidationRate { begin: Instant::now(), used: AtomicU64::new(0) },
        })
    }

    /// Starts the thread, which runs until the process ends. It calls `apply` for each purge of another Sideman, and to
    /// forget everything.
    pub fn start(
        self: &Arc<Self>,
        apply: impl Fn(&PurgeMessage) + Send + 'static,
    ) -> io::Result<()> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(queue) = queue else { return Ok(()) };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let publisher = Publisher::new(Arc::clone(&self.core), queue);
        let follower = Follower::new(Arc::clone(&self.core), Box::new(apply));
        let run = move || {
            runtime.block_on(async {
                tokio::join!(publisher.run(), follower.run());
            });
        };
        thread::Builder::new().name("redis".to_owned()).spawn(run).map(drop)
    }

    /// Queues a purge for the other Sidemans, and never waits. Those that cannot be queued are replaced by one that
    /// purges everything, or dropped if they are invalidations.
    pub fn publish(&self, message: PurgeMessage, cause: PurgeCause) {
        let count = message.names.len() as u64;
        if cause == PurgeCause::Invalidation && !self.may_invalidate() {
            self.core.count_lost(count);
            return;
        }
        let messages = message.divided();
        let is_queued = messages.is_some_and(|messages| {
            messages.into_iter().all(|message| self.purges.try_send(message).is_ok())
        });
        if is_queued {
            return;
        }
        self.core.count_lost(count);
        if cause == PurgeCause::Request {
            self.core.set_overflow();
        }
    }

    /// Whether another Sideman may have purged a response that arrived then. Both times are in seconds since 1970.
    pub fn is_unconfirmed(&self, received: u64, now: u64) -> bool {
        self.core.state().is_unconfirmed(received, now)
    }

    fn may_invalidate(&self) -> bool {
        let queued = MAX_QUEUED.saturating_sub(self.purges.capacity());
        queued < MAX_QUEUED_INVALIDATIONS && self.invalidations.may_pass(Instant::now())
    }
}

// === impl InvalidationRate ===

impl InvalidationRate {
    fn may_pass(&self, at: Instant) -> bool {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let now = nanos(at.saturating_duration_since(self.begin));
        let second = nanos(Duration::from_secs(1));
        let next = |used: u64| {
            let next = used.max(now).saturating_add(nanos(INVALIDATION_INTERVAL));
            (next <= now.saturating_add(second)).then_some(next)
        };
        self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::purge_message::PurgeName, *};
    use crate::plan::UpstreamTarget;

    fn link() -> Arc<RedisLink> {
        let settings = RedisSettings {
            server: UpstreamTarget::Unix("/nonexistent/redis.sock".into()),
            is_tls: false,
            user: None,
            password: None,
            database: 0,
        };
        RedisLink::new(settings, None, Arc::default())
    }

    fn message() -> PurgeMessage {
        PurgeMessage { is_soft: false, names: vec![PurgeName::Tag(b"x".into())] }
    }

    fn lost(link: &RedisLink) -> u64 {
        link.core.state().counts().lost.load(Ordering::Relaxed)
    }

    #[test]
    fn purges_beyond_the_queue_become_one_of_everything() {
        let link = link();
        for _ in 0..MAX_QUEUED {
            link.publish(message(), PurgeCause::Request);
        }
        assert_eq!((lost(&link), link.core.take_overflow()), (0, false));
        link.publish(message(), PurgeCause::Request);
        assert_eq!(
            (lost(&link), link.core.take_overflow(), link.core.take_overflow()),
            (1, true, false)
        );
    }

    #[test]
    fn purges_that_fit_into_no_message_become_one_of_everything() {
        let link = link();
        let name = PurgeName::Tag(vec![b'x'; 100_000]);
        link.publish(PurgeMessage { is_soft: false, names: vec![name] }, PurgeCause::Request);
        assert_eq!((lost(&link), link.core.take_overflow()), (1, true));
    }

    #[test]
    fn invalidations_beyond_the_rate_are_dropped() {
        let link = link();
        for _ in 0..MAX_INVALIDATIONS * 3 {
            link.publish(message(), PurgeCause::Invalidation);
        }
        assert!(lost(&link) >= MAX_INVALIDATIONS, "{}", lost(&link));
        assert!(!link.core.take_overflow());
        let limit = InvalidationRate { begin: Instant::now(), used: AtomicU64::new(0) };
        let count = |at| (0..200).filter(|_| limit.may_pass(at)).count();
        assert_eq!(count(limit.begin), 100);
        assert_eq!(count(limit.begin + Duration::from_millis(105)), 10);
    }

    #[test]
    fn invalidations_leave_half_of_the_queue_to_purges() {
        let link = link();
        for _ in 0..MAX_QUEUED_INVALIDATIONS {
            link.publish(message(), PurgeCause::Request);
        }
        link.publish(message(), PurgeCause::Invalidation);
        assert_eq!(lost(&link), 1);
    }
}
