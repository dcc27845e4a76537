//! The application's end of a relayed body: reads it to its end as long as there is room.

use std::{future::poll_fn, pin::Pin, rc::Rc};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::task::yield_now;

use super::{
    pressure::Pressure,
    relay_buffer::{PumpStep, RelayBuffer},
};
use crate::{
    body::spill::SpillFile,
    error::{Error, FailureKind},
};

/// Notes that the body has ended, whatever becomes of the task.
struct EndOnDrop(Rc<RelayBuffer>);

/// Says each thing once.
struct PressureReporter<T> {
    report: T,
    reported: Vec<Pressure>,
}

/// Reads a body to its end. `report` is called when its memory does not suffice.
pub(super) async fn run<B>(body: B, store: Rc<RelayBuffer>, report: impl Fn(Pressure))
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    let _ending = EndOnDrop(Rc::clone(&store));
    let mut body = body;
    let mut reporter = PressureReporter { report, reported: Vec::new() };
    let mut spill: Option<SpillFile> = None;
    loop {
        make_room(&store, &mut spill, &mut reporter).await;
        if store.has_ended() {
            break;
        }
        let Some(frame) = next(&mut body, &store, &mut spill).await else { break };
        match frame {
            Ok(frame) => {
                if store.push_frame(frame) {
                    break;
                }
            }
            Err(error) => {
                store.fail(error);
                break;
            }
        }
        if body.is_end_stream() {
            break;
        }
    }
    // First, so that the application's connection is free.
    drop(body);
    if let Some(spill) = spill {
        store.keep(spill);
    }
    store.finish();
}

/// The next frame. Lets go of the file meanwhile, as soon as the client has all of it.
async fn next<B>(
    body: &mut B,
    store: &RelayBuffer,
    spill: &mut Option<SpillFile>,
) -> Option<Result<Frame<Bytes>, Error>>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    poll_fn(|cx| {
        let frame = Pin::new(&mut *body).poll_frame(cx);
        while frame.is_pending() && spill.is_some() {
            if store.is_file_done() {
                *spill = None;
            } else if store.poll_sent(cx).is_pending() {
                break;
            }
        }
        frame
    })
    .await
}

/// Comes back when there is room for more.
async fn make_room(
    store: &RelayBuffer,
    spill: &mut Option<SpillFile>,
    reporter: &mut PressureReporter<impl Fn(Pressure)>,
) {
    let mut was_asked = false;
    loop {
        if store.is_file_done() {
            *spill = None;
        }
        let written = spill.as_ref().map_or(0, SpillFile::len);
        let bytes = match store.next(written, was_asked) {
            PumpStep::Read => return,
            PumpStep::Ask => {
                was_asked = true;
                yield_now().await;
                continue;
            }
            PumpStep::Wait => {
                reporter.report(Pressure::Paused);
                poll_fn(|cx| store.poll_sent(cx)).await;
                continue;
            }
            PumpStep::Write(bytes) => bytes,
        };
        let result = match spill {
            Some(spill) => spill.append(bytes).await,
            None => store.create(bytes).await.map(|made| *spill = Some(made)),
        };
        match (result, &spill) {
            (Ok(()), Some(spill)) => {
                store.on_written(spill);
                reporter.report(Pressure::Spilled);
            }
            (Ok(()), None) => {}
            (Err(unwritten), _) => {
                store.on_unwritten(unwritten.error, unwritten.bytes);
                if store.has_ended() {
                    return;
                }
                // It is not lost, only slower. The next time may be luckier.
                reporter.report(Pressure::Paused);
                poll_fn(|cx| store.poll_sent(cx)).await;
            }
        }
    }
}

// === impl PressureReporter ===

impl<T: Fn(Pressure)> PressureReporter<T> {
    fn report(&mut self, pressure: Pressure) {
        if !self.reported.contains(&pressure) {
            self.reported.push(pressure);
            (self.report)(pressure);
        }
    }
}

// === impl EndOnDrop ===

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        // Only if the task did not come to its end.
        self.0.fail(Error::new(FailureKind::UpstreamTruncated));
    }
}
