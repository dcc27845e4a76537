//! The purges that were sent last. A Redis that restarts with an older copy of its data, or a replica that takes over,
//! may lack them: they are sent again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{place::StreamId, purge_message::PurgeMessage};

/// The most messages that are kept, and for how long.
const MAX_MESSAGES: usize = 256;
const MAX_AGE: Duration = Duration::from_secs(60);

/// The last messages, the oldest first.
#[derive(Debug, Default)]
pub(super) struct SentMessages {
    messages: VecDeque<(StreamId, Instant, PurgeMessage)>,
    /// The newest message that is not kept any more.
    forgotten: Option<StreamId>,
}

// === impl SentMessages ===

impl SentMessages {
    pub(super) fn push(&mut self, id: StreamId, message: PurgeMessage, now: Instant) {
        self.messages.push_back((id, now, message));
        while self.messages.len() > MAX_MESSAGES
            || self.messages.front().is_some_and(|(_, sent, _)| now.duration_since(*sent) > MAX_AGE)
        {
            let Some((id, _, _)) = self.messages.pop_front() else { return };
            self.forgotten = Some(id);
        }
    }

    /// Takes the messages that a stream lacks whose last entry is this. If not all are known any more, it is one that
    /// purges everything.
    pub(super) fn take_lost(&mut self, last: StreamId) -> Vec<PurgeMessage> {
        let mut lost = Vec::new();
        while let Some((_, _, message)) = self.messages.pop_back_if(|(id, _, _)| *id > last) {
            lost.push(message);
        }
        lost.reverse();
        if self.forgotten.take_if(|id| *id > last).is_some() {
            return vec![PurgeMessage::everything()];
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::{super::purge_message::PurgeName, *};

    fn id(number: usize) -> StreamId {
        StreamId::parse(format!("{number}-0").as_bytes()).unwrap()
    }

    fn message(number: usize) -> PurgeMessage {
        PurgeMessage { is_soft: false, names: vec![PurgeName::Tag(number.to_string().into())] }
    }

    fn sent(count: usize) -> SentMessages {
        let mut sent = SentMessages::default();
        for number in 1..=count {
            sent.push(id(number), message(number), Instant::now());
        }
        sent
    }

    #[test]
    fn what_redis_has_lost_is_sent_again() {
        assert_eq!(sent(5).take_lost(id(5)), []);
        assert_eq!(sent(5).take_lost(id(3)), [message(4), message(5)]);
        let mut twice = sent(5);
        twice.take_lost(id(3));
        assert_eq!(twice.take_lost(id(3)), []);
    }

    #[test]
    fn everything_is_purged_if_it_is_not_known_what_was_lost() {
        let everything = [PurgeMessage::everything()];
        assert_eq!(sent(300).take_lost(id(300)), []);
        assert_eq!(sent(300).take_lost(id(299)), [message(300)]);
        assert_eq!(sent(300).take_lost(id(10)), everything);
        let mut old = sent(1);
        old.push(id(2), message(2), Instant::now() + MAX_AGE * 2);
        assert_eq!(old.take_lost(id(0)), everything);
    }
}
