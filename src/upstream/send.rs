//! Sends one request to the application and gives its reply.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, StatusCode};
use http_body::Body as _;

use super::{
    connect::connect,
    connection::Connection,
    exchange::{Failure, exchange},
    http1::{self, BodyLength, ReplyHead},
    pool::Pool,
    reply::ReplyBody,
    request::{Framing, RequestHead},
    resolve::Resolver,
    upload::Upload,
};
use crate::{
    body::{Body, RequestBody},
    error::Error,
    plan,
    telemetry::Shard,
};

/// A body up to this size is read before the reply goes on: one write to the client instead of
/// two, and the connection is free at once.
const SHORT: u64 = 64 * 1024;
/// A request is sent again at most so often.
const RETRIES: u32 = 2;

/// The application, as one worker sees it.
#[derive(Debug)]
pub struct Upstream {
    plan: plan::Upstream,
    pool: Rc<Pool>,
    resolver: Resolver,
    metrics: Arc<Shard>,
}

/// An answer of the application.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    /// Without hop-by-hop fields.
    pub headers: HeaderMap,
    pub body: Body,
    /// From the start of the attempt that was answered to the head of the answer.
    pub first_byte: Duration,
}

// === impl Upstream ===

impl Upstream {
    /// Opens no connection yet.
    pub fn new(plan: &plan::Upstream, metrics: Arc<Shard>) -> Self {
        Self {
            plan: plan.clone(),
            pool: Rc::new(Pool::new(plan.max_idle, plan.idle_timeout)),
            resolver: Resolver::default(),
            metrics,
        }
    }

    /// Closes connections that have been unused for too long; runs for ever.
    pub async fn reap(&self) {
        self.pool.reap().await;
    }

    /// Sends a request and waits for the head of its reply.
    pub async fn send(
        &self,
        head: &RequestHead<'_>,
        framing: Framing,
        body: RequestBody,
    ) -> Result<Reply, Error> {
        let is_repeatable = framing == Framing::None && head.method.is_idempotent();
        let mut upload = Upload::new(body, framing);
        let mut retries = 0;
        loop {
            // A request that can't be repeated must not meet a connection that is being closed.
            let may_reuse = retries == 0 && (is_repeatable || self.pool.is_proven());
            let mut connection = self.connection(may_reuse).await?;
            let begin = Instant::now();
            http1::encode(&mut connection.output, head, framing, self.pool.is_on());
            let pause = self.plan.read_timeout;
            match exchange(&mut connection, &mut upload, head.method, pause).await {
                Ok(reply) => {
                    if connection.is_reused || reply.says_keep {
                        self.pool.set_proven(true);
                    }
                    let first_byte = begin.elapsed();
                    self.metrics.upstream_first_byte.observe(first_byte);
                    return self.reply(connection, upload, reply, first_byte).await;
                }
                Err(Failure { error, is_silent_close }) => {
                    let is_stale = is_silent_close && connection.is_reused;
                    if is_stale {
                        self.pool.set_proven(false);
                    }
                    if !is_stale || !is_repeatable || retries == RETRIES {
                        return Err(error);
                    }
                    retries += 1;
                    self.metrics.upstream_retries.add(1);
                    upload = upload.again();
                }
            }
        }
    }

    /// A kept connection if allowed and there is one, else a new one.
    async fn connection(&self, may_reuse: bool) -> Result<Connection, Error> {
        if may_reuse && let Some(connection) = self.pool.take() {
            self.metrics.upstream_reused.add(1);
            return Ok(connection);
        }
        match connect(&self.plan, &self.resolver).await {
            Ok(stream) => {
                self.metrics.upstream_opened.add(1);
                Ok(Connection::new(stream))
            }
            Err(error) => {
                self.metrics.upstream_failed.add(1);
                Err(error)
            }
        }
    }

    async fn reply(
        &self,
        connection: Connection,
        upload: Upload,
        head: ReplyHead,
        first_byte: Duration,
    ) -> Result<Reply, Error> {
        let ReplyHead { status, headers, length, keep, is_prompt, .. } = head;
        let pool = Rc::clone(&self.pool);
        let rest = ReplyBody::new(connection, upload, length, pool, self.plan.read_timeout);
        let rest = rest.keep(keep);
        let body = match length {
            BodyLength::None | BodyLength::Exact(0) => Body::from(rest.collect().await?),
            BodyLength::Exact(length) if length <= SHORT && !is_prompt => {
                Body::from(rest.collect().await?)
            }
            BodyLength::Exact(_) | BodyLength::Chunked | BodyLength::UntilClose => {
                debug_assert!(!rest.is_end_stream(), "an empty body has a length");
                Body::stream(rest)
            }
        };
        Ok(Reply { status, headers, body, first_byte })
    }
}
