//! The pages of the demo's application, as HTML. What came from the client enters them through
//! `html::Value::text` or `html::escape`, and in no other way.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use http::{HeaderMap, StatusCode, request::Parts};

use super::{
    assets,
    html::{Value, escape, fill, thousands},
    multipart::Part,
};

/// The pages in the header's navigation.
const NAVIGATION: [(&str, &str); 5] = [
    ("/request", "Request"),
    ("/slow", "Slow"),
    ("/upload", "Upload"),
    ("/events", "Events"),
    ("/files", "Files"),
];
/// What Sideman tells the application about a request.
const TOLD: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "x-request-id"];
const CLEF: &str = include_str!("assets/clef.svg");

/// What every page says about the request it answers.
#[derive(Debug)]
pub(super) struct Visit {
    path: String,
    host: String,
    client: Option<String>,
    scheme: Option<String>,
    request_id: Option<String>,
    application: String,
}

/// An upload, as it arrived.
#[derive(Debug)]
pub(super) struct Upload {
    /// The parts of a form; `None` for a body of another type.
    pub(super) files: Option<Vec<Part>>,
    /// The body's length.
    pub(super) bytes: u64,
    /// How its end was told.
    pub(super) framing: Framing,
    /// From the request's arrival at the application to its last byte.
    pub(super) took: Duration,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By a length in the head.
    Length,
    /// Chunk by chunk.
    Chunked,
}

/// What stands where, and what there is to try.
pub(super) fn home(visit: &Visit) -> String {
    let values = [
        ("host", Value::text(visit.host.as_str())),
        ("application", Value::text(visit.application.as_str())),
    ];
    layout(visit, "Sideman", &fill(include_str!("assets/home.html"), &values))
}

/// The request as the application sees it.
pub(super) fn request(visit: &Visit, parts: &Parts) -> String {
    let mut rows = String::new();
    for (name, value) in &parts.headers {
        let told = TOLD.contains(&name.as_str());
        let _ = write!(
            rows,
            "<tr{}><th scope=\"row\">{}</th><td>{}</td></tr>",
            if told { " class=\"told\"" } else { "" },
            escape(name.as_str()),
            escape(&String::from_utf8_lossy(value.as_bytes())),
        );
    }
    let told = |value: &Option<String>| match value {
        Some(value) => Value::markup(format!("<code>{}</code>", escape(value))),
        None => Value::markup("<span class=\"quiet\">not told</span>"),
    };
    let values = [
        ("method", Value::text(parts.method.as_str())),
        ("target", Value::text(parts.uri.to_string())),
        ("version", Value::text(format!("{:?}", parts.version))),
        ("client", told(&visit.client)),
        ("scheme", told(&visit.scheme)),
        ("request_id", told(&visit.request_id)),
        ("host", Value::text(visit.host.as_str())),
        ("count", Value::text(parts.headers.len().to_string())),
        ("rows", Value::markup(rows)),
    ];
    layout(visit, "The request", &fill(include_str!("assets/request.html"), &values))
}

/// The same for a terminal.
pub(super) fn request_text(parts: &Parts) -> String {
    let mut text = format!("{} {} {:?}\n", parts.method, parts.uri, parts.version);
    for (name, value) in &parts.headers {
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

/// The form of the slow page, and how long it took when it was asked to wait.
pub(super) fn slow(visit: &Visit, waited: Option<f64>) -> String {
    let result = match waited {
        Some(seconds) => fill(
            include_str!("assets/slow_result.html"),
            &[("seconds", Value::text(seconds.to_string()))],
        ),
        None => String::new(),
    };
    let seconds = waited.unwrap_or(2.0);
    let values = [
        ("result", Value::markup(result)),
        ("seconds", Value::text(seconds.to_string())),
        ("host", Value::text(visit.host.as_str())),
    ];
    layout(visit, "A slow page", &fill(include_str!("assets/slow.html"), &values))
}

/// The upload form.
pub(super) fn upload_form(visit: &Visit, limit: u64) -> String {
    let values =
        [("limit", Value::text(limit.to_string())), ("host", Value::text(visit.host.as_str()))];
    layout(visit, "An upload", &fill(include_str!("assets/upload.html"), &values))
}

/// What arrived with the upload form.
pub(super) fn uploaded(visit: &Visit, upload: &Upload) -> String {
    let mut rows = String::new();
    for (name, content_type, bytes) in upload.rows() {
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{}</th><td data-label=\"Type\">{}</td>\
             <td data-label=\"Bytes\" class=\"number\">{}</td></tr>",
            escape(name),
            escape(content_type),
            thousands(bytes),
        );
    }
    let values = [
        ("rows", Value::markup(rows)),
        ("bytes", Value::text(thousands(upload.bytes))),
        ("framing", Value::text(upload.framing.name())),
        ("took", Value::text(format!("{:.1}", upload.took.as_secs_f64() * 1000.0))),
    ];
    layout(visit, "It arrived", &fill(include_str!("assets/uploaded.html"), &values))
}

/// The same for a terminal.
pub(super) fn uploaded_text(upload: &Upload) -> String {
    let mut text = String::new();
    for (name, content_type, bytes) in upload.rows() {
        let _ = writeln!(text, "{name} ({content_type}): {bytes} bytes");
    }
    let milliseconds = upload.took.as_secs_f64() * 1000.0;
    let framing = upload.framing.name();
    let _ = writeln!(text, "body: {} bytes, by {framing}, {milliseconds:.1} ms", upload.bytes);
    text
}

/// The page that listens to the event stream.
pub(super) fn events(visit: &Visit, beats: u32) -> String {
    let values = [
        ("beats", Value::text(beats.to_string())),
        ("cells", Value::markup("<i></i>".repeat(beats as usize))),
        ("host", Value::text(visit.host.as_str())),
    ];
    layout(visit, "Events", &fill(include_str!("assets/events.html"), &values))
}

/// The static files.
pub(super) fn files(visit: &Visit) -> String {
    let mut rows = String::new();
    for asset in assets::all() {
        for file in [asset.hashed.as_str(), asset.name] {
            let _ = write!(
                rows,
                "<tr data-file=\"/static/{file}\"><th scope=\"row\"><a href=\"/static/{file}\">{file}</a></th>\
                 <td data-label=\"Bytes\" class=\"number\">{}</td>\
                 <td data-label=\"Cache-Control\" data-cell=\"cache\">–</td>\
                 <td data-label=\"Asked again\" data-cell=\"again\">–</td></tr>",
                thousands(asset.content.len() as u64),
            );
        }
    }
    let values = [
        ("rows", Value::markup(rows)),
        ("bass", Value::text(assets::url(assets::BASS))),
        ("host", Value::text(visit.host.as_str())),
    ];
    layout(visit, "Static files", &fill(include_str!("assets/files.html"), &values))
}

/// A status that was asked for.
pub(super) fn status(visit: &Visit, status: StatusCode) -> String {
    let reason = "You asked for this one. It comes from the application, and Sideman passes it on \
                  as it is: the status is in the access log and in the metrics.";
    error(visit, Some(status), status.canonical_reason().unwrap_or("A status of its own"), reason)
}

/// There is no such page.
pub(super) fn missing(visit: &Visit) -> String {
    let reason = "The application knows no such page, and says so itself. A file that is missing \
                  below /static/ is answered by Sideman, without asking.";
    error(visit, Some(StatusCode::NOT_FOUND), "Nothing at this address", reason)
}

/// The request makes no sense to its page.
pub(super) fn refused(visit: &Visit, title: &str, reason: &str) -> String {
    error(visit, None, title, reason)
}

fn error(visit: &Visit, status: Option<StatusCode>, title: &str, reason: &str) -> String {
    let status = status.map_or(String::new(), |status| status.as_u16().to_string());
    let values = [
        ("status", Value::text(status)),
        ("title", Value::text(title)),
        ("reason", Value::text(reason)),
        ("path", Value::text(visit.path.as_str())),
    ];
    layout(visit, title, &fill(include_str!("assets/error.html"), &values))
}

/// The frame around every page.
fn layout(visit: &Visit, title: &str, main: &str) -> String {
    let mut navigation = String::new();
    for (path, name) in NAVIGATION {
        let current = if visit.path == path { " aria-current=\"page\"" } else { "" };
        let _ = write!(navigation, "<li><a href=\"{path}\"{current}>{name}</a></li>");
    }
    let trace = match &visit.request_id {
        Some(id) => format!(
            "This page is request <code>{}</code>: look for it in the terminal.",
            escape(id)
        ),
        None => "This request came without an id, past Sideman.".to_owned(),
    };
    let values = [
        ("title", Value::text(title)),
        ("style", Value::text(assets::url(assets::STYLE))),
        ("script", Value::text(assets::url(assets::SCRIPT))),
        ("icon", Value::text(assets::url(assets::ICON))),
        ("clef", Value::markup(CLEF)),
        ("navigation", Value::markup(navigation)),
        ("main", Value::markup(main)),
        ("trace", Value::markup(trace)),
    ];
    fill(include_str!("assets/layout.html"), &values)
}

// === impl Visit ===

impl Visit {
    /// Reads from the request's head what the pages say about it.
    pub(super) fn new(parts: &Parts, application: Option<SocketAddr>) -> Self {
        Self {
            path: parts.uri.path().to_owned(),
            host: find(&parts.headers, "host").unwrap_or_else(|| "localhost".to_owned()),
            client: find(&parts.headers, "x-forwarded-for"),
            scheme: find(&parts.headers, "x-forwarded-proto"),
            request_id: find(&parts.headers, "x-request-id"),
            application: application.map_or_else(String::new, |address| address.to_string()),
        }
    }
}

fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

// === impl Upload ===

impl Upload {
    /// Name, type and length of each file; a body that is no form is one file without a name.
    fn rows(&self) -> Vec<(&str, &str, u64)> {
        match &self.files {
            Some(parts) => parts.iter().map(Part::row).collect(),
            None => vec![("the body", "no form", self.bytes)],
        }
    }
}

// === impl Framing ===

impl Framing {
    fn name(self) -> &'static str {
        match self {
            Self::Length => "Content-Length",
            Self::Chunked => "Transfer-Encoding: chunked",
        }
    }
}
