//! A thread that sends spans to a collector. Requests never wait for it: if the collector is slow or down, spans are
//! dropped and counted.

mod delivery;

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read as _},
    path::Path,
    pin::pin,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};

use self::delivery::Delivery;
use crate::{
    config::client_identity,
    outgoing::{Authorities, HttpClient},
    plan::{TraceSettings, Traces},
    telemetry::{
        Metrics,
        traces::{self, RequestRecord, Span, SpanClock, SpanQueue, SpanSink},
    },
};

/// How long sending the last spans may take.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// The largest file with authorities; all public ones have a fourth of it.
const MAX_FILE: u64 = 1024 * 1024;

/// The running exporter.
#[derive(Debug)]
pub(super) struct TraceExporter {
    stop: oneshot::Sender<()>,
    ended: mpsc::Receiver<()>,
}

/// An exporter that sends its last spans.
#[derive(Debug)]
pub(super) struct StoppingExporter(mpsc::Receiver<()>);

/// Sends spans in batches.
#[derive(Debug)]
struct Exporter {
    queue: SpanQueue,
    delivery: Delivery,
    settings: TraceSettings,
    is_stopping: Cell<bool>,
    /// Spans that were taken from the queue and are not sent.
    in_flight: Cell<u64>,
}

/// Creates the client for the collector, if requests are traced. Returns a sentence with a remedy if a certificate's
/// file has a fault.
pub(super) fn client(traces: &Traces) -> Result<Option<HttpClient>, String> {
    let Some(settings) = traces.settings() else { return Ok(None) };
    let pem = settings.certificate.as_deref().map(authorities).transpose()?;
    let trusted = pem.as_deref().map_or(Authorities::Public, Authorities::Pem);
    let client = match &settings.client_certificate {
        None => HttpClient::new(trusted),
        Some(files) => {
            let identity = client_identity(files).map_err(|fault| {
                format!(
                    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_KEY: {fault}"
                )
            })?;
            HttpClient::with_certificate(trusted, identity.chain, identity.private_key)
        }
    };
    client.map(Some).map_err(|error| match &settings.certificate {
        Some(path) => faulty_authorities(path, &error),
        None => error.to_string(),
    })
}

/// Reads the file of authorities.
fn authorities(path: &Path) -> Result<Vec<u8>, String> {
    let mut pem = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut pem)) {
        Ok(_) => Ok(pem),
        Err(error) => Err(faulty_authorities(path, &error)),
    }
}

fn faulty_authorities(path: &Path, fault: &dyn std::fmt::Display) -> String {
    format!(
        "OTEL_EXPORTER_OTLP_CERTIFICATE: {}: {fault}: name a PEM file with the collector's authority",
        path.display()
    )
}

/// Starts the thread.
pub(super) fn start(
    traces: &Traces,
    client: Option<HttpClient>,
    metrics: &Metrics,
) -> io::Result<Option<(SpanSink, TraceExporter)>> {
    let (Some(settings), Some(client)) = (traces.settings(), client) else { return Ok(None) };
    let counts = Arc::clone(&metrics.process().traces);
    let (sink, queue) = traces::channel(&settings.batches, counts);
    // Built here, so that a shortage of descriptors fails the start. The blocking thread looks up names.
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
    let delivery = Delivery::new(client, settings);
    tracing::info!(endpoint = delivery.endpoint(), "sending traces");
    let exporter = Exporter {
        queue,
        delivery,
        settings: settings.clone(),
        is_stopping: Cell::new(false),
        in_flight: Cell::new(0),
    };
    let (stop, stopped) = oneshot::channel();
    let (report, ended) = mpsc::channel();
    let run = move || {
        exporter.run(runtime, stopped);
        // Nobody may wait for it.
        let _ = report.send(());
    };
    thread::Builder::new().name("traces".to_owned()).spawn(run)?;
    Ok(Some((sink, TraceExporter { stop, ended })))
}

// === impl TraceExporter ===

impl TraceExporter {
    /// Sends what waits, and then ends. Must be called after the last request.
    pub(super) fn stop(self) -> StoppingExporter {
        // An exporter that has panicked is no longer there.
        let _ = self.stop.send(());
        StoppingExporter(self.ended)
    }
}

// === impl StoppingExporter ===

impl StoppingExporter {
    /// Waits for the end, which comes within [`FLUSH_TIMEOUT`].
    pub(super) fn wait(self) {
        // A moment more, because a busy machine runs timers late.
        let _ = self.0.recv_timeout(FLUSH_TIMEOUT + Duration::from_secs(1));
    }
}

// === impl Exporter ===

impl Exporter {
    fn run(self, runtime: Runtime, stopped: oneshot::Receiver<()>) {
        runtime.block_on(async {
            let mut exporting = pin!(self.export_all());
            tokio::select! {
                () = &mut exporting => return,
                _ = stopped => {}
            }
            self.is_stopping.set(true);
            self.queue.wake();
            if timeout(FLUSH_TIMEOUT, exporting).await.is_err() {
                self.give_up();
            }
        });
        // Dropping it would wait for a name server that does not respond.
        runtime.shutdown_background();
    }

    /// Sends spans until the queue is empty at the end.
    async fn export_all(&self) {
        loop {
            if self.queue.is_empty() {
                if self.is_stopping.get() {
                    return;
                }
                self.queue.changed().await;
            }
            let mut is_due = self.wait_for_batch().await;
            // What is left waits for more.
            while is_due || self.has_batch() {
                self.export(&self.queue.take_batch()).await;
                is_due = self.is_stopping.get() && !self.queue.is_empty();
            }
        }
    }

    /// Waits until a batch is complete, and returns `false`; or returns `true` when it must be sent as it is.
    async fn wait_for_batch(&self) -> bool {
        let due = Instant::now() + self.settings.batches.delay;
        loop {
            if self.is_stopping.get() {
                return true;
            }
            if self.has_batch() {
                return false;
            }
            tokio::select! {
                () = sleep_until(due) => return true,
                () = self.queue.changed() => {}
            }
        }
    }

    fn has_batch(&self) -> bool {
        self.queue.waiting() >= self.settings.batches.max_batch
    }

    async fn export(&self, records: &[Box<RequestRecord>]) {
        let (clock, mut spans) = (SpanClock::now(), Vec::new());
        records.iter().for_each(|record| Span::append(&mut spans, record, clock));
        self.in_flight.set(spans.len() as u64);
        for batch in spans.chunks(self.settings.batches.max_batch) {
            let body = traces::encode(self.settings.encoding, &self.settings.resource, batch);
            let count = batch.len() as u64;
            self.delivery.deliver(body, count, self.queue.counts()).await;
            self.in_flight.set(self.in_flight.get().saturating_sub(count));
        }
    }

    /// Counts what could not be sent before the end.
    fn give_up(&self) {
        let mut lost = self.in_flight.get();
        while !self.queue.is_empty() {
            lost += self.queue.take_batch().iter().map(|record| record.spans() as u64).sum::<u64>();
        }
        self.queue.counts().failed.fetch_add(lost, Ordering::Relaxed);
        tracing::warn!(
            lost,
            "the last spans were not sent: the collector did not take them within {} s",
            FLUSH_TIMEOUT.as_secs()
        );
    }
}
