//! The application of the demo: the part that Django plays elsewhere. Speaks HTTP/1.1 to whoever
//! connects, which should be Sideman alone, and answers each path with a page of `pages`.

use std::{convert::Infallible, future::poll_fn, net::SocketAddr, pin::Pin, time::Duration};

use http::{
    HeaderMap, Method, StatusCode,
    header::{self, HeaderValue},
    request::Parts,
};
use http_body::Body as _;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::{
    body::{Body, Events},
    multipart::Form,
    pages::{self, Framing, Upload, Visit},
};

/// The longest that the slow page takes.
const MAX_SLOW: f64 = 10.0;
/// The most that an upload may hold.
const MAX_UPLOAD: u64 = 64 * 1024 * 1024;
/// Beats of the event stream.
const BEATS: u32 = 60;
/// How long to look away when a connection cannot be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The pages bring nothing but what is on this site, and no script or style within them.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The pages that are only read.
enum Page {
    Home,
    Slow,
    Upload,
    Events,
    EventStream,
    Files,
    Status(StatusCode),
}

/// Answers connections until it is dropped.
pub(super) async fn serve(listener: TcpListener) {
    let address = listener.local_addr().ok();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the demo's application could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Sideman says when its pages are small and quick; Nagle's wait would only blur that.
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let service =
                service_fn(
                    |request| async move { Ok::<_, Infallible>(answer(request, address).await) },
                );
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the demo's application broke");
            }
        });
    }
}

async fn answer(request: Request<Incoming>, address: Option<SocketAddr>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let visit = Visit::new(&parts, address);
    let path = parts.uri.path();
    match (path, &parts.method) {
        ("/request", _) => show_request(&visit, &parts),
        ("/upload", &Method::POST) => upload(&visit, &parts, body).await,
        ("/upload", method) if !is_read(method) => not_allowed(&visit, "GET, HEAD, POST"),
        (_, method) if !is_read(method) && find(&parts).is_some() => {
            not_allowed(&visit, "GET, HEAD")
        }
        _ => match find(&parts) {
            Some(Page::Home) => page(StatusCode::OK, pages::home(&visit)),
            Some(Page::Slow) => slow(&visit, &parts).await,
            Some(Page::Upload) => page(StatusCode::OK, pages::upload_form(&visit, MAX_UPLOAD)),
            Some(Page::Events) => page(StatusCode::OK, pages::events(&visit, BEATS)),
            Some(Page::EventStream) => event_stream(&parts.headers),
            Some(Page::Files) => page(StatusCode::OK, pages::files(&visit)),
            Some(Page::Status(status)) => page(status, pages::status(&visit, status)),
            None => page(StatusCode::NOT_FOUND, pages::missing(&visit)),
        },
    }
}

fn find(parts: &Parts) -> Option<Page> {
    match parts.uri.path() {
        "/" => Some(Page::Home),
        "/slow" => Some(Page::Slow),
        "/upload" => Some(Page::Upload),
        "/events" => Some(Page::Events),
        "/events/stream" => Some(Page::EventStream),
        "/files" => Some(Page::Files),
        path => {
            let status = path.strip_prefix("/status/")?.parse().ok()?;
            (400..=599)
                .contains(&status)
                .then(|| StatusCode::from_u16(status).ok())?
                .map(Page::Status)
        }
    }
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn show_request(visit: &Visit, parts: &Parts) -> Response<Body> {
    let mut response = if wants_html(&parts.headers) {
        page(StatusCode::OK, pages::request(visit, parts))
    } else {
        text(StatusCode::OK, pages::request_text(parts))
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

async fn slow(visit: &Visit, parts: &Parts) -> Response<Body> {
    let query = parts.uri.query().unwrap_or_default();
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("seconds="));
    let Some(asked) = asked else {
        return page(StatusCode::OK, pages::slow(visit, None));
    };
    match asked.parse::<f64>() {
        Ok(seconds) if (0.0..=MAX_SLOW).contains(&seconds) => {
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            page(StatusCode::OK, pages::slow(visit, Some(seconds)))
        }
        _ => {
            let reason = format!("“seconds” is a number from 0 to {MAX_SLOW}.");
            page(StatusCode::BAD_REQUEST, pages::refused(visit, "That is no pause", &reason))
        }
    }
}

fn event_stream(headers: &HeaderMap) -> Response<Body> {
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<u32>().ok());
    let seen = seen.unwrap_or(0);
    if seen >= BEATS {
        // The one answer that keeps an EventSource from asking again.
        return respond(StatusCode::NO_CONTENT, "text/event-stream", Body::whole(""));
    }
    let events = Events::new(seen + 1, BEATS, Duration::from_secs(1));
    let mut response = respond(StatusCode::OK, "text/event-stream", Body::Events(events));
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

async fn upload(visit: &Visit, parts: &Parts, mut body: Incoming) -> Response<Body> {
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let mut form = content_type.and_then(Form::new);
    let mut bytes = 0;
    // One clock, started when the application sees the request: a slow client in front of a
    // buffering proxy does not move it.
    let start = std::time::Instant::now();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(frame) = frame else {
            let reason = "The connection ended before the upload did.";
            return refuse_body(visit, StatusCode::BAD_REQUEST, "Cut short", reason);
        };
        let Some(data) = frame.data_ref() else { continue };
        bytes += data.len() as u64;
        if bytes > MAX_UPLOAD {
            let reason = "This page counts up to 64 MiB.";
            return refuse_body(visit, StatusCode::PAYLOAD_TOO_LARGE, "That is too much", reason);
        }
        if let Some(form) = &mut form {
            form.push(data);
        }
    }
    if form.as_ref().is_some_and(|form| !form.is_complete()) {
        let reason = "The upload announces itself as a form and does not end as one.";
        return refuse_body(visit, StatusCode::BAD_REQUEST, "That is no form", reason);
    }
    let upload = Upload {
        files: form.map(|form| form.parts),
        bytes,
        framing: match parts.headers.get(header::CONTENT_LENGTH) {
            Some(_) => Framing::Length,
            None => Framing::Chunked,
        },
        took: start.elapsed(),
    };
    if wants_html(&parts.headers) {
        page(StatusCode::OK, pages::uploaded(visit, &upload))
    } else {
        text(StatusCode::OK, pages::uploaded_text(&upload))
    }
}

/// Refuses a body that was not read to its end, so that the connection cannot be used again.
fn refuse_body(visit: &Visit, status: StatusCode, title: &str, reason: &str) -> Response<Body> {
    let mut response = page(status, pages::refused(visit, title, reason));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn not_allowed(visit: &Visit, allow: &'static str) -> Response<Body> {
    let reason = format!("This page answers {allow}.");
    let html = pages::refused(visit, "Not with this method", &reason);
    let mut response = page(StatusCode::METHOD_NOT_ALLOWED, html);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// A browser names HTML; curl and its like take anything and get text.
fn wants_html(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")))
}

fn page(status: StatusCode, html: String) -> Response<Body> {
    let mut response = respond(status, "text/html; charset=utf-8", Body::whole(html));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", Body::whole(text))
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::SERVER, HeaderValue::from_static("sideman-demo"));
    response
}
