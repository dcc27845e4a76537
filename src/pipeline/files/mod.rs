//! Serves a file: [`lookup`] finds it, [`answer`] decides what of it is sent ([`select`]) and renders
//! that ([`render`]). [`absent`] is for names that stand for nothing here, [`directory`] for those of
//! directories.

mod absent;
mod answer;
mod directory;
mod lookup;
mod render;
mod select;

pub(super) use self::{
    answer::{codings_alone, not_acceptable},
    lookup::{find, is_hidden},
    render::{HeaderSource, render},
    select::select,
};

use http::{HeaderValue, Method, Response, StatusCode, header};

use self::answer::answer;
use super::{family::Family, local::Local, record::Record, reply, route::FileName};
use crate::{
    body::Body,
    error::Error,
    files::Found,
    plan::{Cors, Purpose, Root},
    telemetry::Route,
};

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Answers with a file under one of the prefixes.
pub(super) async fn serve(
    local: &Local,
    record: &mut Record,
    wanted: FileName<'_>,
) -> Result<Response<Body>, Error> {
    record.route = match wanted.family {
        Family::Static => Route::Static,
        Family::Media => Route::Media,
    };
    let store = local.app.store(wanted.family);
    let Some(root) = store.roots().get(wanted.root) else { return Ok(reply::not_found(record)) };
    // Whatever is asked of it: for clients there is nothing here.
    if root.purpose == Purpose::Internal {
        return Ok(absent::missing(record, store, &wanted));
    }
    let method = &record.parts.method;
    if method == Method::OPTIONS {
        return Ok(options(root));
    }
    if method != Method::GET && method != Method::HEAD {
        return Ok(reply::method_not_allowed(record, ALLOW));
    }
    if is_hidden(&wanted.name) {
        return Ok(absent::missing(record, store, &wanted));
    }
    if wanted.name.is_empty() || wanted.name.ends_with(b"/") {
        return directory::index(local, record, root, wanted).await;
    }
    match find(local, record, &wanted).await? {
        Found::File(entry) => {
            absent::count_elsewhere(local, &wanted, &entry);
            Ok(answer(record, &entry, root.rate))
        }
        Found::Directory if root.index.is_some() => {
            Ok(directory::to_directory(record, root, &wanted))
        }
        Found::Directory | Found::Missing => absent::serve(local, record, wanted).await,
    }
}

/// What may be done with a file (RFC 9110, 9.3.7), also in answer to a preflight.
fn options(root: &Root) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(ALLOW));
    if root.cors != Cors::None {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "range, if-range"),
            (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
