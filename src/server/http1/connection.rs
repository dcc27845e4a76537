//! What the steps of a connection share.

use std::{cell::RefCell, rc::Rc};

use super::{activity::Activity, socket::ClientSocket, timeouts::Timeouts};
use crate::{
    body::Deadline,
    pipeline::{ConnectionInfo, InterimResponses},
    server::{current_settings::Current, drain::Ticket, stream::Agreed},
    telemetry::Shard,
};

/// One connection.
pub(super) struct Connection<'a> {
    pub(super) current: &'a Current,
    pub(super) info: &'a Rc<ConnectionInfo>,
    pub(super) ticket: &'a Ticket,
    pub(super) metrics: &'a Shard,
    pub(super) agreed: Agreed,
    pub(super) socket: Rc<RefCell<ClientSocket>>,
    pub(super) activity: Rc<Activity>,
    pub(super) interim: Rc<InterimResponses>,
    pub(super) timeouts: Timeouts,
    /// Of whatever the client is waited for.
    pub(super) deadline: Deadline,
}
