//! Serves a file. [`resolve`] decides the outcome of the request, and [`respond`] makes its response.
//!
//! [`other_release`] finds a file that is missing here, and [`signature`] checks the URL if it must be signed.

mod other_release;
mod resolve;
mod respond;
mod signature;

use super::{
    own_paths::RequestedFile, request_context::RequestContext, store_kind::StoreKind,
    worker_state::WorkerState,
};
use crate::{error::Error, pipeline::response::Response, plan::MissingFile, telemetry::RouteLabel};

/// Responds with a file of a directory. Returns `None` if the next action shall respond, because there is no such file.
pub(super) async fn serve(
    local: &WorkerState,
    context: &mut RequestContext,
    wanted: RequestedFile<'_>,
    missing: &MissingFile,
) -> Result<Option<Response>, Error> {
    context.route = label(wanted.store_kind);
    let outcome = match missing {
        MissingFile::NotFound => resolve::present(local, context, wanted).await?,
        // Boxed because it is rare, and larger than the other.
        MissingFile::Next | MissingFile::SinglePage(_) => {
            match Box::pin(resolve::resolve(local, context, wanted, missing)).await? {
                Some(outcome) => outcome,
                None => return Ok(None),
            }
        }
    };
    Ok(Some(respond::respond(context, outcome)))
}

/// Responds with one file, or with a 404.
pub(super) async fn serve_one(
    local: &WorkerState,
    context: &mut RequestContext,
    wanted: RequestedFile<'_>,
) -> Result<Response, Error> {
    context.route = label(wanted.store_kind);
    let outcome = resolve::present(local, context, wanted).await?;
    Ok(respond::respond(context, outcome))
}

fn label(store_kind: StoreKind) -> RouteLabel {
    match store_kind {
        StoreKind::Static => RouteLabel::Static,
        StoreKind::Media => RouteLabel::Media,
    }
}
