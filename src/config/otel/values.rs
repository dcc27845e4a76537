//! Reads the values of the variables. A fault says what to write.

use std::{path::PathBuf, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, uri::Authority};

use crate::config::secret::NO_USER;

/// The defaults of the specification.
pub(super) const DEFAULT_EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const DEFAULT_BATCH_TIMEOUT: Duration = Duration::from_secs(30);
pub(super) const DEFAULT_DELAY: Duration = Duration::from_secs(5);
pub(super) const DEFAULT_QUEUE: usize = 2048;
pub(super) const DEFAULT_BATCH: usize = 512;

/// Spans of one request must fit.
const MIN_QUEUE: usize = 8;
/// At most about 150 MB, if all spans are as large as they can be.
const MAX_QUEUE: usize = 100_000;
/// In milliseconds.
const MAX_TIME: u64 = 600_000;
/// A timeout below this is one in seconds: that is how the exporter of Python reads the variable, and no request could
/// be as fast.
const LEAST_MILLISECONDS: u64 = 100;

/// The path for traces below a base URL.
const PATH: &str = "/v1/traces";

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false".into()),
    }
}

/// Reads the complete URL for traces.
pub(super) fn endpoint(text: &str) -> Result<Uri, String> {
    let uri: Uri =
        text.parse().map_err(|_| "this is not a URL: write http://HOST:4318/v1/traces")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("must begin with http:// or https://".into());
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(format!(
            "{NO_USER}: set OTEL_EXPORTER_OTLP_HEADERS=Authorization=Basic%20CREDENTIALS"
        )),
        Some(authority) if has_valid_port(authority) && !authority.host().is_empty() => Ok(uri),
        _ => Err("the host or the port is not valid: write http://HOST:4318".into()),
    }
}

/// Reads a base URL, below which traces have a path of their own.
pub(super) fn endpoint_below(text: &str) -> Result<Uri, String> {
    let base = endpoint(text)?;
    if base.query().is_some() {
        return Err(
            "a query is not allowed here: set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT to the whole URL"
                .into(),
        );
    }
    endpoint(&format!("{}{PATH}", text.trim_end_matches('/')))
}

/// `http` takes any digits for a port, and none too.
fn has_valid_port(authority: &Authority) -> bool {
    let after = authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, rest)| rest);
    !after.contains(':') || authority.port_u16().is_some_and(|port| port > 0)
}

/// Reads `NAME=VALUE,NAME=VALUE` with percent-encoded values. No fault has a part of it, because it holds keys.
pub(super) fn headers(text: &str) -> Result<HeaderMap, String> {
    let form = "must be NAME=VALUE, with commas between several and with spaces and commas as %20 and %2C in values";
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(text).map_err(|_| form)? {
        let name: HeaderName = name.parse().map_err(|_| form)?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| form)?;
        let is_own = [
            header::HOST,
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::CONNECTION,
            header::TRANSFER_ENCODING,
        ]
        .contains(&name);
        if is_own {
            return Err(format!("Sideman sets the header {name} itself: remove it"));
        }
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Reads `KEY=VALUE,KEY=VALUE`, percent-encoded as in the header Baggage.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("must be KEY=VALUE,KEY=VALUE")?;
        let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
        if key.is_empty() {
            return Err("a key is missing in front of =".into());
        }
        pairs.retain(|(known, _)| *known != key);
        pairs.push((key, value));
    }
    Ok(pairs)
}

fn decoded(text: &str) -> Result<String, String> {
    const FAULT: &str = "a % must be written %25, and other characters as UTF-8";
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let [high, low, behind @ ..] = behind else { return Err(FAULT.into()) };
        let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err(FAULT.into()) };
        bytes.push(high << 4 | low);
        rest = behind;
    }
    String::from_utf8(bytes).map_err(|_| FAULT.into())
}

pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

pub(super) fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "must be the part of the traces to record, from 0 to 1, such as 0.1".into())
}

pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    number(text, 1, MAX_TIME)
        .map(Duration::from_millis)
        .map_err(|fault| format!("{fault} milliseconds"))
}

/// Reads the time for one request to the collector.
pub(super) fn export_timeout(text: &str) -> Result<Duration, String> {
    let time = milliseconds(text)?;
    let is_seconds = time < Duration::from_millis(LEAST_MILLISECONDS);
    Ok(if is_seconds { time * 1000 } else { time })
}

pub(super) fn queue(text: &str) -> Result<usize, String> {
    size(text, MIN_QUEUE).map_err(|fault| format!("{fault} spans"))
}

pub(super) fn batch(text: &str) -> Result<usize, String> {
    size(text, 1).map_err(|fault| format!("{fault} spans"))
}

fn size(text: &str, min: usize) -> Result<usize, String> {
    let number = number(text, min as u64, MAX_QUEUE as u64)?;
    usize::try_from(number).map_err(|error| error.to_string())
}

fn number(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let number = text.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}
