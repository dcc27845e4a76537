//! One request as a server hands it to the pipeline: everything that it has read, in one value.

use std::rc::Rc;

use http::request::Parts;

use super::interim::InterimResponses;
use crate::{body::ClientBody, error::Kind, rfc::target::Misplaced};

/// A request that a client has sent.
#[derive(Debug)]
pub struct ClientRequest {
    pub parts: Parts,
    /// The target as it came, if `http::Uri` does not take it so: a part of it is hidden in `parts` then.
    pub target: Option<Box<str>>,
    /// Why it is refused, if it is. `parts` has what can be read of it then.
    pub refusal: Option<Refusal>,
    pub body: ClientBody,
    /// Where interim responses go; `None` for clients that know none (HTTP/1.0).
    pub interim: Option<Rc<InterimResponses>>,
}

/// Why a request is refused before anybody else sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    /// The byte of its target that is not allowed there.
    pub misplaced: Option<Misplaced>,
}

// === impl ClientRequest ===

impl ClientRequest {
    /// A request without a body, whose client gets no interim responses.
    pub fn new(parts: Parts) -> Self {
        Self { parts, target: None, refusal: None, body: ClientBody::Empty, interim: None }
    }
}
