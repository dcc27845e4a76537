//! The limit that Sideman has in force, read from its metrics ten times a second.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

const EVERY: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(5);
const LIMIT: &str = "sideman_limit{setting=\"upstream.max_in_flight\"} ";
const SOURCE: &str = "sideman_upstream_limit_source{source=\"";

/// The limits, each with the time from the beginning of the load.
#[derive(Debug, Default)]
pub(super) struct LimitLog {
    limits: Vec<(Duration, f64)>,
    /// How the last one was found.
    pub(super) source: String,
}

// === impl LimitLog ===

impl LimitLog {
    /// Reads until `stop` has no sender any more.
    pub(super) fn read(admin: SocketAddr, began: Instant, stop: &Receiver<()>) -> Self {
        let mut log = Self::default();
        while stop.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            // On a crowded machine a reading may be missing.
            let Ok(text) = metrics(admin) else { continue };
            if let Some(limit) =
                text.lines().find_map(|line| line.strip_prefix(LIMIT)?.parse().ok())
            {
                log.limits.push((began.elapsed(), limit));
            }
            let source = text.lines().find_map(|line| {
                let (source, is) = line.strip_prefix(SOURCE)?.split_once("\"} ")?;
                (is == "1").then(|| source.to_owned())
            });
            log.source = source.unwrap_or_default();
        }
        log
    }

    /// The median between two moments; NaN if nothing was read.
    pub(super) fn median(&self, from: Duration, to: Duration) -> f64 {
        let within = self.limits.iter().filter(|(at, _)| (from..to).contains(at));
        let mut limits: Vec<f64> = within.map(|(_, limit)| *limit).collect();
        limits.sort_by(f64::total_cmp);
        limits.get(limits.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The seconds until the limit was near this one for the first time: off by one, or by a fifth.
    pub(super) fn found_after(&self, limit: f64) -> f64 {
        let near = |other: f64| (other - limit).abs() <= (limit / 5.0).max(1.0);
        let found = self.limits.iter().find(|(_, other)| near(*other));
        found.map_or(f64::NAN, |(at, _)| at.as_secs_f64())
    }

    /// All readings, for plots.
    pub(super) fn json(&self) -> Value {
        let limits = self.limits.iter().map(|(at, limit)| json!([at.as_secs_f64(), limit]));
        limits.collect()
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
