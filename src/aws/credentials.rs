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

/// How long a request waits for keys of a role: the first ones, or others if AWS has refused those in use.
const KEYS_TIMEOUT: Duration = Duration::from_secs(5);

/// The keys in use, which [`begin_refresh`](Self::begin_refresh) replaces if they are those of a role.
pub struct Credentials {
    source: AwsCredentials,
    keys: watch::Sender<KeysState>,
    has_begun: AtomicBool,
    /// Wakes the task that refreshes the keys: AWS has refused them.
    pub(super) refused: Notify,
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
            refused: Notify::new(),
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

    /// Ends the waiting of requests whose keys AWS has refused. They look whether there are other keys.
    pub(super) fn end_waiting(&self) {
        self.keys.send_modify(|_| {});
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

    /// Returns the keys of this moment, `now` in seconds since 1970. Waits for the first keys of a role only.
    pub async fn current(&self, now: u64) -> KeysState {
        let mut state = self.seen.borrow_mut().latest();
        if matches!(state, KeysState::Pending) {
            let mut receiver = self.receiver.clone();
            let first = receiver.wait_for(|state| !matches!(state, KeysState::Pending));
            state = match timeout(KEYS_TIMEOUT, first).await {
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

    /// Gets other keys than these, which AWS has refused. Returns whether there are any.
    pub async fn replace(&self, refused: &RoleKeys) -> bool {
        if self.credentials.endpoint().is_none() {
            return false;
        }
        let is_other =
            |state: &KeysState| matches!(state, KeysState::Keys(role) if role.keys != refused.keys);
        let mut receiver = self.receiver.clone();
        if is_other(&receiver.borrow_and_update()) {
            return true;
        }
        self.credentials.refused.notify_one();
        // The answer of the endpoint, whatever it is.
        match timeout(KEYS_TIMEOUT, receiver.changed()).await {
            Ok(Ok(())) => is_other(&receiver.borrow()),
            Ok(Err(_)) | Err(_) => false,
        }
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

    #[tokio::test(start_paused = true)]
    async fn refused_keys_are_replaced_by_other_ones_only() {
        let endpoint = CredentialsEndpoint {
            url: "http://127.0.0.1/".into(),
            authorization: EndpointAuthorization::None,
        };
        let credentials = Credentials::new(&AwsCredentials::Endpoint(endpoint));
        let worker = WorkerKeys::new(&credentials);
        let KeysState::Keys(first) = keys("first", None) else { panic!("no keys") };
        credentials.set(KeysState::Keys(Arc::clone(&first)));
        assert!(!worker.replace(&first).await, "no answer in time");
        credentials.refused.notified().await;
        let (has_other, ()) = tokio::join!(worker.replace(&first), async {
            credentials.refused.notified().await;
            credentials.end_waiting();
        });
        assert!(!has_other, "the same keys");
        let (has_other, ()) = tokio::join!(worker.replace(&first), async {
            credentials.refused.notified().await;
            credentials.set(keys("second", None));
        });
        assert!(has_other);
        assert!(worker.replace(&first).await, "they are replaced already");
        credentials.set(KeysState::Unavailable);
        let (has_other, ()) = tokio::join!(worker.replace(&first), async {
            credentials.refused.notified().await;
            credentials.end_waiting();
        });
        assert!(!has_other, "there are none");
    }

    #[tokio::test]
    async fn keys_of_the_settings_are_there_at_once() {
        let unsigned = WorkerKeys::new(&Credentials::new(&AwsCredentials::None));
        assert_eq!(id(&unsigned, 0).await, "Unsigned");
        let KeysState::Keys(role) = keys("fixed", None) else { panic!("no keys") };
        let source = AwsCredentials::Keys(role.keys.clone());
        let fixed = WorkerKeys::new(&Credentials::new(&source));
        assert!(!fixed.replace(&role).await, "nothing has others");
    }
}
