//! The stream in Redis: how an entry is added, and where it begins and ends.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    connection::RedisConnection,
    fault::RedisFault,
    link_core::STREAM,
    place::{StreamEnds, StreamId},
    resp::{self, Reply},
};

/// About how many entries the stream keeps. A Sideman that was away for longer forgets everything.
const MAX_ENTRIES: &[u8] = b"10000";

/// Returns the ids of the first and the last entry, and the time. A script, because XRANGE returns whole entries, which
/// may be longer than any reply that is read.
const CHECK: &[u8] = b"\
local function id(entries) return entries[1] and entries[1][1] or false end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local time = redis.call('TIME')
return {id(first), id(last), time[1], time[2]}
";

/// The ends of the stream, and Redis' clock in milliseconds beyond ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlaceCheck {
    /// `None` if there are no entries.
    pub(super) ends: Option<StreamEnds>,
    pub(super) clock_ahead: i64,
}

/// Appends the command that adds an entry to the stream.
pub(super) fn push_entry<'a>(commands: &mut Vec<u8>, fields: impl Iterator<Item = &'a [u8]>) {
    let words = [b"XADD", STREAM, b"MAXLEN", b"~", MAX_ENTRIES, b"*"];
    let words: Vec<&[u8]> = words.into_iter().chain(fields).collect();
    resp::push_command(commands, words.into_iter());
}

/// Returns the id in the reply to such a command.
pub(super) fn entry_id(reply: &Reply) -> Result<StreamId, RedisFault> {
    reply.text().and_then(StreamId::parse).ok_or(RedisFault::Malformed)
}

/// Asks for the ends of the stream and for the time.
pub(super) async fn check(connection: &mut RedisConnection) -> Result<PlaceCheck, RedisFault> {
    let reply = connection.ask(&[b"EVAL", CHECK, b"1", STREAM]).await?;
    read_check(&reply, clock()).ok_or(RedisFault::Malformed)
}

fn read_check(reply: &Reply, clock: i64) -> Option<PlaceCheck> {
    let Reply::List(values) = reply else { return None };
    let [first, last, seconds, micros] = values.as_slice() else { return None };
    let number = |reply: &Reply| std::str::from_utf8(reply.text()?).ok()?.parse::<i64>().ok();
    let time = number(seconds)?.checked_mul(1000)?.checked_add(number(micros)? / 1000)?;
    let ends = match (first, last) {
        (Reply::Nothing, Reply::Nothing) => None,
        (first, last) => {
            let id = |reply: &Reply| StreamId::parse(reply.text()?);
            Some(StreamEnds { first: id(first)?, last: id(last)? })
        }
    };
    Some(PlaceCheck { ends, clock_ahead: time.saturating_sub(clock) })
}

/// Our time in milliseconds since 1970.
pub(super) fn clock() -> i64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_time_are_read() {
        let text = |text: &str| Reply::Text(text.into());
        let read = |values: &[Reply]| read_check(&Reply::List(values.to_vec()), 5000);
        let found = read(&[text("1-0"), text("2-0"), text("7"), text("250000")]).unwrap();
        assert_eq!(found.clock_ahead, 2250);
        assert_eq!(found.ends.unwrap().first.milliseconds, 1);
        let found = read(&[Reply::Nothing, Reply::Nothing, text("5"), text("0")]).unwrap();
        assert_eq!(found, PlaceCheck { ends: None, clock_ahead: 0 });
        for values in [
            &[][..],
            &[text("1-0"), Reply::Nothing, text("5"), text("0")],
            &[text("x"), text("2-0"), text("5"), text("0")],
            &[text("1-0"), text("2-0"), text("9999999999999999"), text("0")],
        ] {
            assert_eq!(read(values), None, "{values:?}");
        }
    }
}
