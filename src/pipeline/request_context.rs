//! The context of a request: everything that is known about it. Dropping it ends the request: it is then counted and
//! logged, exactly once.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderName, StatusCode, Version};

use super::{
    app::UNRESERVED_HEAD,
    auth_fields::AuthFields,
    connection_info::ConnectionInfo,
    interim_responses::InterimResponses,
    normal_path::NormalPath,
    request_trace::RequestTrace,
    routes::{Policies, RouteQuery},
    worker_state::WorkerState,
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
    telemetry::{CacheOutcome, RouteLabel},
    upstream::{QueueClock, ServedBy, UpgradedStream},
};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request, from the end of its header section to the end of its response.
#[derive(Debug)]
pub(super) struct RequestContext {
    pub(super) local: Rc<WorkerState>,
    pub(super) connection: Rc<ConnectionInfo>,
    pub(super) parts: RequestParts,
    /// The request's path in the form that routes, files and rules use.
    pub(super) path: Rc<NormalPath>,
    /// What the routes set for the request.
    pub(super) policies: Rc<Policies>,
    pub(super) begin: Instant,
    /// When the first byte of the request arrived: before `begin`, if the head arrived in pieces.
    pub(super) first_request_byte: Instant,
    /// Whether the peer is a trusted proxy, so that its forwarding headers count.
    pub(super) is_trusted: bool,
    /// The client's address, as trusted proxies report it.
    pub(super) client: IpAddr,
    /// The request id that Sideman made; `None` if the client's own id is used.
    made_id: Option<[u8; 32]>,
    /// Whether `Authorization` was for Sideman. The application does not get it then.
    pub(super) is_authorization_used: bool,
    pub(super) route: RouteLabel,
    /// `None` until there is a response.
    pub(super) status: Option<StatusCode>,
    pub(super) error: Option<FailureKind>,
    /// How long the request waits for a permit, if it is queued.
    pub(super) queue: QueueClock,
    /// The same for the request that the cache sends in its place.
    pub(super) fetch_queue: Option<Rc<QueueClock>>,
    /// The upstream server that got the request, if the log reports it.
    pub(super) server: RefCell<Option<ServedBy>>,
    pub(super) first_byte: Option<Duration>,
    /// Body bytes handed to the connection.
    pub(super) bytes: u64,
    /// Whether the complete response was handed to the connection.
    pub(super) is_complete: bool,
    /// Whether the access log omits the request, as it omits health checks that succeed.
    pub(super) is_quiet: bool,
    /// Whether the client gets no response: its connection is closed.
    pub(super) is_unanswered: bool,
    /// Whether the response is streamed as the application writes it.
    pub(super) streams: bool,
    /// Whether the request became a tunnel.
    pub(super) is_tunnel: bool,
    /// The upstream connection of a tunnel, once the application has accepted it.
    pub(super) upgraded: Option<Box<UpgradedStream>>,
    /// Bytes of the request's body that were received, if it has one.
    pub(super) received: Option<Rc<Cell<u64>>>,
    /// The reservation for a head that is longer than usual.
    pub(super) head_room: Option<Reservation>,
    /// The queue for interim responses, if the client supports them.
    pub(super) interim: Option<Rc<InterimResponses>>,
    /// The header fields that auth servers have added to the request and to its response.
    pub(super) auth_fields: Option<Box<AuthFields>>,
    /// What the cache did, if the request has seen it.
    pub(super) cache: Option<CacheOutcome>,
    /// The request's place in a trace, if requests are traced.
    pub(super) trace: Option<Box<RequestTrace>>,
    /// Whether the head is released, except for what the log needs.
    is_head_released: bool,
}

/// The header fields that the access log can show.
const LOGGED_FIELDS: [(LogField, FieldName); 8] = [
    (LogField::Host, FieldName::Host),
    (LogField::RequestId, FieldName::XRequestId),
    (LogField::TraceId, FieldName::XAmznTraceId),
    (LogField::TraceId, FieldName::Traceparent),
    (LogField::UserAgent, FieldName::UserAgent),
    (LogField::Referer, FieldName::Referer),
    (LogField::Combined, FieldName::UserAgent),
    (LogField::Combined, FieldName::Referer),
];

/// The header fields that a span needs: for host, request id and scheme.
const RECORDED_FIELDS: [FieldName; 3] =
    [FieldName::Host, FieldName::XRequestId, FieldName::XForwardedProto];

/// Returns what decides about the routes of a request.
pub(super) fn route_query<'a>(
    parts: &'a RequestParts,
    path: &'a [u8],
    client: IpAddr,
    port: u16,
) -> RouteQuery<'a> {
    RouteQuery { host: host_of(parts), path, method: &parts.method, client, port }
}

/// Returns the host that a request is for.
fn host_of(parts: &RequestParts) -> Option<&[u8]> {
    match parts.authority() {
        Some(authority) => Some(authority.as_bytes()),
        None => parts.headers.get(FieldName::Host),
    }
}

// === impl RequestContext ===

impl RequestContext {
    /// Creates the context of a request. It is boxed because it outlives the handler, inside the response's body.
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
        let begin = Instant::now();
        let query = route_query(&parts, path.or_raw(), client, connection.server_port);
        let policies = local.routes.find(&query);
        let trace = match &local.app.spans {
            None => None,
            Some(_) => RequestTrace::begin(&local, &parts.headers, is_trusted),
        };
        Box::new(Self {
            local,
            connection,
            parts,
            path,
            policies,
            begin,
            first_request_byte: begin,
            is_trusted,
            client,
            made_id,
            is_authorization_used: false,
            route: RouteLabel::None,
            status: None,
            error: None,
            queue: QueueClock::default(),
            fetch_queue: None,
            server: RefCell::default(),
            first_byte: None,
            bytes: 0,
            is_complete: false,
            is_quiet: false,
            is_unanswered: false,
            streams: false,
            is_tunnel: false,
            upgraded: None,
            received: None,
            head_room: None,
            interim: None,
            auth_fields: None,
            cache: None,
            trace,
            is_head_released: false,
        })
    }

    /// Returns how long the request, or that of the cache in its place, has waited for a permit.
    pub(super) fn queue_wait(&self) -> Option<Duration> {
        self.fetch_queue.as_deref().unwrap_or(&self.queue).waited()
    }

    /// Releases the parts of the head that the access log does not need, once the response has begun. A client may read
    /// the response slowly, and the head may be large.
    pub(super) fn release_head(&mut self) {
        if self.is_head_released {
            return;
        }
        self.is_head_released = true;
        let log = &self.local.log;
        let logged = LOGGED_FIELDS.iter().filter(|(field, _)| log.includes(*field));
        let mut names: Vec<FieldName> = logged.map(|(_, name)| *name).collect();
        if self.trace.as_ref().is_some_and(|trace| trace.is_sampled) {
            names.extend(RECORDED_FIELDS);
        }
        self.parts.keep_only(&names);
        if self.parts.headers.bytes() <= UNRESERVED_HEAD {
            self.head_room = None;
        }
        // No interim response can follow.
        self.interim = None;
    }

    /// Whether the response's header section may consist of prepared lines. That needs a configuration that changes no
    /// single field of it.
    pub(super) fn takes_response_lines(&self) -> bool {
        self.parts.version < Version::HTTP_2
            && self.policies.response_headers.is_empty()
            && !self.is_private()
    }

    /// Whether only the client may store the response, because its route authenticates clients. A shared cache would
    /// send it to others.
    pub(super) fn is_private(&self) -> bool {
        // Routes of another form of the path may have an auth server too.
        self.auth_fields.is_some()
            || self.policies.auth.as_ref().is_some_and(|auth| auth.is_needed())
    }

    /// Returns the maximum size of the request's body in bytes; `None` is no limit.
    pub(super) fn max_body(&self) -> Option<u64> {
        self.policies.max_body.unwrap_or(self.local.app.plan.server.max_body)
    }

    /// Returns the client's id if it was valid, else the id made here.
    pub(super) fn request_id(&self) -> &[u8] {
        match &self.made_id {
            Some(id) => id,
            None => self.parts.headers.get(FieldName::XRequestId).unwrap_or_default(),
        }
    }

    /// Returns the id that the load balancer's log and the application's traces have as well.
    pub(super) fn trace_id(&self) -> Option<&str> {
        let headers = &self.parts.headers;
        let root = headers.get_str(FieldName::XAmznTraceId).and_then(trace::amazon_root);
        root.or_else(|| self.trace.as_ref().map(|trace| trace.id()))
            .or_else(|| headers.get_str(FieldName::Traceparent).and_then(trace::traceparent_id))
    }

    /// Whether the log or a span reports the upstream server.
    pub(super) fn wants_server(&self) -> bool {
        self.local.log.includes(LogField::Upstream) || self.trace.is_some()
    }

    /// Whether the application gets another value of this field, because requests are traced.
    pub(super) fn replaces_trace_field(&self, name: FieldName) -> bool {
        self.trace.as_ref().is_some_and(|trace| trace.replaces(name))
    }

    /// Returns the client's address as text.
    pub(super) fn client_text(&self) -> Cow<'_, str> {
        if self.client == self.connection.address {
            Cow::Borrowed(&self.connection.text)
        } else {
            Cow::Owned(self.client.to_string())
        }
    }

    /// Returns the host that the request is for. The target's host wins over the field (RFC 9112, 3.2.2).
    pub(super) fn host(&self) -> Option<&[u8]> {
        host_of(&self.parts)
    }
}
