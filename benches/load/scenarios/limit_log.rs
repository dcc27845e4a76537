//! The limit that Sideman has in force, with the requests in flight and in the queue, read from its metrics ten times a
//! second.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(5);
const LIMIT: &str = "sideman_limit{setting=\"upstream.max_in_flight\"} ";
const IN_FLIGHT: &str = "sideman_upstream_in_flight ";
const QUEUED: &str = "sideman_queue_length ";
const SOURCE: &str = "sideman_upstream_limit_source{source=\"";

/// All readings of a run.
#[derive(Debug, Default)]
pub(super) struct LimitLog {
    pub(super) readings: Vec<Reading>,
    /// How the last limit was found.
    pub(super) source: String,
}

/// What the metrics said at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The time from the beginning of the load.
    pub(super) at: Duration,
    pub(super) limit: f64,
    pub(super) in_flight: f64,
    pub(super) queued: f64,
}

// === impl LimitLog ===

impl LimitLog {
    /// Reads until `stop` has no sender any more.
    pub(super) fn read(admin: SocketAddr, began: Instant, stop: &Receiver<()>) -> Self {
        let mut log = Self::default();
        while stop.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            // On a crowded machine a reading may be missing.
            let Ok(text) = metrics(admin) else { continue };
            log.readings.extend(Reading::of(&text, began.elapsed()));
            let source = text.lines().find_map(|line| {
                let (source, is) = line.strip_prefix(SOURCE)?.split_once("\"} ")?;
                (is == "1").then(|| source.to_owned())
            });
            log.source = source.unwrap_or_default();
        }
        log
    }

    /// The median of the limits between two moments; NaN if nothing was read.
    pub(super) fn median(&self, from: Duration, to: Duration) -> f64 {
        let within = self.readings.iter().filter(|reading| (from..to).contains(&reading.at));
        let mut limits: Vec<f64> = within.map(|reading| reading.limit).collect();
        limits.sort_by(f64::total_cmp);
        limits.get(limits.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The seconds until the limit was near this one for the first time: off by one, or by a fifth.
    pub(super) fn found_after(&self, limit: f64) -> f64 {
        let near = |other: f64| (other - limit).abs() <= (limit / 5.0).max(1.0);
        let found = self.readings.iter().find(|reading| near(reading.limit));
        found.map_or(f64::NAN, |reading| reading.at.as_secs_f64())
    }
}

// === impl Reading ===

impl Reading {
    fn of(metrics: &str, at: Duration) -> Option<Self> {
        let value =
            |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
        Some(Self {
            at,
            limit: value(LIMIT)?,
            in_flight: value(IN_FLIGHT)?,
            queued: value(QUEUED)?,
        })
    }
}

fn metrics(admin: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
