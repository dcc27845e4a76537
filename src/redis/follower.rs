//! Reads the stream from its own place, and applies what others have purged. If entries were missed, everything is
//! forgotten.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    connection::{REPLY_TIME, RedisConnection, checked},
    fault::RedisFault,
    link_core::{LinkCore, STREAM},
    link_state::LinkPart,
    place::{StreamEnds, StreamId, has_missed},
    purge_message::{PurgeMessage, StreamEntry},
    reconnect_pause::ReconnectPause,
    resp::{self, Reply},
    stream,
};

/// How long Redis waits for an entry before it responds with none, in milliseconds.
const WAIT: Duration = Duration::from_secs(2);
const WAIT_MILLISECONDS: &[u8] = b"2000";
/// The entries in one reply: within the longest reply, if each is as long as it may be.
const MAX_BATCH: &[u8] = b"32";

/// What is done with a purge of another Sideman.
pub(super) type ApplyPurge = Box<dyn Fn(&PurgeMessage) + Send>;

/// The receiving half of the link.
pub(super) struct Follower {
    core: Arc<LinkCore>,
    /// The last entry that was read.
    place: Option<StreamId>,
    /// Whether it had a place before.
    has_begun: bool,
    apply: ApplyPurge,
}

/// An entry as it came.
#[derive(Debug)]
pub(super) struct ReadEntry<'a> {
    id: StreamId,
    /// Each name is followed by its value.
    pub(super) fields: Vec<&'a [u8]>,
}

// === impl Follower ===

impl Follower {
    pub(super) fn new(core: Arc<LinkCore>, apply: ApplyPurge) -> Self {
        Self { core, place: None, has_begun: false, apply }
    }

    /// Connects again and again.
    pub(super) async fn run(mut self) -> Infallible {
        let mut pause = ReconnectPause::new();
        loop {
            let began = Instant::now();
            let Err(fault) = self.session().await;
            if matches!(fault, RedisFault::TooLong | RedisFault::Malformed) {
                // The same entries would come again.
                self.place = None;
            }
            self.core.lost(LinkPart::Follower, &fault);
            sleep(pause.after(began)).await;
        }
    }

    /// Reads for as long as the connection works.
    async fn session(&mut self) -> Result<Infallible, RedisFault> {
        let mut connection = self.core.connect().await?;
        let mut check = stream::check(&mut connection).await?;
        let mut place = match self.place {
            Some(place) if !has_missed(place, place, check.ends) => place,
            _ => self.begin(&mut connection, check.ends).await?,
        };
        self.place = Some(place);
        // Only then all purges are done that came while there was no connection.
        let complete_at = check.ends.map_or(place, |ends| ends.last);
        let mut is_connected = false;
        loop {
            if !is_connected && place >= complete_at {
                self.core.state().connected(LinkPart::Follower);
                is_connected = true;
            }
            let before = place;
            place = self.read(&mut connection, before, check.clock_ahead).await?;
            self.place = Some(place);
            check = stream::check(&mut connection).await?;
            if has_missed(before, place, check.ends) {
                place = self.begin(&mut connection, check.ends).await?;
                self.place = Some(place);
            }
        }
    }

    /// Begins at the end of the stream, and forgets everything that was purged before.
    async fn begin(
        &mut self,
        connection: &mut RedisConnection,
        ends: Option<StreamEnds>,
    ) -> Result<StreamId, RedisFault> {
        let place = match ends {
            Some(ends) => ends.last,
            // So that there is an entry that can be missing later.
            None => {
                let mut command = Vec::new();
                stream::push_entry(&mut command, StreamEntry::BEGIN.into_iter());
                connection.send(&command).await?;
                stream::entry_id(&checked(connection.reply(REPLY_TIME).await?)?)?
            }
        };
        self.forget_everything("purges may have been missed");
        self.has_begun = true;
        Ok(place)
    }

    fn forget_everything(&self, reason: &str) {
        (self.apply)(&PurgeMessage::everything());
        // The first time nothing is stored yet, or what was fetched before the first connection.
        if self.has_begun {
            self.core.count_reset();
            tracing::warn!(reason, "all stored responses are forgotten");
        }
    }

    /// Waits for entries after a place, applies them, and returns the new place.
    async fn read(
        &self,
        connection: &mut RedisConnection,
        place: StreamId,
        clock_ahead: i64,
    ) -> Result<StreamId, RedisFault> {
        let after = place.to_string();
        let mut command = Vec::new();
        let words: [&[u8]; 8] = [
            b"XREAD",
            b"COUNT",
            MAX_BATCH,
            b"BLOCK",
            WAIT_MILLISECONDS,
            b"STREAMS",
            STREAM,
            after.as_bytes(),
        ];
        resp::push_command(&mut command, words.into_iter());
        connection.send(&command).await?;
        let reply = checked(connection.reply(WAIT + REPLY_TIME).await?)?;
        if reply == Reply::Nothing {
            self.core.set_lag(0);
            return Ok(place);
        }
        let mut place = place;
        for entry in entries(&reply).ok_or(RedisFault::Malformed)? {
            self.apply(&entry.fields);
            place = entry.id;
        }
        let lag =
            stream::clock().saturating_add(clock_ahead).saturating_sub_unsigned(place.milliseconds);
        self.core.set_lag(u64::try_from(lag).unwrap_or(0));
        Ok(place)
    }

    fn apply(&self, fields: &[&[u8]]) {
        match StreamEntry::parse(fields) {
            Ok(StreamEntry::Begin) => {}
            Ok(StreamEntry::Purge { from, .. }) if from == self.core.name() => {}
            Ok(StreamEntry::Purge { message, .. }) => {
                (self.apply)(&message);
                self.core.count_received();
            }
            // It may come from a later version, and mean a purge.
            Err(_) => self.forget_everything("an entry of the stream is unknown"),
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Returns the entries of the stream in the reply to XREAD.
pub(super) fn entries(reply: &Reply) -> Option<Vec<ReadEntry<'_>>> {
    let Reply::List(streams) = reply else { return None };
    let [Reply::List(stream)] = streams.as_slice() else { return None };
    let [Reply::Text(name), Reply::List(entries)] = stream.as_slice() else { return None };
    if name.as_slice() != STREAM {
        return None;
    }
    entries.iter().map(entry_of).collect()
}

fn entry_of(entry: &Reply) -> Option<ReadEntry<'_>> {
    let Reply::List(entry) = entry else { return None };
    let [Reply::Text(id), Reply::List(fields)] = entry.as_slice() else { return None };
    let fields = fields.iter().map(Reply::text).collect::<Option<_>>()?;
    Some(ReadEntry { id: StreamId::parse(id)?, fields })
}
