//! What goes to the application and comes back from it.

mod bodies;
mod connections;
mod disconnects;
mod headers;
mod refusals;
mod streams;
mod versions;

/// The head of an answer that keeps its connection, without the empty line at its end.
///
/// HTTP/1.1 keeps connections without a word, but uWSGI closes them without a word: a test that
/// counts on a kept one has the application say so, as gunicorn does.
const KEPT: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n";

/// A whole answer that keeps its connection.
fn kept(body: &str) -> String {
    format!("{KEPT}Content-Length: {}\r\n\r\n{body}", body.len())
}
