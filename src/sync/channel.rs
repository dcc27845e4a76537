//! tokio's channel for one value. A run decides the order of accesses of its two ends.

use std::{
    future::Future,
    panic::Location,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::oneshot;
pub(crate) use tokio::sync::oneshot::error;

use super::{
    explore::here,
    order::{Access, VectorClock, join},
};

/// The knowledge of the thread that receives the value; its address is the channel's name.
type ChannelClock = Arc<Mutex<VectorClock>>;

/// Like the type of tokio.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    inner: oneshot::Sender<T>,
    clock: ChannelClock,
}

/// Like the function of tokio.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    inner: Option<oneshot::Receiver<T>>,
    clock: ChannelClock,
}

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = oneshot::channel();
    let clock = ChannelClock::default();
    let sender = Sender { inner: sender, clock: Arc::clone(&clock) };
    (sender, Receiver { inner: Some(receiver), clock })
}

// === impl Sender ===

impl<T> Sender<T> {
    #[track_caller]
    pub(crate) fn send(self, value: T) -> Result<(), T> {
        stop(&self.clock);
        if let Some(here) = here() {
            let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
            join(&mut clock, &here.clock());
        }
        self.inner.send(value)
    }
}

// === impl Receiver ===

impl<T> Receiver<T> {
    #[track_caller]
    pub(crate) fn try_recv(&mut self) -> Result<T, error::TryRecvError> {
        stop(&self.clock);
        let received = self.inner.as_mut().unwrap().try_recv();
        self.learn(received.is_ok());
        received
    }

    fn learn(&self, has_received: bool) {
        if let (Some(here), true) = (here(), has_received) {
            here.learn(&self.clock.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, error::RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        stop(&self.clock);
        let received = Pin::new(self.inner.as_mut().unwrap()).poll(cx);
        self.learn(matches!(received, Poll::Ready(Ok(_))));
        received
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        stop(&self.clock);
        // A value in it is dropped here, and its drop may stop at an access again.
        self.inner = None;
    }
}

#[track_caller]
fn stop(clock: &ChannelClock) {
    if let Some(here) = here() {
        here.stop(Access::Write(Arc::as_ptr(clock).addr()), Location::caller());
    }
}
