//! Sends objects of buckets and files of file servers, in place of files. `bucket_client` requests them, and
//! [`respond`] makes the response for the client.

mod respond;

use http::Method;

use super::{
    bucket_client::{BucketClient, ObjectRequest},
    response::Response,
    store_kind::StoreKind,
    worker_state::WorkerState,
};
use crate::{
    error::{Error, FailureKind},
    plan::{BucketObjects, ClientNetwork},
    rfc::request_parts::Headers,
    telemetry::BucketResult,
};

/// The longest key that S3 has, in bytes.
const MAX_KEY: usize = 1024;

/// An object that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantedObject<'a> {
    pub(super) objects: &'a BucketObjects,
    pub(super) store_kind: StoreKind,
    /// The index of the root in its store, whose settings decide the header fields.
    pub(super) root: usize,
    /// Relative to the root, decoded and without dot segments.
    pub(super) name: &'a [u8],
    /// Path and query for a file server, relative to its base.
    pub(super) url: Option<&'a str>,
    /// Whose request it is, for its share of the requests.
    pub(super) client: Option<ClientNetwork>,
}

/// Responds with an object, as GET or HEAD. `headers` are those of the client, for its range and conditions. Returns
/// `None` if there is no such object.
pub(super) async fn fetch(
    local: &WorkerState,
    (method, headers): (&Method, &Headers),
    wanted: WantedObject<'_>,
) -> Result<Option<Response>, Error> {
    let client = local.buckets.get(wanted.objects.bucket);
    let Some(client) = client else { return Err(Error::new(FailureKind::BucketUnavailable)) };
    let Some(key) = key(client, wanted) else { return Ok(None) };
    let metrics = &local.metrics;
    let (_, loop_name) = local.app.loop_token.field();
    let WantedObject { url, client: owner, .. } = wanted;
    let request = ObjectRequest { method, headers, key: &key, url, client: owner, loop_name };
    let found = client.get(request, metrics).await;
    let (result, found) = match found {
        Ok(Some(object)) => (BucketResult::Sent, Ok(Some(object))),
        Ok(None) => (BucketResult::Missing, Ok(None)),
        Err(fault) if fault.result == BucketResult::Denied => {
            if let Some(missed) = local.app.failure_throttle.should_log() {
                let object = client.shown(&key);
                tracing::warn!(
                    %object, missed,
                    "S3 denied access, which becomes 404: the object does not exist and the role lacks s3:ListBucket, \
                     or it lacks s3:GetObject"
                );
            }
            (BucketResult::Denied, Ok(None))
        }
        Err(fault) => (fault.result, Err(fault.into_error(client))),
    };
    metrics.bucket_requests(result).add(1);
    let store = local.app.store(wanted.store_kind);
    found.map(|found| {
        found.map(|object| {
            let head = store.object_head(wanted.root, wanted.name, &object.headers);
            respond::respond(method, object, head)
        })
    })
}

/// Returns the host and path that an object is requested with. Returns `None` if no object can have its key.
pub(super) fn address(local: &WorkerState, wanted: WantedObject<'_>) -> Option<String> {
    let client = local.buckets.get(wanted.objects.bucket)?;
    Some(client.address(&key(client, wanted)?))
}

/// Returns the place where an object is looked for, for events.
pub(super) fn shown(local: &WorkerState, wanted: WantedObject<'_>) -> Option<String> {
    let client = local.buckets.get(wanted.objects.bucket)?;
    Some(client.shown(&key(client, wanted)?))
}

/// Returns the key of an object, if any can have it: UTF-8, and not too long for S3.
fn key(client: &BucketClient, wanted: WantedObject<'_>) -> Option<String> {
    let name = std::str::from_utf8(wanted.name).ok()?;
    let key = format!("{}{name}", wanted.objects.prefix);
    let is_short = key.len() <= MAX_KEY || !client.is_s3();
    (is_short && !key.contains('\0')).then_some(key)
}
