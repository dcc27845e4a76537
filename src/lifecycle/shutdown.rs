//! Graceful shutdown without losing a request. After the first signal the health check fails, and serving continues for
//! `shutdown.delay` until the load balancer has stopped sending requests. Then listeners and idle connections close.
//! The process ends after its last request or at `shutdown.timeout`.

use std::{cell::RefCell, convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{parts::ProcessParts, reload::ReloadTarget, signals::Signals};
use crate::{
    phase::Phase,
    pipeline::{self, App},
    server::{AcceptorHandle, Workers},
    telemetry::LogSink,
};

/// The interval of checks whether the application accepts connections.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How long writing the last log lines may take.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);

/// The result of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownOutcome {
    /// All requests were completed.
    Clean,
    /// This number of requests was aborted, by the deadline or a second signal.
    Aborted(u64),
}

/// Serves until a signal arrives, then drains.
pub(super) async fn serve_until_signal(parts: ProcessParts) -> io::Result<ShutdownOutcome> {
    let ProcessParts {
        app,
        phase,
        accepting,
        workers,
        log,
        mut signals,
        mut reloader,
        events: _events,
    } = parts;
    // Continues while draining, because queued requests need to know when the application is available again.
    app.supervise_upstreams();
    let app = RefCell::new(app);
    let subject = ReloadTarget { app: &app, workers: &workers, accepting: &accepting };
    let signal = select! {
        signal = signals.next() => signal,
        signal = reloader.run(subject) => signal,
        never = watch_application(&app, &phase) => match never {},
    };
    let app = app.into_inner();
    let drained = drain(&app, signal, &phase, (accepting, workers), &mut signals);
    let (cut, begin) = select! {
        drained = drained => drained,
        never = reloader.refuse() => match never {},
    };
    Ok(finish(cut, log.as_ref(), begin))
}

/// Drains. Returns the number of aborted requests and the start of the drain.
async fn drain(
    app: &App,
    signal: &'static str,
    phase: &watch::Sender<Phase>,
    (accepting, workers): (AcceptorHandle, Workers),
    signals: &mut Signals,
) -> (u64, Instant) {
    let plan = app.plan.shutdown;
    let begin = Instant::now();
    let (accept_until, deadline) = (begin + plan.delay, begin + plan.timeout);
    phase.send_replace(Phase::Draining);
    let in_flight = app.metrics.in_flight();
    tracing::info!(signal, in_flight, delay = ?plan.delay, timeout = ?plan.timeout, "draining");
    if signals.has_terminal() && signal == "SIGINT" {
        tracing::warn!("waiting for requests to end; press Ctrl-C again to stop at once");
    }
    let mut reason = select! {
        () = sleep_until(accept_until) => None,
        _ = signals.next() => Some("second signal"),
    };
    // Closes the listeners, which are the workers' source of connections.
    drop(accepting);
    let mut ended = pin!(workers.ended());
    if reason.is_none() {
        reason = select! {
            cut = &mut ended => return (cut, begin),
            () = sleep_until(deadline) => Some("shutdown.timeout reached"),
            _ = signals.next() => Some("second signal"),
        };
    }
    let in_flight = app.metrics.in_flight();
    tracing::warn!(reason, in_flight, "aborting in-flight requests");
    phase.send_replace(Phase::Stopped);
    (ended.await, begin)
}

/// Writes the last log lines.
fn finish(cut: u64, log: Option<&LogSink>, begin: Instant) -> ShutdownOutcome {
    if log.is_some_and(|log| !log.flush(LOG_TIMEOUT)) {
        tracing::error!("stdout is blocked: the last access-log lines are lost");
    }
    tracing::info!(aborted = cut, after = ?(Instant::now() - begin), "stopped");
    if cut == 0 { ShutdownOutcome::Clean } else { ShutdownOutcome::Aborted(cut) }
}

/// Waits until the application accepts its first connection; never returns.
async fn watch_application(app: &RefCell<Arc<App>>, phase: &watch::Sender<Phase>) -> Infallible {
    let since = Instant::now();
    let mut is_reported = false;
    while *phase.borrow() == Phase::Starting {
        // A reload may have changed the settings.
        let app = Arc::clone(&app.borrow());
        let is_wanted = app.plan.health.wait_for_application;
        if !is_wanted || pipeline::application_accepts(&app).await {
            phase.send_replace(Phase::Ready);
            tracing::info!(after = ?(Instant::now() - since), "ready");
            break;
        }
        if !is_reported && Instant::now() - since > CHECK_INTERVAL * 10 {
            is_reported = true;
            let target = app.plan.upstream.names();
            tracing::info!(target, "waiting for the application to accept connections");
        }
        sleep(CHECK_INTERVAL).await;
    }
    std::future::pending().await
}
