//! Requests that two servers could read differently, that are malformed, or unusual: for each, the response
//! and, byte for byte, what an application sees over HTTP, and over the
//! uwsgi protocol. Another request follows each of them, which must or must not get a response.

mod apps;
mod chunks;
mod fields;
mod framing;
mod hosts;
mod limits;
mod line;
mod others;
mod pieces;
mod splits;

use std::collections::BTreeMap;

use self::apps::{Application, Seen};
use crate::support::{Client, Settings, Sideman};

/// A request and its expected result.
struct Case {
    raw: Vec<u8>,
    expected: Expected,
}

enum Expected {
    /// The status and the error in the log; the application sees nothing, and the connection closes.
    Refused(u16, &'static str),
    /// The application sees this.
    Passed(Seen, Then),
}

/// Whether the request after it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Next,
    Close,
}

const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

// === impl Case ===

fn refused(raw: impl AsRef<[u8]>, status: u16, error: &'static str) -> Case {
    Case { raw: raw.as_ref().to_vec(), expected: Expected::Refused(status, error) }
}

fn passed(raw: impl AsRef<[u8]>, seen: Seen) -> Case {
    Case { raw: raw.as_ref().to_vec(), expected: Expected::Passed(seen, Then::Next) }
}

fn last(raw: impl AsRef<[u8]>, seen: Seen) -> Case {
    Case { raw: raw.as_ref().to_vec(), expected: Expected::Passed(seen, Then::Close) }
}

/// A head with these lines after usual ones.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// Like `get`, for a request with a body.
fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

/// Sends all requests, to both kinds of application.
fn check(cases: &[Case]) {
    for application in [Application::http(), Application::uwsgi()] {
        let sideman = Settings::before(&application.url()).start();
        let mut wrong = Vec::new();
        let mut refusals = Vec::new();
        for case in cases {
            let what = match check_one(&sideman, &application, case) {
                Ok(Some(refusal)) => {
                    refusals.push((refusal, case));
                    continue;
                }
                Ok(None) => continue,
                Err(what) => what,
            };
            wrong.push(format!("\"{}\"\n  {what}", case.raw.escape_ascii()));
        }
        for ((id, error), case) in refusals {
            let line = sideman.log_line(&id, |line| line["request_id"] == *id);
            if line["error"] != error {
                wrong.push(format!("\"{}\"\n  expected {error}: {line}", case.raw.escape_ascii()));
            }
        }
        wrong.extend(check_counts(&sideman, cases).err());
        assert!(wrong.is_empty(), "{}:\n{}", application.url(), wrong.join("\n"));
        assert_eq!(application.take(), Vec::<String>::new());
    }
}

/// Returns the id of a refused request, and the expected error of its log line.
fn check_one(
    sideman: &Sideman,
    application: &Application,
    case: &Case,
) -> Result<Option<(String, &'static str)>, String> {
    let mut client = sideman.connect();
    // The response may arrive, and the connection close, before everything is sent.
    let _ = client.try_send([&case.raw, NEXT].concat());
    let mut refusal = None;
    let seen = match &case.expected {
        Expected::Refused(status, error) => {
            let old = memchr::memmem::find(&case.raw, b" HTTP/1.0\r\n").is_some();
            let response = check_refusal(&mut client, *status, old)?;
            let id = response.split("\r\nx-request-id: ").nth(1).unwrap_or_default();
            refusal = Some((id.split("\r\n").next().unwrap_or_default().to_owned(), *error));
            Vec::new()
        }
        Expected::Passed(seen, then) => {
            let method = seen.method();
            let response = client.try_response(method).map_err(|failure| failure.to_string())?;
            if response.status != 200 {
                return Err(format!("got {}: {}", response.status, response.text()));
            }
            let port = sideman.address().port();
            let mut expected = vec![application.expected(seen, port)];
            if *then == Then::Next {
                expected.push(application.expected(&Seen::of("GET /next"), port));
                let next = client.try_response("GET").map_err(|failure| failure.to_string())?;
                if next.status != 200 {
                    return Err(format!("the next one got {}", next.status));
                }
            } else {
                let rest = client.until_gone();
                if !rest.is_empty() {
                    return Err(format!("then came \"{}\"", rest.escape_ascii()));
                }
            }
            expected
        }
    };
    let got = application.take();
    if got == seen { Ok(refusal) } else { Err(format!("expected {seen:#?}, but it saw {got:#?}")) }
}

/// One response, which names the reason, and then the end of the connection.
fn check_refusal(client: &mut Client, status: u16, old: bool) -> Result<String, String> {
    let all = String::from_utf8_lossy(&client.until_gone()).into_owned();
    let mut parts = all.splitn(2, "\r\n\r\n");
    let head = parts.next().unwrap_or_default();
    let is_right = (head.starts_with(&format!("HTTP/1.1 {status} "))
        || old && head.starts_with(&format!("HTTP/1.0 {status} ")))
        && head.contains("\r\nconnection: close")
        && (status != 405 || head.contains("\r\nallow: GET,"));
    let body = parts.next().unwrap_or_default();
    let is_told = body.is_empty() == head.contains("\r\ncontent-length: 0")
        && (body.contains("<p>The") || body.contains("<p>A ") || body.contains("<p>This"));
    let is_alone = !body.contains("HTTP/1.1 2");
    if is_right && is_told && is_alone { Ok(all) } else { Err(format!("got {all:?}")) }
}

/// Every refusal was counted with its error.
fn check_counts(sideman: &Sideman, cases: &[Case]) -> Result<(), String> {
    let mut expected = BTreeMap::<&str, f64>::new();
    for case in cases {
        if let Expected::Refused(_, error) = case.expected {
            *expected.entry(error).or_default() += 1.0;
        }
    }
    if expected.is_empty() {
        let all = sideman.metric("sideman_errors_total", &[]);
        return if all == 0.0 { Ok(()) } else { Err(format!("{all} errors were counted")) };
    }
    for (error, count) in &expected {
        let got = sideman.metric("sideman_errors_total", &[("error", error)]);
        if got != *count {
            return Err(format!("{error} was counted {got} times, not {count}"));
        }
    }
    let all = sideman.metric("sideman_errors_total", &[]);
    let sum = expected.values().sum::<f64>();
    if all == sum { Ok(()) } else { Err(format!("{all} errors were counted, not {sum}")) }
}
