//! Incomplete handshakes: when others wait for permits, the oldest are closed.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{
    address,
    client::{Tls, Trust},
    self_signed,
};
use crate::support::App;

/// With `tls.handshakes` of the first or `server.max_connections` of the second, whichever is less.
const BOUNDS: [(usize, usize); 2] = [(1000, 200), (100, 10_000)];

#[test]
fn stalled_handshakes_are_shed() {
    let application = App::saying("hello");
    // A handshake record of which most bytes are missing.
    for said in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        for (handshakes, connections) in BOUNDS {
            let sideman = self_signed(&application.url())
                .set("health.wait_for_application", "false")
                .set("tls.handshake_timeout", "1m")
                .set("tls.handshakes", &handshakes.to_string())
                .set("server.max_connections", &connections.to_string())
                .start();
            let address = address(&sideman);
            let crowd: Vec<TcpStream> = (0..400)
                .map(|_| {
                    let mut stream = TcpStream::connect(address).unwrap();
                    // Some are already closed.
                    let _ = stream.write_all(said);
                    stream
                })
                .collect();
            let begin = Instant::now();
            let mut client = Tls::connect(address, &Trust::Anyone.config(), "localhost");
            let status = client.get("/healthz", "").status;
            let what = format!("{said:?} {handshakes} {connections}: {:?}", begin.elapsed());
            assert_eq!(status, 200, "{what}");
            // Far below tls.handshake_timeout.
            assert!(begin.elapsed() < Duration::from_secs(10), "{what}");
            assert_eq!(sideman.get("/healthz").status, 200, "{what}");
            let shed = sideman.metric("sideman_client_connections_shed_total", &[]);
            // Silent connections hold no handshake permit: only the connection limit closes them.
            let least = if said.is_empty() && connections > 400 { 0.0 } else { 100.0 };
            assert!(shed >= least, "{shed} {what}");
            drop(crowd);
        }
    }
}

/// A flood of connections that send these bytes: one each 5 ms, kept to the end.
fn flood(address: SocketAddr, said: &[u8], count: u32) -> Vec<TcpStream> {
    let begin = Instant::now();
    let one = |number| {
        let at = begin + Duration::from_millis(5) * number;
        thread::sleep(at.saturating_duration_since(Instant::now()));
        let mut stream = TcpStream::connect(address).unwrap();
        // Some are already closed.
        let _ = stream.write_all(said);
        stream
    };
    (0..count).map(one).collect()
}

#[test]
fn silent_connections_take_no_handshake_from_others() {
    let application = App::saying("hello");
    // At 200 a second the first are a tenth of the connections after 5 s.
    for (handshakes, said) in [("32", &b""[..]), ("512", b""), ("512", b"\x16")] {
        let sideman =
            self_signed(&application.url()).set("tls.handshakes", handshakes).start().until_ready();
        let address = address(&sideman);
        let (mut slowest, mut count) = (Duration::ZERO, 0);
        thread::scope(|scope| {
            let flood = scope.spawn(|| flood(address, said, 800));
            while !flood.is_finished() {
                let begin = Instant::now();
                let mut client = Tls::connect(address, &Trust::Anyone.config(), "localhost");
                assert_eq!(client.get("/healthz", "").status, 200);
                slowest = slowest.max(begin.elapsed());
                count += 1;
                thread::sleep(Duration::from_millis(20));
            }
            // No silent connection was closed for others.
            if said.is_empty() {
                assert_eq!(sideman.metric("sideman_client_connections_shed_total", &[]), 0.0);
                assert_eq!(sideman.metric("sideman_tls_handshakes_postponed_total", &[]), 0.0);
            }
            drop(flood.join());
        });
        println!("{handshakes} {said:?}: {count} handshakes, the slowest {slowest:?}");
        assert!(slowest < Duration::from_secs(1), "{handshakes} {said:?}: {slowest:?}");
        assert!(count > 10, "{count}");
    }
}
