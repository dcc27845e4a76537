//! Fetches a response for the cache, in a task of its own: it goes on when its client disconnects, and others wait for
//! it. Whatever cannot be stored is handed to the client at once.

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as _, Frame};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_local,
};

use super::{
    fetch_request::FetchRequest,
    fetched_body::FetchedBody,
    worth_storing::{self, Storable, StoringRules, Unstorable},
};
use crate::{
    body::{Body, RequestBody},
    cache::{
        BodyCollector, Cache, CacheKey, FlightLeader, FlightResult, Generation, StoredBody,
        StoredParts, StoredResponse,
    },
    error::{Error, FailureKind},
    pipeline::worker_state::WorkerState,
    rfc::{
        caching::{self, ExchangeTimes, StaleReason},
        date,
        request_parts::FieldName,
        response_lines::{ResponseLines, ResponseLinesBuilder},
    },
    upstream::{RequestFraming, ServedBy, UpstreamResponse},
};

/// What is to be fetched, and for whom.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) local: Rc<WorkerState>,
    pub(super) cache: Arc<Cache>,
    pub(super) request: FetchRequest,
    pub(super) key: CacheKey,
    /// Where it is noted that the response is not stored.
    pub(super) pass_key: CacheKey,
    pub(super) rules: StoringRules,
    /// The stored response that may be confirmed, or sent instead of an error.
    pub(super) known: Option<Arc<StoredResponse>>,
    /// Those who wait for the response.
    pub(super) leader: Option<FlightLeader>,
}

/// What the client of the fetch gets to know.
#[derive(Debug)]
pub(super) struct FetchEnd {
    pub(super) queued: Option<Duration>,
    pub(super) server: Option<ServedBy>,
    pub(super) first_byte: Option<Duration>,
    pub(super) result: Result<Fetched, Error>,
}

/// What a fetch has brought.
#[derive(Debug)]
pub(super) enum Fetched {
    /// It was stored, and this is what the application has sent.
    Stored(Arc<StoredResponse>, Box<UpstreamResponse>),
    /// The application has confirmed the stored response.
    Confirmed(Arc<StoredResponse>),
    /// The application has failed, and this response is stale.
    Stale(Arc<StoredResponse>),
    /// It is for this client alone, or still arrives while it is sent. `Ok` if it will be stored.
    Response(Box<UpstreamResponse>, Result<(), Unstorable>),
}

/// A response that is being stored, without its body.
#[derive(Debug)]
struct StoredHead {
    status: StatusCode,
    reason: Option<Bytes>,
    /// As they arrived.
    fields: ResponseLines,
    storable: Storable,
    generation: Generation,
}

/// Pieces of a body that wait for the client while the next ones are stored.
const PIECES_AHEAD: usize = 16;

// === impl Fetch ===

impl Fetch {
    /// Sends the request. The receiver may be dropped.
    pub(super) fn begin(self) -> oneshot::Receiver<FetchEnd> {
        let (sender, receiver) = oneshot::channel();
        drop(spawn_local(self.run(sender)));
        receiver
    }

    async fn run(mut self, client: oneshot::Sender<FetchEnd>) {
        // A purge that comes later than this purges the response too.
        let generation = self.cache.generation();
        let sent = date::seconds(SystemTime::now());
        let head = self.request.head();
        let upstream = self.local.application(self.request.route);
        let body = RequestBody::empty();
        let result = upstream.send(&head, RequestFraming::None, body, self.request.notes()).await;
        drop(head);
        let times = ExchangeTimes { sent, received: date::seconds(SystemTime::now()) };
        let mut end = FetchEnd {
            queued: self.request.queued.get(),
            server: self.request.server.take(),
            first_byte: None,
            result: Err(Error::new(FailureKind::UpstreamClosed)),
        };
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => {
                self.land(FlightResult::Failed(error.kind()));
                end.result = match self.stale(times.received) {
                    Some(known) => Ok(Fetched::Stale(known)),
                    None => Err(error),
                };
                drop(client.send(end));
                return;
            }
        };
        end.first_byte = Some(reply.first_byte);
        if is_failure(reply.status)
            && let Some(known) = self.stale(times.received)
        {
            self.land(FlightResult::Stored(Arc::clone(&known)));
            end.result = Ok(Fetched::Stale(known));
            drop(client.send(end));
            return;
        }
        if reply.status == StatusCode::NOT_MODIFIED
            && let Some(known) = self.known.take()
        {
            let confirmed = self.confirm(&known, &reply, (times, generation));
            self.land(FlightResult::Stored(Arc::clone(&confirmed)));
            end.result = Ok(Fetched::Confirmed(confirmed));
            drop(client.send(end));
            return;
        }
        let storable = worth_storing::decide(&self.request, self.rules, (&reply, times));
        let storable = storable.and_then(|storable| {
            let collector = self.cache.collect(reply.fields.length).ok_or(Unstorable::TooLong)?;
            Ok((storable, collector))
        });
        let (storable, collector) = match storable {
            Ok(storable) => storable,
            Err(why) => {
                self.pass(why, reply.status);
                end.result = Ok(Fetched::Response(Box::new(reply), Err(why)));
                drop(client.send(end));
                return;
            }
        };
        let head = StoredHead {
            status: reply.status,
            reason: reply.reason.clone(),
            fields: reply.fields.clone(),
            storable,
            generation,
        };
        if matches!(reply.body, Body::Stream(_)) {
            self.store_while_sent(reply, (head, collector), (end, client)).await;
        } else {
            end.result = Ok(self.store_whole(reply, head, collector).await);
            drop(client.send(end));
        }
    }

    /// Stores a response whose body is here.
    async fn store_whole(
        &mut self,
        mut reply: UpstreamResponse,
        head: StoredHead,
        mut collector: BodyCollector,
    ) -> Fetched {
        let body = std::mem::take(&mut reply.body);
        let bytes = if let Body::Full(bytes) = body { bytes } else { Bytes::new() };
        if collector.push(&bytes).await
            && let Some(body) = collector.finish().await
        {
            let stored = self.insert(head, body);
            self.land(FlightResult::Stored(Arc::clone(&stored)));
            reply.body = Body::from(bytes);
            return Fetched::Stored(stored, Box::new(reply));
        }
        self.pass(Unstorable::TooLong, reply.status);
        reply.body = Body::from(bytes);
        Fetched::Response(Box::new(reply), Err(Unstorable::TooLong))
    }

    /// Stores a response while its client gets it. It is read to its end also if the client leaves.
    async fn store_while_sent(
        mut self,
        mut reply: UpstreamResponse,
        (head, mut collector): (StoredHead, BodyCollector),
        (mut end, client): (FetchEnd, oneshot::Sender<FetchEnd>),
    ) {
        let length = reply.fields.length;
        // A response of unknown length may turn out to be too long, and may pause. Nobody waits for it.
        if length.is_none() {
            self.land(FlightResult::Unshared);
        }
        let (pieces, receiver) = mpsc::channel(PIECES_AHEAD);
        let sent = Body::stream(FetchedBody::new(receiver, length));
        let mut body = std::mem::replace(&mut reply.body, sent);
        end.result = Ok(Fetched::Response(Box::new(reply), Ok(())));
        drop(client.send(end));
        let (mut is_kept, mut left) = (true, length);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let is_broken = frame.is_err();
            if let Some(bytes) = frame.as_ref().ok().and_then(Frame::data_ref) {
                is_kept = is_kept && collector.push(bytes).await;
                left = left.map(|left| left.saturating_sub(bytes.len() as u64));
            }
            let is_read = pieces.send(frame).await.is_ok();
            if is_broken || !(is_read || is_kept) {
                return;
            }
        }
        drop(pieces);
        let is_whole = left.unwrap_or(0) == 0;
        if is_kept
            && is_whole
            && let Some(body) = collector.finish().await
        {
            let stored = self.insert(head, body);
            self.land(FlightResult::Stored(stored));
        } else {
            self.land(FlightResult::Unshared);
        }
    }

    /// Stores a response, in place of one for the same requests.
    fn insert(&self, head: StoredHead, body: StoredBody) -> Arc<StoredResponse> {
        let StoredHead { status, reason, fields, storable, generation } = head;
        let Storable { policy, variant } = storable;
        let (host, target) = (self.request.host(), self.request.target());
        let tags = self.cache.tags(host, target.as_bytes(), caching::response_tags(&fields));
        let fields = with_length_and_date(&caching::stored_fields(&fields, &policy), body.len());
        let parts =
            StoredParts { status, reason, fields, policy, variant, body, tags, sent: generation };
        self.cache.insert(self.key.clone(), StoredResponse::new(parts))
    }

    /// Returns the stored response with the fields of a 304, which has confirmed it (RFC 9111, 4.3.4).
    fn confirm(
        &self,
        known: &Arc<StoredResponse>,
        reply: &UpstreamResponse,
        (times, generation): (ExchangeTimes, Generation),
    ) -> Arc<StoredResponse> {
        let fields = caching::updated(&known.fields, &reply.fields);
        let policy = known.policy.revalidated(&fields, times);
        let policy = match self.rules.default_lifetime {
            Some(seconds) => policy.with_default_lifetime(seconds),
            None => policy,
        };
        let fields = with_length_and_date(&fields, known.body.len());
        let parts = StoredParts {
            status: known.status,
            reason: known.reason.clone(),
            fields,
            policy,
            variant: known.variant.clone(),
            body: known.body.clone(),
            tags: known.tags().clone(),
            sent: generation,
        };
        self.cache.replace(self.key.clone(), known, StoredResponse::new(parts))
    }

    /// Returns the stored response if it may be sent instead of an error.
    fn stale(&self, now: u64) -> Option<Arc<StoredResponse>> {
        let limit = self.local.app.plan.cache.stale.as_secs();
        let may = |known: &&Arc<StoredResponse>| {
            known.policy.allows_stale(StaleReason::Error, now, limit)
        };
        self.known.as_ref().filter(may).map(Arc::clone)
    }

    /// Lets all others go, and remembers that there is nothing to wait for.
    fn pass(&mut self, why: Unstorable, status: StatusCode) {
        if why.is_lasting(status) {
            self.cache.mark_pass(&self.pass_key);
        }
        self.land(FlightResult::Unshared);
    }

    fn land(&mut self, result: FlightResult) {
        if let Some(leader) = self.leader.take() {
            leader.land(result);
        }
    }
}

/// Returns fields to be sent with a body of this length, and with the date of their arrival (RFC 9110, 6.6.1).
fn with_length_and_date(fields: &ResponseLines, length: u64) -> ResponseLines {
    if fields.length == Some(length) && fields.has_date {
        return fields.clone();
    }
    let mut all = ResponseLinesBuilder::with_capacity(fields.as_bytes().len() + 64);
    for (name, value) in fields.iter() {
        let known = FieldName::of(name);
        if known != FieldName::ContentLength {
            all.push(known, name, value);
        }
    }
    if !fields.has_date {
        let now = date::format(date::seconds(SystemTime::now()));
        all.push(FieldName::Date, b"date", now.as_bytes());
    }
    all.set_length(length);
    all.build()
}

/// Whether a response means that the application has failed (RFC 5861, 4).
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
