//! Events of the process on stderr, such as start, stop and failures. Requests go to the access log instead.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tracing::field::Field;
use tracing_subscriber::{
    Layer,
    field::MakeExt as _,
    filter::{LevelFilter, Targets},
    fmt::{
        MakeWriter,
        format::{Writer, debug_fn},
    },
    layer::SubscriberExt,
    registry::Registry,
};

use super::{
    escape::visible,
    log_writer::{LogSink, LogTarget},
};
use crate::plan::Level;

/// Maximum size of events that wait for a slow stderr, in bytes.
const MAX_BUFFERED: usize = 1024 * 1024;
/// How long writing the last events may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes the last events when dropped.
#[derive(Debug)]
pub struct EventLog(LogSink);

/// Sends each event to the thread that writes to stderr. Workers must never wait for the reader of stderr.
#[derive(Debug)]
struct StderrWriter(LogSink);

/// Sends events of at least this level to stderr, for the rest of the process's life, and counts lost ones. Only the
/// first call in a process has an effect.
pub fn install(level: Level, lost: &Arc<AtomicU64>) -> io::Result<EventLog> {
    let target = LogTarget {
        out: Box::new(io::stderr()),
        name: "events",
        limit: MAX_BUFFERED,
        full_at: None,
        // There is no other place to report it.
        on_error: |_| {},
    };
    let sink = LogSink::start(target, Arc::clone(lost))?;
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(StderrWriter(sink.clone()))
        // Any field may contain a path or a name that a client or a server chose.
        .fmt_fields(debug_fn(write_field).delimited(" "))
        .with_target(false)
        // Colours would end up in the log collector.
        .with_ansi(false)
        // Only Sideman's own events: those of libraries may contain secrets that clients send.
        .with_filter(Targets::new().with_target(env!("CARGO_CRATE_NAME"), filter(level)));
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer));
    // The default hook would write to stderr itself, and wait for it.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(%panic, "internal error: a connection was closed; please report it");
    }));
    Ok(EventLog(sink))
}

// === impl EventLog ===

impl Drop for EventLog {
    fn drop(&mut self) {
        self.0.flush(FLUSH_TIMEOUT);
    }
}

// === impl StderrWriter ===

impl<'a> MakeWriter<'a> for StderrWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &StderrWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec(), 1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes `NAME=VALUE`, or the message alone, always on one line.
fn write_field(out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        "message" => out.write_str(&visible(&text)),
        name => write!(out, "{name}={}", visible(&text)),
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
