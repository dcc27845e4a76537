//! Disturbances of gunicorn during a scenario, on a thread beside the load.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use super::{
    gunicorn::Gunicorn,
    plan::{Fault, FaultKind},
};

/// Disturbs gunicorn on schedule from `began` on, until the other end of `stop` is dropped or
/// the load's `length` is over; then gunicorn runs.
pub(crate) fn disturb(
    gunicorn: &mut Gunicorn,
    fault: Fault,
    (began, length): (Instant, Duration),
    stop: &Receiver<()>,
) -> io::Result<()> {
    let mut next = fault.first;
    while next < length {
        if !wait(began + next, stop) {
            return Ok(());
        }
        match fault.kind {
            FaultKind::Kill { away } => {
                gunicorn.kill()?;
                let stopped = !wait(began + next + away, stop);
                gunicorn.again()?;
                if stopped {
                    return Ok(());
                }
            }
            FaultKind::Reload => gunicorn.reload()?,
        }
        next += fault.every;
    }
    Ok(())
}

/// Returns whether the time came before the end of the load.
fn wait(until: Instant, stop: &Receiver<()>) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    stop.recv_timeout(left) == Err(RecvTimeoutError::Timeout)
}
