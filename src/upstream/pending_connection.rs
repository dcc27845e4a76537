//! A connection to the application that is being opened for a request. It holds the request's permit until it is open,
//! even if the client disconnects. Otherwise clients that disconnect at once could leave any number of connections in
//! the application's short listen queue.

use std::{future::poll_fn, pin::Pin, rc::Rc, sync::Arc, task::Poll, time::Duration};

use super::{
    connect::connect, connection::UpstreamConnection, detached_tasks::DetachedTasks,
    permit::RequestPermit,
};
use crate::error::Error;

type Connecting = Pin<Box<dyn Future<Output = Result<Box<UpstreamConnection>, Error>>>>;

/// A connection that is not open yet.
struct PendingConnection {
    connecting: Connecting,
    permit: RequestPermit,
}

/// A pending connection that a request waits for.
pub(super) struct WatchedPendingConnection {
    /// `None` after it is over.
    opening: Option<PendingConnection>,
    /// Takes the pending connection over if the request is dropped.
    detached: Rc<DetachedTasks>,
}

// === impl PendingConnection ===

impl PendingConnection {
    /// Waits for a connection that no request needs any more. It is kept if the application keeps connections.
    /// Otherwise it is closed, because it would make a worker of the application wait for a request.
    async fn end(self) {
        let Self { connecting, permit } = self;
        if let Ok(connection) = connecting.await
            && permit.pool().is_proven()
        {
            permit.pool().put(connection);
        }
    }
}

// === impl WatchedPendingConnection ===

impl WatchedPendingConnection {
    pub(super) fn begin(
        permit: RequestPermit,
        max: Duration,
        detached: &Rc<DetachedTasks>,
    ) -> Self {
        let server = Arc::clone(permit.server());
        let connecting = Box::pin(async move { connect(&server.address, max).await });
        Self {
            opening: Some(PendingConnection { connecting, permit }),
            detached: Rc::clone(detached),
        }
    }

    /// Waits until the connection is open or has failed, and returns the permit. Dropping this future detaches both.
    pub(super) async fn wait(
        mut self,
    ) -> Option<(RequestPermit, Result<Box<UpstreamConnection>, Error>)> {
        let result = poll_fn(|cx| match &mut self.opening {
            Some(opening) => opening.connecting.as_mut().poll(cx).map(Some),
            None => Poll::Ready(None),
        });
        let result = result.await?;
        Some((self.opening.take()?.permit, result))
    }
}

impl Drop for WatchedPendingConnection {
    fn drop(&mut self) {
        if let Some(opening) = self.opening.take() {
            self.detached.push(opening.end());
        }
    }
}
