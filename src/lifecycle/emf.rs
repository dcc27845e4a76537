//! A thread that writes metrics for CloudWatch to stdout, once a minute.

use std::{
    io,
    sync::Arc,
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

/// Starts the thread. It runs as long as the process.
pub(super) fn start(
    task: Option<TaskMetadata>,
    metrics: Arc<Metrics>,
    sink: LogSink,
) -> io::Result<()> {
    let Some(task) = task else {
        tracing::warn!(
            "metrics.emf is on, but this process is in no ECS task: ECS_CONTAINER_METADATA_URI_V4 is not set, and no \
             metrics are written; set metrics.emf to off"
        );
        return Ok(());
    };
    // Before the first request, so that the first line has all of them.
    let recorder = EmfRecorder::new(&metrics);
    let write = move || write_lines(recorder, &service(&task), &metrics, &sink);
    thread::Builder::new().name("emf".to_owned()).spawn(write).map(drop)
}

/// Waits until the names of the service are known.
fn service(task: &TaskMetadata) -> EmfService {
    let mut is_reported = false;
    loop {
        match task.read() {
            Ok(service) => return service,
            Err(error) if !is_reported => {
                is_reported = true;
                tracing::warn!(
                    %error,
                    "cannot read the ECS task's metadata, trying again; metrics.emf writes nothing until then"
                );
            }
            Err(_) => {}
        }
        thread::sleep(RETRY_PAUSE);
    }
}

fn write_lines(mut recorder: EmfRecorder, service: &EmfService, metrics: &Metrics, sink: &LogSink) {
    let mut next = Instant::now();
    loop {
        // From a fixed beginning, so that a minute has 60 samples.
        next += EmfRecorder::INTERVAL;
        thread::sleep(next.saturating_duration_since(Instant::now()));
        if let Some(line) = recorder.record(service, metrics, SystemTime::now()) {
            sink.send(line.into_bytes(), 1);
        }
    }
}
