//! One request, as a server hands it to the pipeline: everything that the server has read, in one value.

use std::{rc::Rc, time::Instant};

use super::interim_responses::InterimResponses;
use crate::{
    body::{ClientBody, Reservation},
    error::FailureKind,
    rfc::{request_parts::RequestParts, target::Misplaced},
};

/// A request that a client has sent.
#[derive(Debug)]
pub struct ClientRequest {
    pub parts: RequestParts,
    /// When the first byte of the head arrived; `None` if the whole head arrived with it.
    pub begun: Option<Instant>,
    /// The reason to refuse the request, if there is one. `parts` then holds what could be read of it.
    pub refusal: Option<RequestRefusal>,
    /// The reservation for the memory of the head, if that is longer than usual.
    pub head_room: Option<Reservation>,
    pub body: ClientBody,
    /// The queue for interim responses; `None` for clients that do not support them (HTTP/1.0).
    pub interim: Option<Rc<InterimResponses>>,
}

/// The reason why a server refuses a request before the pipeline handles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRefusal {
    pub kind: FailureKind,
    /// The byte of the target that is not allowed there.
    pub misplaced: Option<Misplaced>,
}
