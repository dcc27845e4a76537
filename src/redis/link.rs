//! The link as the rest of the program uses it: purges go in without waiting, and those of others come out of a
//! function that is called on the link's own thread.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    follower::Follower,
    limit_answers::LimitAnswers,
    limit_question::{LimitKey, LimitKeys, LimitQuestion},
    link_core::LinkCore,
    publisher::Publisher,
    purge_message::PurgeMessage,
    tls::RedisTls,
};
use crate::{
    plan::{RateLimit, RedisSettings},
    telemetry::{LimitDecisionSource, RedisCounts},
};

/// The most purges that wait to be sent.
const MAX_QUEUED: usize = 1024;
/// The queue is kept for purges from here on: anybody can send a POST.
const MAX_QUEUED_INVALIDATIONS: usize = MAX_QUEUED / 2;
/// Invalidations of one Sideman in a second, and at once.
const MAX_INVALIDATIONS: u64 = 100;
const INVALIDATION_INTERVAL: Duration = Duration::from_millis(1000 / MAX_INVALIDATIONS);

/// The most requests that wait for an answer.
const MAX_QUESTIONS: usize = 1024;
/// How long a request waits for an answer at most.
const ANSWER_TIME: Duration = Duration::from_millis(50);

/// What Redis says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedCount {
    /// It is within the limit.
    Within,
    /// One is within the limit after this time.
    Over(Duration),
    /// Nothing, or not in time.
    Unknown,
}

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
    questions: mpsc::Sender<LimitQuestion>,
    /// Taken by the thread.
    queues: Mutex<Option<LinkQueues>>,
    keys: LimitKeys,
    invalidations: InvalidationRate,
}

/// The other ends of the link's channels.
#[derive(Debug)]
struct LinkQueues {
    purges: mpsc::Receiver<PurgeMessage>,
    questions: mpsc::Receiver<LimitQuestion>,
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
        let (purges, purge_queue) = mpsc::channel(MAX_QUEUED);
        let (questions, question_queue) = mpsc::channel(MAX_QUESTIONS);
        let queues = LinkQueues { purges: purge_queue, questions: question_queue };
        Arc::new(Self {
            keys: LimitKeys::new(&settings),
            core: Arc::new(LinkCore::new(settings, tls, counts)),
            purges,
            questions,
            queues: Mutex::new(Some(queues)),
            invalidations: InvalidationRate { begin: Instant::now(), used: AtomicU64::new(0) },
        })
    }

    /// Starts the thread, which runs until the process ends. It calls `apply` for each purge of another Sideman, and to
    /// forget everything.
    pub fn start(
        self: &Arc<Self>,
        apply: impl Fn(&PurgeMessage) + Send + 'static,
    ) -> io::Result<()> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(LinkQueues { purges, questions }) = queues else { return Ok(()) };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let publisher = Publisher::new(Arc::clone(&self.core), purges);
        let limits = LimitAnswers::new(Arc::clone(&self.core), questions);
        let follower = Follower::new(Arc::clone(&self.core), Box::new(apply));
        let run = move || {
            runtime.block_on(async {
                tokio::join!(publisher.run(), follower.run(), limits.run());
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

    /// Returns the key of a client (or another value) in the limit of a route.
    pub fn limit_key(&self, route: &str, limit: &RateLimit, value: &[u8]) -> LimitKey {
        self.keys.key(route, limit, value)
    }

    /// Asks whether a request is within a limit, and counts it if so. Waits for at most 50 ms, and not at all while
    /// Redis gives no answers.
    pub async fn count(&self, key: LimitKey, limit: &RateLimit) -> SharedCount {
        let (count, source) = self.ask(key, limit).await;
        self.core.count_decision(source);
        count
    }

    async fn ask(&self, key: LimitKey, limit: &RateLimit) -> (SharedCount, LimitDecisionSource) {
        let unavailable = (SharedCount::Unknown, LimitDecisionSource::Unavailable);
        if !self.core.is_answering() {
            return unavailable;
        }
        let (answer, answered) = oneshot::channel();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let interval = limit.interval();
        let tolerance = micros(interval.saturating_mul(limit.burst));
        let question = LimitQuestion { key, interval: micros(interval), tolerance, answer };
        if self.questions.try_send(question).is_err() {
            return unavailable;
        }
        match timeout(ANSWER_TIME, answered).await {
            Ok(Ok(None)) => (SharedCount::Within, LimitDecisionSource::Redis),
            Ok(Ok(Some(wait))) => (SharedCount::Over(wait), LimitDecisionSource::Redis),
            Ok(Err(_)) => unavailable,
            Err(_) => (SharedCount::Unknown, LimitDecisionSource::Timeout),
        }
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
