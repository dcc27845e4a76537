//! A bucket, or a file server, as one worker sees it.

use std::{
    io,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::{sleep, timeout};

use super::{
    request::{self, ObjectRequest},
    verdict::{self, Remedy, Verdict},
};
use crate::{
    aws::{self, Credentials, KeysState, RoleKeys, WorkerKeys},
    body::{Body, RequestBody},
    error::{Error, FailureKind},
    pipeline::origin_permits::{OriginBusy, OriginPermit, OriginPermits},
    plan::{BucketProtocol, BucketSettings},
    rfc::{
        conditional::{self, Validators},
        date,
        request_parts::Headers,
    },
    telemetry::{BucketResult, WorkerMetrics},
    upstream::{
        Backends, QueueClock, RequestFraming, RequestOrigin, RequestTimeouts, SendNotes,
        UpstreamClient, UpstreamRequestHead, UpstreamResponse,
    },
};

/// The maximum number of concurrent requests to a bucket, for each worker. One runs until its client has the object.
const MAX_CONCURRENT: usize = 256;
/// The pauses before a request is repeated; a random half is added to each.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
/// The limits of reading the document about an error.
const ERROR_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_ERROR: usize = 16 * 1024;

/// A bucket.
#[derive(Debug)]
pub(in crate::pipeline) struct BucketClient {
    settings: BucketSettings,
    server: Rc<UpstreamClient>,
    credentials: Arc<Credentials>,
    keys: WorkerKeys,
    permits: OriginPermits,
}

/// A response of a bucket that is for the client.
pub(in crate::pipeline) struct FoundObject {
    pub(in crate::pipeline) status: StatusCode,
    pub(in crate::pipeline) headers: HeaderMap,
    pub(in crate::pipeline) body: Body,
}

/// Why there is no response for the client.
#[derive(Debug)]
pub(in crate::pipeline) struct BucketFault {
    pub(in crate::pipeline) result: BucketResult,
    /// What happened, and what to do.
    text: String,
}

/// What one attempt has led to.
enum AttemptResult {
    Found(Box<UpstreamResponse>),
    Missing,
    Retry(BucketFault),
    /// These keys are not valid.
    KeysRefused(BucketFault, Arc<RoleKeys>),
    Fault(BucketFault),
}

// === impl BucketClient ===

impl BucketClient {
    /// Creates the client. Must be called on a worker's thread.
    pub(in crate::pipeline) fn start(
        settings: &BucketSettings,
        backends: &Arc<Backends>,
        credentials: &Arc<Credentials>,
    ) -> Rc<Self> {
        // These requests have metrics of their own.
        let server = UpstreamClient::start(&settings.server, backends, Arc::default());
        Rc::new(Self {
            settings: settings.clone(),
            server,
            credentials: Arc::clone(credentials),
            keys: WorkerKeys::new(credentials),
            permits: OriginPermits::new(MAX_CONCURRENT),
        })
    }

    /// Whether `start` would create an equal client from these settings.
    pub(in crate::pipeline) fn is_like(
        &self,
        settings: &BucketSettings,
        backends: &Arc<Backends>,
        credentials: &Arc<Credentials>,
    ) -> bool {
        self.settings == *settings
            && self.server.is_like(&settings.server, backends)
            && Arc::ptr_eq(&self.credentials, credentials)
    }

    /// Returns the URL of an object, for events.
    pub(in crate::pipeline) fn shown(&self, key: &str) -> String {
        format!("{}/{}", self.settings.url, key.escape_debug())
    }

    /// Returns the host and path that an object is requested with.
    pub(in crate::pipeline) fn address(&self, key: &str) -> String {
        format!("{}{}", self.settings.host, request::target(&self.settings, key, None))
    }

    pub(in crate::pipeline) fn is_s3(&self) -> bool {
        self.settings.protocol != BucketProtocol::Http
    }

    /// Requests an object. Returns `None` if there is none.
    pub(in crate::pipeline) async fn get(
        &self,
        wanted: ObjectRequest<'_>,
        metrics: &WorkerMetrics,
    ) -> Result<Option<FoundObject>, BucketFault> {
        let permit = self.permits.acquire(wanted.client).map_err(BucketFault::busy)?;
        let ObjectRequest { method, headers, key, url, .. } = wanted;
        let target = request::target(&self.settings, key, url);
        let mut range = request::range(method, headers);
        let mut pauses = PAUSES.into_iter();
        let mut has_new_keys = false;
        loop {
            match self.attempt((wanted, &target), range).await {
                AttemptResult::Found(response) => {
                    let fields = response.fields.to_map();
                    if range.is_some() && !is_range_allowed(headers, response.status, &fields) {
                        range = None;
                        continue;
                    }
                    return Ok(Some(self.found(*response, fields, permit)));
                }
                AttemptResult::Missing => return Ok(None),
                AttemptResult::Fault(fault) => return Err(fault),
                AttemptResult::KeysRefused(fault, keys) => {
                    if has_new_keys || !self.keys.replace(&keys).await {
                        return Err(fault);
                    }
                    has_new_keys = true;
                    metrics.bucket_retries.add(1);
                }
                AttemptResult::Retry(fault) => match pauses.next() {
                    Some(pause) => {
                        metrics.bucket_retries.add(1);
                        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(0);
                        sleep(pause + Duration::from_millis(fastrand::u64(..=half))).await;
                    }
                    None => return Err(fault),
                },
            }
        }
    }

    fn found(
        &self,
        response: UpstreamResponse,
        headers: HeaderMap,
        permit: OriginPermit,
    ) -> FoundObject {
        let url = self.settings.url.clone();
        let explain = move |error| {
            let cause = io::Error::other(format!("{url}: {error}"));
            Error::io(FailureKind::BucketUnavailable, cause)
        };
        FoundObject { status: response.status, headers, body: permit.hold(response.body, explain) }
    }

    async fn attempt(
        &self,
        (wanted, target): (ObjectRequest<'_>, &str),
        range: Option<&[u8]>,
    ) -> AttemptResult {
        let now = date::seconds(SystemTime::now());
        let keys = match self.is_s3() {
            true => self.keys.current(now).await,
            false => KeysState::Unsigned,
        };
        let keys = match keys {
            KeysState::Unsigned => None,
            KeysState::Keys(keys) => Some(keys),
            KeysState::Pending | KeysState::Unavailable => {
                let text = "there are no valid keys: the endpoint of the role has given none, or they have expired";
                let result = BucketResult::Credentials;
                return AttemptResult::Fault(BucketFault { result, text: text.into() });
            }
        };
        let signed_by = keys.as_deref();
        let sent = self.send((wanted.method, target), wanted, range, (signed_by, now)).await;
        let response = match sent {
            Ok(response) => response,
            // A client has waited for long, and would wait as long again.
            Err(error) if error.kind() == FailureKind::UpstreamReadTimeout => {
                return AttemptResult::Fault(BucketFault::unavailable(&error));
            }
            Err(error) => return AttemptResult::Retry(BucketFault::unavailable(&error)),
        };
        let has_condition = request::has_condition(wanted.headers);
        if verdict::is_for_client(response.status, range.is_some(), has_condition) {
            return AttemptResult::Found(Box::new(response));
        }
        // A response of S3 to HEAD has no body that could say why.
        let tells_nothing = self.is_s3()
            && *wanted.method == Method::HEAD
            && matches!(response.status, StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST);
        let response = match tells_nothing {
            true => {
                let first = Some(b"bytes=0-0".as_slice());
                match self.send((&Method::GET, target), wanted, first, (signed_by, now)).await {
                    Ok(response) => response,
                    Err(error) => return AttemptResult::Retry(BucketFault::unavailable(&error)),
                }
            }
            false => response,
        };
        self.judge(response, keys, now).await
    }

    async fn send(
        &self,
        (method, target): (&Method, &str),
        wanted: ObjectRequest<'_>,
        range: Option<&[u8]>,
        keys: (Option<&RoleKeys>, u64),
    ) -> Result<UpstreamResponse, Error> {
        let settings = &self.settings;
        let fields = request::fields(settings, (method, target), (wanted, range), keys);
        let fields =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let origin = RequestOrigin {
            client: "",
            client_port: None,
            scheme: "http",
            host: settings.host.as_bytes(),
            port: 0,
            version: Version::HTTP_11,
            script_name: "",
        };
        let head = UpstreamRequestHead { method, target, fields, origin };
        let notes = SendNotes {
            client: None,
            queue: &QueueClock::default(),
            attempts: None,
            server: None,
            timeouts: RequestTimeouts::default(),
            interim: None,
        };
        self.server.send(&head, RequestFraming::None, RequestBody::empty(), notes).await
    }

    /// Judges a response that is not for the client. `keys` have signed the request.
    async fn judge(
        &self,
        response: UpstreamResponse,
        keys: Option<Arc<RoleKeys>>,
        now: u64,
    ) -> AttemptResult {
        let (status, fields) = (response.status, response.fields.to_map());
        let document = Limited::new(response.body, MAX_ERROR).collect();
        let document = match timeout(ERROR_TIMEOUT, document).await {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(_)) | Err(_) => bytes::Bytes::new(),
        };
        let code = aws::error_code(&document).filter(|_| self.is_s3());
        let said = match code {
            Some(code) => format!("{} {code}", status.as_u16()),
            None => format!("status {}", status.as_u16()),
        };
        let verdict = match self.is_s3() {
            true => verdict::judge(status, code),
            false => verdict::judge_server(status),
        };
        match verdict {
            Verdict::Missing => AttemptResult::Missing,
            Verdict::Retry => {
                AttemptResult::Retry(BucketFault { result: BucketResult::Unavailable, text: said })
            }
            Verdict::Fault(result, remedy) => {
                let details = details(remedy, (&fields, &document), now);
                let text = format!("{said}: {}{details}", remedy.text());
                let fault = BucketFault { result, text };
                match keys.filter(|_| result == BucketResult::Credentials) {
                    Some(keys) => AttemptResult::KeysRefused(fault, keys),
                    None => AttemptResult::Fault(fault),
                }
            }
        }
    }
}

/// Returns what else a response says about a fault.
fn details(remedy: Remedy, (fields, document): (&HeaderMap, &[u8]), now: u64) -> String {
    let text = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
    if remedy == Remedy::Clock
        && let Some(theirs) = text("date").and_then(date::parse)
    {
        return match now >= theirs {
            true => format!(" (it is {} s ahead of that of S3)", now - theirs),
            false => format!(" (it is {} s behind that of S3)", theirs - now),
        };
    }
    if remedy == Remedy::Region
        && let Some(region) = text("x-amz-bucket-region").or_else(|| aws::error_region(document))
    {
        return format!(" (it is {})", region.escape_debug());
    }
    String::new()
}

/// Whether the part that a bucket has sent is of the version that the client has another part of (RFC 9110, 13.1.5). A
/// range that the object does not have may be one of another version too.
fn is_range_allowed(headers: &Headers, status: StatusCode, fields: &HeaderMap) -> bool {
    if !matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE) {
        return true;
    }
    let text = |name| fields.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let etag = text(header::ETAG);
    let modified = text(header::LAST_MODIFIED).and_then(date::parse);
    let now = date::seconds(SystemTime::now());
    conditional::range_allowed(headers, Validators { etag, modified }, now)
}

// === impl BucketFault ===

impl BucketFault {
    fn busy(busy: OriginBusy) -> Self {
        let text = match busy {
            OriginBusy::All(most) => format!("this worker has {most} requests in flight to it"),
            OriginBusy::Client(most) => {
                format!("this client has {most} requests of a worker in flight to it")
            }
        };
        Self { result: BucketResult::Limited, text }
    }

    fn unavailable(error: &Error) -> Self {
        Self { result: BucketResult::Unavailable, text: error.to_string() }
    }

    /// Returns the error of the request, which names the bucket.
    pub(in crate::pipeline) fn into_error(self, client: &BucketClient) -> Error {
        let kind = match self.result {
            BucketResult::Credentials => FailureKind::BucketCredentials,
            BucketResult::Refused => FailureKind::BucketRefused,
            BucketResult::Sent
            | BucketResult::Missing
            | BucketResult::Denied
            | BucketResult::Unavailable => FailureKind::BucketUnavailable,
            BucketResult::Limited => FailureKind::BucketBusy,
        };
        let BucketSettings { url, server, .. } = &client.settings;
        let text = format!("{url} at {}: {}", server.names(), self.text);
        Error::io(kind, io::Error::other(text))
    }
}
