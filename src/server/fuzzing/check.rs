//! The rules that hold for every connection, whatever its client does.

use std::{rc::Rc, sync::Arc};

use super::{
    application::{Application, Received},
    client::FuzzClient,
    requests::{self, FuzzItem, FuzzRequest},
    responses::{self, FuzzResponse},
};
use crate::telemetry::{MethodLabel, Metrics, RouteLabel, StatusClass, WorkerMetrics};

/// Fields that the server may add to a request for the application.
const OWN: [&[u8]; 13] = [
    b"host",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-port",
    b"x-real-ip",
    b"x-request-id",
    b"cdn-loop",
    b"x-request-start",
    b"connection",
    b"upgrade",
    b"content-length",
    b"transfer-encoding",
    b"max-forwards",
];

/// Everything that was observed of a connection that has ended.
pub(super) struct FuzzOutcome {
    pub(super) client: FuzzClient,
    pub(super) application: Rc<Application>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) lines: Vec<u8>,
}

/// A line of the access log.
struct LoggedLine {
    status: u16,
    bytes: usize,
}

/// Checks all rules.
pub(super) fn check(outcome: &FuzzOutcome) {
    let FuzzOutcome { client, application, metrics, lines } = outcome;
    let shard = &metrics.shards()[0];
    at_rest(shard, metrics);
    let lines: Vec<LoggedLine> = lines.split_inclusive(|&byte| byte == b'\n').map(line).collect();
    assert_eq!(counted(shard), lines.len() as u64, "requests counted, and lines");
    let items = requests::read(&client.sent);
    let received = application.received.borrow();
    forwarded(&items, &received);
    let asked = |index: usize| match items.get(index) {
        Some(FuzzItem::Complete(request) | FuzzItem::Begun(request)) => (&request.method[..], true),
        Some(FuzzItem::Unread { method }) => (&method[..], false),
        None => (&b""[..], false),
    };
    let responses = responses::read(&client.received, asked);
    assert!(responses.len() <= items.len(), "a response to nothing: {:?}", responses.last());
    let is_patient = client.is_good && !client.has_ended_writing;
    for (index, response) in responses.iter().enumerate() {
        let is_last = index + 1 == responses.len();
        assert!(is_last || response.is_complete, "a response behind one that is torn");
        assert!(is_last || !response.announces_close, "a response behind the last");
        if response.status != 0 {
            fits(&items[index], response, &received, is_patient);
        }
    }
    let numbers: Vec<usize> = responses.iter().filter_map(FuzzResponse::number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "the order of responses: {numbers:?}");
    logged(&lines, &responses, items.len());
    if client.is_good {
        assert!(client.has_seen_end, "the client sees the end");
        complete(&items, &responses, &received, client.has_ended_writing);
        assert_eq!(lines.len(), responses.len(), "lines, and responses that the client has read");
    }
    tunnelled(client, &items, &responses, &application.tunnelled.borrow());
}

#[cfg(test)]
impl FuzzOutcome {
    /// The statuses in the log.
    pub(super) fn statuses(&self) -> String {
        let lines = self.lines.split_inclusive(|&byte| byte == b'\n').map(line);
        lines.map(|line| line.status.to_string()).collect::<Vec<_>>().join(" ")
    }
}

/// Checks that nothing is in flight any more.
fn at_rest(shard: &WorkerMetrics, metrics: &Metrics) {
    let buffers = &metrics.process().buffers;
    for (name, value) in [
        ("in_flight", shard.in_flight.value()),
        ("connections", shard.connections.value()),
        ("upstream_in_flight", shard.upstream_in_flight.value()),
        ("queued", shard.queued.value()),
        ("tunnels", shard.tunnels.value()),
        ("panics", shard.panics.value()),
        ("memory", buffers.memory.load(std::sync::atomic::Ordering::Relaxed)),
        ("disk", buffers.disk.load(std::sync::atomic::Ordering::Relaxed)),
    ] {
        assert_eq!(value, 0, "{name}");
    }
}

/// The number of requests that were counted, with any labels.
fn counted(shard: &WorkerMetrics) -> u64 {
    let mut sum = 0;
    for route in RouteLabel::ALL {
        for method in MethodLabel::ALL {
            for class in StatusClass::ALL {
                sum += shard.requests(route, method, class).value();
            }
        }
    }
    sum
}

fn line(line: &[u8]) -> LoggedLine {
    let value: serde_json::Value = serde_json::from_slice(line).expect("a line is JSON");
    let number = |name: &str| value[name].as_u64().expect("a number");
    LoggedLine {
        status: number("status").try_into().expect("a status"),
        bytes: number("bytes").try_into().expect("bytes"),
    }
}

/// Checks that the application has received only requests of the client, in their order.
fn forwarded(items: &[FuzzItem], received: &[Received]) {
    let mut at = 0;
    // The content of a request that was not read is unknown.
    for one in received.iter().filter(|one| !one.request.method.is_empty()) {
        let is_this = |item: &FuzzItem| match item {
            FuzzItem::Complete(request) => is_same(request, one),
            FuzzItem::Begun(request) => !one.is_complete && is_same(request, one),
            FuzzItem::Unread { .. } => false,
        };
        // It may receive a request again that it has not responded to.
        let found = items[at..].iter().position(is_this);
        let found = found.unwrap_or_else(|| panic!("nobody has sent {}", one.request));
        at += found;
    }
}

/// Whether the application has received this request.
fn is_same(request: &FuzzRequest, got: &Received) -> bool {
    let Received { request: other, is_complete, .. } = got;
    let has = |(name, value): &(Vec<u8>, Vec<u8>)| {
        OWN.contains(&name.as_slice())
            || request.fields.iter().any(|(known, said)| known == name && said == value)
    };
    let is_body = if *is_complete {
        request.body == other.body
    } else {
        request.body.starts_with(&other.body)
    };
    request.method == other.method
        && is_target(&request.target, &other.target)
        && other.fields.iter().all(has)
        && is_body
}

/// Whether a target of the client is the one that the application has received. The scheme and host of the absolute
/// form are removed, and that form may have no path (RFC 9112, 3.2).
fn is_target(sent: &[u8], got: &[u8]) -> bool {
    if sent == got || sent.starts_with(b"/") {
        return sent == got;
    }
    let Some(scheme) = memchr::memmem::find(sent, b"://") else { return false };
    let rest = &sent[scheme + 3..];
    let tail = memchr::memchr2(b'/', b'?', rest).map_or(&b""[..], |at| &rest[at..]);
    let is_root = !tail.starts_with(b"/") && got.strip_prefix(b"/") == Some(tail);
    tail == got || is_root || tail.is_empty() && got == b"*"
}

/// Checks that a response fits this item. If the client is patient, no response may be truncated because of it.
fn fits(item: &FuzzItem, response: &FuzzResponse, received: &[Received], is_patient: bool) {
    let request = match item {
        FuzzItem::Complete(request) => request,
        FuzzItem::Begun(request) => {
            assert!(response.announces_close, "a request may follow half a one");
            request
        }
        FuzzItem::Unread { .. } => {
            assert!(response.status >= 400, "{} to no request", response.status);
            assert!(response.announces_close, "a request may follow what is none");
            assert_eq!(response.number(), None, "no request was forwarded");
            return;
        }
    };
    assert!(!request.is_old || !response.has_interim, "HTTP/1.0 knows no interim responses");
    assert!(
        response.announces_close || !request.announces_close || response.status == 101,
        "no response says that the connection ends"
    );
    let Some(number) = response.number() else {
        let is_health =
            response.status == 200 && response.field("cache-control") == Some("no-store");
        let is_own = is_health || response.status == 204 || response.status >= 400;
        assert!(is_own, "{} of nobody", response.status);
        return;
    };
    let got = received.get(number).expect("a response of the application's");
    assert!(is_same(request, got), "the response to another request");
    if response.status == 101 {
        assert!(request.asks_upgrade, "a change of protocols that nobody wants");
        return;
    }
    let is_torn = !response.is_complete || response.is_open_ended && (!is_patient || may_tear(got));
    if is_torn {
        assert!(got.response.starts_with(&response.body), "the body of another response");
    } else if request.method != b"HEAD" {
        assert_eq!(response.body, got.response, "the body of another response");
    }
}

/// Whether the application truncates its response.
fn may_tear(received: &Received) -> bool {
    matches!(received.behaviour, b't' | b'T' | b'y' | b'Y')
}

/// Checks that each request has exactly one log line, in order, and with the response that the client has received.
fn logged(lines: &[LoggedLine], responses: &[FuzzResponse], items: usize) {
    assert!(responses.len() <= lines.len(), "a response without its line");
    assert!(lines.len() <= items, "a line of no request");
    for (line, response) in lines.iter().zip(responses).filter(|(_, one)| one.status != 0) {
        assert_eq!(line.status, response.status, "the status of the line");
        if response.is_complete && !response.is_open_ended && response.status != 101 {
            assert_eq!(line.bytes, response.body.len(), "the bytes of the line");
        }
    }
}

/// Checks that a correct client receives all responses.
fn complete(
    items: &[FuzzItem],
    responses: &[FuzzResponse],
    received: &[Received],
    has_ended: bool,
) {
    for (index, item) in items.iter().enumerate() {
        // Bytes that are not a request may have a response, which is the last one.
        let FuzzItem::Complete(request) = item else { return };
        let before = index.checked_sub(1).and_then(|before| responses[before].number());
        let Some(response) = responses.get(index) else {
            // The application did not wait for the body, and the body was incomplete when the head was written. The
            // server could not know that the connection ends after it.
            let is_early = before.is_some_and(|number| received[number].behaviour == b'o');
            assert!(is_early, "no response to {request}");
            return;
        };
        if !response.is_complete {
            let got = response.number().and_then(|number| received.get(number));
            let got = got.or_else(|| received.last()).expect("a response of the application's");
            // A client that ends its side during a stream counts as disconnected.
            let is_left = has_ended && (got.behaviour == b's' || request.target.starts_with(b"/u"));
            assert!(is_left || may_tear(got), "a response is torn: {response:?}");
            return;
        }
        let is_blamed = matches!(response.status, 400 | 408 | 411..=417 | 421 | 431 | 501 | 505);
        assert!(!request.is_plain || !is_blamed, "{} to {request}", response.status);
        if response.announces_close || response.status == 101 {
            return;
        }
    }
}

/// Checks that a tunnel carries exactly the bytes that the client has sent behind its request.
fn tunnelled(client: &FuzzClient, items: &[FuzzItem], responses: &[FuzzResponse], bytes: &[u8]) {
    let last = responses.last().filter(|response| response.status == 101);
    let Some(FuzzItem::Complete(request)) = last.and_then(|_| items.get(responses.len() - 1))
    else {
        // The tunnel may have been opened for a client that did not read the response.
        assert!(bytes.is_empty() || !client.is_good, "a tunnel that nobody has opened");
        return;
    };
    assert!(client.sent[request.end..].starts_with(bytes), "bytes of a tunnel are others");
    if client.is_good && client.has_ended_writing {
        assert_eq!(&client.sent[request.end..], bytes, "bytes of a tunnel are missing");
        assert_eq!(last.map(|response| &response.body[..]), Some(&b"hellobye"[..]));
    }
}
