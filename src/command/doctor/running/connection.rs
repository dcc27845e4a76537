//! Checks of a connection to the application: how long it stays open, its clock, and how much a request may contain.

use std::{
    io::{self, Read as _, Write as _},
    time::{Duration, Instant, SystemTime},
};

use socket2::Socket;

use super::probe::ProbeResponse;
use crate::{
    command::{
        doctor::deployment::UWSGI_BUFFER,
        http_request::{self, CheckPeer},
    },
    finding::{Check, Finding, Severity},
};

/// How long to wait for the application to close an idle connection, at most.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(15);
/// A connection that is closed sooner belongs to a server that does not keep any.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Differences that delays explain.
const MAX_SKEW: Duration = Duration::from_secs(30);
const MAX_HEAD: usize = 64 * 1024;

pub(in crate::command::doctor) static KEEP_ALIVE: Check = Check {
    id: "keep-alive",
    severity: Severity::Warning,
    page: "docs/workers.md#connections-and-names",
};
pub(in crate::command::doctor) static CLOCK: Check = Check {
    id: "clock",
    severity: Severity::Warning,
    page: "docs/files.md#private-media-by-signed-links",
};
/// What a connection to the application showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IdleConnection {
    /// When the application closed it, counted from its response. `None` if it did not in time, or if it says before
    /// that it will.
    pub(super) closed_after: Option<Duration>,
    /// The application's clock, and ours at that moment.
    pub(super) clocks: Option<(SystemTime, SystemTime)>,
}

/// Sends one request, and waits until the application closes the connection, or for `wait`.
pub(super) fn measure(
    peer: &CheckPeer,
    host: &str,
    time: Duration,
    wait: Duration,
) -> Option<IdleConnection> {
    let mut stream = http_request::open(peer, time).ok()?;
    stream.set_write_timeout(Some(time)).ok()?;
    let request = format!(
        "HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: sideman-doctor\r\nX-Forwarded-Proto: https\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let head = read_head(&mut stream, Instant::now() + time)?;
    let ours = SystemTime::now();
    let response = ProbeResponse::parse(&head)?;
    let date = response.values("date").next().and_then(|date| httpdate::parse_http_date(date).ok());
    let clocks = date.map(|date| (date, ours));
    let closes =
        response.values("connection").any(|value| value.to_ascii_lowercase().contains("close"));
    let announces = response.values("keep-alive").next().is_some();
    let closed_after = if closes || announces { None } else { until_closed(&mut stream, wait) };
    Some(IdleConnection { closed_after, clocks })
}

fn read_head(stream: &mut Socket, deadline: Instant) -> Option<Vec<u8>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        let left = deadline.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left).filter(|left| !left.is_zero())).ok()?;
        if left.is_zero() || stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.extend(byte);
    }
    Some(head)
}

/// Returns when the other side closed the connection.
fn until_closed(stream: &mut Socket, wait: Duration) -> Option<Duration> {
    let begin = Instant::now();
    stream.set_read_timeout(Some(wait)).ok()?;
    match stream.read(&mut [0]) {
        Ok(0) => Some(begin.elapsed()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Some(begin.elapsed()),
        Ok(_) | Err(_) => None,
    }
}

/// The application closes connections that Sideman still uses.
pub(super) fn keep_alive(measured: &IdleConnection, idle_timeout: Duration) -> Option<Finding> {
    let closed = measured.closed_after.filter(|after| *after > AT_ONCE && *after < idle_timeout)?;
    let seconds = closed.as_secs_f64();
    Some(KEEP_ALIVE.finding(
        "requests fail at times, because the application closes a connection as Sideman sends on it",
        format!(
            "the application closed an idle connection after {seconds:.1} s, upstream.idle_timeout is {} s",
            idle_timeout.as_secs_f64()
        ),
        "lower SIDEMAN_UPSTREAM__IDLE_TIMEOUT by half a second below that, or raise the application's keep-alive",
    ))
}

/// The clocks of the two differ.
pub(super) fn clock(measured: &IdleConnection) -> Option<Finding> {
    let (theirs, ours) = measured.clocks?;
    let skew = match theirs.duration_since(ours) {
        Ok(ahead) => ahead,
        Err(behind) => behind.duration(),
    };
    (skew > MAX_SKEW).then(|| {
        CLOCK.finding(
            "the clocks of the application and of Sideman differ, so signed links and cookies expire at the wrong time",
            format!("Date of the application differs by {} s", skew.as_secs()),
            "set both machines by NTP",
        )
    })
}

/// Returns the length of a header field that fits our limits, and not the buffer of a uWSGI with its default.
pub(super) fn long_field(buffer_size: usize, max_field: usize, max_head: usize) -> Option<usize> {
    /// The other variables of a request take less.
    const OTHERS: usize = 2048;
    /// The default of uWSGI, which every request of this length exceeds.
    const DEFAULT: usize = 4096;
    let most = buffer_size.min(max_field).min(max_head);
    most.checked_sub(OTHERS).filter(|length| *length > DEFAULT)
}

/// uWSGI drops requests that are within our limit.
pub(super) fn uwsgi_buffer_size(
    length: usize,
    short: u16,
    long: u16,
    limit: usize,
) -> Option<Finding> {
    (short < 500 && long == 502).then(|| {
        UWSGI_BUFFER.finding(
            "uWSGI drops requests with long headers, and clients get 502",
            format!("GET / got {short}, and {long} with a header field of {length} bytes; upstream.uwsgi_buffer_size is {limit}"),
            format!("set buffer-size = {limit} in uWSGI, or lower SIDEMAN_UPSTREAM__UWSGI_BUFFER_SIZE"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_before_our_own_counts() {
        let check = |closed_after: Option<u64>, expected: bool| {
            let closed_after = closed_after.map(Duration::from_millis);
            let measured = IdleConnection { closed_after, clocks: None };
            assert_eq!(keep_alive(&measured, Duration::from_secs(5)).is_some(), expected);
        };
        check(Some(2000), true);
        check(Some(6000), false);
        check(Some(1), false);
        check(None, false);
    }

    #[test]
    fn delays_are_no_skew() {
        let ours = SystemTime::now();
        for (seconds, expected) in [(0, false), (10, false), (3600, true)] {
            for theirs in [ours + Duration::from_secs(seconds), ours - Duration::from_secs(seconds)]
            {
                let measured = IdleConnection { closed_after: None, clocks: Some((theirs, ours)) };
                assert_eq!(clock(&measured).is_some(), expected);
            }
        }
    }

    #[test]
    fn long_fields_fit_our_limits() {
        assert_eq!(long_field(65_535, 16_384, 32_768), Some(14_336));
        assert_eq!(long_field(4096, 16_384, 32_768), None);
    }
}
