//! The shared cache: which responses it stores, whom it serves them to, and what it asks the application.

mod attacks;
mod bodies;
mod clients;
mod collapse;
mod conditions;
mod django;
mod invalidation;
mod reload;
mod requests;
mod routes;
mod stale;
mod storing;
mod thumbnails;
mod vary;
mod wagtail;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::{App, Client, Request, Response, Settings, Sideman, eventually};

/// An application whose responses the tests choose, behind Sideman with a cache.
struct Site {
    app: App,
    seen: Arc<Mutex<Vec<Request>>>,
}

/// A response that may be stored by any shared cache.
const FRESH: &str = "Cache-Control: max-age=600";

// === impl Site ===

impl Site {
    /// Responds with the fields in the request's `X-Fields`, one a `|`, with the status in `X-Status`, and with a body
    /// that has the number of the request in it. The cache knows nothing of these request fields.
    fn start() -> Self {
        Self::answering(reply)
    }

    /// Responds with a function of the request and its number, from 1 on.
    fn answering(answer: impl Fn(&Request, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let (all, count) = (Arc::clone(&seen), AtomicUsize::new(0));
        let app = App::start(move |request| {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            all.lock().unwrap().push(request.clone());
            answer(request, number)
        });
        Self { app, seen }
    }

    /// Sideman in front of it, with a cache in memory.
    fn settings(&self) -> Settings {
        Settings::before(&self.app.url()).set("cache.memory", "64MiB")
    }

    fn sideman(&self) -> Sideman {
        self.settings().start()
    }

    /// The number of requests that have arrived at the application.
    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The last request that has arrived there.
    #[track_caller]
    fn last(&self) -> Request {
        self.seen.lock().unwrap().last().cloned().expect("no request has arrived")
    }
}

/// A response as `X-Status`, `X-Fields` and `X-Body` of the request describe it.
fn reply(request: &Request, number: usize) -> Vec<u8> {
    let asked = |name: &str| request.head.get(name).map(str::to_owned);
    let status = asked("x-status").unwrap_or_else(|| "200 OK".to_owned());
    let body = asked("x-body").unwrap_or_else(|| format!("number {number}\n"));
    let fields = asked("x-fields").unwrap_or_default();
    let fields: Vec<&str> = fields.split('|').filter(|field| !field.is_empty()).collect();
    response(request, &status, &fields, &body)
}

/// The bytes of a response to this request, which keeps the connection.
fn response(request: &Request, status: &str, fields: &[&str], body: &str) -> Vec<u8> {
    let has_type = fields.iter().any(|field| field.to_lowercase().starts_with("content-type:"));
    let has_no_content = status.starts_with("204") || status.starts_with("304");
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: keep-alive\r\n");
    if !has_type && !has_no_content {
        head += "Content-Type: text/plain\r\n";
    }
    for field in fields {
        head = head + field + "\r\n";
    }
    if !has_no_content {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    let body = if request.method() == "HEAD" || has_no_content { "" } else { body };
    format!("{head}\r\n{body}").into_bytes()
}

/// Sends a GET to which the application responds with these fields, one a `|`.
#[track_caller]
fn fetch(client: &mut Client, target: &str, fields: &str) -> Response {
    fetch_with(client, target, fields, "")
}

/// Like `fetch`, with further lines in the request.
#[track_caller]
fn fetch_with(client: &mut Client, target: &str, fields: &str, lines: &str) -> Response {
    client.ask("GET", target, &format!("X-Fields: {fields}\r\n{lines}"))
}

/// The value of the Cache-Status field that Sideman has added (RFC 9211, 2): of the last member, which is closest to
/// the client.
#[track_caller]
fn cache_status(response: &Response) -> String {
    let lines = response.head.all("cache-status").join(", ");
    let last = lines.rsplit(", ").next().unwrap_or_default();
    let (name, rest) = last.split_once(';').unwrap_or((last, ""));
    assert_eq!(name.to_lowercase(), "sideman", "Cache-Status in {response:?}");
    rest.trim().to_owned()
}

/// Whether the response came from the cache, fresh or stale.
#[track_caller]
fn is_hit(response: &Response) -> bool {
    cache_status(response).split(';').any(|parameter| parameter.trim() == "hit")
}

/// Whether the cache has stored the response.
#[track_caller]
fn is_stored(response: &Response) -> bool {
    cache_status(response).split(';').any(|parameter| parameter.trim() == "stored")
}

/// Repeats a request until the response satisfies the condition: seconds pass until a stored response is stale.
#[track_caller]
fn until(
    what: &str,
    mut ask: impl FnMut() -> Response,
    wanted: impl Fn(&Response) -> bool,
) -> Response {
    eventually(what, || Some(ask()).filter(&wanted))
}
