//! The state that the steps of a connection share.

use std::{cell::RefCell, rc::Rc};

use super::{activity::Activity, socket::ClientSocket, timeouts::Http1Timeouts};
use crate::{
    body::Deadline,
    pipeline::{ConnectionInfo, InterimResponses},
    server::{
        current_settings::CurrentSettings, drain::ConnectionGuard, stream::NegotiatedProtocol,
    },
    telemetry::WorkerMetrics,
};

/// One HTTP/1.1 connection.
pub(super) struct Http1Connection<'a> {
    pub(super) current: &'a CurrentSettings,
    pub(super) info: &'a Rc<ConnectionInfo>,
    pub(super) guard: &'a ConnectionGuard,
    pub(super) metrics: &'a WorkerMetrics,
    pub(super) negotiated: NegotiatedProtocol,
    pub(super) socket: Rc<RefCell<ClientSocket>>,
    pub(super) activity: Rc<Activity>,
    pub(super) interim: Rc<InterimResponses>,
    pub(super) timeouts: Http1Timeouts,
    /// The deadline of the current wait for the client.
    pub(super) deadline: Deadline,
}
