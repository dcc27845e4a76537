//! One request as a server hands it to the pipeline: everything that it has read, in one value.

use std::rc::Rc;

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
    /// Why it is refused, if it is. `parts` has what can be read of it then.
    pub refusal: Option<RequestRefusal>,
    /// The memory of its head, if that is longer than usual.
    pub head_room: Option<Reservation>,
    pub body: ClientBody,
    /// Where interim responses go; `None` for clients that know none (HTTP/1.0).
    pub interim: Option<Rc<InterimResponses>>,
}

/// Why a request is refused before anybody else sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRefusal {
    pub kind: FailureKind,
    /// The byte of its target that is not allowed there.
    pub misplaced: Option<Misplaced>,
}
