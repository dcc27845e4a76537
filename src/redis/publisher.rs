//! Appends purges to the stream. It also tries every two seconds whether Redis accepts a change: one that is full or a
//! replica would refuse the next purge.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    select,
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    connection::{REPLY_TIME, RedisConnection, checked},
    fault::RedisFault,
    link_core::LinkCore,
    link_state::LinkPart,
    purge_message::PurgeMessage,
    reconnect_pause::ReconnectPause,
    sent_messages::SentMessages,
    stream,
};

/// How many purges are sent before their replies are read.
const MAX_BATCH: usize = 64;
/// The time between two attempts to change something.
const TRIAL_INTERVAL: Duration = Duration::from_secs(2);
/// The key that is changed, and for how many seconds it exists.
const TRIAL: [&[u8]; 5] = [b"SET", b"sideman:trial", b"1", b"EX", b"60"];

/// The sending half of the link.
#[derive(Debug)]
pub(super) struct Publisher {
    core: Arc<LinkCore>,
    purges: mpsc::Receiver<PurgeMessage>,
    /// What was taken from the queue, and not yet accepted by Redis.
    unsent: VecDeque<PurgeMessage>,
    sent: SentMessages,
}

// === impl Publisher ===

impl Publisher {
    pub(super) fn new(core: Arc<LinkCore>, purges: mpsc::Receiver<PurgeMessage>) -> Self {
        Self { core, purges, unsent: VecDeque::new(), sent: SentMessages::default() }
    }

    /// Connects again and again.
    pub(super) async fn run(mut self) -> Infallible {
        let mut pause = ReconnectPause::new();
        loop {
            let began = Instant::now();
            let Err(fault) = self.session().await;
            self.core.lost(LinkPart::Publisher, &fault);
            sleep(pause.after(began)).await;
        }
    }

    /// Sends for as long as the connection works.
    async fn session(&mut self) -> Result<Infallible, RedisFault> {
        let mut connection = self.core.connect().await?;
        connection.ask(&TRIAL).await?;
        self.find_lost(&mut connection).await?;
        self.send(&mut connection).await?;
        self.core.state().connected(LinkPart::Publisher);
        let mut trials = interval(TRIAL_INTERVAL);
        trials.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                biased;
                Some(message) = self.purges.recv() => {
                    self.unsent.push_back(message);
                    self.send(&mut connection).await?;
                }
                _ = trials.tick() => {
                    connection.ask(&TRIAL).await?;
                    self.send(&mut connection).await?;
                }
            }
        }
    }

    /// Finds what was sent before and is not in the stream any more, to send it again.
    async fn find_lost(&mut self, connection: &mut RedisConnection) -> Result<(), RedisFault> {
        // Without a stream, those who follow it notice themselves that they have missed something.
        let Some(ends) = stream::check(connection).await?.ends else { return Ok(()) };
        for message in self.sent.take_lost(ends.last).into_iter().rev() {
            self.unsent.push_front(message);
        }
        Ok(())
    }

    /// Sends what is queued, in batches.
    async fn send(&mut self, connection: &mut RedisConnection) -> Result<(), RedisFault> {
        if self.core.take_overflow() {
            self.unsent.push_back(PurgeMessage::everything());
        }
        loop {
            while self.unsent.len() < MAX_BATCH
                && let Ok(message) = self.purges.try_recv()
            {
                self.unsent.push_back(message);
            }
            let count = self.unsent.len().min(MAX_BATCH);
            if count == 0 {
                return Ok(());
            }
            let mut commands = Vec::new();
            for message in self.unsent.iter().take(count) {
                let fields = message.fields(self.core.name());
                stream::push_entry(&mut commands, fields.iter().map(Vec::as_slice));
            }
            connection.send(&commands).await?;
            for _ in 0..count {
                let id = stream::entry_id(&checked(connection.reply(REPLY_TIME).await?)?)?;
                if let Some(message) = self.unsent.pop_front() {
                    self.sent.push(id, message, Instant::now());
                    self.core.count_sent();
                }
            }
        }
    }
}
