//! An HTTP/2 client that writes exactly the given frames, and keeps the responses of each
//! stream.

pub(crate) mod frame;
pub(crate) mod hpack;
mod parts;

pub(crate) use self::parts::{Http2Response, PREFACE, headers, setting, settings_frame, usual};

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use self::{
    frame::{Frame, flag, kind},
    hpack::Decoder,
};
use super::wait::TIME_LIMIT;

/// One connection.
#[derive(Debug)]
pub(crate) struct Http2 {
    stream: TcpStream,
    buffer: Vec<u8>,
    decoder: Decoder,
    responses: BTreeMap<u32, Http2Response>,
    /// The block of a HEADERS frame whose continuation follows.
    block: Option<Frame>,
    next: u32,
    /// Bytes of bodies that the server accepts now: in total, for a new stream, for each stream.
    window: i64,
    first_window: i64,
    windows: BTreeMap<u32, i64>,
    /// The settings of the server.
    pub(crate) settings: BTreeMap<u16, u32>,
    /// Our settings that it has acknowledged.
    pub(crate) acknowledged: usize,
    pub(crate) pongs: usize,
    /// The last accepted stream and the error code of each GOAWAY.
    pub(crate) goaways: Vec<(u32, u32)>,
    /// Streams in the order in which parts of their bodies arrived.
    pub(crate) order: VecDeque<u32>,
    /// Whether bodies are read as they arrive.
    takes: bool,
    /// Whether pings get a reply.
    pongs_back: bool,
    is_gone: bool,
}

// === impl Http2 ===

impl Http2 {
    /// Connects and begins like most clients.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::with(address, &[])
    }

    /// Connects and begins with these settings.
    #[track_caller]
    pub(crate) fn with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut client = Self::silent(address);
        client.begin(settings);
        client
    }

    /// Connects and sends nothing yet.
    #[track_caller]
    pub(crate) fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, TIME_LIMIT).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(TIME_LIMIT)).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
            decoder: Decoder::new(),
            responses: BTreeMap::new(),
            block: None,
            next: 1,
            window: 65_535,
            first_window: 65_535,
            windows: BTreeMap::new(),
            settings: BTreeMap::new(),
            acknowledged: 0,
            pongs: 0,
            goaways: Vec::new(),
            order: VecDeque::new(),
            takes: true,
            pongs_back: true,
            is_gone: false,
        }
    }

    /// Preface and settings.
    #[track_caller]
    pub(crate) fn begin(&mut self, settings: &[(u16, u32)]) {
        self.write(&[PREFACE, &settings_frame(settings).bytes()].concat());
    }

    /// Sends no WINDOW_UPDATE from now on: bodies arrive only until the windows are used up.
    pub(crate) fn hold(mut self) -> Self {
        self.takes = false;
        self
    }

    /// Replies to no PING from now on.
    pub(crate) fn mute(mut self) -> Self {
        self.pongs_back = false;
        self
    }

    #[track_caller]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    #[track_caller]
    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.write(&Frame::new(kind, flags, stream, payload).bytes());
    }

    /// Returns the number of an unused stream.
    pub(crate) fn new_stream(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// A request with exactly these fields; `ends` means that no body follows.
    #[track_caller]
    pub(crate) fn open(&mut self, fields: &[(&str, &str)], ends: bool) -> u32 {
        let stream = self.new_stream();
        self.write(&headers(stream, fields, ends));
        stream
    }

    /// Sends a usual request; returns its stream.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, more: &[(&str, &str)]) -> u32 {
        self.open(&usual(method, path, more), true)
    }

    /// Sends a request with a body; returns its stream.
    #[track_caller]
    pub(crate) fn post(&mut self, path: &str, more: &[(&str, &str)], body: &[u8]) -> u32 {
        let stream = self.open(&usual("POST", path, more), false);
        self.data(stream, body, true);
        stream
    }

    /// Sends a part of a body, as fast as the windows allow.
    #[track_caller]
    pub(crate) fn data(&mut self, stream: u32, mut body: &[u8], ends: bool) {
        loop {
            let own = *self.windows.entry(stream).or_insert(self.first_window);
            let most = usize::try_from(own.min(self.window).clamp(0, 16_384)).unwrap();
            if most == 0 && !body.is_empty() {
                if self.responses.get(&stream).is_some_and(Http2Response::is_over) {
                    return;
                }
                self.step();
                continue;
            }
            let (piece, rest) = body.split_at(most.min(body.len()));
            body = rest;
            let is_last = ends && body.is_empty();
            let flags = if is_last { flag::END_STREAM } else { 0 };
            self.frame(kind::DATA, flags, stream, piece);
            let length = i64::try_from(piece.len()).unwrap();
            self.window -= length;
            self.windows.entry(stream).and_modify(|window| *window -= length);
            if body.is_empty() {
                return;
            }
        }
    }

    /// Opens a window; that of the connection is number 0.
    #[track_caller]
    pub(crate) fn widen(&mut self, stream: u32, by: u32) {
        self.frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    }

    #[track_caller]
    pub(crate) fn reset(&mut self, stream: u32, code: u32) {
        self.frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes());
    }

    /// Sends a request and reads its whole response.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Http2Response {
        let stream = self.ask("GET", path, &[]);
        self.response(stream)
    }

    /// Waits for the end of a stream.
    #[track_caller]
    pub(crate) fn response(&mut self, stream: u32) -> Http2Response {
        self.until("an answer", |client| client.peek(stream).is_over());
        self.responses.remove(&stream).unwrap()
    }

    /// Returns the part of a response that has arrived.
    pub(crate) fn peek(&self, stream: u32) -> Http2Response {
        self.responses.get(&stream).cloned().unwrap_or_default()
    }

    /// Reads until this condition is true.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            assert!(!self.is_gone, "closed before {what}: {self:?}");
            self.step();
        }
    }

    /// Reads until this condition is true or the connection is closed. Returns whether it is true.
    #[track_caller]
    pub(crate) fn until_or_gone(&mut self, holds: impl Fn(&Self) -> bool) -> bool {
        while !holds(self) && !self.is_gone {
            self.step();
        }
        holds(self)
    }

    /// Sends these bytes repeatedly, and reads nothing, until the server accepts no more.
    pub(crate) fn fill_up(&mut self, bytes: &[u8]) {
        const MAX_SENT: usize = 64 << 20;
        self.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let many = bytes.repeat(1 + 65_536 / bytes.len());
        let mut sent = 0;
        while self.try_write(&many).is_ok() {
            sent += many.len();
            assert!(sent < MAX_SENT, "{sent} bytes were taken, and no answer was read");
        }
    }

    /// The window of the connection, in bytes.
    pub(crate) fn open_window(&self) -> i64 {
        self.window
    }

    /// Waits until the server has processed everything that was sent, by a PING.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        let pongs = self.pongs;
        self.frame(kind::PING, 0, 0, b"settled?");
        self.until("a pong", |client| client.pongs > pongs);
    }

    /// Reads until the connection is closed; returns the code of the last GOAWAY.
    #[track_caller]
    pub(crate) fn until_gone(&mut self) -> Option<u32> {
        while !self.is_gone {
            self.step();
        }
        self.goaways.last().map(|&(_, code)| code)
    }

    /// Reads until the stream is reset or the connection is closed.
    #[track_caller]
    pub(crate) fn until_gone_or_reset(&mut self, stream: u32) {
        while !self.is_gone && self.peek(stream).reset.is_none() {
            self.step();
        }
    }

    /// Reads until the connection is closed; returns the bytes that are not a whole frame.
    #[track_caller]
    pub(crate) fn raw_rest(&mut self) -> Vec<u8> {
        while self.fill(TIME_LIMIT) {}
        std::mem::take(&mut self.buffer)
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset_connection(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Reads the next frame, or records the end.
    #[track_caller]
    fn step(&mut self) {
        let deadline = Instant::now() + TIME_LIMIT;
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                return self.on_frame(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no frame within {TIME_LIMIT:?}: {self:?}");
            if !self.fill(left) {
                self.is_gone = true;
                return;
            }
        }
    }

    /// `false` at the end.
    #[track_caller]
    fn fill(&mut self, patience: Duration) -> bool {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let mut piece = vec![0; 65_536];
        match self.stream.read(&mut piece) {
            Ok(length) => {
                self.buffer.extend_from_slice(&piece[..length]);
                length > 0
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("cannot read: {error}: {self:?}"),
        }
    }

    fn on_frame(&mut self, frame: Frame) {
        assert!(
            self.block.is_none() || frame.kind == kind::CONTINUATION,
            "{frame:?} in the middle of a head"
        );
        match frame.kind {
            kind::DATA => {
                assert!(!frame.has(flag::PADDED), "{frame:?}");
                self.order.push_back(frame.stream);
                let response = self.responses.entry(frame.stream).or_default();
                response.body.extend(&frame.payload);
                response.is_complete = frame.has(flag::END_STREAM);
                let by = u32::try_from(frame.payload.len()).unwrap();
                if self.takes && by > 0 {
                    let open =
                        |id| Frame::new(kind::WINDOW_UPDATE, 0, id, by.to_be_bytes()).bytes();
                    // The server may have closed the connection already.
                    let _ = self.try_write(&[open(0), open(frame.stream)].concat());
                }
            }
            kind::HEADERS => self.on_block(frame),
            kind::CONTINUATION => {
                let mut whole = self.block.take().expect("a head to be continued");
                assert_eq!(whole.stream, frame.stream);
                whole.payload.extend(frame.payload);
                whole.flags |= frame.flags & flag::END_HEADERS;
                self.on_block(whole);
            }
            kind::RST_STREAM => {
                self.responses.entry(frame.stream).or_default().reset = Some(frame.number(0));
            }
            kind::SETTINGS if frame.has(flag::ACK) => self.acknowledged += 1,
            kind::SETTINGS => {
                for entry in frame.payload.chunks(6) {
                    let key = u16::from_be_bytes(entry[..2].try_into().unwrap());
                    let value = u32::from_be_bytes(entry[2..].try_into().unwrap());
                    if key == setting::INITIAL_WINDOW_SIZE {
                        let difference = i64::from(value) - self.first_window;
                        self.first_window += difference;
                        self.windows.values_mut().for_each(|window| *window += difference);
                    }
                    self.settings.insert(key, value);
                }
                let _ = self.try_write(&Frame::new(kind::SETTINGS, flag::ACK, 0, []).bytes());
            }
            kind::PING if frame.has(flag::ACK) => self.pongs += 1,
            kind::PING if !self.pongs_back => {}
            kind::PING => {
                let pong = Frame::new(kind::PING, flag::ACK, 0, frame.payload);
                let _ = self.try_write(&pong.bytes());
            }
            kind::GOAWAY => self.goaways.push((frame.number(0) & 0x7fff_ffff, frame.number(4))),
            kind::WINDOW_UPDATE => match frame.stream {
                0 => self.window += i64::from(frame.number(0)),
                stream => {
                    let first = self.first_window;
                    *self.windows.entry(stream).or_insert(first) += i64::from(frame.number(0));
                }
            },
            kind::PRIORITY | kind::PUSH_PROMISE => panic!("never from a server: {frame:?}"),
            _ => {}
        }
    }

    fn on_block(&mut self, frame: Frame) {
        if !frame.has(flag::END_HEADERS) {
            self.block = Some(frame);
            return;
        }
        let fields = self.decoder.decode(&frame.payload);
        let response = self.responses.entry(frame.stream).or_default();
        let status = fields.first().filter(|(name, _)| name == ":status");
        match status.map(|(_, status)| status.parse().unwrap()) {
            Some(interim @ 100..=199) => {
                assert_eq!(response.status, 0, "{interim} behind the answer");
                response.interim.push(interim);
                response.interim_fields.extend(fields);
            }
            Some(status) => (response.status, response.fields) = (status, fields),
            None => response.trailers = Some(fields),
        }
        response.is_complete = frame.has(flag::END_STREAM);
    }
}
