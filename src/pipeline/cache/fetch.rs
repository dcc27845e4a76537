//! Fetches a response for the cache, in a task of its own: it goes on when its client disconnects, and others wait for
//! it. Whatever cannot be stored is handed to the client at once.

use std::{
    future::{pending, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as _, Frame};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_local,
    time::{sleep, timeout},
};

use super::{
    fetch_request::FetchRequest,
    fetched_body::FetchedBody,
    source::Source,
    worth_storing::{self, Storable, StoringRules},
};
use crate::{
    body::{Body, RequestBody},
    cache::{
        BodyCollector, Cache, CacheKey, FlightLeader, FlightResult, Generation, StoredBody,
        StoredParts, StoredResponse,
    },
    error::{Error, FailureKind},
    pipeline::{compress, interim_responses::InterimResponses, worker_state::WorkerState},
    rfc::{
        caching::{self, ExchangeTimes, StaleReason},
        date,
        request_parts::FieldName,
        response_lines::{ResponseLines, ResponseLinesBuilder},
    },
    telemetry::NotStoredLabel,
    upstream::{AttemptTimes, Attempts, RequestFraming, ServedBy, Trouble, UpstreamResponse},
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
    /// The queue for interim responses to the client.
    pub(super) interim: Option<Rc<InterimResponses>>,
}

/// What the client of the fetch gets to know.
#[derive(Debug)]
pub(super) struct FetchEnd {
    pub(super) server: Option<ServedBy>,
    pub(super) attempts: Option<Attempts>,
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
    Stale(Arc<StoredResponse>, StaleReason),
    /// It is for this client alone, or still arrives while it is sent. `Ok` if it will be stored.
    Response(Box<UpstreamResponse>, Result<(), NotStoredLabel>),
}

/// Those who wait: the client of the fetch, and everyone who wants the same response.
#[derive(Debug)]
struct Waiting {
    client: Option<oneshot::Sender<FetchEnd>>,
    leader: Option<FlightLeader>,
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

/// How long a client waits before it is looked whether the application is in trouble, if a stale response may be sent.
const PATIENCE: Duration = Duration::from_millis(100);

/// Pieces of a body that wait for the client while the next ones are stored.
const PIECES_AHEAD: usize = 4;
/// How long others wait while the client does not read.
const READ_PATIENCE: Duration = Duration::from_millis(100);

// === impl Fetch ===

impl Fetch {
    /// Sends the request for a client, which may drop the receiver.
    pub(super) fn begin(self) -> oneshot::Receiver<FetchEnd> {
        let (sender, receiver) = oneshot::channel();
        drop(spawn_local(self.run(Some(sender))));
        receiver
    }

    /// Sends the request for those who come later.
    pub(super) fn begin_in_background(self) {
        drop(spawn_local(self.run(None)));
    }

    async fn run(mut self, client: Option<oneshot::Sender<FetchEnd>>) {
        let mut waiting = Waiting { client, leader: self.leader.take() };
        // A purge that comes later than this purges the response too.
        let generation = self.cache.generation();
        let sent = now();
        let result = self.send(&mut waiting).await;
        let times = ExchangeTimes { sent, received: now() };
        let reply = match result {
            Ok(reply) => reply,
            // Someone who came in this moment leads.
            Err(error) if error.kind() == FailureKind::ClientDisconnected => return,
            Err(error) => {
                waiting.land(FlightResult::Failed(error.kind()));
                let known = self.stale(StaleReason::Error);
                return waiting.end(self.end(
                    None,
                    known.map_or(Err(error), |known| Ok(Fetched::Stale(known, StaleReason::Error))),
                ));
            }
        };
        let first_byte = Some(reply.first_byte);
        if is_failure(reply.status)
            && let Some(known) = self.stale(StaleReason::Error)
        {
            waiting.land(FlightResult::Stored(Arc::clone(&known)));
            return waiting
                .end(self.end(first_byte, Ok(Fetched::Stale(known, StaleReason::Error))));
        }
        if reply.status == StatusCode::NOT_MODIFIED
            && let Some(known) = self.known.take()
        {
            let confirmed = self.confirm(&known, &reply, (times, generation));
            waiting.land(FlightResult::Stored(Arc::clone(&confirmed)));
            return waiting.end(self.end(first_byte, Ok(Fetched::Confirmed(confirmed))));
        }
        let storable = worth_storing::decide(&self.request, self.rules, (&reply, times));
        let storable = storable.and_then(|storable| {
            let collector =
                self.cache.collect(reply.fields.length).ok_or(NotStoredLabel::TooLong)?;
            Ok((storable, collector))
        });
        let (storable, collector) = match storable {
            Ok(storable) => storable,
            Err(why) => {
                self.pass(why, reply.status, &mut waiting);
                let response = Fetched::Response(Box::new(reply), Err(why));
                return waiting.end(self.end(first_byte, Ok(response)));
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
            self.store_while_sent(reply, (head, collector), waiting).await;
        } else {
            let fetched = self.store_whole(reply, (head, collector), &mut waiting).await;
            waiting.end(self.end(first_byte, Ok(fetched)));
        }
    }

    /// Sends the request and waits for the head of its response. If the client disconnects, and nobody else waits, the
    /// request ends as it would without the cache. If the application is unavailable or busy meanwhile, whoever waits
    /// gets the stale response, where that is allowed.
    async fn send(&self, waiting: &mut Waiting) -> Result<UpstreamResponse, Error> {
        let (local, request) = (&self.local, &self.request);
        let on_interim = |status: StatusCode, fields: &ResponseLines| {
            if let Some(interim) = &self.interim {
                interim.push(status, fields);
            }
        };
        let reply = async {
            match &request.source {
                Source::Application(route) => {
                    let (head, notes) = (request.head(), request.notes(&on_interim));
                    let (framing, body) = (RequestFraming::None, RequestBody::empty());
                    local.application(*route).send(&head, framing, body, notes).await
                }
                // Boxed because it is large and rare.
                Source::Bucket(object) => {
                    let conditions = request.headers();
                    Box::pin(object.fetch(local, &conditions)).await
                }
            }
        };
        let mut reply = pin!(reply);
        let may_be_stale = self.stale(StaleReason::Unavailable).is_some();
        let begin = Instant::now();
        loop {
            tokio::select! {
                biased;
                reply = &mut reply => return reply,
                () = waiting.nobody_waits() => {
                    return Err(Error::new(FailureKind::ClientDisconnected));
                }
                () = sleep(PATIENCE), if may_be_stale => {}
            }
            let why = match request.source.trouble(local, begin.elapsed()) {
                None => continue,
                Some(Trouble::Unavailable) => StaleReason::Unavailable,
                Some(Trouble::Busy) => StaleReason::Busy,
            };
            let Some(known) = self.stale(why) else { return reply.await };
            waiting.land(FlightResult::Stored(Arc::clone(&known)));
            waiting.end(self.end(None, Ok(Fetched::Stale(known, why))));
            return reply.await;
        }
    }

    fn end(&self, first_byte: Option<Duration>, result: Result<Fetched, Error>) -> FetchEnd {
        FetchEnd {
            server: self.request.server.borrow().clone(),
            attempts: self.request.attempts.as_ref().and_then(AttemptTimes::get),
            first_byte,
            result,
        }
    }

    /// Stores a response whose body is here.
    async fn store_whole(
        &self,
        mut reply: UpstreamResponse,
        (head, mut collector): (StoredHead, BodyCollector),
        waiting: &mut Waiting,
    ) -> Fetched {
        let body = std::mem::take(&mut reply.body);
        let bytes = if let Body::Full(bytes) = body { bytes } else { Bytes::new() };
        if collector.push(&bytes).await
            && let Some(body) = collector.finish().await
        {
            let stored = self.insert(head, body);
            waiting.land(FlightResult::Stored(Arc::clone(&stored)));
            reply.body = Body::from(bytes);
            return Fetched::Stored(stored, Box::new(reply));
        }
        self.pass(NotStoredLabel::TooLong, reply.status, waiting);
        reply.body = Body::from(bytes);
        Fetched::Response(Box::new(reply), Err(NotStoredLabel::TooLong))
    }

    /// Stores a response while its client gets it. It is read to its end also if the client leaves.
    async fn store_while_sent(
        self,
        mut reply: UpstreamResponse,
        (head, mut collector): (StoredHead, BodyCollector),
        mut waiting: Waiting,
    ) {
        let length = reply.fields.length;
        // A response of unknown length may turn out to be too long, and may pause. Nobody waits for it.
        if length.is_none() {
            waiting.land(FlightResult::Unshared);
        }
        let (pieces, receiver) = mpsc::channel(PIECES_AHEAD);
        let sent = Body::stream(FetchedBody::new(receiver, length));
        let mut body = std::mem::replace(&mut reply.body, sent);
        let first_byte = Some(reply.first_byte);
        waiting.end(self.end(first_byte, Ok(Fetched::Response(Box::new(reply), Ok(())))));
        let (mut is_kept, mut left) = (true, length);
        let is_of_bucket = matches!(self.request.source, Source::Bucket(_));
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let is_broken = frame.is_err();
            if let Some(bytes) = frame.as_ref().ok().and_then(Frame::data_ref) {
                is_kept = is_kept && collector.push(bytes).await;
                left = left.map(|left| left.saturating_sub(bytes.len() as u64));
            }
            let is_read = Self::hand_on(&pieces, frame, &mut waiting).await;
            // A bucket limits the requests to it, and not what each of them takes.
            let is_wanted = is_read || is_kept && (!is_of_bucket || waiting.has_others());
            if is_broken || !is_wanted {
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
            waiting.land(FlightResult::Stored(stored));
        } else {
            if is_whole {
                self.forget_known();
            }
            waiting.land(FlightResult::Unshared);
        }
    }

    /// Hands a piece to the client. The others go to the source if the client does not read. Returns whether it has not
    /// disconnected.
    async fn hand_on(
        pieces: &mpsc::Sender<Result<Frame<Bytes>, Error>>,
        frame: Result<Frame<Bytes>, Error>,
        waiting: &mut Waiting,
    ) -> bool {
        let mut sent = pin!(pieces.send(frame));
        match timeout(READ_PATIENCE, &mut sent).await {
            Ok(sent) => sent.is_ok(),
            Err(_) => {
                waiting.land(FlightResult::Unshared);
                sent.await.is_ok()
            }
        }
    }

    /// Drops the stored object that the bucket no longer has. A response of an application may be for one client alone.
    fn forget_known(&self) {
        if let (Source::Bucket(_), Some(known)) = (&self.request.source, &self.known) {
            self.cache.forget(&self.key, known);
        }
    }

    /// Stores a response, in place of one for the same requests.
    fn insert(&self, head: StoredHead, body: StoredBody) -> Arc<StoredResponse> {
        let StoredHead { status, reason, fields, storable, generation } = head;
        let Storable { policy, variant } = storable;
        let (host, target) = (self.request.host(), self.request.target());
        let tags = self.cache.tags(host, target.as_bytes(), caching::response_tags(&fields));
        let fields = with_length_and_date(&caching::stored_fields(&fields, &policy), body.len());
        let parts = StoredParts {
            status,
            reason,
            varying: compress::varying(status, &fields),
            fields,
            policy,
            variant,
            body,
            tags,
            sent: generation,
        };
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
        let fields = caching::stored_fields(&fields, &policy);
        let fields = with_length_and_date(&fields, known.body.len());
        let parts = StoredParts {
            status: known.status,
            reason: known.reason.clone(),
            varying: compress::varying(known.status, &fields),
            fields,
            policy,
            variant: known.variant.clone(),
            body: known.body.clone(),
            tags: known.tags().clone(),
            sent: generation,
        };
        self.cache.replace(self.key.clone(), known, StoredResponse::new(parts))
    }

    /// Returns the stored response if it may be sent although it is stale.
    fn stale(&self, why: StaleReason) -> Option<Arc<StoredResponse>> {
        let limit = self.local.app.plan.cache.stale.as_secs();
        let may = |known: &&Arc<StoredResponse>| known.policy.allows_stale(why, now(), limit);
        self.known.as_ref().filter(may).map(Arc::clone)
    }

    /// Lets all others go, and remembers that there is nothing to wait for.
    fn pass(&self, why: NotStoredLabel, status: StatusCode, waiting: &mut Waiting) {
        self.local.metrics.cache_not_stored(why).add(1);
        if worth_storing::is_lasting(why, status) {
            self.forget_known();
            self.cache.mark_pass(&self.pass_key);
        }
        waiting.land(FlightResult::Unshared);
    }
}

// === impl Waiting ===

impl Waiting {
    /// Returns once the client has disconnected, unless others wait too. A fetch in the background has no client.
    async fn nobody_waits(&mut self) {
        if let Some(client) = &mut self.client {
            client.closed().await;
            if !self.has_others() {
                return;
            }
            self.client = None;
        }
        pending().await
    }

    fn has_others(&self) -> bool {
        self.leader.as_ref().is_some_and(FlightLeader::has_followers)
    }

    /// Gives the client what it waits for, unless it has disconnected or got something already.
    fn end(&mut self, end: FetchEnd) {
        if let Some(client) = self.client.take() {
            drop(client.send(end));
        }
    }

    /// Gives all others what they wait for.
    fn land(&mut self, result: FlightResult) {
        if let Some(leader) = self.leader.take() {
            leader.land(result);
        }
    }
}

fn now() -> u64 {
    date::seconds(SystemTime::now())
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
        all.push(FieldName::Date, b"date", date::format(now()).as_bytes());
    }
    all.set_length(length);
    all.build()
}

/// Whether a response means that the application has failed (RFC 5861, 4).
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
