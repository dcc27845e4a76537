//! The link to a Redis server that several Sidemans share: a purge at one of them reaches the others. Read [`link`]
//! first.
//!
//! - [`publisher`] appends purges to a stream; [`follower`] reads the stream from its own [`place`] and applies what
//!   others have purged ([`stream`]). Each has a connection of its own. All run on one background thread.
//! - A [`limit_question`] asks whether a request is within a rate limit that all share. [`limit_answers`] asks them.
//! - [`purge_message`] is an entry of the stream. [`sent_messages`] are those that a restarted Redis may have lost.
//! - [`link_core`] is what they share. [`link_state`] says whether Redis is available, for requests and in the log.
//!   [`reconnect_pause`] is the pause between two attempts to connect.
//! - [`connection`] speaks [`resp`], over TLS if wanted ([`tls`]). A [`fault`] says why it has failed.
//!
//! Nothing that comes from Redis is trusted: each reply has a limit of bytes and of time.

mod connection;
mod fault;
mod follower;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod limit_answers;
mod limit_question;
mod link;
mod link_core;
mod link_state;
mod place;
mod publisher;
mod purge_message;
mod reconnect_pause;
mod resp;
mod sent_messages;
mod stream;
mod tls;

pub use self::{
    limit_question::LimitKey,
    link::{PurgeCause, RedisLink, SharedCount},
    link_state::MAX_UNCONFIRMED_AGE,
    purge_message::{PurgeMessage, PurgeName},
    tls::RedisTls,
};
