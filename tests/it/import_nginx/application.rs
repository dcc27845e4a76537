//! The application behind both servers: it echoes what it saw.

use crate::support::{After, App, Packet, Request, UwsgiApp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Http,
    Uwsgi,
}

/// A scripted application at its own address.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) address: String,
    _server: Server,
}

#[derive(Debug)]
enum Server {
    Http { _server: App },
    Uwsgi { _server: UwsgiApp },
}

/// The first line of every echo.
pub(super) const ECHO: &str = "echo of ";

// === impl Application ===

impl Application {
    pub(super) fn start(name: &str, protocol: Protocol) -> Self {
        let name = name.to_owned();
        match protocol {
            Protocol::Http => {
                let server = App::start(move |request: &Request| {
                    let fields = request.head.fields.iter();
                    let fields =
                        fields.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
                    respond(
                        &name,
                        request.method(),
                        request.target(),
                        fields.collect(),
                        request.body.len(),
                    )
                });
                let address = server.url().trim_start_matches("http://").to_owned();
                Self { address, _server: Server::Http { _server: server } }
            }
            Protocol::Uwsgi => {
                let server = UwsgiApp::tcp(After::Close, move |packet: &Packet| {
                    let field = |name: &str| packet.get(name).unwrap_or_default().to_owned();
                    let fields = packet.variables.iter().filter_map(|(name, value)| {
                        let name = match name.as_str() {
                            "PATH_INFO" | "QUERY_STRING" | "SCRIPT_NAME" | "REMOTE_ADDR"
                            | "CONTENT_TYPE" => name,
                            name => name.strip_prefix("HTTP_")?,
                        };
                        Some((name.to_ascii_lowercase().replace('_', "-"), value.clone()))
                    });
                    let target = field("REQUEST_URI");
                    respond(
                        &name,
                        &field("REQUEST_METHOD"),
                        &target,
                        fields.collect(),
                        packet.body.len(),
                    )
                });
                let address = server.url().trim_start_matches("uwsgi://").to_owned();
                Self { address, _server: Server::Uwsgi { _server: server } }
            }
        }
    }
}

fn respond(
    name: &str,
    method: &str,
    target: &str,
    mut fields: Vec<(String, String)>,
    body: usize,
) -> Vec<u8> {
    if let Some((_, to)) = target.split_once("/send?to=") {
        return format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nX-Accel-Redirect: {to}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes();
    }
    fields.sort();
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let status = match target.split_once("/status?") {
        Some((_, status)) => format!("{status} Scripted"),
        None => "200 OK".into(),
    };
    let text = format!("{ECHO}{name}\n{method} {target}\nbody of {body}\n{lines}");
    let text = if method == "HEAD" { String::new() } else { text };
    let len = text.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\nX-From: application\r\n\
         Content-Length: {len}\r\n\r\n{text}"
    )
    .into_bytes()
}
