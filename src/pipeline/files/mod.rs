//! Serves a file. [`resolve`] decides what comes of the request, [`respond`] makes the response of that.
//!
//! [`lookup`] finds a file and [`other_release`] one that is missing here; [`select`] decides what of it is sent, and
//! [`render`] turns that into a response.

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

use super::{request_context::Record, route::FileName, store_kind::Family, worker_state::Local};
use crate::{error::Error, pipeline::response::Response, telemetry::Route};

/// Answers with a file under one of the prefixes.
pub(super) async fn serve(
    local: &Local,
    record: &mut Record,
    wanted: FileName<'_>,
) -> Result<Response, Error> {
    record.route = match wanted.family {
        Family::Static => Route::Static,
        Family::Media => Route::Media,
    };
    let outcome = resolve::resolve(local, record, wanted).await?;
    Ok(respond::respond(record, outcome))
}
