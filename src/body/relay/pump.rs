//! The application's end of a relayed body. It reads the body to its end while the buffers have room.

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

/// Marks the body as failed if the task ends early.
struct EndOnDrop(Rc<RelayBuffer>);

/// Reports each kind of pressure once.
struct PressureReporter<T> {
    report: T,
    reported: Vec<Pressure>,
}

/// Reads a body to its end. `report` is called when its memory is full.
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
    // This comes first, so that the application's connection is free.
    drop(body);
    if let Some(spill) = spill {
        store.keep(spill);
    }
    store.finish();
}

/// Returns the next frame. Meanwhile releases the file as soon as the client has all of it.
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

/// Returns when there is room for more.
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
                // No bytes are lost, the body is only slower. The next attempt may succeed.
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
        // This has an effect only if the task did not come to its end.
        self.0.fail(Error::new(FailureKind::UpstreamTruncated));
    }
}
