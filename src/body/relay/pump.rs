//! The application's end of a relayed body: reads it to its end as long as there is room.

use std::{future::poll_fn, pin::Pin, rc::Rc};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::task::yield_now;

use super::{
    pressure::Strain,
    relay_buffer::{Next, Store},
};
use crate::{
    body::spill::Spill,
    error::{Error, Kind},
};

/// Notes that the body has ended, whatever becomes of the task.
struct Ending(Rc<Store>);

/// Says each thing once.
struct Teller<T> {
    tell: T,
    told: Vec<Strain>,
}

/// Reads a body to its end. `tell` is called when its memory does not suffice.
pub(super) async fn run<B>(body: B, store: Rc<Store>, tell: impl Fn(Strain))
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    let _ending = Ending(Rc::clone(&store));
    let mut body = body;
    let mut teller = Teller { tell, told: Vec::new() };
    let mut spill: Option<Spill> = None;
    loop {
        make_room(&store, &mut spill, &mut teller).await;
        if store.has_ended() {
            break;
        }
        let Some(frame) = next(&mut body, &store, &mut spill).await else { break };
        match frame {
            Ok(frame) => {
                if store.take_in(frame) {
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
    store.end_well();
}

/// The next frame. Lets go of the file meanwhile, as soon as the client has all of it.
async fn next<B>(
    body: &mut B,
    store: &Store,
    spill: &mut Option<Spill>,
) -> Option<Result<Frame<Bytes>, Error>>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    poll_fn(|cx| {
        let frame = Pin::new(&mut *body).poll_frame(cx);
        while frame.is_pending() && spill.is_some() {
            if store.is_file_done() {
                *spill = None;
            } else if store.poll_taken(cx).is_pending() {
                break;
            }
        }
        frame
    })
    .await
}

/// Comes back when there is room for more.
async fn make_room(store: &Store, spill: &mut Option<Spill>, teller: &mut Teller<impl Fn(Strain)>) {
    let mut was_asked = false;
    loop {
        if store.is_file_done() {
            *spill = None;
        }
        let written = spill.as_ref().map_or(0, Spill::len);
        let bytes = match store.next(written, was_asked) {
            Next::Read => return,
            Next::Ask => {
                was_asked = true;
                yield_now().await;
                continue;
            }
            Next::Wait => {
                teller.tell(Strain::HeldUp);
                poll_fn(|cx| store.poll_taken(cx)).await;
                continue;
            }
            Next::Write(bytes) => bytes,
        };
        let result = match spill {
            Some(spill) => spill.append(bytes).await,
            None => store.create(bytes).await.map(|made| *spill = Some(made)),
        };
        match (result, &spill) {
            (Ok(()), Some(spill)) => {
                store.on_written(spill);
                teller.tell(Strain::Spilled);
            }
            (Ok(()), None) => {}
            (Err(unwritten), _) => {
                store.on_unwritten(unwritten.error, unwritten.bytes);
                if store.has_ended() {
                    return;
                }
                // It is not lost, only slower. The next time may be luckier.
                teller.tell(Strain::HeldUp);
                poll_fn(|cx| store.poll_taken(cx)).await;
            }
        }
    }
}

// === impl Teller ===

impl<T: Fn(Strain)> Teller<T> {
    fn tell(&mut self, strain: Strain) {
        if !self.told.contains(&strain) {
            self.told.push(strain);
            (self.tell)(strain);
        }
    }
}

// === impl Ending ===

impl Drop for Ending {
    fn drop(&mut self) {
        // Only if the task did not come to its end.
        self.0.fail(Error::new(Kind::UpstreamTruncated));
    }
}
