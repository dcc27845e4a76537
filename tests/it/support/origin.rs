//! A scripted application: one list of steps for each connection, in the order in which
//! connections send their first byte. A deviation from the script fails the test when the origin is
//! dropped, or earlier if the test checks it.
//!
//! A connection that is closed without a byte is a health probe, and not part
//! of a script. Nor is one that begins in the other protocol: Sideman probes a server with it that fails
//! before its first response.

use std::{
    any::Any,
    collections::VecDeque,
    io,
    mem::MaybeUninit,
    net::Shutdown,
    ops::ControlFlow,
    panic,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::Socket;

use super::{
    head::Head,
    reserved_address::{Protocol, ReservedAddress, Transport},
    settings::Settings,
    step::Step,
    uwsgi,
    wait::{eventually, eventually_is},
    wire::{Request, Wire},
};

/// Listens on its own port or unix socket.
#[derive(Debug)]
pub(crate) struct Origin {
    place: Arc<ReservedAddress>,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    scripts: Mutex<VecDeque<Vec<Step>>>,
    requests: Mutex<Vec<Request>>,
    connections: Mutex<Vec<JoinHandle<()>>>,
    /// Scripts played to the end, with their connections closed.
    closed: AtomicUsize,
    /// No further connection is accepted.
    is_deaf: AtomicBool,
    ends: AtomicBool,
}

/// One connection with its script.
struct Act<'a> {
    wire: Wire,
    transport: Transport,
    shared: &'a Shared,
    /// The request whose body has not been read.
    pending: Option<usize>,
}

// === impl Origin ===

impl Origin {
    /// Expects one connection.
    pub(crate) fn script(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::scripts([steps.into_iter().collect()])
    }

    /// Expects one connection for each script.
    pub(crate) fn scripts(scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self::reached(Transport { protocol: Protocol::Http, is_unix: false }, scripts)
    }

    /// Like `scripts`, over any transport. `expect` reads the variables of the uwsgi protocol as the head they
    /// were made of, so one script fits all transports.
    pub(crate) fn reached(
        transport: Transport,
        scripts: impl IntoIterator<Item = Vec<Step>>,
    ) -> Self {
        Self::at(&Arc::new(ReservedAddress::new(transport)), scripts)
    }

    /// At an address that the test has chosen.
    pub(crate) fn at(
        place: &Arc<ReservedAddress>,
        scripts: impl IntoIterator<Item = Vec<Step>>,
    ) -> Self {
        let (listener, transport) = (place.listen(), place.transport());
        let scripts = Mutex::new(scripts.into_iter().collect());
        let shared = Arc::new(Shared { scripts, ..Shared::default() });
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, transport, &shared))
        };
        Self { place: Arc::clone(place), shared, acceptor: Mutex::new(Some(acceptor)) }
    }

    pub(crate) fn url(&self) -> String {
        self.place.url()
    }

    /// Sideman in front of it, with one worker.
    pub(crate) fn settings(&self) -> Settings {
        self.place.settings()
    }

    /// Waits for the request with this number; includes its body if a step has read it.
    #[track_caller]
    pub(crate) fn request(&self, number: usize) -> Request {
        eventually(&format!("request {number} at the origin"), || {
            lock(&self.shared.requests).get(number).cloned()
        })
    }

    /// The requests received so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Waits until this number of connections is closed on this side.
    #[track_caller]
    pub(crate) fn until_closed(&self, count: usize) {
        eventually_is("closed connections", &count, || self.shared.closed.load(Ordering::Acquire));
    }

    /// Refuses connections from now on; established ones continue.
    pub(crate) fn stop_listening(&self) {
        if let Some(failure) = self.end_acceptor() {
            panic::resume_unwind(failure);
        }
    }

    fn end_acceptor(&self) -> Option<Box<dyn Any + Send>> {
        let acceptor = lock(&self.acceptor).take()?;
        self.shared.is_deaf.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        drop(self.place.connect());
        acceptor.join().err()
    }

    fn end(&mut self) -> Option<Box<dyn Any + Send>> {
        self.shared.ends.store(true, Ordering::Relaxed);
        let mut failure = self.end_acceptor();
        let connections = std::mem::take(&mut *lock(&self.shared.connections));
        for thread in connections {
            failure = failure.or(thread.join().err());
        }
        failure
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let failure = self.end();
        if thread::panicking() {
            return;
        }
        if let Some(failure) = failure {
            panic::resume_unwind(failure);
        }
        let left = lock(&self.shared.scripts).len();
        assert_eq!(left, 0, "scripts for connections that never came");
    }
}

fn accept(listener: &Socket, transport: Transport, shared: &Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().unwrap();
        if shared.is_deaf.load(Ordering::Relaxed) {
            return;
        }
        let act = Arc::clone(shared);
        let thread = thread::spawn(move || {
            if speaks(&stream, &act) && speaks_as_expected(&stream, transport) {
                perform(stream, transport, &act);
                act.closed.fetch_add(1, Ordering::Release);
            }
        });
        lock(&shared.connections).push(thread);
    }
}

fn perform(stream: Socket, transport: Transport, shared: &Shared) {
    let script = lock(&shared.scripts).pop_front();
    let mut act = Act { wire: Wire::new(stream), transport, shared, pending: None };
    let Some(script) = script else {
        let request = act.wire.request();
        panic!("a connection beyond the script came with {request:?}");
    };
    for step in script {
        if act.play(step).is_break() {
            return;
        }
    }
    // The connection stays open; nothing more is expected on it.
    if speaks(act.wire.stream(), shared) {
        let request = act.wire.request();
        panic!("after the end of the script came {request:?}");
    }
}

/// Waits for a byte without reading it; `false` if the connection or the origin ends.
fn speaks(stream: &Socket, shared: &Shared) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    loop {
        match stream.peek(&mut [MaybeUninit::uninit()]) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return false,
            Err(_) if shared.ends.load(Ordering::Relaxed) => return false,
            Err(_) => {}
        }
    }
}

/// Whether the first byte, which has arrived, belongs to the protocol of this origin.
fn speaks_as_expected(stream: &Socket, transport: Transport) -> bool {
    let mut first = [0xff];
    let read = rustix::net::recv(stream, &mut first, rustix::net::RecvFlags::PEEK);
    assert!(read.is_ok(), "{read:?}");
    // The first byte of a packet, which no HTTP request begins with.
    (first == [0]) == transport.speaks_uwsgi()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Act ===

impl Act<'_> {
    /// Breaks when the connection must be closed.
    fn play(&mut self, step: Step) -> ControlFlow<()> {
        match step {
            Step::Expect(begin) => self.expect(&begin),
            Step::Packet => drop(self.packet()),
            Step::Body(expected) => self.body(&expected),
            Step::Receive(text) => match self.wire.until(text.as_bytes()) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("closed before {text:?}"),
                Err(failure) => panic!("waiting for {text:?}: {failure}"),
            },
            Step::Send(bytes) => {
                self.wire.write(&bytes).unwrap_or_else(|error| panic!("cannot send: {error}"));
            }
            Step::Flood(piece, most) => {
                // By the kilobyte: one write for each line would take longer than the reader.
                let pieces = piece.repeat(1 + 1024 / piece.len());
                let _ =
                    (0..most / pieces.len()).try_for_each(|_| self.wire.write(pieces.as_bytes()));
            }
            Step::Pause(time) => thread::sleep(time),
            Step::Wait(gate) => gate.pass(),
            Step::Open(gate) => gate.open(),
            Step::UntilClosed => match self.wire.rest() {
                Ok(_) => {}
                Err(failure) if failure.to_string().contains("reset") => {}
                Err(failure) => panic!("the peer does not close: {failure}"),
            },
            Step::HalfClose => self.wire.stream().shutdown(Shutdown::Write).unwrap(),
            Step::Close => return ControlFlow::Break(()),
            Step::Reset => {
                let socket = socket2::SockRef::from(self.wire.stream());
                socket.set_linger(Some(Duration::ZERO)).unwrap();
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn expect(&mut self, begin: &str) {
        let head = if self.transport.speaks_uwsgi() {
            of_variables(&self.packet())
        } else {
            match self.wire.head() {
                Ok(Some(head)) => head,
                Ok(None) => panic!("closed before {begin:?}"),
                Err(failure) => panic!("waiting for {begin:?}: {failure}"),
            }
        };
        assert!(head.start.starts_with(begin), "expected {begin:?}, got {head:?}");
        let mut requests = lock(&self.shared.requests);
        self.pending = Some(requests.len());
        requests.push(Request { head, body: Vec::new() });
    }

    fn packet(&mut self) -> Vec<u8> {
        let header = self.wire.exact(4).unwrap_or_else(|failure| panic!("header: {failure}"));
        let size = usize::from(u16::from_le_bytes([header[1], header[2]]));
        self.wire.exact(size).unwrap_or_else(|failure| panic!("variables: {failure}"))
    }

    fn body(&mut self, expected: &[u8]) {
        let number = self.pending.take().expect("a body comes after its head");
        let head = lock(&self.shared.requests)[number].head.clone();
        let framing = head.framing_of_request().unwrap_or_else(|what| panic!("{what}: {head:?}"));
        let body = self.wire.body(framing).unwrap_or_else(|failure| panic!("body: {failure}"));
        assert!(body == expected, "{} bytes of body came: {}", body.len(), body.escape_ascii());
        lock(&self.shared.requests)[number].body = body;
    }
}

/// The HTTP head that these variables were made of.
fn of_variables(block: &[u8]) -> Head {
    let variables = uwsgi::variables(block);
    let get = |key: &str| variables.get(key).map(String::as_str).unwrap_or_default();
    let [method, target, version] = ["REQUEST_METHOD", "REQUEST_URI", "SERVER_PROTOCOL"].map(get);
    let own = [("content-length", get("CONTENT_LENGTH")), ("content-type", get("CONTENT_TYPE"))];
    let own = own.into_iter().filter(|(_, value)| !value.is_empty());
    let sent = variables.iter().filter_map(|(key, value)| {
        Some((key.strip_prefix("HTTP_")?.replace('_', "-").to_lowercase(), value.clone()))
    });
    Head {
        start: format!("{method} {target} {version}"),
        fields: own.map(|(name, value)| (name.to_owned(), value.to_owned())).chain(sent).collect(),
    }
}
