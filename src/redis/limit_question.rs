//! A question to Redis: whether a request is within a rate limit that several Sidemans share. The answer is made by a
//! script in Redis, with its clock, so that no two Sidemans count the same request.

use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use tokio::sync::oneshot;

use super::{fault::RedisFault, resp, resp::Reply};
use crate::plan::{RateLimit, RedisSettings};

/// What Redis runs: the generic cell rate algorithm, as the limiter of one process has it. The key has the theoretical
/// arrival time in microseconds, and expires then. The result is 0, or the microseconds until a request passes. Numbers
/// are written with all digits, because Lua would round them.
const SCRIPT: &[u8] = b"\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now) or now, now)
local wait = arrival - tolerance - now
if wait > 0 then return string.format('%.0f', wait) end
arrival = arrival + interval
local life = string.format('%.0f', math.ceil((arrival - now) / 1000))
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', life)
return '0'
";

/// Bytes of a key that are used.
const KEY_BYTES: usize = 16;

/// A question, and where its answer goes.
#[derive(Debug)]
pub(super) struct LimitQuestion {
    pub(super) key: LimitKey,
    /// In microseconds.
    pub(super) interval: u64,
    pub(super) tolerance: u64,
    pub(super) answer: oneshot::Sender<Option<Duration>>,
}

/// The key of a count: a hash, so that Redis has no addresses of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitKey(String);

/// Makes keys.
pub(super) struct LimitKeys(hmac::Key);

/// Commands that run the script, the first time with its text.
#[derive(Debug)]
pub(super) struct LimitScript {
    /// The script's name in Redis.
    name: String,
}

// === impl LimitKeys ===

impl LimitKeys {
    /// Makes keys that are the same at all Sidemans with the same password, and say nothing to those who lack it.
    pub(super) fn new(settings: &RedisSettings) -> Self {
        let secret = settings.password.as_deref().unwrap_or_default();
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// Returns the key of a client (or another value) in the limit of a route.
    pub(super) fn key(&self, route: &str, limit: &RateLimit, value: &[u8]) -> LimitKey {
        let mut context = hmac::Context::with_key(&self.0);
        let RateLimit { requests, period, burst, key, is_global: _ } = limit;
        let limit = format!("{requests} {} {burst} {key:?}", period.as_secs());
        for part in [route.as_bytes(), limit.as_bytes(), value] {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        LimitKey(format!("sideman:limit:{}", hex(context.sign().as_ref(), KEY_BYTES)))
    }
}

impl std::fmt::Debug for LimitKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LimitKeys").finish()
    }
}

// === impl LimitScript ===

impl LimitScript {
    pub(super) fn new() -> Self {
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, SCRIPT);
        Self { name: hex(hash.as_ref(), usize::MAX) }
    }

    /// Appends the command for a question.
    pub(super) fn push(&self, commands: &mut Vec<u8>, question: &LimitQuestion) {
        push(commands, (b"EVALSHA", self.name.as_bytes()), question);
    }

    /// Appends the command that also teaches Redis the script.
    pub(super) fn push_whole(commands: &mut Vec<u8>, question: &LimitQuestion) {
        push(commands, (b"EVAL", SCRIPT), question);
    }
}

fn push(commands: &mut Vec<u8>, (command, script): (&[u8], &[u8]), question: &LimitQuestion) {
    let (interval, tolerance) = (question.interval.to_string(), question.tolerance.to_string());
    let words = [
        command,
        script,
        b"1",
        question.key.0.as_bytes(),
        interval.as_bytes(),
        tolerance.as_bytes(),
    ];
    resp::push_command(commands, words.into_iter());
}

/// Whether Redis does not know the script.
pub(super) fn is_unknown_script(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(text) if text.starts_with(b"NOSCRIPT"))
}

/// Returns the answer in a reply: `None` if the request is within the limit, or the time until one is.
pub(super) fn answer(reply: &Reply) -> Result<Option<Duration>, RedisFault> {
    let Reply::Text(text) = reply else { return Err(RedisFault::Malformed) };
    let is_number = text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_number);
    let micros: u64 = text.and_then(|text| text.parse().ok()).ok_or(RedisFault::Malformed)?;
    Ok((micros > 0).then(|| Duration::from_micros(micros)))
}

fn hex(bytes: &[u8], length: usize) -> String {
    bytes.iter().take(length).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{RateLimitKey, UpstreamTarget};

    #[test]
    fn keys_are_hashes_of_limit_and_client() {
        let keys = |password: &str| {
            LimitKeys::new(&RedisSettings {
                server: UpstreamTarget::Unix("/x".into()),
                is_tls: false,
                user: None,
                password: Some(password.into()),
                database: 0,
            })
        };
        let limit = |burst| RateLimit {
            requests: 1,
            period: Duration::from_secs(60),
            burst,
            key: RateLimitKey::Client,
            is_global: true,
        };
        let one = keys("a").key("login", &limit(1), b"192.0.2.1");
        assert!(!one.0.contains("192") && one.0.len() == "sideman:limit:".len() + 32, "{one:?}");
        assert_eq!(one, keys("a").key("login", &limit(1), b"192.0.2.1"));
        assert_ne!(one, keys("b").key("login", &limit(1), b"192.0.2.1"));
        assert_ne!(one, keys("a").key("login", &limit(2), b"192.0.2.1"));
        assert_ne!(one, keys("a").key("logi", &limit(1), b"192.0.2.1"));
        assert_ne!(one, keys("a").key("login", &limit(1), b"192.0.2.2"));
    }

    #[test]
    fn answers_are_microseconds() {
        let read = |text: &str| answer(&Reply::Text(text.into())).ok();
        assert_eq!(read("0"), Some(None));
        assert_eq!(read("1500000"), Some(Some(Duration::from_millis(1500))));
        assert_eq!((read(""), read("-1"), read("1e3")), (None, None, None));
        assert!(answer(&Reply::Number(0)).is_err());
        assert!(is_unknown_script(&Reply::Error(b"NOSCRIPT No matching script.".into())));
    }
}
