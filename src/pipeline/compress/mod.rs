//! Compresses responses of the application, for clients that accept a coding. [`candidate`] looks at the head of a
//! response, [`choice`] at its request, [`head`] changes the fields, [`encoded_body`] encodes the body while the
//! application writes it. A worker keeps [`encoders`], and [`cpu_share`] limits the time that it spends with them.

mod candidate;
mod choice;
mod cpu_share;
mod encoded_body;
pub(super) mod encoders;
mod encoding;
mod head;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

pub(super) use self::choice::coding;
use self::{candidate::Candidate, encoded_body::EncodedBody, encoding::Encoding};
use super::{request_context::RequestContext, worker_state::WorkerState};
use crate::{
    body::Body, compression::MadeCoding, error::Error, rfc::response_lines::ResponseLines,
    telemetry::RouteLabel,
};

/// Whether responses to such requests may be compressed: those of the application, in the cache too.
pub(super) fn is_on(context: &RequestContext) -> bool {
    let is_on = context.local.app.plan.compression.responses;
    context.route == RouteLabel::Proxy && context.policies.compress.unwrap_or(is_on)
}

/// Returns the fields for clients that get a response without a coding, while others may get it with one; `None` for a
/// response that has no other form.
pub(super) fn varying(status: StatusCode, fields: &ResponseLines) -> Option<ResponseLines> {
    let Candidate { varies } = Candidate::of(status, fields)?;
    Some(if varies { fields.clone() } else { with_vary(fields) })
}

/// Returns the fields for a form in this coding, of so many bytes.
pub(super) fn encoded_fields(
    fields: &ResponseLines,
    (coding, length): (MadeCoding, usize),
) -> ResponseLines {
    let mut map = fields.to_map();
    head::encode(&mut map, coding);
    map.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    ResponseLines::from(&map)
}

fn with_vary(fields: &ResponseLines) -> ResponseLines {
    fields.with_member(b"vary", b"Accept-Encoding")
}

/// What is done to a response.
#[derive(Debug)]
pub(super) enum Compression {
    /// It stays as it is.
    None,
    /// It stays as it is, while other clients may get another form.
    Varies,
    /// It confirms the compressed form that the client has, by the tag of that form.
    Confirms,
    Encodes(Box<Encoding>),
}

// === impl Compression ===

impl Compression {
    /// Decides about a response of the application, by its head.
    pub(super) fn of(
        local: &WorkerState,
        context: &RequestContext,
        status: StatusCode,
        lines: &ResponseLines,
    ) -> Self {
        if !is_on(context) {
            return Self::None;
        }
        if status == StatusCode::NOT_MODIFIED {
            return if choice::has_weak_form(context, lines) { Self::Confirms } else { Self::None };
        }
        let Some(Candidate { varies }) = Candidate::of(status, lines) else { return Self::None };
        match choice::encoding(local, context) {
            Some(encoding) => Self::Encodes(Box::new(encoding)),
            None if varies => Self::None,
            None => Self::Varies,
        }
    }

    /// Changes the header lines of a response that stays as it is.
    pub(super) fn change_lines(&self, lines: &mut ResponseLines) {
        if matches!(self, Self::Varies) {
            *lines = with_vary(lines);
        }
    }

    /// Whether the lines are all that is to be changed.
    pub(super) fn keeps_lines(&self) -> bool {
        matches!(self, Self::None | Self::Varies)
    }

    /// Changes the header fields of any other response.
    pub(super) fn change_head(&self, headers: &mut HeaderMap) {
        match self {
            Self::None | Self::Varies => {}
            Self::Confirms => {
                head::weaken_tag(headers);
                head::vary_by_coding(headers);
            }
            Self::Encodes(encoding) => head::encode(headers, encoding.coding),
        }
    }

    /// Encodes the body of the response: at once if it is here, otherwise while it arrives.
    pub(super) fn body(self, context: &RequestContext, body: Body) -> Result<Body, Error> {
        let Self::Encodes(encoding) = self else { return Ok(body) };
        // What would be the response to GET has no body here.
        if context.parts.method == Method::HEAD {
            return Ok(body);
        }
        let metrics = &context.local.metrics;
        if let Body::Full(text) = body {
            return Ok(Body::from(encoding.whole(&text, metrics)?));
        }
        Ok(Body::stream(EncodedBody::new(body, encoding, Arc::clone(metrics))))
    }
}
