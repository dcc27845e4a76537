//! Files in buckets: a scripted S3 that verifies signatures, and moto.

mod accel;
mod cached;
mod credentials;
mod errors;
mod fallback;
mod moto;
mod serving;
mod signature;

use std::sync::{Arc, Mutex};

use crate::support::{App, Request, ReservedPort, Settings, Sideman};

const KEY_ID: &str = "AKIAEXAMPLE";
const SECRET: &str = "an/example+secret";

/// A server with a bucket `site`. It refuses requests without a valid signature.
struct S3 {
    server: App,
    seen: Arc<Mutex<Vec<Request>>>,
}

// === impl S3 ===

impl S3 {
    /// Responds with the result of the function to each request with a valid signature.
    fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::with_secrets(&[(KEY_ID, SECRET)], answer)
    }

    /// Like `start`, for these keys.
    fn with_secrets(
        keys: &'static [(&'static str, &'static str)],
        answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let written = Arc::clone(&seen);
        let server = App::start(move |request| {
            written.lock().unwrap().push(request.clone());
            match signature::verify(request, keys) {
                Ok(()) => answer(request),
                Err(fault) => {
                    error(403, "SignatureDoesNotMatch", &format!("x-test-fault: {fault}\r\n"))
                }
            }
        });
        Self { server, seen }
    }

    /// A server with one object, which is the same at every key.
    fn saying(head: &str, body: &[u8]) -> Self {
        let response = object(head, body);
        Self::start(move |_| response.clone())
    }

    fn url(&self) -> String {
        format!("s3://site/up?region=eu-west-1&endpoint={}", self.server.url())
    }

    /// Sideman with this bucket at `/media/`, before an application that nobody has started.
    fn site(&self) -> Site {
        self.site_with(|settings| settings)
    }

    fn site_with(&self, more: impl FnOnce(Settings) -> Settings) -> Site {
        let application = ReservedPort::new();
        let settings = Settings::before(&application.url())
            .args(&["--media", &format!("/media/={}", self.url())]);
        Site { sideman: more(signed(settings)).start(), _application: application }
    }

    fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    #[track_caller]
    fn last(&self) -> Request {
        self.requests().last().expect("a request").clone()
    }
}

struct Site {
    sideman: Sideman,
    _application: ReservedPort,
}

/// Sets the keys.
fn signed(settings: Settings) -> Settings {
    settings.variable("AWS_ACCESS_KEY_ID", KEY_ID).variable("AWS_SECRET_ACCESS_KEY", SECRET)
}

/// A response with an object. `head` has whole lines.
fn object(head: &str, body: &[u8]) -> Vec<u8> {
    response("200 OK", head, body)
}

fn response(status: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: keep-alive\r\nServer: AmazonS3\r\nx-amz-request-id: 1\r\n\
         x-amz-meta-owner: SECRET\r\n{head}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A response with a code of S3.
fn error(status: u16, code: &str, head: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>SECRET</Message>\
         <RequestId>1</RequestId></Error>"
    );
    let head = format!("Content-Type: application/xml\r\n{head}");
    response(&format!("{status} Error"), &head, body.as_bytes())
}

/// Asserts that nothing of S3 but the object reaches the client.
#[track_caller]
fn assert_clean(response: &crate::support::Response) {
    let names = response.head.fields.iter().map(|(name, _)| name.to_lowercase());
    let foreign: Vec<String> =
        names.filter(|name| name.starts_with("x-amz") || name == "server").collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(!response.text().contains("SECRET"), "{}", response.text());
}
