//! What a request is for the cache: one that may get a stored response, with its key, or one that must not see the
//! cache.

use http::Method;

use super::{
    cookies::{Cookies, Visitor},
    key, query,
};
use crate::{
    cache::{Cache, CacheKey},
    pipeline::{
        bucket::{self, WantedObject},
        forward,
        replacements::Replacements,
        request_context::RequestContext,
        scheme,
        store_kind::StoreKind,
        worker_state::WorkerState,
    },
    plan::RouteCache,
    rfc::{
        caching::{RequestDirectives, RequestTraits},
        request_parts::FieldName,
        target,
    },
};

/// A request that may get a stored response.
#[derive(Debug)]
pub(super) struct CacheableRequest {
    pub(super) key: CacheKey,
    /// Where it is noted that responses for such visitors are not stored. It is `key` for a visitor without cookies and
    /// credentials: others must not be able to disable the cache for those.
    pub(super) pass_key: Option<CacheKey>,
    /// Path and query as the application gets them.
    pub(super) target: String,
    pub(super) cookies: Cookies,
    pub(super) directives: RequestDirectives,
    pub(super) traits: RequestTraits,
    /// The lifetime in seconds of responses that name none.
    pub(super) default_lifetime: Option<u64>,
}

/// Why a request does not see the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BypassReason {
    Method,
    /// It has a body, or asks for another protocol.
    Body,
    /// It depends on the application's current state.
    Condition,
    /// The client has a session.
    Session,
    /// The route stores pages for visitors without cookies.
    Cookie,
    /// The route stores pages for visitors without credentials.
    Authorization,
    /// The route or a trusted proxy authenticates clients.
    Private,
    /// The route streams responses.
    Stream,
}

// === impl CacheableRequest ===

impl CacheableRequest {
    /// Describes a request to an application of the plan.
    pub(super) fn of(
        (local, cache): (&WorkerState, &Cache),
        context: &RequestContext,
        route: Option<usize>,
    ) -> Result<Self, BypassReason> {
        let headers = &context.parts.headers;
        let default_lifetime = match context.policies.cache {
            RouteCache::Anonymous(time) => Some(time.as_secs()),
            RouteCache::On | RouteCache::Off => None,
        };
        if !matches!(context.parts.method, Method::GET | Method::HEAD) {
            return Err(BypassReason::Method);
        }
        let has_body = headers.contains(FieldName::TransferEncoding)
            || headers.get(FieldName::ContentLength).is_some_and(|length| length != b"0");
        if has_body || headers.contains(FieldName::Upgrade) {
            return Err(BypassReason::Body);
        }
        // They are for the application alone (RFC 9111, 4.3.2).
        if headers.contains(FieldName::IfMatch) || headers.contains(FieldName::IfUnmodifiedSince) {
            return Err(BypassReason::Condition);
        }
        if context.policies.streaming.response {
            return Err(BypassReason::Stream);
        }
        if context.is_private() || forward::identifies_user(context) {
            return Err(BypassReason::Private);
        }
        let has_authorization = headers.contains(FieldName::Authorization);
        let settings = &local.app.plan.cache;
        let cookies = Cookies::of(headers, settings);
        match cookies.visitor {
            Visitor::Session => return Err(BypassReason::Session),
            Visitor::Unknown if default_lifetime.is_some() => return Err(BypassReason::Cookie),
            Visitor::Unknown | Visitor::Anonymous => {}
        }
        if has_authorization && default_lifetime.is_some() {
            return Err(BypassReason::Authorization);
        }
        let server = local.server_name(route);
        let replacements = Replacements::of(context, server);
        let target = replacements.target_of(context);
        let target = query::without(target, &settings.ignored_query).into_owned();
        let scheme = scheme::of(context);
        let facts = key::KeyFacts {
            server,
            scheme,
            host: replacements.host_of(context, server),
            port: forward::port_of(context, scheme),
            script_name: context.policies.forwarding.script_name.as_deref().unwrap_or_default(),
            target: &target,
            language: cookies.language.as_deref().unwrap_or_default(),
        };
        let key = cache.key(facts.bytes(key::EVERYONE));
        let pass_key = (cookies.visitor == Visitor::Unknown || has_authorization)
            .then(|| cache.key(facts.bytes(key::SOME)));
        let directives = RequestDirectives::of(headers);
        Ok(Self {
            key,
            pass_key,
            target,
            cookies,
            directives,
            traits: RequestTraits { has_authorization, no_store: directives.no_store },
            default_lifetime,
        })
    }

    /// Describes a request for an object of a bucket, which is the same for everyone who may have it. Returns `None` if
    /// the request must not see the cache.
    pub(super) fn of_object(
        (local, cache): (&WorkerState, &Cache),
        context: &RequestContext,
        object: WantedObject<'_>,
    ) -> Option<Self> {
        let headers = &context.parts.headers;
        let is_read = matches!(context.parts.method, Method::GET | Method::HEAD);
        let is_about_state =
            headers.contains(FieldName::IfMatch) || headers.contains(FieldName::IfUnmodifiedSince);
        if !is_read || is_about_state || context.policies.streaming.response {
            return None;
        }
        // Nothing of the query reaches the bucket. Host and path are for purges, which name the path as Django does.
        let path = as_django(context.path.normal()?);
        let root = local.app.store(object.store_kind).roots().get(object.root)?;
        let facts = key::KeyFacts {
            server: &bucket::address(local, object)?,
            scheme: match object.store_kind {
                StoreKind::Static => "static",
                StoreKind::Media => "media",
            },
            host: context.host().unwrap_or_default(),
            port: 0,
            // The stored fields have these in them.
            script_name: &format!("{:?} {:?}", root.max_age, root.cors),
            target: &path,
            language: b"",
        };
        let key = cache.key(facts.bytes(key::OBJECT));
        let directives = RequestDirectives::of(headers);
        Some(Self {
            key,
            pass_key: None,
            target: path,
            cookies: Cookies::default(),
            directives,
            traits: RequestTraits { has_authorization: false, no_store: directives.no_store },
            default_lifetime: None,
        })
    }

    /// Returns the key under which it is noted that responses are not stored.
    pub(super) fn pass_key(&self) -> &CacheKey {
        self.pass_key.as_ref().unwrap_or(&self.key)
    }
}

/// Encodes a path as `url` of a file in Django does (`filepath_to_uri`).
fn as_django(path: &[u8]) -> String {
    let mut escaped = Vec::with_capacity(path.len() + 16);
    target::escape_path_except(path, b"!*'()", &mut escaped);
    // It is ASCII.
    String::from_utf8(escaped).unwrap_or_default()
}

// === impl BypassReason ===

impl BypassReason {
    /// Returns the word for it in `Cache-Status`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Body => "body",
            Self::Condition => "condition",
            Self::Session => "session",
            Self::Cookie => "cookie",
            Self::Authorization => "authorization",
            Self::Private => "private",
            Self::Stream => "stream",
        }
    }
}
