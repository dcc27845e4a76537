//! What is known of one request from its first moment on. When it is dropped, the request is over,
//! however it ended: then it is counted and logged, once.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderName, StatusCode, Version};

use super::{
    app::USUAL_HEAD, connection_info::ConnectionInfo, interim_responses::InterimResponses,
    normal_path::NormalPath, worker_state::WorkerState,
};
use crate::{
    body::Reservation,
    error::FailureKind,
    plan::LogField,
    rfc::{
        forwarded,
        request_parts::{FieldName, RequestParts},
        trace,
    },
    telemetry::RouteLabel,
    upstream::{ServedBy, UpgradedStream},
};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request, from the end of its head to the end of its answer.
#[derive(Debug)]
pub(super) struct RequestContext {
    pub(super) local: Rc<WorkerState>,
    pub(super) connection: Rc<ConnectionInfo>,
    pub(super) parts: RequestParts,
    /// Its path as routes, files and rules see it.
    pub(super) path: Rc<NormalPath>,
    pub(super) begin: Instant,
    /// Whether the peer's forwarding headers are believed.
    pub(super) is_trusted: bool,
    /// The client as it is known through trusted proxies.
    pub(super) client: IpAddr,
    /// The id made here; `None` if the client's own is kept.
    made_id: Option<[u8; 32]>,
    pub(super) route: RouteLabel,
    /// `None` until there is an answer.
    pub(super) status: Option<StatusCode>,
    pub(super) error: Option<FailureKind>,
    /// How long it waited for a place at the application, if it did.
    pub(super) queued: Cell<Option<Duration>>,
    /// The server that had it, if the log tells that.
    pub(super) server: RefCell<Option<ServedBy>>,
    pub(super) first_byte: Option<Duration>,
    /// Body bytes handed to the connection.
    pub(super) bytes: u64,
    /// Whether the answer was handed over completely.
    pub(super) is_complete: bool,
    /// Health answers are worth a line only when they are bad.
    pub(super) is_quiet: bool,
    /// Whether its answer goes on as the application writes it.
    pub(super) streams: bool,
    /// Whether it became a tunnel.
    pub(super) is_tunnel: bool,
    /// The application's side of a tunnel, once it has accepted one.
    pub(super) upgraded: Option<Box<UpgradedStream>>,
    /// Bytes of the request's body that were taken, if it has one.
    pub(super) received: Option<Rc<Cell<u64>>>,
    /// The memory of its head, if that is longer than usual.
    pub(super) head_room: Option<Reservation>,
    /// Where interim responses go, if the client knows them.
    pub(super) interim: Option<Rc<InterimResponses>>,
    /// Whether only what the log needs is left of the head.
    is_head_released: bool,
}

/// The header fields that a line of the log is made of.
const LOGGED: [(LogField, FieldName); 8] = [
    (LogField::Host, FieldName::Host),
    (LogField::RequestId, FieldName::XRequestId),
    (LogField::TraceId, FieldName::XAmznTraceId),
    (LogField::TraceId, FieldName::Traceparent),
    (LogField::UserAgent, FieldName::UserAgent),
    (LogField::Referer, FieldName::Referer),
    (LogField::Combined, FieldName::UserAgent),
    (LogField::Combined, FieldName::Referer),
];

// === impl RequestContext ===

impl RequestContext {
    /// Notes a request. Boxed: it outlives the handler inside the answer's body.
    pub(super) fn begin(
        local: Rc<WorkerState>,
        connection: Rc<ConnectionInfo>,
        parts: RequestParts,
    ) -> Box<Self> {
        local.metrics.in_flight.add(1);
        let is_trusted = connection.is_local() || local.app.is_trusted(connection.address);
        let client = if is_trusted {
            let entries = parts.headers.get_all(FieldName::XForwardedFor);
            let is_proxy = |peer| local.app.is_trusted(peer);
            forwarded::behind(connection.address, entries, is_proxy)
        } else {
            connection.address
        };
        let given = parts.headers.get(FieldName::XRequestId);
        let made_id =
            if given.is_some_and(trace::is_request_id) { None } else { Some(local.new_id()) };
        let path = Rc::new(NormalPath::of(parts.path()));
        Box::new(Self {
            local,
            connection,
            parts,
            path,
            begin: Instant::now(),
            is_trusted,
            client,
            made_id,
            route: RouteLabel::None,
            status: None,
            error: None,
            queued: Cell::new(None),
            server: RefCell::default(),
            first_byte: None,
            bytes: 0,
            is_complete: false,
            is_quiet: false,
            streams: false,
            is_tunnel: false,
            upgraded: None,
            received: None,
            head_room: None,
            interim: None,
            is_head_released: false,
        })
    }

    /// Gives back what nobody reads any more once the response has begun: all of the head that the log does not tell. A
    /// client may take its time for the response, and the head may be large.
    pub(super) fn release_head(&mut self) {
        if self.is_head_released {
            return;
        }
        self.is_head_released = true;
        let log = &self.local.log;
        let told = LOGGED.iter().filter(|(field, _)| log.includes(*field));
        let names: Vec<FieldName> = told.map(|(_, name)| *name).collect();
        self.parts.keep_only(&names);
        if self.parts.headers.bytes() <= USUAL_HEAD {
            self.head_room = None;
        }
        // It tells nothing to a client any more.
        self.interim = None;
    }

    /// Whether the header of its response may be lines that were made before: nothing changes single fields of it.
    pub(super) fn takes_response_lines(&self) -> bool {
        self.parts.version < Version::HTTP_2 && self.local.app.plan.fields.is_empty()
    }

    /// The client's id if it was fit to keep, else the one made here.
    pub(super) fn request_id(&self) -> &[u8] {
        match &self.made_id {
            Some(id) => id,
            None => self.parts.headers.get(FieldName::XRequestId).unwrap_or_default(),
        }
    }

    /// The host that the request is for: the target's wins over the field (RFC 9112, 3.2.2).
    pub(super) fn host(&self) -> Option<&[u8]> {
        match self.parts.authority() {
            Some(authority) => Some(authority.as_bytes()),
            None => self.parts.headers.get(FieldName::Host),
        }
    }
}
