//! The keys that sign requests to buckets, for all workers.

use std::{
    cell::RefCell,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use crate::plan::{AwsCredentials, AwsKeys, CredentialsEndpoint};

/// How long a request waits for the first keys of a role.
const FIRST_KEYS: Duration = Duration::from_secs(5);

/// The keys in use, which [`begin_refresh`](Self::begin_refresh) replaces if they are those of a role.
pub struct Credentials {
    source: AwsCredentials,
    keys: watch::Sender<KeysState>,
    has_begun: AtomicBool,
    /// Wakes the task that refreshes the keys.
    pub(super) expired: Notify,
}

/// The keys at one moment.
#[derive(Clone, Debug)]
pub enum KeysState {
    /// The first keys of the role are on their way.
    Pending,
    /// Requests are not signed.
    Unsigned,
    Keys(Arc<RoleKeys>),
    /// There are none, or the last ones have expired.
    Unavailable,
}

/// Keys with the time at which they expire.
#[derive(Debug, PartialEq, Eq)]
pub struct RoleKeys {
    pub keys: AwsKeys,
    /// Seconds since 1970; `None` for keys that do not expire.
    pub expires: Option<u64>,
}

/// The keys as one worker sees them. Looking at them takes no lock while they stay the same.
#[derive(Debug)]
pub struct WorkerKeys {
    credentials: Arc<Credentials>,
    receiver: watch::Receiver<KeysState>,
    seen: RefCell<SeenKeys>,
}

#[derive(Debug)]
struct SeenKeys {
    receiver: watch::Receiver<KeysState>,
    state: KeysState,
}

// === impl Credentials ===

impl Credentials {
    /// Creates the keys of the plan. Those of a role are pending until [`begin_refresh`](Self::begin_refresh) has them.
    pub fn new(source: &AwsCredentials) -> Arc<Self> {
        let state = match source {
            AwsCredentials::None => KeysState::Unsigned,
            AwsCredentials::Keys(keys) => {
                KeysState::Keys(Arc::new(RoleKeys { keys: keys.clone(), expires: None }))
            }
            AwsCredentials::Endpoint(_) => KeysState::Pending,
        };
        let keys = watch::Sender::new(state);
        Arc::new(Self {
            source: source.clone(),
            keys,
            has_begun: AtomicBool::new(false),
            expired: Notify::new(),
        })
    }

    /// Begins to replace the keys of a role before they expire, unless that has begun. Must be called within a runtime.
    pub fn begin_refresh(self: &Arc<Self>) {
        if self.endpoint().is_some() && !self.has_begun.swap(true, Ordering::Relaxed) {
            drop(tokio::spawn(Self::keep_fresh(Arc::downgrade(self))));
        }
    }

    /// Returns the settings that these keys are from.
    pub fn source(&self) -> &AwsCredentials {
        &self.source
    }

    /// Returns the endpoint that has the keys, if they are those of a role.
    pub(super) fn endpoint(&self) -> Option<&CredentialsEndpoint> {
        match &self.source {
            AwsCredentials::Endpoint(endpoint) => Some(endpoint),
            AwsCredentials::None | AwsCredentials::Keys(_) => None,
        }
    }

    pub(super) fn set(&self, state: KeysState) {
        self.keys.send_replace(state);
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

// === impl WorkerKeys ===

impl WorkerKeys {
    pub fn new(credentials: &Arc<Credentials>) -> Self {
        let receiver = credentials.keys.subscribe();
        let state = receiver.borrow().clone();
        Self {
            credentials: Arc::clone(credentials),
            seen: RefCell::new(SeenKeys { receiver: receiver.clone(), state }),
            receiver,
        }
    }

    /// Returns the keys of this moment, `now` in seconds since 1970. Waits for the first keys of a role, and never after.
    pub async fn current(&self, now: u64) -> KeysState {
        let mut state = self.seen.borrow_mut().latest();
        if matches!(state, KeysState::Pending) {
            let mut receiver = self.receiver.clone();
            let first = receiver.wait_for(|state| !matches!(state, KeysState::Pending));
            state = match timeout(FIRST_KEYS, first).await {
                Ok(Ok(state)) => state.clone(),
                Ok(Err(_)) | Err(_) => KeysState::Unavailable,
            };
        }
        match &state {
            KeysState::Keys(keys) if keys.expires.is_some_and(|end| end <= now) => {
                KeysState::Unavailable
            }
            KeysState::Pending
            | KeysState::Unsigned
            | KeysState::Keys(_)
            | KeysState::Unavailable => state,
        }
    }

    /// Reports that AWS has refused the keys as expired: the next ones are needed at once.
    pub fn report_expired(&self) {
        self.credentials.expired.notify_one();
    }
}

// === impl SeenKeys ===

impl SeenKeys {
    fn latest(&mut self) -> KeysState {
        // `has_changed` compares a number; only a change takes the lock.
        if self.receiver.has_changed().unwrap_or(false) {
            self.state = self.receiver.borrow_and_update().clone();
        }
        self.state.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::EndpointAuthorization;

    fn keys(id: &str, expires: Option<u64>) -> KeysState {
        let (access_key_id, secret_access_key) = (id.to_owned(), "s".to_owned());
        let keys = AwsKeys { access_key_id, secret_access_key, session_token: None };
        KeysState::Keys(Arc::new(RoleKeys { keys, expires }))
    }

    async fn id(worker: &WorkerKeys, now: u64) -> String {
        let state = worker.current(now).await;
        match &state {
            KeysState::Keys(role) => role.keys.access_key_id.clone(),
            KeysState::Pending | KeysState::Unsigned | KeysState::Unavailable => {
                format!("{state:?}")
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn workers_get_replaced_keys_until_they_expire() {
        let endpoint = CredentialsEndpoint {
            url: "http://127.0.0.1/".into(),
            authorization: EndpointAuthorization::None,
        };
        let credentials = Credentials::new(&AwsCredentials::Endpoint(endpoint));
        let worker = WorkerKeys::new(&credentials);
        assert_eq!(id(&worker, 0).await, "Unavailable", "no first keys in time");
        let (first, ()) = tokio::join!(id(&worker, 0), async {
            credentials.set(keys("first", Some(10)));
        });
        assert_eq!(first, "first");
        assert_eq!(id(&worker, 9).await, "first");
        assert_eq!(id(&worker, 10).await, "Unavailable");
        credentials.set(keys("second", None));
        assert_eq!(id(&worker, 10).await, "second");
        credentials.set(KeysState::Unavailable);
        assert_eq!(id(&worker, 10).await, "Unavailable");
    }

    #[tokio::test]
    async fn keys_of_the_settings_are_there_at_once() {
        let unsigned = WorkerKeys::new(&Credentials::new(&AwsCredentials::None));
        assert_eq!(id(&unsigned, 0).await, "Unsigned");
    }
}
