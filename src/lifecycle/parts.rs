//! The parts of a running process.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    child::ChildSupervisor, emf::EmfWriter, reload::Reloader, service_manager::Notifier,
    signals::Signals, traces::TraceExporter,
};
use crate::{
    phase::Phase,
    pipeline::App,
    server::{AcceptorHandle, Workers},
    telemetry::{LogSink, events::EventLog},
};

/// The parts of a running process, which are dropped when it ends.
#[derive(Debug)]
pub(super) struct ProcessParts {
    pub(super) app: Arc<App>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) accepting: AcceptorHandle,
    pub(super) workers: Workers,
    pub(super) log: Option<LogSink>,
    pub(super) traces: Option<TraceExporter>,
    pub(super) emf: Option<EmfWriter>,
    pub(super) signals: Signals,
    pub(super) notifier: Notifier,
    pub(super) reloader: Reloader,
    /// The application, if Sideman starts it.
    pub(super) child: Option<ChildSupervisor>,
    /// Dropped last, because it writes the last events.
    pub(super) events: EventLog,
}
