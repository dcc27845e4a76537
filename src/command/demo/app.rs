//! The application of the demo. Like gunicorn's sync workers it closes the connection after each request.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::BASE64;

/// Maximum number of requests that it processes at the same time.
pub(super) const WORKERS: usize = 2;
/// Time to compute a page.
const PAGE_TIME: Duration = Duration::from_millis(250);
/// Duration of a restart.
const RESTART_TIME: Duration = Duration::from_secs(2);

/// The hashed names of the static files, and the state that requests share.
#[derive(Debug, Default)]
pub(super) struct DemoApp {
    pub(super) style: String,
    pub(super) script: String,
    pub(super) in_flight: AtomicUsize,
    pub(super) restarts: AtomicBool,
}

// === impl DemoApp ===

impl DemoApp {
    /// Serves until it cannot listen. During a restart, or after an error, the socket file is gone.
    pub(super) fn serve(self, mut listener: UnixListener, socket: &Path) -> io::Result<()> {
        let app = Arc::new(self);
        loop {
            let connections = listener.incoming().map_while(Result::ok);
            for stream in connections.take_while(|_| !app.restarts.swap(false, Relaxed)) {
                let app = Arc::clone(&app);
                thread::Builder::new().spawn(move || app.response(&stream))?;
            }
            drop(listener);
            fs::remove_file(socket)?;
            thread::sleep(RESTART_TIME);
            listener = UnixListener::bind(socket)?;
        }
    }

    /// Responds to one request. Only Sideman connects here; it has checked the request and limited its size.
    fn response(&self, mut stream: &UnixStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while reader.read_line(&mut head)? > 2 {}
        let header = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            fields.find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
        };
        let (mut words, mut kind) = (head.split([' ', '?']), "plain");
        let text = match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
            ("GET" | "HEAD", "/") => {
                let link = format!("</static/{}>; rel=preload; as=style", self.style);
                write!(stream, "HTTP/1.1 103 Early Hints\r\nLink: {link}\r\n\r\n")?;
                self.work();
                kind = "html";
                let page = include_str!("assets/page.html").replace("demo.css", &self.style);
                page.replace("demo.js", &self.script)
            }
            ("GET", "/work") => self.work().to_string(),
            ("GET", "/request") => head.clone(),
            ("GET", "/events") => return events(stream),
            ("GET", "/socket") => return websocket(stream, header("sec-websocket-key")),
            ("POST", "/restart") => {
                self.restarts.store(true, Relaxed);
                UnixStream::connect_addr(&stream.local_addr()?)?; // ends the loop's wait
                "restarting".to_owned()
            }
            ("POST", "/upload") => {
                let (start, length) = (Instant::now(), header("content-length"));
                let length = length.and_then(|text| text.parse().ok()).unwrap_or(0);
                let bytes = io::copy(&mut reader.take(length), &mut io::sink())?;
                format!("{bytes} bytes, read in {} ms", start.elapsed().as_millis())
            }
            _ => return stream.write_all(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        };
        write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\n")?;
        write!(stream, "Content-Type: text/{kind}; charset=utf-8\r\nContent-Length: ")?;
        write!(stream, "{}\r\n\r\n{text}", text.len())
    }

    /// Simulates work. Returns the number of requests in flight at its end, including this one.
    fn work(&self) -> usize {
        self.in_flight.fetch_add(1, Relaxed);
        thread::sleep(PAGE_TIME);
        self.in_flight.fetch_sub(1, Relaxed)
    }
}

/// Sends one event a second until the client disconnects.
fn events(mut stream: &UnixStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
    for number in 1.. {
        stream.write_all(format!("id: {number}\ndata: event {number}\n\n").as_bytes())?;
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// Echoes short WebSocket messages (RFC 6455) until the client closes the connection.
fn websocket(mut stream: &UnixStream, key: Option<&str>) -> io::Result<()> {
    let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.unwrap_or_default());
    let accept = BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()).as_ref());
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    write!(stream, "{head}Sec-WebSocket-Accept: {accept}\r\n\r\n")?;
    let mut head = [0; 6];
    while head[0] & 0x0f != 8 {
        stream.read_exact(&mut head)?;
        let [first, length, mask @ ..] = head;
        let mut payload = vec![0; usize::from(length & 0x7f)];
        stream.read_exact(&mut payload)?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        stream.write_all(&[&[first, length & 0x7f], payload.as_slice()].concat())?;
    }
    Ok(())
}
