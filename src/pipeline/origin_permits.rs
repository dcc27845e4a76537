//! Limits the requests of a worker to one server that is not the application: few clients need it, and their requests
//! must not use up the descriptors. One client gets a part of them, so that others get through beside it.

use std::{
    cell::RefCell,
    collections::HashMap,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::{body::Body, error::Error, plan::ClientNetwork};

/// One client may have this part of the requests.
const CLIENT_PART: usize = 4;

/// The requests that may run at the same time.
#[derive(Debug)]
pub(super) struct OriginPermits {
    running: Rc<RefCell<RunningRequests>>,
    max: usize,
}

#[derive(Debug, Default)]
struct RunningRequests {
    all: usize,
    /// Clients with at least one request.
    clients: HashMap<ClientNetwork, usize>,
}

/// Why a request must not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OriginBusy {
    /// So many requests are running.
    All(usize),
    /// So many requests of this client are running.
    Client(usize),
}

/// Counts a request while it runs.
#[derive(Debug)]
pub(super) struct OriginPermit {
    running: Rc<RefCell<RunningRequests>>,
    client: Option<ClientNetwork>,
}

/// The body of a response that is not complete. Its request runs until the client has the body.
struct CountedBody<F> {
    body: Body,
    explain: F,
    _running: OriginPermit,
}

// === impl OriginPermits ===

impl OriginPermits {
    pub(super) fn new(max: usize) -> Self {
        Self { running: Rc::default(), max }
    }

    /// Counts a request of this client, or of none. Fails if too many are running.
    pub(super) fn acquire(
        &self,
        client: Option<ClientNetwork>,
    ) -> Result<OriginPermit, OriginBusy> {
        let mut running = self.running.borrow_mut();
        if running.all >= self.max {
            return Err(OriginBusy::All(self.max));
        }
        if let Some(client) = client {
            let most = self.max / CLIENT_PART;
            let of_client = running.clients.entry(client).or_default();
            if *of_client >= most {
                return Err(OriginBusy::Client(most));
            }
            *of_client += 1;
        }
        running.all += 1;
        Ok(OriginPermit { running: Rc::clone(&self.running), client })
    }
}

// === impl OriginPermit ===

impl OriginPermit {
    /// Counts the request until this body has ended. If it fails, `explain` makes the error of the request.
    pub(super) fn hold(
        self,
        body: Body,
        explain: impl Fn(Error) -> Error + Unpin + 'static,
    ) -> Body {
        match body {
            Body::Stream(_) => Body::stream(CountedBody { body, explain, _running: self }),
            here @ (Body::Empty | Body::Full(_) | Body::Sealed(_) | Body::File(_)) => here,
        }
    }
}

impl Drop for OriginPermit {
    fn drop(&mut self) {
        let mut running = self.running.borrow_mut();
        running.all -= 1;
        if let Some(client) = self.client
            && let Some(of_client) = running.clients.get_mut(&client)
        {
            *of_client -= 1;
            if *of_client == 0 {
                running.clients.remove(&client);
            }
        }
    }
}

// === impl CountedBody ===

impl<F: Fn(Error) -> Error + Unpin> HttpBody for CountedBody<F> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        polled.map(|frame| frame.map(|frame| frame.map_err(&this.explain)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_a_part_of_the_permits() {
        let permits = OriginPermits::new(8);
        let client = |last: u8| Some(ClientNetwork::of([192, 0, 2, last].into()));
        let mut held = [permits.acquire(client(1)).unwrap(), permits.acquire(client(1)).unwrap()];
        assert_eq!(permits.acquire(client(1)).unwrap_err(), OriginBusy::Client(2));
        let others: Vec<OriginPermit> =
            (2..8).map(|last| permits.acquire(client(last)).unwrap()).collect();
        assert_eq!(permits.acquire(None).unwrap_err(), OriginBusy::All(8));
        drop(others);
        assert_eq!(permits.running.borrow().clients.len(), 1);
        // Requests of no client count among all.
        let nobody: Vec<OriginPermit> = (0..6).map(|_| permits.acquire(None).unwrap()).collect();
        assert_eq!(permits.acquire(client(2)).unwrap_err(), OriginBusy::All(8));
        drop(nobody);
        held[0] = permits.acquire(client(2)).unwrap();
        held[1] = permits.acquire(client(1)).unwrap();
        drop(held);
        let running = permits.running.borrow();
        assert_eq!((running.all, running.clients.len()), (0, 0));
    }
}
