//! The rate limit of a route: `10/m burst=20 key=client global`.

use std::time::Duration;

use http::HeaderName;

use crate::plan::{RateLimit, RateLimitKey, RateLimitSetting};

use super::{
    conflict::{Conflict, when},
    draft::Draft,
    format::{HOUR, MINUTE, SECOND, TextFormat},
};

/// A rate limit, or `off`.
pub(super) const RATE_LIMIT: TextFormat<RateLimitSetting> = TextFormat::new(
    "NUMBER/s, NUMBER/m or NUMBER/h, then burst=NUMBER, key=client, host or header:NAME, and global if wanted, such as \
     10/m burst=20; or off",
    read,
    show,
);

const PERIODS: [(&str, Duration); 3] = [("s", SECOND), ("m", MINUTE), ("h", HOUR)];
const LARGEST_BURST: u32 = 1_000_000;

/// Reads a limit.
fn read(text: &str) -> Result<RateLimitSetting, String> {
    if text == "off" {
        return Ok(RateLimitSetting::Off);
    }
    let mut words = text.split_ascii_whitespace();
    let (requests, period) = rate(words.next().unwrap_or_default())?;
    let (mut burst, mut key, mut is_global) = (None, None, false);
    for word in words {
        match word.split_once('=') {
            Some(("burst", number)) if burst.is_none() => burst = Some(self::burst(number)?),
            Some(("key", name)) if key.is_none() => key = Some(self::key(name)?),
            Some((name @ ("burst" | "key"), _)) => {
                return Err(format!("{name} is written twice: remove one"));
            }
            _ if word == "global" && !is_global => is_global = true,
            _ if word == "global" => return Err("global is written twice: remove one".into()),
            _ if word == "nodelay" => {
                return Err("remove nodelay: requests are never delayed".into());
            }
            _ => return Err(format!("{word} is none of burst=NUMBER, key=KEY and global")),
        }
    }
    // 10/m without a burst is 10 at once, as most would expect.
    let burst = burst.unwrap_or_else(|| requests.saturating_sub(1).min(LARGEST_BURST));
    let key = key.unwrap_or(RateLimitKey::Client);
    let limit = RateLimit { requests, period, burst, key, is_global };
    if limit.interval() < RateLimit::MIN_INTERVAL {
        return Err("must be at most 10000 requests a second".into());
    }
    if limit.interval().saturating_mul(burst) > RateLimit::MAX_REFILL {
        return Err("the burst must be refilled by the rate within a year: lower burst".into());
    }
    Ok(RateLimitSetting::Limit(limit))
}

/// Reads a rate such as `10/m`, or nginx's `10r/m`.
fn rate(text: &str) -> Result<(u32, Duration), String> {
    let fault = || "must begin with a rate, such as 10/m (s, m or h)".to_owned();
    let (number, unit) = text.split_once('/').ok_or_else(fault)?;
    let number = number.strip_suffix('r').unwrap_or(number);
    let (_, period) = PERIODS.iter().find(|(name, _)| *name == unit).ok_or_else(fault)?;
    match whole(number).ok_or_else(fault)? {
        0 => Err("the rate must be at least 1: to refuse all requests, set respond".into()),
        number => Ok((number, *period)),
    }
}

fn burst(text: &str) -> Result<u32, String> {
    let number = whole(text).filter(|number| *number <= LARGEST_BURST);
    number.ok_or_else(|| format!("burst must be a number from 0 to {LARGEST_BURST}"))
}

fn key(text: &str) -> Result<RateLimitKey, String> {
    match text {
        "client" => Ok(RateLimitKey::Client),
        "host" => Ok(RateLimitKey::Host),
        _ => {
            let name = text.strip_prefix("header:");
            let name = name.ok_or("key must be client, host or header:NAME")?;
            HeaderName::try_from(name)
                .map(RateLimitKey::Header)
                .map_err(|_| format!("{name} is not the name of a header"))
        }
    }
}

fn whole(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Returns a text that [`read`] reads as this.
fn show(setting: &RateLimitSetting) -> String {
    let RateLimitSetting::Limit(limit) = setting else { return "off".into() };
    let unit = PERIODS.iter().find(|(_, period)| *period == limit.period);
    let unit = unit.map_or("s", |(unit, _)| unit);
    let key = match &limit.key {
        RateLimitKey::Client => "client".into(),
        RateLimitKey::Host => "host".into(),
        RateLimitKey::Header(name) => format!("header:{name}"),
    };
    let global = if limit.is_global { " global" } else { "" };
    format!("{}/{unit} burst={} key={key}{global}", limit.requests, limit.burst)
}

/// Returns a conflict if a global limit has no Redis.
pub(super) fn without_redis(draft: &Draft, limit: Option<&RateLimitSetting>) -> Vec<Conflict> {
    let is_global = matches!(limit, Some(RateLimitSetting::Limit(limit)) if limit.is_global);
    let fault = "cache.redis is off, so nothing counts for all tasks: set it, or remove global";
    when(is_global && draft.plan.cache.redis.is_none(), fault)
}

/// Returns a conflict if no route has a limit that a part of one could belong to.
pub(super) fn without_limit(draft: &Draft, is_set: bool) -> Vec<Conflict> {
    let has_limit = draft.routes.iter().any(|route| route.policies.rate_limit.limit.is_some());
    when(is_set && !has_limit, "no route sets rate_limit: set it, or remove this")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str, expected: &str) {
        let shown = read(text).map(|setting| show(&setting));
        assert_eq!(shown.unwrap_or_else(|fault| format!("no: {fault}")), expected, "{text:?}");
    }

    #[test]
    fn limits() {
        reads("off", "off");
        reads("10/m", "10/m burst=9 key=client");
        reads("1/h burst=0", "1/h burst=0 key=client");
        reads("10r/s  burst=20", "10/s burst=20 key=client");
        reads("5/s key=host burst=1", "5/s burst=1 key=host");
        reads("5/s key=header:X-Api-Key", "5/s burst=4 key=header:x-api-key");
        for text in ["", "10", "/m", "10/d", "+1/s", "1.5/s", "-1/s", "burst=1", "10 /m"] {
            reads(text, "no: must begin with a rate, such as 10/m (s, m or h)");
        }
        reads("0/s", "no: the rate must be at least 1: to refuse all requests, set respond");
        reads("1/s burst=x", "no: burst must be a number from 0 to 1000000");
        reads("1/s burst=1 burst=2", "no: burst is written twice: remove one");
        reads("1/s nodelay", "no: remove nodelay: requests are never delayed");
        reads("1/s x=1", "no: x=1 is none of burst=NUMBER, key=KEY and global");
        reads("1/s global key=host", "1/s burst=0 key=host global");
        reads("1/s global global", "no: global is written twice: remove one");
        reads("1/s key=ip", "no: key must be client, host or header:NAME");
        reads("1/s key=header:a b", "no: b is none of burst=NUMBER, key=KEY and global");
        reads("1/s key=header:a:b", "no: a:b is not the name of a header");
        reads("10001/s", "no: must be at most 10000 requests a second");
        reads("600000/m", "600000/m burst=599999 key=client");
        let fault = "no: the burst must be refilled by the rate within a year: lower burst";
        reads("1/h burst=9000", fault);
    }

    proptest! {
        #[test]
        fn a_shown_limit_reads_back(
            text in "[1-9][0-9]{0,3}/[smh]( burst=[0-9]{1,3})?( key=(client|host|header:X-[a-z]{1,5}))?( global)?",
        ) {
            let setting = read(&text).unwrap();
            prop_assert_eq!(read(&show(&setting)), Ok(setting));
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = read(&text);
            let _ = read(&format!("1/s {text}"));
        }
    }
}
