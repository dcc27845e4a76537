//! Stands between a client's socket and hyper, which is more lenient than a server in front of another
//! may be: it mends line ends, drops a length beside a transfer coding, cuts fragments off. Heads pass
//! here when they are complete and can be read in one way only; bodies are followed to their end,
//! because that is where the next head begins.
//!
//! A head that must not pass is not given to hyper. In its place comes one that says what can be told of
//! it, and the connection knows why: so the refusal is answered in its turn, logged and counted like
//! any request.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::ReadBuf;

use crate::{
    error::Kind,
    pipeline::{Activity, Client, Refusal},
    rfc::{
        chunk_scan,
        request_head::{self, Fault, Framing, Limits},
        target,
    },
};

/// The state of one connection's incoming bytes.
#[derive(Debug)]
pub(super) struct Gate {
    limits: Limits,
    state: State,
    /// Heads that have passed.
    heads: u64,
    /// Bytes that hyper has not got.
    held: BytesMut,
    /// How many of these it may have.
    ready: usize,
    /// Fields that hyper takes.
    room: usize,
}

#[derive(Debug)]
enum State {
    Head(request_head::Scanner),
    Body(u64),
    Chunks(chunk_scan::Scanner),
    /// The next head is complete and has so many fields that hyper must be told before.
    Wide,
    /// A head has passed that asks for WebSocket. What follows is HTTP only if the answer says no.
    Upgrade,
    /// The body is none, from here on.
    Malformed,
    /// Nothing more is read.
    Refused,
}

/// Whether more is to be read from the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    More,
    Nothing,
}

/// Fields that hyper has room for on its stack. Told of any other number, it allocates for each
/// request, which costs about as much as to parse one.
const FIELDS: usize = 100;

/// Bytes that may wait for the answer to a request for WebSocket. Clients send none before.
const EARLY: usize = 64 * 1024;

/// Bytes that are told of a refused head, and of one thing in it.
const TOLD_MOST: usize = 4096;
const TOLD_ONE: usize = 1024;

// === impl Gate ===

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State::new_head();
        let room = FIELDS.min(limits.fields);
        Self { limits, state, heads: 0, held: BytesMut::new(), ready: 0, room }
    }

    /// Gives bytes that were held and may pass; `false` if there are none.
    pub(super) fn deliver(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let count = self.ready.min(buffer.remaining());
        let Some(bytes) = self.held.get(..count) else { return false };
        buffer.put_slice(bytes);
        self.held.advance(count);
        self.ready -= count;
        if self.held.is_empty() {
            // It held a head that came in pieces, which most do not.
            self.held = BytesMut::new();
        }
        count > 0
    }

    /// Whether the socket is to be read. Fails in the middle of a body that is none.
    pub(super) fn demand(&mut self, client: &Client) -> io::Result<Demand> {
        match self.state {
            State::Head(_) | State::Body(_) | State::Chunks(_) => Ok(Demand::More),
            State::Upgrade if self.is_idle(client) => {
                self.state = State::new_head();
                self.look_again(client);
                Ok(Demand::More)
            }
            State::Upgrade if self.held.len() < EARLY => Ok(Demand::More),
            State::Wide => {
                client.set_wide(self.heads);
                Ok(Demand::Nothing)
            }
            State::Upgrade | State::Refused => Ok(Demand::Nothing),
            // What came before it is answered first.
            State::Malformed if self.ready > 0 => Ok(Demand::Nothing),
            State::Malformed => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "malformed chunked body"))
            }
        }
    }

    /// Looks at bytes that have come; gives how many of them may pass at once. What `http::Uri` does not take is
    /// hidden in them, and the target kept as it came.
    pub(super) fn admit(&mut self, bytes: &mut [u8], client: &Client) -> usize {
        let passed = if self.held.is_empty() {
            let (passed, fault) = self.follow(bytes, client);
            let rest = bytes.get(passed..).unwrap_or_default();
            match fault {
                Some(fault) => self.refuse(fault, rest, client),
                None if self.holds() => self.held.extend_from_slice(rest),
                None => {}
            }
            passed
        } else {
            self.held.extend_from_slice(bytes);
            self.look_again(client);
            0
        };
        client.set_begun(matches!(self.state, State::Head(_)) && self.held.len() > self.ready);
        if matches!(self.state, State::Upgrade) && !self.held.is_empty() {
            // Nothing else would wake the connection when the answer is no.
            client.hide_end();
        }
        passed
    }

    /// hyper takes as many fields as may be from now on.
    pub(super) fn widen(&mut self, client: &Client) {
        self.room = self.limits.fields;
        self.state = State::new_head();
        self.look_again(client);
    }

    /// What was held when HTTP was over: the first bytes of the next protocol.
    pub(super) fn into_held(self) -> Bytes {
        self.held.freeze()
    }

    fn look_again(&mut self, client: &Client) {
        let mut held = std::mem::take(&mut self.held);
        let (passed, fault) = self.follow(held.get_mut(self.ready..).unwrap_or_default(), client);
        self.ready += passed;
        if fault.is_none() && self.holds() {
            self.held = held;
            return;
        }
        let rest = held.split_off(self.ready);
        self.held = held;
        if let Some(fault) = fault {
            self.refuse(fault, &rest, client);
        }
    }

    /// Follows the requests through these bytes; gives how many may pass, and why not more of them if a
    /// head is refused. The state's scanner is at the first that may not.
    fn follow(&mut self, bytes: &mut [u8], client: &Client) -> (usize, Option<Fault>) {
        let mut at = 0;
        loop {
            let length = bytes.len();
            let rest = bytes.get_mut(at..).unwrap_or_default();
            if rest.is_empty() {
                return (at, None);
            }
            match &mut self.state {
                State::Head(scanner) => match scanner.scan(rest, &self.limits) {
                    Ok(None) => return (at, None),
                    Err(fault) => return (at, Some(fault)),
                    Ok(Some(head)) if head.fields > self.room => {
                        self.state = State::Wide;
                        return (at, None);
                    }
                    Ok(Some(head)) => {
                        if let Some(target) = head.hidden.and_then(|range| rest.get_mut(range)) {
                            client.keep_target(self.heads, target);
                            target::hide(target);
                        }
                        at += head.length;
                        self.heads += 1;
                        self.state = match head.framing {
                            Framing::Chunked => State::Chunks(chunk_scan::Scanner::default()),
                            Framing::Length(0) if head.asks_for_websocket => State::Upgrade,
                            Framing::Length(0) => State::new_head(),
                            Framing::Length(length) => State::Body(length),
                        };
                    }
                },
                State::Body(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    at += here;
                    *left -= here as u64;
                    if *left == 0 {
                        self.state = State::new_head();
                    }
                }
                State::Chunks(scanner) => match scanner.scan(rest) {
                    chunk_scan::Step::More => return (length, None),
                    chunk_scan::Step::End(length) => {
                        at += length;
                        self.state = State::new_head();
                    }
                    chunk_scan::Step::Malformed(length) => {
                        self.state = State::Malformed;
                        return (at + length, None);
                    }
                },
                State::Wide | State::Upgrade | State::Malformed | State::Refused => {
                    return (at, None);
                }
            }
        }
    }

    /// Puts a head that can be read in place of one that must not be.
    fn refuse(&mut self, fault: Fault, head: &[u8], client: &Client) {
        self.state = State::Refused;
        client.refuse(self.heads, refusal(fault));
        let (method, target, fields) = request_head::salvage(head);
        let target = if target.len() > TOLD_ONE { "*" } else { target };
        self.held.extend_from_slice(format!("{method} {target} HTTP/1.1\r\n").as_bytes());
        let begin = self.held.len();
        for (name, value) in fields {
            if request_head::is_told(name)
                && value.len() <= TOLD_ONE
                && self.held.len() - begin + value.len() <= TOLD_MOST
            {
                for piece in [name, b": ", value, b"\r\n"] {
                    self.held.extend_from_slice(piece);
                }
            }
        }
        self.held.extend_from_slice(b"\r\n");
        self.ready = self.held.len();
    }

    /// Whether bytes that may not pass yet are to be kept.
    fn holds(&self) -> bool {
        !matches!(self.state, State::Malformed | State::Refused)
    }

    /// Whether all that has passed was answered.
    fn is_idle(&self, client: &Client) -> bool {
        client.requests() == self.heads && client.activity() != Activity::Busy
    }
}

// === impl State ===

impl State {
    fn new_head() -> Self {
        Self::Head(request_head::Scanner::default())
    }
}

/// What a fault is to the client and to the log.
pub(super) fn refusal(fault: Fault) -> Refusal {
    let misplaced = if let Fault::Target(misplaced) = fault { misplaced } else { None };
    Refusal { kind: kind(fault), misplaced }
}

fn kind(fault: Fault) -> Kind {
    match fault {
        Fault::LineEnd => Kind::LineEndInvalid,
        Fault::RequestLine => Kind::RequestLineInvalid,
        Fault::Version => Kind::VersionUnsupported,
        Fault::Target(_) => Kind::TargetInvalid,
        Fault::Field => Kind::FieldInvalid,
        Fault::Length => Kind::LengthInvalid,
        Fault::LengthRepeated => Kind::LengthRepeated,
        Fault::LengthAndCoding => Kind::LengthAndCoding,
        Fault::Coding => Kind::CodingUnknown,
        Fault::CodingTooEarly => Kind::CodingUnexpected,
        Fault::Pseudo => Kind::PseudoHeaderInvalid,
        Fault::ConnectionField => Kind::ConnectionField,
        Fault::Authority => Kind::HostInvalid,
        Fault::BodyMissing => Kind::ClientBody,
        Fault::LineTooLong => Kind::RequestLineTooLong,
        Fault::FieldTooLong => Kind::HeaderTooLong,
        Fault::HeadTooLong => Kind::HeadersTooLong,
        Fault::TooManyFields => Kind::TooManyHeaders,
    }
}
