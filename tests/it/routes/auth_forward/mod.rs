//! Forward authentication: an auth server decides about each request of a route.

mod anubis;
mod django;
mod failures;
mod headers;
mod requests;
mod verdicts;

use std::sync::{Arc, Mutex, PoisonError};

use crate::support::{App, Request, Settings};

/// An auth server that responds with the result of a function, and keeps the requests that it got.
struct AuthServer {
    app: App,
    asked: Arc<Mutex<Vec<Request>>>,
}

// === impl AuthServer ===

impl AuthServer {
    fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let kept = Arc::clone(&asked);
        let app = App::start(move |request| {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
            answer(request)
        });
        Self { app, asked }
    }

    /// Responds in the same way to every request.
    fn saying(status: &str, fields: &str, body: &str) -> Self {
        let response = response(status, fields, body);
        Self::start(move |_| response.clone())
    }

    /// Lets every request pass.
    fn allowing() -> Self {
        Self::saying("200 OK", "", "")
    }

    /// The URL of its check.
    fn url(&self) -> String {
        format!("{}/check", self.app.url())
    }

    /// The requests so far.
    fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last request.
    #[track_caller]
    fn last(&self) -> Request {
        self.asked().pop().expect("no request")
    }
}

/// A whole response. `fields` are whole lines, with CRLF.
fn response(status: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{fields}\r\n{body}").into_bytes()
}

/// An application that returns what it got: the request line, the fields in lower case, and the body.
fn echo() -> App {
    App::start(|request| {
        let mut text = format!("{}\n", request.head.start);
        for (name, value) in &request.head.fields {
            text.push_str(&format!("{}: {value}\n", name.to_lowercase()));
        }
        text.push_str(&String::from_utf8_lossy(&request.body));
        App::reply(text.as_bytes())
    })
}

/// Sideman with an auth server for everything.
fn guarded(application: &App, auth: &str) -> Settings {
    Settings::before(&application.url()).route("all", &[("auth", auth)])
}
