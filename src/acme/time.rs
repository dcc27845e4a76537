//! Times as files and authorities have them: seconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) fn seconds_now() -> u64 {
    since_1970(SystemTime::now())
}

pub(super) fn since_1970(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Formats a time for people.
pub(super) fn date(seconds: u64) -> String {
    // The library accepts no later time.
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799)))
}
