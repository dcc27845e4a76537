//! `X-Request-Start`: when the first byte of the request arrived, for the agents of APM services. They subtract it from
//! the time at which the application begins, and so report the time in queues apart from the application's own.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::request_context::RequestContext;

/// The field's value: `t=` and the milliseconds since 1970, the unit that all agents know.
#[derive(Default)]
pub(super) struct RequestStart {
    text: [u8; 22],
}

// === impl RequestStart ===

impl RequestStart {
    /// Writes the value for a request.
    pub(super) fn of(&mut self, context: &RequestContext) -> &[u8] {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = Instant::now().saturating_duration_since(context.first_request_byte);
        self.write(now.saturating_sub(age).as_millis().try_into().unwrap_or(u64::MAX))
    }

    fn write(&mut self, milliseconds: u64) -> &[u8] {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(milliseconds).as_bytes();
        let text = [b"t=", digits];
        let length = 2 + digits.len();
        for (byte, value) in self.text.iter_mut().zip(text.into_iter().flatten()) {
            *byte = *value;
        }
        self.text.get(..length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::trace;

    /// New Relic (node-newrelic, `lib/header-processing.js`): the number after `=`, whose unit follows from its size.
    fn read_by_new_relic(value: &str) -> f64 {
        let number: f64 = value.split('=').nth(1).unwrap_or(value).parse().unwrap();
        match number {
            nanoseconds if nanoseconds > 1e18 => nanoseconds / 1e6,
            microseconds if microseconds > 1e15 => microseconds / 1e3,
            seconds if seconds < 1e12 => seconds * 1e3,
            milliseconds => milliseconds,
        }
    }

    /// Scout (scout_apm_python, `scout_apm/core/web_requests.py`): the number after `t=`, in the largest unit that
    /// gives a time after ten years ago.
    fn read_by_scout(value: &str) -> f64 {
        let ten_years_ago = 1.4e9;
        let number = value.strip_prefix("t=").unwrap_or(value);
        assert!(number.starts_with(|first: char| first.is_ascii_digit()));
        let number: f64 = number.parse().unwrap();
        [1e9, 1e6, 1e3]
            .into_iter()
            .find(|unit| number > ten_years_ago * unit)
            .map_or(number * 1e3, |unit| number / unit * 1e3)
    }

    /// Judoscale (judoscale-python, `judoscale/core/metric.py`; judoscale-node-core, `src/request-metrics.js`): the
    /// digits alone, as milliseconds.
    fn read_by_judoscale(value: &str) -> f64 {
        value.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
    }

    #[test]
    fn agents_read_the_milliseconds() {
        for milliseconds in [1_700_000_000_123, 1_999_999_999_999, 4_102_444_800_000] {
            let mut start = RequestStart::default();
            let value = std::str::from_utf8(start.write(milliseconds)).unwrap();
            for read in [read_by_new_relic, read_by_scout, read_by_judoscale] {
                assert_eq!(read(value), milliseconds as f64, "{value}");
            }
        }
    }

    #[test]
    fn values() {
        for (milliseconds, expected) in [
            (0, "t=0"),
            (1_700_000_000_123, "t=1700000000123"),
            (u64::MAX, "t=18446744073709551615"),
        ] {
            let mut start = RequestStart::default();
            assert_eq!(start.write(milliseconds), expected.as_bytes());
            assert!(trace::is_request_start(start.write(milliseconds)));
        }
    }
}
