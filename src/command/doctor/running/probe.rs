//! Labelled requests to the running Sideman, and to its application.

use std::time::Duration;

use crate::command::http_request::{self, CheckPeer};

const MAX_HEADERS: usize = 100;
const LABEL: &str = concat!("sideman-doctor/", env!("CARGO_PKG_VERSION"));

/// Where requests are sent, and what every one of them has.
#[derive(Clone, Debug)]
pub(super) struct Prober {
    pub(super) peer: CheckPeer,
    /// What the listener requires before a request.
    pub(super) preface: &'static str,
    pub(super) time: Duration,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Probe<'a> {
    pub(super) method: &'static str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// Further header fields, each with its name.
    pub(super) fields: Vec<(&'static str, String)>,
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProbeResponse {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

// === impl Prober ===

impl Prober {
    /// Sends a request, and reads its response.
    pub(super) fn send(&self, probe: &Probe<'_>) -> Result<ProbeResponse, String> {
        let Probe { method, host, path, fields } = probe;
        // HTTP/1.0 avoids a chunked response.
        let mut request = format!(
            "{}{method} {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: {LABEL}\r\nConnection: close\r\n",
            self.preface
        );
        for (name, value) in fields {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        let response = http_request::fetch(&self.peer, &request, self.time);
        // A query may contain a token.
        let shown = path.split('?').next().unwrap_or_default();
        let fault = |fault: String| match &self.peer {
            CheckPeer::Host(authority) => format!("{method} http://{authority}{shown}: {fault}"),
            CheckPeer::Unix(socket) => {
                format!("{method} {shown} at unix:{}: {fault}", socket.display())
            }
        };
        let response = response.map_err(fault)?;
        ProbeResponse::parse(&response).ok_or_else(|| fault("the response was not HTTP".into()))
    }
}

// === impl Probe ===

impl<'a> Probe<'a> {
    pub(super) fn get(host: &'a str, path: &'a str) -> Self {
        Self { method: "GET", host, path, fields: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

// === impl ProbeResponse ===

impl ProbeResponse {
    pub(super) fn parse(response: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let length = match head.parse(response).ok()? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return None,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = head.headers.iter();
        Some(Self {
            status: head.code?,
            headers: fields
                .map(|field| (field.name.to_ascii_lowercase(), text(field.value)))
                .collect(),
            body: text(response.get(length..).unwrap_or_default()),
        })
    }

    /// Returns the values of a header.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns where a redirect leads.
    pub(super) fn redirect(&self) -> Option<&str> {
        let is_redirect = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        self.values("location").next().filter(|_| is_redirect)
    }

    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns the names of the cookies that browsers keep for https only.
    pub(super) fn secure_cookies(&self) -> Vec<&str> {
        let is_secure = |cookie: &&str| {
            cookie
                .split(';')
                .skip(1)
                .any(|attribute| attribute.trim().eq_ignore_ascii_case("secure"))
        };
        let cookies = self.values("set-cookie").filter(is_secure);
        cookies.filter_map(|cookie| cookie.split('=').next()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_parsed() {
        let response = b"HTTP/1.1 302 Found\r\nLocation: /login/?next=/\r\nSet-Cookie: a=1; Secure; Path=/\r\n\
                         set-cookie: b=2\r\n\r\nbody";
        let parsed = ProbeResponse::parse(response).unwrap();
        assert_eq!((parsed.status, parsed.redirect()), (302, Some("/login/?next=/")));
        assert_eq!((parsed.secure_cookies(), parsed.body.as_str()), (vec!["a"], "body"));
        assert_eq!(ProbeResponse::parse(b"SSH-2.0-server\r\n"), None);
        assert_eq!(ProbeResponse::parse(b"HTTP/1.1 200 OK\r\n"), None);
    }
}
