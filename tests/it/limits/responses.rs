//! `server.write_timeout`: a client that reads nothing of a response, or a byte now and then to look alive, is
//! disconnected.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use super::{TIMEOUTS, pass};
use crate::support::{ReservedPort, Settings, Sideman, TempDir, pattern};

const SIZE: usize = 24 << 20;
const WRITE: [(&str, &str); 1] = [("timer", "write")];

fn start(directory: &TempDir, application: &ReservedPort) -> Sideman {
    directory.write("large.bin", pattern(SIZE));
    Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("server.write_timeout", "1s")
        .start()
}

fn ask(sideman: &Sideman) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&sideman.address().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /static/large.bin HTTP/1.1\r\nHost: example.test\r\n\r\n").unwrap();
    stream
}

#[test]
fn reader_of_a_byte_now_and_then_is_disconnected() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    let sideman = start(&directory, &application);
    let mut stream = ask(&sideman);
    let begin = Instant::now();
    // After the reset, the client can still read the bytes in the kernels' buffers.
    while sideman.metric(TIMEOUTS, &WRITE) == 0.0 {
        stream.read_exact(&mut [0]).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(20), "it is still served");
        pass(50);
    }
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    let line = sideman.log_of("/static/large.bin");
    assert_eq!((&line["status"], &line["error"]), (&200.into(), &"client_disconnected".into()));
}

#[test]
fn aborted_response_leaves_nothing_behind() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    let sideman = start(&directory, &application);
    let mut stream = ask(&sideman);
    sideman.until_metric(TIMEOUTS, &WRITE, 1.0);
    // A reset, not an end after the buffered bytes.
    let mut rest = Vec::new();
    let error = stream.read_to_end(&mut rest).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(rest.len() < SIZE);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}
