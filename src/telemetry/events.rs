//! Events of the process on stderr: start, stop, trouble. Requests go to the access log instead.

use std::io::{self, IsTerminal};

use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt, registry::Registry};

use crate::plan::Level;

/// Sends events of at least this importance to stderr, for the rest of the process's life. A
/// second call changes nothing.
pub fn install(level: Level) {
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_filter(filter(level));
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer));
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
