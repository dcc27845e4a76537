//! Checks the passwords of users. A check may take half a second, so it runs on a few threads of its own
//! ([`hash_threads`]), and each worker remembers the result for a while ([`verdicts`]). Each client may fail a few
//! times, then only slowly.
//!
//! A verdict belongs to a name, a password and the stored hash ([`users`]). Whoever changes or removes a user changes
//! the hash, so no verdict outlives the settings that it was made with. A tag is stored in place of the three, made
//! with a key that only this process has.

mod apr1;
mod hash_threads;
mod users;
mod verdicts;
mod verify;

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use aws_lc_rs::{hmac, rand};
use tokio::{
    sync::{oneshot, watch},
    task::spawn_local,
};
use zeroize::Zeroizing;

pub(super) use self::users::UserTable;
use self::{
    hash_threads::{HashThreads, Job},
    users::Account,
    verdicts::{Tag, Verdicts},
};
use super::rate_limiter::RateLimiter;
use crate::{
    plan::{ClientNetwork, RateLimit, RateLimitKey},
    rfc::basic_auth::Credentials,
    telemetry::WorkerMetrics,
};

/// A client may fail this often at once.
const FAILURES: u32 = 10;
/// After that, it may fail once in this time.
const FAILURE_INTERVAL: Duration = Duration::from_secs(5);

/// The part that all workers share. It stays the same on a reload.
#[derive(Debug)]
pub(super) struct PasswordChecker {
    key: hmac::Key,
    failures: OnceLock<RateLimiter>,
    threads: OnceLock<HashThreads>,
}

/// The logins of one worker.
#[derive(Debug)]
pub(super) struct Logins {
    checker: Arc<PasswordChecker>,
    verdicts: RefCell<Verdicts>,
    /// The checks that are not done yet. Requests with the same credentials wait for the same check.
    running: RefCell<HashMap<Tag, watch::Receiver<Option<bool>>>>,
    metrics: Arc<WorkerMetrics>,
}

/// Why a password was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckRefused {
    /// The client has failed too often. It may try again after so many seconds.
    TooManyFailures(u32),
    /// Too many checks wait already, or this one has waited for too long.
    Busy,
}

// === impl PasswordChecker ===

impl PasswordChecker {
    /// Creates a checker. It has neither threads nor a table until the first check.
    pub(super) fn new() -> Arc<Self> {
        let mut key = Zeroizing::new([0; 32]);
        // Without randomness there would be no TLS either.
        let filled = rand::fill(key.as_mut());
        if filled.is_err() {
            tracing::error!("the system has no random numbers");
        }
        Arc::new(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
            failures: OnceLock::new(),
            threads: OnceLock::new(),
        })
    }

    fn failures(&self) -> &RateLimiter {
        self.failures.get_or_init(|| {
            RateLimiter::new(&RateLimit {
                requests: 1,
                period: FAILURE_INTERVAL,
                burst: FAILURES - 1,
                key: RateLimitKey::Client,
                is_global: false,
            })
        })
    }

    /// Returns the tag of an attempt to log in.
    fn tag(&self, account: Account<'_>, credentials: &Credentials) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        let (name, hash) = (credentials.name(), account.hash.text.as_bytes());
        for part in [&[u8::from(account.is_known)], name, hash, credentials.password()] {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let mut tag = Tag::default();
        tag.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        tag
    }
}

// === impl Logins ===

impl Logins {
    pub(super) fn new(checker: &Arc<PasswordChecker>, metrics: &Arc<WorkerMetrics>) -> Rc<Self> {
        Rc::new(Self {
            checker: Arc::clone(checker),
            verdicts: RefCell::default(),
            running: RefCell::default(),
            metrics: Arc::clone(metrics),
        })
    }

    /// Whether these credentials are those of a user. An unknown user costs the same time as a known one. `client` is
    /// `None` if its failures must not be counted.
    pub(super) async fn check(
        self: &Rc<Self>,
        users: &UserTable,
        credentials: &Credentials,
        client: Option<ClientNetwork>,
    ) -> Result<bool, CheckRefused> {
        let Some(account) = users.account(credentials.name()) else { return Ok(false) };
        let tag = self.checker.tag(account, credentials);
        if let Some(is_right) = self.verdicts.borrow_mut().get(&tag, Instant::now()) {
            return Ok(is_right);
        }
        let running = self.running.borrow().get(&tag).cloned();
        let mut verdict = match running {
            Some(verdict) => verdict,
            None => self.begin(tag, account, credentials, client)?,
        };
        match verdict.wait_for(Option::is_some).await {
            Ok(verdict) => Ok(*verdict == Some(true)),
            // It waited for too long.
            Err(_) => Err(CheckRefused::Busy),
        }
    }

    /// Begins a check. It ends even if all clients that wait for it disconnect, so that they need not begin anew.
    fn begin(
        self: &Rc<Self>,
        tag: Tag,
        account: Account<'_>,
        credentials: &Credentials,
        client: Option<ClientNetwork>,
    ) -> Result<watch::Receiver<Option<bool>>, CheckRefused> {
        // A check counts as a failure until it succeeds, so that many at once do not pass before the first has failed.
        if let Some(client) = client {
            let decision = self.checker.failures().check(client, Instant::now());
            if decision.has_evicted {
                self.metrics.rate_limit_evictions.add(1);
            }
            if let Some(seconds) = decision.retry_after {
                return Err(CheckRefused::TooManyFailures(seconds));
            }
        }
        let (reply, result) = oneshot::channel();
        let job = Job {
            hash: account.hash.clone(),
            is_known: account.is_known,
            password: Zeroizing::new(credentials.password().to_vec()),
            queued: Instant::now(),
            reply,
        };
        if !self.checker.threads.get_or_init(HashThreads::start).submit(job) {
            self.forget_failure(client);
            return Err(CheckRefused::Busy);
        }
        self.metrics.password_checks.add(1);
        let (sender, verdict) = watch::channel(None);
        self.running.borrow_mut().insert(tag, verdict.clone());
        let logins = Rc::clone(self);
        drop(spawn_local(async move {
            let result = result.await;
            logins.running.borrow_mut().remove(&tag);
            if result != Ok(false) {
                logins.forget_failure(client);
            }
            if let Ok(is_right) = result {
                logins.verdicts.borrow_mut().insert(tag, is_right, Instant::now());
                sender.send_replace(Some(is_right));
            }
        }));
        Ok(verdict)
    }

    fn forget_failure(&self, client: Option<ClientNetwork>) {
        if let Some(client) = client {
            self.checker.failures().take_back(client, Instant::now());
        }
    }
}
