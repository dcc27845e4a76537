//! The verdict of an auth server about a request.

use std::{future::poll_fn, io, pin::Pin};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Body as _;

use crate::{
    body::Body,
    error::{Error, FailureKind},
    pipeline::{
        accel, auth_fields::AuthFields, request_context::RequestContext, response::Response,
        status_page,
    },
    upstream::UpstreamResponse,
};

/// Maximum length of a body that is passed on to the client. Login pages and messages are shorter.
const MAX_BODY: u64 = 64 * 1024;

/// The decision about a request.
#[derive(Debug)]
pub(super) enum Verdict {
    Allowed(AuthFields),
    Denied(Denial),
}

/// The response for a client whose request does not go on.
#[derive(Debug)]
pub(super) struct Denial {
    status: StatusCode,
    headers: HeaderMap,
    /// `None` if it is too long.
    body: Option<Bytes>,
}

// === impl Verdict ===

impl Verdict {
    /// Reads a response. `chosen` are the fields for the application.
    pub(super) async fn read(
        response: UpstreamResponse,
        chosen: &[HeaderName],
    ) -> Result<Self, Error> {
        let status = response.status;
        let mut headers = response.fields.to_map();
        // They would be for a server in front of an application.
        drop(accel::take(&mut headers));
        match status.as_u16() {
            200..=299 => {
                // Read so that the connection can be reused. What it says does not matter.
                read_short(response.body).await?;
                Ok(Self::Allowed(AuthFields::of(&headers, chosen)))
            }
            301 | 302 | 303 | 307 | 308 if !headers.contains_key(header::LOCATION) => Err(failed(
                &format!("its response with status {} has no Location", status.as_u16()),
            )),
            301 | 302 | 303 | 307 | 308 | 401 | 403 => {
                let body = read_short(response.body).await?;
                Ok(Self::Denied(Denial { status, headers, body }))
            }
            other => Err(failed(&format!("its response has status {other}"))),
        }
    }
}

fn failed(fault: &str) -> Error {
    Error::io(FailureKind::AuthServerFailed, io::Error::other(fault))
}

/// Reads a body; returns `None` if it is longer than [`MAX_BODY`].
async fn read_short(mut body: Body) -> Result<Option<Bytes>, Error> {
    if body.size_hint().lower() > MAX_BODY {
        return Ok(None);
    }
    let mut read = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if (read.len() + data.len()) as u64 > MAX_BODY {
            return Ok(None);
        }
        read.extend_from_slice(&data);
    }
    Ok(Some(read.freeze()))
}

// === impl Denial ===

impl Denial {
    /// Makes the response for the client. A page of Sideman replaces a body that is too long.
    pub(super) fn respond(self, context: &RequestContext) -> Response {
        let Self { status, mut headers, body } = self;
        let Some(body) = body else {
            let mut response = status_page::denied(context, status);
            let kept = [header::LOCATION, header::WWW_AUTHENTICATE, header::SET_COOKIE];
            for name in kept {
                for value in headers.get_all(&name) {
                    response.head.headers.append(&name, value.clone());
                }
            }
            return response;
        };
        if !headers.contains_key(header::CACHE_CONTROL) {
            // It is about this client, and caches may keep a 301 without being told so.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut response = Response::new(status, Body::from(body));
        response.head.headers = headers;
        response
    }
}
