//! A value of the status: a text for people, and JSON with plain numbers for programs.

use std::fmt::{self, Display, Formatter};

/// A value with its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StatusValue {
    Text(String),
    Count(u64),
    /// Percent of responses.
    Percent(u64),
    /// Tenths of requests a second.
    Rate(u64),
    /// Milliseconds that were not exceeded, as far as the buckets tell; `None` if they do not.
    AtMostMillis(Option<u64>),
    Millis(u64),
    Seconds(u64),
    /// A server: why it is unavailable, if it is; for how many seconds it has been so; its requests in flight.
    Server(Option<String>, u64, usize),
    /// Bytes in use, and their limit if there is one.
    Bytes(u64, Option<u64>),
    /// Seconds until a certificate expires, negative if it has.
    ExpiresIn(i64),
    /// Requests that failed, with advice.
    Failures(u64, Option<&'static str>),
}

// === impl StatusValue ===

impl StatusValue {
    /// Returns the value as JSON.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Count(number)
            | Self::Percent(number)
            | Self::Millis(number)
            | Self::Seconds(number) => number.to_string(),
            Self::Server(outage, seconds, in_flight) => {
                let (state, error) = match outage {
                    None => ("available", "null".into()),
                    Some(outage) => ("unavailable", quoted(outage)),
                };
                format!(
                    "{{\"state\":\"{state}\",\"seconds\":{seconds},\"error\":{error},\"in_flight\":{in_flight}}}"
                )
            }
            Self::Rate(tenths) => format!("{}.{}", tenths / 10, tenths % 10),
            Self::AtMostMillis(millis) => or_null(*millis),
            Self::Bytes(used, limit) => {
                format!("{{\"used\":{used},\"limit\":{}}}", or_null(*limit))
            }
            Self::ExpiresIn(seconds) => seconds.to_string(),
            Self::Failures(count, advice) => {
                let advice = advice.map_or_else(|| "null".into(), quoted);
                format!("{{\"count\":{count},\"advice\":{advice}}}")
            }
        }
    }
}

impl Display for StatusValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Count(number) => write!(f, "{number}"),
            Self::Percent(number) => write!(f, "{number} %"),
            Self::Rate(tenths) => write!(f, "{}.{}", tenths / 10, tenths % 10),
            Self::AtMostMillis(Some(millis)) => write!(f, "at most {millis} ms"),
            Self::AtMostMillis(None) => f.write_str("more than 60 s"),
            Self::Millis(millis) => write!(f, "{millis} ms"),
            Self::Seconds(seconds) => duration(f, *seconds),
            Self::Server(None, seconds, in_flight) => {
                f.write_str("available for ")?;
                duration(f, *seconds)?;
                write!(f, ", {in_flight} in flight")
            }
            Self::Server(Some(outage), seconds, _) => {
                f.write_str("unavailable for ")?;
                duration(f, *seconds)?;
                write!(f, ": {outage}")
            }
            Self::Bytes(used, limit) => {
                bytes(f, *used)?;
                let Some(limit) = limit else { return Ok(()) };
                f.write_str(" of ")?;
                bytes(f, *limit)
            }
            Self::ExpiresIn(seconds) => match u64::try_from(*seconds) {
                Ok(seconds) if seconds > 0 => {
                    f.write_str("expires in ")?;
                    duration(f, seconds)
                }
                Ok(_) | Err(_) => f.write_str("expired"),
            },
            Self::Failures(count, None) => write!(f, "{count}"),
            Self::Failures(count, Some(advice)) => write!(f, "{count}; {advice}"),
        }
    }
}

fn or_null(number: Option<u64>) -> String {
    number.map_or_else(|| "null".into(), |number| number.to_string())
}

fn duration(f: &mut Formatter<'_>, seconds: u64) -> fmt::Result {
    match seconds {
        0..60 => write!(f, "{seconds} s"),
        60..3600 => write!(f, "{} min", seconds / 60),
        3600..86_400 => write!(f, "{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => write!(f, "{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

fn bytes(f: &mut Formatter<'_>, count: u64) -> fmt::Result {
    match count {
        0..1024 => write!(f, "{count} B"),
        1024..1_048_576 => write!(f, "{} KiB", count >> 10),
        _ => write!(f, "{} MiB", count >> 20),
    }
}

/// Returns a JSON string (RFC 8259, 7).
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_a_text_and_plain_numbers() {
        for (value, text, json) in [
            (StatusValue::Rate(125), "12.5", "12.5"),
            (StatusValue::AtMostMillis(Some(25)), "at most 25 ms", "25"),
            (StatusValue::AtMostMillis(None), "more than 60 s", "null"),
            (StatusValue::Seconds(59), "59 s", "59"),
            (StatusValue::Millis(1500), "1500 ms", "1500"),
            (
                StatusValue::Server(None, 61, 3),
                "available for 1 min, 3 in flight",
                "{\"state\":\"available\",\"seconds\":61,\"error\":null,\"in_flight\":3}",
            ),
            (
                StatusValue::Server(Some("the \"reason\"".into()), 2, 0),
                "unavailable for 2 s: the \"reason\"",
                "{\"state\":\"unavailable\",\"seconds\":2,\"error\":\"the \\\"reason\\\"\",\"in_flight\":0}",
            ),
            (StatusValue::Seconds(3_660), "1 h 1 min", "3660"),
            (StatusValue::Seconds(90_000), "1 d 1 h", "90000"),
            (StatusValue::Bytes(2048, None), "2 KiB", "{\"used\":2048,\"limit\":null}"),
            (
                StatusValue::Bytes(1, Some(3 << 20)),
                "1 B of 3 MiB",
                "{\"used\":1,\"limit\":3145728}",
            ),
            (StatusValue::ExpiresIn(-1), "expired", "-1"),
            (StatusValue::ExpiresIn(7_200), "expires in 2 h 0 min", "7200"),
            (StatusValue::Failures(2, Some("do")), "2; do", "{\"count\":2,\"advice\":\"do\"}"),
        ] {
            assert_eq!((value.to_string().as_str(), value.json().as_str()), (text, json));
        }
    }
}
