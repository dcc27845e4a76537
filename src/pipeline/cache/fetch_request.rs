//! The request that fetches a response for the cache. It has its own memory, because it goes on when its client has
//! disconnected: others may wait for the response.

use std::{cell::RefCell, ops::Range, rc::Rc};

use http::{Method, Version};

use super::{
    cookies::{self, Visitor},
    language,
    request::CacheableRequest,
    source::{OwnedObject, Source},
    unkeyed,
};
use crate::{
    body::ClientShare,
    pipeline::{client_network, request_context::RequestContext, routes::Policies},
    rfc::{
        caching::ResponsePolicy,
        request_parts::{FieldName, Headers},
    },
    upstream::{
        AttemptTimes, OnInterim, QueueClock, RequestOrigin, SendNotes, ServedBy,
        UpstreamRequestHead,
    },
};

/// A request without a body, in its own memory.
#[derive(Debug)]
pub(super) struct FetchRequest {
    /// The application or the bucket that gets the request.
    pub(super) source: Source,
    method: Method,
    target: String,
    /// The bytes of names and values, and where they are.
    text: Vec<u8>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    origin: OwnedOrigin,
    /// What the routes of the request set.
    pub(super) policies: Rc<Policies>,
    pub(super) visitor: Visitor,
    client: Option<ClientShare>,
    /// How long the request is queued.
    pub(super) queue: Rc<QueueClock>,
    wants_server: bool,
    /// The server that got the request, if the log reports it.
    pub(super) server: RefCell<Option<ServedBy>>,
    /// Set if the request is recorded.
    pub(super) attempts: Option<AttemptTimes>,
}

/// See [`RequestOrigin`].
#[derive(Debug)]
struct OwnedOrigin {
    client: String,
    client_port: Option<u16>,
    scheme: &'static str,
    host: Vec<u8>,
    port: u16,
    version: Version,
    script_name: String,
}

// === impl FetchRequest ===

impl FetchRequest {
    /// Copies the head of a client's request, as it is forwarded, without what is in no key.
    pub(super) fn of(
        context: &RequestContext,
        request: &CacheableRequest,
        (route, head): (Option<usize>, &UpstreamRequestHead<'_>),
    ) -> Self {
        let origin = &head.origin;
        let origin = OwnedOrigin {
            client: origin.client.to_owned(),
            client_port: origin.client_port,
            scheme: origin.scheme,
            host: origin.host.to_vec(),
            port: origin.port,
            version: origin.version,
            script_name: origin.script_name.to_owned(),
        };
        let mut this = Self {
            text: Vec::with_capacity(1024),
            fields: Vec::with_capacity(head.fields.len() + 2),
            client: client_network::of(context).map(ClientShare::of),
            wants_server: context.wants_server(),
            attempts: context.trace.as_ref().map(|_| AttemptTimes::default()),
            ..Self::bare(context, request, (Source::Application(route), origin))
        };
        let headers = &context.parts.headers;
        let settings = &context.local.app.plan.cache;
        let has_cookies = request.cookies.has_trackers;
        let has_language = !settings.languages.is_empty();
        for &(name, value) in &head.fields {
            let known = FieldName::of(name);
            let is_replaced = (known == FieldName::Cookie && has_cookies)
                || (known == FieldName::AcceptLanguage && has_language);
            if !is_replaced && !unkeyed::is_dropped(known, name) {
                this.push(name, value);
            }
        }
        if has_cookies && let Some(cookies) = cookies::forwarded(headers, settings) {
            this.push(b"cookie", &cookies);
        }
        if has_language && let Some(language) = language::of(headers, &settings.languages) {
            this.push(b"accept-language", &language);
        }
        this
    }

    /// A request for an object of a bucket, which gets nothing of the client.
    pub(super) fn of_object(
        context: &RequestContext,
        request: &CacheableRequest,
        object: &Rc<OwnedObject>,
    ) -> Self {
        let origin = OwnedOrigin {
            client: String::new(),
            client_port: None,
            scheme: "",
            host: context.host().unwrap_or_default().to_vec(),
            port: 0,
            version: Version::HTTP_11,
            script_name: String::new(),
        };
        Self::bare(context, request, (Source::Bucket(Rc::clone(object)), origin))
    }

    fn bare(
        context: &RequestContext,
        request: &CacheableRequest,
        (source, origin): (Source, OwnedOrigin),
    ) -> Self {
        Self {
            source,
            method: Method::GET,
            target: request.target.clone(),
            text: Vec::new(),
            fields: Vec::new(),
            origin,
            policies: Rc::clone(&context.policies),
            visitor: request.cookies.visitor,
            client: None,
            queue: Rc::default(),
            wants_server: false,
            server: RefCell::default(),
            attempts: None,
        }
    }

    /// Asks only whether a stored response is still right (RFC 9111, 4.3.1).
    pub(super) fn validate(&mut self, policy: &ResponsePolicy) {
        let (etag, modified) = policy.validators();
        if let Some(etag) = etag {
            self.push(b"if-none-match", etag.as_bytes());
        }
        if let Some(modified) = modified {
            self.push(b"if-modified-since", modified.as_bytes());
        }
    }

    pub(super) fn head(&self) -> UpstreamRequestHead<'_> {
        let text = |span: &Range<usize>| self.text.get(span.clone()).unwrap_or_default();
        let origin = &self.origin;
        UpstreamRequestHead {
            method: &self.method,
            target: &self.target,
            fields: self.fields.iter().map(|(name, value)| (text(name), text(value))).collect(),
            origin: RequestOrigin {
                client: &origin.client,
                client_port: origin.client_port,
                scheme: origin.scheme,
                host: &origin.host,
                port: origin.port,
                version: origin.version,
                script_name: &origin.script_name,
            },
        }
    }

    /// Returns the fields for comparing variants.
    pub(super) fn headers(&self) -> Headers {
        self.head().fields.into_iter().collect()
    }

    /// `on_interim` receives interim responses, for the client that has asked first.
    pub(super) fn notes<'a>(&'a self, on_interim: OnInterim<'a>) -> SendNotes<'a> {
        SendNotes {
            client: self.client,
            queue: &self.queue,
            server: self.wants_server.then_some(&self.server),
            attempts: self.attempts.as_ref(),
            timeouts: self.policies.timeouts,
            interim: Some(on_interim),
        }
    }

    /// Returns the host that the application gets.
    pub(super) fn host(&self) -> &[u8] {
        &self.origin.host
    }

    /// Returns path and query that the application gets.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        let begin = self.text.len();
        self.text.extend_from_slice(name);
        let middle = self.text.len();
        self.text.extend_from_slice(value);
        self.fields.push((begin..middle, middle..self.text.len()));
    }
}
