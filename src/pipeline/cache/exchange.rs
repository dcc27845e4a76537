//! One request on its way through the cache: a look into it, a stored response, or a fetch.

use std::{rc::Rc, sync::Arc, time::Duration};

use http::{Method, StatusCode};

use super::{
    decide::{self, Use, UseFacts},
    fetch::{Fetch, FetchEnd, Fetched},
    fetch_request::FetchRequest,
    request::{BypassReason, CacheableRequest},
    respond,
    source::Source,
    status, vary,
    worth_storing::StoringRules,
};
use crate::{
    body::Body,
    cache::{
        Cache, FlightKey, FlightLeader, FlightResult, Found, Joined, PurgeState, StoredResponse,
    },
    error::{Error, FailureKind},
    pipeline::{
        forward, proxy, replacements::Replacements, request_context::RequestContext,
        response::Response,
    },
    rfc::{
        caching::{CacheStatus, ForwardReason, Freshness, NotStorable, StaleReason, VaryNames},
        request_parts::FieldName,
    },
    telemetry::{CacheOutcome, NotStoredLabel},
    upstream::UpstreamResponse,
};

/// One request on its way through the cache.
pub(super) struct Exchange<'a> {
    pub(super) cache: &'a Arc<Cache>,
    pub(super) request: &'a CacheableRequest,
    pub(super) source: Source,
}

/// The next step.
pub(super) enum Step {
    Respond(Box<Response>),
    /// The request goes to the application as it is.
    Pass(CacheOutcome, CacheStatus),
    /// Look again.
    Again,
}

// === impl Step ===

impl Step {
    fn respond(response: Response) -> Self {
        Self::Respond(Box::new(response))
    }
}

// === impl Exchange ===

impl Exchange<'_> {
    /// Responds with a fresh response, if one was found.
    pub(super) fn fresh(
        &self,
        context: &mut RequestContext,
        found: &Found,
    ) -> Option<Result<Response, Error>> {
        let Found::Stored(stored, purged) = found else { return None };
        let now = status::now();
        let is_fresh = self.is_for_credentials(stored)
            && self.decide(context, stored, (*purged, now)) == Use::Fresh;
        is_fresh.then(|| self.respond(context, stored, (CacheOutcome::Hit, now)))
    }

    /// Does what follows from a look into the cache, and fetches what is missing. `may_wait` allows to wait for others
    /// who fetch the same.
    pub(super) async fn step(
        &self,
        context: &mut RequestContext,
        found: Found,
        may_wait: bool,
    ) -> Result<Step, Error> {
        if let Some(response) = self.fresh(context, &found) {
            return response.map(Step::respond);
        }
        let (stored, names) = match found {
            Found::Stored(stored, purged) => {
                let names = stored.policy.vary().clone();
                (Some((stored, purged)), Some(names))
            }
            Found::Pass if self.request.directives.only_if_cached => {
                return Err(Error::new(FailureKind::NotCached));
            }
            Found::Pass if respond::is_conditional(&context.parts.headers) => {
                return Ok(Step::Pass(CacheOutcome::Pass, status::passed()));
            }
            Found::Pass => return self.fetch_alone(context).await,
            Found::Miss { vary } => (None, vary),
        };
        let now = status::now();
        if let Some((stored, _)) = &stored
            && !self.is_for_credentials(stored)
        {
            return Ok(Step::Pass(
                CacheOutcome::Bypass,
                status::bypassed(BypassReason::Authorization),
            ));
        }
        if let Some((stored, purged)) = &stored {
            let response = match self.decide(context, stored, (*purged, now)) {
                Use::Stale(why) => Some(self.respond_stale(context, stored, (why, now))),
                Use::StaleAndRefresh => {
                    self.refresh(context, stored);
                    let why = StaleReason::Revalidating;
                    Some(self.respond_stale(context, stored, (why, now)))
                }
                Use::Fresh | Use::Validate => None,
            };
            if let Some(response) = response {
                return response.map(Step::respond);
            }
        }
        if self.request.directives.only_if_cached {
            return Err(Error::new(FailureKind::NotCached));
        }
        let stored = stored.map(|(stored, _)| stored);
        let forwarded = match (&stored, &names) {
            (Some(_), _) => ForwardReason::Stale,
            (None, Some(names)) if !names.is_empty() => ForwardReason::VaryMiss,
            (None, _) => ForwardReason::UriMiss,
        };
        let status = status::forwarded(forwarded);
        // Others would not get what such a request brings.
        let is_partial = context.parts.method == Method::HEAD
            || context.parts.headers.contains(FieldName::Range)
            || matches!(self.source, Source::Bucket(_))
                && respond::is_conditional(&context.parts.headers);
        if is_partial && stored.is_none() {
            return Ok(Step::Pass(CacheOutcome::Miss, status));
        }
        // A response that each request must have confirmed is nothing to wait for.
        let is_shareable = stored.as_ref().is_none_or(|stored| stored.policy.lifetime() > 0);
        let leader = if may_wait && is_shareable {
            match self.join(context, names.as_ref()) {
                Joined::Leader(leader) => Some(leader),
                Joined::Follower(follower) => {
                    let result = follower.end().await;
                    return self.follow(context, result, stored.as_ref());
                }
            }
        } else {
            None
        };
        if leader.is_some() && self.has_another(context, stored.as_ref()) {
            return Ok(Step::Again);
        }
        let outcome = if stored.is_some() { CacheOutcome::Expired } else { CacheOutcome::Miss };
        self.fetch(context, (stored, leader), (outcome, status)).await
    }

    /// Fetches the response for this client alone. It is stored if it can be, though those before could not.
    async fn fetch_alone(&self, context: &mut RequestContext) -> Result<Step, Error> {
        if context.parts.method == Method::HEAD {
            return Ok(Step::Pass(CacheOutcome::Pass, status::passed()));
        }
        let outcome = (CacheOutcome::Pass, status::passed());
        self.fetch(context, (None, None), outcome).await
    }

    /// Looks into the cache.
    pub(super) fn find(&self, context: &RequestContext) -> Found {
        let request = self.request;
        let found = self
            .cache
            .find(&request.key, |variant, names| vary::selects(context, request, (variant, names)));
        match (&found, &request.pass_key) {
            (Found::Miss { .. }, Some(key))
                if matches!(self.cache.find(key, |_, _| false), Found::Pass) =>
            {
                Found::Pass
            }
            _ => found,
        }
    }

    fn decide(
        &self,
        context: &RequestContext,
        stored: &StoredResponse,
        (purged, now): (PurgeState, u64),
    ) -> Use {
        let settings = &context.local.app.plan.cache;
        let facts = UseFacts {
            now,
            stale: settings.stale.as_secs(),
            refreshing: self.request.default_lifetime.unwrap_or(0),
            directives: settings.client_refresh.then_some(self.request.directives),
            is_unconfirmed: context
                .local
                .app
                .redis
                .as_ref()
                .is_some_and(|link| link.is_unconfirmed(stored.policy.received(), now)),
        };
        decide::decide(&stored.policy, purged, facts, || {
            self.source.trouble(&context.local, Duration::ZERO)
        })
    }

    /// Replaces a stale response in the background, unless someone does already.
    fn refresh(&self, context: &RequestContext, stored: &Arc<StoredResponse>) {
        let Joined::Leader(leader) = self.join(context, Some(stored.policy.vary())) else { return };
        if self.has_another(context, Some(stored)) {
            return;
        }
        if let Some(trace) = &context.trace {
            trace.continues_in_background();
        }
        self.fetch_for(context, Some(Arc::clone(stored)), Some(leader)).begin_in_background();
    }

    /// Whether someone has stored another response than this one between the look into the cache and now.
    fn has_another(&self, context: &RequestContext, known: Option<&Arc<StoredResponse>>) -> bool {
        let Found::Stored(found, _) = self.find(context) else { return false };
        known.is_none_or(|known| !Arc::ptr_eq(known, &found))
    }

    /// Joins the requests for the same response. Those of visitors whose cookies may be sessions are apart: their
    /// responses may be for them alone.
    fn join(&self, context: &RequestContext, names: Option<&VaryNames>) -> Joined {
        let key = self.request.pass_key();
        let variant = names.and_then(|names| vary::of_request(context, self.request, names));
        let mut bytes = key.as_bytes().to_vec();
        if let Some(variant) = &variant {
            bytes.push(0);
            bytes.extend_from_slice(variant.as_bytes());
        }
        self.cache.join(FlightKey { hash: key.hash(), bytes: &bytes })
    }

    /// Uses what another request has brought.
    fn follow(
        &self,
        context: &mut RequestContext,
        result: FlightResult,
        known: Option<&Arc<StoredResponse>>,
    ) -> Result<Step, Error> {
        let now = status::now();
        match result {
            FlightResult::Stored(stored) => {
                let names = stored.policy.vary();
                let is_selected = vary::selects(context, self.request, (&stored.variant, names));
                // A purge may have come after the request that has brought it, and before this one.
                let is_usable = is_selected && self.is_for_credentials(&stored);
                if !is_usable || self.cache.is_purged(&stored) {
                    return Ok(Step::Again);
                }
                match stored.policy.freshness(now) {
                    Freshness::Fresh { .. } => {
                        self.respond(context, &stored, (CacheOutcome::Collapsed, now))
                    }
                    Freshness::Stale { .. } => {
                        self.respond_stale(context, &stored, (StaleReason::Error, now))
                    }
                }
                .map(Step::respond)
            }
            FlightResult::Unshared => Ok(Step::Pass(CacheOutcome::Pass, status::passed())),
            FlightResult::Failed(kind) => match known {
                Some(known) if self.may_replace_error(context, known, now) => {
                    let why = StaleReason::Error;
                    self.respond_stale(context, known, (why, now)).map(Step::respond)
                }
                _ => Err(Error::new(kind)),
            },
            FlightResult::Pending | FlightResult::Abandoned => Ok(Step::Again),
        }
    }

    /// Whether a stored response may be for a request with its credentials. Visitors without any may get another
    /// response than this one would.
    fn is_for_credentials(&self, stored: &StoredResponse) -> bool {
        stored.policy.storable(self.request.traits) != Err(NotStorable::Authorization)
    }

    fn may_replace_error(
        &self,
        context: &RequestContext,
        known: &StoredResponse,
        now: u64,
    ) -> bool {
        let limit = context.local.app.plan.cache.stale.as_secs();
        known.policy.allows_stale(StaleReason::Error, now, limit)
    }

    /// Fetches the response for this client, and for those who wait for it.
    async fn fetch(
        &self,
        context: &mut RequestContext,
        (stored, leader): (Option<Arc<StoredResponse>>, Option<FlightLeader>),
        (outcome, status): (CacheOutcome, CacheStatus),
    ) -> Result<Step, Error> {
        let mut fetch = self.fetch_for(context, stored, leader);
        fetch.interim = context.interim.clone();
        // It may end later than its client.
        context.fetch_queue = Some(Rc::clone(&fetch.request.queue));
        let end = fetch.begin().await;
        let Ok(FetchEnd { server, attempts, first_byte, result }) = end else {
            return Err(Error::new(FailureKind::UpstreamClosed));
        };
        if let Source::Application(_) = self.source {
            context.server.replace(server);
            context.first_byte = first_byte;
        }
        if let Some(trace) = &context.trace {
            trace.attempts.set(attempts);
        }
        let now = status::now();
        match result? {
            Fetched::Stored(stored, reply) => {
                context.cache = Some(outcome);
                let ttl = status::ttl(&stored, now);
                let status = CacheStatus { is_stored: true, ttl, ..status };
                let is_head = context.parts.method == Method::HEAD;
                if is_head || respond::is_conditional(&context.parts.headers) {
                    let response = respond::respond(context, self.cache, &stored, (status, now));
                    return response.map(Step::respond);
                }
                self.relay(context, *reply, status).await
            }
            Fetched::Confirmed(stored) => {
                context.cache = Some(CacheOutcome::Revalidated);
                if let Some(trace) = &context.trace {
                    trace.upstream_status.set(Some(StatusCode::NOT_MODIFIED));
                }
                let ttl = status::ttl(&stored, now);
                let status =
                    CacheStatus { forward_status: Some(304), is_stored: true, ttl, ..status };
                respond::respond(context, self.cache, &stored, (status, now))
            }
            Fetched::Stale(stored, why) => self.respond_stale(context, &stored, (why, now)),
            // The object has changed, and the client wants a part of it.
            Fetched::Response(reply, _)
                if matches!(self.source, Source::Bucket(_))
                    && reply.status == StatusCode::OK
                    && context.parts.headers.contains(FieldName::Range) =>
            {
                return Ok(Step::Pass(outcome, status));
            }
            Fetched::Response(reply, stored) => {
                context.cache = Some(outcome);
                let detail = stored.err().map(NotStoredLabel::name).or(status.detail);
                let status = CacheStatus { is_stored: stored.is_ok(), detail, ..status };
                self.relay(context, *reply, status).await
            }
        }
        .map(Step::respond)
    }

    /// Sends what the application or the bucket has sent, without the body that was fetched in place of a HEAD.
    async fn relay(
        &self,
        context: &mut RequestContext,
        mut reply: UpstreamResponse,
        status: CacheStatus,
    ) -> Result<Response, Error> {
        if context.parts.method == Method::HEAD {
            reply.body = Body::Empty;
        }
        let mut response = match self.source {
            Source::Application(_) => {
                let local = Rc::clone(&context.local);
                proxy::respond(&local, context, reply).await?
            }
            Source::Bucket(_) => {
                let mut response = Response::new(reply.status, reply.body);
                response.head.headers = reply.fields.to_map();
                response
            }
        };
        status::add(&mut response, status);
        Ok(response)
    }

    /// Makes the fetch that takes the place of a client's request.
    fn fetch_for(
        &self,
        context: &RequestContext,
        known: Option<Arc<StoredResponse>>,
        leader: Option<FlightLeader>,
    ) -> Fetch {
        let local = &context.local;
        let mut request = match &self.source {
            Source::Application(route) => {
                let server = local.server_name(*route);
                let replacements = Replacements::of(context, server);
                let mut buffers = forward::HeaderBuffers::default();
                let client = context.client_text();
                let head = forward::head(context, &client, (server, &replacements), &mut buffers);
                FetchRequest::of(context, self.request, (*route, &head))
            }
            Source::Bucket(object) => FetchRequest::of_object(context, self.request, object),
        };
        if let Some(known) = &known {
            request.validate(&known.policy);
        }
        Fetch {
            local: Rc::clone(local),
            cache: Arc::clone(self.cache),
            request,
            key: self.request.key.clone(),
            pass_key: self.request.pass_key().clone(),
            rules: StoringRules {
                traits: self.request.traits,
                default_lifetime: self.request.default_lifetime,
            },
            known,
            leader,
            interim: None,
        }
    }

    /// Responds with a stale response.
    fn respond_stale(
        &self,
        context: &mut RequestContext,
        stored: &Arc<StoredResponse>,
        (why, now): (StaleReason, u64),
    ) -> Result<Response, Error> {
        context.local.metrics.cache_stale(status::stale_label(why)).add(1);
        self.respond(context, stored, (CacheOutcome::Stale, now))
    }

    /// Responds with a stored response.
    fn respond(
        &self,
        context: &mut RequestContext,
        stored: &Arc<StoredResponse>,
        (outcome, now): (CacheOutcome, u64),
    ) -> Result<Response, Error> {
        context.cache = Some(outcome);
        let status = CacheStatus {
            ttl: status::ttl(stored, now),
            is_collapsed: outcome == CacheOutcome::Collapsed,
            ..CacheStatus::default()
        };
        respond::respond(context, self.cache, stored, (status, now))
    }
}
