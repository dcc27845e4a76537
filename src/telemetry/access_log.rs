//! One line for each request, as JSON or in the `combined` form of nginx and Apache.

use std::{io::Write, net::IpAddr, time::Duration};

use super::{
    clock::Clock,
    escape::{combined_string, json_string},
    labels::Route,
};

/// What is told of one request. Bytes are as they came from the network.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub client: IpAddr,
    pub method: &'a str,
    pub host: Option<&'a [u8]>,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub version: http::Version,
    /// 499 if the client left.
    pub status: u16,
    /// Of the body.
    pub bytes: u64,
    pub duration: Duration,
    /// In the queue before the application, if it had to wait.
    pub queue: Option<Duration>,
    /// Until the application's head was there.
    pub upstream: Option<Duration>,
    pub route: Route,
    pub request_id: &'a [u8],
    pub trace_id: Option<&'a str>,
    pub user_agent: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    /// Why it failed.
    pub error: Option<&'static str>,
}

// === impl Line ===

impl Line<'_> {
    /// Appends the line as JSON, its line end included.
    pub fn write_json(&self, line: &mut Vec<u8>, clock: &Clock) {
        line.extend_from_slice(b"{\"time\":\"");
        line.extend_from_slice(clock.rfc3339().as_bytes());
        line.push(b'.');
        digits3(line, clock.millisecond());
        line.extend_from_slice(b"Z\",\"client\":\"");
        address(line, self.client);
        line.extend_from_slice(b"\",\"method\":");
        json_string(line, self.method.as_bytes());
        text(line, "host", self.host);
        text(line, "path", Some(self.path.as_bytes()));
        text(line, "query", self.query.map(str::as_bytes));
        number(line, "status", self.status.into());
        number(line, "bytes", self.bytes);
        milliseconds(line, "duration_ms", self.duration);
        if let Some(queue) = self.queue {
            milliseconds(line, "queue_ms", queue);
        }
        if let Some(upstream) = self.upstream {
            milliseconds(line, "upstream_ms", upstream);
        }
        text(line, "route", Some(self.route.name().as_bytes()));
        text(line, "request_id", Some(self.request_id));
        text(line, "trace_id", self.trace_id.map(str::as_bytes));
        text(line, "user_agent", self.user_agent);
        text(line, "referer", self.referer);
        text(line, "error", self.error.map(str::as_bytes));
        line.extend_from_slice(b"}\n");
    }

    /// Appends the line in the `combined` form, its line end included.
    pub fn write_combined(&self, line: &mut Vec<u8>, clock: &Clock) {
        address(line, self.client);
        line.extend_from_slice(b" - - [");
        line.extend_from_slice(clock.combined().as_bytes());
        line.extend_from_slice(b"] \"");
        combined_string(line, self.method.as_bytes());
        line.push(b' ');
        combined_string(line, self.path.as_bytes());
        if let Some(query) = self.query {
            line.push(b'?');
            combined_string(line, query.as_bytes());
        }
        // Writing to a Vec cannot fail.
        let _ = write!(line, " {:?}\" {} {} \"", self.version, self.status, self.bytes);
        combined_string(line, self.referer.unwrap_or(b"-"));
        line.extend_from_slice(b"\" \"");
        combined_string(line, self.user_agent.unwrap_or(b"-"));
        line.extend_from_slice(b"\"\n");
    }
}

fn text(line: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    key(line, name);
    json_string(line, value);
}

fn number(line: &mut Vec<u8>, name: &str, value: u64) {
    key(line, name);
    line.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Milliseconds with three decimals.
fn milliseconds(line: &mut Vec<u8>, name: &str, value: Duration) {
    let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
    number(line, name, micros / 1000);
    line.push(b'.');
    digits3(line, u32::try_from(micros % 1000).unwrap_or_default());
}

fn key(line: &mut Vec<u8>, name: &str) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

fn digits3(line: &mut Vec<u8>, value: u32) {
    for divisor in [100, 10, 1] {
        line.push(b'0' + u8::try_from(value / divisor % 10).unwrap_or_default());
    }
}

fn address(line: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (index, octet) in v4.octets().iter().enumerate() {
                if index > 0 {
                    line.push(b'.');
                }
                line.extend_from_slice(itoa::Buffer::new().format(*octet).as_bytes());
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(v6) => drop(write!(line, "{v6}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        let mut clock = Clock::default();
        clock.set(Duration::from_millis(784_111_777_042));
        clock
    }

    fn line() -> Line<'static> {
        Line {
            client: [198, 51, 100, 7].into(),
            method: "GET",
            host: Some(b"example.org"),
            path: "/a\"b",
            query: Some("x=1"),
            version: http::Version::HTTP_11,
            status: 200,
            bytes: 12,
            duration: Duration::from_micros(1_234_567),
            queue: Some(Duration::from_micros(2_500)),
            upstream: Some(Duration::from_micros(42)),
            route: Route::Proxy,
            request_id: b"abc",
            trace_id: None,
            user_agent: Some(b"curl/8"),
            referer: None,
            error: None,
        }
    }

    #[test]
    fn json() {
        let mut out = Vec::new();
        line().write_json(&mut out, &clock());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"time":"1994-11-06T08:49:37.042Z","client":"198.51.100.7","method":"GET","#,
                r#""host":"example.org","path":"/a\"b","query":"x=1","status":200,"bytes":12,"#,
                r#""duration_ms":1234.567,"queue_ms":2.500,"upstream_ms":0.042,"route":"proxy","#,
                r#""request_id":"abc","user_agent":"curl/8"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn combined() {
        let mut out = Vec::new();
        line().write_combined(&mut out, &clock());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "198.51.100.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a\\x22b?x=1 HTTP/1.1\" \
             200 12 \"-\" \"curl/8\"\n"
        );
    }
}
