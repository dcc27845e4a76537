//! Serves a file. [`resolve`] decides the outcome of the request, and [`respond`] makes its response.
//!
//! [`lookup`] finds a file and [`other_release`] one that is missing here. [`mod@select`] decides which part of it to
//! send, and [`mod@render`] makes the response from that.

mod lookup;
mod other_release;
mod render;
mod resolve;
mod respond;
mod select;

pub(super) use self::{
    lookup::{find, is_hidden},
    render::{HeaderSource, render},
    select::select,
};

use super::{
    request_context::RequestContext, route::RequestedFile, store_kind::StoreKind,
    worker_state::WorkerState,
};
use crate::{error::Error, pipeline::response::Response, telemetry::RouteLabel};

/// Responds with a file under one of the prefixes.
pub(super) async fn serve(
    local: &WorkerState,
    context: &mut RequestContext,
    wanted: RequestedFile<'_>,
) -> Result<Response, Error> {
    context.route = match wanted.store_kind {
        StoreKind::Static => RouteLabel::Static,
        StoreKind::Media => RouteLabel::Media,
    };
    let outcome = resolve::resolve(local, context, wanted).await?;
    Ok(respond::respond(context, outcome))
}
