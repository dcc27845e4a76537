//! Files that the application sends with X-Accel-Redirect and X-Sendfile.

mod attacks;
mod connections;
mod file_server;
mod headers;
mod names;
mod requests;
mod sendfile;
mod sending;

use std::fmt::Write as _;

use crate::support::{App, Response, Settings, Sideman, TempDir};

const TEXT: &str = "abcdefghijklmnopqrstuvwxyz";
const SECRET: &str = "SECRET";

/// Directories for three prefixes, and an application that sends the headers in the request target.
struct Site {
    sideman: Sideman,
    /// `protected/`, `media/` and `static/` are served under these names; `secret.txt` is beside them.
    directory: TempDir,
    application: App,
}

// === impl Site ===

impl Site {
    /// `protected/a.txt` and these files.
    fn with(files: &[(&str, &[u8])]) -> Self {
        Self::set(files, |settings| settings)
    }

    /// The same with more settings.
    fn set(files: &[(&str, &[u8])], more: impl Fn(Settings) -> Settings) -> Self {
        let directory = TempDir::new();
        let own = [("protected/a.txt", TEXT.as_bytes()), ("secret.txt", SECRET.as_bytes())];
        for (name, content) in own.iter().chain(files) {
            directory.write(name, content);
        }
        let application = obedient();
        let sideman = more(settings(&application.url(), &directory)).start();
        Self { sideman, directory, application }
    }

    /// The response to a GET, with these headers from the application.
    #[track_caller]
    fn get(&self, said: impl AsRef<[u8]>) -> Response {
        self.ask("GET", said, "")
    }

    /// Like `get`, for any request without a body; the client's headers are whole lines.
    #[track_caller]
    fn ask(&self, method: &str, said: impl AsRef<[u8]>, fields: &str) -> Response {
        self.sideman.connect().ask(method, &path(said), fields)
    }
}

/// A target that makes the application send these headers: whole lines, the last one without its line end.
fn path(said: impl AsRef<[u8]>) -> String {
    said.as_ref().iter().fold("/say/".to_owned(), |mut path, byte| {
        let _ = write!(path, "{byte:02x}");
        path
    })
}

/// The three prefixes before this application.
fn settings(application: &str, directory: &TempDir) -> Settings {
    let root = |name: &str| format!("/{name}/={}", directory.join(name).display());
    Settings::before(application)
        .args(&["--accel", &root("protected")])
        .args(&["--media", &root("media")])
        .args(&["--static", &root("static")])
        .set("static.check_interval", "50ms")
}

/// Sends what [`path`] encodes, with an empty body; a status if the text begins with one.
fn obedient() -> App {
    App::start(|request| {
        let hex = request.target().strip_prefix("/say/").unwrap_or_default();
        let digits: Vec<char> = hex.chars().collect();
        let bytes = digits.chunks(2).map(|pair| {
            let pair: String = pair.iter().collect();
            u8::from_str_radix(&pair, 16).expect("two digits")
        });
        let said: Vec<u8> = bytes.collect();
        let (status, said) = match said.iter().position(|&byte| byte == b'\n') {
            Some(end) if said[..3].iter().all(u8::is_ascii_digit) => said.split_at(end + 1),
            _ => (&b"200 OK\r\n"[..], &said[..]),
        };
        let length = &b"Connection: keep-alive\r\nContent-Length: 0\r\n"[..];
        [b"HTTP/1.1 ", status, length, said, b"\r\n\r\n"].concat()
    })
}

/// The client sees none of the headers for the server in front of the application.
#[track_caller]
fn assert_silent(response: &Response) {
    for (name, value) in &response.head.fields {
        let name = name.to_lowercase();
        assert!(!name.starts_with("x-accel-") && name != "x-sendfile", "{name}: {value}");
    }
}
