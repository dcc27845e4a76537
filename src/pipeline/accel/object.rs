//! Sends the object of a bucket, or the file of a file server, that the application names. The application's worker is
//! free meanwhile.

use http::{HeaderMap, StatusCode};

use super::{directives::AccelDirectives, merge_headers, request};
use crate::{
    error::Error,
    pipeline::{
        bucket::{self, WantedObject},
        request_context::RequestContext,
        response::Response,
        worker_state::WorkerState,
    },
};

/// Responds with the object, whose header fields are merged with the application's. Returns `None` if there is none.
pub(super) async fn serve(
    local: &WorkerState,
    context: &RequestContext,
    wanted: WantedObject<'_>,
    (directives, upstream_headers): (&AccelDirectives, &HeaderMap),
) -> Result<Option<Response>, Error> {
    let mut coding_alone = None;
    let request = request::of_file(&context.parts, &mut coding_alone);
    let Some(mut response) = bucket::fetch(local, request, wanted).await? else { return Ok(None) };
    if matches!(response.head.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        merge_headers::merge_into_file(&mut response.head.headers, upstream_headers);
        directives.set_charset(&mut response.head.headers);
    } else {
        if response.head.status == StatusCode::NOT_MODIFIED {
            merge_headers::leave_to_application(&mut response.head.headers, upstream_headers);
        }
        merge_headers::merge_into_status(&mut response, upstream_headers);
    }
    Ok(Some(response))
}
