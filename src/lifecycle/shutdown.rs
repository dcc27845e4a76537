//! Graceful shutdown without losing a request. After the first signal the health check fails, and serving continues for
//! `shutdown.delay` until the load balancer has stopped sending requests. Then listeners and idle connections close.
//! The process ends after its last request or at `shutdown.timeout`.

use std::{cell::RefCell, convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    child::{ChildOutcome, ChildStop, supervise},
    parts::ProcessParts,
    reload::ReloadTarget,
    signals::Signals,
    traces::{FLUSH_TIMEOUT, TraceExporter},
};
use crate::{
    phase::Phase,
    pipeline::{self, App},
    plan::ShutdownSettings,
    server::{AcceptorHandle, Workers},
    telemetry::LogSink,
};

/// The interval of checks whether the application accepts connections.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The part of `shutdown.timeout` in which the application may end after the last request, and its maximum.
const CHILD_SHARE: u32 = 5;
const MAX_CHILD_TIME: Duration = Duration::from_secs(5);
/// How long requests may run that need no application, if it has failed.
const WITHOUT_CHILD: Duration = Duration::from_secs(1);

/// How long writing the last log lines may take.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);

/// The result of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownOutcome {
    /// All requests were completed.
    Clean,
    /// This number of requests was aborted, by the deadline or a second signal.
    Aborted(u64),
    /// The application that Sideman has started failed: the exit status for it.
    ApplicationFailed(u8),
    /// The application had to be killed.
    ApplicationKilled,
}

/// Serves until a signal arrives or the application has failed, then drains, then stops the application.
pub(super) async fn serve_until_signal(parts: ProcessParts) -> io::Result<ShutdownOutcome> {
    let ProcessParts {
        app,
        phase,
        accepting,
        workers,
        log,
        traces,
        emf,
        mut signals,
        notifier,
        mut reloader,
        child,
        events: _events,
    } = parts;
    // Continues while draining, because queued requests need to know when the application is available again.
    app.supervise_upstreams();
    let app = RefCell::new(app);
    let subject = ReloadTarget { app: &app, workers: &workers, accepting: &accepting };
    let has_child = child.is_some();
    let (stop, stopped) = watch::channel(None);
    let mut child = pin!(supervise(child, &app, phase.subscribe(), ChildStop(stopped)));
    let mut child_outcome = None;
    let signal = select! {
        signal = signals.next() => Some(signal),
        signal = reloader.run(subject) => Some(signal),
        outcome = &mut child => {
            child_outcome = Some(outcome);
            None
        }
        never = watch_application(&app, &phase) => match never {},
    };
    let current = Arc::clone(&app.borrow());
    let settings = drain_settings(current.plan.shutdown, has_child, signal);
    let begin = Instant::now();
    let flush = if traces.is_some() { FLUSH_TIMEOUT } else { Duration::ZERO };
    let last_line = if emf.is_some() { LOG_TIMEOUT } else { Duration::ZERO };
    notifier.stopping(current.plan.shutdown.timeout + LOG_TIMEOUT + flush + last_line);
    let cause = DrainCause { signal, begin, settings };
    let cut = {
        let drained = drain(&current, cause, &phase, (accepting, workers), &mut signals);
        let mut drained = pin!(drained);
        loop {
            select! {
                cut = &mut drained => break cut,
                outcome = &mut child, if child_outcome.is_none() => child_outcome = Some(outcome),
                never = reloader.refuse() => match never {},
            }
        }
    };
    // The last spans are sent while the application ends.
    let traces = traces.map(TraceExporter::stop);
    let child_outcome = match child_outcome {
        None if has_child => {
            let share = child_time(current.plan.shutdown.timeout);
            let mut deadline = (begin + current.plan.shutdown.timeout).max(Instant::now() + share);
            loop {
                stop.send_replace(Some(deadline.into_std()));
                select! {
                    outcome = &mut child => break Some(outcome),
                    _ = signals.next() => deadline = Instant::now(),
                    never = reloader.refuse() => match never {},
                }
            }
        }
        ended => ended,
    };
    if let Some(traces) = traces {
        traces.wait();
    }
    if emf.is_some_and(|emf| !emf.stop(LOG_TIMEOUT)) {
        tracing::error!("the last line of metrics.emf is lost: stdout or the ECS agent is blocked");
    }
    finish(cut, log.as_ref(), begin);
    Ok(outcome(cut, child_outcome))
}

/// The time in which the application may end after the last request.
fn child_time(timeout: Duration) -> Duration {
    (timeout / CHILD_SHARE).min(MAX_CHILD_TIME)
}

/// Returns the times of the drain, which leave the application its part.
fn drain_settings(
    plan: ShutdownSettings,
    has_child: bool,
    signal: Option<&'static str>,
) -> ShutdownSettings {
    match (signal, has_child) {
        (Some(_), false) => plan,
        (Some(_), true) => {
            ShutdownSettings { timeout: plan.timeout - child_time(plan.timeout), ..plan }
        }
        (None, _) => {
            let timeout = plan.timeout.min(WITHOUT_CHILD);
            ShutdownSettings { delay: Duration::ZERO, timeout, ..plan }
        }
    }
}

fn outcome(cut: u64, child: Option<ChildOutcome>) -> ShutdownOutcome {
    match child {
        Some(ChildOutcome::Failed(code)) => ShutdownOutcome::ApplicationFailed(code),
        Some(ChildOutcome::Stopped | ChildOutcome::Killed) | None if cut > 0 => {
            ShutdownOutcome::Aborted(cut)
        }
        Some(ChildOutcome::Killed) => ShutdownOutcome::ApplicationKilled,
        Some(ChildOutcome::Stopped) | None => ShutdownOutcome::Clean,
    }
}

/// Why and when the drain has begun.
#[derive(Clone, Copy, Debug)]
struct DrainCause {
    /// `None` if the application has failed.
    signal: Option<&'static str>,
    begin: Instant,
    settings: ShutdownSettings,
}

/// Drains. Returns the number of aborted requests.
async fn drain(
    app: &App,
    cause: DrainCause,
    phase: &watch::Sender<Phase>,
    (accepting, workers): (AcceptorHandle, Workers),
    signals: &mut Signals,
) -> u64 {
    let DrainCause { signal, begin, settings: ShutdownSettings { delay, timeout, .. } } = cause;
    let (accept_until, deadline) = (begin + delay, begin + timeout);
    phase.send_replace(Phase::Draining);
    let in_flight = app.metrics.in_flight();
    tracing::info!(signal, in_flight, ?delay, ?timeout, "draining");
    if signals.has_terminal() && signal == Some("SIGINT") {
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
            cut = &mut ended => return cut,
            () = sleep_until(deadline) => Some("shutdown.timeout reached"),
            _ = signals.next() => Some("second signal"),
        };
    }
    let in_flight = app.metrics.in_flight();
    tracing::warn!(reason, in_flight, "aborting in-flight requests");
    phase.send_replace(Phase::Stopped);
    ended.await
}

/// Writes the last log lines.
fn finish(cut: u64, log: Option<&LogSink>, begin: Instant) {
    if log.is_some_and(|log| !log.flush(LOG_TIMEOUT)) {
        tracing::error!("stdout is blocked: the last access-log lines are lost");
    }
    tracing::info!(aborted = cut, after = ?(Instant::now() - begin), "stopped");
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
