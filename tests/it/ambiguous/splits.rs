//! Pipelined requests, split at every byte into two segments and at many into three: each gets its response,
//! and is logged and counted, with any request before and after it.

use std::collections::BTreeMap;

use crate::support::{App, Client, Gate, Settings, Sideman};

/// Bytes sent on one connection, and the expected responses.
struct Sequence {
    name: &'static str,
    bytes: String,
    responses: Vec<Expected>,
    /// The last request, which ends the connection.
    error: Option<&'static str>,
}

/// The text of the application, or the status of a refusal.
type Expected = Result<&'static str, u16>;

fn sequences() -> Vec<Sequence> {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let wide: String = (0..150).map(|index| format!("X-A{index}: b\r\n")).collect();
    let refused = |name, bytes: &[&str], responses: &[Expected], error| Sequence {
        name,
        bytes: bytes.concat(),
        responses: responses.to_vec(),
        error: Some(error),
    };
    let taken = |name, bytes: &[&str], responses: &[&'static str]| Sequence {
        name,
        bytes: bytes.concat(),
        responses: responses.iter().copied().map(Ok).collect(),
        error: None,
    };
    let (one, two) = (get("/1"), get("/2"));
    let wide_get = format!("GET /w HTTP/1.1\r\nHost: a\r\n{wide}\r\n");
    let wide_post =
        format!("POST /c HTTP/1.1\r\nHost: a\r\n{wide}Transfer-Encoding: chunked\r\n\r\n");
    let quoted = get("/q?a=\"<b>\"");
    vec![
        refused(
            "malformed chunks",
            &[&one, chunked, "ZZ\r\n"],
            &[Ok("/1"), Err(400)],
            "client_body",
        ),
        refused(
            "malformed chunks behind a good one",
            &[&one, &two, chunked, "4\r\nbody\r\n4\nbody\r\n0\r\n\r\n", &one],
            &[Ok("/1"), Ok("/2"), Err(400)],
            "client_body",
        ),
        refused(
            "malformed chunks without anything before",
            &[chunked, "1\r\na\rb"],
            &[Err(400)],
            "client_body",
        ),
        refused(
            "malformed trailers",
            &[&one, chunked, "0\r\nX : y\r\n\r\n", &two],
            &[Ok("/1"), Err(400)],
            "client_body",
        ),
        refused(
            "malformed head",
            &[&one, "GET /2 HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", &one],
            &[Ok("/1"), Err(400)],
            "field_invalid",
        ),
        refused(
            "malformed request line",
            &[&one, &two, "GET /#3 HTTP/1.1\r\nHost: a\r\n\r\n"],
            &[Ok("/1"), Ok("/2"), Err(400)],
            "target_invalid",
        ),
        refused(
            "two lengths",
            &[
                "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
                "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
            ],
            &[Ok("/1"), Err(400)],
            "length_repeated",
        ),
        refused(
            "malformed chunks of a wide head",
            &[&one, &wide_post, "ZZ\r\n"],
            &[Ok("/1"), Err(400)],
            "client_body",
        ),
        refused(
            "malformed head behind a wide one",
            &[&one, &wide_get, "GET /2 HTTP/1.2\r\nHost: a\r\n\r\n"],
            &[Ok("/1"), Ok("/w"), Err(505)],
            "version_unsupported",
        ),
        taken("wide heads", &[&one, &wide_get, &two, &wide_get], &["/1", "/w", "/2", "/w"]),
        taken(
            "bodies",
            &[
                "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody\r\n",
                chunked,
                "2;a=b\r\nbo\r\n2\r\ndy\r\n0\r\nX: y\r\n\r\n",
                &two,
            ],
            &["/1", "/c", "/2"],
        ),
        taken(
            "queries that no URI has",
            &[&quoted, &one, &quoted, &quoted],
            &["/q?a=\"<b>\"", "/1", "/q?a=\"<b>\"", "/q?a=\"<b>\""],
        ),
    ]
}

/// Positions of the splits: every byte once if the sequence is short, and twice at some distance.
fn cuts(length: usize) -> Vec<Vec<usize>> {
    let step = 1 + length / 100;
    let once = (1..length).step_by(step).map(|at| vec![at]);
    let twice = (1..length).step_by(7 * step).flat_map(|first| {
        let second = [1, 2, 23, 61].map(|more| first + more * step);
        second.into_iter().filter(move |at| *at < length).map(move |at| vec![first, at])
    });
    once.chain(twice).collect()
}

fn answered(sideman: &Sideman, sequence: &Sequence, client: &mut Client) -> Result<(), String> {
    for expected in &sequence.responses {
        let response = client.try_response("GET").map_err(|failure| failure.to_string())?;
        let is_right = match expected {
            Ok(text) => response.status == 200 && response.text() == *text,
            Err(status) => response.status == *status && response.closes(),
        };
        if !is_right {
            return Err(format!("{} {:?}", response.status, response.text()));
        }
    }
    if sequence.error.is_some() {
        let rest = client.until_gone();
        return if rest.is_empty() { Ok(()) } else { Err(format!("\"{}\"", rest.escape_ascii())) };
    }
    let last = client.get("/last");
    assert_eq!(last.status, 200, "{}", sideman.address());
    Ok(())
}

/// Sends each sequence split in every way, on its own connection; each segment has been read before the next
/// one is sent. With a gate, the application responds after all of it was sent.
fn check(gate: Option<&Gate>, sideman: &Sideman, sequences: &[Sequence]) {
    let received = || sideman.metric("sideman_received_bytes_total", &[]);
    let mut errors = BTreeMap::<&str, f64>::new();
    for sequence in sequences {
        let cuts = cuts(sequence.bytes.len());
        let mut clients: Vec<Client> = cuts.iter().map(|_| sideman.connect()).collect();
        for round in 0..=2 {
            let mut sent = received();
            for (cut, client) in cuts.iter().zip(&mut clients) {
                if round > cut.len() {
                    continue;
                }
                let begin = round.checked_sub(1).map_or(0, |before| cut[before]);
                let end = cut.get(round).copied().unwrap_or(sequence.bytes.len());
                let segment = &sequence.bytes.as_bytes()[begin..end];
                if client.try_send(segment).is_ok() {
                    sent += segment.len() as f64;
                }
            }
            // Bytes after a refusal, or while a response is pending, are not read.
            if round == 0 && gate.is_none() {
                crate::support::eventually("all first segments", || {
                    (received() >= sent).then_some(())
                });
            }
        }
        if let Some(gate) = gate {
            gate.open();
        }
        for (cut, client) in cuts.iter().zip(&mut clients) {
            let result = answered(sideman, sequence, client);
            let (name, bytes) = (sequence.name, sequence.bytes.escape_debug());
            assert!(result.is_ok(), "{name} {bytes}, cut at {cut:?}: {}", result.unwrap_err());
        }
        if let Some(error) = sequence.error {
            *errors.entry(error).or_default() += cuts.len() as f64;
        }
    }
    for (error, count) in errors {
        sideman.until_metric("sideman_errors_total", &[("error", error)], count);
    }
}

#[test]
fn pipelined_requests_in_segments_are_each_served_and_counted() {
    let application = App::start(|request| App::reply(request.target().as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    check(None, &sideman, &sequences());
}

#[test]
fn segments_during_a_pending_response_are_each_served_and_counted() {
    for sequence in sequences() {
        let gate = Gate::new();
        let waits = gate.clone();
        let application = App::start(move |request| {
            waits.pass();
            App::reply(request.target().as_bytes())
        });
        // All clients connect at once, which is more than the listen queue of the application holds.
        let sideman = Settings::before(&application.url())
            .set("upstream.max_in_flight", "400")
            .set("upstream.connect_timeout", "30s")
            .start();
        check(Some(&gate), &sideman, &[sequence]);
    }
}
