//! Gets the keys of a role from the endpoint of the container platform, ahead of the expiry of those in use.

use std::{
    fs, io,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout, timeout_at},
};

use super::{
    credentials::{Credentials, KeysState, RoleKeys},
    role_keys,
};
use crate::{
    outgoing::{Authorities, Bounds, HttpClient, OutgoingError},
    plan::{CredentialsEndpoint, EndpointAuthorization},
    rfc::date,
};

/// How long before they expire the keys are replaced.
const AHEAD: u64 = 5 * 60;
/// The longest time between two looks at the clock, which may be set, or stand still in a machine that sleeps.
const LOOK: Duration = Duration::from_secs(60);
/// The pause before keys are asked for that are due, and between two times because AWS has refused them.
const MIN_PAUSE: Duration = Duration::from_secs(5);
/// Pauses after failures: the first, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The limits of one request.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), max_response: 64 * 1024 };
/// The longest token in a file, in bytes. One of Kubernetes has about 1,000.
const MAX_TOKEN: u64 = 16 * 1024;

// === impl Credentials ===

impl Credentials {
    /// Replaces the keys of a role before they expire, until the credentials are dropped. Returns at once if they are
    /// not those of a role.
    pub(super) async fn keep_fresh(credentials: Weak<Self>) {
        let mut client: Option<HttpClient> = None;
        let mut pause = BACKOFF.0;
        let mut in_use: Option<Arc<RoleKeys>> = None;
        let mut were_refused = false;
        loop {
            let Some(shared) = credentials.upgrade() else { return };
            let Some(endpoint) = shared.endpoint() else { return };
            let now = date::seconds(SystemTime::now());
            match ask(&mut client, endpoint).await {
                Ok(role) if role.expires.is_some_and(|end| end <= now) => {
                    fail(&shared, "its keys have expired already", in_use.as_deref(), now);
                    pause = (pause * 2).min(BACKOFF.1);
                }
                Ok(role) => {
                    let role = Arc::new(role);
                    let is_new = in_use.as_deref() != Some(&*role);
                    if is_new {
                        let expires = role.expires.map(date::format);
                        let endpoint = shown(endpoint);
                        tracing::info!(endpoint, expires, "got AWS credentials");
                        shared.set(KeysState::Keys(Arc::clone(&role)));
                    }
                    pause = BACKOFF.0;
                    in_use = Some(role);
                }
                Err(fault) => {
                    fail(&shared, &fault, in_use.as_deref(), now);
                    pause = (pause * 2).min(BACKOFF.1);
                }
            }
            shared.end_waiting();
            drop(shared);
            let answered = Instant::now();
            were_refused = match &in_use {
                Some(role) if pause == BACKOFF.0 => {
                    let not_before = if were_refused { answered + MIN_PAUSE } else { answered };
                    wait_until_due(&credentials, role, not_before).await
                }
                Some(_) | None => {
                    pause_until(&credentials, answered + pause).await;
                    false
                }
            };
        }
    }
}

/// Returns the URL of an endpoint without its path, which may be a secret.
fn shown(endpoint: &CredentialsEndpoint) -> &str {
    let url = &endpoint.url;
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url.get(authority..).and_then(|rest| rest.find('/'));
    path.and_then(|at| url.get(..authority + at)).unwrap_or(url)
}

/// Logs a failure. Keys in use are kept until they expire.
fn fail(credentials: &Credentials, fault: &str, in_use: Option<&RoleKeys>, now: u64) {
    let endpoint = credentials.endpoint().map(shown);
    let expires = in_use.and_then(|role| role.expires);
    if in_use.is_some() && expires.is_none_or(|end| end > now) {
        let expires = expires.map(date::format);
        tracing::warn!(
            endpoint,
            fault,
            expires,
            "cannot refresh AWS credentials, keeping the current ones"
        );
        return;
    }
    credentials.set(KeysState::Unavailable);
    tracing::error!(
        endpoint,
        fault,
        "there are no AWS credentials, so that requests for files in buckets get 503; check the role of the task or pod"
    );
}

/// Waits until the keys must be replaced, or AWS has refused them, from `not_before` on. Returns whether it has.
async fn wait_until_due(
    credentials: &Weak<Credentials>,
    role: &RoleKeys,
    not_before: Instant,
) -> bool {
    loop {
        let now = date::seconds(SystemTime::now());
        let left = role.expires.map(|end| end.saturating_sub(now).saturating_sub(AHEAD));
        let left = left.map_or(LOOK, Duration::from_secs);
        let Some(shared) = credentials.upgrade() else { return false };
        if timeout(left.min(LOOK), shared.refused.notified()).await.is_ok() {
            if Instant::now() >= not_before {
                return true;
            }
            shared.end_waiting();
        } else if left <= LOOK && role.expires.is_some() {
            // Keys with a short life are not asked for without end.
            pause_until(credentials, Instant::now() + MIN_PAUSE).await;
            return false;
        }
    }
}

/// Waits. Requests whose keys AWS refuses meanwhile get no others.
async fn pause_until(credentials: &Weak<Credentials>, end: Instant) {
    while let Some(shared) = credentials.upgrade()
        && timeout_at(end, shared.refused.notified()).await.is_ok()
    {
        shared.end_waiting();
    }
}

/// Asks an endpoint for keys. A fault has no part of a key or a token.
async fn ask(
    client: &mut Option<HttpClient>,
    endpoint: &CredentialsEndpoint,
) -> Result<RoleKeys, String> {
    let fault = |error: OutgoingError| error.to_string();
    let client = match client {
        Some(client) => client,
        none => none.insert(HttpClient::new(Authorities::Public).map_err(fault)?),
    };
    let mut request = Request::get(&*endpoint.url)
        .body(Bytes::new())
        .map_err(|_| "its URL is not valid".to_owned())?;
    if let Some(token) = authorization(&endpoint.authorization).await? {
        request.headers_mut().insert(header::AUTHORIZATION, token);
    }
    let response = client.send(request, BOUNDS).await.map_err(fault)?;
    if !response.status().is_success() {
        return Err(format!("it responded with the status {}", response.status().as_u16()));
    }
    role_keys::read(response.body()).map_err(str::to_owned)
}

/// Returns the value of `Authorization`.
async fn authorization(
    authorization: &EndpointAuthorization,
) -> Result<Option<HeaderValue>, String> {
    let token = match authorization {
        EndpointAuthorization::None => return Ok(None),
        EndpointAuthorization::Token(token) => token.clone(),
        EndpointAuthorization::File(path) => {
            let file = path.clone();
            let read = spawn_blocking(move || read_token(&file)).await;
            let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
            read.map_err(|error| format!("cannot read the token in {}: {error}", path.display()))?
        }
    };
    let mut value = HeaderValue::from_str(token.trim())
        .map_err(|_| "the authorization token has characters that no header may have".to_owned())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn read_token(path: &std::path::Path) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(fs::File::open(path)?, MAX_TOKEN), &mut text)?;
    Ok(text)
}
