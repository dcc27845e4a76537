//! A thread that writes metrics for CloudWatch to stdout, once a minute and at the end of the process.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::service_manager::TaskMetadata;
use crate::telemetry::{
    LogSink, Metrics,
    emf::{EmfRecorder, EmfService},
};

/// The pause after a failed request for the names of the service.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// The thread. It runs until this is stopped.
#[derive(Debug)]
pub(super) struct EmfWriter {
    stop: Sender<()>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
    sink: LogSink,
}

/// Starts the thread. Returns `None` if this process is in no ECS task.
pub(super) fn start(
    task: Option<TaskMetadata>,
    metrics: Arc<Metrics>,
    sink: LogSink,
) -> io::Result<Option<EmfWriter>> {
    let Some(task) = task else {
        tracing::warn!(
            "metrics.emf is on, but this process is in no ECS task: ECS_CONTAINER_METADATA_URI_V4 is not set, and no \
             metrics are written; set metrics.emf to off"
        );
        return Ok(None);
    };
    // Before the first request, so that the first line has all of them.
    let recorder = EmfRecorder::new(&metrics);
    let (stop, stopped) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let writer = EmfWriter { stop, ended, sink: sink.clone() };
    let write = move || {
        if let Some(service) = service(&task, &stopped) {
            write_lines(recorder, &service, (&metrics, &sink), &stopped);
        }
        drop::<Sender<()>>(end);
    };
    thread::Builder::new().name("emf".to_owned()).spawn(write)?;
    Ok(Some(writer))
}

// === impl EmfWriter ===

impl EmfWriter {
    /// Writes the line about the last requests. Returns `false` if that takes longer.
    pub(super) fn stop(self, max_wait: Duration) -> bool {
        let Self { stop, ended, sink } = self;
        drop(stop);
        ended.recv_timeout(max_wait) == Err(RecvTimeoutError::Disconnected) && sink.flush(max_wait)
    }
}

/// Waits until the names of the service are known. Returns `None` if it is stopped before.
fn service(task: &TaskMetadata, stopped: &Receiver<()>) -> Option<EmfService> {
    let mut is_reported = false;
    loop {
        match task.read() {
            Ok(service) => return Some(service),
            Err(error) if !is_reported => {
                is_reported = true;
                tracing::warn!(
                    %error,
                    "cannot read the ECS task's metadata, trying again; metrics.emf writes nothing until then"
                );
            }
            Err(_) => {}
        }
        if !pause(stopped, RETRY_PAUSE) {
            return None;
        }
    }
}

fn write_lines(
    mut recorder: EmfRecorder,
    service: &EmfService,
    (metrics, sink): (&Metrics, &LogSink),
    stopped: &Receiver<()>,
) {
    let mut next = Instant::now();
    loop {
        // From a fixed beginning, so that a minute has 60 samples.
        next += EmfRecorder::INTERVAL;
        if !pause(stopped, next.saturating_duration_since(Instant::now())) {
            let line = recorder.last(service, metrics, SystemTime::now());
            sink.send(line.into_bytes(), 1);
            return;
        }
        if let Some(line) = recorder.record(service, metrics, SystemTime::now()) {
            sink.send(line.into_bytes(), 1);
        }
    }
}

/// Returns `false` if the thread is stopped meanwhile.
fn pause(stopped: &Receiver<()>, time: Duration) -> bool {
    stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
}
