//! Forwarded requests and responses.

mod bodies;
mod connections;
mod disconnects;
mod headers;
mod refusals;
mod streams;
mod versions;

/// The head of a response that keeps its connection, without the empty line at its end.
///
/// HTTP/1.1 keeps connections by default, but uWSGI closes them unannounced: a test that
/// relies on keep-alive lets the application announce it, like gunicorn.
const KEEP_ALIVE: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n";

/// A whole response that keeps its connection.
fn kept(body: &str) -> String {
    format!("{KEEP_ALIVE}Content-Length: {}\r\n\r\n{body}", body.len())
}
